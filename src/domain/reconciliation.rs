//! Reconciliation: what a bot's agent reports beside what its venue shows. A difference that two readings in a row confirm stops the bot, and
//! no start passes until somebody has closed it with a reason (ruling M2).

use super::{BotId, Epoch, HoldId, Level, ReconciliationId, Timestamp, UserId, text::text_enum};
use serde::{Deserialize, Serialize};

text_enum! {
    /// What a confirmed difference does to its bot. Whatever it is, people are told and no start passes.
    Reaction {
        /// No hold.
        Off = "off",
        /// A hold of level `reduce`.
        Reduce = "reduce",
        /// A hold of level `pause`.
        Pause = "pause",
    }
}

impl Reaction {
    /// The hold that it places.
    pub fn level(self) -> Option<Level> {
        match self {
            Self::Off => None,
            Self::Reduce => Some(Level::Reduce),
            Self::Pause => Some(Level::Pause),
        }
    }
}

text_enum! {
    /// What the guard may cancel below a kill where the venue does not tell entry orders from protective ones (ruling C6).
    GuardCancels {
        /// Entry orders alone: where they cannot be told, nothing.
        Entries = "entries",
        /// Everything there, protective orders too.
        All = "all",
    }
}

/// How a bot is watched at its venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// What a confirmed difference does.
    pub reaction: Reaction,
    /// What the guard may cancel.
    pub guard_cancels: GuardCancels,
}

impl Default for Watch {
    fn default() -> Self {
        Self { reaction: Reaction::Pause, guard_cancels: GuardCancels::Entries }
    }
}

text_enum! {
    /// What one comparison came to.
    Outcome {
        /// Both sides say the same.
        Agrees = "agrees",
        /// They do not.
        Differs = "differs",
        /// One side could not be read, or not at the same time as the other.
        Unknown = "unknown",
    }
}

/// One thing in which the sides differ, in words that name both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Difference {
    /// What it is about, the same in every reading: `open orders`, `position BTCUSDT`.
    pub subject: String,
    /// `the venue has an open order 123 BUY 0.5 BTCUSDT`
    pub venue: String,
    /// `the agent reports none`
    pub agent: String,
}

impl Difference {
    /// Both sides in one sentence.
    pub fn words(&self) -> String {
        format!("{}; {}", self.venue, self.agent)
    }
}

/// The sentences of several, one after another.
pub fn words(differences: &[Difference]) -> String {
    differences.iter().map(Difference::words).collect::<Vec<_>>().join(". ")
}

/// How the last comparison of a bot went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRead {
    /// The bot.
    pub bot: BotId,
    /// When the venue was read.
    pub at: Timestamp,
    /// What it came to.
    pub outcome: Outcome,
    /// What differs, or why nothing is known; empty when they agree.
    pub words: String,
    /// The key that read.
    pub key: String,
    /// When they agreed last.
    pub agreed_at: Option<Timestamp>,
    /// Since when nothing was learned; none: the last reading was good.
    pub unknown_since: Option<Timestamp>,
    /// How many readings in a row brought nothing.
    pub unknowns: i64,
}

/// The end of a reconciliation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconciliationEnd {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: UserId,
    /// Their name as shown.
    pub name: String,
    /// Why.
    pub why: String,
}

/// A confirmed difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// Its id.
    pub id: ReconciliationId,
    /// The bot.
    pub bot: BotId,
    /// When it was seen first.
    pub first_seen_at: Timestamp,
    /// When a second reading said the same.
    pub confirmed_at: Timestamp,
    /// What differed.
    pub differences: Vec<Difference>,
    /// The key that read.
    pub key: String,
    /// What was done.
    pub reaction: Reaction,
    /// The hold that it placed, which no database may have yet; none: its reaction places none.
    pub hold: Option<HoldId>,
    /// The end; none: it stands, and no start passes.
    pub closed: Option<ReconciliationEnd>,
}

/// A stop that was read back at the venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The bot.
    pub bot: BotId,
    /// The stop's epoch: it and every one before it.
    pub epoch: Epoch,
    /// When the venue was read.
    pub at: Timestamp,
    /// Orders that rested then, none of which could open or add.
    pub open_orders: i64,
    /// The key that read.
    pub key: String,
}

impl Verified {
    /// True when it proves a stop of this level at this epoch: no order that could open or add; under a kill none at all.
    pub fn proves(&self, level: Level, epoch: Epoch) -> bool {
        self.epoch >= epoch && (level != Level::Kill || self.open_orders == 0)
    }
}
