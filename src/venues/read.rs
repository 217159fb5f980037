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

/// A decimal number, as text or as a number of JSON, which may have an exponent.
pub(super) fn decimal(value: Option<&Value>) -> Option<Decimal> {
    match value? {
        Value::String(text) => Decimal::parse(text),
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
    let moved = match usize::try_from(point) {
        Ok(0) | Err(_) => format!("0.{}{digits}", "0".repeat(usize::try_from(point.unsigned_abs()).ok()?)),
        Ok(point) if point >= digits.len() => format!("{digits:0<point$}"),
        Ok(point) => format!("{}.{}", digits.get(..point)?, digits.get(point..)?),
    };
    Some(cut(&format!("{minus}{moved}")))
}

/// Digits beyond the eighteenth place are noise of a binary number.
fn cut(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, part)) if part.len() > 18 => format!("{whole}.{}", part.get(..18).unwrap_or(part)),
        _ => text.to_owned(),
    }
}

/// A moment in seconds, milliseconds or microseconds since 1970, told by its size. None for zero and less, which venues write for "not set".
pub(super) fn moment(value: Option<&Value>) -> Option<Timestamp> {
    let number = match value? {
        Value::String(text) => text.trim().parse::<i64>().ok()?,
        Value::Number(number) => number.as_i64()?,
        _ => return None,
    };
    match number {
        ..=0 => None,
        1..100_000_000_000 => number.checked_mul(1_000_000).map(Timestamp),
        100_000_000_000..100_000_000_000_000 => number.checked_mul(1_000).map(Timestamp),
        _ => Some(Timestamp(number)),
    }
}

/// The objects of a list.
///
/// # Errors
/// `Unknown` when it is no list of objects: a list that is read in part is not read.
pub(super) fn rows<'a>(value: Option<&'a Value>, what: &str) -> Result<Vec<&'a Value>, VenueError> {
    let list = value.and_then(Value::as_array).ok_or_else(|| VenueError::unreadable(what))?;
    if list.iter().all(Value::is_object) { Ok(list.iter().collect()) } else { Err(VenueError::unreadable(what)) }
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
        for none in [json!("0"), json!(0), json!(-1), json!(""), json!("soon"), json!(null)] {
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
