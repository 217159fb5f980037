//! The loop's part in the bot's keys: what the server sends goes to their keeper, and a kill has them dropped once the bot's orders are gone.

use super::Runner;
use crate::agent::{
    adapters::Resting,
    hands::Order,
    keys::{self, Word},
};
use crate::domain::{Orders, State};
use crate::protocol::KeyOrder;

impl Runner {
    /// A key came, or one to forget.
    pub(super) fn take_key(&mut self, order: KeyOrder) {
        match &order {
            // To forget one is no less than what a kill does.
            KeyOrder::Key(key) if self.kill.is_in_force() => {
                let why = "a kill is in force, which drops every key; send it again after that".to_owned();
                self.desk.key_ack(keys::answer(&key.key_id, key.version, Some(why)));
            }
            _ => self.keys.take(order),
        }
    }

    pub(super) fn take_key_word(&mut self, word: Word) {
        match word {
            Word::Held { versions, is_dropping } => {
                self.key_versions = Some(versions);
                if is_dropping {
                    tracing::warn!("an earlier agent died before it had dropped the keys");
                    self.kill.begin(self.boot_clock.now_ms());
                }
            }
            Word::Ack(ack) => self.desk.key_ack(ack),
            Word::Dropped => {
                self.kill.dropped();
                self.desk.event("keys_dropped", "info", "the bot's exchange keys are dropped".into());
            }
            Word::Event(kind, severity, why) => self.desk.event(kind, severity, why),
        }
    }

    /// A directive says whether the keys are to go.
    pub(super) fn hear_of_keys(&mut self, drop_keys: bool, now: i64) {
        if self.kill.hear(drop_keys, now) {
            self.keys.note_dropping();
        }
    }

    /// The bot was told to cancel everything, and that was read back.
    pub(super) fn note_cleared(&mut self, order: Order, resting: Resting) {
        let wanted = order.wanted;
        if order == self.bot.order() && (wanted.state, wanted.orders) == (State::Halted, Orders::CancelAll) && resting.all == Some(0) {
            self.kill.cleared();
        }
    }

    pub(super) fn drop_keys_when_due(&mut self, now: i64) {
        if self.kill.is_due(now) {
            self.keys.drop_all();
        }
    }
}
