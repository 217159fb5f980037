//! Reading of venues' JSON without believing it: booleans that are text, numbers that are text, times in seconds or milliseconds, fields that are
//! missing. Nothing here panics, and what is not plainly there is not there.

use super::{error::VenueError, fact::Tri};
use crate::domain::{Decimal, Timestamp};
use serde_json::Value;

/// A boolean, however the venue writes it: `true`, `"true"`, `1`, `"1"`. Anything else is unknown.
pub(super) fn truth(value: Option<&Value>) -> Tri {
    match value {
        Some(Value::Bool(holds)) => (*holds).into(),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") || text == "1" => Tri::Yes,
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") || text == "0" => Tri::No,
        Some(Value::Number(number)) if number.as_u64() == Some(1) => Tri::Yes,
        Some(Value::Number(number)) if number.as_u64() == Some(0) => Tri::No,
        _ => Tri::Unknown,
    }
}

/// The same, where unknown is none.
pub(super) fn flag(value: Option<&Value>) -> Option<bool> {
    match truth(value) {
        Tri::Yes => Some(true),
        Tri::No => Some(false),
        Tri::Unknown => None,
    }
}

/// Text that is not empty; a whole number counts as text, since venues write ids as either.
pub(super) fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}

/// The texts of a list; none when it is no list, or something in it is no text.
pub(super) fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    value?.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
}

/// The words of a list parted by commas, blanks left out.
pub(super) fn parts(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A decimal number, as text or as a number of JSON. Either may have an exponent or more places than are kept.
pub(super) fn decimal(value: Option<&Value>) -> Option<Decimal> {
    match value? {
        Value::String(text) => Decimal::parse(&without_exponent(text.trim())?),
        Value::Number(number) => Decimal::parse(&without_exponent(&number.to_string())?),
        _ => None,
    }
}

/// `1.5e-7` as `0.00000015`, cut after 18 places.
fn without_exponent(text: &str) -> Option<String> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return Some(cut(text)) };
    let exponent: i32 = exponent.parse().ok().filter(|exponent| (-60..=60).contains(exponent))?;
    let (minus, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let digits = format!("{whole}{part}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let moved = match usize::try_from(point) {
        Ok(0) | Err(_) => format!("0.{}{digits}", "0".repeat(usize::try_from(point.unsigned_abs()).ok()?)),
        Ok(point) if point >= digits.len() => format!("{digits:0<point$}"),
        Ok(point) => format!("{}.{}", digits.get(..point)?, digits.get(point..)?),
    };
    Some(cut(&format!("{minus}{moved}")))
}

/// Digits beyond the eighteenth place are noise of a binary number. What is no digit stays, so that it is no number.
fn cut(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, part)) if part.len() > 18 && part.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{whole}.{}", part.get(..18).unwrap_or(part))
        }
        _ => text.to_owned(),
    }
}

/// A moment in seconds, milliseconds or microseconds since 1970, told by its size. None for zero and less, which venues write for "not set", and for
/// what lies behind the last year.
pub(super) fn moment(value: Option<&Value>) -> Option<Timestamp> {
    let number = match value? {
        Value::String(text) => text.trim().parse::<i64>().ok()?,
        Value::Number(number) => number.as_i64()?,
        _ => return None,
    };
    let at = match number {
        ..=0 => None,
        1..100_000_000_000 => number.checked_mul(1_000_000).map(Timestamp),
        100_000_000_000..100_000_000_000_000 => number.checked_mul(1_000).map(Timestamp),
        // Kept to the millisecond, as every moment is that is written down.
        _ => Some(Timestamp(number / 1_000 * 1_000)),
    };
    at.filter(|at| *at <= Timestamp::LAST)
}

/// What could be read of a list, and why that is not all of it. Who cancels takes what there is and keeps the error; who shows takes the whole.
#[derive(Debug)]
pub(super) struct Listed<T> {
    /// What could be read.
    pub(super) got: Vec<T>,
    /// The first thing that could not.
    pub(super) missed: Option<VenueError>,
}

impl<T> From<Result<Vec<T>, VenueError>> for Listed<T> {
    fn from(brought: Result<Vec<T>, VenueError>) -> Self {
        match brought {
            Ok(got) => Self { got, missed: None },
            Err(error) => Self { got: Vec::new(), missed: Some(error) },
        }
    }
}

impl<T> Listed<T> {
    /// What `read` finds in an answer; nothing, and the error, where there is none.
    pub(super) fn of(brought: Result<Value, VenueError>, read: impl FnOnce(&Value) -> Self) -> Self {
        match brought {
            Ok(answer) => read(&answer),
            Err(error) => Self::from(Err(error)),
        }
    }
    /// All of it.
    ///
    /// # Errors
    /// What was missed.
    pub(super) fn whole(self) -> Result<Vec<T>, VenueError> {
        self.missed.map_or(Ok(self.got), Err)
    }
    /// Adds another list.
    pub(super) fn extend(&mut self, other: Self) {
        self.got.extend(other.got);
        self.missed = self.missed.take().or(other.missed);
    }
    /// Reads each; one that cannot be read is missed and keeps no other from being read.
    pub(super) fn each<U>(self, read: impl Fn(T) -> Result<U, VenueError>) -> Listed<U> {
        let mut all = Listed { got: Vec::with_capacity(self.got.len()), missed: self.missed };
        for one in self.got {
            match read(one) {
                Ok(one) => all.got.push(one),
                Err(error) => all.missed = all.missed.take().or(Some(error)),
            }
        }
        all
    }
}

