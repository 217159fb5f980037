//! How numbers, times, durations and ages are written on the pages. Unknown is "—", never 0; a time always says `Z`;
//! a measured value comes with its age or is not shown. Money is text and stays text: nothing here computes with it.
//! Moments are taken as `impl Borrow`, because templates hand over references.

use super::html::{Html, escape};
use crate::domain::{Freshness, Timestamp, Timings};
use std::{borrow::Borrow, fmt};

/// What stands where a value is not known.
pub const UNKNOWN: &str = "—";

/// The number of an entry as people read it: `17`, and `2/17` in the second incarnation of the log.
pub fn entry(number: impl Borrow<u64>) -> String {
    crate::audit::number::words(*number.borrow() as i64)
}

/// True for the first entry of an incarnation.
pub fn is_first_entry(number: impl Borrow<u64>) -> bool {
    crate::audit::number::parts(*number.borrow() as i64).1 == 0
}

/// A count in groups of three: `1,914`.
pub fn count(n: impl Into<i128>) -> String {
    decimal(&n.into().to_string())
}

/// A decimal string in groups of three with a real minus: `-1240500.00` becomes `−1,240,500.00`. What is no number is "—".
pub fn decimal(text: &str) -> String {
    let text = text.trim();
    let (minus, digits) = text.strip_prefix('-').map_or((false, text.strip_prefix('+').unwrap_or(text)), |rest| (true, rest));
    let (whole, part) = digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let is_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || part.is_some_and(|part| !is_digits(part)) {
        return UNKNOWN.to_owned();
    }
    let mut out = String::with_capacity(text.len() + text.len() / 3 + 2);
    if minus && digits.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        out.push('\u{2212}');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(part) = part {
        out.push('.');
        out.push_str(part);
    }
    out
}

/// As [`decimal`], with a sign always: `+80.10`, `−12.25`; zero stays `0.00`.
pub fn signed(text: &str) -> String {
    let plain = decimal(text);
    let is_positive = plain.starts_with(|c: char| c.is_ascii_digit()) && plain.bytes().any(|b| (b'1'..=b'9').contains(&b));
    if is_positive { format!("+{plain}") } else { plain }
}

/// A length of time: `412 ms`, `4.1 s`, `94 s`, `22 min`, `26 h`, `41 days`. Rounded down, so that nothing looks older than it is.
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let s = ms / 1_000;
    match s {
        0 => format!("{ms} ms"),
        1..10 => format!("{s}.{} s", ms % 1_000 / 100),
        10..120 => format!("{s} s"),
        120..7_200 => format!("{} min", s / 60),
        7_200..172_800 => format!("{} h", s / 3_600),
        _ => format!("{} days", s / 86_400),
    }
}

/// How long ago, in whole seconds and coarser: `0 s ago`, `22 min ago`.
pub fn ago(at: impl Borrow<Timestamp>, now: impl Borrow<Timestamp>) -> String {
    let ms = now.borrow().ms_since(*at.borrow()).max(0);
    if ms < 10_000 { format!("{} s ago", ms / 1_000) } else { format!("{} ago", duration(ms)) }
}

