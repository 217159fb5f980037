//! Bringing the database in line with what memory holds. Whatever could not be written is tried again every second; a session that was ended
//! anywhere is never written back.

use super::{Copy, SessionStore, ended};
use crate::domain::Timestamp;
use crate::storage::{self, Lane};
use std::{sync::Arc, time::Duration};

/// How long a session waits for the database before memory answers.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);
/// The same for one that begins: no other replica knows it before it is written.
pub(super) const PATIENCE_AT_FIRST: Duration = Duration::from_secs(2);

fn unreadable(error: serde_json::Error) -> storage::Error {
    storage::Error::Unreadable(error.to_string())
}

impl SessionStore {
    /// Brings the database in line with a copy.
    pub(super) async fn write(&self, copy: &Copy) -> storage::Result<()> {
        let now = self.now();
        let row = copy.stored().map_err(unreadable)?;
        let mut tx = self.0.db.write(Lane::Normal).await?;
        let mut stands = false;
        if copy.ended {
            if storage::sessions::session_end_for_good(&mut tx, &row, now).await? && copy.user.is_some() {
                ended::tell_others(&mut tx).await?;
            }
        } else {
            stands = storage::sessions::session_put(&mut tx, &row).await?;
            if stands && copy.has_old_ids_to_forget(now) {
                storage::sessions::session_forget_before(&mut tx, &copy.handle, &copy.id).await?;
            }
        }
        tx.commit().await?;
        self.was_written(copy, stands, now);
        Ok(())
    }

    fn was_written(&self, copy: &Copy, stands: bool, now: Timestamp) {
        let mut copies = self.copies_mut();
        let Some(kept) = copies.named_mut(&copy.handle) else { return };
        if !stands {
            // Ended here, which the database knows now, or elsewhere.
            copies.remove(&copy.handle);
            return;
        }
        // What was changed while this was written is not written yet.
        kept.unsaved &= !Arc::ptr_eq(&kept.data, &copy.data);
        if copy.has_old_ids_to_forget(now) && kept.id == copy.id {
            let tidy = Copy { has_before: false, before: Vec::new(), ..kept.clone() };
            copies.put(tidy);
        }
    }

    /// Gives a session another id in the database and writes it. False: it was ended.
    pub(super) async fn write_turned(&self, copy: &Copy, id: &str) -> storage::Result<bool> {
        let row = copy.stored().map_err(unreadable)?;
        let mut tx = self.0.db.write(Lane::Normal).await?;
        let stands = storage::sessions::session_put(&mut tx, &row).await?;
        if stands {
            storage::sessions::session_turn(&mut tx, &copy.handle, id).await?;
        }
        tx.commit().await?;
        Ok(stands)
    }

    /// Writes within the patience of a request; what does not fit stays in memory and is written by `write_unsaved`.
    pub(super) async fn write_soon(&self, copy: &Copy, patience: Duration) {
        match tokio::time::timeout(patience, self.write(copy)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a session is kept in memory only"),
            Err(_) => tracing::warn!("the database is slow; a session is kept in memory only"),
        }
    }

    /// Writes what the database could not take before. Called every second; asks the database nothing when there is nothing.
    pub async fn write_unsaved(&self) {
        let now = self.now();
        let waiting: Vec<Copy> = self.copies().all().filter(|copy| copy.is_to_be_written(now)).cloned().collect();
        let ends: Vec<String> = self.ends_by_id().keys().cloned().collect();
        let write = async {
            for copy in &waiting {
                self.write(copy).await?;
            }
            for id in &ends {
                self.write_end_by_id(id).await?;
            }
            storage::Result::Ok(())
        };
        if let Err(error) = write.await {
            tracing::warn!(%error, sessions = waiting.len() + ends.len(), "sessions could not be written yet");
        }
    }

    /// Ends a session of which nothing but the id is known here.
    pub(super) async fn write_end_by_id(&self, id: &str) -> storage::Result<()> {
        let mut tx = self.0.db.write(Lane::Normal).await?;
        if storage::sessions::session_end_by_id(&mut tx, id, self.now()).await? {
            ended::tell_others(&mut tx).await?;
        }
        tx.commit().await?;
        self.ends_by_id().remove(id);
        Ok(())
    }

    /// Forgets sessions whose time is over.
    pub async fn prune(&self) {
        let now = self.now();
        self.copies_mut().prune(now);
        self.ends_by_id().retain(|_, until| *until > now);
        self.turned_from().retain(|handle, _| self.copies().named(handle).is_some());
        let tidy = async {
            let mut tx = self.0.db.write(Lane::Normal).await?;
            storage::sessions::session_prune(&mut tx, now).await?;
            tx.commit().await
        };
        if let Err(error) = tidy.await {
            tracing::warn!(%error, "sessions could not be tidied");
        }
    }
}
