//! Limits made ready for judging reports: every number read once, so that a check-in compares and parses nothing.

use super::{Check, Hours, NUMBERS, Path, setting::names, text_of};
use crate::domain::{Decimal, Level};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// How many checks there are.
pub const CHECKS: usize = Check::ALL.len();

/// One number per check; none: not set.
pub type Numbers = [Option<Decimal>; CHECKS];

/// The limits that hold for one bot.
#[derive(Debug, Clone, Default)]
pub struct Compiled {
    /// Their version.
    pub version: i64,
    /// The bot's.
    pub numbers: Numbers,
    /// What stands in the place of the bot's in single symbols, upper case.
    pub symbols: HashMap<String, Numbers>,
    /// The symbols that may be traded, upper case; none: nobody says, which refuses all of them.
    pub allowed: Option<HashSet<String>>,
    /// When it may trade; none: always.
    pub hours: Option<Hours>,
    /// What amounts are in; none: whatever the agent reports.
    pub currency: Option<String>,
    levels: Vec<Level>,
}

impl Compiled {
    /// From what holds for a bot and from the levels that say what a breach does.
    pub fn of(version: i64, holds: &Map<String, Value>, path: &Path<'_>) -> Self {
        let symbols = holds.get("symbols").and_then(Value::as_object).into_iter().flatten();
        Self {
            version,
            numbers: numbers(holds),
            symbols: symbols.filter_map(|(symbol, values)| Some((symbol.to_uppercase(), numbers(values.as_object()?)))).collect(),
            allowed: holds.get("allowed_symbols").map(|list| names(list).into_iter().map(str::to_uppercase).collect()),
            hours: holds.get("trading_hours").and_then(Hours::of_value),
            currency: holds.get("currency").and_then(text_of),
            levels: Check::ALL.iter().map(|check| path.level_of(*check)).collect(),
        }
    }

    /// The limit of a check.
    pub fn number(&self, check: Check) -> Option<Decimal> {
        self.numbers.get(check.place()).copied().flatten()
    }

    /// The limit of a check in one symbol.
    pub fn number_in(&self, symbol: &str, check: Check) -> Option<Decimal> {
        let own =
            if self.symbols.is_empty() { None } else { self.symbols.get(symbol).or_else(|| self.symbols.get(&symbol.to_uppercase())) };
        own.and_then(|own| own.get(check.place()).copied().flatten()).or_else(|| self.number(check))
    }

    /// True when a symbol may be traded.
    pub fn allows(&self, symbol: &str) -> bool {
        self.allowed.as_ref().is_some_and(|allowed| allowed.contains(symbol) || allowed.contains(&symbol.to_uppercase()))
    }

    /// What the breach of a limit places.
    pub fn level(&self, check: Check) -> Level {
        self.levels.get(check.place()).copied().unwrap_or_else(|| check.usual_level())
    }
}

fn numbers(values: &Map<String, Value>) -> Numbers {
    let mut all = [None; CHECKS];
    for named in NUMBERS {
        let check = named.name.parse::<Check>().ok().map(Check::place);
        if let Some(place) = check.and_then(|place| all.get_mut(place)) {
            *place = values.get(named.name).and_then(text_of).and_then(|text| Decimal::parse(&text));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_symbol_has_its_own_number_and_the_bots_where_it_has_none() {
        let holds = json!({"max_position_notional": "100", "max_order_notional": "10", "allowed_symbols": ["BTC/USDT"],
            "symbols": {"BTC/USDT": {"max_position_notional": "50"}}});
        let compiled = Compiled::of(3, holds.as_object().unwrap(), &Path::default());
        let number = |symbol, check| compiled.number_in(symbol, check).map(Decimal::shortest);
        assert_eq!(number("btc/usdt", Check::PositionNotional).as_deref(), Some("50"));
        assert_eq!(number("BTC/USDT", Check::OrderNotional).as_deref(), Some("10"));
        assert_eq!(number("ETH/USDT", Check::PositionNotional).as_deref(), Some("100"));
        assert!(compiled.allows("BTC/USDT") && !compiled.allows("ETH/USDT"));
        assert!(!Compiled::default().allows("BTC/USDT"), "nobody says, so nothing is allowed");
        assert_eq!(compiled.level(Check::DailyLoss), Level::Pause);
        assert_eq!(Check::ALL.iter().map(|check| check.place()).collect::<Vec<_>>(), (0..CHECKS).collect::<Vec<_>>());
    }
}
