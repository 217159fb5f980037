//! Limits: what a bot may do at most. Versioned; agents acknowledge the version. Values are kept as the protocol names them.
//! Tightening is for one person at once, so what tightens is decided here (`setting.rs`); everything else loosens. Limits stand on levels,
//! installation, team, bot and symbol, of which the strictest wins (`tree.rs`); `compiled.rs` is their form for judging what agents report.

pub mod compiled;
pub mod hours;
pub mod setting;
pub mod tree;

pub use compiled::Compiled;
pub use hours::Hours;
pub use setting::{Direction, Setting};
pub use tree::{Node, Path};

use super::{Decimal, Level, request::Change, text::text_enum};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

text_enum! {
    /// What can be broken. The words are those of the protocol where it has one.
    Check {
        /// The largest order.
        OrderNotional = "max_order_notional",
        /// The largest position, orders that would add to it included.
        PositionNotional = "max_position_notional",
        /// Leverage.
        Leverage = "max_leverage",
        /// The loss of a day, UTC.
        DailyLoss = "max_daily_loss",
        /// How far equity is below its highest.
        Drawdown = "max_drawdown",
        /// Open orders.
        OpenOrders = "max_open_orders",
        /// Orders within a minute.
        OrdersPerMinute = "max_orders_per_minute",
        /// Orders and cancels within a minute.
        MessagesPerMinute = "max_messages_per_minute",
        /// Errors in a row.
        ConsecutiveErrors = "max_consecutive_errors",
        /// How old market data is.
        MarketDataAge = "max_market_data_age_ms",
        /// Rejected orders among those sent.
        RejectRate = "max_reject_rate",
        /// Slippage.
        Slippage = "max_slippage_bps",
        /// A symbol that is not allowed.
        Symbols = "allowed_symbols",
        /// Entry orders outside of trading hours.
        Hours = "trading_hours",
        /// Above sandbox: no report for three check-ins (ruling H19).
        NoReport = "no_report",
        /// What all bots below a level have at stake together.
        TotalExposure = "max_total_exposure",
        /// What all bots below a level lost together in a day.
        TotalDailyLoss = "max_total_daily_loss",
    }
}

impl Check {
    /// Its place among all.
    pub fn place(self) -> usize {
        self as usize
    }
    /// On a page, and in the reason of a hold.
    pub fn words(self) -> &'static str {
        match self {
            Self::Symbols => "Symbols",
            Self::Hours => "Trading hours",
            Self::NoReport => "No report",
            other => all_numbers().find(|named| named.name == other.as_str()).map_or(other.as_str(), |named| named.words),
        }
    }
    /// The level of hold that a breach places when no level of limits says another: `pause` where a bot behaves unlike itself or loses money,
    /// `reduce` where it has too much and should add nothing.
    pub fn usual_level(self) -> Level {
        match self {
            Self::DailyLoss
            | Self::Drawdown
            | Self::OrdersPerMinute
            | Self::MessagesPerMinute
            | Self::ConsecutiveErrors
            | Self::RejectRate
            | Self::TotalDailyLoss => Level::Pause,
            _ => Level::Reduce,
        }
    }
    /// True for what is counted over all bots below a level.
    pub fn is_total(self) -> bool {
        matches!(self, Self::TotalExposure | Self::TotalDailyLoss)
    }
}

/// One version of limits: those that hold for a bot, or those of one level. Version 0 with no values means that none were set.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Grows by one at every change.
    pub version: i64,
    /// Names and values as in the protocol, decimal strings for money.
    #[serde(default)]
    pub values: Map<String, Value>,
}

/// How a limit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A decimal string.
    Amount,
    /// A whole number.
    Count,
}

/// What a limit counts: a number alone says too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// An amount in the currency that the bot's agent reports.
    Money,
    /// A multiple.
    Times,
    /// A part of a whole, 0 to 1.
    Share,
    /// Hundredths of a percent.
    BasisPoints,
    /// Milliseconds.
    Milliseconds,
    /// So many.
    Pieces,
}

/// A limit that is a number: the smaller, the tighter.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its name on a page.
    pub words: &'static str,
    /// How it is written.
    pub kind: Kind,
    /// What it counts.
    pub unit: Unit,
    /// *Tighten by half* halves it: it bounds how much is at stake, not how the bot behaves.
    pub is_size: bool,
    /// What holds while no level sets it.
    pub usual: Option<u32>,
    /// The least and the most that it may be.
    pub bounds: Option<(u32, u32)>,
}

