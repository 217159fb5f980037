//! How a bot is told and read back. One file per kind of bot. An adapter decides nothing: it does what is wanted and says what is true.

pub mod command;
mod digest;
pub mod family;
pub mod freqtrade;
pub mod launcher;
pub mod process;

pub use super::{
    brain::{Powers, STANDSTILL, Wanted},
    standing::Runs,
};

use crate::domain::{Exits, Orders, State};
use crate::protocol::{BlockedFrame, FillFrame, Report};
use async_trait::async_trait;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What an adapter could not do, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AdapterError(pub String);

impl AdapterError {
    /// From anything that explains itself.
    pub fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// What the bot was seen doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBack {
    /// What it does: read from the bot, never assumed.
    pub state: State,
    /// Changes whenever the bot started anew (its pid, its start time): a bot that restarts by itself is a stop.
    pub instance: Option<String>,
    /// What rests, as read back after `state`. Where something is left that was to be cancelled, the bot is told again.
    pub resting: Resting,
    /// What becomes of its exits as it is now; none: it does not tell.
    pub exits: Option<Exits>,
}

/// How many orders rest. None: not known, which is never none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resting {
    /// Those that would open or add.
    pub entry: Option<u64>,
    /// All of them.
    pub all: Option<u64>,
}

impl Resting {
    /// How many of them were to be cancelled. Where all are to go, those that would open or add do not stand for the rest.
    pub fn against(&self, orders: Orders) -> Option<u64> {
        match orders {
            Orders::Keep => Some(0),
            Orders::CancelEntries => self.entry,
            Orders::CancelAll => self.all,
        }
    }
}

impl From<&Report> for Resting {
    fn from(report: &Report) -> Self {
        Self { entry: report.entry_orders, all: report.open_orders }
    }
}

impl ReadBack {
    /// A state, and nothing else known.
    pub fn of(state: State) -> Self {
        Self { state, instance: None, resting: Resting::default(), exits: None }
    }
}

/// What a kind of bot can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// It can be let reduce without adding. Where it cannot, an order to reduce is a halt (ruling H20).
    pub can_reduce: bool,
    /// Entry orders can be told from others and counted. Where they cannot, nothing is ever acknowledged as `idle` (ruling C12).
    pub can_tell_orders: bool,
    /// It can cancel orders. Where it cannot, telling it again because some are left would change nothing.
    pub can_cancel: bool,
    /// It can manage its exits while it is halted. Where it cannot, halted means not one new order (ruling C1).
    pub can_manage_exits: bool,
    /// It ends when its agent and minder do. Where it does not, nobody on its host can stop it once both are gone (ruling H7).
    pub dies_with_agent: bool,
    /// It can leave out one symbol and go on elsewhere, and needs so long to prove it; none: it cannot, and is reduced whole (ruling M3).
    /// Milliseconds.
    pub leaves_out_within_ms: Option<i64>,
}

impl From<Traits> for Powers {
    fn from(traits: Traits) -> Self {
        Self { can_reduce: traits.can_reduce, can_manage_exits: traits.can_manage_exits, leaves_out_within_ms: traits.leaves_out_within_ms }
    }
}

/// What was proved of symbols that are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Entry orders that rest in them, where that is known.
    pub entry_orders: Option<u64>,
}

/// One thing that `andon agent check` found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// False: somebody should change something.
    pub is_good: bool,
    /// In words.
    pub text: String,
}

impl Finding {
    /// As it should be.
    pub fn good(text: impl Into<String>) -> Self {
        Self { is_good: true, text: text.into() }
    }
    /// Not as it should be.
    pub fn bad(text: impl Into<String>) -> Self {
        Self { is_good: false, text: text.into() }
    }
}

