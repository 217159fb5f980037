//! What Freqtrade says of itself, as far as it is read, and what can be concluded from it. Pure. `state` is its wish; what its worker does shows
//! in its log and in `last_process` alone.

use serde::Deserialize;
use serde_json::{Map, Value};

/// `show_config`.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Config(pub Map<String, Value>);

impl Config {
    /// A field as text; empty when it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }
    /// The state it wishes for.
    pub fn mode(&self) -> Mode {
        Mode::of(self.text("state"))
    }
    /// Its strategy may add to trades that are open. Not said: it may.
    pub fn adds_to_trades(&self) -> bool {
        self.0.get("position_adjustment_enable").and_then(Value::as_bool).unwrap_or(true)
    }
}

/// A state, as wished for or as worked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It enters and exits.
    Running,
    /// It exits.
    Paused,
    /// It does nothing.
    Stopped,
    /// It reloads its configuration, and then takes its initial state.
    Reloading,
    /// It says nothing that is known.
    Unknown,
}

impl Mode {
    fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "running" => Self::Running,
            "paused" => Self::Paused,
            "stopped" => Self::Stopped,
            "reload_config" => Self::Reloading,
            _ => Self::Unknown,
        }
    }
    /// Freqtrade's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Reloading => "reload_config",
            Self::Unknown => "unknown",
        }
    }
}

/// `health`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// When its loop last came round without an error; none since it started.
    #[serde(default)]
    pub last_process: Option<String>,
    #[serde(default)]
    bot_start: Option<String>,
    /// When it last went from standing to working.
    #[serde(default)]
    pub bot_startup: Option<String>,
}

impl Health {
    /// Changes whenever the bot began to work anew: a restart, a reload, a start after a stop. Not when it comes back stopped.
    pub fn instance(&self) -> String {
        let of = |moment: &Option<String>| moment.clone().unwrap_or_default();
        format!("{} {}", of(&self.bot_start), of(&self.bot_startup))
    }
}

/// `logs`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Logs {
    // Formatted time, time in milliseconds, logger, level, words.
    logs: Vec<(Value, f64, String, Value, String)>,
}

/// What the log says of the worker: the thread whose loop enters, exits and obeys.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Worker {
    /// Its newest word, by Freqtrade's clock in milliseconds; zero when there is none. It speaks between two rounds of its loop.
    pub spoke_ms: f64,
    /// The state that it last said to work in.
    pub mode: Option<Mode>,
    /// The state in which it last came out of a start or of a reload: its initial state.
    pub initial: Option<Mode>,
}

impl Logs {
    /// Concludes.
    pub fn worker(&self) -> Worker {
        let mut worker = Worker::default();
        for (_, at_ms, logger, _, words) in &self.logs {
            if logger != "freqtrade.worker" {
                continue;
            }
            worker.spoke_ms = worker.spoke_ms.max(*at_ms);
            if let Some(changed) = words.strip_prefix("Changing state") {
                let mode = changed.rsplit_once("to: ").map_or(Mode::Unknown, |(_, word)| Mode::of(word.trim()));
                worker.mode = Some(mode);
                if changed.starts_with(" to: ") || changed.starts_with(" from RELOAD_CONFIG ") {
                    worker.initial = Some(mode);
                }
            } else if let Some((_, rest)) = words.split_once("Bot heartbeat.").and_then(|(_, rest)| rest.split_once("state='")) {
                worker.mode = rest.split_once('\'').map(|(word, _)| Mode::of(word)).or(worker.mode);
            }
        }
        worker
    }
}

/// One order of a trade.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Order {
    /// `buy`, `sell` or `stoploss`.
    pub ft_order_side: String,
    /// It rests.
    pub is_open: bool,
    /// As the exchange calls it.
    #[serde(default)]
    pub order_id: String,
    /// How much of it was carried out.
    #[serde(default)]
    pub filled: Option<f64>,
    /// What that was worth.
    #[serde(default)]
    pub cost: Option<f64>,
    /// Its average price, or its own where the exchange tells none.
    #[serde(default)]
    pub safe_price: Option<f64>,
    /// When it was filled, milliseconds.
    #[serde(default)]
    pub order_filled_timestamp: Option<i64>,
    /// What the exchange kept of what was bought; none: the fee is not told by order.
    #[serde(default)]
    pub ft_fee_base: Option<f64>,
}

/// One open trade. Without its orders it is not understood at all: orders that are not told are not none.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Trade {
    /// Its number.
    pub trade_id: i64,
    /// What is traded.
    pub pair: String,
    /// It sells first.
    #[serde(default)]
    pub is_short: bool,
    /// What is held; zero while the first entry has not filled.
    pub amount: Option<f64>,
    /// Average price of entry.
    pub open_rate: Option<f64>,
    /// The price now; absent when the exchange does not tell.
    pub current_rate: Option<f64>,
    /// What an exit now would bring.
    pub profit_abs: Option<f64>,
    /// Its orders, filled ones too.
    pub orders: Vec<Order>,
}

