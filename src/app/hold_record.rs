//! Recording a hold: the row, its epoch and its entry in one transaction. When only the log refuses, the row alone is committed, so that
//! every replica has the stop; its entry follows (ruling C5). Also the merge of what was pushed while no database was there.

use super::{App, AppError, holds::holds_as_long, log::Gate};
use crate::audit::{Actor as Author, Canonical, Event, Record};
use crate::domain::{Clock, Hold, HoldId};
use crate::storage::{self, Db, Error, Lane, WriteTx};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::task::JoinHandle;

/// What a recording task needs; cheap to clone, so that it outlives the press.
#[derive(Clone)]
pub(crate) struct Parts {
    db: Db,
    clock: Clock,
    node: String,
    gate: Gate,
    // The press was answered without the database: it is recorded late, by the merge.
    given_up: Arc<AtomicBool>,
}

impl App {
    pub(crate) fn recording_parts(&self) -> Parts {
        let (db, clock, node, gate) = (self.db.clone(), self.clock.clone(), self.node.clone(), self.log.gate().clone());
        Parts { db, clock, node, gate, given_up: Arc::default() }
    }
}

/// Records a hold in a task of its own. Answers with the hold as recorded, which is an earlier one when the press came twice.
pub(crate) fn spawn(parts: Parts, author: Author, hold: Hold) -> JoinHandle<storage::Result<Hold>> {
    tokio::spawn(async move { parts.record(&author, hold, None).await })
}

impl Parts {
    /// Leaves the recording to the merge, unless it is committed by now.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// `gap`: of a merge, what is entered before the first of the holds that come late.
    async fn record(&self, author: &Author, hold: Hold, gap: Option<&Event>) -> storage::Result<Hold> {
        let duplicate = match self.try_record(author, &hold, gap).await {
            Err(Error::Duplicate(error)) => error,
            other => return other,
        };
        let mut tx = self.db.write(Lane::Stop).await?;
        let Some(mut earlier) = storage::holds::hold_by_id(&mut tx, &hold.id).await? else {
            let earlier = storage::holds::hold_by_press(&mut tx, &hold.placed_by, &hold.idempotency_key).await?;
            return earlier.ok_or(Error::Duplicate(duplicate));
        };
        if hold.late && !earlier.late {
            // Its commit came after all, when it had been answered without.
            earlier.late = true;
            storage::holds::hold_set_late(&mut tx, &hold.id).await?;
            if let Some(gap) = gap {
                self.enter_gap(&mut tx, gap).await?;
            }
            tx.commit().await?;
        }
        Ok(earlier)
    }

    async fn try_record(&self, author: &Author, hold: &Hold, gap: Option<&Event>) -> storage::Result<Hold> {
        let mut tx = self.db.write(Lane::Stop).await?;
        if hold.epoch.0 > 0 {
            storage::epoch::epoch_raise(&mut tx, hold.epoch).await?;
        }
        let mut recorded = hold.clone();
        recorded.epoch = storage::epoch::epoch_take(&mut tx).await?;
        if self.given_up.load(Ordering::SeqCst) {
            return Err(Error::Conflict);
        }
        // Of several servers each asks here whether the same hold stands already; what comes late was told to agents and is recorded as it is.
        if !self.db.is_embedded()
            && !hold.late
            && let Some(same) = storage::holds::hold_same_open(&mut tx, &hold.placed_by, &hold.scope, hold.level).await?
            && holds_as_long(&same, hold.not_before)
        {
            return Ok(same);
        }
        storage::holds::hold_insert(&mut tx, &recorded).await?;
        if let Some(gap) = gap {
            self.enter_gap(&mut tx, gap).await?;
        }
        // Database and log are judged apart: whatever refuses the entry, the row is committed.
        tx.savepoint().await?;
        match self.enter(&mut tx, author, &recorded).await {
            Ok(seq) => recorded.entry = Some(seq),
            Err(Error::Frozen) => {}
            Err(error) => {
                tracing::error!(hold = %hold.id, %error, "a hold is recorded without its entry, which follows later");
                tx.back_to_savepoint().await?;
            }
        }
        tx.notify().await?;
        failpoint!("place:before_commit");
        tx.commit().await?;
        failpoint!("place:committed");
        Ok(recorded)
    }

    async fn enter(&self, tx: &mut WriteTx, author: &Author, hold: &Hold) -> storage::Result<i64> {
        let seq = self.append(tx, author.clone(), Event::hold_placed(hold)).await?;
        storage::holds::hold_set_entry(tx, &hold.id, seq).await?;
        Ok(seq)
    }

    /// Says in the log that there is a gap before this; when the log refuses, it is said when it is open again.
    async fn enter_gap(&self, tx: &mut WriteTx, gap: &Event) -> storage::Result<()> {
        tx.savepoint().await?;
        match self.append(tx, Author::server(), gap.clone()).await {
            Ok(_) => return Ok(()),
            Err(Error::Frozen) => {}
            Err(_) => tx.back_to_savepoint().await?,
        }
        let late = storage::checkpoints::Late::new(Author::server(), self.clock.now(), &self.node, gap.clone());
        storage::checkpoints::late_add(tx, &late).await
    }

    async fn append(&self, tx: &mut WriteTx, actor: Author, event: Event) -> storage::Result<i64> {
        self.gate.check()?;
        let record = Record { actor, ts: self.clock.now(), happened_at: None, node: self.node.clone(), event };
        let canonical = Canonical::new(&record).map_err(|error| Error::Unreadable(error.to_string()))?;
        storage::audit::audit_append(tx, &canonical).await
    }
}

/// Who placed a hold, for its entry when it is recorded later.
pub(super) fn author_of(hold: &Hold) -> Author {
    Author::placer(&hold.placed_by)
}

impl App {
    /// Records every hold that no database had, oldest first, behind one entry that says from when to when presses were not recorded and how
    /// many are recorded late; folds into each what agents had carried back meanwhile. Says how many.
    ///
    /// # Errors
    /// When the database still does not take them.
    pub async fn merge_unrecorded(&self) -> Result<usize, AppError> {
        let mut waiting: Vec<Hold> = self.fleet.view().unrecorded().iter().map(|hold| Hold::clone(hold)).collect();
        waiting.sort_by_key(|hold| (hold.at, hold.epoch));
        let parts = self.recording_parts();
        let mut merged = 0;
        // Committed with the first of them that the database did not have after all.
        let mut gap =
            waiting.first().map(|first| Event::LogGap { from_us: first.at.0, to_us: self.clock.now().0, late: waiting.len() as u64 });
        for hold in waiting {
            let mut recorded = parts.record(&author_of(&hold), hold.clone(), gap.as_ref()).await?;
            if !recorded.is_open() && recorded.id != hold.id {
                // Its key was used before, for a hold that is over: that one stops nothing.
                let anew = Hold { idempotency_key: hold.id.to_string(), ..hold.clone() };
                recorded = parts.record(&author_of(&hold), anew, gap.as_ref()).await?;
            }
            if recorded.late && recorded.id == hold.id {
                gap = None;
            }
            failpoint!("merge:recorded");
            self.fleet.take_hold(recorded.clone());
            if recorded.id != hold.id {
                // The same press was recorded under another id: the unrecorded twin goes.
                self.fleet.take_hold(Hold { released: recorded.released.clone(), ..hold.clone() });
            }
            self.drop_spooled(&hold.id).await?;
            failpoint!("merge:dropped");
            merged += 1;
        }
        Ok(merged)
    }

    async fn drop_spooled(&self, id: &HoldId) -> Result<(), AppError> {
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
