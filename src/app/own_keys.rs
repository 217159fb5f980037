//! One's own security keys: made, renamed, removed. A key is added and removed by an act that a key signs which was there before; two that
//! count always remain. A key of which there may be a copy is suspended at once, and nothing but its removal ends that.

use super::{
    App, AppError, Invalid,
    acts::{ActView, Detail},
    tx::Act,
};
use crate::audit::Event;
use crate::authn::{Ceremony, KeyError, NewKey};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{ActKind, Audience, CredentialId, Grant, KEYS_NEEDED, KeyCount, Notice, NoticeKind, UserId, text};
use crate::storage::{self, Lane, credentials::Credential};

/// What happened to a key: its id, its name, and why.
pub(crate) enum KeyNews<'a> {
    /// It was added.
    Added(&'a CredentialId, &'a str),
    /// It was made with the one-time link that let the person in.
    Made(&'a CredentialId, &'a str),
    /// It was removed.
    Removed(&'a CredentialId, &'a str),
    /// It must not be trusted any more.
    Suspended(&'a CredentialId, &'a str, &'a str),
}

/// The most keys that a person has.
const MOST_KEYS: usize = 20;

/// Of these keys those that can sign.
pub(crate) fn count(keys: &[Credential]) -> KeyCount {
    let able = keys.iter().filter(|key| key.suspended_at.is_none());
    KeyCount { able: able.clone().count(), bound: able.filter(|key| !key.backup_eligible).count() }
}

/// Why a key cannot be removed yet; none: it can.
pub(crate) fn why_it_stays(grants: &[Grant], keys: &[Credential], id: &CredentialId) -> Option<String> {
    let left: Vec<Credential> = keys.iter().filter(|key| key.id != *id).cloned().collect();
    let (before, after) = (count(keys).for_grants(grants), count(&left).for_grants(grants));
    (after < before && after < KEYS_NEEDED).then(|| {
        let which = if grants.iter().any(|grant| grant.role.needs_bound_keys()) { "keys bound to one device" } else { "keys" };
        format!("two {which} must remain, and without this one there would be {after}; add another key first")
    })
}

/// Refuses roles that need keys bound to one device to somebody who came in with other keys. Who has no key yet brings them at the door.
pub(crate) fn check_keys_fit(name: &str, before: &[Grant], after: &[Grant], keys: &[Credential]) -> Result<(), AppError> {
    let needs = |grants: &[Grant]| grants.iter().find(|grant| grant.role.needs_bound_keys()).map(|grant| grant.role);
    let gained: Vec<Grant> = after.iter().filter(|grant| !before.contains(grant)).cloned().collect();
    let Some(role) = needs(&gained) else { return Ok(()) };
    let bound = count(keys).bound;
    if keys.is_empty() || bound >= KEYS_NEEDED {
        return Ok(());
    }
    Err(AppError::conflict(format!(
        "{name} has {bound} of the {KEYS_NEEDED} security keys bound to one device that {role} needs; a key that can be copied does not count. \
         They add keys on their page My account"
    )))
}

impl App {
    /// Of a person's keys those that may sign for them now. Lead, risk and admin sign with keys bound to one device as soon as they have two.
    pub(crate) fn usable(&self, user: &UserId, keys: Vec<Credential>) -> Vec<Credential> {
        let is_strict = self.must_be_bound(user) && count(&keys).bound >= KEYS_NEEDED;
        keys.into_iter().filter(|key| key.suspended_at.is_none() && !(is_strict && key.backup_eligible)).collect()
    }

    /// True for a person whose keys must be bound to one device.
    pub fn must_be_bound(&self, user: &UserId) -> bool {
        self.people_book.user(user).is_some_and(|user| user.grants.iter().any(|grant| grant.role.needs_bound_keys()))
    }

    /// Refuses a key that can be copied to whoever needs others.
    pub(crate) fn check_key_fits(&self, user: &UserId, key: &NewKey) -> Result<(), AppError> {
        if key.backup_eligible && self.must_be_bound(user) { Err(KeyError::Synced.into()) } else { Ok(()) }
    }