impl Trade {
    fn resting(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter().filter(|order| order.is_open)
    }
    /// How many of its orders rest.
    pub fn open_orders(&self) -> u64 {
        self.resting().count() as u64
    }
    /// How many of them would open or add.
    pub fn entry_orders(&self) -> u64 {
        let side = if self.is_short { "sell" } else { "buy" };
        self.resting().filter(|order| order.ft_order_side == side).count() as u64
    }
    /// How many of them a cancel reaches: all but stop-losses.
    pub fn cancellable(&self) -> u64 {
        self.resting().filter(|order| order.ft_order_side != "stoploss").count() as u64
    }
}

/// `trades`: those that are over.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Past {
    /// The newest first.
    #[serde(default)]
    pub trades: Vec<Trade>,
}

/// `blacklist`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Blacklist {
    /// Patterns, as its configuration and whoever else has added them.
    pub blacklist: Vec<String>,
}

/// `locks`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Locks {
    /// Those that are in force.
    pub locks: Vec<Lock>,
}

/// One lock.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Lock {
    /// Its number.
    pub id: i64,
    /// What is locked.
    pub pair: String,
    /// `long`, `short`, or `*` for both.
    #[serde(default)]
    pub side: String,
    /// By whom and why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// `balance`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Wealth {
    /// Everything, in the stake currency.
    pub total: Option<f64>,
    /// The stake currency.
    pub stake: String,
    /// By currency.
    pub currencies: Vec<Balance>,
}

/// One currency.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Balance {
    /// Its name.
    pub currency: String,
    /// What no order binds.
    pub free: Option<f64>,
}

/// `daily`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Daily {
    /// The newest day first.
    pub data: Vec<Day>,
}

/// One day.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Day {
    /// Realised profit and loss.
    pub abs_profit: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(name: &str) -> String {
        std::fs::read_to_string(format!("{}/tests/freqtrade/recorded/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn what_a_real_bot_says_is_understood() {
        let config: Config = serde_json::from_str(&recorded("show_config")).unwrap();
        assert_eq!((config.mode(), config.text("strategy"), config.text("version")), (Mode::Running, "RigStrategy", "2026.9"));
        let health: Health = serde_json::from_str(&recorded("health")).unwrap();
        assert!(health.last_process.is_some() && health.bot_startup.is_some());
        let trades: Vec<Trade> = serde_json::from_str(&recorded("status")).unwrap();
        let orders: Vec<(u64, u64)> = trades.iter().map(|trade| (trade.entry_orders(), trade.open_orders())).collect();
        assert_eq!(orders, [(0, 0), (0, 0), (1, 1)]);
        let logs: Logs = serde_json::from_str(&recorded("logs")).unwrap();
        assert_eq!(logs.worker().mode, Some(Mode::Running));
    }

    fn said(words: &[&str]) -> Worker {
        let line =
            |(n, words): (usize, &&str)| (Value::Null, n as f64 + 1.0, "freqtrade.worker".to_owned(), Value::Null, (*words).to_owned());
        let mut logs: Vec<_> = words.iter().enumerate().map(line).collect();
        logs.push((Value::Null, 99.0, "freqtrade.wallets".into(), Value::Null, "Changing state from PAUSED to: RUNNING".into()));
        Logs { logs }.worker()
    }

    #[test]
    fn the_workers_own_words_say_what_it_does() {
        let beat = "Bot heartbeat. PID=7, version='2026.9, strategy_version: 2', state='STOPPED'";
        for (words, mode, initial) in [
            (vec![], None, None),
            (vec!["Changing state to: RUNNING"], Some(Mode::Running), Some(Mode::Running)),
            (vec!["Changing state to: RUNNING", "Changing state from RUNNING to: PAUSED"], Some(Mode::Paused), Some(Mode::Running)),
            (vec!["Changing state from RELOAD_CONFIG to: STOPPED"], Some(Mode::Stopped), Some(Mode::Stopped)),
            (vec!["Changing state from RUNNING to: PAUSED", beat], Some(Mode::Stopped), None),
        ] {
            let worker = said(&words);
            assert_eq!((worker.mode, worker.initial), (mode, initial), "{words:?}");
            assert!((worker.spoke_ms - words.len() as f64).abs() < 0.1);
        }
    }

    #[test]
    fn a_short_trade_enters_by_selling() {
        let order = |side: &str| Order { ft_order_side: side.into(), is_open: true, ..Order::default() };
        let trade = Trade { is_short: true, orders: vec![order("sell"), order("buy"), order("stoploss")], ..Trade::default() };
        assert_eq!((trade.entry_orders(), trade.open_orders(), trade.cancellable()), (1, 3, 2));
    }
}
