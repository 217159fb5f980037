//! The merge of holds that were pushed while no database took them, and of entries that no log took.

use super::{App, AppError, hold_record::Wanted};
use crate::audit::{Actor as Author, Canonical, Event, Record};
use crate::domain::{Hold, HoldId};
use crate::storage::{self, Lane};

/// Who placed a hold, for its entry when it is recorded later.
fn author_of(hold: &Hold) -> Author {
    Author::placer(&hold.placed_by)
}

impl App {
    /// Records every hold that no database had, oldest first, behind one entry that says from when to when presses were not recorded and how
    /// many are recorded late; folds into each what agents had carried back meanwhile. Says how many.
    ///
    /// # Errors
    /// When the database still does not take them.
    pub async fn merge_unrecorded(&self) -> Result<usize, AppError> {
        // One that is not late was told to agents while its own press still waits for the database.
        let mut waiting: Vec<Hold> = self.fleet.view().unrecorded().iter().filter(|hold| hold.late).map(|hold| Hold::clone(hold)).collect();
        waiting.sort_by_key(|hold| (hold.at, hold.epoch));
        let parts = self.recording_parts();
        let mut merged = 0;
        // Committed with the first of them that the database did not have after all.
        let mut gap =
            waiting.first().map(|first| Event::LogGap { from_us: first.at.0, to_us: self.clock.now().0, late: waiting.len() as u64 });
        for hold in waiting {
            let mut recorded = parts.record(&Wanted::late(author_of(&hold), hold.clone()), gap.as_ref()).await?;
            if !recorded.is_open() && recorded.id != hold.id {
                // Its key was used before, for a hold that is over: that one stops nothing.
                let anew = Hold { idempotency_key: hold.id.to_string(), ..hold.clone() };
                recorded = parts.record(&Wanted::late(author_of(&hold), anew), gap.as_ref()).await?;
            }
            if recorded.late && recorded.id == hold.id {
                gap = None;
            }
            failpoint!("merge:recorded");
            self.fleet.take_hold(recorded.clone());
            if recorded.id != hold.id {
                // The same press was recorded under another id: the unrecorded twin goes.
                self.fleet.drop_unrecorded(&hold.id);
            }
            self.drop_spooled(&hold.id).await?;
            failpoint!("merge:dropped");
            merged += 1;
        }
        Ok(merged)
    }

    pub(super) async fn drop_spooled(&self, id: &HoldId) -> Result<(), AppError> {
        let (spool, id) = (self.spool.clone(), id.clone());
        let dropped = tokio::task::spawn_blocking(move || spool.drop_hold(&id)).await.map_err(AppError::internal)?;
        if let Err(error) = dropped {
            tracing::warn!(%error, "a recorded hold stays in the spool; recording it again changes nothing");
        }
        Ok(())
    }

    /// Lets the spool forget what was recorded without a merge: by a commit that came late, or before this process began. It would come back
    /// with the next process, released or not. Says how many.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn tidy_spool(&self) -> Result<usize, AppError> {
        let spool = self.spool.clone();
        let kept = tokio::task::spawn_blocking(move || spool.kept()).await.map_err(AppError::internal)?;
        let mut tidied = 0;
        for id in kept {
            if self.is_recorded(&id).await? && !self.fleet.view().unrecorded().iter().any(|hold| hold.id == id) {
                self.drop_spooled(&id).await?;
                tidied += 1;
            }
        }
        Ok(tidied)
    }

    /// True when the database has a hold of this id.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub(crate) async fn is_recorded(&self, id: &HoldId) -> Result<bool, AppError> {
        let mut tx = self.db.read().await?;
        Ok(storage::holds::hold_by_id(&mut tx, id).await?.is_some())
    }

    /// Appends the entries of holds that the log could not take when they were recorded. Says how many.
    ///
    /// # Errors
    /// When the log still refuses.
    pub async fn append_missing_entries(&self) -> Result<usize, AppError> {
        if self.log.gate().frozen().is_some() {
            return Ok(0);
        }
        let missing = storage::holds::hold_without_entry(&mut *self.db.read().await?).await?;
        for hold in &missing {
            let mut tx = self.db.write(Lane::Normal).await?;
            let event = Event::hold_placed(&Hold { late: true, ..hold.clone() });
            let record = Record { actor: author_of(hold), ts: self.clock.now(), happened_at: None, node: self.node.clone(), event };
            let canonical = Canonical::new(&record).map_err(AppError::internal)?;
            let seq = storage::audit::audit_append(&mut tx, &canonical).await?;
            storage::holds::hold_set_entry(&mut tx, &hold.id, seq).await?;
            tx.commit().await?;
            self.fleet.note_entry(&hold.id, seq);
        }
        Ok(missing.len())
    }
}
