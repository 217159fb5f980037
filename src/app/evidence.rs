//! Evidence at the press: what was known of every covered bot at that moment, frozen. Taken from memory after the push and awaited by nobody; written
//! in pieces by a task of its own. What a process could not write before it ended is taken afterwards from the database, and says so.

use super::{App, AppError, observations};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotFacts, BotId, Hold, HoldId, Stage, Timestamp, act};
use crate::fleet::{AgentSeen, View};
pub use crate::storage::evidence::{Evidence, Piece};
use crate::storage::{self, Lane, events::BotEvent};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, mpsc};

/// Presses whose snapshot waits to be taken.
pub(crate) const WAITING: usize = 4_096;
/// Bots of snapshots that wait for the database, in all. What comes beyond is taken late, from the database.
const MOST_BOTS: usize = 100_000;
/// Rows of one transaction: a stop waits for at most one of these.
const CHUNK: usize = 25;
/// Events of a bot in its piece.
const EVENTS: i64 = 20;
/// After a database that did not take something.
const AGAIN: Duration = Duration::from_secs(2);
/// A press that is older than this and has no evidence gets none any more.
const TOO_OLD_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Whoever took a press has so long to write its evidence before somebody else does.
const OTHERS_MS: i64 = 120_000;

/// What was known of one bot.
struct Known {
    bot: Arc<BotFacts>,
    seen: Option<Arc<AgentSeen>>,
}

/// What was known of every covered bot.
struct Snapshot {
    hold: HoldId,
    taken_at: Timestamp,
    late: bool,
    // What was decided for each bot is worked out when it is written: at the press, every moment belongs to the press.
    view: Arc<View>,
    bots: Vec<Known>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Snapshot>>,
    bots: usize,
    // Being written now.
    writing: Option<HoldId>,
}

/// Snapshots that are not written yet.
#[derive(Default)]
pub struct EvidenceQueue {
    queue: Mutex<Queue>,
    wake: Arc<Notify>,
    // Presses whose evidence is neither written nor given up.
    pending: AtomicUsize,
}

impl EvidenceQueue {
    fn with<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        change(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
    fn push(&self, snapshot: Snapshot) -> bool {
        let fits = self.with(|queue| {
            let fits = queue.waiting.is_empty() || queue.bots + snapshot.bots.len() <= MOST_BOTS;
            if fits {
                queue.bots += snapshot.bots.len();
                queue.waiting.push_back(Arc::new(snapshot));
            }
            fits
        });
        self.wake.notify_one();
        fits
    }
    /// How many presses have no evidence on disk yet.
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::SeqCst)
    }
    fn next(&self) -> Option<Arc<Snapshot>> {
        self.with(|queue| {
            let next = queue.waiting.front().cloned();
            queue.writing = next.as_ref().map(|next| next.hold.clone());
            next
        })
    }
    fn done(&self) {
        self.with(|queue| {
            queue.writing = None;
            if let Some(done) = queue.waiting.pop_front() {
                queue.bots -= done.bots.len();
            }
        });
        self.pending.fetch_sub(1, Ordering::SeqCst);
    }
    fn knows(&self, hold: &HoldId) -> bool {
        self.with(|queue| queue.writing.as_ref() == Some(hold) || queue.waiting.iter().any(|waiting| waiting.hold == *hold))
    }
    pub(super) fn waker(&self) -> Arc<Notify> {
        self.wake.clone()
    }
}

impl App {
    /// Has what is known now frozen for a hold that was just pushed. Returns at once.
    pub(crate) fn freeze_evidence(&self, hold: &Hold) {
        self.evidence.pending.fetch_add(1, Ordering::SeqCst);
        if self.to_freeze.try_send(hold.clone()).is_err() {
            self.evidence.pending.fetch_sub(1, Ordering::SeqCst);
            tracing::warn!(hold = %hold.id, "too many presses wait for their evidence; this one's is taken later");
        }
    }

    fn snapshot(&self, hold: &Hold, stored: Option<&HashMap<BotId, Arc<AgentSeen>>>) -> Snapshot {
        let view = self.fleet.view();
        let known = |bot: &Arc<BotFacts>| Known {
            seen: match stored {
                Some(stored) => stored.get(&bot.id).cloned(),
                None => self.book.seen(&bot.id),
            },
            bot: bot.clone(),
        };
        let bots = view.bots().filter(|bot| bot.stage != Stage::Retired && view.covers(hold, bot)).map(known).collect();
        Snapshot { hold: hold.id.clone(), taken_at: self.clock.now(), late: stored.is_some(), view, bots }
    }

    /// Writes the snapshots that wait, oldest first.
    ///
    /// # Errors
    /// When the database is gone: what was not written is written later.
    pub async fn write_evidence(&self) -> Result<(), AppError> {
        while let Some(snapshot) = self.evidence.next() {
            self.write_snapshot(&snapshot).await?;
            self.evidence.done();
        }
        Ok(())
    }

