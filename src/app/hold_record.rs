//! Recording holds: rows, an epoch and entries in one transaction, for all the presses that wait for it (a press of many scopes, a drill, a
//! crowd that presses at once). When only the log refuses, the rows alone are committed, so that every replica has the stops; their entries
//! follow (ruling C5).

use super::{App, holds::holds_as_long, log::Gate};
use crate::audit::{Actor as Author, Canonical, Event, Record};
use crate::domain::{Clock, Epoch, Hold};
use crate::storage::{self, Db, Error, Lane, WriteTx};
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// At most this many holds in one transaction, so that it stays short (ruling H15).
const BATCH: usize = 64;
/// How long the next presses wait for a transaction that hangs. It goes on by itself.
const TURN: Duration = Duration::from_millis(250);

/// A hold that is to be recorded.
pub(crate) struct Wanted {
    author: Author,
    hold: Hold,
    given_up: Arc<AtomicBool>,
}

impl Wanted {
    /// One that was pushed and answered before: it is recorded whatever happens.
    pub(crate) fn late(author: Author, hold: Hold) -> Self {
        Self { author, hold, given_up: Arc::default() }
    }

    fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }
}

/// One who waits for a hold to be recorded. Told the hold as recorded, which is an earlier one when the press came twice; or told nothing.
type Waiting = (Wanted, oneshot::Sender<Hold>);

/// The way to the transaction.
pub(crate) struct Recorder {
    queue: mpsc::UnboundedSender<Waiting>,
    committed: Arc<AtomicU64>,
}

/// A press on its way into the database.
pub(crate) struct Recording {
    /// Told once it is recorded; gone when it was refused.
    pub(crate) told: oneshot::Receiver<Hold>,
    given_up: Arc<AtomicBool>,
}

impl Recording {
    /// Leaves the recording to the merge, unless it is committed by now: the press was answered without the database.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }
}

impl Recorder {
    /// The recorder and what its task reads.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Waiting>) {
        let (queue, waiting) = mpsc::unbounded_channel();
        (Self { queue, committed: Arc::default() }, waiting)
    }

    /// Sends a hold on its way.
    pub(crate) fn record(&self, author: Author, hold: Hold) -> Recording {
        let (done, told) = oneshot::channel();
        let given_up: Arc<AtomicBool> = Arc::default();
        // A task that has gone drops the sender: refused.
        let _ = self.queue.send((Wanted { author, hold, given_up: given_up.clone() }, done));
        Recording { told, given_up }
    }

    /// Grows with every transaction of holds that was committed.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::SeqCst)
    }
}

/// Records what is wanted until the application goes: whatever waits becomes one transaction.
pub(crate) async fn run(app: Weak<App>, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let Some(app) = app.upgrade() else { return };
        // A task of its own: one that hangs keeps nobody from the next, and nothing ends it.
        let recording = tokio::spawn(record_and_push(app, std::mem::take(&mut batch)));
        if let Ok(Err(error)) = tokio::time::timeout(TURN, recording).await {
            tracing::error!(%error, "the recording of holds ended early");
        }
    }
}

/// Records several, lets the agents know, and answers whoever waits.
async fn record_and_push(app: Arc<App>, batch: Vec<Waiting>) {
    let parts = app.recording_parts();
    let (wanted, waiting): (Vec<Wanted>, Vec<_>) = batch.into_iter().unzip();
    let all = wanted.iter().collect::<Vec<_>>();
    // Above what agents were told of holds that were pushed before their turn.
    let view = app.fleet.view();
    let told = if view.unrecorded().is_empty() { Epoch(0) } else { view.highest() };
    match parts.try_record(&all, (None, told)).await {
        Ok(recorded) => {
            // One change of the view, and so one pass over the agents, for all of them. What was given up while it was committed is not among
            // them: agents know it by a number of its server's own, and the merge, which knows that number, takes it in.
            let kept = wanted.iter().zip(&recorded).filter(|(one, _)| !one.is_given_up());
            app.fleet.take_holds(kept.filter_map(|(_, hold)| hold.clone()));
            app.recorder.committed.fetch_add(1, Ordering::SeqCst);
            waiting.into_iter().zip(recorded).for_each(|(done, recorded)| answer(done, recorded));
        }
        // One of them was recorded before: each by itself, then.
        Err(Error::Duplicate(_)) => one_by_one(&app, &parts, wanted.iter().zip(waiting)).await,
        Err(error) => tracing::error!(%error, holds = wanted.len(), "the database does not take holds"),
    }
}

