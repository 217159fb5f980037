//! Trading hours: windows of the week in UTC. Kept as minutes of the week, so that two sets of windows are compared and cut by arithmetic.

use crate::domain::Timestamp;
use serde_json::{Value, json};

const DAY: u16 = 24 * 60;
const WEEK: u16 = 7 * DAY;

/// Windows of the week: disjoint, in order, minutes from Monday 00:00 UTC; the end is not within.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hours(Vec<(u16, u16)>);

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let is_two = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    let (hours, minutes) = (is_two(hours).then_some(hours)?.parse::<u16>().ok()?, is_two(minutes).then_some(minutes)?.parse::<u16>().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY).then_some(minute)
}

fn days(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let day = |text: &str| text.parse::<u16>().ok().filter(|day| (1..=7).contains(day));
    let (first, last) = (day(first)?, day(last)?);
    (first <= last).then_some((first - 1, last - 1))
}

/// First and last of some days that have the same windows, and those windows, from and to.
type Days = (u16, u16, Vec<(u16, u16)>);

impl Hours {
    /// Reads what people type: `1-5 08:00-16:30; 6 10:00-12:00`, days from Monday. A window that ends before it begins ends on the next day.
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (on, hours) = part.split_once(' ')?;
            let (from, to) = hours.trim().split_once('-')?;
            add(&mut all, (on, from, to))?;
        }
        (!all.is_empty()).then(|| Self::joined(all))
    }

    /// Reads the protocol's form; an empty list is never.
    pub fn of_value(value: &Value) -> Option<Self> {
        let mut all = Vec::new();
        for window in value.as_array()? {
            let text = |name: &str| window.get(name).and_then(Value::as_str);
            add(&mut all, (text("days")?, text("from")?, text("to")?))?;
        }
        Some(Self::joined(all))
    }

    fn joined(mut all: Vec<(u16, u16)>) -> Self {
        all.retain(|(from, to)| from < to);
        all.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(all.len());
        for (from, to) in all {
            match joined.last_mut().filter(|last| last.1 >= from) {
                Some(last) => last.1 = last.1.max(to),
                None => joined.push((from, to)),
            }
        }
        Self(joined)
    }

    /// What lies within both.
    #[must_use]
    pub fn both(&self, other: &Self) -> Self {
        let cut = |a: &(u16, u16)| other.0.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))).collect::<Vec<_>>();
        Self::joined(self.0.iter().flat_map(cut).collect())
    }

    /// True when none of it lies outside of the other.
    pub fn is_within(&self, other: &Self) -> bool {
        self.both(other) == *self
    }

    /// True at this moment.
    pub fn is_open(&self, at: Timestamp) -> bool {
        // 1970-01-01 was a Thursday.
        let minutes = at.0.div_euclid(60_000_000) + 3 * i64::from(DAY);
        let minute = u16::try_from(minutes.rem_euclid(i64::from(WEEK))).unwrap_or_default();
        self.0.iter().any(|(from, to)| (*from..*to).contains(&minute))
    }

    /// Days that have the same windows, from and to, with those windows.
    fn by_days(&self) -> Vec<Days> {
        let mut all: Vec<Days> = Vec::new();
        for day in 0..7 {
            let start = day * DAY;
            let within = |(from, to): &(u16, u16)| (from.max(&start) - start, (*to).min(start + DAY).max(start) - start);
            let windows: Vec<(u16, u16)> = self.0.iter().map(within).filter(|(from, to)| from < to).collect();
            match all.last_mut().filter(|(_, last, same)| *last + 1 == day && *same == windows) {
                Some(group) => group.1 = day,
                None if windows.is_empty() => {}
                None => all.push((day, day, windows)),
            }
        }
        all
    }

    fn windows(&self) -> Vec<(String, String, String)> {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let name = |first: u16, last: u16| if first == last { format!("{}", first + 1) } else { format!("{}-{}", first + 1, last + 1) };
        let each = |(first, last, windows): Days| {
            windows.into_iter().map(move |(from, to)| (name(first, last), clock(from), clock(to))).collect::<Vec<_>>()
        };
        self.by_days().into_iter().flat_map(each).collect()
    }

    /// The protocol's form.
    pub fn value(&self) -> Value {
        self.windows().into_iter().map(|(days, from, to)| json!({"days": days, "from": from, "to": to})).collect()
    }

    /// As people type it.
    pub fn words(&self) -> String {
        let all: Vec<String> = self.windows().into_iter().map(|(days, from, to)| format!("{days} {from}-{to}")).collect();
        if all.is_empty() { "never".to_owned() } else { all.join("; ") }
    }
}

/// Adds the windows of a line; none: it cannot be read.
fn add(all: &mut Vec<(u16, u16)>, (on, from, to): (&str, &str, &str)) -> Option<()> {
    let ((first, last), from, to) = (days(on.trim())?, minute(from.trim())?, minute(to.trim())?);
    for day in first..=last {
        let start = day * DAY;
        if from < to {
            all.push((start + from, start + to));
        } else {
            let next = (start + DAY) % WEEK;
            all.extend([(start + from, start + DAY), (next, next + to)]);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn hours_are_those_of_utc_and_may_pass_midnight() {
        let hours = Hours::parse("1-5 08:00-16:30; 7 22:00-02:00").unwrap();
        // 2026-11-23 is a Monday.
        assert!(hours.is_open(at("2026-11-23T08:00:00Z")) && !hours.is_open(at("2026-11-23T16:30:00Z")));
        assert!(hours.is_open(at("2026-11-29T23:00:00Z")) && hours.is_open(at("2026-11-30T01:59:00Z")), "Sunday night ends on Monday");
        assert!(!hours.is_open(at("2026-11-28T12:00:00Z")));
        assert_eq!(Hours::of_value(&hours.value()), Some(hours.clone()));
        let always = Hours::of_value(&json!([{"days": "1-7", "from": "00:00", "to": "24:00"}])).unwrap();
        assert_eq!((always.words().as_str(), hours.is_within(&always), always.is_within(&hours)), ("1-7 00:00-24:00", true, false));
        for bad in ["", "8 00:00-01:00", "5-1 00:00-01:00", "1 25:00-26:00", "1 00:60-02:00", "1 8-16", "mon 08:00-09:00"] {
            assert_eq!(Hours::parse(bad), None, "{bad}");
        }
        assert_eq!(Hours::of_value(&json!([])).map(|never| never.words()), Some("never".to_owned()));
    }

    proptest! {
        #[test]
        fn what_lies_within_both_is_open_in_both(a in windows(), b in windows(), minute in 0i64..10_080) {
            let moment = Timestamp(minute * 60_000_000);
            prop_assert_eq!(a.both(&b).is_open(moment), a.is_open(moment) && b.is_open(moment));
            prop_assert!(a.both(&b).is_within(&a));
            prop_assert_eq!(Hours::of_value(&a.value()), Some(a));
        }
    }

    fn windows() -> impl Strategy<Value = Hours> {
        prop::collection::vec((0u16..WEEK, 0u16..3_000), 0..5)
            .prop_map(|all| Hours::joined(all.into_iter().map(|(from, long)| (from, (from + long).min(WEEK))).collect()))
    }
}
