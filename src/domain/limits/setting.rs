//! One setting of a level of limits, whatever its kind: how it is typed, how it is kept, and whether a change of it tightens or loosens.

use super::{Check, Hours, Kind, Named, NotTighter, Unit, all_numbers, text_of};
use crate::domain::{Decimal, Level, Symbol};
use serde_json::Value;
use std::collections::BTreeSet;

/// Which way a change goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Nothing changes.
    Same,
    /// It allows less.
    Tighter,
    /// It allows something more.
    Looser,
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub enum Setting {
    /// A number: the smaller, the tighter.
    Number(&'static Named),
    /// The symbols that may be traded; what is not named is refused.
    Symbols,
    /// When it may trade, UTC.
    Hours,
    /// What amounts are in.
    Currency,
    /// What the breach of a limit does.
    Breach(Check),
}

/// The names of the settings that say what a breach does, in the order of the checks.
const BREACHES: [&str; super::compiled::CHECKS] = [
    "breach:max_order_notional",
    "breach:max_position_notional",
    "breach:max_leverage",
    "breach:max_daily_loss",
    "breach:max_drawdown",
    "breach:max_open_orders",
    "breach:max_orders_per_minute",
    "breach:max_messages_per_minute",
    "breach:max_consecutive_errors",
    "breach:max_market_data_age_ms",
    "breach:max_reject_rate",
    "breach:max_slippage_bps",
    "breach:allowed_symbols",
    "breach:trading_hours",
    "breach:no_report",
    "breach:max_total_exposure",
    "breach:max_total_daily_loss",
];

/// The name of the setting that says what a breach does: `breach:max_daily_loss`.
pub fn breach_name(check: Check) -> &'static str {
    BREACHES.get(check.place()).copied().unwrap_or_default()
}

/// What is typed to take a limit away.
pub const NONE: &str = "none";
/// The largest count.
const MOST: &str = "4294967295";
/// The most symbols of a list.
const SYMBOLS: usize = 500;

impl Setting {
    /// By its name.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "allowed_symbols" => Some(Self::Symbols),
            "trading_hours" => Some(Self::Hours),
            "currency" => Some(Self::Currency),
            other => match other.strip_prefix("breach:") {
                Some(check) => check.parse().ok().map(Self::Breach),
                None => all_numbers().find(|named| named.name == other).map(Self::Number),
            },
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number(named) => named.name,
            Self::Symbols => "allowed_symbols",
            Self::Hours => "trading_hours",
            Self::Currency => "currency",
            Self::Breach(check) => breach_name(check),
        }
    }

    /// For pages.
    pub fn words(self) -> String {
        match self {
            Self::Number(named) => named.words.to_owned(),
            Self::Symbols => "Symbols".to_owned(),
            Self::Hours => "Trading hours".to_owned(),
            Self::Currency => "Currency".to_owned(),
            Self::Breach(check) => format!("When broken: {}", check.words()),
        }
    }

    /// What was typed, as it is kept; null takes it away.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(self, text: &str) -> Result<Value, NotTighter> {
        let text = text.trim();
        if text.eq_ignore_ascii_case(NONE) {
            return Ok(Value::Null);
        }
        match self {
            Self::Number(named) => number(named, text),
            Self::Symbols => symbols(text),
            Self::Hours => Hours::parse(text).map(|hours| hours.value()).ok_or(NotTighter::NoHours),
            Self::Currency => {
                let is_one = (2..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
                if is_one { Ok(Value::from(text)) } else { Err(NotTighter::NoCurrency) }
            }
            Self::Breach(_) => match text.parse() {
                Ok(level @ (Level::Reduce | Level::Pause)) => Ok(Value::from(level.as_str())),
                _ => Err(NotTighter::NoLevel),
            },
        }
    }

    /// Which way it goes from one value to another; none and null: not set.
    pub fn direction(self, now: Option<&Value>, after: Option<&Value>) -> Direction {
        let is_set = |value: &&Value| !value.is_null();
        match (now.filter(is_set).cloned().or_else(|| self.usual()), after.filter(is_set).cloned().or_else(|| self.usual())) {
            (now, after) if now == after => Direction::Same,
            (None, Some(_)) => Direction::Tighter,
            (_, None) => Direction::Looser,
            (Some(now), Some(after)) => self.compare(&now, &after),
        }
    }

    /// What holds while nothing is set.
    fn usual(self) -> Option<Value> {
        match self {
            Self::Number(named) => named.usual.map(Value::from),
            Self::Breach(check) => Some(Value::from(check.usual_level().as_str())),
            Self::Symbols | Self::Hours | Self::Currency => None,
        }
    }

    /// The same for people.
    pub fn plain_usual(self) -> String {
        self.usual().map_or_else(|| "not set".to_owned(), |value| self.plain(&value))
    }

    fn compare(self, now: &Value, after: &Value) -> Direction {
        let by = |is_less: bool| if is_less { Direction::Tighter } else { Direction::Looser };
        match self {
            Self::Number(_) => match (decimal(now), decimal(after)) {
                (Some(now), Some(after)) if now == after => Direction::Same,
                (Some(now), Some(after)) => by(after < now),
                // What cannot be read bounds nothing.
                (None, Some(_)) => Direction::Tighter,
                (_, None) => Direction::Looser,
            },
            Self::Symbols => {
                let (now, after) = (names(now), names(after));
                if now == after { Direction::Same } else { by(after.is_subset(&now)) }
            }
            Self::Hours => match (Hours::of_value(now), Hours::of_value(after)) {
                (Some(now), Some(after)) if now == after => Direction::Same,
                (Some(now), Some(after)) => by(after.is_within(&now)),
                _ => Direction::Looser,
            },
            Self::Currency => Direction::Looser,
            Self::Breach(_) => by(level(after) > level(now)),
        }
    }

    /// A value for people.
    pub fn plain(self, value: &Value) -> String {
        match self {
            _ if value.is_null() => "not set".to_owned(),
            Self::Hours => Hours::of_value(value).map_or_else(|| value.to_string(), |hours| hours.words()),
            Self::Symbols => names(value).into_iter().collect::<Vec<_>>().join(", "),
            _ => text_of(value).unwrap_or_else(|| value.to_string()),
        }
    }
}