const fn amount(name: &'static str, words: &'static str, unit: Unit, is_size: bool) -> Named {
    Named { name, words, kind: Kind::Amount, unit, is_size, usual: None, bounds: None }
}
const fn count(name: &'static str, words: &'static str, unit: Unit, is_size: bool) -> Named {
    Named { name, words, kind: Kind::Count, unit, is_size, usual: None, bounds: None }
}
const fn time(name: &'static str, words: &'static str, usual: u32, bounds: (u32, u32)) -> Named {
    Named { name, words, kind: Kind::Count, unit: Unit::Milliseconds, is_size: false, usual: Some(usual), bounds: Some(bounds) }
}

/// How long without a renewal until a bot adds nothing, and until it is halted; both in the agent's lease.
pub const STALE: &str = "stale_after_ms";
/// See `STALE`.
pub const LAPSE: &str = "lapse_after_ms";

/// Every limit of a bot that is a number (ruling C13), and the two times of its lease.
pub const NUMBERS: &[Named] = &[
    amount("max_order_notional", "Largest order", Unit::Money, true),
    amount("max_position_notional", "Largest position", Unit::Money, true),
    amount("max_leverage", "Leverage", Unit::Times, true),
    amount("max_daily_loss", "Loss in a day", Unit::Money, true),
    amount("max_drawdown", "Drawdown", Unit::Money, true),
    count("max_open_orders", "Open orders", Unit::Pieces, true),
    count("max_orders_per_minute", "Orders a minute", Unit::Pieces, true),
    count("max_messages_per_minute", "Messages a minute", Unit::Pieces, false),
    count("max_consecutive_errors", "Errors in a row", Unit::Pieces, false),
    count("max_market_data_age_ms", "Age of market data", Unit::Milliseconds, false),
    amount("max_reject_rate", "Share of rejected orders", Unit::Share, false),
    amount("max_slippage_bps", "Slippage", Unit::BasisPoints, false),
    time(STALE, "Stale after", 10_000, (4_000, 60_000)),
    time(LAPSE, "Lapses after", 30_000, (6_000, 300_000)),
];

/// What a team or the installation bounds over all of its bots together.
pub const TOTALS: &[Named] = &[
    amount("max_total_exposure", "Exposure of all bots", Unit::Money, true),
    amount("max_total_daily_loss", "Loss of all bots in a day", Unit::Money, true),
];

/// Every limit that is a number.
pub fn all_numbers() -> impl Iterator<Item = &'static Named> {
    NUMBERS.iter().chain(TOTALS)
}

impl Named {
    /// What its number means, as a sentence; `currency` is the bot's, empty when its agent has not said.
    pub fn meaning(&self, currency: &str) -> String {
        let money = if currency.is_empty() { "the currency that its agent reports" } else { currency };
        match (self.unit, self.name) {
            (Unit::Money, "max_drawdown") => format!("An amount in {money} below the highest equity, no percentage."),
            (Unit::Money, _) => format!("An amount in {money}."),
            (Unit::Times, _) => "Times the equity: 2 is twofold.".to_owned(),
            (Unit::Share, _) => "A share from 0 to 1: 0.1 is 10 %. Of the orders of the last 15 minutes, once there are 10.".to_owned(),
            (Unit::BasisPoints, _) => "In hundredths of a percent: 100 is 1 %.".to_owned(),
            (Unit::Milliseconds, STALE) => "In milliseconds without contact until it adds nothing: 10000 unless set.".to_owned(),
            (Unit::Milliseconds, LAPSE) => "In milliseconds without contact until it is halted: 30000 unless set.".to_owned(),
            (Unit::Milliseconds, _) => "In milliseconds, whole: 1000 is a second.".to_owned(),
            (Unit::Pieces, _) => "A whole number.".to_owned(),
        }
    }
}

/// A change that one person may not make at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTighter {
    /// No number of the right kind.
    #[error("is no number; amounts have a point, counts are whole, shares are written 0.1 for 10 %, none is negative")]
    NoNumber,
    /// A number that is larger than can be kept.
    #[error("is at most {0}")]
    TooLarge(&'static str),
    /// It is larger than what stands, or takes it away.
    #[error("would be looser than {0}, which stands; raising a limit takes a request of two people")]
    Loosens(String),
    /// A share above one: most likely meant as a percentage.
    #[error("is a share from 0 to 1; 10 % is written 0.1")]
    NoShare,
    /// Less or more than can be.
    #[error("is from {0} to {1}")]
    OutOfBounds(u32, u32),
    /// No windows of the week.
    #[error("are written 1-5 08:00-16:00; 6 10:00-12:00, days from Monday, UTC")]
    NoHours,
    /// No list of symbols.
    #[error("are 1 to 500 symbols with commas between them, for example BTC/USDT, ETH/USDT")]
    NoSymbols,
    /// No currency.
    #[error("is 2 to 12 capital letters and digits, for example USDT")]
    NoCurrency,
    /// Something that a trigger cannot place.
    #[error("is reduce or pause")]
    NoLevel,
    /// A name that this level does not have.
    #[error("is no limit of this level")]
    Unknown,
}

