//! Answering for a key: what its venue never says a person has looked at, by name, over exactly what they have seen.

use super::{
    judge::{left_open, seen_digest},
    note, write_version,
};
use crate::app::{App, AppError};
use crate::audit::{self, Event};
use crate::authz::{self, Action, Actor};
use crate::domain::{KeyId, key::KeyVerdict};
use crate::storage::Lane;

impl App {
    /// Somebody answers for what the venue does not say of a version: they have looked at its page, and did not hand it in.
    ///
    /// # Errors
    /// `Denied`, also for whoever handed it in; `Conflict` when nothing is left to be attested, or it is something else than was seen.
    pub async fn attest_key(&self, actor: &Actor, id: &KeyId, (version, seen): (i64, &str), why: &str) -> Result<(), AppError> {
        let why = crate::app::requests::ask::reason(why, "Say what you looked at, and when")?;
        let bot = self.bot_of_key(&self.key_in(&mut *self.db.read().await?, id).await?)?;
        let permit = authz::check(actor, Action::AttestKey, &Self::bot_resource(&bot))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let key = self.key_in(act.tx(), id).await?;
        let mut row = key.version(version).cloned().ok_or(AppError::NotFound("version of this key"))?;
        if !key.is_open() || row.verdict != Some(KeyVerdict::Attest) || row.attested_at.is_some() || !row.state.is_held() {
            return Err(AppError::conflict("nothing of this version is left to be attested"));
        }
        let by = audit::Actor::from(act.actor()).text();
        // Somebody who is alone does both: there is nobody else.
        if row.installed_by == by && !self.people_book.is_alone() {
            return Err(AppError::NotYours(
                "you handed this key in: somebody else looks at the venue's page and answers for it".to_owned(),
            ));
        }
        if seen_digest(&key, &row) != seen {
            return Err(AppError::conflict(
                "it is another key, or was measured anew, since you looked: read what is left to be attested once more",
            ));
        }
        let what = left_open(&row).unwrap_or_default();
        (row.attested_at, row.attested_by) = (Some(act.now()), Some(by));
        write_version(&mut act, &mut row).await?;
        note(&mut act, &row.key_id, Some(version), ("Attested", &format!("{}: {why}", what.join("; ")))).await?;
        self.use_if_proved(&mut act, &mut row, "attested").await?;
        act.changes_key(&row.key_id);
        act.commit(Event::KeyAttested { key: row.key_id, version, fingerprint: row.fingerprint, what, why }).await?;
        Ok(())
    }
}
