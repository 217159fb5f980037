//! Open requests in memory: every page says how many wait for whoever looks at it. Every change of a request takes an epoch, so that what was read
//! at one is what stands as long as the epoch does. What ends an approval without one, a key that is suspended, is seen after seconds: whoever acts
//! reads the database again.

use super::{RequestRow, RequestView, by_request};
use crate::app::{App, AppError};
use crate::domain::{Epoch, Timestamp};
use crate::storage::{self, Conn};
use std::sync::{Arc, PoisonError, RwLock};

/// How long it is not read again, however little happens.
const KEPT_MS: i64 = 5_000;

/// What was read last, and when.
#[derive(Default)]
pub struct OpenBook(RwLock<Option<Kept>>);

struct Kept {
    epoch: Epoch,
    at: Timestamp,
    all: Arc<Vec<RequestView>>,
}

impl OpenBook {
    fn of(&self, epoch: Epoch, now: Timestamp) -> Option<Arc<Vec<RequestView>>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |kept: &&Kept| kept.epoch == epoch && now.ms_since(kept.at).abs() < KEPT_MS;
        kept.as_ref().filter(is_fresh).map(|kept| kept.all.clone())
    }
}

impl App {
    /// Every open request, oldest first.
    pub(crate) async fn open_requests(&self, conn: &mut Conn) -> Result<Arc<Vec<RequestView>>, AppError> {
        // First: what is read after it may be newer than it and is then read again, never older.
        let epoch = storage::epoch::epoch_now(conn).await?;
        let at = self.clock.now();
        if let Some(all) = self.open_book.of(epoch, at) {
            return Ok(all);
        }
        let all = Arc::new(read(conn).await?);
        *self.open_book.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Kept { epoch, at, all: all.clone() });
        Ok(all)
    }
}

async fn read(conn: &mut Conn) -> Result<Vec<RequestView>, AppError> {
    let rows = storage::requests::request_open(conn).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut revisions = by_request(storage::request_history::revision_open(conn).await?, |one| &one.request_id);
    let mut votes = by_request(storage::request_history::vote_open(conn).await?, |one| &one.request_id);
    let view = |row: RequestRow| {
        let (revisions, votes) = (revisions.remove(&row.id).unwrap_or_default(), votes.remove(&row.id).unwrap_or_default());
        RequestView::of(row, revisions, votes)
    };
    rows.into_iter().map(view).collect()
}
