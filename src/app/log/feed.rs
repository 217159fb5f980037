//! Bringing the file sink up to date, from where it ended. A slow or full disk holds up this task alone: no transaction is open while the
//! disk is waited for, and what is missing is caught up later.

use super::{
    FrozenKind, Keeper,
    sink::{self, About, CheckpointLine, Lines, Scan, Sink, SinkError},
};
use crate::app::{App, AppError};
use crate::audit::{Note, number};
use crate::storage;
use std::{path::PathBuf, sync::Arc};

/// How many entries go to the disk at a time.
const CHUNK: i64 = 2_000;

/// A sink that was compared with the database and is open.
pub struct Feeding {
    sink: Sink,
    origin: String,
}

/// Runs what waits for a disk where waiting holds up nobody.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T, SinkError> + Send + 'static) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work).await.map_err(AppError::internal)?.map_err(AppError::internal)
}

impl App {
    /// Appends to the sink what it does not have yet.
    ///
    /// # Errors
    /// When the database or the disk would not do; the next call goes on from there. The status says so.
    pub async fn feed_sink(self: &Arc<Self>) -> Result<(), AppError> {
        let Some(keeper) = self.log.keeper.load_full() else { return Ok(()) };
        let Some(dir) = &keeper.settings.sink else { return Ok(()) };
        if self.log.gate.frozen().is_some() {
            return Ok(());
        }
        let folder = sink::folder(dir, &keeper.origin);
        // Noted before, so that a disk which never answers is told of as well.
        let now = self.clock.now();
        self.log.note(|status| status.sink.behind_since = status.sink.behind_since.or(Some(now)));
        let done = self.feed(&keeper, folder).await;
        self.log.note(|status| {
            status.sink.error = done.as_ref().err().map(with_cause);
            if done.is_ok() {
                status.sink.behind_since = None;
            }
        });
        done
    }

    async fn feed(self: &Arc<Self>, keeper: &Keeper, folder: PathBuf) -> Result<(), AppError> {
        let mut feeding = self.log.feeding.lock().await;
        // Taken out for as long as it works: after an error it is opened, and compared, anew.
        let mut open = match feeding.take() {
            Some(open) if open.origin == keeper.origin => open,
            _ => match self.open_sink(keeper, folder).await? {
                Some(open) => open,
                None => return Ok(()),
            },
        };
        // Whatever the log goes on as meanwhile, this sink is of one incarnation.
        let log = number::incarnation(&keeper.origin) as i64;
        loop {
            let (rows, notes) = {
                let mut tx = self.db.read().await?;
                let rows = storage::audit::audit_of(&mut tx, log, open.sink.count as i64, CHUNK).await?;
                (rows, storage::checkpoints::checkpoint_of(&mut tx, log, open.sink.covered as i64, CHUNK).await?)
            };
            let reaches = open.sink.count + rows.len() as u64;
            let notes: Vec<(u64, String)> =
                notes.into_iter().map(|stored| (stored.size.unsigned_abs(), stored.note)).filter(|(size, _)| *size <= reaches).collect();
            if rows.is_empty() && notes.is_empty() {
                break;
            }
            open = on_disk(move || {
                if !rows.is_empty() {
                    open.sink.append(rows.iter().map(|row| row.body.as_slice()))?;
                }
                failpoint!("sink:entries");
                for (size, note) in notes {
                    open.sink.append_checkpoint(size, note)?;
                }
                Ok(open)
            })
            .await?;
            self.log.note(|status| status.sink.entries = open.sink.count);
        }
        self.log.note(|status| status.sink.entries = open.sink.count);
        *feeding = Some(open);
        Ok(())
    }

    /// Compares what is in the sink with the database. None when they contradict each other: the log is frozen then.
    async fn open_sink(self: &Arc<Self>, keeper: &Keeper, folder: PathBuf) -> Result<Option<Feeding>, AppError> {
        let mine = About { origin: keeper.origin.clone(), installation: self.installation.id.to_string() };
        let dir = folder.clone();
        let (claimed, last) = on_disk(move || Ok((Sink::claim(&dir, &mine)?, sink::checkpoints(&dir)?.0.pop()))).await?;
        let covered = last.as_ref().map_or(0, |line| line.size);
        let head = storage::audit::audit_head(&mut *self.db.read().await?).await?;
        let size = head.size.unsigned_abs();
        let Some(known) = self.known_of(last, size).await? else { return Ok(None) };
        let dir = folder.clone();
        let scan = on_disk(move || sink::scan_from(&dir, known, u64::MAX)).await?;
        let (mut count, mut end) = (scan.frontier.size(), scan.end);
        let fits = count <= size && {
            let frontier = storage::audit::audit_frontier_at(&mut *self.db.read().await?, count as i64).await;
            let Some(frontier) = self.readable(frontier).await? else { return Ok(None) };
            frontier.root() == scan.frontier.root()
        };
        if !fits {
            let agreed = self.agreeing(folder.clone(), size).await;
            let Some(agreed) = self.readable(agreed).await? else { return Ok(None) };
            // What a checkpoint in the sink covers was on disk before it, and an entry is only ever copied from the database. Anything else
            // behind the last line that agrees is what a power cut left.
            if agreed.count < covered || agreed.then_an_entry {
                let (kind, why) = if agreed.count == size {
                    (FrozenKind::Rollback, format!("the database has {size} entries and the sink has more: it was rolled back"))
                } else {
                    (FrozenKind::Mismatch, format!("entry {} is not the one that the sink has: the log was changed", agreed.count))
                };
                self.freeze(kind, why).await;
                return Ok(None);
            }
            (count, end) = (agreed.count, agreed.end);
        }
        let sink = on_disk(move || Sink::open(claimed, &folder, count, end)).await?;
        Ok(Some(Feeding { sink, origin: keeper.origin.clone() }))
    }

