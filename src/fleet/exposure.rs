//! What a bot's report says it has at stake. Absent is unknown, never zero; money in different currencies is never added up.

use crate::domain::{Decimal, Timestamp};
use crate::protocol::Report;
use std::collections::{BTreeMap, VecDeque};

/// How long one point of a trail stands for.
const POINT_MS: i64 = 10_000;
/// How many points a trail keeps: ten minutes.
pub const POINTS: usize = 60;

/// An amount in a currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// How much.
    pub amount: Decimal,
    /// Of what; empty when the report does not say.
    pub currency: String,
}

/// The sum of the worth of every position, without signs, those that are summed in the rest included. None when the report does not list
/// positions, or one without a readable worth.
pub fn gross(report: &Report) -> Option<Money> {
    let worth = report.positions.as_ref()?.iter().map(|position| Decimal::parse(position.notional.as_deref()?).map(Decimal::abs));
    let listed = worth.collect::<Option<Vec<Decimal>>>()?.into_iter().fold(Decimal::default(), Decimal::plus);
    let amount = match report.positions_rest.as_ref().filter(|rest| rest.count > 0) {
        Some(rest) => listed.plus(Decimal::parse(rest.notional.as_deref()?)?.abs()),
        None => listed,
    };
    Some(Money { amount, currency: report.currency.clone().unwrap_or_default() })
}

/// Money added up, each currency by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purse {
    /// What there is of each currency.
    pub sums: BTreeMap<String, Decimal>,
    /// How many were left out because what they have is not known, or not known any more.
    pub without: usize,
}

impl Purse {
    /// Adds one; none counts as left out.
    pub fn add(&mut self, money: Option<&Money>) {
        match money {
            Some(money) => {
                let sum = self.sums.entry(money.currency.clone()).or_default();
                *sum = sum.plus(money.amount);
            }
            None => self.without += 1,
        }
    }
    /// Adds another purse.
    pub fn join(&mut self, other: &Self) {
        for (currency, amount) in &other.sums {
            let sum = self.sums.entry(currency.clone()).or_default();
            *sum = sum.plus(*amount);
        }
        self.without += other.without;
    }
}

/// The course of a bot's exposure: one value per ten seconds, the last ten minutes. Memory only.
#[derive(Debug, Clone, Default)]
pub struct Trail(VecDeque<(i64, f64)>);

impl Trail {
    /// Notes a value; a later one in the same ten seconds replaces it.
    pub fn note(&mut self, value: Decimal, at: Timestamp) {
        let point = at.0.div_euclid(POINT_MS * 1_000);
        if self.0.back().is_some_and(|(last, _)| *last >= point) {
            self.0.pop_back();
        }
        self.0.push_back((point, value.approximately()));
        while self.0.len() > POINTS {
            self.0.pop_front();
        }
    }
    /// The points up to now, oldest first, none where nothing was said. Empty when nothing was said in all that time.
    pub fn points(&self, now: Timestamp) -> Vec<Option<f64>> {
        let end = now.0.div_euclid(POINT_MS * 1_000);
        let begin = end - POINTS as i64 + 1;
        if self.0.back().is_none_or(|(last, _)| *last < begin) {
            return Vec::new();
        }
        (begin..=end).map(|point| self.0.iter().find(|(at, _)| *at == point).map(|(_, value)| *value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::check_in::Position;

    fn report(worth: &[Option<&str>]) -> Report {
        let position = |notional: &Option<&str>| Position { notional: notional.map(str::to_owned), ..Position::default() };
        Report { positions: Some(worth.iter().map(position).collect()), currency: Some("USDT".into()), ..Report::default() }
    }

    #[test]
    fn long_and_short_add_up_and_what_is_not_known_is_not_zero() {
        assert_eq!(gross(&report(&[Some("16250.00"), Some("-250.5")])).unwrap().amount.fixed(2), "16500.50");
        assert_eq!(gross(&report(&[])).unwrap().amount.fixed(2), "0.00");
        assert_eq!(gross(&report(&[Some("16250.00"), None])), None);
        assert_eq!(gross(&report(&[Some("lots")])), None);
        assert_eq!(gross(&Report::default()), None);
    }

    #[test]
    fn currencies_stay_apart_and_what_is_left_out_is_counted() {
        let money = |amount: &str, currency: &str| Money { amount: Decimal::parse(amount).unwrap(), currency: currency.into() };
        let mut purse = Purse::default();
        for money in [Some(money("1.5", "BTC")), Some(money("2", "USDT")), None, Some(money("3", "USDT"))] {
            purse.add(money.as_ref());
        }
        let sums: Vec<_> = purse.sums.iter().map(|(currency, sum)| (currency.as_str(), sum.fixed(1))).collect();
        assert_eq!((sums, purse.without), (vec![("BTC", "1.5".into()), ("USDT", "5.0".into())], 1));
    }

    #[test]
    fn a_trail_has_gaps_where_nothing_was_said() {
        let start = Timestamp(1_795_403_520_000_000);
        let mut trail = Trail::default();
        let one = Decimal::parse("1").unwrap();
        trail.note(one, start);
        trail.note(one.plus(one), start.plus_ms(2_000));
        trail.note(one, start.plus_ms(30_000));
        let points = trail.points(start.plus_ms(41_000));
        assert_eq!(points.len(), POINTS);
        assert_eq!(&points[POINTS - 6..], [None, Some(2.0), None, None, Some(1.0), None]);
        assert!(trail.points(start.plus_ms(3_600_000)).is_empty());
    }
}
