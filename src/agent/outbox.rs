//! Acknowledgements and events that the server has not provably taken. They survive reconnects, not restarts: after a restart the bot is halted
//! and acknowledged anew. Bounded: the oldest go first, since an acknowledgement proves every stop before its own.

use crate::protocol::{AckFrame, EventFrame, KeyAckFrame};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};
use tokio::sync::watch;

const MOST_ACKS: usize = 128;
const MOST_EVENTS: usize = 64;
const MOST_KEY_ACKS: usize = 64;

/// What waits to be delivered.
#[derive(Debug)]
pub struct Outbox {
    kept: Mutex<Kept>,
    // The number of the last entry; whoever sends waits for it to grow.
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    acks: VecDeque<(u64, AckFrame)>,
    events: VecDeque<(u64, EventFrame)>,
    key_acks: VecDeque<(u64, KeyAckFrame)>,
    last: u64,
}

/// A part of the outbox, up to and including entry `last`.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    /// Acknowledgements, oldest first.
    pub acks: Vec<AckFrame>,
    /// Events, oldest first.
    pub events: Vec<EventFrame>,
    /// Acknowledgements of keys, oldest first.
    pub key_acks: Vec<KeyAckFrame>,
    /// The number of the last entry.
    pub last: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { kept: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl Outbox {
    fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut kept);
        let last = kept.last;
        drop(kept);
        self.last.send_if_modified(|known| std::mem::replace(known, last) != last);
        result
    }

    /// Keeps an acknowledgement until it is delivered. The same step of the same epoch and state stands once.
    pub fn put_ack(&self, ack: AckFrame) {
        self.change(|kept| {
            kept.acks.retain(|(_, old)| (old.epoch, old.step, old.state) != (ack.epoch, ack.step, ack.state));
            if kept.acks.len() >= MOST_ACKS {
                kept.acks.pop_front();
            }
            kept.last += 1;
            kept.acks.push_back((kept.last, ack));
        });
    }

    /// Keeps an event until it is delivered.
    pub fn put_event(&self, event: EventFrame) {
        self.change(|kept| {
            if kept.events.len() >= MOST_EVENTS {
                kept.events.pop_front();
            }
            kept.last += 1;
            kept.events.push_back((kept.last, event));
        });
    }

    /// Keeps an acknowledgement of a key until it is delivered. What was said of the same version before is past.
    pub fn put_key_ack(&self, ack: KeyAckFrame) {
        self.change(|kept| {
            kept.key_acks.retain(|(_, old)| (&old.key_id, old.version) != (&ack.key_id, ack.version));
            if kept.key_acks.len() >= MOST_KEY_ACKS {
                kept.key_acks.pop_front();
            }
            kept.last += 1;
            kept.key_acks.push_back((kept.last, ack));
        });
    }

    /// Everything after entry number `after` that is not delivered.
    pub fn after(&self, after: u64) -> Batch {
        self.change(|kept| Batch {
            acks: kept.acks.iter().filter(|(n, _)| *n > after).map(|(_, ack)| ack.clone()).collect(),
            events: kept.events.iter().filter(|(n, _)| *n > after).map(|(_, event)| event.clone()).collect(),
            key_acks: kept.key_acks.iter().filter(|(n, _)| *n > after).map(|(_, ack)| ack.clone()).collect(),
            last: kept.last,
        })
    }

    /// The server has everything up to entry number `last`, or will never take it.
    pub fn delivered(&self, last: u64) {
        self.change(|kept| {
            kept.acks.retain(|(n, _)| *n > last);
            kept.events.retain(|(n, _)| *n > last);
            kept.key_acks.retain(|(n, _)| *n > last);
        });
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.change(|kept| kept.acks.is_empty() && kept.events.is_empty() && kept.key_acks.is_empty())
    }

    /// Grows with every entry.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Epoch, State, Step};

    fn ack(epoch: i64, step: Step) -> AckFrame {
        AckFrame { epoch: Epoch(epoch), step, at: None, state: Some(State::Halted), entry_orders: None, open_orders: None }
    }

    #[test]
    fn what_is_not_delivered_is_offered_again() {
        let outbox = Outbox::default();
        outbox.put_ack(ack(1, Step::Received));
        let first = outbox.after(0);
        outbox.put_ack(ack(1, Step::Applied));
        outbox.delivered(first.last);
        let rest = outbox.after(0);
        assert_eq!(rest.acks.len(), 1);
        assert_eq!(rest.acks[0].step, Step::Applied);
        assert!(outbox.after(rest.last).acks.is_empty());
    }

    #[test]
    fn the_latest_stay_when_there_are_too_many() {
        let outbox = Outbox::default();
        (0..1_000).for_each(|epoch| outbox.put_ack(ack(epoch, Step::Applied)));
        let kept = outbox.after(0).acks;
        assert_eq!(kept.len(), MOST_ACKS);
        assert_eq!(kept.last().unwrap().epoch, Epoch(999));
    }
}
