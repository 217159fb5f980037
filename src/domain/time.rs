//! Moments and the epoch. A `Timestamp` is microseconds since 1970 UTC; a `Clock` is an argument, so that tests move it by hand.

use std::{fmt, sync::Arc};

/// A day, milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The first moment that can be written as text, in the year -9999; what is earlier is written as this.
    pub const FIRST: Self = Self(-377_705_023_201_000_000);
    /// The last moment that can be written as text, at the end of the year 9999; what is later is written as this.
    pub const LAST: Self = Self(253_402_207_200_000_000);

    /// This moment moved by so many milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000)))
    }
    /// Milliseconds from `earlier` to this moment; negative when it lies before.
    pub fn ms_since(self, earlier: Self) -> i64 {
        (self.0 - earlier.0) / 1_000
    }
    /// RFC 3339 in UTC with milliseconds: `2026-11-23T03:12:07.120Z`.
    pub fn rfc3339(self) -> String {
        self.render(3)
    }
    /// RFC 3339 in UTC with microseconds, the form of the audit log.
    pub fn rfc3339_micros(self) -> String {
        self.render(6)
    }
    /// For people: `2026-11-23 03:12:07Z`.
    pub fn plain(self) -> String {
        self.render(0).replace('T', " ")
    }
    /// Time of day with milliseconds: `03:12:07.120Z`.
    pub fn time_of_day(self) -> String {
        let text = self.rfc3339();
        text.split_once('T').map_or_else(|| text.clone(), |(_, time)| time.to_owned())
    }
    fn render(self, digits: u8) -> String {
        let moment = jiff::Timestamp::from_microsecond(self.clamp(Self::FIRST, Self::LAST).0).unwrap_or_default();
        let printer = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(digits));
        printer.timestamp_to_string(&moment)
    }
    /// Reads RFC 3339 (any offset).
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_microsecond()))
    }
    /// Reads a day, `2026-11-23`, as its first moment in UTC.
    pub fn parse_day(text: &str) -> Option<Self> {
        Self::parse(&format!("{}T00:00:00Z", text.trim()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.rfc3339())
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

/// The installation's counter: every fact that changes what a bot may do takes the next number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

impl Epoch {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the time comes from.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
        Self(Arc::new(|| Timestamp(jiff::Timestamp::now().as_microsecond())))
    }
    /// A clock that answers what `read` answers; tests hold the other end.
    pub fn from_fn(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn what_lies_beyond_the_years_is_written_as_the_last_of_them_and_never_as_1970() {
        assert_eq!(Timestamp::LAST.rfc3339(), "9999-12-30T22:00:00.000Z");
        assert_eq!(Timestamp::FIRST.rfc3339(), "-009999-01-02T01:59:59.000Z");
        for at in [Timestamp::LAST, Timestamp::FIRST] {
            assert_eq!(Timestamp::parse(&at.rfc3339_micros()), Some(at));
        }
        assert_eq!(Timestamp(i64::MAX).plain(), Timestamp::LAST.plain());
        assert_eq!(Timestamp(i64::MIN).plain(), Timestamp::FIRST.plain());
    }
}