    async fn write_snapshot(&self, snapshot: &Snapshot) -> Result<(), AppError> {
        for some in snapshot.bots.chunks(CHUNK) {
            if let Some(passed) = self.lines.passing() {
                passed.await;
            }
            let mut pieces = Vec::with_capacity(some.len());
            let mut conn = self.db.read().await?;
            for known in some {
                let events = storage::events::event_before(&mut conn, &known.bot.id, snapshot.taken_at, EVENTS).await?;
                pieces.push(piece(snapshot, known, &events)?);
            }
            drop(conn);
            let mut tx = self.db.write(Lane::Normal).await?;
            for piece in &pieces {
                storage::evidence::evidence_save(&mut tx, &snapshot.hold, piece).await?;
            }
            tx.commit().await?;
            failpoint!("evidence:piece");
        }
        self.finish_evidence(snapshot).await
    }

    async fn finish_evidence(&self, snapshot: &Snapshot) -> Result<(), AppError> {
        let digests = storage::evidence::evidence_digests(&mut *self.db.read().await?, &snapshot.hold).await?;
        let whole = Evidence {
            hold_id: snapshot.hold.clone(),
            taken_at: snapshot.taken_at,
            late: snapshot.late,
            bots: digests.len() as i64,
            sha256: sha256(&act::canonical(&manifest(&snapshot.hold, snapshot.taken_at, snapshot.late, &digests))?),
        };
        let mut open = self.begin(self.server_permit()?, Lane::Normal).await?;
        if storage::evidence::evidence_finish(open.tx(), &whole).await? {
            let (hold, count) = (snapshot.hold.clone(), digests.len() as u64);
            open.commit_stop(Event::EvidenceTaken { hold, count, late: whole.late, sha256: whole.sha256 }).await?;
        }
        Ok(())
    }

    /// Takes the evidence that whoever took the press did not write, from what the database has. Of several replicas the one that holds the
    /// lease calls this.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn take_missing_evidence(&self) -> Result<usize, AppError> {
        let now = self.clock.now();
        // On the embedded database nobody else writes: what an earlier process left is left for good.
        let to = if self.db.is_embedded() { self.started_at.max(now.plus_ms(-OTHERS_MS)) } else { now.plus_ms(-OTHERS_MS) };
        let mut conn = self.db.read().await?;
        let missing = storage::evidence::evidence_missing(&mut conn, now.plus_ms(-TOO_OLD_MS), to).await?;
        let missing: Vec<HoldId> = missing.into_iter().filter(|hold| !self.evidence.knows(hold)).collect();
        if missing.is_empty() {
            return Ok(0);
        }
        let seen = storage::seen::seen_all(&mut conn).await?;
        let stored = seen.into_iter().map(|seen| (seen.bot_id.clone(), Arc::new(observations::of_stored(seen, None)))).collect();
        let mut taken = 0;
        for id in missing {
            if let Some(hold) = storage::holds::hold_by_id(&mut conn, &id).await? {
                self.evidence.pending.fetch_add(1, Ordering::SeqCst);
                let fits = self.evidence.push(self.snapshot(&hold, Some(&stored)));
                self.evidence.pending.fetch_sub(usize::from(!fits), Ordering::SeqCst);
                taken += usize::from(fits);
            }
        }
        Ok(taken)
    }

    /// The evidence of a hold: the whole, and pieces of bots that this actor may see, those after one of them when it is named. With them the id
    /// after which the next begin; none: these were the last.
    ///
    /// # Errors
    /// `Denied`; `NotFound`, also while it is not whole; when the database is gone.
    pub async fn evidence(&self, actor: &Actor, id: &HoldId, after: &str, most: i64) -> Result<Bundle, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let hold = self.hold(actor, id).await?;
        let mut conn = self.db.read().await?;
        let whole = storage::evidence::evidence_of(&mut conn, id).await?.ok_or(AppError::NotFound("evidence yet"))?;
        let mut pieces = storage::evidence::evidence_pieces(&mut conn, id, after, most).await?;
        let next = pieces.last().filter(|_| pieces.len() as i64 >= most).map(|last| last.bot_id.clone());
        let view = self.fleet.view();
        pieces.retain(|piece| view.bot(&piece.bot_id).is_some_and(|bot| authz::sees_team(actor, &bot.team)));
        let sees_all = !matches!(actor, Actor::Token { team: Some(_), .. });
        let manifest = match sees_all && after.is_empty() {
            true => Some(manifest(id, whole.taken_at, whole.late, &storage::evidence::evidence_digests(&mut conn, id).await?)),
            false => None,
        };
        Ok(Bundle { hold, whole, manifest, pieces, next })
    }

    /// The evidence about one bot at the press of a hold.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone.
    pub async fn evidence_of_bot(&self, actor: &Actor, hold: &HoldId, bot: &BotId) -> Result<Piece, AppError> {
        self.bot(actor, bot)?;
        let piece = storage::evidence::evidence_piece(&mut *self.db.read().await?, hold, bot).await?;
        piece.ok_or(AppError::NotFound("evidence yet"))
    }
}

