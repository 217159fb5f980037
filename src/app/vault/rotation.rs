//! Changing the master key while the server runs: the new one is written down, every secret is wrapped anew, the old one is retired. Each step can
//! be broken off and is gone on with at the next start. A secret itself is never opened for this.

use super::{
    Shut, Standing,
    look::{later, words},
};
use crate::app::{App, AppError};
use crate::audit::Event;
use crate::crypto::vault::{About, MasterKey, SealedRecord, VaultError, rewrap};
use crate::storage::{
    self, Lane,
    key_secrets::{KeySecret, MasterKeyRow},
};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

/// Secrets of one transaction.
const CHUNK: i64 = 20;
/// Who goes on with it, among replicas.
const LEASE: &str = "vault";
/// How long one has it.
const HELD: Duration = Duration::from_secs(30);

/// How wrapping some secrets anew came out.
struct Rewrapped {
    done: Vec<(KeySecret, Vec<u8>)>,
    refused: i64,
}

impl App {
    /// Writes down that a new master key takes the place of the old one.
    pub(super) async fn begin_rotation(&self, old: &Arc<dyn MasterKey>, new: &Arc<dyn MasterKey>) -> Result<(), Shut> {
        if self.site.is_foreign() {
            return Err(Shut::Later("this state folder is not a site of the installation".to_owned()));
        }
        let check = self.check_of(&**new).await?;
        let (from, to) = (old.id().to_string(), new.id().to_string());
        let write = async {
            let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
            let now = act.now();
            storage::key_secrets::master_key_replace(act.tx(), &from, (&to, &check), now).await?;
            act.commit(Event::MasterKeyRotationBegun { from: from.clone(), to: to.clone() }).await
        };
        // Another replica that began first is found at the next look.
        write.await.map_err(|error| later(&error))?;
        tracing::info!("the master key is being changed from {from} to {to}");
        Ok(())
    }

    /// Wraps anew what is still wrapped by the old master key, and retires that when nothing is. Nothing when no change goes on.
    pub(super) async fn rewrap_round(&self) -> Result<(), AppError> {
        let standing = self.vault.standing.load_full();
        let (Some(new), Some(old)) = (&standing.current, &standing.old) else { return Ok(()) };
        if self.site.is_foreign() || !self.has_vault_lease().await {
            return Ok(());
        }
        let (mut behind, mut refused) = ((String::new(), 0), 0);
        loop {
            let from = (behind.0.as_str(), behind.1);
            let rows = storage::key_secrets::key_secret_under(&mut *self.db.read().await?, old.id().as_str(), from, CHUNK).await?;
            let Some(last) = rows.last() else { break };
            behind = (last.key_id.as_str().to_owned(), last.version);
            let made = match self.rewrap_some(rows, &**old, &**new).await {
                Ok(made) => made,
                Err(error) => {
                    self.vault.note(&words(&error));
                    return Ok(());
                }
            };
            refused += made.refused;
            self.write_rewrapped(&made.done, new.id().as_str()).await?;
            failpoint!("vault:rewrapped");
        }
        self.end_rotation(&standing, old.id().as_str(), new.id().as_str(), refused).await
    }

    async fn has_vault_lease(&self) -> bool {
        if self.db.is_embedded() {
            return true;
        }
        let now = self.clock.now();
        let take = async {
            let mut tx = self.db.write(Lane::Normal).await?;
            let until = now.plus_ms(HELD.as_millis() as i64);
            let is_ours = storage::workers::worker_take(&mut tx, LEASE, &self.node, now, until).await?;
            tx.commit().await?;
            storage::Result::Ok(is_ours)
        };
        take.await.unwrap_or(false)
    }

