//! Exchange keys that the server holds itself: sealed before they come near the database, opened for whoever uses them here, and for nobody else.
//! The master key comes from outside; while it cannot be had, secrets stay shut, the system page says why, and stops work as ever. Nothing here
//! stands on the stop path.

mod look;
mod rotation;

use super::{App, AppError, Invalid};
use crate::crypto::vault::{About, MasterKey, SealedRecord, VaultError, open_parts, seal_parts};
use crate::domain::{AlertKind, ApiSecret, KeyId, Subject, Timestamp};
use crate::storage::{self, key_secrets::KeySecret};
use arc_swap::ArcSwap;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

/// How long a start waits for whoever keeps the master key. After that the server serves, and asks again.
const START_PATIENCE: Duration = Duration::from_secs(5);
/// How often a master key that is well is looked at.
const LOOK_EVERY_MS: i64 = 60_000;

/// Where a master key comes from.
pub trait Place: Send + Sync {
    /// Opens it; may wait for a disk, asks nobody over a network. `is_first`: nothing was ever sealed here, so that one may be made.
    ///
    /// # Errors
    /// Why there is none, and whether that may pass.
    fn open(&self, is_first: bool) -> Result<Arc<dyn MasterKey>, Shut>;
}

/// Why secrets stay shut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Shut {
    /// It may pass: it is tried again, and the server serves meanwhile.
    #[error("{0}")]
    Later(String),
    /// Somebody has to change something: a server does not start with this.
    #[error("{0}")]
    Wrong(String),
}

/// What the settings give.
pub struct Given {
    /// The master key.
    pub key: Arc<dyn Place>,
    /// The one that it replaces.
    pub old: Option<Arc<dyn Place>>,
    /// The name of one that is lost for good: what is sealed under it is given up.
    pub lost: Option<String>,
}

/// How it stands.
#[derive(Clone, Default)]
struct Standing {
    // Seals what is new.
    current: Option<Arc<dyn MasterKey>>,
    // Opens what is not wrapped anew yet.
    old: Option<Arc<dyn MasterKey>>,
    trouble: Option<String>,
    // Why a change of the master key does not come to its end.
    stuck: Option<String>,
    // Secrets that wait to be wrapped anew.
    left: i64,
    // The settings name a master key that nothing needs any more.
    is_old_over: bool,
    looked_at: Option<Timestamp>,
}

/// The vault of this process. Before `open_vault` it has no master key, and says nothing of it.
#[derive(Default)]
pub struct Vault {
    given: OnceLock<Arc<Given>>,
    standing: ArcSwap<Standing>,
    // Secrets that were not carried over to a new master key and were told of.
    refused: Mutex<HashSet<(KeyId, i64)>>,
}

impl Vault {
    /// Why secrets cannot be used as they should; none: they can, or none are to be kept here.
    pub fn trouble(&self) -> Option<String> {
        let standing = self.standing.load();
        standing.trouble.clone().or_else(|| standing.stuck.clone())
    }
    /// The name of the master key that seals, no secret.
    pub fn master(&self) -> Option<String> {
        self.standing.load().current.as_ref().map(|key| key.id().to_string())
    }
    /// How many secrets wait to be wrapped by a new master key.
    pub fn left(&self) -> i64 {
        self.standing.load().left
    }
    /// True when the settings name an old master key that nothing needs any more.
    pub fn is_old_over(&self) -> bool {
        self.standing.load().is_old_over
    }
    fn shut(&self) -> AppError {
        AppError::Shut(self.trouble().unwrap_or_else(|| "no master key was given".to_owned()))
    }
    /// Whoever keeps the master key did not do its part.
    fn note(&self, why: &str) {
        self.standing.rcu(|standing| Standing { trouble: Some(why.to_owned()), ..Standing::clone(standing) });
    }
    fn opener(&self, record: &SealedRecord) -> Option<Arc<dyn MasterKey>> {
        let standing = self.standing.load();
        [&standing.current, &standing.old].into_iter().flatten().find(|key| key.id() == record.master()).cloned()
    }
}

impl App {
    /// Takes the master key into use, before anybody is served: compares it with what the database was sealed under, or writes it down as the
    /// first. One that cannot be had now is waited for in the background; see [`Vault::trouble`].
    ///
    /// # Errors
    /// When it is another master key than the database's, or one is missing that something is sealed under: nothing was changed, and the server is
    /// not to start.
    pub async fn open_vault(&self, given: Given) -> Result<(), Shut> {
        let given = self.vault.given.get_or_init(|| Arc::new(given)).clone();
        let looked = tokio::time::timeout(START_PATIENCE, self.look_at_vault(&given)).await;
        let found = looked.unwrap_or_else(|_| Err(Shut::Later("whoever keeps the master key does not answer in time".to_owned())));
        if let Err(wrong @ Shut::Wrong(_)) = found {
            return Err(wrong);
        }
        self.stand(found);
        Ok(())
    }