/// What was asked for and cannot be: the name as it was given, and why.
pub type Wrong = Vec<(String, NotTighter)>;

impl Limits {
    /// One numeric limit as text; none: not set.
    pub fn number(&self, named: &Named) -> Option<String> {
        self.values.get(named.name).and_then(text_of)
    }

    /// A setting for people; none: not set.
    pub fn plain(&self, name: &str) -> Option<String> {
        let value = self.values.get(name)?;
        Setting::of(name).map(|setting| setting.plain(value))
    }

    /// These limits with others that are tighter; a limit that was not set may be set. Empty texts leave what stands. The version grows when
    /// anything changes.
    ///
    /// # Errors
    /// The names of those that cannot be or would loosen, each with what is wrong.
    pub fn tightened<'a>(&self, asked: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Wrong> {
        let (mut next, mut wrong) = (self.clone(), Vec::new());
        for (name, setting, value) in read(asked, &mut wrong) {
            match setting.direction(self.values.get(&name), Some(&value)) {
                Direction::Same => {}
                Direction::Tighter => drop(next.values.insert(name, value)),
                Direction::Looser => {
                    let stands = self.plain(&name).unwrap_or_else(|| setting.plain_usual());
                    wrong.push((name, NotTighter::Loosens(stands)));
                }
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        next.version += i64::from(next.values != self.values);
        Ok(next)
    }

    /// What somebody asks for who may not do it at once: the settings that differ from what stands, by name. Empty texts leave what stands,
    /// `none` takes away.
    ///
    /// # Errors
    /// The names of those that cannot be, each with what is wrong.
    pub fn asked<'a>(&self, asked: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<BTreeMap<String, Change>, Wrong> {
        let (mut all, mut wrong) = (BTreeMap::new(), Vec::new());
        for (name, setting, after) in read(asked, &mut wrong) {
            let now = self.values.get(&name).cloned();
            let is_set_anew = now.is_none() && !after.is_null();
            if is_set_anew || setting.direction(now.as_ref(), Some(&after)) != Direction::Same {
                all.insert(name, Change { now, after });
            }
        }
        if wrong.is_empty() { Ok(all) } else { Err(wrong) }
    }

    /// These limits with what was asked over them; none when one of those has changed since. True: one of them is tighter now.
    pub fn with(&self, set: &BTreeMap<String, Change>) -> Option<(Self, bool)> {
        let mut next = self.clone();
        for (name, change) in set {
            if self.values.get(name) != change.now.as_ref() {
                return None;
            }
            match change.after {
                Value::Null => drop(next.values.remove(name)),
                _ => drop(next.values.insert(name.clone(), change.after.clone())),
            }
        }
        next.version += 1;
        let is_tighter = set.iter().any(|(name, change)| change.direction(name) == Direction::Tighter);
        Some((next, is_tighter))
    }

    /// These limits with everything that bounds a size halved, those of single symbols too; none when none is set. Counts are halved downwards
    /// and stay at least 1.
    #[must_use]
    pub fn halved(&self) -> Option<Self> {
        let mut values = self.values.clone();
        halve(&mut values);
        if let Some(Value::Object(symbols)) = values.get_mut("symbols") {
            symbols.values_mut().filter_map(Value::as_object_mut).for_each(halve);
        }
        (values != self.values).then(|| Self { version: self.version + 1, values })
    }
}

/// What was typed, read; empty texts and names that are nobody's aside.
fn read<'a>(asked: impl IntoIterator<Item = (&'a str, &'a str)>, wrong: &mut Wrong) -> Vec<(String, Setting, Value)> {
    let mut all = Vec::new();
    for (name, text) in asked {
        let Some(setting) = Setting::of(name).filter(|_| !text.trim().is_empty()) else { continue };
        match setting.read(text) {
            Ok(value) => all.push((name.to_owned(), setting, value)),
            Err(why) => wrong.push((name.to_owned(), why)),
        }
    }
    all
}