/// A kind of bot.
///
/// Calls of `apply` come one at a time; `report` and `look` may run beside them. Every future may be dropped before it is done (a stop does not
/// wait for a start), and `apply` must then still work.
#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// The word for it: `process`.
    fn name(&self) -> &'static str;

    /// What this kind of bot can do.
    fn traits(&self) -> Traits;

    /// How long it needs at most from a stop to its proof. Milliseconds.
    fn apply_within_ms(&self) -> i64;

    /// Makes the bot do what is wanted and reads back what it does. Told the same again, it changes nothing and reads back.
    ///
    /// # Errors
    /// When the bot could not be told, or did not say what it does. A halt is then tried again until it succeeds.
    async fn apply(&self, wanted: &Wanted) -> Result<ReadBack, AdapterError>;

    /// Has the bot add nothing in these symbols and cancel its entries there, whatever it does elsewhere, takes back what an earlier call did
    /// for symbols that are not among them, and returns when that is proved. Called again and again while there are any, to see that it is still
    /// so. Never touches what somebody else had the bot leave out. May run beside `apply`; the future may be dropped before it is done.
    ///
    /// # Errors
    /// When that could not be done or is not proved: then the whole bot is reduced.
    async fn leave_out(&self, _symbols: &[BlockedFrame]) -> Result<LeftOut, AdapterError> {
        Err(AdapterError::new("this kind of bot cannot leave out one symbol"))
    }

    /// Reads what the bot does, changing nothing.
    ///
    /// # Errors
    /// When that cannot be read.
    async fn look(&self) -> Result<ReadBack, AdapterError>;

    /// Returns when another look is due: at once when the adapter notices a change by itself, else after a second.
    async fn changed(&self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    /// The bot's facts; `None` when it tells none. Absent fields are unknown.
    ///
    /// # Errors
    /// When they should be there and cannot be read.
    async fn report(&self) -> Result<Option<Report>, AdapterError>;

    /// Fills that became known since this was called last, with the report before it; those of before may be among them, and count once. One
    /// that can tell them again after a restart does.
    async fn fills(&self) -> Vec<FillFrame> {
        Vec::new()
    }

    /// What the bot runs.
    async fn runs(&self) -> Runs {
        Runs::default()
    }

    /// The bot may go on until this moment of the boot clock, and not longer without another call.
    fn renewed(&self, _until_boot_ms: i64) {}

    /// Halts the bot as `wanted` says and returns when that is proved. Blocks, needs no runtime and is not called in one, and works in a process
    /// that never called `apply`: the minder calls it when the agent is gone.
    ///
    /// # Errors
    /// When the bot could not be halted.
    fn halt_now(&self, wanted: &Wanted) -> Result<(), AdapterError>;

    /// Looks for what a person who sets the bot up should know. Changes nothing, unless `restart` asks to find out in which state a restart
    /// brings a bot that stands back.
    async fn examine(&self, restart: bool) -> Vec<Finding>;
}

/// What a report command prints: a report, and fills where the bot tells them.
#[derive(Debug, Default, serde::Deserialize)]
pub(in crate::agent) struct Printed {
    #[serde(flatten)]
    pub(in crate::agent) report: Report,
    #[serde(default)]
    fills: Fills,
}

impl Printed {
    /// Takes the fills out.
    pub(in crate::agent) fn take_fills(&mut self) -> Vec<FillFrame> {
        std::mem::take(&mut self.fills).0
    }
}

/// Fills as a bot prints them. Those that cannot be read are left out: a stop is proved by the report, whatever stands beside it.
#[derive(Debug, Default)]
struct Fills(Vec<FillFrame>);

impl<'de> serde::Deserialize<'de> for Fills {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let serde_json::Value::Array(all) = serde_json::Value::deserialize(from)? else {
            tracing::warn!("the bot's fills are no array and are left out");
            return Ok(Self::default());
        };
        let told = all.len();
        let read: Vec<FillFrame> = all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect();
        if read.len() < told {
            tracing::warn!(left_out = told - read.len(), "fills of the bot cannot be read and are left out");
        }
        Ok(Self(read))
    }
}

/// Fills between the command that printed them and whoever asks for them.
#[derive(Debug, Default)]
pub(in crate::agent) struct Told(Mutex<Vec<FillFrame>>);

impl Told {
    /// The most that wait to be asked for; the newest stay.
    const MOST: usize = 4_096;

    /// Adds some.
    pub(in crate::agent) fn add(&self, fills: Vec<FillFrame>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(fills);
        let over = all.len().saturating_sub(Self::MOST);
        all.drain(..over);
    }
    /// Takes all of them.
    pub(in crate::agent) fn take(&self) -> Vec<FillFrame> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_no_entry_rests_says_nothing_of_all_orders() {
        let known = Resting { entry: Some(0), all: None };
        assert_eq!(known.against(Orders::CancelEntries), Some(0));
        assert_eq!(known.against(Orders::CancelAll), None, "others may rest");
        assert_eq!(Resting { entry: Some(0), all: Some(2) }.against(Orders::CancelAll), Some(2));
    }

    #[test]
    fn fills_stand_beside_the_report_and_never_in_its_way() {
        let fill = r#"{"id":"1","at":"2026-11-23T03:12:07.120Z","symbol":"BTC/USDT","side":"buy","quantity":"1","price":"2"}"#;
        let read = |text: &str| serde_json::from_str::<Printed>(text).unwrap();
        let mut printed = read(&format!(r#"{{"entry_orders":3,"fills":[{fill},{{"id":7}},null]}}"#));
        assert_eq!((printed.report.entry_orders, printed.take_fills().len(), printed.take_fills().len()), (Some(3), 1, 0));
        for strange in ["null", "7", "{}", "[[]]"] {
            let mut printed = read(&format!(r#"{{"entry_orders":3,"fills":{strange}}}"#));
            assert_eq!((printed.report.entry_orders, printed.take_fills().len()), (Some(3), 0), "{strange}");
        }
    }
}
