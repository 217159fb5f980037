//! A Freqtrade bot's facts as a `Report`. What it does not tell stays unknown.

use super::facts::{Daily, Trade, Wealth};
use crate::agent::adapters::Resting;
use crate::domain::Decimal;
use crate::protocol::{Position, Report};

/// Puts a report together. `slow` are the facts that are read less often.
pub(super) fn report(trades: &[Trade], slow: &Slow) -> Report {
    let mut positions: Vec<(f64, Position)> = trades.iter().filter_map(position).collect();
    positions.sort_by(|a, b| b.0.total_cmp(&a.0));
    let wealth = slow.wealth.as_ref();
    let stake = wealth.map(|wealth| wealth.stake.clone()).filter(|stake| !stake.is_empty());
    let cash = wealth.and_then(|wealth| wealth.currencies.iter().find(|one| one.currency == wealth.stake)?.free);
    let profits: Option<f64> = trades.iter().map(|trade| trade.profit_abs).sum();
    let resting = resting(trades);
    Report {
        equity: wealth.and_then(|wealth| decimal(wealth.total?)),
        cash: cash.and_then(decimal),
        currency: stake,
        unrealized_pnl: profits.and_then(decimal),
        realized_pnl_day: slow.daily.as_ref().and_then(|daily| decimal(daily.data.first()?.abs_profit?)),
        open_orders: resting.all,
        entry_orders: resting.entry,
        positions: Some(positions.into_iter().map(|(_, position)| position).collect()),
        ..Report::default()
    }
}

/// What rests, its stop-losses at the exchange among all.
pub(super) fn resting(trades: &[Trade]) -> Resting {
    let sum = |of: fn(&Trade) -> u64| Some(trades.iter().map(of).sum());
    Resting { entry: sum(Trade::entry_orders), all: sum(Trade::open_orders) }
}

/// What is read every few reports only, as it costs Freqtrade more.
#[derive(Debug, Default)]
pub(super) struct Slow {
    pub(super) wealth: Option<Wealth>,
    pub(super) daily: Option<Daily>,
}

/// A trade that holds something, and its worth.
fn position(trade: &Trade) -> Option<(f64, Position)> {
    let amount = trade.amount.filter(|amount| *amount > 0.0)?;
    let notional = trade.current_rate.map(|rate| rate * amount);
    let position = Position {
        symbol: trade.pair.clone(),
        side: Some(if trade.is_short { "short" } else { "long" }.to_owned()),
        quantity: decimal(amount),
        notional: notional.and_then(decimal),
        entry_price: trade.open_rate.and_then(price),
        unrealized_pnl: trade.profit_abs.and_then(decimal),
        // Freqtrade tells how many orders rest, not their worth.
        working_notional: None,
    };
    Some((notional.unwrap_or(0.0), position))
}

/// A number as a decimal string of at most eight places: Freqtrade reckons in binary fractions.
pub(super) fn decimal(number: f64) -> Option<String> {
    rounded(number, 8)
}

/// The same of a price: one unit may cost less than the eighth place tells, so that of a small one eight digits are kept wherever they begin.
pub(super) fn price(number: f64) -> Option<String> {
    let places = 7.0 - number.abs().log10().floor();
    rounded(number, if places.is_finite() { places.clamp(8.0, 18.0) as usize } else { 8 })
}

fn rounded(number: f64, places: usize) -> Option<String> {
    Decimal::parse(&format!("{number:.places$}")).map(Decimal::shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded<T: serde::de::DeserializeOwned>(name: &str) -> T {
        let path = format!("{}/tests/freqtrade/recorded/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn the_facts_of_a_real_bot() {
        let slow = Slow { wealth: Some(recorded("balance")), daily: Some(recorded("daily")) };
        let report = report(&recorded::<Vec<Trade>>("status"), &slow);
        assert_eq!((report.entry_orders, report.open_orders), (Some(1), Some(1)));
        assert_eq!(report.equity.as_deref(), Some("10000.1497954"));
        assert_eq!(report.cash.as_deref(), Some("9700.6011154"));
        assert_eq!(report.currency.as_deref(), Some("USDT"));
        assert_eq!(report.unrealized_pnl.as_deref(), Some("-0.34138604"));
        assert_eq!(report.realized_pnl_day.as_deref(), Some("0"));
        let positions = report.positions.unwrap();
        let named: Vec<&str> = positions.iter().map(|position| position.symbol.as_str()).collect();
        assert_eq!(named, ["ETH/USDT", "BTC/USDT"], "what has not filled is no position, the largest comes first");
        assert_eq!(positions[1].quantity.as_deref(), Some("0.00166"));
        assert_eq!(positions[1].notional.as_deref(), Some("99.6760778"));
    }

    #[test]
    fn numbers_are_plain_decimals() {
        for (number, text) in
            [(0.1 + 0.2, "0.3"), (1e-8, "0.00000001"), (1e-12, "0"), (-1e-12, "0"), (2.5e9, "2500000000"), (-3.10, "-3.1")]
        {
            assert_eq!(decimal(number).as_deref(), Some(text));
        }
        assert_eq!(decimal(f64::NAN), None);
        for (number, text) in [(65_000.1, "65000.1"), (0.1 + 0.2, "0.3"), (1.23456789e-10, "0.00000000012345679"), (0.0, "0")] {
            assert_eq!(price(number).as_deref(), Some(text));
        }
        assert_eq!(price(f64::NAN), None);
    }
}
