//! What goes to the server: acknowledgements, events and the standing. Acknowledgements say only what was read back.

use super::{adapters::Resting, fill_box::FillBox, outbox::Outbox, standing::Standing};
use crate::crypto::token;
use crate::domain::{Clock, Epoch, State, Step};
use crate::protocol::{AckFrame, EventFrame, FillFrame, KeyAckFrame};
use std::sync::Arc;
use tokio::sync::watch;

/// The outgoing side of one agent.
pub struct Desk {
    clock: Clock,
    outbox: Arc<Outbox>,
    fills: Arc<FillBox>,
    // Too many fills wait, and somebody knows.
    is_full: bool,
    standing: watch::Sender<Arc<Standing>>,
    urgent: watch::Sender<u64>,
    // What is true of the directive last heard, to be said again after a silence.
    said: Vec<AckFrame>,
}

/// The link's ends of it.
pub struct DeskEnds {
    /// What to say.
    pub standing: watch::Receiver<Arc<Standing>>,
    /// Grows when it should be said at once.
    pub urgent: watch::Receiver<u64>,
    /// What waits to be delivered.
    pub outbox: Arc<Outbox>,
    /// Fills that wait to be delivered.
    pub fills: Arc<FillBox>,
}

impl Desk {
    /// A desk with a first standing.
    pub fn new(clock: Clock, standing: Standing) -> (Self, DeskEnds) {
        let (outbox, fills) = (Arc::new(Outbox::default()), Arc::new(FillBox::default()));
        let (standing, say) = watch::channel(Arc::new(standing));
        let (urgent, hurry) = watch::channel(0);
        let desk = Self { clock, outbox: outbox.clone(), fills: fills.clone(), is_full: false, standing, urgent, said: Vec::new() };
        (desk, DeskEnds { standing: say, urgent: hurry, outbox, fills })
    }

    /// A new directive was heard: what was true of the last one is past.
    pub fn received(&mut self, epoch: Epoch, state: State) {
        self.said.clear();
        self.ack(epoch, Step::Received, state, Resting::default());
    }
    /// The bot was told and says so, and what rests.
    pub fn applied(&mut self, epoch: Epoch, state: State, resting: Resting) {
        self.ack(epoch, Step::Applied, state, resting);
    }
    /// The bot reports nothing that was to be cancelled, in a report asked for after it was told.
    pub fn idle(&mut self, epoch: Epoch, state: State, resting: Resting) {
        self.ack(epoch, Step::Idle, state, resting);
    }

    fn ack(&mut self, epoch: Epoch, step: Step, state: State, resting: Resting) {
        // Before any directive was heard there is nothing to acknowledge.
        if epoch < Epoch(1) || self.said.iter().any(|ack| (ack.epoch, ack.step, ack.state) == (epoch, step, Some(state))) {
            return;
        }
        let ack =
            AckFrame { epoch, step, at: Some(self.clock.now()), state: Some(state), entry_orders: resting.entry, open_orders: resting.all };
        self.outbox.put_ack(ack.clone());
        self.said.push(ack);
    }

    /// Says again what is true of the directive last heard: the server may have forgotten it with a crash.
    pub fn repeat(&self) {
        self.said.iter().for_each(|ack| self.outbox.put_ack(ack.clone()));
    }

    /// What became of a key.
    pub fn key_ack(&self, ack: KeyAckFrame) {
        match &ack.why {
            Some(why) if !ack.ok => tracing::warn!(key = %ack.key_id, version = ack.version, "a key is not taken: {why}"),
            _ => tracing::info!(key = %ack.key_id, version = ack.version, "a key is held"),
        }
        self.outbox.put_key_ack(ack);
    }

    /// Something happened. `severity` is `info`, `warning` or `critical`.
    pub fn event(&self, kind: &str, severity: &str, message: String) {
        match severity {
            "critical" => tracing::error!(kind, "{message}"),
            "warning" => tracing::warn!(kind, "{message}"),
            _ => tracing::info!(kind, "{message}"),
        }
        self.outbox.put_event(EventFrame {
            id: token::random::<16>().ok(),
            kind: kind.to_owned(),
            severity: severity.to_owned(),
            at: Some(self.clock.now()),
            message,
        });
    }

    /// Fills of the bot, which may have been told before.
    pub fn fills(&mut self, fills: Vec<FillFrame>) {
        let put = self.fills.put(fills, self.clock.now());
        if let Some(why) = put.wrong {
            self.event("fill_not_understood", "warning", format!("a fill of the bot is not sent: {why}"));
        }
        if put.is_full && !std::mem::replace(&mut self.is_full, put.is_full) {
            self.event(
                "fills_wait",
                "warning",
                "too many fills wait for the server; those that the bot does not tell again are lost".into(),
            );
        }
        self.is_full = put.is_full;
    }

    /// Publishes the standing; the link sends it at once when it is news.
    pub fn publish(&self, standing: Standing) {
        let before = self.standing.send_replace(Arc::new(standing));
        if self.standing.borrow().is_news_after(&before) {
            self.urgent.send_modify(|count| *count += 1);
        }
    }

    /// True when the server has everything.
    pub fn is_empty(&self) -> bool {
        self.outbox.is_empty() && self.fills.is_empty()
    }
}