    /// What the sink's last checkpoint says of its beginning, when the database says the same; everything before it is compared when the whole
    /// log is read again. None: the log is frozen.
    async fn known_of(self: &Arc<Self>, last: Option<CheckpointLine>, size: u64) -> Result<Option<Scan>, AppError> {
        let Some(CheckpointLine { size: covered, note, end: Some(end) }) = last else { return Ok(Some(Scan::default())) };
        let Some(note) = Note::parse(&note).ok().filter(|_| covered <= size) else { return Ok(Some(Scan::default())) };
        let frontier = storage::audit::audit_frontier_at(&mut *self.db.read().await?, covered as i64).await;
        let Some(frontier) = self.readable(frontier).await? else { return Ok(None) };
        Ok(Some(if frontier.root() == note.checkpoint.root { Scan { frontier, end } } else { Scan::default() }))
    }

    /// What is wrong with the sink, compared with the database from its first byte as far as this process knows that it is on disk. A sink
    /// that cannot be read is told of by whoever feeds it.
    pub(super) async fn examine_sink(&self) -> Result<Option<String>, AppError> {
        let Some(keeper) = self.log.keeper.load_full() else { return Ok(None) };
        let (Some(dir), most) = (&keeper.settings.sink, self.log.status().sink.entries) else { return Ok(None) };
        let folder = sink::folder(dir, &keeper.origin);
        let Ok(scan) = on_disk(move || sink::scan(&folder, most)).await else { return Ok(None) };
        let count = scan.frontier.size();
        let frontier = match storage::audit::audit_frontier_at(&mut *self.db.read().await?, count as i64).await {
            Ok(frontier) => frontier,
            Err(storage::Error::Unreadable(why)) => return Ok(Some(why)),
            Err(error) => return Err(error.into()),
        };
        let differs = frontier.root() != scan.frontier.root();
        Ok(differs.then(|| format!("the sink's first {count} entries are not those of the database: the log was changed, or its copy")))
    }

    /// A log whose hashes are missing or none was changed, whatever the sink has: it is frozen, and none is the answer.
    async fn readable<T, E: Into<AppError>>(self: &Arc<Self>, read: Result<T, E>) -> Result<Option<T>, AppError> {
        match read.map_err(Into::into) {
            Ok(read) => Ok(Some(read)),
            Err(AppError::Unavailable(storage::Error::Unreadable(why))) => {
                self.freeze(FrozenKind::Mismatch, why).await;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// How far the sink's lines are the database's entries.
    async fn agreeing(&self, folder: PathBuf, size: u64) -> Result<Agreed, AppError> {
        let mut agreed = Agreed { count: 0, end: 0, then_an_entry: false };
        let Some(mut lines) = on_disk(move || Lines::of(&folder.join(sink::ENTRIES))).await? else { return Ok(agreed) };
        loop {
            let some;
            (some, lines) = on_disk(move || Ok((sink::next_lines(&mut lines, CHUNK as usize)?, lines))).await?;
            if some.is_empty() {
                return Ok(agreed);
            }
            let (from, to) = (agreed.count as i64, size.min(agreed.count + some.len() as u64) as i64);
            let mut stored = storage::audit::audit_leaves(&mut *self.db.read().await?, from, to).await?.into_iter();
            for line in some {
                if stored.next() != Some(line.leaf) {
                    agreed.then_an_entry = line.is_entry;
                    return Ok(agreed);
                }
                agreed.count += 1;
                agreed.end = line.end;
            }
        }
    }
}

/// How far a sink and the database are the same.
struct Agreed {
    /// So many entries.
    count: u64,
    /// Where the last of them ends in the file.
    end: u64,
    /// What follows in the sink is an entry, too.
    then_an_entry: bool,
}

/// What an error says, with what lies under a fault of ours.
pub(super) fn with_cause(error: &AppError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    cause.unwrap_or_else(|| error.to_string())
}
