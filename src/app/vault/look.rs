//! What the settings give against what the database was sealed under. Whatever does not fit changes nothing.

use super::{Given, Place, Shut, Standing};
use crate::app::{App, AppError};
use crate::audit::Event;
use crate::crypto::vault::{MasterKey, SealedRecord, VaultError, make_check, verify_check};
use crate::storage::{self, Lane, key_secrets::MasterKeyRow};
use std::{collections::BTreeSet, sync::Arc};

/// What the database says of master keys.
struct Kept {
    rows: Vec<MasterKeyRow>,
    counts: Vec<(String, i64)>,
}

impl Kept {
    fn current(&self) -> Option<&MasterKeyRow> {
        self.rows.iter().find(|row| row.is_current)
    }
    fn row(&self, id: &str) -> Option<&MasterKeyRow> {
        self.rows.iter().find(|row| row.id == id)
    }
    fn count(&self, id: &str) -> i64 {
        self.counts.iter().find(|(master, _)| master == id).map_or(0, |(_, count)| *count)
    }
    /// Others than the current one that are needed: not retired, or something is sealed under them.
    fn others(&self) -> BTreeSet<&str> {
        let replaced = self.rows.iter().filter(|row| !row.is_current && row.retired_at.is_none()).map(|row| row.id.as_str());
        let used = self.counts.iter().map(|(id, _)| id.as_str());
        let current = self.current().map(|row| row.id.as_str());
        replaced.chain(used).filter(|id| Some(*id) != current).collect()
    }
}

/// Whatever is the matter with the database passes.
pub(super) fn later(error: &AppError) -> Shut {
    Shut::Later(match error {
        AppError::Conflict(_) => "another server changes it at this moment".to_owned(),
        AppError::Frozen(_) => "the audit log takes no entry, so that no master key is taken into use".to_owned(),
        _ => "the database cannot be read, or does not take it".to_owned(),
    })
}

async fn opened(place: &Arc<dyn Place>, is_first: bool) -> Result<Arc<dyn MasterKey>, Shut> {
    let place = place.clone();
    let opened = tokio::task::spawn_blocking(move || place.open(is_first)).await;
    opened.unwrap_or_else(|error| Err(Shut::Later(error.to_string())))
}

impl App {
    async fn vault_kept(&self) -> Result<Kept, AppError> {
        let mut tx = self.db.read().await?;
        let rows = storage::key_secrets::master_key_all(&mut tx).await?;
        Ok(Kept { rows, counts: storage::key_secrets::key_secret_counts(&mut tx).await? })
    }

    /// True when another master key is the current one than this process seals with.
    pub(super) async fn is_another_current(&self, standing: &Standing) -> Result<bool, AppError> {
        let kept = self.vault_kept().await?;
        Ok(kept.current().map(|row| row.id.as_str()) != standing.current.as_ref().map(|key| key.id().as_str()))
    }

    /// Compares.
    pub(super) async fn look_at_vault(&self, given: &Arc<Given>) -> Result<Standing, Shut> {
        let kept = self.vault_kept().await.map_err(|error| later(&error))?;
        let Some(current) = kept.current() else { return self.take_first_master(given).await };
        let key = opened(&given.key, false).await.map_err(|shut| match shut {
            Shut::Later(why) => Shut::Later(format!("{why}. What is kept is sealed under {}", current.id)),
            wrong @ Shut::Wrong(_) => wrong,
        })?;
        if key.id().as_str() == current.id {
            self.verify_master(&*key, current).await?;
            return self.beside_current(given, &kept, key).await;
        }
        if given.lost.as_deref() == Some(current.id.as_str()) {
            self.give_up_master(&current.id, &key, kept.row(key.id().as_str())).await?;
            let kept = self.vault_kept().await.map_err(|error| later(&error))?;
            return self.beside_current(given, &kept, key).await;
        }
        let wrong = || {
            Shut::Wrong(format!(
                "this database is sealed under the master key {}, and --master-key gives {}. Give the right one; to change it: \
                 --master-key NEW --master-key-old OLD. Nothing was changed",
                current.id,
                key.id()
            ))
        };
        let old = opened(given.old.as_ref().ok_or_else(wrong)?, false).await?;
        if old.id().as_str() != current.id {
            return Err(wrong());
        }
        self.verify_master(&*old, current).await?;
        if let Some(before) = kept.others().first() {
            return Err(Shut::Wrong(format!(
                "a change of the master key from {before} to {} is not over: give --master-key for {} and --master-key-old for {before} until it \
                 is. Nothing was changed",
                current.id, current.id
            )));
        }
        if kept.row(key.id().as_str()).is_some() {
            return Err(Shut::Wrong(format!("the master key {} was retired here: make a new one. Nothing was changed", key.id())));
        }
        let left = kept.count(&current.id);
        match self.begin_rotation(&old, &key).await {
            Ok(()) => Ok(Standing { current: Some(key), old: Some(old), left, ..Standing::default() }),
            // What is sealed is opened all the same.
            Err(Shut::Later(why)) => {
                let trouble = Some(format!("the change of the master key to {} waits: {why}", key.id()));
                Ok(Standing { current: Some(old), trouble, left, ..Standing::default() })
            }
            Err(wrong) => Err(wrong),
        }
    }

