//! Keeping watch over the audit log from outside of its database: signed checkpoints, the tide mark in the state folder, the file sink, and
//! the freeze when they do not fit together (ruling H13). A frozen log takes no entry, so nothing may start or be loosened; stops go on and
//! their entries wait. Nothing here stands on the stop path.

pub mod examine;
pub mod feed;
pub mod files;
pub mod join;
pub mod known;
pub mod late;
pub mod recover;
pub mod round;
pub mod sink;

use super::{App, AppError};
use crate::audit::SigningKey;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::Timestamp;
use crate::storage::{self, checkpoints::StoredCheckpoint};
use arc_swap::ArcSwapOption;
use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tokio::sync::Notify;

/// How long the sink may be behind before the server says that it is degraded.
const SINK_MAX_LAG_MS: i64 = 5 * 60 * 1_000;
/// How long the log may have grown without a checkpoint before the server says that it is degraded.
const CHECKPOINT_MAX_AGE_MS: i64 = 60 * 1_000;

/// What is wrong with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrozenKind {
    /// The database is behind the tide mark: it lost entries, and with them perhaps holds.
    Rollback,
    /// The database does not lead to the tide mark's root, or to its own head.
    Mismatch,
    /// The database has checkpoints and the state folder has no tide mark.
    MarkLost,
    /// The tide mark was not signed by the key that lies beside it.
    KeyChanged,
    /// The database was not compared with the tide mark yet. Ends by itself.
    NotCompared,
}

impl FrozenKind {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Mismatch => "mismatch",
            Self::MarkLost => "mark_lost",
            Self::KeyChanged => "key_changed",
            Self::NotCompared => "not_compared",
        }
    }
    /// True when the database itself is wrong: every replica freezes. What is wrong with one state folder freezes that replica alone.
    fn is_everybodys(self) -> bool {
        matches!(self, Self::Rollback | Self::Mismatch)
    }
}

/// Why the log takes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// What is wrong.
    pub kind: FrozenKind,
    /// In a sentence.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// Whether this process may append. Cheap to clone and to ask.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<ArcSwapOption<Frozen>>);

impl Gate {
    /// Why nothing may be appended.
    pub fn frozen(&self) -> Option<Arc<Frozen>> {
        self.0.load_full()
    }
    /// Passes while the log is open.
    ///
    /// # Errors
    /// `Frozen`.
    pub fn check(&self) -> storage::Result<()> {
        if self.0.load().is_some() { Err(storage::Error::Frozen) } else { Ok(()) }
    }
    /// Closes it. An earlier reason stays, unless this one is a rollback or nothing was known before. True when the reason is news.
    fn freeze(&self, frozen: Frozen) -> bool {
        let stays = |now: &Arc<Frozen>| match now.kind {
            FrozenKind::NotCompared => false,
            FrozenKind::Rollback => true,
            _ => frozen.kind != FrozenKind::Rollback,
        };
        let stays = self.0.load().as_ref().is_some_and(stays);
        if !stays {
            self.0.store(Some(Arc::new(frozen)));
        }
        !stays
    }
    /// Begins anew under another incarnation: what was wrong with the one before is over.
    fn begin_anew(&self, frozen: Frozen) {
        self.0.store(Some(Arc::new(frozen)));
    }
    /// Opens it when nothing else closed it than that the database was not compared yet. Whatever was found wrong stays.
    fn compared(&self) {
        if self.0.load().as_ref().is_some_and(|now| now.kind == FrozenKind::NotCompared) {
            self.0.store(None);
        }
    }
}

/// Where key, tide mark and sink are.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Folder of key and tide mark, outside of what is restored with the database.
    pub state_dir: PathBuf,
    /// Folder of the sink; none: there is no sink.
    pub sink: Option<PathBuf>,
    /// Database and state folder lie in one folder: restored together, nothing is noticed.
    pub is_one_volume: bool,
}

/// The tide mark: the highest size and root that this replica has seen and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: crate::audit::tree::Hash,
}

/// How far the sink has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkStatus {
    /// Its folder; empty: there is none.
    pub dir: String,
    /// Entries in it, on disk.
    pub entries: u64,
    /// Since when it is behind the log.
    pub behind_since: Option<Timestamp>,
    /// Why it does not go on.
    pub error: Option<String>,
}

