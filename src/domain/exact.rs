//! Sums and products of decimal numbers to the last digit: a price of 18 places times a quantity of 18 places has 36. No floats, no rounding.

use super::decimal::{Decimal, UNIT};

/// Places behind the point.
const PLACES: usize = 36;
/// One, in units of the last place.
const ONE: u128 = 1_000_000_000_000_000_000_000_000_000_000_000_000;

/// A number with 36 places behind the point: what stands before it, rounded down, and the rest, which is never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Exact {
    whole: i128,
    rest: u128,
}

impl Exact {
    /// The product of two numbers, without their signs. None when it is too large to be held: neither may have more than 18 digits before the
    /// point.
    pub fn product(a: Decimal, b: Decimal) -> Option<Self> {
        let unit = UNIT.unsigned_abs();
        let parts = |number: Decimal| {
            let units = number.units().unsigned_abs();
            (units / unit, units % unit)
        };
        let ((a, a_rest), (b, b_rest)) = (parts(a), parts(b));
        if a >= unit || b >= unit {
            return None;
        }
        let middle = a * b_rest + a_rest * b;
        let rest = (middle % unit) * unit + a_rest * b_rest;
        let whole = a * b + middle / unit + rest / ONE;
        Some(Self { whole: i128::try_from(whole).ok()?, rest: rest % ONE })
    }

    /// The sum; stays at the largest or smallest number there is rather than wrap.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let rest = self.rest + other.rest;
        let carried = i128::from(rest >= ONE);
        Self { whole: self.whole.saturating_add(other.whole).saturating_add(carried), rest: rest % ONE }
    }

    /// With as many places behind the point as it has.
    pub fn shortest(self) -> String {
        // A negative number is held as the whole number below it and what is added to that.
        let (minus, whole, rest) = match (self.whole < 0, self.rest) {
            (true, 0) => ("-", self.whole.unsigned_abs(), 0),
            (true, rest) => ("-", self.whole.unsigned_abs() - 1, ONE - rest),
            (false, rest) => ("", self.whole.unsigned_abs(), rest),
        };
        let text = format!("{minus}{whole}.{rest:0>PLACES$}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl From<Decimal> for Exact {
    fn from(number: Decimal) -> Self {
        let rest = number.units().rem_euclid(UNIT).unsigned_abs();
        Self { whole: number.units().div_euclid(UNIT), rest: rest * UNIT.unsigned_abs() }
    }
}

impl serde::Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.shortest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn product(a: &str, b: &str) -> String {
        Exact::product(read(a), read(b)).unwrap().shortest()
    }

    #[test]
    fn products_keep_every_digit() {
        assert_eq!(product("0.1", "0.2"), "0.02");
        assert_eq!(product("65000.5", "0.25"), "16250.125");
        assert_eq!(product("0.000000000000000001", "0.000000000000000001"), format!("0.{}1", "0".repeat(35)));
        assert_eq!(product("0.999999999999999999", "0.999999999999999999"), "0.999999999999999998000000000000000001");
        assert_eq!(product("999999999999999999", "999999999999999999"), "999999999999999998000000000000000001");
        assert_eq!(product("0", "5"), "0");
        assert_eq!(Exact::product(read("1000000000000000000"), read("1")), None, "too large is no number rather than a wrong one");
    }

    #[test]
    fn sums_go_below_zero_and_back() {
        let sum = |all: &[&str]| all.iter().fold(Exact::default(), |sum, one| sum.plus(read(one).into())).shortest();
        assert_eq!(sum(&["0.1", "0.2"]), "0.3");
        assert_eq!(sum(&["-0.25"]), "-0.25");
        assert_eq!(sum(&["-0.25", "-0.75"]), "-1");
        assert_eq!(sum(&["-1.5", "2"]), "0.5");
        assert_eq!(sum(&[]), "0");
    }

    proptest! {
        #[test]
        fn a_decimal_reads_as_it_was(units in -1_000_000_000_000_000_i64..1_000_000_000_000_000) {
            let text = format!("{}{}.{:06}", if units < 0 { "-" } else { "" }, units.abs() / 1_000_000, units.abs() % 1_000_000);
            prop_assert_eq!(Exact::from(read(&text)).shortest(), read(&text).shortest());
        }

        #[test]
        fn products_are_those_of_whole_numbers(a in 0_u64..4_000_000_000, b in 0_u64..4_000_000_000) {
            let cents = |n: u64| read(&format!("{}.{:02}", n / 100, n % 100));
            let whole = u128::from(a) * u128::from(b);
            let text = format!("{}.{:04}", whole / 10_000, whole % 10_000);
            let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
            prop_assert_eq!(Exact::product(cents(a), cents(b)).unwrap().shortest(), text);
        }
    }
}
