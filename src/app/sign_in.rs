//! Signing in: name and password, then a security key. The first run and invitations: a one-time link leads to a password and two keys.

use super::{
    App, AppError, Invalid,
    tx::{Act, Entered},
};
use crate::audit::Event;
use crate::authn::{Ceremony, NewKey};
use crate::authz::{self, Action, Actor, Resource};
use crate::crypto::{
    password,
    token::{self, TokenDigest},
};
use crate::domain::{Audience, CredentialId, Grant, MailAddress, Notice, NoticeKind, Role, Secret, Timestamp, UserId, text};
use crate::storage::{self, Lane, credentials::Credential, invitations::Invitation, users::User};

/// How long the first set-up link lives.
const SETUP_LIVES_MS: i64 = 60 * 60 * 1_000;
/// How many keys a person needs before they have any right beyond signing in.
pub const KEYS_NEEDED: usize = 2;

/// Somebody who holds a valid link.
#[derive(Debug, Clone)]
pub struct Welcomed {
    /// Who.
    pub user: User,
    /// Digest of the link's token, which the session keeps until the second key is there.
    pub link: String,
    /// How many keys they have.
    pub keys: usize,
}

/// What somebody who holds a link chooses.
#[derive(Debug)]
pub struct Chosen {
    /// The name shown.
    pub display_name: String,
    /// The password.
    pub password: Secret<String>,
    /// Where their notices go by mail; empty: nowhere.
    pub address: String,
}

impl App {
    fn server_permit(&self) -> Result<crate::authz::Permit, AppError> {
        Ok(authz::check(&Actor::Server, Action::Record, &Resource::Installation)?)
    }

