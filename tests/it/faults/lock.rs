//! Another process that holds the lock which every fact has to take: the database answers, and takes nothing.

use crate::harness::db::{self, Place};
use andon::storage::{self, Db, Lane, WriteTx};

/// The lock, held.
pub struct Lock {
    db: Db,
    tx: WriteTx,
}

impl Lock {
    pub async fn take(place: &Place) -> Self {
        let db = db::reopen(place).await;
        let mut tx = db.write(Lane::Normal).await.unwrap();
        storage::epoch::epoch_take(&mut tx).await.unwrap();
        Self { db, tx }
    }
    /// Lets go; nothing was changed.
    pub async fn end(self) {
        drop(self.tx);
        self.db.close().await;
    }
}
