//! The two sides as they come: what an agent reported before and after its venue was read, and what the venue listed. Pure. What changed between
//! the two reports widens what the agent may mean, so that a bot at work differs only where its own work does not explain it.

use super::{
    compare::{Count, Gap, Held, Side},
    symbols::{currency, pair},
};
use crate::domain::{Decimal, reconciliation::Difference};
use crate::protocol::{Position as Reported, Report};
use crate::venues::{Balance, Kind, OpenOrder, Position};
use std::collections::BTreeMap;

/// How many things a sentence names.
const NAMED: usize = 5;

/// What a venue listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which venue.
    pub kind: Kind,
    /// Every order that rests.
    pub orders: Vec<OpenOrder>,
    /// Every position that is not flat.
    pub positions: Vec<Position>,
    /// Everything that is not zero.
    pub balances: Vec<Balance>,
}

fn amount(text: &Option<String>) -> Option<Decimal> {
    text.as_deref().and_then(Decimal::parse)
}

/// What one report says of a symbol. Listed for its resting orders alone, it holds nothing.
fn held(position: &Reported) -> Held {
    let is_short = position.side.as_deref().is_some_and(|side| side.eq_ignore_ascii_case("short") || side.eq_ignore_ascii_case("sell"));
    match amount(&position.quantity) {
        Some(quantity) if is_short => Held::exactly(Decimal::default().minus(quantity.abs())),
        Some(quantity) => Held::exactly(quantity),
        None if amount(&position.notional).is_none_or(|worth| worth == Decimal::default()) => Held::nothing(),
        None if is_short => Held::Short,
        None if position.side.is_some() => Held::Long,
        None => Held::Unknown,
    }
}

fn held_in(report: &Report) -> Option<BTreeMap<String, Held>> {
    let mut all = BTreeMap::<String, Held>::new();
    for position in report.positions.as_ref()? {
        let key = pair(&position.symbol).key();
        let held = held(position);
        let before = all.get(&key).copied();
        all.insert(key, before.map_or(held, |before| before.and(held)));
    }
    Some(all)
}

/// How often something was counted between two reports; none: not known, or the bot began anew.
fn moved(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    after?.checked_sub(before?)
}

/// What an agent may mean by a report before the venue was read and one after it.
pub fn of_reports(before: &Report, after: &Report) -> Side {
    let (old, new) = (before.totals.clone().unwrap_or_default(), after.totals.clone().unwrap_or_default());
    let counts = [(old.orders, new.orders), (old.cancels, new.cancels), (old.fills, new.fills)];
    let sent: u64 = counts.iter().filter_map(|(old, new)| moved(*old, *new)).fold(0, u64::saturating_add);
    let began_anew = counts.iter().any(|(old, new)| old.zip(*new).is_some_and(|(old, new)| new < old));
    let filled = moved(old.fills, new.fills).unwrap_or(0) > 0;
    let count = |before: Option<u64>, after: Option<u64>| {
        let both = Count::exactly(before?).or(Count::exactly(after?));
        (!began_anew).then(|| both.within(sent))
    };
    // Fills between the two may have been in any symbol, there and back.
    let positions = if began_anew || filled { None } else { held_in(before).zip(held_in(after)).map(|(old, new)| either(old, new)) };
    let named = [before, after].into_iter().filter_map(|report| report.positions.as_ref()).flatten();
    let bases = named.map(|position| pair(&position.symbol)).map(|pair| (pair.key(), pair.base)).collect();
    let rest = |report: &Report| report.positions_rest.as_ref().map_or(0, |rest| rest.count);
    Side {
        orders: count(before.open_orders, after.open_orders),
        entries: count(before.entry_orders, after.entry_orders),
        positions,
        unnamed: rest(before).max(rest(after)),
        in_hand: None,
        bases,
        cash: cash(before).zip(cash(after)).filter(|(old, new)| old.0 == new.0).map(|(old, new)| (new.0, old.1.min(new.1))),
    }
}

fn either(old: BTreeMap<String, Held>, mut new: BTreeMap<String, Held>) -> BTreeMap<String, Held> {
    new.iter_mut().for_each(|(symbol, held)| *held = held.or(old.get(symbol).copied().unwrap_or_else(Held::nothing)));
    for (symbol, held) in old {
        new.entry(symbol).or_insert_with(|| held.or(Held::nothing()));
    }
    new
}

/// What it counts on for certain: what is won and not realised may be in it, and is in no wallet.
fn cash(report: &Report) -> Option<(String, Decimal)> {
    let (cash, name) = (amount(&report.cash)?, report.currency.as_deref()?);
    let won = amount(&report.unrealized_pnl).unwrap_or_default().max(Decimal::default());
    let counts_on = cash.minus(won);
    (counts_on > Decimal::default()).then(|| (currency(name), counts_on))
}

/// True where a venue counts what is traded in, and not in contracts.
fn counts_in_base(kind: Kind, position: &Position) -> bool {
    match kind {
        Kind::BinanceSpot | Kind::BinanceUsdM | Kind::KrakenSpot => true,
        Kind::Bybit => position.market == "linear",
        Kind::KrakenFutures => position.symbol.starts_with("PF_"),
        Kind::Okx => false,
    }
}

