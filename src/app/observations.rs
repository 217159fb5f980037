//! Writing down what agents say: the last check-in, acknowledgements, events. Observations are no acts and carry no entry; they go to the
//! database in batches, so that ten thousand check-ins never stand in the way of a stop. Check-ins are taken from the book, where a later one has
//! taken the place of an earlier; the rest is queued.

pub(super) mod writer;

use super::{App, AppError, agent_book::LiveAgent, said};
use crate::domain::{BotId, Epoch, Timestamp};
use crate::fleet::{AckSeen, AgentSeen};
use crate::protocol::EventFrame;
use crate::storage::{self, events::BotEvent, seen::Seen};
use sha2::{Digest, Sha256};
use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};
use tokio::sync::oneshot;

/// How long a reading of what was said before waits for a database that does not answer.
const RECALL_AGAIN: Duration = Duration::from_secs(1);

/// One observation.
pub enum Observation {
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
    /// Queues an observation. When the queue is full memory has it and the database does not. The writer says how many that were: ten thousand
    /// agents must not fill the log as well.
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
pub(super) fn of_stored(seen: Seen, heard_ms: Option<i64>) -> AgentSeen {
    let report = seen.report.as_deref().and_then(|text| serde_json::from_str(text).ok()).map(Arc::new);
    AgentSeen {
        agent: seen.agent_id,
        bot: seen.bot_id,
        at: seen.at,
        heard_ms,
        channel: if seen.channel == "stream" { "stream" } else { "poll" },
        poll_every_ms: None,
        boot: seen.boot.and_then(|boot| boot.try_into().ok()),
        epoch: seen.epoch,
        state: seen.state,
        limits_version: seen.limits_version,
        start_after: seen.start_after,
        build: seen.build,
        config: seen.config,
        subaccount: None,
        adapter: None,
        instances: Arc::new(seen.instances.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()),
        report: report.zip(seen.report_at),
        seq: 0,
        clock_off_ms: None,
        ahead: false,
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

impl App {
    /// Takes in what was heard before this process began, or by other replicas since this was last called. A row that changed was written a
    /// moment ago, whatever the clock of its writer says: its agent counts as heard now.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn load_seen(&self) -> Result<(), AppError> {
        let all = storage::seen::seen_all(&mut *self.db.read().await?).await?;
        let now_ms = self.boot_clock.now_ms();
        // Of the first reading nobody knows how old it is.
        let heard_ms = self.is_recalled.load(Ordering::SeqCst).then_some(now_ms);
        all.into_iter().for_each(|seen| self.book.note_stored(&seen.bot_id.clone(), seen.at, || of_stored(seen, heard_ms)));
        self.is_recalled.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Takes in what was counted of bots after a moment, before this process began or by other replicas, where it is newer than what was
    /// counted here.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn load_counts(&self, after: Timestamp) -> Result<(), AppError> {
        let all = storage::gauges::gauge_since(&mut *self.db.read().await?, after).await?;
        for row in all {
            match serde_json::from_str(&row.counted) {
                Ok(counted) => self.gauges.note_stored(&row.bot_id, counted),
                Err(error) => tracing::error!(bot = %row.bot_id, %error, "what was counted of a bot cannot be read; it is counted anew"),
            }
        }
        Ok(())
    }

    /// For how long a bot's agent has said nothing, milliseconds, by the boot clock; by the wall clock while it has not been heard since this
    /// process began; none: it never was.
    pub fn silent_ms(&self, bot: &BotId) -> Option<i64> {
        match self.book.contact(bot) {
            Some(contact) => Some(self.boot_clock.now_ms() - contact.heard_ms),
            None => self.book.seen(bot).map(|seen| self.clock.now().ms_since(seen.at)),
        }
    }

    /// For how long nobody here has heard a bot's agent although somebody listened, milliseconds: before this process began nobody did.
    pub fn unheard_ms(&self, bot: &BotId) -> i64 {
        let heard_ms = self.book.contact(bot).map_or(self.started_ms, |contact| contact.heard_ms);
        self.boot_clock.now_ms() - heard_ms.max(self.started_ms)
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
