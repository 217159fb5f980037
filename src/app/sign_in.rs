//! Signing in: name and password, then a security key, with a word to the person when it is a new browser or goes wrong. The first run and invitations: a one-time link leads to a password and two keys.

pub use super::whence::Whence;
use super::{
    App, AppError, Invalid,
    own_keys::KeyNews,
    tx::{Act, Entered},
    whence::note_browser,
};
use crate::audit::{Event, SignedAct};
use crate::authn::{Ceremony, KeyError, NewKey, Signed, Step, Trying};
use crate::crypto::{
    password,
    token::{self, TokenDigest},
};
use crate::domain::{
    Audience, CredentialId, Grant, KEYS_NEEDED, MailAddress, Notice, NoticeKind, RecoveryId, Role, Secret, Timestamp, UserId,
    recovery::{FROZEN_MS, RecoveryState},
    text,
};
use crate::storage::{self, Lane, credentials::Credential, invitations::Invitation, recoveries::Recovery, users::User};
use data_encoding::BASE64URL_NOPAD;

/// How long the first set-up link lives.
const SETUP_LIVES_MS: i64 = 60 * 60 * 1_000;
/// From which wrong password in a row the person is told.
const TOLD_FROM: u32 = 3;
/// How long whoever opened a link may take. The link itself may be over meanwhile.
pub const LINK_SESSION_MS: i64 = 15 * 60 * 1_000;

/// Somebody who holds a valid link.
#[derive(Debug, Clone)]
pub struct Welcomed {
    /// Who.
    pub user: User,
    /// Digest of the link's token, which the session keeps until the second key is there.
    pub link: String,
    /// How many keys they have.
    pub keys: usize,
    /// The password of this link is set; keys come next.
    pub has_password: bool,
    /// The recovery that it belongs to; none: an invitation.
    pub recovery: Option<RecoveryId>,
}