    /// Why this key of a person's cannot be removed yet; none: it can.
    pub fn why_key_stays(&self, user: &UserId, keys: &[Credential], id: &CredentialId) -> Option<String> {
        let user = self.people_book.user(user)?;
        why_it_stays(&user.grants, keys, id)
    }

    /// What the browser needs to make another key for whoever is signed in.
    ///
    /// # Errors
    /// `Denied`; `Conflict` with too many keys.
    pub async fn own_key_options(&self, actor: &Actor) -> Result<Ceremony, AppError> {
        self.keys_are_open()?;
        let user = own(actor)?;
        let row = self.people_book.user(&user).ok_or(AppError::NotFound("person"))?;
        let keys = storage::credentials::credential_of_user(&mut *self.db.read().await?, &user).await?;
        if keys.len() >= MOST_KEYS {
            return Err(AppError::conflict(format!("you have {MOST_KEYS} keys, the most there can be; remove one first")));
        }
        let known: Vec<CredentialId> = keys.into_iter().map(|key| key.id).collect();
        Ok(self.keys.begin_registration(&user, &row.name, &row.display_name, &known)?)
    }

    /// Takes a new key and prepares the act that adds it, which a key signs that was there before.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for a name that does not fit; `Key` when the browser's answer does not do, or such a key is not for this person.
    pub async fn prepare_key(&self, actor: &Actor, state: &str, response: &str, nickname: &str) -> Result<ActView, AppError> {
        let user = own(actor)?;
        let nickname = nickname_of(nickname)?;
        is_unlike(&storage::credentials::credential_of_user(&mut *self.db.read().await?, &user).await?, None, &nickname)?;
        let key = self.keys.finish_registration(state, response)?;
        self.check_key_fits(&user, &key)?;
        let kind = ActKind::CredentialAdd {
            user,
            credential: key.id.clone(),
            public_key: key.digest(),
            nickname,
            aaguid: key.aaguid.clone(),
            backup_eligible: key.backup_eligible,
        };
        self.prepare(actor, kind, Detail { new_key: Some(key), ..Detail::default() }, 1).await
    }

    /// Prepares the removal of one of one's own keys.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Conflict` when too few would remain.
    pub async fn prepare_key_removal(&self, actor: &Actor, id: &CredentialId) -> Result<ActView, AppError> {
        let user = own(actor)?;
        let keys = storage::credentials::credential_of_user(&mut *self.db.read().await?, &user).await?;
        let key = keys.iter().find(|key| key.id == *id).ok_or(AppError::NotFound("key"))?;
        if let Some(why) = self.why_key_stays(&user, &keys, id) {
            return Err(AppError::conflict(why));
        }
        let kind = ActKind::CredentialRemove { user, credential: id.clone(), nickname: key.nickname.clone() };
        self.prepare_single(actor, kind).await
    }

    /// Gives one of one's own keys another name.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Invalid` for a name that does not fit.
    pub async fn rename_key(&self, actor: &Actor, id: &CredentialId, nickname: &str) -> Result<(), AppError> {
        let user = own(actor)?;
        let permit = authz::check(actor, Action::OwnKeys, &Resource::User(user.clone()))?;
        let nickname = nickname_of(nickname)?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        is_unlike(&storage::credentials::credential_of_user(act.tx(), &user).await?, Some(id), &nickname)?;
        if !storage::credentials::credential_rename(act.tx(), id, &user, &nickname).await? {
            return Err(AppError::NotFound("key"));
        }
        act.commit(Event::CredentialRenamed { user, credential: id.clone(), nickname }).await?;
        Ok(())
    }