/// How far the re-reading of the whole log has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rehash {
    /// Not begun since this process started.
    #[default]
    NotYet,
    /// So many entries read.
    Running(u64),
    /// Every entry led to the head.
    Good(u64, Timestamp),
}

/// What is known of the log's keeping.
#[derive(Debug, Clone, Default)]
pub struct LogStatus {
    /// This replica's verifier key; empty: nothing is published by this process.
    pub vkey: String,
    /// The key has its entry in the log.
    pub is_key_recorded: bool,
    /// Entries when it was last looked at.
    pub size: u64,
    /// The tide mark.
    pub mark: Option<Mark>,
    /// The last checkpoint in the database.
    pub checkpoint: Option<StoredCheckpoint>,
    /// Since when there are entries that no checkpoint covers.
    pub uncovered_since: Option<Timestamp>,
    /// The sink.
    pub sink: SinkStatus,
    /// The re-reading of everything.
    pub rehash: Rehash,
    /// Why the last round did not end.
    pub error: Option<String>,
    /// Database and state folder are one.
    pub is_one_volume: bool,
}

/// The watch over the log.
#[derive(Default)]
pub struct LogWatch {
    gate: Gate,
    settings: OnceLock<LogSettings>,
    keeper: ArcSwapOption<Keeper>,
    status: Mutex<LogStatus>,
    wake: Notify,
    feeding: tokio::sync::Mutex<Option<feed::Feeding>>,
    publishing: tokio::sync::Mutex<()>,
    /// Late entries that cannot be appended and were told of.
    unfit: Mutex<HashSet<String>>,
}

/// What this replica keeps outside the database.
struct Keeper {
    settings: LogSettings,
    origin: String,
    /// None when it is not there or not the mark's.
    key: Option<Arc<SigningKey>>,
}

impl LogWatch {
    /// Whether this process may append.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }
    /// Nothing is appended until the log was compared with what lies outside of the database.
    pub(crate) fn await_comparison(&self, now: Timestamp) {
        let why = "it was not compared with the tide mark yet".to_owned();
        self.gate.freeze(Frozen { kind: FrozenKind::NotCompared, why, since: now });
    }
    /// Asks for a checkpoint now.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }
    /// Waits until somebody asks for a checkpoint.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }
    /// How it stands.
    pub fn status(&self) -> LogStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn note(&self, change: impl FnOnce(&mut LogStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl App {
    /// What does not work as it should in the log's keeping, by name: `audit_log`, `log_publisher`, `log_sink`.
    pub(crate) fn log_degraded(&self) -> Vec<&'static str> {
        let (status, now) = (self.log.status(), self.clock.now());
        let is_old = |since: Option<Timestamp>, most: i64| since.is_some_and(|since| now.ms_since(since) > most);
        let mut degraded = Vec::new();
        if self.log.gate.frozen().is_some() {
            degraded.push("audit_log");
        } else if is_old(status.uncovered_since, CHECKPOINT_MAX_AGE_MS) {
            degraded.push("log_publisher");
        }
        if is_old(status.sink.behind_since, SINK_MAX_LAG_MS) {
            degraded.push("log_sink");
        }
        degraded
    }

    /// The newest signed checkpoint, for people and programs that may see the log.
    ///
    /// # Errors
    /// `Denied`; `NotFound` before there is one; when the database is gone.
    pub async fn checkpoint(&self, actor: &Actor) -> Result<StoredCheckpoint, AppError> {
        authz::check(actor, Action::SeeCheckpoint, &Resource::Installation)?;
        let latest = storage::checkpoints::checkpoint_latest(&mut *self.db.read().await?).await?;
        latest.ok_or(AppError::NotFound("checkpoint yet"))
    }

    /// The refusal of what the log cannot take now.
    pub(crate) fn frozen_error(&self) -> AppError {
        AppError::Frozen(self.log.gate.frozen().map_or_else(|| "it was frozen a moment ago".to_owned(), |frozen| frozen.why.clone()))
    }
}