impl<'a> Listed<&'a Value> {
    /// The objects of a list.
    pub(super) fn rows(value: Option<&'a Value>, what: &str) -> Self {
        let list = value.and_then(Value::as_array).ok_or_else(|| VenueError::unreadable(what));
        Self::from(list.map(|list| list.iter().collect()))
            .each(|one| if one.is_object() { Ok(one) } else { Err(VenueError::unreadable(what)) })
    }
}

/// The objects of a list.
///
/// # Errors
/// `Unknown` when it is no list of objects: a list that is read in part is not read.
pub(super) fn rows<'a>(value: Option<&'a Value>, what: &str) -> Result<Vec<&'a Value>, VenueError> {
    Listed::rows(value, what).whole()
}

/// The name of each row, under one of these spellings.
///
/// # Errors
/// `Unknown` when one has none.
pub(super) fn names<'a>(rows: impl IntoIterator<Item = &'a Value>, spellings: &[&str]) -> Result<Vec<String>, VenueError> {
    let name = |row: &Value| spellings.iter().find_map(|spelling| text(row.get(*spelling)));
    rows.into_iter().map(|row| name(row).ok_or_else(|| VenueError::unreadable("a row without its name"))).collect()
}

/// A text that must be there.
///
/// # Errors
/// `Unknown` when it is not.
pub(super) fn need(row: &Value, name: &str) -> Result<String, VenueError> {
    text(row.get(name)).ok_or_else(|| VenueError::unreadable(name))
}

/// A number that must be there.
///
/// # Errors
/// `Unknown` when it is not.
pub(super) fn need_decimal(row: &Value, name: &str) -> Result<Decimal, VenueError> {
    decimal(row.get(name)).ok_or_else(|| VenueError::unreadable(name))
}

/// The value under one of two spellings.
pub(super) fn either<'a>(row: &'a Value, one: &str, other: &str) -> Option<&'a Value> {
    row.get(one).or_else(|| row.get(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_boolean_may_be_text_and_nothing_else_is_one() {
        for yes in [json!(true), json!("true"), json!("True"), json!(1), json!("1")] {
            assert_eq!(truth(Some(&yes)), Tri::Yes, "{yes}");
        }
        for no in [json!(false), json!("false"), json!(0), json!("0")] {
            assert_eq!(truth(Some(&no)), Tri::No, "{no}");
        }
        for neither in [json!(null), json!("yes"), json!(""), json!(2), json!(-1), json!([true]), json!(1.0)] {
            assert_eq!(truth(Some(&neither)), Tri::Unknown, "{neither}");
        }
        assert_eq!(truth(None), Tri::Unknown);
    }

    #[test]
    fn seconds_milliseconds_and_microseconds_are_told_by_size() {
        let at = Some(Timestamp(1_700_000_010_000_000));
        for said in [json!("1700000010"), json!(1_700_000_010_000_i64), json!("1700000010000"), json!(1_700_000_010_000_000_i64)] {
            assert_eq!(moment(Some(&said)), at, "{said}");
        }
        for none in
            [json!("0"), json!(0), json!(-1), json!(""), json!("soon"), json!(null), json!(253_402_207_200_001_000_i64), json!(i64::MAX)]
        {
            assert_eq!(moment(Some(&none)), None, "{none}");
        }
    }

    #[test]
    fn a_number_with_an_exponent_is_the_same_number() {
        let read = |text: &str| decimal(Some(&serde_json::from_str(text).unwrap())).map(Decimal::shortest);
        assert_eq!(read("1.5e-7").as_deref(), Some("0.00000015"));
        assert_eq!(read("-2.5E3").as_deref(), Some("-2500"));
        assert_eq!(read("0.1").as_deref(), Some("0.1"));
        assert_eq!(read("12.345e1").as_deref(), Some("123.45"));
        assert_eq!(read("\"-0.010\"").as_deref(), Some("-0.01"));
        assert_eq!(read("\"1.5e-7\"").as_deref(), Some("0.00000015"), "text is read as a number is");
        assert_eq!(read("\"0.1234567890123456789\"").as_deref(), Some("0.123456789012345678"));
        for none in ["\"e5\"", "\"-e5\"", "\".e1\"", "\"0.123456789012345678x\"", "\"1x2e1\"", "\"1e\""] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(read("1e300"), None);
        assert_eq!(read("\"NaN\""), None);
    }

    proptest! {
        #[test]
        fn any_float_is_read_or_not_and_never_ends_the_program(number in any::<f64>()) {
            if let Some(read) = decimal(Some(&json!(number))) {
                prop_assert!((read.approximately() - number).abs() <= number.abs() * 1e-9 + 1e-9);
            }
        }
    }
}
