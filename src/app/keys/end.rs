//! The end of keys: taken away here, gone at the venue, compromised. What is taken away here may still work at its venue: until somebody has seen
//! it gone there, it is shown as that and asked after. That others may know a secret is said once and never taken back; it kills the bot.

use super::{Key, VersionRow, note, write_key};
use crate::app::{
    App, AppError,
    holds::{Press, Terms},
    requests::ask::reason,
    tx::Act,
};
use crate::audit::{self, Event};
use crate::authz::{self, Action, Actor};
use crate::domain::{
    KeyId, Level, Scope,
    key::{KeyState, KeyStep},
};
use crate::storage::Lane;
use std::sync::Arc;

impl App {
    /// Ends a key: every version is taken from whoever has it. Its bot goes on without it, which its adapter shows.
    ///
    /// # Errors
    /// `Denied`; `Invalid` without a reason; `Conflict` when it has ended.
    pub async fn end_key(&self, actor: &Actor, id: &KeyId, why: &str) -> Result<(), AppError> {
        let why = reason(why, "Say why: it is taken from the bot, and somebody deletes it at the venue")?;
        let permit = self.may_end(actor, id).await?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let mut key = self.key_in(act.tx(), id).await?;
        if key.row.ended_at.is_some() {
            return Err(AppError::conflict("this key has ended already"));
        }
        let event = self.end_in(&mut act, &mut key, &why).await?;
        act.commit(event).await?;
        Ok(())
    }

    /// Takes one version away; the others go on.
    ///
    /// # Errors
    /// As above.
    pub async fn revoke_version(&self, actor: &Actor, id: &KeyId, version: i64, why: &str) -> Result<(), AppError> {
        let why = reason(why, "Say why: it is taken from the bot, and somebody deletes it at the venue")?;
        let permit = self.may_end(actor, id).await?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let key = self.key_in(act.tx(), id).await?;
        let mut row = key.version(version).cloned().ok_or(AppError::NotFound("version of this key"))?;
        if !self.revoke_in(&mut act, &mut row, &why).await? {
            return Err(AppError::conflict("nobody here has this version any more"));
        }
        act.finish().await
    }

    /// Somebody has seen that a version is gone at its venue.
    ///
    /// # Errors
    /// `Denied`; `Invalid` without a reason; `Conflict` for one that is in use, or known to be gone.
    pub async fn note_gone(&self, actor: &Actor, id: &KeyId, version: i64, why: &str) -> Result<(), AppError> {
        let why = reason(why, "Say what you saw at the venue")?;
        let permit = self.may_end(actor, id).await?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let key = self.key_in(act.tx(), id).await?;
        let mut row = key.version(version).cloned().ok_or(AppError::NotFound("version of this key"))?;
        if row.state.is_usable() && key.is_open() {
            return Err(AppError::conflict("this version is in use here: take it away first"));
        }
        if row.state == KeyState::Gone {
            return Err(AppError::conflict("it is known to be gone"));
        }
        // What was only draining is taken away with it: it is of no use to anybody.
        self.revoke_in(&mut act, &mut row, "gone at the venue").await?;
        self.step_key(&mut act, &mut row, (KeyStep::Vanish, &why)).await?;
        act.finish().await
    }

    /// Says that others may know the secrets of a key: the bot is killed, the key ends, and everything that follows is listed on its page. There is
    /// no way back.
    ///
    /// # Errors
    /// `Denied` for who may not kill the bot; `Invalid` without a reason. A bot that was stopped stays stopped, whatever else fails.
    pub async fn compromise_key(self: &Arc<Self>, actor: &Actor, id: &KeyId, why: &str) -> Result<(), AppError> {
        let why = reason(why, "Say what you know: who may have the secret, and since when")?;
        // Stopped first, and from memory: a thief does not wait for a database.
        let keys = self.exchange_keys();
        let known = keys.key(id).ok_or(AppError::NotFound("key"))?;
        let permit = authz::check(actor, Action::EndKey, &Self::bot_resource(&*self.bot_of_key(known)?))?;
        let bot = known.row.bot_id.clone();
        let press = Press {
            scope: Scope::Bot(bot),
            level: Level::Kill,
            why: format!("its exchange key is compromised: {why}"),
            idempotency_key: format!("compromised:{id}"),
            terms: Terms::default(),
        };
        self.place(actor.clone(), press).await?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let mut key = self.key_in(act.tx(), id).await?;
        if key.row.compromised_at.is_some() {
            return Err(AppError::conflict("this is known; what follows is listed on the key's page"));
        }
        key.row.compromised_at = Some(act.now());
        key.row.compromised_by = Some(audit::Actor::from(act.actor()).text());
        note(&mut act, id, None, ("Compromised", &why)).await?;
        let versions = key.versions.iter().filter(|one| one.state != KeyState::Gone).map(|one| one.version).collect();
        let compromised = Event::KeyCompromised { key: id.clone(), bot: key.row.bot_id.clone(), versions, why: why.clone() };
        act.record(compromised).await?;
        if key.row.ended_at.is_none() {
            let ended = self.end_in(&mut act, &mut key, "compromised").await?;
            act.record(ended).await?;
        } else {
            write_key(&mut act, &mut key.row).await?;
        }
        act.changes_key(id);
        act.finish().await
    }

