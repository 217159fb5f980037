//! Programs that ask twice. A write that carries an `Idempotency-Key` is done once in 24 hours: the claim of the key is committed with what is
//! done, so two of one key cannot both happen, whoever ends in between. The same key with other bytes is refused. Presses have keys of their own
//! and never come here: a stop waits for nothing.

use super::{App, AppError};
use crate::domain::{Timestamp, time::DAY_MS};
pub use crate::storage::idempotency::Answered;
use crate::storage::{self, Lane, WriteTx};
use sha2::{Digest, Sha256};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The longest key.
pub const KEY: usize = 200;

tokio::task_local! {
    static CLAIM: Arc<Claim>;
    static DONE: Arc<AtomicBool>;
}

/// Does something, and says beside its outcome whether an act was committed in it: what fails afterwards has not undone that.
pub async fn telling<T>(work: impl Future<Output = T>) -> (T, bool) {
    let done = Arc::new(AtomicBool::new(false));
    let outcome = DONE.scope(done.clone(), work).await;
    (outcome, done.load(Ordering::SeqCst))
}

/// Says that an act was committed.
pub(super) fn note_done() {
    let _ = DONE.try_with(|done| done.store(true, Ordering::SeqCst));
}

/// A key on its way, with what it stands for.
#[derive(Debug)]
pub struct Claim {
    actor: String,
    key: String,
    digest: String,
    // The first transaction takes it; what follows belongs to it.
    is_taken: AtomicBool,
}

/// What is known of a key.
#[derive(Debug)]
pub enum Known {
    /// Nothing: do it under this claim.
    New(Arc<Claim>),
    /// It was done; this was answered.
    Done(Answered),
    /// It was done, and no answer was kept: it is being answered, or the server ended before it was.
    Unanswered,
    /// It was used for something else.
    Other,
}

impl App {
    /// Looks a key up.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn known_key(&self, actor: &str, key: &str, request: &[&[u8]]) -> Result<Known, AppError> {
        let mut hash = Sha256::new();
        for part in request {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = data_encoding::HEXLOWER.encode(&hash.finalize());
        let found = storage::idempotency::idempotency_get(&mut *self.db.read().await?, actor, key).await?;
        let found = found.filter(|found| found.at >= self.keys_since());
        Ok(match found {
            None => Known::New(Arc::new(Claim { actor: actor.to_owned(), key: key.to_owned(), digest, is_taken: AtomicBool::new(false) })),
            Some(found) if found.digest != digest => Known::Other,
            Some(found) if found.status.is_none() => Known::Unanswered,
            Some(found) => Known::Done(found),
        })
    }

    fn keys_since(&self) -> Timestamp {
        self.clock.now().plus_ms(-DAY_MS)
    }

    /// Does something under a claim: whatever it commits first, commits the claim.
    pub async fn under<T>(&self, claim: Arc<Claim>, work: impl Future<Output = T>) -> T {
        CLAIM.scope(claim, work).await
    }

    /// Takes the claim that this task works under, inside of its transaction.
    pub(crate) async fn take_claim(&self, tx: &mut WriteTx) -> Result<(), AppError> {
        let Ok(claim) = CLAIM.try_with(Arc::clone) else { return Ok(()) };
        if claim.is_taken.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let row = claim.row(self.clock.now());
        match storage::idempotency::idempotency_claim(tx, &row, self.keys_since()).await {
            Err(storage::Error::Duplicate(_)) => {
                Err(AppError::conflict("this key is in use by another request right now; ask again for its answer"))
            }
            other => Ok(other?),
        }
    }

    /// Keeps what was answered. What changed nothing is claimed with it.
    ///
    /// # Errors
    /// When the database does not take it: what was done stays done, and the key unanswered.
    pub async fn keep_answer(&self, claim: &Claim, (status, location, body): (u16, Option<String>, String)) -> Result<(), AppError> {
        let mut tx = self.db.write(Lane::Normal).await?;
        let row = Answered { status: Some(i64::from(status)), location, body: Some(body), ..claim.row(self.clock.now()) };
        if !claim.is_taken.load(Ordering::SeqCst) {
            storage::idempotency::idempotency_claim(&mut tx, &row, self.keys_since()).await?;
        }
        storage::idempotency::idempotency_answer(&mut tx, &row).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets keys that count no more.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn forget_keys(&self) -> Result<(), AppError> {
        let mut tx = self.db.write(Lane::Normal).await?;
        storage::idempotency::idempotency_forget(&mut tx, self.keys_since()).await?;
        Ok(tx.commit().await?)
    }
}

impl Claim {
    fn row(&self, at: Timestamp) -> Answered {
        Answered {
            actor: self.actor.clone(),
            idempotency_key: self.key.clone(),
            digest: self.digest.clone(),
            at,
            status: None,
            location: None,
            body: None,
        }
    }
}
