//! The levels on which limits stand, installation, team, bot and symbol, and what follows of them for one bot. The strictest wins: another
//! level, or another limit on one, never loosens anything.

use super::{Check, Direction, Hours, Kind, Limits, NUMBERS, Named, Setting, TOTALS, breach_level, setting::names, text_of};
use crate::domain::{BotId, Decimal, Level, Symbol, TeamId};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A level of limits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// Every bot.
    Installation,
    /// The bots of a team.
    Team(TeamId),
    /// One bot.
    Bot(BotId),
    /// What one bot does in one symbol.
    Symbol(BotId, Symbol),
}

/// The limits that a symbol can have.
const OF_SYMBOL: [&str; 2] = ["max_order_notional", "max_position_notional"];

impl Node {
    /// The word for the kind of level.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Installation => "installation",
            Self::Team(_) => "team",
            Self::Bot(_) => "bot",
            Self::Symbol(..) => "symbol",
        }
    }
    /// Which team or bot; empty for the installation.
    pub fn target(&self) -> &str {
        match self {
            Self::Installation => "",
            Self::Team(team) => team.as_str(),
            Self::Bot(bot) | Self::Symbol(bot, _) => bot.as_str(),
        }
    }
    /// Which symbol; empty for the other levels.
    pub fn symbol(&self) -> &str {
        match self {
            Self::Symbol(_, symbol) => symbol.as_str(),
            _ => "",
        }
    }
    /// The bot that it is about alone.
    pub fn bot(&self) -> Option<&BotId> {
        match self {
            Self::Bot(bot) | Self::Symbol(bot, _) => Some(bot),
            _ => None,
        }
    }
    /// Reads the three columns back.
    pub fn from_parts(kind: &str, target: &str, symbol: &str) -> Option<Self> {
        let bot = || BotId::parse(target).ok();
        match kind {
            "installation" if target.is_empty() => Some(Self::Installation),
            "team" => TeamId::parse(target).ok().map(Self::Team),
            "bot" => bot().map(Self::Bot),
            "symbol" => Some(Self::Symbol(bot()?, Symbol::parse(symbol).ok()?)),
            _ => None,
        }
    }
    /// As one text: `installation`, `team:ID`, `bot:ID`, `symbol:ID:SYMBOL`.
    pub fn in_one(&self) -> String {
        match self {
            Self::Installation => self.kind().to_owned(),
            Self::Symbol(bot, symbol) => format!("symbol:{bot}:{symbol}"),
            _ => format!("{}:{}", self.kind(), self.target()),
        }
    }
    /// Reads that text back; empty is the installation.
    pub fn from_one(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let (target, symbol) = if kind == "symbol" { rest.split_once(':')? } else { (rest, "") };
        Self::from_parts(if text.is_empty() { "installation" } else { kind }, target, symbol)
    }
    /// The numbers that this level can set.
    pub fn numbers(&self) -> impl Iterator<Item = &'static Named> {
        let (is_symbol, is_wide) = (matches!(self, Self::Symbol(..)), self.bot().is_none());
        let own = NUMBERS.iter().filter(move |named| !is_symbol || OF_SYMBOL.contains(&named.name));
        own.chain(TOTALS.iter().filter(move |_| is_wide))
    }
    /// What this level can set the consequence of.
    pub fn checks(&self) -> impl Iterator<Item = Check> {
        let is_wide = self.bot().is_none();
        let is_symbol = matches!(self, Self::Symbol(..));
        Check::ALL.iter().copied().filter(move |check| !is_symbol && (is_wide || !check.is_total()))
    }
    /// True when this level has a setting of this name.
    pub fn has(&self, name: &str) -> bool {
        let is_symbol = matches!(self, Self::Symbol(..));
        match Setting::of(name) {
            Some(Setting::Number(named)) => self.numbers().any(|own| own.name == named.name),
            Some(Setting::Breach(check)) => self.checks().any(|own| own == check),
            Some(_) => !is_symbol,
            None => false,
        }
    }
}

impl serde::Serialize for Node {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.in_one())
    }
}

impl<'de> serde::Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(from)?;
        Self::from_one(&text).ok_or_else(|| serde::de::Error::custom("no level of limits"))
    }
}

type Values = Map<String, Value>;

/// What stands above and on one bot.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<'a> {
    /// Of the installation.
    pub installation: Option<&'a Values>,
    /// Of its team.
    pub team: Option<&'a Values>,
    /// Its own.
    pub bot: Option<&'a Values>,
    /// Its own in single symbols.
    pub symbols: &'a [(&'a str, &'a Values)],
    /// The largest position in single symbols for a while, which stands in the place of the bot's own and of its symbol's.
    pub overrides: &'a [(&'a str, Decimal)],
}

