//! One round of the watch: the database is compared with the tide mark, what is new is read again and hashed again, the mark is raised on
//! disk, and only then a signed checkpoint goes out. Whatever does not fit freezes the log; nothing is signed that was not read again.

use super::{Frozen, FrozenKind, Keeper, LogSettings, LogStatus, Mark, Rehash, files};
use crate::app::{App, AppError};
use crate::audit::{Event, Frontier, Note, VerifierKey, number};
use crate::storage::{self, Conn, Lane, audit::Head, checkpoints::StoredCheckpoint};
use std::sync::Arc;

/// How many entries are read at a time.
const CHUNK: i64 = 2_000;

/// How many entries are hashed before others may go first.
const BREATH: usize = 32;

/// What a look at the database came to.
enum Look {
    /// Everything fits; the frontier at the head's size was computed from the entries' bytes.
    Fits(Head, Frontier),
    /// It does not.
    Wrong(FrozenKind, String),
}

/// What is wrong with a log, and how.
type Wrong = (FrozenKind, String);

/// What the bytes of a stretch of entries came to.
enum Read {
    /// The frontier after them.
    Whole(Frontier),
    /// What is wrong.
    Broken(String),
}

impl App {
    /// Begins the watch: reads or makes the key, compares the tide mark with the database. A database behind the mark pauses the fleet
    /// before this returns. Reads little, however long the log is: what came after the mark is read by the first round, and everything after
    /// that.
    ///
    /// # Errors
    /// When the database cannot be read, or a first key cannot be written: the log takes nothing until a round could do it. What is wrong
    /// with the log is no error: it is frozen.
    pub async fn open_log(self: &Arc<Self>, settings: LogSettings) -> Result<(), AppError> {
        // Set once: a second call would find the first one's settings.
        let settings = self.log.settings.get_or_init(|| settings);
        let _alone = self.log.publishing.lock().await;
        self.begin_watch(settings).await
    }

    async fn begin_watch(self: &Arc<Self>, settings: &LogSettings) -> Result<(), AppError> {
        self.log.await_comparison(self.clock.now());
        let mut tx = self.db.read().await?;
        let head = storage::audit::audit_head(&mut tx).await?;
        let keys = storage::checkpoints::log_keys(&mut tx).await?;
        let latest = storage::checkpoints::checkpoint_latest(&mut tx).await?;
        let incarnation = number::incarnation(&head.origin);
        let mark = files::read_mark_of(&settings.state_dir, incarnation).map(|found| found.map(|(note, _)| note));
        // A later incarnation comes with a key and a mark; whoever has none joins.
        let may_be_missing = latest.is_none() && incarnation == 1;
        let is_first = may_be_missing && keys.is_empty() && matches!(mark, Ok(None));
        // A key that cannot be read stops no server: it could not take a stop then.
        let read = files::read_key_of(&settings.state_dir, incarnation);
        let unreadable = read.as_ref().err().map(|error| format!("the signing key cannot be read: {error}"));
        let mut key = read.ok().flatten().filter(|key| key.verifier().name() == head.origin);
        if key.is_none() && unreadable.is_none() && is_first {
            key = Some(files::make_key(&settings.state_dir, &head.origin).map_err(AppError::internal)?);
        }
        let found = own_mark(mark, key.as_ref().map(crate::audit::SigningKey::verifier), may_be_missing);
        let newest = files::newest(&settings.state_dir);
        let found = if newest > incarnation { Err(older_incarnation(&head.origin, newest)) } else { found };
        let found = match unreadable.map_or(found, |why| Err((FrozenKind::KeyChanged, why))) {
            Ok(mark) => compare(&mut tx, &head, mark.as_ref()).await?.map(|_| mark),
            Err(wrong) => Err(wrong),
        };
        let told = self.frozen_by_the_database(&mut tx, &head).await?;
        drop(tx);
        self.log.note(|status| {
            status.is_one_volume = settings.is_one_volume;
            status.size = head.size.unsigned_abs();
            status.checkpoint = latest;
            status.is_key_recorded = key.as_ref().is_some_and(|key| keys.contains(&key.verifier().to_string()));
            status.vkey = key.as_ref().map(|key| key.verifier().to_string()).unwrap_or_default();
            status.sink.dir = settings.sink.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default();
            status.mark = found.as_ref().ok().cloned().flatten();
        });
        // Nobody else sets it: whoever comes here has the turn.
        let keeper = Keeper { settings: settings.clone(), origin: head.origin, key: key.map(Arc::new) };
        self.log.keeper.store(Some(Arc::new(keeper)));
        if let Err((kind, why)) = found {
            self.freeze(kind, why).await;
        }
        if let Some(told) = told {
            self.log.gate.freeze(told);
        }
        self.log.gate.compared();
        if let Err(error) = self.record_log_key().await {
            tracing::warn!(%error, "the log's key could not be recorded yet");
        }
        Ok(())
    }

