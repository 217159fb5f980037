//! Unknown is never 0, every time says Z, digits are never lost.

use super::*;
use proptest::prelude::*;

const NOON: Timestamp = Timestamp(1_795_403_527_120_000);

#[test]
fn numbers_are_grouped_and_signed() {
    assert_eq!(decimal("1240500.00"), "1,240,500.00");
    assert_eq!(decimal("-12.25"), "\u{2212}12.25");
    assert_eq!(decimal("-0.00"), "0.00");
    assert_eq!(decimal("999"), "999");
    assert_eq!(signed("80.10"), "+80.10");
    assert_eq!(signed("0.00"), "0.00");
    assert_eq!(signed("-1000"), "\u{2212}1,000");
    assert_eq!(count(1_914), "1,914");
    for text in ["", "NaN", "1e9", "1.", ".5", "--1", "1,000", "inf"] {
        assert_eq!(decimal(text), UNKNOWN, "{text:?}");
    }
}

#[test]
fn durations_use_the_unit_a_person_would() {
    let shown = [
        (0, "0 ms"),
        (412, "412 ms"),
        (4_149, "4.1 s"),
        (94_000, "94 s"),
        (1_320_000, "22 min"),
        (93_600_000, "26 h"),
        (3_542_400_000, "41 days"),
    ];
    for (ms, text) in shown {
        assert_eq!(duration(ms), text);
    }
    assert_eq!(duration(-5), "0 ms");
}

#[test]
fn a_moment_is_utc_and_relative_only_beside_it_and_under_an_hour() {
    assert_eq!(time(NOON).as_str(), r#"<time datetime="2026-11-23T03:12:07.120Z">2026-11-23 03:12:07Z</time>"#);
    assert!(time_ms(NOON).as_str().contains(">2026-11-23 03:12:07.120Z<"));
    assert!(clock(NOON).as_str().contains(">03:12:07Z<"));
    let near = time_ago(NOON, NOON.plus_ms(2_500));
    assert!(near.as_str().contains("2026-11-23 03:12:07Z") && near.as_str().contains("2 s ago"));
    assert!(!time_ago(NOON, NOON.plus_ms(3_600_000)).as_str().contains("ago"));
    assert!(time_until(NOON.plus_ms(46_000), NOON).as_str().ends_with(">in 46 s</span>"));
}

#[test]
fn fresh_late_stale_lapsed_and_unknown_differ() {
    let class = |age_ms| Age::new(Some(NOON), NOON.plus_ms(age_ms), Timings::default()).class();
    assert_eq!([class(0), class(4_001), class(10_001), class(30_001)], ["is-fresh", "is-late", "is-stale", "is-lapsed"]);
    let never = Age::new(None, NOON, Timings::default());
    assert_eq!((never.class(), never.words().as_str()), ("is-unknown", "never"));
    assert_eq!(never.attrs().as_str(), r#"data-late="4000" data-stale="10000" data-lapse="30000""#, "a row that is heard later can age");
}

#[test]
fn a_value_without_a_time_is_not_known() {
    let never = Age::new(None, NOON, Timings::default());
    let orders = Aged::new(Some(7_u64), never);
    assert_eq!(orders.text(), UNKNOWN);
    assert!(orders.value().as_str().contains("not known"));
}

proptest! {
    #[test]
    fn unknown_is_never_a_zero_and_a_zero_is_never_unknown(ms in 0_i64..4_102_444_800_000) {
        let age = Age::fresh(Timestamp(ms * 1_000));
        let unknown = Aged::<u64>::new(None, age);
        prop_assert_eq!(unknown.text(), UNKNOWN);
        prop_assert!(!unknown.value().as_str().contains('0'));
        prop_assert_eq!(Aged::new(Some(0_u64), age).text(), "0");
        prop_assert_eq!(Aged::new(Some(Amount("0.00".into())), age).text(), "0.00");
    }

    #[test]
    fn every_time_says_z(micros in 0_i64..4_102_444_800_000_000, later_ms in 0_i64..100_000_000) {
        let at = Timestamp(micros);
        let now = at.plus_ms(later_ms);
        for html in [time(at), time_ms(at), clock(at), time_ago(at, now), time_until(now, at)] {
            prop_assert!(html.as_str().contains("Z</time>"), "{html}");
        }
    }

    #[test]
    fn grouping_keeps_every_digit(text in "-?[0-9]{1,30}(\\.[0-9]{1,12})?") {
        let shown = decimal(&text);
        prop_assert_eq!(shown.replace([',', '\u{2212}'], ""), text.trim_start_matches('-'));
    }

    #[test]
    fn no_text_from_outside_breaks_out(text in ".*") {
        prop_assert!(!Aged::new(Some(Amount(text)), Age::fresh(NOON)).value().as_str().contains("<script"));
    }
}