impl<'a> Path<'a> {
    fn levels(&self) -> impl Iterator<Item = &'a Values> {
        [self.installation, self.team, self.bot].into_iter().flatten()
    }

    /// What holds for the bot, in the protocol's form.
    pub fn effective(&self) -> Values {
        let mut all = Values::new();
        let levels: Vec<&Values> = self.levels().collect();
        for named in NUMBERS {
            if let Some(least) = strictest(named, levels.iter().copied()) {
                all.insert(named.name.to_owned(), written(named, least));
            }
        }
        let lists = levels.iter().filter_map(|level| level.get("allowed_symbols")).map(names);
        if let Some(allowed) = lists.reduce(|a, b| &a & &b) {
            all.insert("allowed_symbols".to_owned(), allowed.into_iter().collect());
        }
        let hours = levels.iter().filter_map(|level| level.get("trading_hours")).filter_map(Hours::of_value);
        if let Some(hours) = hours.reduce(|a, b| a.both(&b)) {
            all.insert("trading_hours".to_owned(), hours.value());
        }
        if let Some(currency) = levels.iter().find_map(|level| level.get("currency")) {
            all.insert("currency".to_owned(), currency.clone());
        }
        let symbols = self.symbols(&all);
        if !symbols.is_empty() {
            all.insert("symbols".to_owned(), Value::Object(symbols));
        }
        all
    }

    /// What stands for single symbols in the place of the bot's.
    fn symbols(&self, whole: &Values) -> Map<String, Value> {
        let nested = self.bot.and_then(|bot| bot.get("symbols")).and_then(Value::as_object);
        let nested = nested.into_iter().flatten().filter_map(|(symbol, values)| Some((symbol.as_str(), values.as_object()?)));
        let mut own = BTreeMap::<&str, Vec<&Values>>::new();
        for (symbol, values) in nested.chain(self.symbols.iter().copied()) {
            own.entry(symbol).or_default().push(values);
        }
        for (symbol, _) in self.overrides {
            own.entry(symbol).or_default();
        }
        let mut all = Map::new();
        for (symbol, values) in own {
            let mut of_symbol = Values::new();
            for named in NUMBERS.iter().filter(|named| OF_SYMBOL.contains(&named.name)) {
                let above = [self.installation, self.team].into_iter().flatten();
                let exception = self.overrides.iter().filter(|(of, _)| *of == symbol && named.name == "max_position_notional");
                let least = match exception.map(|(_, most)| *most).max() {
                    Some(most) => Some(strictest(named, above).map_or(most, |above| above.min(most))),
                    None => strictest(named, self.levels().chain(values.iter().copied())),
                };
                let value = least.map(|least| written(named, least));
                if let Some(value) = value.filter(|value| whole.get(named.name) != Some(value)) {
                    of_symbol.insert(named.name.to_owned(), value);
                }
            }
            if !of_symbol.is_empty() {
                all.insert(symbol.to_owned(), Value::Object(of_symbol));
            }
        }
        all
    }

    /// What a breach does, the strictest that any level says.
    pub fn level_of(&self, check: Check) -> Level {
        breach_level(check, self.levels())
    }

    /// The level whose number holds.
    pub fn decided_by(&self, named: &Named) -> Option<&'static str> {
        let named_levels = [("installation", self.installation), ("team", self.team), ("bot", self.bot)];
        let each = named_levels.into_iter().filter_map(|(word, level)| Some((decimal(named, level?)?, word)));
        each.min_by_key(|(least, _)| *least).map(|(_, word)| word)
    }
}

fn decimal(named: &Named, level: &Values) -> Option<Decimal> {
    Decimal::parse(&text_of(level.get(named.name)?)?)
}

fn strictest<'a>(named: &Named, levels: impl Iterator<Item = &'a Values>) -> Option<Decimal> {
    levels.filter_map(|level| decimal(named, level)).min()
}

fn written(named: &Named, number: Decimal) -> Value {
    match named.kind {
        Kind::Amount => Value::String(number.shortest()),
        Kind::Count => number.fixed(0).parse::<u64>().map_or_else(|_| Value::String(number.shortest()), Value::from),
    }
}

/// True when anything that holds for a bot allows less than before: its agent has to acknowledge that (ruling C10).
pub fn is_tighter(before: &Values, after: &Values) -> bool {
    let plain = NUMBERS.iter().map(|named| named.name).chain(["allowed_symbols", "trading_hours", "currency"]);
    let differs = |name: &str| Setting::of(name).map(|setting| setting.direction(before.get(name), after.get(name)));
    if plain.into_iter().any(|name| differs(name) == Some(Direction::Tighter)) {
        return true;
    }
    let symbols = |values: &Values| values.get("symbols").and_then(Value::as_object).cloned().unwrap_or_default();
    let (then, now) = (symbols(before), symbols(after));
    let of = |symbols: &Values, whole: &Values, symbol: &str, name: &str| {
        symbols.get(symbol).and_then(|values| values.get(name)).or_else(|| whole.get(name)).cloned()
    };
    let all: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let numbers = |symbol: &String| {
        OF_SYMBOL.iter().any(|name| {
            let (was, is) = (of(&then, before, symbol, name), of(&now, after, symbol, name));
            Setting::of(name).is_some_and(|setting| setting.direction(was.as_ref(), is.as_ref()) == Direction::Tighter)
        })
    };
    all.into_iter().any(numbers)
}