    /// What follows when a key's answer was not taken: one that must not be trusted any more is suspended, its sessions end, and everybody
    /// who should know is told. Passes the error on.
    pub(crate) async fn key_failed(&self, user: &UserId, error: KeyError) -> AppError {
        let KeyError::Doubtful { credential, signature, why } = &error else { return error.into() };
        match self.suspend_key(user, credential, signature, why).await {
            Ok(true) => error.into(),
            Ok(false) => KeyError::Replayed.into(),
            Err(failed) => {
                tracing::error!(error = %failed, "a key that must not be trusted could not be suspended");
                error.into()
            }
        }
    }

    /// Tells the person and everybody who administers, within the act.
    pub(crate) async fn tell_of_key(&self, act: &mut Act<'_>, user: &UserId, news: KeyNews<'_>) -> Result<(), AppError> {
        let who = self.people_book.who(user);
        let (kind, id, what, text) = match news {
            KeyNews::Added(id, nickname) => (
                NoticeKind::KeyAdded,
                id,
                "added",
                format!(
                    "The key “{nickname}” was added, signed with a key that was there before. Whoever holds it can sign for this account."
                ),
            ),
            KeyNews::Made(id, nickname) => (
                NoticeKind::KeyAdded,
                id,
                "made",
                format!("The key “{nickname}” was made with the one-time link of this account. Whoever holds it can sign for it."),
            ),
            KeyNews::Removed(id, nickname) => {
                (NoticeKind::KeyRemoved, id, "removed", format!("The key “{nickname}” was removed, and sessions signed in with it ended."))
            }
            KeyNews::Suspended(id, nickname, why) => (
                NoticeKind::KeySuspect,
                id,
                "suspended",
                format!(
                    "The key “{nickname}” signs nothing any more: {why}. Sessions signed in with it ended. Remove the key and add another."
                ),
            ),
        };
        let own = format!("{text}\n\nIf you know nothing of it, tell an administrator at once.");
        let told = Notice::new(kind, id.as_str(), format!("A security key of yours was {what}"), own).at("/me");
        act.tell(&Audience::person(user), &told).await?;
        let told = Notice::new(kind, id.as_str(), format!("A security key of {who} was {what}"), text).at(format!("/people/{user}"));
        self.tell_admins_but(act, user, &told).await
    }

    /// False for the answer that the key gave last, come twice: it says nothing of the key.
    async fn suspend_key(&self, user: &UserId, id: &CredentialId, signature: &str, why: &str) -> Result<bool, AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let now = act.now();
        if !storage::credentials::credential_suspend(act.tx(), id, now, why, signature).await? {
            return Ok(false);
        }
        let nickname = storage::credentials::credential_by_id(act.tx(), id).await?.map(|key| key.nickname).unwrap_or_default();
        self.tell_of_key(&mut act, user, KeyNews::Suspended(id, &nickname, why)).await?;
        act.changes_books();
        act.end_sessions_with(user, id, "the security key that they were signed in with was suspended").await?;
        act.commit_stop(Event::CredentialSuspended { user: user.clone(), credential: id.clone(), why: why.to_owned() }).await?;
        Ok(true)
    }
}

fn own(actor: &Actor) -> Result<UserId, AppError> {
    let user = actor.user().ok_or(AppError::NotFound("person"))?.clone();
    authz::check(actor, Action::OwnKeys, &Resource::User(user.clone()))?;
    Ok(user)
}

/// Refuses the name that another of somebody's keys has: whoever removes one must know which.
pub(super) fn is_unlike(keys: &[Credential], own: Option<&CredentialId>, nickname: &str) -> Result<(), AppError> {
    let is_taken = |key: &Credential| own != Some(&key.id) && key.nickname.to_lowercase() == nickname.to_lowercase();
    match keys.iter().any(is_taken) {
        true => Err(Invalid::one("nickname", format!("Another of your keys is called “{nickname}”: choose another name")).into()),
        false => Ok(()),
    }
}

fn nickname_of(text: &str) -> Result<String, AppError> {
    let mut invalid = Invalid::default();
    invalid.check("nickname", "The key's name", text::name(text)).ok_or_else(|| invalid.into())
}