/// A moment: `2026-11-23 03:12:07Z`.
pub fn time(at: impl Borrow<Timestamp>) -> Html {
    let at = *at.borrow();
    Html::markup(format!(r#"<time datetime="{}">{}</time>"#, at.rfc3339(), at.plain()))
}

/// A moment with milliseconds: `2026-11-23 03:12:07.120Z`.
pub fn time_ms(at: impl Borrow<Timestamp>) -> Html {
    let at = *at.borrow();
    let text = at.rfc3339();
    Html::markup(format!(r#"<time datetime="{text}">{}</time>"#, text.replace('T', " ")))
}

/// The time of day with seconds, where the day stands nearby: `03:12:07Z`.
pub fn clock(at: impl Borrow<Timestamp>) -> Html {
    let at = *at.borrow();
    let plain = at.plain();
    let time = plain.split_once(' ').map_or(plain.as_str(), |(_, time)| time);
    Html::markup(format!(r#"<time datetime="{}">{time}</time>"#, at.rfc3339()))
}

/// A moment and, under an hour, how long ago; the page keeps the latter true.
pub fn time_ago(at: impl Borrow<Timestamp>, now: impl Borrow<Timestamp>) -> Html {
    let (at, now) = (*at.borrow(), *now.borrow());
    if now.ms_since(at) >= 3_600_000 {
        return time(at);
    }
    Html::markup(format!(r#"<span data-at="{}">{}, <span class="rel">{}</span></span>"#, at.0 / 1_000, time(at), ago(at, now)))
}

/// A moment to come and what is left until then, rounded to the nearest, so that what was made for 24 h a moment ago says so:
/// `2026-11-23 03:13:07Z, in 46 s`.
pub fn time_until(at: impl Borrow<Timestamp>, now: impl Borrow<Timestamp>) -> Html {
    let (at, now) = (*at.borrow(), *now.borrow());
    let left = at.ms_since(now);
    let words = if left > 0 { format!("in {}", nearest(left)) } else { "passed".to_owned() };
    Html::markup(format!(r#"{}, <span data-until="{}">{words}</span>"#, time(at), at.0 / 1_000))
}

fn nearest(ms: i64) -> String {
    let s = (ms + 999) / 1_000;
    let round = |unit: i64| (s + unit / 2) / unit;
    match s {
        ..120 => format!("{s} s"),
        120..7_200 => format!("{} min", round(60)),
        7_200..172_800 => format!("{} h", round(3_600)),
        _ => format!("{} days", round(86_400)),
    }
}

/// How old what a bot's agent said is, and which age is too old for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    at: Option<Timestamp>,
    now: Timestamp,
    timings: Timings,
}

impl Age {
    /// The age of a word heard `at` (none: never heard), judged by the bot's own timings.
    pub fn new(at: Option<Timestamp>, now: Timestamp, timings: Timings) -> Self {
        Self { at, now, timings }
    }
    /// The age of what this server computed itself just now.
    pub fn fresh(now: Timestamp) -> Self {
        Self::new(Some(now), now, Timings::default())
    }
    /// When it was heard.
    pub fn at(&self) -> Option<Timestamp> {
        self.at
    }
    /// How fresh that is.
    pub fn freshness(&self) -> Freshness {
        self.timings.freshness(self.at.map(|at| self.now.ms_since(at)))
    }
    /// The class of the element that holds the values of this age.
    pub fn class(&self) -> &'static str {
        match self.freshness() {
            Freshness::Fresh => "is-fresh",
            Freshness::Late => "is-late",
            Freshness::Stale => "is-stale",
            Freshness::Lapsed => "is-lapsed",
            Freshness::Unknown => "is-unknown",
        }
    }
    /// The attributes beside that class, from which the page keeps the age true: `<tr class="{{ age.class() }}" {{ age.attrs() }}>`.
    pub fn attrs(&self) -> Html {
        let Timings { check_in_ms, stale_after_ms, lapse_after_ms, .. } = self.timings;
        let at = self.at.map(|at| format!(r#"data-at="{}" "#, at.0 / 1_000)).unwrap_or_default();
        Html::markup(format!(r#"{at}data-late="{}" data-stale="{stale_after_ms}" data-lapse="{lapse_after_ms}""#, 2 * check_in_ms))
    }
    /// In words: `2 s ago`, `never`.
    pub fn words(&self) -> String {
        self.at.map_or_else(|| "never".to_owned(), |at| ago(at, self.now))
    }
}

/// Something that can be measured, as the pages write it.
pub trait Shown {
    /// The text.
    fn shown(&self) -> String;
}

macro_rules! shown_counts {
    ($($integer:ty),*) => {$(
        impl Shown for $integer {
            fn shown(&self) -> String {
                decimal(&self.to_string())
            }
        }
    )*};
}
shown_counts!(u32, u64, usize, i32, i64);

/// An amount: a decimal string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount(pub String);

impl Shown for Amount {
    fn shown(&self) -> String {
        decimal(&self.0)
    }
}

/// A gain or loss: a decimal string, shown with its sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gain(pub String);

impl Shown for Gain {
    fn shown(&self) -> String {
        signed(&self.0)
    }
}

/// So many of so many: `37/40`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOf {
    /// How many.
    pub n: usize,
    /// Of how many.
    pub of: usize,
}

impl Shown for OutOf {
    fn shown(&self) -> String {
        format!("{}/{}", self.n.shown(), self.of.shown())
    }
}

impl fmt::Display for OutOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// A measured value with its age. There is no way to show one without the other: a value that has no time is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aged<T> {
    value: Option<T>,
    age: Age,
}

impl<T: Shown> Aged<T> {
    /// A value as it was at the age's moment; none where it was not said.
    pub fn new(value: Option<T>, age: Age) -> Self {
        Self { value: value.filter(|_| age.at.is_some()), age }
    }
    /// Its age.
    pub fn age(&self) -> &Age {
        &self.age
    }
    /// The text: the value, or "—".
    pub fn text(&self) -> String {
        self.value.as_ref().map_or_else(|| UNKNOWN.to_owned(), Shown::shown)
    }
    /// The markup of the value alone, for a cell whose row carries the age's class and attributes.
    pub fn value(&self) -> Html {
        match &self.value {
            Some(value) if value.shown() != UNKNOWN => Html::markup(format!(r#"<span class="v">{}</span>"#, escape(&value.shown()))),
            _ => Html::markup(format!(r#"<span aria-hidden="true">{UNKNOWN}</span><span class="vh">not known</span>"#)),
        }
    }
}

#[cfg(test)]
mod tests;