    async fn rewrap_some(&self, rows: Vec<KeySecret>, old: &dyn MasterKey, new: &dyn MasterKey) -> Result<Rewrapped, VaultError> {
        let mut made = Rewrapped { done: Vec::new(), refused: 0 };
        for row in rows {
            let about = About { key: row.key_id.clone(), version: row.version, purpose: row.purpose };
            let rewrapped = match SealedRecord::from_bytes(&row.sealed) {
                Ok(record) => rewrap(&record, &about, old, new).await.and_then(|record| record.to_bytes()),
                Err(error) => Err(error),
            };
            match rewrapped {
                Ok(sealed) => made.done.push((row, sealed)),
                Err(error @ (VaultError::Master(_) | VaultError::NoRandomness)) => return Err(error),
                Err(_) => {
                    made.refused += 1;
                    let told = (row.key_id, row.version);
                    if self.vault.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(told) {
                        self.raise_refused(&about);
                    }
                }
            }
        }
        Ok(made)
    }

    async fn write_rewrapped(&self, done: &[(KeySecret, Vec<u8>)], master: &str) -> Result<(), AppError> {
        let mut tx = self.db.write(Lane::Normal).await?;
        for (row, sealed) in done {
            // One that changed meanwhile was revoked, or another replica was faster.
            storage::key_secrets::key_secret_rewrap(&mut tx, row, sealed, master).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn end_rotation(&self, standing: &Standing, from: &str, to: &str, refused: i64) -> Result<(), AppError> {
        if refused > 0 {
            let why =
                format!("{refused} secrets are no good and stay under the master key {from}: revoke their keys, and it can be retired");
            self.vault.standing.store(Arc::new(Standing { left: refused, stuck: Some(why), ..standing.clone() }));
            return Ok(());
        }
        self.retire_master(from, to).await?;
        // Looked at again at once: what is true now may be more than this.
        let over = Standing { old: None, left: 0, is_old_over: true, stuck: None, looked_at: None, ..standing.clone() };
        self.vault.standing.store(Arc::new(over));
        Ok(())
    }

    /// Retires a master key that was replaced, once nothing is sealed under it.
    pub(super) async fn retire_master(&self, from: &str, to: &str) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let now = act.now();
        if storage::key_secrets::master_key_retire(act.tx(), from, now).await? {
            let counts = storage::key_secrets::key_secret_counts(act.tx()).await?;
            let count = counts.iter().find(|(master, _)| master == to).map_or(0, |(_, count)| u64::try_from(*count).unwrap_or(0));
            act.commit(Event::MasterKeyRotated { from: from.to_owned(), to: to.to_owned(), count }).await?;
            tracing::info!("the master key {from} is retired; nothing needs it any more, and --master-key-old may be taken away");
        }
        Ok(())
    }

    /// Gives up what is sealed under a master key that is lost for good, and takes `key`, which is new where it has no `row`, as the current one.
    pub(super) async fn give_up_master(&self, lost: &str, key: &Arc<dyn MasterKey>, row: Option<&MasterKeyRow>) -> Result<(), Shut> {
        if self.site.is_foreign() {
            return Err(Shut::Later("this state folder is not a site of the installation".to_owned()));
        }
        if row.is_some() {
            return Err(Shut::Wrong(format!("the master key {} was retired here: make a new one. Nothing was changed", key.id())));
        }
        let to = key.id().to_string();
        let check = self.check_of(&**key).await?;
        let write = async {
            let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
            let now = act.now();
            let is_current = storage::key_secrets::master_key_all(act.tx()).await?.iter().any(|row| row.is_current && row.id == lost);
            if is_current {
                storage::key_secrets::master_key_replace(act.tx(), lost, (&to, &check), now).await?;
            }
            for row in storage::key_secrets::key_secret_under(act.tx(), lost, ("", 0), i64::MAX).await? {
                self.lose_secret(&mut act, &row.key_id, row.version).await?;
            }
            let count = storage::key_secrets::key_secret_give_up(act.tx(), lost).await?;
            storage::key_secrets::master_key_retire(act.tx(), lost, now).await?;
            act.commit(Event::MasterKeyLost { master: lost.to_owned(), to: to.clone(), count }).await.map(|_| count)
        };
        let count = write.await.map_err(|error| later(&error))?;
        tracing::warn!("the master key {lost} was given up, and with it {count} secrets: their keys must be made anew at the venues");
        Ok(())
    }
}
