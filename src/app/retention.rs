//! How long observations are kept: evidence of presses, acknowledgements, closed alerts, and longer than those fills, which are records of trades.
//! What is open and the newest of each bot stay whatever their age; entries of the audit log are never forgotten.

use super::{App, AppError};
use crate::domain::{Timestamp, time::DAY_MS};
use crate::storage::{self, Lane};

/// How many rows go in one transaction: a stop waits for one of these at most.
const CHUNK: i64 = 200;
/// How many days they are kept when nobody says otherwise.
pub const KEPT_DAYS: u32 = 400;
/// The least that can be said.
pub const LEAST_DAYS: u32 = 30;
/// How many days fills are kept at least: seven years, as records of trades are.
const FILLS_DAYS: u32 = 2_557;

/// What there is to forget.
#[derive(Clone, Copy)]
enum Old {
    Acks,
    Evidence,
    Alerts,
    Fills,
}

impl App {
    /// Says how many days observations are kept. Once, before the workers start; a second call changes nothing.
    pub fn keep_days(&self, days: u32) {
        let _ = self.kept_days.set(days.max(LEAST_DAYS));
    }

    /// Forgets what is older than that. Answers how many rows went.
    ///
    /// # Errors
    /// When the database is gone: the next round goes on.
    pub async fn forget_old_observations(&self) -> Result<u64, AppError> {
        let days = self.kept_days.get().copied().unwrap_or(KEPT_DAYS);
        let now = self.clock.now();
        let mut gone = 0;
        for old in [Old::Acks, Old::Evidence, Old::Alerts, Old::Fills] {
            let days = if matches!(old, Old::Fills) { days.max(FILLS_DAYS) } else { days };
            let before = now.plus_ms(-i64::from(days) * DAY_MS);
            loop {
                let some = self.forget_some(old, before).await?;
                gone += some;
                if some == 0 {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(gone)
    }

    async fn forget_some(&self, old: Old, before: Timestamp) -> Result<u64, AppError> {
        // Proofs of what stands are needed until it is released.
        let first = self.fleet.view().open_holds().map(|hold| hold.epoch).min();
        let mut tx = self.db.write(Lane::Normal).await?;
        let gone = match old {
            Old::Acks => storage::retention::ack_forget(&mut tx, before, first, CHUNK).await?,
            Old::Evidence => storage::retention::evidence_forget(&mut tx, before).await?,
            Old::Alerts => storage::retention::alert_forget(&mut tx, before, CHUNK).await?,
            Old::Fills => storage::fills::fill_forget(&mut tx, before, CHUNK).await?,
        };
        tx.commit().await?;
        Ok(gone)
    }
}
