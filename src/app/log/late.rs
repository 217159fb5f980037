//! Entries of stops that happened while the log took none: kept in the database, appended when the log is open, with the time at which they
//! happened (rulings C4, C5).

use crate::app::{App, AppError};
use crate::audit::{Canonical, Record};
use crate::domain::Timestamp;
use crate::storage::{self, Lane, checkpoints::Late};
use std::sync::PoisonError;

impl App {
    /// Appends what waits, oldest first. Says how many. One that cannot become an entry stays, is told of once, and keeps no other from it.
    ///
    /// # Errors
    /// When the log still refuses.
    pub async fn append_late_entries(&self) -> Result<usize, AppError> {
        if self.log.gate().frozen().is_some() {
            return Ok(0);
        }
        let (mut appended, mut last) = (0, (Timestamp(i64::MIN), String::new()));
        loop {
            let waiting = storage::checkpoints::late_after(&mut *self.db.read().await?, (last.0, &last.1)).await?;
            if waiting.is_empty() {
                return Ok(appended);
            }
            for late in waiting {
                match late {
                    Ok(late) => {
                        last = (late.happened_at, late.id.clone());
                        appended += usize::from(self.append_late(late).await?);
                    }
                    Err(bad) => {
                        last = (bad.happened_at, bad.id.clone());
                        self.tell_unfit(&bad.id, &bad.why);
                    }
                }
            }
        }
    }

    /// False when another replica was first, or it is not fit to be an entry.
    async fn append_late(&self, late: Late) -> Result<bool, AppError> {
        let mut tx = self.db.write(Lane::Normal).await?;
        if !storage::checkpoints::late_done(&mut tx, &late.id).await? {
            return Ok(false);
        }
        let (ts, happened_at) = (self.clock.now(), Some(late.happened_at));
        let record = Record { actor: late.actor, ts, happened_at, node: late.node, event: late.event };
        let canonical = match Canonical::new(&record) {
            Ok(canonical) => canonical,
            Err(error) => {
                self.tell_unfit(&late.id, &error.to_string());
                return Ok(false);
            }
        };
        storage::audit::audit_append(&mut tx, &canonical).await?;
        tx.commit().await?;
        Ok(true)
    }

    fn tell_unfit(&self, id: &str, why: &str) {
        let is_news = self.log.unfit.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        if is_news {
            tracing::error!(id, why, "the entry of a stop waits and cannot be appended by this version; it stays in the database");
        }
    }
}
