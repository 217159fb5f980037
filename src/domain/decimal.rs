//! Decimal numbers as money comes on the wire: text in, text out, exact in between. No floats; what cannot be held exactly is not a number.

/// Digits kept behind the point.
const PLACES: usize = 18;
/// One.
pub(super) const UNIT: i128 = 1_000_000_000_000_000_000;

/// A decimal number of at most 20 digits before the point and 18 behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Decimal(i128);

impl Decimal {
    /// The smallest number above zero.
    pub const SMALLEST: Self = Self(1);
    /// Reads `-1240500.00`. None for anything else, and for what has too many digits.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole) || !is_digits(part) || whole.len() > 20 || part.len() > PLACES {
            return None;
        }
        let whole: i128 = whole.parse().ok()?;
        let part: i128 = format!("{part:0<PLACES$}").parse().ok()?;
        let value = whole.checked_mul(UNIT)?.checked_add(part)?;
        Some(Self(if negative { -value } else { value }))
    }
    /// Without its sign.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }
    /// Half of it, towards zero in the last place.
    #[must_use]
    pub fn half(self) -> Self {
        Self(self.0 / 2)
    }
    /// The sum; stays at the largest number there is rather than wrap.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
    /// The difference; stays at the smallest or largest number there is rather than wrap.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
    /// A whole number.
    pub fn whole(number: u64) -> Self {
        Self(i128::from(number).saturating_mul(UNIT))
    }
    /// So many of so many, as a share of one; none of none at all.
    pub fn share(part: u64, of: u64) -> Option<Self> {
        (of > 0).then(|| Self(i128::from(part).saturating_mul(UNIT) / i128::from(of)))
    }
    /// With so many places behind the point, at most 18, rounded half away from zero.
    pub fn fixed(self, places: usize) -> String {
        let places = places.min(PLACES);
        let step = 10_i128.pow(u32::try_from(PLACES - places).unwrap_or_default());
        let rounded = self.0.unsigned_abs().saturating_add(step.unsigned_abs() / 2) / step.unsigned_abs();
        let digits = format!("{rounded:0>width$}", width = places + 1);
        let (whole, part) = digits.split_at(digits.len() - places);
        let minus = if self.0 < 0 && rounded > 0 { "-" } else { "" };
        if places == 0 { format!("{minus}{whole}") } else { format!("{minus}{whole}.{part}") }
    }
    /// With as many places behind the point as it has.
    pub fn shortest(self) -> String {
        let whole = self.fixed(PLACES);
        whole.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
    /// In units of the last place, of which `UNIT` are one.
    pub(super) fn units(self) -> i128 {
        self.0
    }
    /// Roughly, for drawing.
    pub fn approximately(self) -> f64 {
        self.0 as f64 / UNIT as f64
    }
}

impl serde::Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.shortest())
    }
}

impl<'de> serde::Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a decimal number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn what_is_read_is_written_again_to_the_last_digit() {
        assert_eq!(read("0.1").plus(read("0.2")), read("0.3"));
        assert_eq!(read("-1240500.005").fixed(2), "-1240500.01");
        assert_eq!(read("0.000000000000000001").fixed(18), "0.000000000000000001");
        assert_eq!(read("-0.004").fixed(2), "0.00");
        assert_eq!(read("16250").fixed(0), "16250");
        assert_eq!((read("104.50").shortest(), read("100").shortest()), ("104.5".into(), "100".into()));
        assert_eq!(read("-3.5").abs().fixed(1), "3.5");
        assert_eq!((read("1").minus(read("2.5")), Decimal::whole(7)), (read("-1.5"), read("7")));
        assert_eq!((Decimal::share(1, 8), Decimal::share(0, 0)), (Some(read("0.125")), None));
    }

    #[test]
    fn what_is_no_plain_decimal_is_no_number() {
        for text in ["", "-", ".5", "5.", "1e3", "NaN", "inf", "1,000", "0x1", "1.0000000000000000001", "123456789012345678901"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn sums_are_those_of_whole_cents(a in -1_000_000_000_i64..1_000_000_000, b in -1_000_000_000_i64..1_000_000_000) {
            let cents = |n: i64| Decimal::parse(&format!("{}{}.{:02}", if n < 0 { "-" } else { "" }, n.abs() / 100, n.abs() % 100)).unwrap();
            prop_assert_eq!(cents(a).plus(cents(b)), cents(a + b));
            prop_assert_eq!(cents(a) < cents(b), a < b);
        }
    }
}