    /// The given one is the current one; looks for what is needed beside it.
    async fn beside_current(&self, given: &Arc<Given>, kept: &Kept, key: Arc<dyn MasterKey>) -> Result<Standing, Shut> {
        let mut others = kept.others();
        if let Some(lost) = given.lost.as_deref()
            && others.remove(lost)
        {
            self.give_up_master(lost, &key, None).await?;
        }
        // A server that ended just before it retired them.
        for id in others.clone().into_iter().filter(|id| kept.count(id) == 0) {
            others.remove(id);
            // A log that takes nothing now is no reason to open nothing.
            if !self.site.is_foreign()
                && let Err(error) = self.retire_master(id, key.id().as_str()).await
            {
                tracing::warn!(%error, "the master key {id} could not be retired yet");
            }
        }
        let Some(needed) = others.iter().next().copied() else {
            return Ok(Standing { current: Some(key), is_old_over: given.old.is_some(), ..Standing::default() });
        };
        let left = others.iter().map(|id| kept.count(id)).sum();
        let missing = |id: &str| {
            format!(
                "{} secrets are sealed under the master key {id}, which {} replaces: give it too (--master-key-old), until this server says that \
                 nothing needs it",
                kept.count(id),
                key.id()
            )
        };
        let place = given.old.as_ref().ok_or_else(|| Shut::Wrong(format!("{}. Nothing was changed", missing(needed))))?;
        let mut standing = Standing { current: Some(key.clone()), left, ..Standing::default() };
        let old = match opened(place, false).await {
            Ok(old) => old,
            Err(Shut::Later(why)) => {
                standing.trouble = Some(format!("{why}; {}", missing(needed)));
                return Ok(standing);
            }
            Err(wrong) => return Err(wrong),
        };
        if !others.remove(old.id().as_str()) {
            return Err(Shut::Wrong(format!("{}; what is given there is {}. Nothing was changed", missing(needed), old.id())));
        }
        if let Some(row) = kept.row(old.id().as_str()) {
            match self.verify_master(&*old, row).await {
                Err(Shut::Later(why)) => standing.trouble = Some(why),
                other => other?,
            }
        }
        // More than one other is no doing of ours: what can be opened is.
        standing.trouble = standing.trouble.or_else(|| others.first().map(|id| missing(id)));
        standing.old = Some(old);
        Ok(standing)
    }

    /// Writes the first master key down; only now may one be made.
    async fn take_first_master(&self, given: &Arc<Given>) -> Result<Standing, Shut> {
        if self.site.is_foreign() {
            return Err(Shut::Later("this state folder is not a site of the installation, so that no master key is made here".to_owned()));
        }
        let key = opened(&given.key, true).await?;
        let check = self.check_of(&*key).await?;
        match self.write_first_master(key.id().as_str(), &check).await {
            Ok(()) => Ok(Standing { current: Some(key), is_old_over: given.old.is_some(), ..Standing::default() }),
            // Another replica was first; perhaps with the same.
            Err(AppError::Conflict(_)) => {
                let kept = self.vault_kept().await.map_err(|error| later(&error))?;
                match kept.current() {
                    Some(row) if row.id == key.id().as_str() => Ok(Standing { current: Some(key), ..Standing::default() }),
                    Some(row) => Err(Shut::Wrong(format!(
                        "another server of this installation was first, with the master key {}; here is {}. Servers share one: copy it from there, or \
                         name one source for both (--master-key)",
                        row.id,
                        key.id()
                    ))),
                    None => Err(Shut::Later("the database does not take it".to_owned())),
                }
            }
            Err(error) => Err(later(&error)),
        }
    }

    async fn write_first_master(&self, id: &str, check: &[u8]) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let now = act.now();
        storage::key_secrets::master_key_first(act.tx(), id, check, now).await?;
        act.commit(Event::MasterKeyTaken { master: id.to_owned() }).await.map(drop)
    }

    /// The bytes of a check value.
    pub(super) async fn check_of(&self, key: &dyn MasterKey) -> Result<Vec<u8>, Shut> {
        let made = make_check(key, &self.installation.id).await.and_then(|record| record.to_bytes());
        made.map_err(|error| Shut::Later(words(&error)))
    }

    async fn verify_master(&self, key: &dyn MasterKey, row: &MasterKeyRow) -> Result<(), Shut> {
        let wrong = || {
            Shut::Wrong(format!(
                "the master key {} is not the one that this database is sealed under, although it has its name; or the database was written into. \
                 Nothing was changed",
                row.id
            ))
        };
        let record = SealedRecord::from_bytes(&row.check_value).map_err(|_| wrong())?;
        match verify_check(key, &self.installation.id, &record).await {
            Ok(()) => Ok(()),
            Err(error @ (VaultError::Master(_) | VaultError::NoRandomness)) => Err(Shut::Later(words(&error))),
            Err(_) => Err(wrong()),
        }
    }
}

/// What whoever keeps the master key said, without what stands around it.
pub(super) fn words(error: &VaultError) -> String {
    match error {
        VaultError::Master(error) => error.to_string(),
        other => other.to_string(),
    }
}