/// Whoever pressed may have given up; the hold stands all the same.
fn answer(done: oneshot::Sender<Hold>, recorded: Option<Hold>) {
    if let Some(recorded) = recorded {
        let _ = done.send(recorded);
    }
}

async fn one_by_one(app: &App, parts: &Parts, all: impl Iterator<Item = (&Wanted, oneshot::Sender<Hold>)>) {
    for (wanted, done) in all {
        if wanted.is_given_up() {
            continue;
        }
        match parts.record(wanted, None).await {
            Ok(recorded) => {
                if !wanted.is_given_up() {
                    app.fleet.take_hold(recorded.clone());
                }
                app.recorder.committed.fetch_add(1, Ordering::SeqCst);
                answer(done, Some(recorded));
            }
            Err(error) => tracing::error!(%error, "the database does not take a hold"),
        }
    }
}

/// What recording needs.
pub(crate) struct Parts {
    db: Db,
    clock: Clock,
    node: String,
    gate: Gate,
}

impl App {
    pub(super) fn recording_parts(&self) -> Parts {
        Parts { db: self.db.clone(), clock: self.clock.clone(), node: self.node.clone(), gate: self.log.gate().clone() }
    }
}

impl Parts {
    /// Records one. `gap`: of a merge, what is entered before the first of the holds that come late.
    ///
    /// # Errors
    /// When the database does not take it.
    pub(super) async fn record(&self, wanted: &Wanted, gap: Option<&Event>) -> storage::Result<Hold> {
        let hold = &wanted.hold;
        let duplicate = match self.try_record(&[wanted], (gap, hold.epoch)).await {
            Err(Error::Duplicate(error)) => error,
            other => return other?.pop().flatten().ok_or(Error::Conflict),
        };
        let mut tx = self.db.write(Lane::Stop).await?;
        let Some(mut earlier) = storage::holds::hold_by_id(&mut tx, &hold.id).await? else {
            let earlier = storage::holds::hold_by_press(&mut tx, &hold.placed_by, &hold.idempotency_key).await?;
            return earlier.ok_or(Error::Duplicate(duplicate));
        };
        if hold.late && !earlier.late {
            // Its commit came after all, when it had been answered without: agents were told of it by a number of their server's own.
            storage::epoch::epoch_raise(&mut tx, hold.epoch).await?;
            earlier.late = true;
            storage::holds::hold_set_late(&mut tx, &hold.id).await?;
            if let Some(gap) = gap {
                self.enter_gap(&mut tx, gap).await?;
            }
            tx.commit().await?;
        }
        Ok(earlier)
    }

    /// Records several in one transaction with one epoch, which is above `told`, the highest that agents were told without a database. None:
    /// given up by whoever waited for it.
    async fn try_record(&self, wanted: &[&Wanted], (gap, told): (Option<&Event>, Epoch)) -> storage::Result<Vec<Option<Hold>>> {
        let mut tx = self.db.write(Lane::Stop).await?;
        if told.0 > 0 {
            storage::epoch::epoch_raise(&mut tx, told).await?;
        }
        let epoch = storage::epoch::epoch_take(&mut tx).await?;
        let mut recorded = self.as_recorded(&mut tx, wanted, epoch).await?;
        let mut fresh: Vec<(&Author, &mut Hold)> = Vec::with_capacity(wanted.len());
        for (one, hold) in wanted.iter().zip(&mut recorded) {
            fresh.extend(hold.as_mut().filter(|hold| hold.id == one.hold.id).map(|hold| (&one.author, hold)));
        }
        if fresh.is_empty() {
            return Ok(recorded);
        }
        if let Some(gap) = gap {
            self.enter_gap(&mut tx, gap).await?;
        }
        // Database and log are judged apart: whatever refuses the entries, the rows are committed.
        tx.savepoint().await?;
        match self.enter(&mut tx, &mut fresh).await {
            Ok(()) | Err(Error::Frozen) => {}
            Err(error) => {
                tracing::error!(%error, "holds are recorded without their entries, which follow later");
                tx.back_to_savepoint().await?;
            }
        }
        let rows: Vec<&Hold> = fresh.iter().map(|(_, hold)| &**hold).collect();
        storage::holds::hold_insert_all(&mut tx, &rows).await?;
        tx.notify().await?;
        failpoint!("place:before_commit");
        tx.commit().await?;
        failpoint!("place:committed");
        Ok(recorded)
    }

