//! Writing down what agents say: the last check-in, acknowledgements, events. Observations are no acts and carry no entry; they go to the
//! database in batches, so that ten thousand check-ins never stand in the way of a stop.

use super::{App, AppError, agent_book::LiveAgent, said};
use crate::domain::{BotId, Epoch, Step, Timestamp};
use crate::fleet::{AckSeen, AgentSeen};
use crate::protocol::EventFrame;
use crate::storage::{self, Lane, acks::Ack, events::BotEvent, seen::Seen};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// At most this many rows in one transaction.
const BATCH: usize = 400;
/// How many observations wait for a database that does not take them.
const LATE: usize = 8_192;
/// What was said last is written at most this often per agent, unless its state changed.
const SEEN_EVERY_MS: i64 = 5_000;

/// How long a reading of what was said before waits for a database that does not answer.
const RECALL_AGAIN: Duration = Duration::from_secs(1);

/// One observation.
pub enum Observation {
    /// What an agent said last.
    Seen(Arc<AgentSeen>),
    /// How far a bot has come; told once it is on disk.
    Ack(BotId, AckSeen, Option<oneshot::Sender<()>>),
    /// Something that happened; told once it is on disk.
    Event(BotEvent, Option<oneshot::Sender<()>>),
    /// A bot trades under a start.
    Trades(BotId, Epoch),
}

/// An observation on its way to the disk.
#[must_use = "say so when nobody waits for the disk"]
pub struct OnDisk(oneshot::Receiver<()>);

impl OnDisk {
    /// True once it is there; false when the database did not take it.
    pub async fn wait(self) -> bool {
        self.0.await.is_ok()
    }
}

/// An event's own id within its bot, so that no agent can use up another one's.
fn event_id(agent: &LiveAgent, frame: &EventFrame, at: Timestamp) -> String {
    let own = frame.id.clone().unwrap_or_else(|| format!("{} {} {}", frame.at.unwrap_or(at), frame.kind, frame.message));
    let digest = Sha256::new().chain_update(agent.bot.as_str()).chain_update([0]).chain_update(own).finalize();
    data_encoding::HEXLOWER.encode(digest.get(..16).unwrap_or_default())
}

impl App {
    /// Queues an observation. When the queue is full the oldest truth is the database's: the next check-in brings it again. The writer says
    /// how many that were: ten thousand agents must not fill the log as well.
    pub(crate) fn observe(&self, observation: Observation) {
        if self.observations.try_send(observation).is_err() {
            self.unobserved.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes an acknowledgement into memory at once and into the database soon.
    pub(crate) fn take_ack(&self, bot: &BotId, ack: AckSeen) -> OnDisk {
        self.book.ack(bot, ack.clone());
        let (done, told) = oneshot::channel();
        self.observe(Observation::Ack(bot.clone(), ack, Some(done)));
        OnDisk(told)
    }

    /// Takes an event of an agent's bot. The same id again, or the same words when it has none, is the same event.
    pub fn take_event(&self, agent: &LiveAgent, frame: &EventFrame) -> OnDisk {
        let at = self.clock.now();
        let severity = match frame.severity.as_str() {
            word @ ("warning" | "critical") => word,
            _ => "info",
        };
        let event = BotEvent {
            id: event_id(agent, frame, at),
            bot_id: agent.bot.clone(),
            at,
            kind: said::cut(&frame.kind, 64),
            severity: severity.to_owned(),
            message: said::cut(&frame.message, 500),
        };
        let (done, told) = oneshot::channel();
        self.observe(Observation::Event(event, Some(done)));
        OnDisk(told)
    }
}

/// What an agent said last, as it was kept.
pub(super) fn of_stored(seen: Seen) -> AgentSeen {
    let report = seen.report.as_deref().and_then(|text| serde_json::from_str(text).ok()).map(Arc::new);
    AgentSeen {
        agent: seen.agent_id,
        bot: seen.bot_id,
        at: seen.at,
        channel: if seen.channel == "stream" { "stream" } else { "poll" },
        poll_every_ms: None,
        boot: seen.boot.and_then(|boot| boot.try_into().ok()),
        epoch: seen.epoch,
        state: seen.state,
        limits_version: seen.limits_version,
        start_after: seen.start_after,
        build: seen.build,
        config: seen.config,
        adapter: None,
        report: report.zip(seen.report_at),
        seq: 0,
        clock_off_ms: None,
        ahead: false,
    }
}

/// Writes observations until the application goes.
pub(crate) async fn run(app: Weak<App>, mut incoming: mpsc::Receiver<Observation>) {
    let mut written = HashMap::<BotId, Arc<AgentSeen>>::new();
    let mut batch = Vec::with_capacity(BATCH);
    let mut late: Vec<Observation> = Vec::new();
    while incoming.recv_many(&mut batch, BATCH).await > 0 {
        let Some(app) = app.upgrade() else { return };
        let missed = app.unobserved.swap(0, Ordering::Relaxed);
        if missed > 0 {
            tracing::warn!(missed, "observations found too many others waiting for the database and were not kept");
        }
        let mut rows: Vec<Observation> = Vec::with_capacity(batch.len());
        let mut seen = HashMap::<BotId, Arc<AgentSeen>>::new();
        for observation in batch.drain(..) {
            match observation {
                Observation::Seen(said) if is_due(written.get(&said.bot), &said) => {
                    seen.insert(said.bot.clone(), said);
                }
                Observation::Seen(_) => {}
                other => rows.push(other),
            }
        }
        if rows.is_empty() && seen.is_empty() {
            continue;
        }
        if persist(&app, &rows, &seen).await {
            let stopped = idle(&rows);
            rows.into_iter().for_each(tell_kept);
            app.measure_drills(&stopped).await;
            // What the database refused before goes after what it takes now, in bounded pieces as well.
            while !late.is_empty() && persist(&app, late.get(..BATCH.min(late.len())).unwrap_or_default(), &HashMap::new()).await {
                let kept: Vec<Observation> = late.drain(..BATCH.min(late.len())).collect();
                app.measure_drills(&idle(&kept)).await;
            }
        } else {
            // Dropping the senders tells whoever waits that it is not on disk. Memory has it; the proof of a stop and the taking up of a
            // start are tried again, since a start hangs on the one and a void start on the other.
            late.extend(rows.into_iter().filter_map(without_sender));
            late.drain(..late.len().saturating_sub(LATE));
        }
        written.extend(seen);
    }
}

/// Reads once what agents said before this process began. Nobody waits for it: whoever is alive says it again within seconds.
pub(crate) async fn recall(app: Weak<App>) {
    while let Some(app) = app.upgrade() {
        match app.load_seen().await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "what agents said last could not be read; trying again"),
        }
        tokio::time::sleep(RECALL_AGAIN).await;
    }
}