    /// Notes this replica's key in the log and beside it, once. A database that takes nothing keeps no server from starting: the rounds try
    /// again.
    async fn record_log_key(&self) -> Result<(), AppError> {
        let LogStatus { vkey, is_key_recorded, .. } = self.log.status();
        if is_key_recorded || vkey.is_empty() || self.log.gate.frozen().is_some() {
            return Ok(());
        }
        let permit = self.server_permit()?;
        let key_id = VerifierKey::parse(&vkey).map_err(AppError::internal)?.id();
        let mut act = self.begin(permit, Lane::Normal).await?;
        let now = act.now();
        let key = VerifierKey::parse(&vkey).map_err(AppError::internal)?;
        if !storage::checkpoints::log_key_add(act.tx(), key.name(), &vkey, (&self.node, now)).await? {
            // The key of an incarnation that was closed a moment ago: the next round begins anew.
            return Ok(());
        }
        act.commit(Event::LogKeyAdded { key_id, vkey }).await?;
        self.log.note(|status| status.is_key_recorded = true);
        Ok(())
    }

    /// One round. `signs`: this replica is the one that puts checkpoints into the database now.
    ///
    /// # Errors
    /// When the database or the state folder would not do; the next round tries again.
    pub async fn publish(self: &Arc<Self>, signs: bool) -> Result<(), AppError> {
        let Some(settings) = self.log.settings.get() else { return Ok(()) };
        let _alone = self.log.publishing.lock().await;
        let done = async {
            if self.log.keeper.load().is_none() {
                self.begin_watch(settings).await?;
            }
            if let Err(error) = self.look_at_site().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "which site this is could not be compared with the database");
            }
            self.follow_the_log(settings).await?;
            match self.log.keeper.load_full() {
                Some(keeper) => self.round(&keeper, signs).await,
                None => Ok(()),
            }
        }
        .await;
        self.log.note(|status| status.error = done.as_ref().err().map(super::feed::with_cause));
        done
    }

    /// Begins anew when the log goes on under another incarnation than this process keeps: a recovery was carried out.
    async fn follow_the_log(self: &Arc<Self>, settings: &LogSettings) -> Result<(), AppError> {
        let head = storage::audit::audit_head(&mut *self.db.read().await?).await?;
        if self.log.keeper.load().as_ref().is_some_and(|keeper| keeper.origin != head.origin) {
            self.begin_anew(settings).await?;
        }
        Ok(())
    }

    /// The turn is the caller's.
    pub(super) async fn begin_anew(self: &Arc<Self>, settings: &LogSettings) -> Result<(), AppError> {
        let why = "the log goes on under a new incarnation, which was not compared with the tide mark yet".to_owned();
        self.log.gate.begin_anew(Frozen { kind: FrozenKind::NotCompared, why, since: self.clock.now() });
        self.log.note(|status| {
            *status = LogStatus { is_one_volume: status.is_one_volume, ..LogStatus::default() };
        });
        self.begin_watch(settings).await
    }

    async fn round(self: &Arc<Self>, keeper: &Keeper, signs: bool) -> Result<(), AppError> {
        self.freeze_as_the_database_says().await?;
        if let Some(frozen) = self.log.gate.frozen() {
            // What could not be done when it was found is done now.
            self.freeze(frozen.kind, frozen.why.clone()).await;
            return Ok(());
        }
        let Some(key) = &keeper.key else { return Ok(()) };
        self.record_log_key().await?;
        let (head, frontier) = match self.look().await? {
            Look::Fits(head, frontier) => (head, frontier),
            Look::Wrong(kind, why) => {
                self.freeze(kind, why).await;
                return Ok(());
            }
        };
        let mark = Mark { size: head.size.unsigned_abs(), root: frontier.root() };
        let (before, covered) = {
            let status = self.log.status();
            (status.mark, status.checkpoint.map(|checkpoint| checkpoint.size))
        };
        if before.as_ref() != Some(&mark) {
            let now = self.clock.now();
            self.log.note(|status| status.uncovered_since = status.uncovered_since.or(Some(now)));
            failpoint!("publish:before_mark");
            let (dir, key, raised) = (keeper.settings.state_dir.clone(), key.clone(), mark.clone());
            // A slow disk holds up this task and nothing else.
            let written = tokio::task::spawn_blocking(move || files::write_mark(&dir, &key, &raised));
            written.await.map_err(AppError::internal)?.map_err(AppError::internal)?;
            failpoint!("publish:mark");
            self.log.note(|status| status.mark = Some(mark.clone()));
        }
        if signs && covered != Some(head.size) {
            self.keep_checkpoint(key, &mark).await?;
        }
        let latest = storage::checkpoints::checkpoint_latest(&mut *self.db.read().await?).await?;
        let covers = latest.as_ref().is_some_and(|latest| latest.size >= head.size);
        let now = self.clock.now();
        self.log.note(|status| {
            status.size = mark.size;
            status.checkpoint = latest;
            status.uncovered_since = if covers { None } else { Some(status.uncovered_since.unwrap_or(now)) };
        });
        Ok(())
    }

    async fn keep_checkpoint(&self, key: &crate::audit::SigningKey, mark: &Mark) -> Result<(), AppError> {
        let checkpoint = crate::audit::Checkpoint { origin: key.verifier().name().to_owned(), size: mark.size, root: mark.root };
        let note = key.sign(&checkpoint).map_err(AppError::internal)?;
        let stored = StoredCheckpoint { size: mark.size as i64, note, at: self.clock.now() };
        let mut tx = self.db.write(Lane::Normal).await?;
        match storage::checkpoints::checkpoint_add(&mut tx, key.verifier().name(), &stored).await {
            // Another replica was first.
            Err(storage::Error::Duplicate(_)) => return Ok(()),
            // What was read is an incarnation that was closed meanwhile: the new one is never said to have its entries.
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(error.into()),
        }
        tx.commit().await?;
        failpoint!("publish:checkpoint");
        Ok(())
    }

    /// Compares the database with the tide mark, and reads again what came after it.
    async fn look(&self) -> Result<Look, AppError> {
        let mark = self.log.status().mark;
        let (head, at_mark) = {
            let mut tx = self.db.read().await?;
            let head = storage::audit::audit_head(&mut tx).await?;
            match compare(&mut tx, &head, mark.as_ref()).await? {
                Ok(at_mark) => (head, at_mark),
                Err((kind, why)) => return Ok(Look::Wrong(kind, why)),
            }
        };
        match self.read_again(at_mark, head.size, false).await? {
            Read::Broken(why) => Ok(Look::Wrong(FrozenKind::Mismatch, why)),
            Read::Whole(frontier) if frontier.encode() != head.frontier => {
                Ok(Look::Wrong(FrozenKind::Mismatch, "the entries do not lead to the log's own head: the log was changed".into()))
            }
            Read::Whole(frontier) => Ok(Look::Fits(head, frontier)),
        }
    }

    /// Hashes the bytes of the entries after a frontier up to `size`. With checkpoints: each one that lies there is compared on the way, and
    /// the status says how far it has come.
    async fn read_again(&self, mut frontier: Frontier, size: i64, with_checkpoints: bool) -> Result<Read, AppError> {
        while (frontier.size() as i64) < size {
            let next = frontier.size() as i64;
            let most = CHUNK.min(size - next);
            let (rows, checkpoints) = {
                let mut tx = self.db.read().await?;
                let rows = storage::audit::audit_from(&mut tx, next, most).await?;
                // No more of them than entries lie between, since each has a size of its own.
                let checkpoints =
                    if with_checkpoints { storage::checkpoints::checkpoint_after(&mut tx, next, most).await? } else { Vec::new() };
                (rows, checkpoints)
            };
            if rows.is_empty() {
                return Ok(Read::Broken(format!("entry {next} is missing")));
            }
            let mut checkpoints = checkpoints.iter().peekable();
            for (n, row) in rows.iter().enumerate() {
                if let Err(why) = row.grow(&mut frontier) {
                    return Ok(Read::Broken(why));
                }
                while let Some(checkpoint) = checkpoints.next_if(|checkpoint| checkpoint.size <= frontier.size() as i64) {
                    if Note::parse(&checkpoint.note).map(|note| note.checkpoint.root) != Ok(frontier.root()) {
                        return Ok(Read::Broken(not_led_to(checkpoint.size)));
                    }
                }
                // A press on the same thread does not wait for this.
                if n % BREATH == BREATH - 1 {
                    tokio::task::yield_now().await;
                }
            }
            if with_checkpoints {
                self.log.note(|status| status.rehash = Rehash::Running(frontier.size()));
            }
        }
        Ok(Read::Whole(frontier))
    }

    /// Reads the whole log again from its first byte, and every checkpoint; freezes it when they do not fit. Once after each start of the
    /// server and once a day; requests go first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn rehash(self: &Arc<Self>) -> Result<(), AppError> {
        if self.log.keeper.load().is_none() || self.log.gate.frozen().is_some() {
            return Ok(());
        }
        let (head, latest) = {
            let mut tx = self.db.read().await?;
            (storage::audit::audit_head(&mut tx).await?, storage::checkpoints::checkpoint_latest(&mut tx).await?)
        };
        let wrong = if latest.is_some_and(|latest| latest.size > head.size) {
            "there is a checkpoint over more entries than there are: the end of the log was cut off".into()
        } else {
            match self.read_again(Frontier::default(), head.size, true).await? {
                Read::Broken(why) => why,
                Read::Whole(frontier) if frontier.encode() != head.frontier => not_led_to(head.size),
                Read::Whole(frontier) => {
                    let (entries, now) = (frontier.size(), self.clock.now());
                    tracing::info!(entries, "the whole log was read again: every entry and every checkpoint fits");
                    self.log.note(|status| status.rehash = Rehash::Good(entries, now));
                    match self.examine_sink().await? {
                        Some(why) => why,
                        None => return Ok(()),
                    }
                }
            }
        };
        self.freeze(FrozenKind::Mismatch, wrong).await;
        Ok(())
    }

    /// Takes over the freeze that another replica, or this one before it was started anew, wrote into the database.
    async fn freeze_as_the_database_says(&self) -> Result<(), AppError> {
        let mut tx = self.db.read().await?;
        let head = storage::audit::audit_head(&mut tx).await?;
        if let Some(told) = self.frozen_by_the_database(&mut tx, &head).await? {
            self.log.gate.freeze(told);
        }
        Ok(())
    }

    /// Why the database says that the log is frozen; none: it does not.
    async fn frozen_by_the_database(&self, conn: &mut Conn, head: &Head) -> Result<Option<Frozen>, AppError> {
        if head.is_open {
            return Ok(None);
        }
        let told = storage::checkpoints::log_frozen(conn).await?;
        let is_rollback = told.as_ref().is_some_and(|told| told.kind == "rollback");
        Ok(Some(Frozen {
            kind: if is_rollback { FrozenKind::Rollback } else { FrozenKind::Mismatch },
            since: told.as_ref().map_or_else(|| self.clock.now(), |told| told.at),
            why: told.map_or_else(|| "the database says so, and not why".to_owned(), |told| told.why),
        }))
    }

    /// Freezes the log: here at once, for every replica when the database itself is wrong. A rollback pauses the fleet (ruling H13).
    pub(super) async fn freeze(self: &Arc<Self>, kind: FrozenKind, why: String) {
        if self.log.gate.freeze(Frozen { kind, why: why.clone(), since: self.clock.now() }) {
            tracing::error!(kind = kind.as_str(), why, "the audit log is frozen: nothing may start or be loosened; stops work");
        }
        if kind == FrozenKind::Rollback {
            self.place_for_trigger("rollback", "the database was rolled back behind the audit log's tide mark").await;
        }
        if kind.is_everybodys() {
            let kept = async {
                let mut tx = self.db.write(Lane::Stop).await?;
                // What was wrong with an incarnation that is closed by now freezes none that follows it.
                let head = storage::audit::audit_lock(&mut tx).await?;
                if self.log.keeper.load().as_ref().is_some_and(|keeper| keeper.origin != head.origin) {
                    return Ok(());
                }
                storage::checkpoints::log_freeze(&mut tx, kind.as_str(), &why, &self.node, self.clock.now()).await?;
                tx.commit().await
            };
            if let Err(error) = kept.await {
                tracing::error!(%error, "the freeze could not be written into the database yet");
            }
        }
    }
}

