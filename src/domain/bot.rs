//! A bot: its stage, what it may do while halted, its timings, and the facts from which its directive is computed.

use super::{ApprovedRun, BotId, Epoch, Limits, SubaccountId, TeamId, Timestamp, UserId, VenueId, text::text_enum};
use std::sync::Arc;

text_enum! {
    /// How far a bot has been let. Up needs a person (above `sandbox`: an approval), down is immediate and a stop.
    Stage {
        /// Being written down; may do nothing.
        Draft = "draft",
        /// Trades on test venues.
        Sandbox = "sandbox",
        /// Trades live with tight limits.
        Limited = "limited",
        /// Trades live.
        Live = "live",
        /// Ended; may do nothing.
        Retired = "retired",
    }
}

text_enum! {
    /// What a bot may do while it is halted by a pause, a lapse or a stop (ruling C1).
    Exits {
        /// Its own closing and protective orders go on.
        Managed = "managed",
        /// Not one new order; resting protective orders stay.
        None = "none",
    }
}

text_enum! {
    /// Why a bot was stopped, when it was not a hold. The words are the protocol's reasons.
    StopKind {
        /// The agent started anew.
        Boot = "boot",
        /// The lease ran out.
        Lapse = "lapse",
        /// Stage, team, subaccount or strategy changed, or the bot is new.
        Stage = "stage",
        /// A tightening of the limits was not acknowledged in time.
        LimitsNotAcknowledged = "limits_not_acknowledged",
        /// Build or configuration differ from what was approved.
        ConfigDiffers = "config_differs",
        /// A key the bot needs is missing.
        KeyMissing = "key_missing",
        /// The agent or its bot ended, was replaced, was revoked or says that it stands.
        Stopped = "stopped",
        /// A start was not acknowledged in time and is void.
        StartVoid = "not_started",
    }
}

/// A stop that is no hold: a latched row. What stopped a bot never un-stops it by going away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopFact {
    /// The epoch it took.
    pub epoch: Epoch,
    /// What it was.
    pub kind: StopKind,
    /// In words.
    pub why: String,
    /// When, by the server's clock.
    pub at: Timestamp,
}

/// The times that bound how long a bot can go on after a stop. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Timings {
    /// How often the agent checks in.
    pub check_in_ms: i64,
    /// Without a renewal for this long the agent adds nothing.
    pub stale_after_ms: i64,
    /// Without a renewal for this long the agent halts the bot.
    pub lapse_after_ms: i64,
    /// How long the bot may take from hearing a stop to having applied it; declared by the adapter.
    pub apply_within_ms: i64,
}

impl Default for Timings {
    fn default() -> Self {
        Self { check_in_ms: 2_000, stale_after_ms: 10_000, lapse_after_ms: 30_000, apply_within_ms: 5_000 }
    }
}

impl Timings {
    /// The longest a bot can go on after a press, agent and its machine alive.
    pub fn worst_case_stop_ms(&self) -> i64 {
        self.lapse_after_ms + self.apply_within_ms
    }
    /// How fresh a word of the agent of this age is; none: never heard.
    pub fn freshness(&self, age_ms: Option<i64>) -> Freshness {
        match age_ms {
            None => Freshness::Unknown,
            Some(age) if age > self.lapse_after_ms => Freshness::Lapsed,
            Some(age) if age > self.stale_after_ms => Freshness::Stale,
            Some(age) if age > 2 * self.check_in_ms => Freshness::Late,
            Some(_) => Freshness::Fresh,
        }
    }
}

/// How long ago an agent was heard, in the words of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Within two check-ins.
    Fresh,
    /// Later than two check-ins.
    Late,
    /// Later than `stale_after`.
    Stale,
    /// Later than `lapse_after`: presumed halted, unconfirmed.
    Lapsed,
    /// Never heard.
    Unknown,
}

/// Where a bot trades: its subaccount, and the venue that is at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seat {
    /// The subaccount; no other bot has it.
    pub subaccount: SubaccountId,
    /// The venue of that subaccount.
    pub venue: VenueId,
}

/// Everything about one bot that its directive depends on, holds aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotFacts {
    /// The bot.
    pub id: BotId,
    /// Its name, unique in the installation.
    pub name: String,
    /// The team it belongs to.
    pub team: TeamId,
    /// The strategy it runs.
    pub strategy: String,
    /// Where it trades; none: not said yet.
    pub seat: Option<Seat>,
    /// The accountable person.
    pub owner: UserId,
    /// How far it has been let.
    pub stage: Stage,
    /// What it may do while halted.
    pub exits: Exits,
    /// Its timings.
    pub timings: Timings,
    /// Its limits.
    pub limits: Limits,
    /// A tightening of its limits is not acknowledged yet.
    pub limits_waiting: bool,
    /// When this version of its limits was set.
    pub limits_at: Timestamp,
    /// What was approved when it went up its stage; none below `limited`, and after a change of stage.
    pub run: Option<Arc<ApprovedRun>>,
    /// The epoch of its latest start; 0 when it never was started.
    pub start_epoch: Epoch,
    /// Its latest stop that was no hold.
    pub stop: Option<StopFact>,
    /// The epoch of the latest fact of its own (start, stop, edit).
    pub fact_epoch: Epoch,
}
