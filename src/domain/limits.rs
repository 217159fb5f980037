//! Limits: what a bot may do at most. Versioned; agents acknowledge the version. Values are kept as the protocol names them.
//! Tightening is for one person at once, so what tightens is decided here; everything else loosens.

use super::{Decimal, request::Change};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One version of a bot's limits. Version 0 with no values means that none were set.
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
}

const fn amount(name: &'static str, words: &'static str, unit: Unit, is_size: bool) -> Named {
    Named { name, words, kind: Kind::Amount, unit, is_size }
}
const fn count(name: &'static str, words: &'static str, unit: Unit, is_size: bool) -> Named {
    Named { name, words, kind: Kind::Count, unit, is_size }
}

/// Every limit that is a number (ruling C13).
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
];

impl Named {
    /// What its number means, as a sentence; `currency` is the bot's, empty when its agent has not said.
    pub fn meaning(&self, currency: &str) -> String {
        let money = if currency.is_empty() { "the currency that its agent reports" } else { currency };
        match (self.unit, self.name) {
            (Unit::Money, "max_drawdown") => format!("An amount in {money} below the highest equity, no percentage."),
            (Unit::Money, _) => format!("An amount in {money}."),
            (Unit::Times, _) => "Times the equity: 2 is twofold.".to_owned(),
            (Unit::Share, _) => "A share from 0 to 1: 0.1 is 10 %.".to_owned(),
            (Unit::BasisPoints, _) => "In hundredths of a percent: 100 is 1 %.".to_owned(),
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
    /// It is larger than what stands, or takes it away.
    #[error("would be looser than {0}, which stands; raising a limit takes a request of two people")]
    Loosens(String),
    /// A share above one: most likely meant as a percentage.
    #[error("is a share from 0 to 1; 10 % is written 0.1")]
    NoShare,
}

impl Limits {
    /// One numeric limit as text; none: not set.
    pub fn number(&self, named: &Named) -> Option<String> {
        self.values.get(named.name).and_then(text_of)
    }

    /// These limits with others that are tighter; a limit that was not set may be set. Empty texts leave what stands. The version grows when
    /// anything changes.
    ///
    /// # Errors
    /// The names of those that are no numbers or would loosen, each with what is wrong.
    pub fn tightened<'a>(&self, asked: impl IntoIterator<Item = (&'a Named, &'a str)>) -> Result<Self, Vec<(&'static str, NotTighter)>> {
        let (mut next, mut wrong) = (self.clone(), Vec::new());
        for (named, text) in asked {
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            match tighter(named, self.number(named), text) {
                Ok(Some(value)) => drop(next.values.insert(named.name.to_owned(), value)),
                Ok(None) => {}
                Err(why) => wrong.push((named.name, why)),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        next.version += i64::from(next.values != self.values);
        Ok(next)
    }

    /// What somebody asks for who may not do it at once: the numbers that differ from what stands, by name. Empty texts leave what stands.
    ///
    /// # Errors
    /// The names of those that are no numbers, each with what is wrong.
    pub fn asked<'a>(
        &self,
        asked: impl IntoIterator<Item = (&'a Named, &'a str)>,
    ) -> Result<BTreeMap<String, Change>, Vec<(&'static str, NotTighter)>> {
        let (mut all, mut wrong) = (BTreeMap::new(), Vec::new());
        for (named, text) in asked {
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            match value_of(named, text) {
                Ok(after) => {
                    let now = self.values.get(named.name).cloned();
                    let is_same = now.as_ref().and_then(text_of).and_then(|now| Decimal::parse(&now)) == Decimal::parse(text);
                    if now.is_none() || !is_same {
                        all.insert(named.name.to_owned(), Change { now, after });
                    }
                }
                Err(why) => wrong.push((named.name, why)),
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
            next.values.insert(name.clone(), change.after.clone());
        }
        next.version += 1;
        let is_tighter = set.values().any(|change| !change.raises() && change.now.as_ref() != Some(&change.after));
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

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The value to be set; none: it says what stands already.
fn tighter(named: &Named, stands: Option<String>, text: &str) -> Result<Option<Value>, NotTighter> {
    let value = value_of(named, text)?;
    let asked = Decimal::parse(text).ok_or(NotTighter::NoNumber)?;
    match stands.as_deref().map(|stands| (stands, Decimal::parse(stands))) {
        None => Ok(Some(value)),
        Some((_, Some(now))) if asked == now => Ok(None),
        Some((_, Some(now))) if asked < now => Ok(Some(value)),
        Some((stands, _)) => Err(NotTighter::Loosens(stands.to_owned())),
    }
}

/// A text as the value of a limit.
fn value_of(named: &Named, text: &str) -> Result<Value, NotTighter> {
    let asked = Decimal::parse(text).filter(|asked| *asked >= Decimal::default()).ok_or(NotTighter::NoNumber)?;
    if named.unit == Unit::Share && Decimal::parse("1").is_some_and(|one| asked > one) {
        return Err(NotTighter::NoShare);
    }
    Ok(match named.kind {
        Kind::Amount => Value::String(asked.shortest()),
        Kind::Count => Value::from(text.parse::<u32>().map_err(|_| NotTighter::NoNumber)?),
    })
}

fn halve(values: &mut Map<String, Value>) {
    for named in NUMBERS.iter().filter(|named| named.is_size) {
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
        let ask = |name: &str, text: &str| before.tightened([(named(name), text)]);
        for (name, text) in [("max_leverage", "2.1"), ("max_open_orders", "11")] {
            assert!(matches!(ask(name, text).unwrap_err().as_slice(), [(_, NotTighter::Loosens(_))]), "{name} {text}");
        }
        for (name, text) in [("max_leverage", "-1"), ("max_leverage", "much"), ("max_open_orders", "2.5"), ("max_drawdown", "NaN")] {
            assert!(matches!(ask(name, text).unwrap_err().as_slice(), [(_, NotTighter::NoNumber)]), "{name} {text}");
        }
        for text in ["10", "1.5", "50"] {
            assert_eq!(ask("max_reject_rate", text), Err(vec![("max_reject_rate", NotTighter::NoShare)]), "{text} is a percentage");
        }
        assert!(ask("max_reject_rate", "0.1").is_ok() && ask("max_reject_rate", "1").is_ok());
        assert_eq!(ask("max_leverage", " ").unwrap(), before);
        assert_eq!(ask("max_leverage", "2.0").unwrap(), before, "the same number is no new version");
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
                    false => now.tightened([(&NUMBERS[n], number.to_string().as_str())]).unwrap_or_else(|_| now.clone()),
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