/// What a venue says.
pub fn of_venue(listed: &Listed) -> Side {
    let count = |is: fn(&OpenOrder) -> bool| listed.orders.iter().filter(|order| is(order)).count() as u64;
    let all = listed.orders.len() as u64;
    let mut positions = BTreeMap::<String, Held>::new();
    for position in &listed.positions {
        let held = match position.quantity >= Decimal::default() {
            _ if counts_in_base(listed.kind, position) => Held::exactly(position.quantity),
            true => Held::Long,
            false => Held::Short,
        };
        let key = pair(&position.symbol).key();
        let before = positions.get(&key).copied();
        positions.insert(key, before.map_or(held, |before| before.and(held)));
    }
    let mut in_hand = BTreeMap::<String, Decimal>::new();
    for balance in &listed.balances {
        let sum = in_hand.entry(currency(&balance.asset)).or_default();
        *sum = sum.plus(balance.total);
    }
    Side {
        // Bots count stops that wait for a price among their orders, or do not.
        orders: Some(Count { least: count(|order| !order.is_conditional), most: all }),
        entries: Some(Count { least: count(|order| order.is_entry == Some(true)), most: count(|order| order.is_entry != Some(false)) }),
        positions: Some(positions),
        unnamed: 0,
        in_hand: Some(in_hand),
        bases: BTreeMap::new(),
        cash: None,
    }
}

/// What of an agent's side cannot be compared, in words; empty: everything can.
pub fn not_compared(agent: &Side) -> String {
    let parts = [("orders", agent.orders.is_none()), ("positions", agent.positions.is_none())];
    let missing: Vec<&str> = parts.into_iter().filter(|(_, is_missing)| *is_missing).map(|(name, _)| name).collect();
    if missing.is_empty() { String::new() } else { format!("not compared: {}", missing.join(" and ")) }
}

/// `123 BUY 0.5 BTCUSDT`
pub fn order_words(order: &OpenOrder) -> String {
    let side = order.side.map_or_else(|| "?".to_owned(), |side| side.as_str().to_uppercase());
    let quantity = order.quantity.map_or_else(|| "?".to_owned(), Decimal::shortest);
    let stop = if order.is_conditional { " (conditional)" } else { "" };
    format!("{} {side} {quantity} {}{stop}", order.id, order.symbol)
}

/// Orders in words: `an open order 123 BUY 0.5 BTCUSDT`, `3 open orders (…)`, `no open order`.
pub fn orders_words(orders: &[&OpenOrder], what: &str) -> String {
    let named = orders.iter().take(NAMED).map(|order| order_words(order)).collect::<Vec<_>>().join(", ");
    match orders {
        [] => format!("no {what}"),
        [_] => format!("an {what} {named}"),
        many if many.len() > NAMED => format!("{} {what}s ({named} and {} more)", many.len(), many.len() - NAMED),
        many => format!("{} {what}s ({named})", many.len()),
    }
}

fn count_words(count: Option<Count>) -> String {
    match count {
        None => "nothing of them".to_owned(),
        Some(Count { most: 0, .. }) => "none".to_owned(),
        Some(Count { least, most }) if least == most => most.to_string(),
        Some(Count { least, most }) => format!("between {least} and {most}"),
    }
}

fn held_words(held: Option<Held>) -> String {
    let one = |quantity: Decimal| {
        let side = if quantity < Decimal::default() { "short" } else { "long" };
        if quantity == Decimal::default() { "none".to_owned() } else { format!("{} {side}", quantity.abs().shortest()) }
    };
    match held {
        None => "none".to_owned(),
        Some(Held::Between(from, to)) if from == to => one(from),
        Some(Held::Between(from, to)) => format!("between {} and {}", one(from), one(to)),
        Some(Held::Long) => "a long position".to_owned(),
        Some(Held::Short) => "a short position".to_owned(),
        Some(Held::Unknown) => "a position of unknown size".to_owned(),
    }
}

/// A gap in words that name both sides. `venue` is `listed` as a side.
pub fn difference(gap: &Gap, (listed, venue): (&Listed, &Side), agent: &Side) -> Difference {
    let (subject, venue, agent) = match gap {
        Gap::Orders => {
            let orders: Vec<&OpenOrder> = listed.orders.iter().collect();
            ("open orders".to_owned(), format!("has {}", orders_words(&orders, "open order")), count_words(agent.orders))
        }
        Gap::Entries => {
            let entries: Vec<&OpenOrder> = listed.orders.iter().filter(|order| order.is_entry != Some(false)).collect();
            ("entry orders".to_owned(), format!("has {}", orders_words(&entries, "entry order")), count_words(agent.entries))
        }
        Gap::Position(symbol) => {
            let of = |side: &Side| side.positions.as_ref().and_then(|positions| positions.get(symbol)).copied();
            let in_hand = agent.bases.get(symbol).zip(venue.in_hand.as_ref()).and_then(|(base, all)| Some((base, all.get(base)?)));
            let venue = match (of(venue), in_hand) {
                (None, Some((base, total))) => format!("holds {} {base} in hand", total.shortest()),
                (held, _) => format!("holds {}", held_words(held)),
            };
            (format!("position {symbol}"), format!("{venue} in {symbol}"), held_words(of(agent)))
        }
        Gap::Unnamed => {
            let venue = format!("holds {} positions", listed.positions.len());
            let named = agent.positions.as_ref().map_or(0, BTreeMap::len);
            ("positions".to_owned(), venue, format!("{named} and {} that it sums up", agent.unnamed))
        }
        Gap::Cash(currency) => {
            let has = venue.in_hand.as_ref().and_then(|all| all.get(currency)).copied().unwrap_or_default();
            let counts_on = agent.cash.as_ref().map(|(_, cash)| cash.shortest()).unwrap_or_default();
            (format!("cash {currency}"), format!("has {} {currency} in hand", has.shortest()), format!("at least {counts_on} in cash"))
        }
    };
    Difference { subject, venue: format!("the venue {venue}"), agent: format!("the agent reports {agent}") }
}

#[cfg(test)]
mod tests;
