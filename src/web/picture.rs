//! Small pictures drawn by the server as SVG: attributes only, since the content policy blocks `style`. Every number in them also stands as
//! text nearby; the label says what the picture shows.

use super::html::{Html, escape};
use crate::domain::Step;
use std::fmt::Write;

/// Width and height of a sparkline's coordinates.
const SPARK: (f64, f64) = (96.0, 24.0);

/// A line of the last values, oldest first, gaps where nothing was heard; `limit` as a dashed line, a dot at the end when it is breached.
pub fn spark(values: &[Option<f64>], limit: Option<f64>, label: &str) -> Html {
    let known = || values.iter().flatten().copied().chain(limit).filter(|value| value.is_finite());
    let (low, high) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let height = |value: f64| if high > low { SPARK.1 - 2.0 - (value - low) / (high - low) * (SPARK.1 - 4.0) } else { SPARK.1 / 2.0 };
    let step = SPARK.0 / (values.len().max(2) - 1) as f64;
    let mut svg = format!(r#"<svg class="spark" viewBox="0 0 96 24" role="img" aria-label="{}">"#, escape(label));
    if let Some(y) = limit.filter(|limit| limit.is_finite()).map(height) {
        let _ = write!(svg, r#"<path class="limit" d="M0 {y:.1}H96"/>"#);
    }
    let mut path = String::new();
    let mut pen_is_up = true;
    for (i, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            pen_is_up = true;
            continue;
        };
        let _ = write!(path, "{}{:.1} {:.1}", if pen_is_up { 'M' } else { 'L' }, i as f64 * step, height(value));
        pen_is_up = false;
    }
    let _ = write!(svg, r#"<path d="{path}"/>"#);
    if let (Some(Some(last)), Some(limit)) = (values.last(), limit)
        && *last > limit
    {
        let _ = write!(svg, r#"<circle class="dot" cx="96" cy="{:.1}" r="3"/>"#, height(*last));
    }
    svg.push_str("</svg>");
    Html::markup(svg)
}

/// A value against its limit. The scale ends a quarter beyond the limit; what lies beyond that is cut. None: only the track.
pub fn bullet(value: Option<f64>, limit: f64, label: &str) -> Html {
    let limit_is_usable = limit.is_finite() && limit > 0.0;
    let scale = |value: f64| if limit_is_usable { (value.abs() / (limit * 1.25) * 200.0).clamp(0.0, 200.0) } else { 0.0 };
    let mut svg =
        format!(r#"<svg class="bullet" viewBox="0 0 200 16" preserveAspectRatio="none" role="img" aria-label="{}">"#, escape(label));
    svg.push_str(r#"<rect class="track" x=".5" y="2.5" width="199" height="11"/>"#);
    if let Some(value) = value.filter(|value| value.is_finite()) {
        let class = if limit_is_usable && value.abs() > limit { "over" } else { "value" };
        let _ = write!(svg, r#"<rect class="{class}" x="1" y="5" width="{:.1}" height="6"/>"#, (scale(value) - 1.0).max(0.0));
    }
    if limit_is_usable {
        svg.push_str(r#"<path class="limit" d="M160 0V16"/>"#);
    }
    svg.push_str("</svg>");
    Html::markup(svg)
}

/// Cells of a receipt in one row, at most.
const CELLS_IN_A_ROW: usize = 20;
/// From one cell to the next.
const PITCH: usize = 20;
/// More bots than this are a bar, not cells.
pub const CELLS_AT_MOST: usize = 200;

/// One cell per bot, filled a third per step; a stop that should be applied by now and is not has an edge of its own.
/// `bots` keep their order from one drawing to the next, so that no cell moves. More than [`CELLS_AT_MOST`]: nothing is drawn.
pub fn cells(bots: &[(Step, bool)]) -> Html {
    if bots.is_empty() || bots.len() > CELLS_AT_MOST {
        return Html::default();
    }
    let in_a_row = if bots.len() > 100 { 2 * CELLS_IN_A_ROW } else { CELLS_IN_A_ROW };
    let rows = bots.len().div_ceil(in_a_row);
    let columns = in_a_row.min(bots.len().max(CELLS_IN_A_ROW));
    let mut svg =
        format!(r#"<svg class="cells" width="{0}" height="{1}" viewBox="0 0 {0} {1}" aria-hidden="true">"#, columns * PITCH, rows * PITCH);
    for (i, (step, is_unconfirmed)) in bots.iter().enumerate() {
        let (x, y) = (i % in_a_row * PITCH + 2, i / in_a_row * PITCH + 2);
        let class = if *is_unconfirmed { "bad" } else { "edge" };
        let _ = write!(svg, r#"<rect class="{class}" x="{x}" y="{y}" width="16" height="16"/>"#);
        let fill = match step {
            Step::Requested => 0,
            Step::Received => 5,
            Step::Applied => 10,
            Step::Idle | Step::Verified => 16,
        };
        if fill > 0 {
            let _ = write!(svg, r#"<rect class="fill" x="{x}" y="{}" width="16" height="{fill}"/>"#, y + 16 - fill);
        }
    }
    svg.push_str("</svg>");
    Html::markup(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_a_gap_and_not_a_zero() {
        let line = spark(&[Some(1.0), None, Some(3.0), Some(2.0)], None, "Exposure").to_string();
        assert_eq!(line.matches('M').count(), 2, "{line}");
        assert!(!spark(&[None, None], None, "").as_str().contains("NaN"));
        assert!(!spark(&[Some(f64::NAN), Some(1.0)], Some(f64::INFINITY), "").as_str().contains("NaN"));
    }

    #[test]
    fn a_breached_limit_shows_and_an_unknown_value_draws_no_bar() {
        assert!(bullet(Some(26_000.0), 25_000.0, "").as_str().contains(r#"class="over""#));
        assert!(bullet(Some(18_804.0), 25_000.0, "").as_str().contains(r#"class="value""#));
        assert!(!bullet(None, 25_000.0, "").as_str().contains("value"));
        assert!(spark(&[Some(9.0)], Some(5.0), "").as_str().contains("dot"));
    }

    #[test]
    fn there_is_one_cell_per_bot_and_it_fills_with_the_steps() {
        let drawn = cells(&[(Step::Requested, true), (Step::Received, false), (Step::Idle, false)]).to_string();
        assert_eq!(drawn.matches(r#"height="16"/>"#).count(), 4, "three frames and one full cell: {drawn}");
        assert_eq!(drawn.matches(r#"class="bad""#).count(), 1);
        assert_eq!(cells(&[]).as_str(), "");
        assert_eq!(cells(&vec![(Step::Idle, false); CELLS_AT_MOST + 1]).as_str(), "");
    }
}