/// The frontier at the tide mark, when the database leads to it; otherwise what is wrong. Reads a few hundred hashes at most.
async fn compare(conn: &mut Conn, head: &Head, mark: Option<&Mark>) -> Result<Result<Frontier, Wrong>, AppError> {
    let from = mark.map_or(0, |mark| mark.size as i64);
    if head.size < from {
        let why = format!("the database has {} entries and the tide mark {from}: it was rolled back, and may have lost holds", head.size);
        return Ok(Err((FrozenKind::Rollback, why)));
    }
    match storage::audit::audit_frontier_at(conn, from).await {
        Ok(at_mark) if mark.is_none_or(|mark| mark.root == at_mark.root()) => Ok(Ok(at_mark)),
        Ok(_) => {
            let why = format!("the first {from} entries do not lead to the tide mark's root: the log was changed");
            Ok(Err((FrozenKind::Mismatch, why)))
        }
        Err(storage::Error::Unreadable(why)) => Ok(Err((FrozenKind::Mismatch, why))),
        Err(error) => Err(error.into()),
    }
}

fn older_incarnation(origin: &str, newest: u64) -> Wrong {
    let why = format!(
        "the database has the log as {origin} and the tide mark is of incarnation {newest}: it was rolled back, and may have lost holds"
    );
    (FrozenKind::Rollback, why)
}

fn not_led_to(size: i64) -> String {
    format!("the first {size} entries do not lead to the root that was recorded for them: the log was changed")
}

/// The mark that this replica's key signed; none at the very first start. Otherwise what is wrong.
fn own_mark(found: Result<Option<Note>, files::FileError>, key: Option<&VerifierKey>, may_be_missing: bool) -> Result<Option<Mark>, Wrong> {
    let found = found.map_err(|error| (FrozenKind::MarkLost, format!("the tide mark cannot be read: {error}")))?;
    match (found, key) {
        (None, Some(_)) if may_be_missing => Ok(None),
        (None, _) => {
            let why = "the database has checkpoints and the state folder has no tide mark: run `andon replica join` if this replica is new";
            Err((FrozenKind::MarkLost, why.to_owned()))
        }
        (Some(_), None) => Err((FrozenKind::KeyChanged, "the signing key beside the tide mark is gone or of another log".to_owned())),
        (Some(note), Some(key)) => match note.verify(key) {
            Ok(checkpoint) => Ok(Some(Mark { size: checkpoint.size, root: checkpoint.root })),
            Err(error) => Err((FrozenKind::KeyChanged, format!("the tide mark was not signed by the key beside it: {error}"))),
        },
    }
}