/// Somebody whose key was touched.
#[derive(Debug, Clone)]
pub struct Touched {
    /// With which key: the session ends when it is removed.
    pub key: CredentialId,
    /// False: the log could not take the entry, and the session may only stop (ruling C4).
    pub recorded: bool,
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
    /// On an installation that nobody has entered yet: a fresh one-time link to the first admin's set-up. Ends earlier ones.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn setup_link(&self) -> Result<Option<Secret<String>>, AppError> {
        // Nearly always there are people: nothing is written then, and no writer waited for.
        if self.is_set_up().await? {
            return Ok(None);
        }
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
                if self.has_come_in(act.tx(), &only.id).await? {
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

    async fn is_set_up(&self) -> Result<bool, AppError> {
        let mut tx = self.db.read().await?;
        let users = storage::users::user_all(&mut tx).await?;
        Ok(match users.as_slice() {
            [] => false,
            // Whoever ever had two is in, also once their keys are gone: a recovery helps them, no set-up.
            [only] => self.has_come_in(&mut tx, &only.id).await?,
            _ => true,
        })
    }

    /// Who holds this link, while it is open.
    ///
    /// # Errors
    /// `NotFound` for a link that is used, over or wrong, all alike.
    pub async fn welcome(&self, link: &str) -> Result<Welcomed, AppError> {
        self.welcomed(&TokenDigest::of(link).hex(), self.clock.now()).await
    }

    /// The same by the digest that a session keeps, for a while after it was opened.
    ///
    /// # Errors
    /// `NotFound` for a link that is used, over or wrong, all alike.
    pub async fn welcome_by_digest(&self, link: &str) -> Result<Welcomed, AppError> {
        self.welcomed(link, self.clock.now().plus_ms(-LINK_SESSION_MS)).await
    }

    async fn welcomed(&self, link: &str, open_at: Timestamp) -> Result<Welcomed, AppError> {
        let mut tx = self.db.read().await?;
        let row = storage::invitations::invitation_open(&mut tx, link, open_at).await?.ok_or_else(gone)?;
        if row.kind == "demo" {
            return Err(gone());
        }
        let recovery = match row.kind.as_str() {
            "recovery" => {
                let found = storage::recoveries::recovery_open_of(&mut tx, &row.user_id).await?;
                Some(found.filter(|found| found.state == RecoveryState::Linked).ok_or_else(gone)?)
            }
            // Whoever came in once comes back by a recovery, which others approve, and by nothing that one admin makes alone.
            _ if self.has_come_in(&mut tx, &row.user_id).await? => return Err(gone()),
            _ => None,
        };
        let user = storage::users::user_by_id(&mut tx, &row.user_id).await?.filter(|user| user.enabled).ok_or_else(gone)?;
        let keys = storage::credentials::credential_of_user(&mut tx, &user.id).await?.len();
        let has_password = user.password_hash.is_some() && recovery.as_ref().is_none_or(|recovery| recovery.began_at.is_some());
        let keys = if recovery.is_some() && !has_password { 0 } else { keys };
        Ok(Welcomed { user, link: link.to_owned(), keys, has_password, recovery: recovery.map(|recovery| recovery.id) })
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
        let user = welcomed.user.id.clone();
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let recovery = self.still_welcome(&mut act, link, &welcomed).await?;
        if let Some(recovery) = &recovery {
            begin_recovery(&mut act, recovery).await?;
        }
        storage::users::user_set_password(act.tx(), &user, &hash, &display_name).await?;
        self.welcome_address(&mut act, &user, address).await?;
        act.changes_books();
        if recovery.is_some() {
            act.end_sessions_of(&user, None, "the account is being recovered").await?;
        }
        commit(act, recovery.as_ref(), Event::PasswordSet { user: user.clone() }).await?;
        self.welcome_by_digest(link).await
    }

    /// Looks inside the transaction whether a link still leads to what it led to; answers with the recovery that it belongs to.
    async fn still_welcome(&self, act: &mut Act<'_>, link: &str, welcomed: &Welcomed) -> Result<Option<Recovery>, AppError> {
        let open_at = act.now().plus_ms(-LINK_SESSION_MS);
        storage::invitations::invitation_open(act.tx(), link, open_at).await?.ok_or_else(gone)?;
        let Some(id) = &welcomed.recovery else {
            return if self.has_come_in(act.tx(), &welcomed.user.id).await? { Err(gone()) } else { Ok(None) };
        };
        let row = storage::recoveries::recovery_by_id(act.tx(), id).await?;
        row.filter(|row| row.state == RecoveryState::Linked).ok_or_else(gone).map(Some)
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
        act.record_stop(Event::AddressSet { user: user.clone() }).await.map(drop)
    }

    /// What the browser needs to make a new key for somebody who holds a link.
    ///
    /// # Errors
    /// `NotFound` for a dead link.
    pub async fn welcome_key_options(&self, link: &str) -> Result<Ceremony, AppError> {
        self.keys_are_open()?;
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
        if !welcomed.has_password {
            return Err(AppError::conflict("set a password first"));
        }
        let mut invalid = Invalid::default();
        let Some(nickname) = invalid.check("nickname", "The key's name", text::name(nickname)) else { return Err(invalid.into()) };
        let key = self.keys.finish_registration(state, response)?;
        self.check_key_fits(&user, &key)?;
        self.add_first_key(&welcomed, key, nickname, link).await?;
        let keys = welcomed.keys + 1;
        Ok(Welcomed { keys, ..welcomed })
    }

    /// Writes a key made with a link, with its entry; the link is used up once the person has enough keys.
    async fn add_first_key(&self, welcomed: &Welcomed, key: NewKey, nickname: String, link: &str) -> Result<(), AppError> {
        let user = &welcomed.user.id;
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let now = act.now();
        // A link that ended meanwhile, by a veto or by a newer one, gives no key; nor does one whose recovery begins anew.
        let recovery = self.still_welcome(&mut act, link, welcomed).await?;
        if recovery.as_ref().is_some_and(|recovery| recovery.began_at.is_none()) {
            return Err(gone());
        }
        if recovery.is_none() {
            self.tell_of_key(&mut act, user, KeyNews::Made(&key.id, &nickname)).await?;
        }
        super::own_keys::is_unlike(&storage::credentials::credential_of_user(act.tx(), user).await?, None, &nickname)?;
        let event = insert_key(&mut act, user, key, nickname, None).await?;
        let keys = storage::credentials::credential_of_user(act.tx(), user).await?.len();
        if keys >= KEYS_NEEDED && !storage::invitations::invitation_use(act.tx(), link, now, now.plus_ms(-LINK_SESSION_MS)).await? {
            return Err(gone());
        }
        let Some(row) = recovery.as_ref().filter(|_| keys >= KEYS_NEEDED) else {
            return commit(act, recovery.as_ref(), event).await;
        };
        act.record_stop(event).await?;
        self.finish_recovery(&mut act, row, &welcomed.user).await?;
        let done = Event::RecoveryDone { recovery: row.id.clone(), user: user.clone(), frozen_until_us: now.plus_ms(FROZEN_MS).0 };
        act.end_sessions_of(user, None, "the account was recovered").await?;
        commit(act, Some(row), done).await?;
        Ok(())
    }

    /// New keys are there: the recovery is over, its person and everyone who administers are told.
    async fn finish_recovery(&self, act: &mut Act<'_>, row: &Recovery, user: &User) -> Result<(), AppError> {
        let now = act.now();
        if !storage::recoveries::recovery_close(act.tx(), &row.id, RecoveryState::Done, now).await? {
            return Err(gone());
        }
        act.changes_books();
        let text = format!(
            "The account has a new password and two new security keys; the keys before were removed. Until {} its person may see and stop, nothing \
             else. If this was not you, or you do not know of it, tell an admin at once: they disable the account.",
            now.plus_ms(FROZEN_MS).plain()
        );
        self.tell_of_recovery(act, row, (NoticeKind::RecoveryDone, ":done"), ("Recovered", &user.display_name), &text).await
    }

    /// First half of signing in. Whoever has this name or nobody: the same question to the database, the same work on the password, the same
    /// entry, the same answer.
    ///
    /// # Errors
    /// `TooMany`; `Conflict` with one sentence for every way it can be wrong.
    pub async fn sign_in_password(&self, name: &str, password: Secret<String>, whence: &Whence) -> Result<UserId, AppError> {
        let browser = whence.browser.as_deref().unwrap_or_default();
        let user = storage::users::user_at_the_door(&mut *self.db.read().await?, name.trim(), browser).await?;
        let known_browser = whence.browser.as_deref().filter(|_| user.as_ref().is_some_and(|user| user.is_known_browser));
        let trying = Trying { name, from: &whence.place, known_browser };
        let in_a_row = self.throttle.check(trying).map_err(AppError::TooMany)?;
        let hash = user.as_ref().filter(|user| user.enabled).and_then(|user| user.password_hash.clone());
        let good = tokio::task::spawn_blocking(move || match hash {
            Some(hash) => password::verify(&password, &hash),
            None => password::verify_nobody(&password),
        })
        .await
        .map_err(AppError::internal)?;
        match user {
            Some(user) if good => {
                self.throttle.was_good(trying);
                Ok(user.id)
            }
            user => {
                self.sign_in_failed(user.as_ref().map(|u| &u.id), "password").await;
                if let Some(user) = user.filter(|user| user.enabled && in_a_row >= TOLD_FROM) {
                    self.tell_of_wrong_passwords(&user.id, whence);
                }
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
        Ok(self.keys.begin_assertion(&self.passkeys_of(user).await?, None)?)
    }

    /// What the library knows of the keys with which a person may sign now. Those made with a recovery's link sign nothing before it is done:
    /// until then nobody has what it takes.
    pub(crate) async fn passkeys_of(&self, user: &UserId) -> Result<Vec<String>, AppError> {
        self.keys_are_open()?;
        let mut tx = self.db.read().await?;
        if storage::recoveries::recovery_open_of(&mut tx, user).await?.is_some_and(|row| row.began_at.is_some()) {
            return Ok(Vec::new());
        }
        let keys = storage::credentials::credential_of_user(&mut tx, user).await?;
        Ok(self.usable(user, keys).into_iter().map(|key| key.passkey).collect())
    }

    /// Second half: the key. With the log unable to take an entry the session is stop-only (ruling C4).
    ///
    /// # Errors
    /// `Key` when the answer does not verify; `Conflict` when the key was used elsewhere, suspended or removed in the same moment.
    pub async fn sign_in_key(&self, user: &UserId, state: &str, response: &str, whence: &Whence) -> Result<Touched, AppError> {
        self.throttle.check_step(Step::Key, user, &whence.place).map_err(AppError::TooMany)?;
        let signed = match self.keys.finish_sign_in(state, &self.passkeys_of(user).await?, response) {
            Ok(signed) => signed,
            Err(error) => {
                self.sign_in_failed(Some(user), "key").await;
                if matches!(error, KeyError::Refused(_) | KeyError::Doubtful { .. } | KeyError::Replayed) {
                    self.tell_of_wrong_key(user, whence);
                }
                return Err(self.key_failed(user, error).await);
            }
        };
        let recorded = async {
            let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
            note_use(&mut act, &signed).await?;
            note_browser(&mut act, user, whence).await?;
            act.commit_stop(Event::SignedIn { user: user.clone(), credential: Some(signed.credential.clone()) }).await
        };
        let recorded = match recorded.await {
            Ok(entered) => matches!(entered, Entered::At(_)),
            Err(error @ AppError::Conflict(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "a sign-in could not be recorded; the session may only stop");
                false
            }
        };
        self.throttle.step_was_good(Step::Key, user, &whence.place);
        Ok(Touched { key: signed.credential, recorded })
    }

    /// Notes that somebody signed out.
    pub async fn signed_out(&self, user: &UserId) {
        let noted = async {
            let act = self.begin(self.server_permit()?, Lane::Normal).await?;
            act.commit_stop(Event::SignedOut { user: user.clone() }).await
        };
        self.rights_moved();
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

/// What a link that is used, over or wrong is answered with, all alike.
fn gone() -> AppError {
    AppError::NotFound("link; it may have been used or be over")
}

/// The link of a recovery is used: the keys from before it are gone from here on, and no veto comes any more.
async fn begin_recovery(act: &mut Act<'_>, row: &Recovery) -> Result<(), AppError> {
    if row.began_at.is_some() {
        return Ok(());
    }
    let now = act.now();
    storage::recoveries::recovery_began(act.tx(), &row.id, now).await?;
    let mut credentials = Vec::new();
    for key in storage::credentials::credential_of_user(act.tx(), &row.user_id).await? {
        storage::credentials::credential_remove(act.tx(), &key.id, now).await?;
        credentials.push(key.id);
    }
    if !credentials.is_empty() {
        let (recovery, user) = (row.id.clone(), row.user_id.clone());
        act.record_stop(Event::RecoveryKeysRemoved { recovery, user, credentials }).await?;
    }
    Ok(())
}

/// Commits a step at the door. A recovery on the server's host goes on while the log is frozen, so that somebody can come in and stop (ruling
/// C4): its entries wait. Everything else is refused then.
async fn commit(act: Act<'_>, recovery: Option<&Recovery>, event: Event) -> Result<(), AppError> {
    match recovery.is_some_and(|row| row.asked_by.is_none()) {
        true => act.commit_stop(event).await.map(drop),
        false => act.commit(event).await.map(drop),
    }
}

/// Writes a new key; answers with its entry.
pub(crate) async fn insert_key(
    act: &mut Act<'_>,
    user: &UserId,
    key: NewKey,
    nickname: String,
    signed: Option<SignedAct>,
) -> Result<Event, AppError> {
    let row = Credential {
        id: key.id.clone(),
        user_id: user.clone(),
        nickname: nickname.clone(),
        passkey: key.passkey.clone(),
        created_at: act.now(),
        last_used_at: None,
        aaguid: key.aaguid.clone(),
        attestation: key.attestation.clone(),
        cose: Some(key.cose.clone()),
        backup_eligible: key.backup_eligible,
        suspended_at: None,
        suspended_why: None,
    };
    match storage::credentials::credential_insert(act.tx(), &row).await {
        Err(storage::Error::Duplicate(_)) => return Err(AppError::conflict("this key is known already; nothing was saved")),
        other => other?,
    }
    note_second_person(act).await?;
    super::rights::note_approver(act).await?;
    act.changes_books();
    Ok(Event::CredentialAdded {
        user: user.clone(),
        credential: key.id,
        nickname,
        passkey: key.passkey,
        public_key: key.public_key,
        cose: Some(key.cose),
        aaguid: key.aaguid,
        attestation: key.attestation,
        backup_eligible: Some(key.backup_eligible),
        signed,
    })
}

/// Remembers for good that a second person has two keys: from here on nobody signs twice (ruling C8).
async fn note_second_person(act: &mut Act<'_>) -> Result<(), AppError> {
    const NAME: &str = storage::settings::SECOND_PERSON;
    let now = act.now();
    if !storage::settings::setting_is_on(act.tx(), NAME).await? && storage::credentials::credential_people_with_two(act.tx()).await? >= 2 {
        storage::settings::setting_turn(act.tx(), NAME, true, now).await?;
    }
    Ok(())
}

/// Writes down that a key was used, provided that it is as it was when its signature was checked.
pub(crate) async fn note_use(act: &mut Act<'_>, signed: &Signed) -> Result<(), AppError> {
    let now = act.now();
    let signature = BASE64URL_NOPAD.encode(&signed.assertion.signature);
    let use_of = storage::credentials::Use { before: &signed.before, after: &signed.passkey, signature: &signature };
    let is_as_it_was = storage::credentials::credential_used(act.tx(), &signed.credential, now, &use_of).await?;
    let elsewhere =
        || AppError::conflict("this key was used elsewhere, suspended or removed in the same moment; nothing was changed. Try again");
    if is_as_it_was { Ok(()) } else { Err(elsewhere()) }
}