/// What a breach does, the strictest that any of these levels says.
pub fn breach_level<'a>(check: Check, levels: impl Iterator<Item = &'a Map<String, Value>>) -> Level {
    let name = setting::breach_name(check);
    levels.filter_map(|level| level.get(name)).filter_map(setting::level).max().unwrap_or_else(|| check.usual_level())
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn halve(values: &mut Map<String, Value>) {
    for named in all_numbers().filter(|named| named.is_size) {
        let Some(value) = values.get_mut(named.name) else { continue };
        let half = match named.kind {
            Kind::Amount => text_of(value).and_then(|text| Decimal::parse(&text)).map(|amount| Value::String(amount.half().shortest())),
            Kind::Count => value.as_u64().filter(|count| *count > 1).map(|count| Value::from(count / 2)),
        };
        if let Some(half) = half {
            *value = half;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(values: Value) -> Limits {
        Limits { version: 3, values: values.as_object().unwrap().clone() }
    }
    fn named(name: &str) -> &'static Named {
        NUMBERS.iter().find(|named| named.name == name).unwrap()
    }
    fn wrong(name: &str, why: NotTighter) -> Result<Limits, Wrong> {
        Err(vec![(name.to_owned(), why)])
    }

    #[test]
    fn half_is_half_of_every_size_and_of_nothing_else() {
        let before = limits(serde_json::json!({
            "max_order_notional": "2000.5", "max_open_orders": 7, "max_orders_per_minute": 1, "max_market_data_age_ms": 500,
            "allowed_symbols": ["BTC/USDT"], "symbols": {"BTC/USDT": {"max_position_notional": "100"}},
        }));
        let after = before.halved().unwrap();
        let expected = serde_json::json!({
            "max_order_notional": "1000.25", "max_open_orders": 3, "max_orders_per_minute": 1, "max_market_data_age_ms": 500,
            "allowed_symbols": ["BTC/USDT"], "symbols": {"BTC/USDT": {"max_position_notional": "50"}},
        });
        assert_eq!((after.version, Value::Object(after.values)), (4, expected));
        assert_eq!(Limits::default().halved(), None);
        assert_eq!(
            limits(serde_json::json!({"max_open_orders": 1, "max_slippage_bps": "4"})).halved(),
            None,
            "nothing changes, so nothing is news"
        );
    }

    #[test]
    fn what_loosens_or_is_no_number_changes_nothing() {
        let before = limits(serde_json::json!({"max_leverage": "2", "max_open_orders": 10}));
        let ask = |name: &str, text: &str| before.tightened([(name, text)]);
        for (name, text) in [("max_leverage", "2.1"), ("max_open_orders", "11")] {
            assert!(matches!(ask(name, text).unwrap_err().as_slice(), [(_, NotTighter::Loosens(_))]), "{name} {text}");
        }
        for (name, text) in [("max_leverage", "-1"), ("max_leverage", "much"), ("max_open_orders", "2.5"), ("max_drawdown", "NaN")] {
            assert!(matches!(ask(name, text).unwrap_err().as_slice(), [(_, NotTighter::NoNumber)]), "{name} {text}");
        }
        for text in ["10", "1.5", "50"] {
            assert_eq!(ask("max_reject_rate", text), wrong("max_reject_rate", NotTighter::NoShare), "{text} is a percentage");
        }
        assert!(ask("max_reject_rate", "0.1").is_ok() && ask("max_reject_rate", "1").is_ok());
        assert_eq!(ask("max_leverage", " ").unwrap(), before);
        assert_eq!(ask("max_leverage", "2.0").unwrap(), before, "the same number is no new version");
        assert!(matches!(ask("max_leverage", "none").unwrap_err().as_slice(), [(_, NotTighter::Loosens(_))]), "taking it away");
        let set = ask("max_drawdown", "500").unwrap();
        assert_eq!((set.version, set.number(named("max_drawdown")).as_deref()), (4, Some("500")), "what was not set may be set");
    }

    #[test]
    fn every_limit_says_what_its_number_means() {
        for named in NUMBERS {
            let meaning = named.meaning("USDT");
            assert_eq!(meaning.contains("USDT"), named.unit == Unit::Money, "{}: {meaning}", named.name);
            assert!(meaning.ends_with('.') && !named.meaning("").contains("  "), "{meaning}");
        }
        assert!(super::NUMBERS.iter().any(|named| named.unit == Unit::Share && named.meaning("").contains("0.1 is 10 %")));
        // Ruling C13: an amount, so that 10 is ten and not ten percent.
        assert!(named("max_drawdown").meaning("USDT").contains("no percentage"));
    }

    proptest! {
        /// However often limits are tightened, none ever grows.
        #[test]
        fn tightening_never_loosens(steps in proptest::collection::vec((0..NUMBERS.len(), 0u32..2_000, any::<bool>()), 0..30)) {
            let mut now = Limits::default();
            for (n, number, halve) in steps {
                let next = match halve {
                    true => now.halved().unwrap_or_else(|| now.clone()),
                    false => now.tightened([(NUMBERS[n].name, number.to_string().as_str())]).unwrap_or_else(|_| now.clone()),
                };
                for named in NUMBERS {
                    let value = |limits: &Limits| limits.number(named).and_then(|text| Decimal::parse(&text));
                    if let Some(before) = value(&now) {
                        prop_assert!(value(&next).is_some_and(|after| after <= before), "{}", named.name);
                    }
                }
                prop_assert_eq!(next.version > now.version, next.values != now.values);
                now = next;
            }
        }
    }
}