/// The sizes of a bot's own level halved, from what holds for it now; none when nothing that holds bounds a size.
pub fn own_halved(own: &Limits, holds: &Values) -> Option<Limits> {
    let whole = Limits { version: own.version, values: holds.clone() };
    let halved = whole.halved()?;
    let mut next = own.clone();
    for named in NUMBERS.iter().filter(|named| named.is_size) {
        if let Some(value) = halved.values.get(named.name) {
            next.values.insert(named.name.to_owned(), value.clone());
        }
    }
    if let Some(Value::Object(symbols)) = next.values.get_mut("symbols") {
        symbols.values_mut().filter_map(Value::as_object_mut).for_each(super::halve);
    }
    next.version += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn values(value: Value) -> Values {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_level_reads_back_what_it_writes() {
        let (team, bot) = (TeamId::new(), BotId::new());
        let symbol = Symbol::parse("BTC/USDT:USDT").unwrap();
        for node in [Node::Installation, Node::Team(team), Node::Bot(bot.clone()), Node::Symbol(bot, symbol)] {
            assert_eq!(Node::from_one(&node.in_one()), Some(node.clone()));
            assert_eq!(Node::from_parts(node.kind(), node.target(), node.symbol()), Some(node));
        }
        assert_eq!(Node::from_one(""), Some(Node::Installation));
        for bad in ["planet", "team:", "bot:x", "symbol:x", "installation:x"] {
            assert_eq!(Node::from_one(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_strictest_wins_and_an_exception_passes_the_bots_own_only() {
        let installation =
            values(json!({"max_position_notional": "5000", "allowed_symbols": ["BTC/USDT", "ETH/USDT"], "currency": "USDT"}));
        let team = values(json!({"max_open_orders": 10, "breach:max_open_orders": "pause"}));
        let bot = values(json!({"max_position_notional": "1000", "max_open_orders": 20, "allowed_symbols": ["ETH/USDT", "XRP/USDT"]}));
        let eth = values(json!({"max_position_notional": "300"}));
        let symbols: [(&str, &Values); 1] = [("ETH/USDT", &eth)];
        let path = Path { installation: Some(&installation), team: Some(&team), bot: Some(&bot), symbols: &symbols, overrides: &[] };
        let expected = json!({
            "max_position_notional": "1000", "max_open_orders": 10, "allowed_symbols": ["ETH/USDT"], "currency": "USDT",
            "symbols": {"ETH/USDT": {"max_position_notional": "300"}},
        });
        assert_eq!(Value::Object(path.effective()), expected);
        assert_eq!((path.level_of(Check::OpenOrders), path.level_of(Check::Leverage)), (Level::Pause, Level::Reduce));
        let exceptions = [("ETH/USDT", Decimal::parse("9000").unwrap())];
        let with = Path { overrides: &exceptions, ..path };
        assert_eq!(with.effective()["symbols"]["ETH/USDT"]["max_position_notional"], "5000", "never past what is above the bot");
        assert!(is_tighter(&with.effective(), &path.effective()) && !is_tighter(&path.effective(), &with.effective()));
    }

    fn some_values() -> impl Strategy<Value = Values> {
        let number = prop::option::of(0u32..50);
        let list = prop::option::of(prop::collection::btree_set(prop::sample::select(vec!["A", "B", "C"]), 0..3));
        let hours = prop::option::of((1u8..=7, 0u8..24));
        (number.clone(), number.clone(), number, list, hours).prop_map(|(a, b, c, list, hours)| {
            let mut all = Values::new();
            a.map(|n| all.insert("max_order_notional".into(), json!(n.to_string())));
            b.map(|n| all.insert("max_position_notional".into(), json!(n.to_string())));
            c.map(|n| all.insert("max_open_orders".into(), json!(n)));
            list.map(|list| all.insert("allowed_symbols".into(), json!(list)));
            hours.map(|(day, to)| {
                all.insert("trading_hours".into(), json!([{"days": format!("1-{day}"), "from": "00:00", "to": format!("{:02}:30", to)}]))
            });
            all
        })
    }

    proptest! {
        /// Whatever level is added above or below, nothing that holds gets looser.
        #[test]
        fn another_level_never_loosens(levels in prop::collection::vec(some_values(), 3), symbol in some_values()) {
            let full: [(&str, &Values); 1] = [("A", &symbol)];
            for left_out in 0..4 {
                let with = Path { installation: Some(&levels[0]), team: Some(&levels[1]), bot: Some(&levels[2]), symbols: &full, overrides: &[] };
                let mut without = with;
                match left_out {
                    0 => without.installation = None,
                    1 => without.team = None,
                    2 => without.bot = None,
                    _ => without.symbols = &[],
                }
                prop_assert!(!is_tighter(&with.effective(), &without.effective()), "{left_out}: {:?} {:?}", with.effective(), without.effective());
            }
        }

        /// What only loosens is no tightening, and the other way round one of both is.
        #[test]
        fn tighter_is_what_is_not_looser(before in some_values(), after in some_values()) {
            if before == after {
                prop_assert!(!is_tighter(&before, &after));
            }
        }
    }
}