    /// On an installation that nobody has entered yet: a fresh one-time link to the first admin's set-up. Ends earlier ones.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn setup_link(&self) -> Result<Option<Secret<String>>, AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let now = act.now();
        let users = storage::users::user_all(act.tx()).await?;
        let admin = match users.as_slice() {
            [] => {
                let grants = vec![Grant { role: Role::Admin, team: None }];
                let admin = User {
                    id: UserId::new(),
                    name: "admin".into(),
                    display_name: "First administrator".into(),
                    password_hash: None,
                    enabled: true,
                    created_at: now,
                    grants,
                };
                storage::users::user_insert(act.tx(), &admin).await?;
                act.record(Event::InstallationSetUp { installation: self.installation.id.clone(), admin: admin.id.clone() }).await?;
                admin
            }
            [only] => {
                let keys = storage::credentials::credential_of_user(act.tx(), &only.id).await?;
                if keys.len() >= KEYS_NEEDED {
                    return Ok(None);
                }
                only.clone()
            }
            _ => return Ok(None),
        };
        let link = token::new_token("setup")?;
        storage::invitations::invitation_end(act.tx(), &admin.id, "setup", now).await?;
        let row = Invitation {
            token_hash: TokenDigest::of(link.expose()).hex(),
            user_id: admin.id.clone(),
            kind: "setup".into(),
            made_at: now,
            expires_at: now.plus_ms(SETUP_LIVES_MS),
        };
        storage::invitations::invitation_insert(act.tx(), &row).await?;
        act.changes_books();
        act.commit(Event::SetupLinkMade { user: admin.id }).await?;
        Ok(Some(Secret::new(format!("{}welcome/{}", self.origin, link.expose()))))
    }

    /// Who holds this link, while it is open.
    ///
    /// # Errors
    /// `NotFound` for a link that is used, over or wrong, all alike.
    pub async fn welcome(&self, link: &str) -> Result<Welcomed, AppError> {
        self.welcome_by_digest(&TokenDigest::of(link).hex()).await
    }

    /// The same by the digest that a session keeps.
    ///
    /// # Errors
    /// `NotFound` for a link that is used, over or wrong, all alike.
    pub async fn welcome_by_digest(&self, link: &str) -> Result<Welcomed, AppError> {
        let gone = || AppError::NotFound("link; it may have been used or be over");
        let mut tx = self.db.read().await?;
        let row = storage::invitations::invitation_open(&mut tx, link, self.clock.now()).await?.ok_or_else(gone)?;
        if row.kind == "demo" {
            return Err(gone());
        }
        let user = storage::users::user_by_id(&mut tx, &row.user_id).await?.filter(|user| user.enabled).ok_or_else(gone)?;
        let keys = storage::credentials::credential_of_user(&mut tx, &user.id).await?.len();
        Ok(Welcomed { user, link: link.to_owned(), keys })
    }

    /// Sets the password and the name shown of somebody who holds a link.
    ///
    /// # Errors
    /// `NotFound` for a dead link; `Invalid` for a weak password.
    pub async fn welcome_password(&self, link: &str, chosen: Chosen) -> Result<Welcomed, AppError> {
        let Chosen { display_name, password, address } = chosen;
        let welcomed = self.welcome_by_digest(link).await?;
        let mut invalid = Invalid::default();
        let display_name = invalid.check("display_name", "Your name", text::name(&display_name));
        let address =
            (!address.trim().is_empty()).then(|| invalid.check("address", "The address", address.parse::<MailAddress>())).flatten();
        let inputs = [welcomed.user.name.as_str(), self.installation.name.as_str(), "andon"];
        invalid.check("password", "The password", password::check_strength(password.expose(), &inputs));
        let (Some(display_name), true) = (display_name, invalid.0.is_empty()) else { return Err(invalid.into()) };
        let hash = tokio::task::spawn_blocking(move || password::hash(&password)).await.map_err(AppError::internal)?;
        let hash = hash.map_err(AppError::internal)?;
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        storage::users::user_set_password(act.tx(), &welcomed.user.id, &hash, &display_name).await?;
        self.welcome_address(&mut act, &welcomed.user.id, address).await?;
        act.changes_books();
        act.commit(Event::PasswordSet { user: welcomed.user.id.clone() }).await?;
        self.welcome_by_digest(link).await
    }

    /// Takes the address that a newcomer gave. One that stands is changed with a key only, whoever holds a link.
    async fn welcome_address(&self, act: &mut Act<'_>, user: &UserId, address: Option<MailAddress>) -> Result<(), AppError> {
        let Some(address) = address else { return Ok(()) };
        if storage::notices::address_of(act.tx(), user).await?.is_some() {
            return Ok(());
        }
        let now = act.now();
        storage::notices::address_set(act.tx(), user, Some(&address), now).await?;
        let text = "Your notices come to this address: when a security key is added or your roles change, for example.";
        let told = Notice::new(NoticeKind::AddressChanged, format_args!("welcome:{}", now.0), "Your notices come here", text).at("/me");
        act.tell(&Audience::person(user), &told).await?;
        act.record(Event::AddressSet { user: user.clone() }).await.map(drop)
    }

    /// What the browser needs to make a new key for somebody who holds a link.
    ///
    /// # Errors
    /// `NotFound` for a dead link.
    pub async fn welcome_key_options(&self, link: &str) -> Result<Ceremony, AppError> {
        let welcomed = self.welcome_by_digest(link).await?;
        let keys = storage::credentials::credential_of_user(&mut *self.db.read().await?, &welcomed.user.id).await?;
        let known: Vec<CredentialId> = keys.into_iter().map(|key| key.id).collect();
        let user = &welcomed.user;
        Ok(self.keys.begin_registration(&user.id, &user.name, &user.display_name, &known)?)
    }

    /// Takes a new key. With the second one the link is used up.
    ///
    /// # Errors
    /// `Key` when the browser's answer does not do; `Invalid` for a nickname that does not fit.
    pub async fn welcome_key(&self, link: &str, state: &str, response: &str, nickname: &str) -> Result<Welcomed, AppError> {
        let welcomed = self.welcome_by_digest(link).await?;
        let user = welcomed.user.id.clone();
        if welcomed.user.password_hash.is_none() {
            return Err(AppError::conflict("set a password first"));
        }
        let mut invalid = Invalid::default();
        let Some(nickname) = invalid.check("nickname", "The key's name", text::name(nickname)) else { return Err(invalid.into()) };
        let key = self.keys.finish_registration(state, response)?;
        self.add_key(&user, key, nickname, Some(link)).await?;
        let keys = welcomed.keys + 1;
        Ok(Welcomed { keys, ..welcomed })
    }

    /// Writes a new key with its entry; `link` is used up once the person has enough keys.
    pub(crate) async fn add_key(&self, user: &UserId, key: NewKey, nickname: String, link: Option<&str>) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let now = act.now();
        let row = Credential {
            id: key.id.clone(),
            user_id: user.clone(),
            nickname: nickname.clone(),
            passkey: key.passkey.clone(),
            created_at: now,
            last_used_at: None,
        };
        match storage::credentials::credential_insert(act.tx(), &row).await {
            Err(storage::Error::Duplicate(_)) => return Err(AppError::conflict("this key is known already; nothing was saved")),
            other => other?,
        }
        let keys = storage::credentials::credential_of_user(act.tx(), user).await?.len();
        if let (Some(link), true) = (link, keys >= KEYS_NEEDED)
            && !storage::invitations::invitation_use(act.tx(), link, now).await?
        {
            return Err(AppError::NotFound("link; it may have been used or be over"));
        }
        act.changes_books();
        act.commit(Event::CredentialAdded {
            user: user.clone(),
            credential: key.id,
            nickname,
            passkey: key.passkey,
            public_key: key.public_key,
        })
        .await?;
        Ok(())
    }

    /// First half of signing in. Burns the same time for a name that does not exist.
    ///
    /// # Errors
    /// `TooMany`; `Conflict` with one sentence for every way it can be wrong.
    pub async fn sign_in_password(&self, name: &str, password: Secret<String>, from: &str) -> Result<UserId, AppError> {
        if let Err(wait) = self.throttle.check(name, from) {
            return Err(AppError::TooMany(wait));
        }
        let user = storage::users::user_by_name(&mut *self.db.read().await?, name.trim()).await?;
        let hash = user.as_ref().filter(|user| user.enabled).and_then(|user| user.password_hash.clone());
        let good = tokio::task::spawn_blocking(move || match hash {
            Some(hash) => password::verify(&password, &hash),
            None => password::verify_nobody(&password),
        })
        .await
        .map_err(AppError::internal)?;
        match user {
            Some(user) if good => Ok(user.id),
            user => {
                self.sign_in_failed(user.as_ref().map(|u| &u.id), "password").await;
                Err(AppError::conflict("That name and password do not belong together. Nothing was changed."))
            }
        }
    }

    async fn sign_in_failed(&self, user: Option<&UserId>, step: &'static str) {
        let noted = async {
            let act = self.begin(self.server_permit()?, Lane::Normal).await?;
            act.commit_stop(Event::SignInFailed { user: user.cloned(), step: step.to_owned() }).await
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "a failed sign-in could not be recorded");
        }
    }

    /// What the browser needs for the second half.
    ///
    /// # Errors
    /// `Key` when the person has no key.
    pub async fn sign_in_key_options(&self, user: &UserId) -> Result<Ceremony, AppError> {
        let keys = storage::credentials::credential_of_user(&mut *self.db.read().await?, user).await?;
        let passkeys: Vec<String> = keys.into_iter().map(|key| key.passkey).collect();
        Ok(self.keys.begin_assertion(&passkeys, None)?)
    }

    /// Second half: the key. With the log unable to take an entry the session is stop-only (ruling C4), which `false` says.
    ///
    /// # Errors
    /// `Key` when the answer does not verify.
    pub async fn sign_in_key(&self, user: &UserId, state: &str, response: &str) -> Result<bool, AppError> {
        let keys = storage::credentials::credential_of_user(&mut *self.db.read().await?, user).await?;
        let passkeys: Vec<String> = keys.into_iter().map(|key| key.passkey).collect();
        let signed = match self.keys.finish_assertion(state, &passkeys, response) {
            Ok(signed) => signed,
            Err(error) => {
                self.sign_in_failed(Some(user), "key").await;
                return Err(error.into());
            }
        };
        let recorded = async {
            let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
            let now = act.now();
            if let Some(passkey) = &signed.passkey {
                storage::credentials::credential_used(act.tx(), &signed.credential, now, passkey).await?;
            }
            act.commit_stop(Event::SignedIn { user: user.clone(), credential: Some(signed.credential.clone()) }).await
        };
        match recorded.await {
            Ok(Entered::At(_)) => Ok(true),
            Ok(Entered::Late) => Ok(false),
            Err(error) => {
                tracing::warn!(%error, "a sign-in could not be recorded; the session may only stop");
                Ok(false)
            }
        }
    }

    /// Notes that somebody signed out.
    pub async fn signed_out(&self, user: &UserId) {
        let noted = async {
            let act = self.begin(self.server_permit()?, Lane::Normal).await?;
            act.commit_stop(Event::SignedOut { user: user.clone() }).await
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "a sign-out could not be recorded");
        }
    }

    /// Uses a demo's sign-in link. Demo installations only.
    ///
    /// # Errors
    /// `NotFound` everywhere else, and for a link that is over.
    pub async fn demo_sign_in(&self, link: &str) -> Result<UserId, AppError> {
        let gone = || AppError::NotFound("link; it may be over");
        if !self.is_demo() {
            return Err(gone());
        }
        let now: Timestamp = self.clock.now();
        let hash = TokenDigest::of(link).hex();
        let row = storage::invitations::invitation_open(&mut *self.db.read().await?, &hash, now).await?.ok_or_else(gone)?;
        if row.kind != "demo" {
            return Err(gone());
        }
        let act = self.begin(self.server_permit()?, Lane::Normal).await?;
        act.commit(Event::SignedIn { user: row.user_id.clone(), credential: None }).await?;
        Ok(row.user_id)
    }
}