    /// How holds are to stand in the database: as they are, at an epoch; or the same ones that stand already.
    async fn as_recorded(&self, tx: &mut WriteTx, wanted: &[&Wanted], epoch: Epoch) -> storage::Result<Vec<Option<Hold>>> {
        // Of several servers each asks here whether the same hold stands already; what comes late was told to agents and is recorded as it is.
        let asks = |one: &&Wanted| !self.db.is_embedded() && !one.hold.late && !one.is_given_up();
        let asked: Vec<&Hold> = wanted.iter().copied().filter(asks).map(|one| &one.hold).collect();
        let standing = if asked.is_empty() { Vec::new() } else { storage::holds::hold_same_open(tx, &asked).await? };
        let as_recorded = |one: &&Wanted| {
            let hold = &one.hold;
            let is_same = |other: &&Hold| {
                (other.placed_by.kind, &other.placed_by.id, &other.scope, other.level)
                    == (hold.placed_by.kind, &hold.placed_by.id, &hold.scope, hold.level)
            };
            let same = standing.iter().rev().filter(|_| asks(one)).find(is_same);
            match same.filter(|same| holds_as_long(same, hold.not_before)) {
                _ if one.is_given_up() => None,
                Some(same) => Some(same.clone()),
                None => Some(Hold { epoch, ..hold.clone() }),
            }
        };
        Ok(wanted.iter().map(as_recorded).collect())
    }

    /// Appends the entries of holds and notes in each where its entry stands.
    async fn enter(&self, tx: &mut WriteTx, holds: &mut [(&Author, &mut Hold)]) -> storage::Result<()> {
        self.gate.check()?;
        let entries = holds.iter().map(|(author, hold)| self.canonical((*author).clone(), Event::hold_placed(hold)));
        let entries = entries.collect::<storage::Result<Vec<_>>>()?;
        for ((_, hold), seq) in holds.iter_mut().zip(storage::audit::audit_append_all(tx, &entries).await?) {
            hold.entry = Some(seq);
        }
        Ok(())
    }

    /// Says in the log that there is a gap before this; when the log refuses, it is said when it is open again.
    async fn enter_gap(&self, tx: &mut WriteTx, gap: &Event) -> storage::Result<()> {
        tx.savepoint().await?;
        match self.append(tx, gap.clone()).await {
            Ok(_) => return Ok(()),
            Err(Error::Frozen) => {}
            Err(_) => tx.back_to_savepoint().await?,
        }
        let late = storage::checkpoints::Late::new(Author::server(), self.clock.now(), &self.node, gap.clone());
        storage::checkpoints::late_add(tx, &late).await
    }

    async fn append(&self, tx: &mut WriteTx, event: Event) -> storage::Result<i64> {
        self.gate.check()?;
        storage::audit::audit_append(tx, &self.canonical(Author::server(), event)?).await
    }

    fn canonical(&self, actor: Author, event: Event) -> storage::Result<Canonical> {
        let record = Record { actor, ts: self.clock.now(), happened_at: None, node: self.node.clone(), event };
        Canonical::new(&record).map_err(|error| Error::Unreadable(error.to_string()))
    }
}