    /// Says that everything was done that follows of a compromised key. Only once it is so.
    ///
    /// # Errors
    /// `Denied`; `Invalid` without a reason; `Conflict` with what is left.
    pub async fn settle_compromise(&self, actor: &Actor, id: &KeyId, why: &str) -> Result<(), AppError> {
        let why = reason(why, "Say what you compared at the venue: orders, positions, balances, withdrawals")?;
        let permit = self.may_end(actor, id).await?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let mut key = self.key_in(act.tx(), id).await?;
        if key.row.compromised_at.is_none() || key.row.settled_at.is_some() {
            return Err(AppError::conflict("nothing of this key is left to be settled"));
        }
        let left: Vec<String> = self.tasks_of(&key).into_iter().filter(|task| !task.is_done).map(|task| task.what).collect();
        if !left.is_empty() {
            return Err(AppError::Conflict(left.into_iter().map(|what| format!("not done yet: {what}")).collect()));
        }
        key.row.settled_at = Some(act.now());
        key.row.settled_by = Some(audit::Actor::from(act.actor()).text());
        key.row.settled_why = Some(why.clone());
        write_key(&mut act, &mut key.row).await?;
        note(&mut act, id, None, ("Settled", &why)).await?;
        act.changes_key(id);
        act.commit(Event::KeyEnded { key: id.clone(), bot: key.row.bot_id, versions: Vec::new(), why: format!("settled: {why}") }).await?;
        Ok(())
    }

    /// What follows of a compromised key and what of it is done, as is known here.
    pub fn tasks_of(&self, key: &Key) -> Vec<Task> {
        let keys = self.exchange_keys();
        let since = key.row.compromised_at.unwrap_or_default();
        let mut tasks = vec![Task {
            what: "stop the bot and take its keys away".to_owned(),
            is_done: !key.versions.iter().any(|one| one.state.is_held()),
        }];
        tasks.extend(key.versions.iter().map(|one| Task {
            what: format!("delete version {} at the venue, and say so below", one.version),
            is_done: one.state == KeyState::Gone,
        }));
        // Ended or not: what still works at the venue is what a thief may have.
        let others = keys.of_bot(&key.row.bot_id).iter().filter(|other| other.row.id != key.row.id);
        tasks.extend(others.flat_map(|other| {
            let old = other.versions.iter().filter(|one| one.installed_at < since && one.state != KeyState::Gone);
            old.map(|one| Task {
                what: format!(
                    "replace version {} of its key {}: whoever had one may have had the other",
                    one.version,
                    other.row.purpose.words()
                ),
                is_done: false,
            })
        }));
        tasks
    }

    pub(crate) async fn may_end(&self, actor: &Actor, id: &KeyId) -> Result<authz::Permit, AppError> {
        let key = self.key_in(&mut *self.db.read().await?, id).await?;
        let bot = self.bot_of_key(&key)?;
        Ok(authz::check(actor, Action::EndKey, &Self::bot_resource(&bot))?)
    }

    /// Ends a key within a transaction; its entry is the caller's to record.
    pub(crate) async fn end_in(&self, act: &mut Act<'_>, key: &mut Key, why: &str) -> Result<Event, AppError> {
        let mut versions = Vec::new();
        for row in &mut key.versions {
            if self.revoke_in(act, row, why).await? {
                versions.push(row.version);
            }
        }
        key.row.ended_at = Some(act.now());
        key.row.ended_by = Some(audit::Actor::from(act.actor()).text());
        key.row.ended_why = Some(why.to_owned());
        write_key(act, &mut key.row).await?;
        note(act, &key.row.id, None, ("Ended", why)).await?;
        act.changes_key(&key.row.id);
        Ok(Event::KeyEnded { key: key.row.id.clone(), bot: key.row.bot_id.clone(), versions, why: why.to_owned() })
    }

    /// Takes a version away within a transaction; what the server held of it is deleted. False: nobody had it.
    pub(crate) async fn revoke_in(&self, act: &mut Act<'_>, row: &mut VersionRow, why: &str) -> Result<bool, AppError> {
        let is_servers = row.agent_id.is_none();
        let is_revoked = self.step_key(act, row, (KeyStep::Revoke, why)).await?;
        if is_revoked && is_servers {
            self.forget_secret(act, &row.key_id, row.version).await?;
        }
        Ok(is_revoked)
    }

    /// Lets what came before a version that is in use drain.
    pub(crate) async fn drain_older(&self, act: &mut Act<'_>, active: &VersionRow) -> Result<(), AppError> {
        let key = self.key_in(act.tx(), &active.key_id).await?;
        let why = format!("version {} is in use", active.version);
        for mut row in key.versions.into_iter().filter(|row| row.version < active.version) {
            // What never came into use does not drain: nobody needs it.
            if !self.step_key(act, &mut row, (KeyStep::Drain, &why)).await? && row.state != KeyState::Draining {
                self.revoke_in(act, &mut row, &why).await?;
            }
        }
        Ok(())
    }
}

/// Something that follows of a compromised key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What.
    pub what: String,
    /// It is done.
    pub is_done: bool,
}