fn decimal(value: &Value) -> Option<Decimal> {
    Decimal::parse(&text_of(value)?)
}

pub(super) fn names(value: &Value) -> BTreeSet<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

pub(super) fn level(value: &Value) -> Option<Level> {
    value.as_str()?.parse().ok()
}

fn number(named: &Named, text: &str) -> Result<Value, NotTighter> {
    let is_large = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() > 20;
    if is_large && named.kind == Kind::Amount {
        return Err(NotTighter::TooLarge("20 digits before the point"));
    }
    let asked = Decimal::parse(text).filter(|asked| *asked >= Decimal::default());
    let asked = asked.ok_or(if is_large { NotTighter::TooLarge(MOST) } else { NotTighter::NoNumber })?;
    if named.unit == Unit::Share && asked > Decimal::whole(1) {
        return Err(NotTighter::NoShare);
    }
    match named.kind {
        Kind::Amount => Ok(Value::String(asked.shortest())),
        Kind::Count => {
            let is_whole = text.bytes().all(|byte| byte.is_ascii_digit());
            let count = text.parse::<u32>().map_err(|_| if is_whole { NotTighter::TooLarge(MOST) } else { NotTighter::NoNumber })?;
            match named.bounds {
                Some((least, most)) if !(least..=most).contains(&count) => Err(NotTighter::OutOfBounds(least, most)),
                _ => Ok(Value::from(count)),
            }
        }
    }
}

fn symbols(text: &str) -> Result<Value, NotTighter> {
    let parts = text.split([',', ' ', '\n', '\r', '\t']).map(str::trim).filter(|part| !part.is_empty());
    let all: Option<BTreeSet<String>> = parts.map(|part| Symbol::parse(part).ok().map(|symbol| symbol.to_string())).collect();
    match all {
        Some(all) if !all.is_empty() && all.len() <= SYMBOLS => Ok(all.into_iter().collect()),
        _ => Err(NotTighter::NoSymbols),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Looser, Same, Tighter};
    use serde_json::json;

    fn way(name: &str, now: Value, after: Value) -> Direction {
        Setting::of(name).unwrap().direction(Some(&now), Some(&after))
    }

    #[test]
    fn whatever_allows_more_loosens() {
        for (name, now, after, expected) in [
            ("max_leverage", json!("2"), json!("2.0"), Same),
            ("max_leverage", json!("2"), json!("1"), Tighter),
            ("max_leverage", json!("2"), Value::Null, Looser),
            ("max_leverage", Value::Null, json!("9"), Tighter),
            ("lapse_after_ms", Value::Null, json!(40_000), Looser),
            ("lapse_after_ms", Value::Null, json!(20_000), Tighter),
            ("allowed_symbols", json!(["BTC/USDT", "ETH/USDT"]), json!(["ETH/USDT"]), Tighter),
            ("allowed_symbols", json!(["BTC/USDT"]), json!(["ETH/USDT"]), Looser),
            ("trading_hours", Hours::parse("1-7 00:00-24:00").unwrap().value(), Hours::parse("1 08:00-09:00").unwrap().value(), Tighter),
            ("trading_hours", Hours::parse("1 08:00-09:00").unwrap().value(), Hours::parse("1 08:00-09:01").unwrap().value(), Looser),
            ("currency", json!("USDT"), json!("JPY"), Looser),
            ("currency", Value::Null, json!("USDT"), Tighter),
            ("breach:max_daily_loss", Value::Null, json!("reduce"), Looser),
            ("breach:max_open_orders", Value::Null, json!("pause"), Tighter),
            ("breach:max_open_orders", json!("pause"), Value::Null, Looser),
        ] {
            assert_eq!(way(name, now.clone(), after.clone()), expected, "{name} {now} {after}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_why() {
        let read = |name: &str, text: &str| Setting::of(name).unwrap().read(text);
        assert_eq!(read("allowed_symbols", "eth/usdt, BTC/USDT"), Ok(json!(["BTC/USDT", "ETH/USDT"])));
        assert_eq!(read("currency", "usdt!"), Err(NotTighter::NoCurrency));
        assert_eq!(read("breach:max_leverage", "kill"), Err(NotTighter::NoLevel), "a trigger never kills");
        assert_eq!(read("max_open_orders", "99999999999"), Err(NotTighter::TooLarge(MOST)));
        assert_eq!(MOST, u32::MAX.to_string());
        assert_eq!(read("max_open_orders", "1.5"), Err(NotTighter::NoNumber));
        assert!(matches!(read("max_order_notional", &"9".repeat(21)), Err(NotTighter::TooLarge(_))));
        assert_eq!(read("stale_after_ms", "10"), Err(NotTighter::OutOfBounds(4_000, 60_000)));
        assert_eq!(read("trading_hours", "always"), Err(NotTighter::NoHours));
        assert_eq!(read("max_leverage", "None"), Ok(Value::Null));
        for check in Check::ALL {
            let name = breach_name(*check);
            assert_eq!(Setting::of(name).map(Setting::name), Some(name));
            assert!(name.ends_with(check.as_str()));
        }
        assert!(Setting::of("breach:sunshine").is_none() && Setting::of("strange").is_none());
    }
}