/// The evidence of a hold.
pub struct Bundle {
    /// The hold.
    pub hold: Hold,
    /// When it was taken, of how many bots, its digest.
    pub whole: Evidence,
    /// What the digest is over: SHA-256 of its RFC 8785 form. None where not everything may be shown, and beyond the first page.
    pub manifest: Option<Value>,
    /// Pieces in order of bot.
    pub pieces: Vec<Piece>,
    /// Where the next page begins.
    pub next: Option<BotId>,
}

/// What the digest of the whole is over.
fn manifest(hold: &HoldId, taken_at: Timestamp, late: bool, digests: &[(BotId, String)]) -> Value {
    let bots: Vec<Value> = digests.iter().map(|(bot, sha256)| json!({"bot": bot, "sha256": sha256})).collect();
    json!({"v": 1, "hold": hold, "taken_at": taken_at, "late": late, "bots": bots})
}

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&act::digest(bytes))
}

fn piece(snapshot: &Snapshot, known: &Known, events: &[BotEvent]) -> Result<Piece, AppError> {
    let value = piece_json(snapshot, known, events, true);
    // A number that the one canonical form cannot hold costs the report, not the evidence.
    let bytes = act::canonical(&value).or_else(|_| act::canonical(&piece_json(snapshot, known, events, false)))?;
    let sha256 = sha256(&bytes);
    let text = String::from_utf8(bytes).map_err(AppError::internal)?;
    Ok(Piece { bot_id: known.bot.id.clone(), text, sha256 })
}

fn piece_json(snapshot: &Snapshot, known: &Known, events: &[BotEvent], with_report: bool) -> Value {
    let Known { bot, seen } = known;
    let directive = snapshot.view.directive(bot);
    let report = seen.as_ref().and_then(|seen| seen.report.as_ref()).filter(|_| with_report);
    let said = seen.as_ref().map(|seen| {
        json!({
            "at": seen.at, "channel": seen.channel, "agent": seen.agent, "boot": seen.boot, "epoch": seen.epoch, "state": seen.state,
            "limits_version": seen.limits_version, "start_after": seen.start_after, "build": seen.build, "config": seen.config,
            "clock_off_ms": seen.clock_off_ms, "ahead": seen.ahead,
        })
    });
    let events: Vec<Value> = events
        .iter()
        .map(|event| json!({"id": event.id, "at": event.at, "kind": event.kind, "severity": event.severity, "message": event.message}))
        .collect();
    json!({
        "v": 1,
        "hold": snapshot.hold,
        "taken_at": snapshot.taken_at,
        "late": snapshot.late,
        "bot": {"id": bot.id, "name": bot.name, "team": bot.team, "strategy": bot.strategy, "stage": bot.stage, "start_epoch": bot.start_epoch},
        "directive": {"epoch": directive.epoch, "state": directive.state, "holds": directive.holds},
        "lease": {
            "lapse_after_ms": bot.timings.lapse_after_ms,
            "ends_by": seen.as_ref().map(|seen| seen.at.plus_ms(bot.timings.lapse_after_ms)),
        },
        "agent": said,
        "report": report.map(|(report, _)| serde_json::to_value(report.as_ref()).unwrap_or_default()),
        "report_at": report.map(|(_, at)| *at),
        "events": events,
    })
}

/// Takes snapshots as holds are pushed, until the application goes.
pub(crate) async fn capture(app: Weak<App>, mut pushed: mpsc::Receiver<Hold>) {
    while let Some(hold) = pushed.recv().await {
        let Some(app) = app.upgrade() else { return };
        let snapshot = app.snapshot(&hold, None);
        if !app.evidence.push(snapshot) {
            app.evidence.pending.fetch_sub(1, Ordering::SeqCst);
            tracing::warn!(hold = %hold.id, "evidence waits for the database; this hold's is taken later from what that has");
        }
    }
}

/// Writes snapshots until the application goes.
pub(crate) async fn run(app: Weak<App>, wake: Arc<Notify>) {
    loop {
        wake.notified().await;
        loop {
            let Some(app) = app.upgrade() else { return };
            let Err(error) = app.write_evidence().await else { break };
            tracing::warn!(%error, "evidence of a press waits for the database");
            drop(app);
            tokio::time::sleep(AGAIN).await;
        }
    }
}
