//! Entries of stops that happened while the log took none: kept in the database, appended when the log is open, with the time at which they
//! happened (rulings C4, C5).

use crate::app::{App, AppError};
use crate::audit::{Canonical, Record};
use crate::storage::{self, Lane};

impl App {
    /// Appends what waits, oldest first. Says how many.
    ///
    /// # Errors
    /// When the log still refuses.
    pub async fn append_late_entries(&self) -> Result<usize, AppError> {
        if self.log.gate().frozen().is_some() {
            return Ok(0);
        }
        let waiting = storage::checkpoints::late_all(&mut *self.db.read().await?).await?;
        let mut appended = 0;
        for late in waiting {
            let mut tx = self.db.write(Lane::Normal).await?;
            if !storage::checkpoints::late_done(&mut tx, &late.id).await? {
                continue;
            }
            let (ts, happened_at) = (self.clock.now(), Some(late.happened_at));
            let record = Record { actor: late.actor, ts, happened_at, node: late.node, event: late.event };
            let canonical = Canonical::new(&record).map_err(AppError::internal)?;
            storage::audit::audit_append(&mut tx, &canonical).await?;
            tx.commit().await?;
            appended += 1;
        }
        Ok(appended)
    }
}
