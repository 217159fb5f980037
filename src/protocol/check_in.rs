//! What an agent says: hello, check-in, acknowledgement, event, hold. Absent is unknown, never zero.

use crate::domain::{BootId, Epoch, HoldId, Level, State, Step, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The first frame of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// The agent's boot.
    pub boot: BootId,
    /// The agent about itself.
    pub agent: HelloAgent,
    /// What the bot runs.
    #[serde(default)]
    pub bot: HelloBot,
    /// The highest epoch it has seen.
    pub epoch: Epoch,
    /// What the bot does now.
    pub state: State,
    /// The limits version it enforces.
    #[serde(default)]
    pub limits_version: Option<i64>,
    /// Only a start above this counts.
    #[serde(default)]
    pub start_after: Option<Epoch>,
    /// Holds it carries.
    #[serde(default)]
    pub holds: Vec<CarriedHold>,
    /// Exchange keys and versions.
    #[serde(default)]
    pub key_versions: BTreeMap<String, i64>,
    /// How long its adapter needs to apply a stop.
    #[serde(default)]
    pub apply_within_ms: Option<i64>,
    /// What tells the bot; absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterSaid>,
}

/// What tells an agent's bot what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterSaid {
    /// `process`, `freqtrade`, `command`.
    pub name: String,
    /// The bot ends when its agent and minder do. Where it does not, nobody on its host can stop it once both are gone.
    pub dies_with_agent: bool,
}

/// The agent about itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct HelloAgent {
    /// Its version.
    #[serde(default)]
    pub version: String,
}

/// What the bot runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct HelloBot {
    /// Digest of its build.
    #[serde(default)]
    pub build: Option<String>,
    /// Digest of its configuration.
    #[serde(default)]
    pub config: Option<String>,
    /// Its strategy.
    #[serde(default)]
    pub strategy: Option<String>,
    /// Where it trades by its own configuration: `VENUE/SUBACCOUNT`, as the register calls them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subaccount: Option<String>,
}

/// A hold that the agent was told of before any database had it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CarriedHold {
    /// Its id.
    pub id: HoldId,
    /// Its level.
    pub level: Level,
    /// Who placed it, when known.
    #[serde(default)]
    pub by: String,
    /// The reason.
    #[serde(default)]
    pub why: String,
    /// When it was pressed.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// A check-in. Without `boot` it proves contact only.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CheckIn {
    /// The agent's boot.
    #[serde(default)]
    pub boot: Option<BootId>,
    /// Counts per boot.
    #[serde(default)]
    pub seq: u64,
    /// The agent's clock.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// The highest epoch it has seen.
    #[serde(default)]
    pub epoch: Option<Epoch>,
    /// What the bot does now.
    #[serde(default)]
    pub state: Option<State>,
    /// The limits version it enforces.
    #[serde(default)]
    pub limits_version: Option<i64>,
    /// Only a start above this counts.
    #[serde(default)]
    pub start_after: Option<Epoch>,
    /// Holds it carries.
    #[serde(default)]
    pub holds: Vec<CarriedHold>,
    /// The lease ran out since the last answer.
    #[serde(default)]
    pub lapsed: bool,
    /// It heard an epoch below its own.
    #[serde(default)]
    pub server_behind: bool,
    /// Digest of the build.
    #[serde(default)]
    pub build: Option<String>,
    /// Digest of the configuration.
    #[serde(default)]
    pub config: Option<String>,
    /// Exchange keys and versions.
    #[serde(default)]
    pub key_versions: BTreeMap<String, i64>,
    /// Where the bot trades by its own configuration; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subaccount: Option<String>,
    /// What tells the bot; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterSaid>,
    /// Where the bot is several processes: what each runs, at most 64. Absent: as before; it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Vec<InstanceSaid>>,
    /// Facts of the bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
}

/// One process of a bot, and what it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSaid {
    /// What it is called there.
    pub name: String,
    /// Digest of the build.
    pub build: String,
    /// Digest of the configuration.
    pub config: String,
}

/// Facts of the bot. Decimal strings are checked where they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Worth of everything.
    pub equity: Option<String>,
    /// Of which cash.
    pub cash: Option<String>,
    /// Currency of all money here.
    pub currency: Option<String>,
    /// Margin in use.
    pub margin_used: Option<String>,
    /// Leverage.
    pub leverage: Option<String>,
    /// Unrealised profit and loss.
    pub unrealized_pnl: Option<String>,
    /// Realised profit and loss of the day.
    pub realized_pnl_day: Option<String>,
    /// Open orders.
    pub open_orders: Option<u64>,
    /// Of which would open or add.
    pub entry_orders: Option<u64>,
    /// Positions, at most the 200 largest.
    pub positions: Option<Vec<Position>>,
    /// What is not among them, summed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positions_rest: Option<PositionsRest>,
    /// Worth of the largest order sent since the report before, in the report's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_order_notional: Option<String>,
    /// Age of the market data.
    pub market_data_age_ms: Option<i64>,
    /// Latency to the venue.
    pub venue_latency_ms: Option<i64>,
    /// Slippage.
    pub slippage_bps: Option<String>,
    /// Clock against the venue's.
    pub clock_offset_ms: Option<i64>,
    /// Counters since the bot started.
    pub totals: Option<Totals>,
}

/// One position.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Position {
    /// Symbol.
    pub symbol: String,
    /// `long` or `short`.
    pub side: Option<String>,
    /// Quantity.
    pub quantity: Option<String>,
    /// Worth.
    pub notional: Option<String>,
    /// Worth of the resting orders that would add to it; a symbol without a position may be listed for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_notional: Option<String>,
    /// Average price of entry.
    pub entry_price: Option<String>,
    /// Unrealised profit and loss.
    pub unrealized_pnl: Option<String>,
}

/// Positions beyond the largest, summed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PositionsRest {
    /// How many.
    pub count: u64,
    /// Their worth together, without signs; absent: not known.
    pub notional: Option<String>,
}

/// Counters since the bot started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Orders sent.
    pub orders: Option<u64>,
    /// Cancels sent.
    pub cancels: Option<u64>,
    /// Fills.
    pub fills: Option<u64>,
    /// Rejects.
    pub rejects: Option<u64>,
    /// Errors.
    pub errors: Option<u64>,
    /// Errors in a row.
    pub consecutive_errors: Option<u64>,
}

/// How far a directive has come: `received`, `applied`, `idle`. Proves its epoch and every stop before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckFrame {
    /// The directive's epoch.
    pub epoch: Epoch,
    /// The step.
    pub step: Step,
    /// The agent's clock.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// What the bot does now: an `active` proves no stop.
    #[serde(default)]
    pub state: Option<State>,
    /// Entry orders as read back.
    #[serde(default)]
    pub entry_orders: Option<u64>,
    /// Open orders as read back.
    #[serde(default)]
    pub open_orders: Option<u64>,
}

/// Something that happened at the bot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventFrame {
    /// The same event sent again has the same id.
    #[serde(default)]
    pub id: Option<String>,
    /// What it is.
    pub kind: String,
    /// `info`, `warning` or `critical`.
    #[serde(default)]
    pub severity: String,
    /// The agent's clock.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// In words.
    #[serde(default)]
    pub message: String,
}

/// A hold that an agent places for its own bot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HoldFrame {
    /// A UUIDv7; the same hold sent again has the same id.
    pub id: HoldId,
    /// `reduce` or `pause`.
    pub level: Level,
    /// Why.
    #[serde(default)]
    pub why: String,
}