/// Writes a batch; three tries.
async fn persist(app: &App, rows: &[Observation], seen: &HashMap<BotId, Arc<AgentSeen>>) -> bool {
    for tries in 1..=3 {
        match write(app, rows, seen).await {
            Ok(()) => return true,
            Err(error) => tracing::warn!(%error, tries, "observations could not be written"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    false
}

fn tell_kept(row: Observation) {
    if let Observation::Ack(_, _, Some(done)) | Observation::Event(_, Some(done)) = row {
        let _ = done.send(());
    }
}

fn without_sender(row: Observation) -> Option<Observation> {
    match row {
        Observation::Ack(bot, ack, _) => Some(Observation::Ack(bot, ack, None)),
        Observation::Trades(..) => Some(row),
        Observation::Event(..) | Observation::Seen(_) => None,
    }
}

fn is_due(last: Option<&Arc<AgentSeen>>, now: &AgentSeen) -> bool {
    last.is_none_or(|last| {
        now.at.ms_since(last.at) >= SEEN_EVERY_MS || last.state != now.state || last.epoch != now.epoch || last.boot != now.boot
    })
}

async fn write(app: &App, rows: &[Observation], seen: &HashMap<BotId, Arc<AgentSeen>>) -> storage::Result<()> {
    let mut tx = app.db.write(Lane::Normal).await?;
    for said in seen.values() {
        storage::seen::seen_save(&mut tx, &stored(said)).await?;
    }
    for row in rows {
        match row {
            Observation::Ack(bot, ack, _) if ack.step != Step::Requested && ack.step != Step::Verified => {
                let ack = Ack {
                    bot_id: bot.clone(),
                    epoch: ack.epoch,
                    step: ack.step,
                    at: ack.at,
                    state: ack.state,
                    entry_orders: ack.entry_orders,
                    open_orders: ack.open_orders,
                };
                storage::acks::ack_save(&mut tx, &ack).await?;
            }
            Observation::Event(event, _) => storage::events::event_save(&mut tx, event).await?,
            Observation::Trades(bot, epoch) => storage::starts::start_applied(&mut tx, bot, *epoch, app.clock.now()).await?,
            Observation::Ack(..) | Observation::Seen(_) => {}
        }
    }
    failpoint!("said:before_commit");
    tx.commit().await?;
    failpoint!("said:committed");
    Ok(())
}

/// The bots of a batch that have just said `idle`: perhaps a drill measured them.
fn idle(rows: &[Observation]) -> Vec<BotId> {
    let bot = |row: &Observation| match row {
        Observation::Ack(bot, ack, _) if ack.step == Step::Idle => Some(bot.clone()),
        _ => None,
    };
    rows.iter().filter_map(bot).collect()
}

fn stored(said: &AgentSeen) -> Seen {
    let report = said.report.as_ref().and_then(|(report, _)| serde_json::to_string(report.as_ref()).ok());
    Seen {
        agent_id: said.agent.clone(),
        bot_id: said.bot.clone(),
        at: said.at,
        channel: said.channel.to_owned(),
        boot: said.boot.as_ref().map(|boot| boot.as_str().to_owned()),
        epoch: said.epoch,
        state: said.state,
        limits_version: said.limits_version,
        start_after: said.start_after,
        build: said.build.clone(),
        config: said.config.clone(),
        report,
        report_at: said.report.as_ref().map(|(_, at)| *at),
    }
}

impl App {
    /// Takes in what was heard before this process began, or by other replicas, where it is newer than what was heard here.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn load_seen(&self) -> Result<(), AppError> {
        let all = storage::seen::seen_all(&mut *self.db.read().await?).await?;
        all.into_iter().for_each(|seen| self.book.note_stored(of_stored(seen)));
        Ok(())
    }

    /// Bots whose latest start was made before a moment and never taken up.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn starts_not_taken_up(&self, before: Timestamp) -> Result<Vec<BotId>, AppError> {
        let starts = storage::starts::start_unapplied(&mut *self.db.read().await?, before).await?;
        let view = self.fleet.view();
        let stands = |bot: &BotId, epoch: Epoch| {
            view.bot(bot)
                .is_some_and(|facts| facts.start_epoch == epoch && epoch > crate::domain::directive::latest_stop(facts, &view.cover(facts)))
        };
        Ok(starts.into_iter().filter(|s| stands(&s.bot_id, s.epoch)).map(|s| s.bot_id).collect())
    }
}