    /// One round of whoever looks after the master key: looks again where that is due, and goes on with a change of it.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn vault_round(&self) -> Result<(), AppError> {
        let Some(given) = self.vault.given.get().cloned() else { return Ok(()) };
        let standing = self.vault.standing.load_full();
        let is_old = standing.looked_at.is_none_or(|at| self.clock.now().ms_since(at) >= LOOK_EVERY_MS);
        if is_old || standing.trouble.is_some() || self.is_another_current(&standing).await? {
            let found = self.look_at_vault(&given).await;
            self.stand(found);
        }
        self.rewrap_round().await
    }

    /// Takes up what was found. What was opened before stays open whatever is wrong now.
    fn stand(&self, found: Result<Standing, Shut>) {
        let before = self.vault.standing.load_full();
        let mut now = found.unwrap_or_else(|shut| Standing { trouble: Some(shut.to_string()), ..Standing::clone(&before) });
        now.looked_at = Some(self.clock.now());
        now.stuck = before.stuck.clone().filter(|_| now.old.is_some());
        match (&before.trouble, &now.trouble) {
            (was, Some(why)) if was.as_ref() != Some(why) => tracing::warn!("exchange keys that this server holds: {why}"),
            (Some(_), None) => tracing::info!("exchange keys that this server holds can be used again"),
            _ => {}
        }
        self.vault.standing.store(Arc::new(now));
    }

    /// Seals a secret that the server is to hold. The row is for `key_secret_insert`, in the transaction of what installs it; when that answers
    /// `Conflict` the master key was changed meanwhile, and the secret is to be sealed again.
    ///
    /// # Errors
    /// `Shut` while there is no master key; `Invalid` for a part that no venue gives out.
    pub async fn seal_secret(&self, about: &About, secret: &ApiSecret) -> Result<KeySecret, AppError> {
        if !about.purpose.is_server_held() {
            return Err(AppError::internal(std::io::Error::other("a bot's own key is sealed to its agent, never kept here")));
        }
        let key = self.vault.standing.load().current.clone().ok_or_else(|| self.vault.shut())?;
        let record = seal_parts(&*key, about, secret).await.map_err(|error| self.vault_error(about, error))?;
        Ok(KeySecret {
            key_id: about.key.clone(),
            version: about.version,
            purpose: about.purpose,
            master: record.master().to_string(),
            sealed: record.to_bytes().map_err(AppError::internal)?,
            sealed_at: self.clock.now(),
        })
    }

    /// Opens a secret that the server holds.
    ///
    /// # Errors
    /// `NotFound`; `Shut` while its master key cannot be had; `Internal`, with an alert, when what is kept was changed or moved here from another
    /// place; when the database is gone.
    pub async fn open_secret(&self, about: &About) -> Result<ApiSecret, AppError> {
        let row = storage::key_secrets::key_secret_get(&mut *self.db.read().await?, &about.key, about.version).await?;
        let row = row.ok_or(AppError::NotFound("secret"))?;
        let record = SealedRecord::from_bytes(&row.sealed).map_err(|error| self.vault_error(about, error))?;
        let key = self.vault.opener(&record).ok_or_else(|| {
            let why =
                self.vault.trouble().unwrap_or_else(|| format!("it is sealed under {}, which this server does not have", record.master()));
            AppError::Shut(why)
        })?;
        let opened = open_parts(&*key, about, &record).await;
        opened.map_err(|error| self.vault_error(about, error))
    }

    /// What it means that something was not sealed or opened. What was tampered with is told at once.
    fn vault_error(&self, about: &About, error: VaultError) -> AppError {
        match error {
            VaultError::Master(error) => {
                self.vault.note(&error.to_string());
                AppError::Shut(error.to_string())
            }
            VaultError::WrongMaster { .. } => AppError::Shut(error.to_string()),
            VaultError::Implausible | VaultError::TooLong => Invalid::one("secret", format!("The secret cannot be taken: {error}")).into(),
            VaultError::Refused | VaultError::Unreadable => {
                self.raise_refused(about);
                AppError::internal(error)
            }
            VaultError::NoRandomness => AppError::internal(error),
        }
    }

    fn raise_refused(&self, about: &About) {
        let which = format!("{} version {} ({})", about.key, about.version, about.purpose);
        tracing::error!("the kept secret of key {which} does not open: it was changed, or it was sealed for another place");
        let words = format!(
            "The secret of key {which} does not open: what the database holds was changed, or it was sealed for another key, version or purpose. \
             Somebody may have written into the database. Revoke the key at the venue and make another."
        );
        self.raise(AlertKind::SecretRefused, Subject::installation(), words);
    }
}
