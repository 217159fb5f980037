//! What a bot showed of itself since it was let into its stage, as its reports told it: orders, rejects, errors, latency and slippage. Kept as sums
//! and extremes, so that a month takes one row. It is evidence for people, and judges nothing.

use crate::domain::{BotId, Decimal, RequestId, Timestamp};

/// A number that was reported again and again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    /// How often it was reported.
    pub n: i64,
    /// The sum of what was reported.
    pub sum: i64,
    /// The largest.
    pub most: i64,
}

impl Spread {
    /// Of one report.
    pub fn of(value: Option<i64>) -> Self {
        value.map_or_else(Self::default, |value| Self { n: 1, sum: value, most: value })
    }
    /// Takes more in.
    pub fn add(&mut self, more: Self) {
        if more.n == 0 {
            return;
        }
        self.most = if self.n == 0 { more.most } else { self.most.max(more.most) };
        self.n = self.n.saturating_add(more.n);
        self.sum = self.sum.saturating_add(more.sum);
    }
    /// The mean; none: it was never reported.
    pub fn mean(self) -> Option<i64> {
        (self.n > 0).then(|| self.sum / self.n.max(1))
    }
}

/// Counters of a bot, which begin at 0 whenever it does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Orders sent.
    pub orders: i64,
    /// Orders that the venue refused.
    pub rejects: i64,
    /// Errors.
    pub errors: i64,
}

impl Counted {
    /// How many more than before. A counter that fell has begun anew: all of it is more.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let more = |now: i64, before: i64| if now >= before { now - before } else { now };
        Self {
            orders: more(self.orders, before.orders),
            rejects: more(self.rejects, before.rejects),
            errors: more(self.errors, before.errors),
        }
    }
}

/// What reports told of one bot under one approval.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// How many reports.
    pub reports: i64,
    /// What was counted.
    pub counted: Counted,
    /// Latency to the venue, milliseconds.
    pub latency: Spread,
    /// Slippage, thousandths of a basis point.
    pub slippage: Spread,
    /// When the first of them came.
    pub first_at: Option<Timestamp>,
    /// And the last.
    pub last_at: Option<Timestamp>,
}

/// Whose results: a bot's, under one approval.
pub type Under = (BotId, RequestId);

/// Slippage in thousandths of a basis point; none: no number, or one that nobody could mean.
pub fn thousandths(slippage: &str) -> Option<i64> {
    let number = Decimal::parse(slippage)?;
    number.fixed(3).replace('.', "").parse().ok().filter(|number: &i64| number.abs() < 1_000_000_000)
}

impl Results {
    /// Takes more in.
    pub fn add(&mut self, more: &Self) {
        self.reports = self.reports.saturating_add(more.reports);
        self.counted.orders = self.counted.orders.saturating_add(more.counted.orders);
        self.counted.rejects = self.counted.rejects.saturating_add(more.counted.rejects);
        self.counted.errors = self.counted.errors.saturating_add(more.counted.errors);
        self.latency.add(more.latency);
        self.slippage.add(more.slippage);
        self.first_at = self.first_at.into_iter().chain(more.first_at).min();
        self.last_at = self.last_at.into_iter().chain(more.last_at).max();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_counter_that_fell_has_begun_anew() {
        let counted = |orders, rejects, errors| Counted { orders, rejects, errors };
        assert_eq!(counted(12, 3, 0).since(counted(10, 3, 0)), counted(2, 0, 0));
        assert_eq!(counted(4, 0, 1).since(counted(10, 3, 0)), counted(4, 0, 1), "the bot was started again");
    }

    #[test]
    fn slippage_is_read_exactly_or_not_at_all() {
        let read = [("1.5", Some(1_500)), ("-0.25", Some(-250)), ("0", Some(0)), ("much", None), ("1000000000", None)];
        for (text, expected) in read {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }

    proptest! {
        /// In whichever order and however divided reports are summed, by one server or several: the same comes out.
        #[test]
        fn sums_do_not_hang_on_who_adds_what(values in prop::collection::vec((0i64..10_000, -5_000i64..5_000), 1..40), at in any::<prop::sample::Index>()) {
            let one = |(n, (latency, slippage)): (usize, &(i64, i64))| Results {
                reports: 1,
                latency: Spread::of(Some(*latency)),
                slippage: Spread::of(Some(*slippage)),
                first_at: Some(Timestamp(n as i64)),
                last_at: Some(Timestamp(n as i64)),
                ..Results::default()
            };
            let all: Vec<Results> = values.iter().enumerate().map(one).collect();
            let sum = |some: &[Results]| {
                let mut sum = Results::default();
                some.iter().for_each(|one| sum.add(one));
                sum
            };
            let (left, right) = all.split_at(at.index(all.len()));
            let mut parted = sum(right);
            parted.add(&sum(left));
            prop_assert_eq!(&parted, &sum(&all));
            prop_assert_eq!(parted.latency.most, values.iter().map(|(latency, _)| *latency).max().unwrap());
            prop_assert_eq!(parted.latency.mean().unwrap(), values.iter().map(|(latency, _)| *latency).sum::<i64>() / values.len() as i64);
        }
    }
}
