//! Drills: a real pause of chosen bots, judged by what was measured, beside one bot that must go on. Pure; times are arguments.

use super::{Timestamp, time::DAY_MS};

/// How long a drill that passed proves anything.
pub const PROVES_MS: i64 = 90 * DAY_MS;
/// How long after the worst case of its slowest bot a drill is over, whatever is missing.
pub const MARGIN_MS: i64 = 10_000;

/// What was measured of one bot. Milliseconds from the press.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// When its agent had it.
    pub received_ms: Option<i64>,
    /// When the bot had obeyed.
    pub applied_ms: Option<i64>,
    /// When it had no entry orders.
    pub idle_ms: Option<i64>,
    /// How long it may take to obey.
    pub apply_within_ms: i64,
    /// How long it may go on at worst.
    pub worst_case_ms: i64,
}

/// What is known of the bot that must go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Its name.
    pub name: String,
    /// When its agent said last that it is `active`, if that was after the press.
    pub active_at: Option<Timestamp>,
    /// What stopped it since the press; none: nothing.
    pub stopped_by: Option<String>,
}

/// How a drill came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Every bot stopped in its time, and the control went on.
    pub passed: bool,
    /// What was not as it must be, a sentence each.
    pub reasons: Vec<String>,
}

/// Judges a drill. None: it is not over yet. It is over when every bot is idle and the control has been heard going on after the last of them, when the
/// control has stopped and every bot is idle, or when its time is over.
pub fn judge(bots: &[Measured], control: &Control, pressed_at: Timestamp, ends_at: Timestamp, now: Timestamp) -> Option<Verdict> {
    let last_idle = bots.iter().map(|bot| bot.idle_ms).collect::<Option<Vec<i64>>>().and_then(|all| all.into_iter().max());
    let is_late = now >= ends_at;
    let went_on = |after: i64| control.active_at.is_some_and(|at| at.ms_since(pressed_at) > after);
    match last_idle {
        Some(last) if went_on(last) || control.stopped_by.is_some() || is_late => {}
        None if is_late => {}
        _ => return None,
    }
    let mut reasons = Vec::new();
    if bots.is_empty() {
        reasons.push("No bot was paused.".to_owned());
    }
    for bot in bots {
        match (bot.applied_ms, bot.idle_ms) {
            (None, _) => reasons.push(format!("{} has not confirmed the pause.", bot.name)),
            (Some(ms), _) if ms > bot.apply_within_ms => {
                reasons.push(format!("{} took {ms} ms to obey; it may take {} ms.", bot.name, bot.apply_within_ms));
            }
            (Some(_), None) => reasons.push(format!("{} has not said that it has no entry orders.", bot.name)),
            (Some(_), Some(ms)) if ms > bot.worst_case_ms => {
                reasons.push(format!("{} was idle only after {ms} ms; the worst case is {} ms.", bot.name, bot.worst_case_ms));
            }
            _ => {}
        }
    }
    match &control.stopped_by {
        Some(why) => reasons.push(format!("{}, which had to go on, stopped: {why}.", control.name)),
        None if !went_on(last_idle.unwrap_or_default()) => {
            reasons.push(format!("{}, which had to go on, was not heard going on after the others had stopped.", control.name));
        }
        None => {}
    }
    Some(Verdict { passed: reasons.is_empty(), reasons })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bot(name: &str, steps: [Option<i64>; 3]) -> Measured {
        let [received_ms, applied_ms, idle_ms] = steps;
        Measured { name: name.into(), received_ms, applied_ms, idle_ms, apply_within_ms: 5_000, worst_case_ms: 35_000 }
    }
    fn at(ms: i64) -> Timestamp {
        Timestamp(0).plus_ms(ms)
    }
    fn goes_on(ms: Option<i64>) -> Control {
        Control { name: "control".into(), active_at: ms.map(at), stopped_by: None }
    }
    fn judged(bots: &[Measured], control: &Control, now: i64) -> Option<Verdict> {
        judge(bots, control, at(0), at(45_000), at(now))
    }

    #[test]
    fn a_drill_passes_when_all_stop_in_time_and_the_control_is_heard_after_them() {
        let bots = [bot("a", [Some(10), Some(40), Some(400)]), bot("b", [Some(12), Some(4_000), Some(5_500)])];
        assert_eq!(judged(&bots, &goes_on(Some(5_500)), 6_000), None, "heard before the last was idle proves nothing");
        assert_eq!(judged(&bots, &goes_on(None), 44_999), None);
        assert_eq!(judged(&bots, &goes_on(Some(5_501)), 6_000), Some(Verdict { passed: true, reasons: Vec::new() }));
    }

    #[test]
    fn whatever_is_missing_at_the_end_is_a_reason() {
        let bots = [bot("silent", [None; 3]), bot("slow", [Some(1), Some(5_001), Some(36_000)]), bot("open", [Some(1), Some(2), None])];
        assert_eq!(judged(&bots, &goes_on(Some(44_000)), 44_999), None);
        let verdict = judged(&bots, &goes_on(Some(44_000)), 45_000).unwrap();
        assert!(!verdict.passed);
        assert_eq!(verdict.reasons.len(), 3, "{verdict:?}");
        for (reason, part) in verdict.reasons.iter().zip(["silent has not confirmed", "slow took 5001 ms", "open has not said"]) {
            assert!(reason.contains(part), "{reason}");
        }
        let late = judged(&[bot("late", [Some(1), Some(2), Some(36_000)])], &goes_on(Some(37_000)), 37_000).unwrap();
        assert!(late.reasons[0].contains("worst case"), "{late:?}");
    }

    #[test]
    fn a_control_that_stops_or_falls_silent_fails_the_drill() {
        let bots = [bot("a", [Some(10), Some(40), Some(400)])];
        let stopped = Control { stopped_by: Some("its lease ran out".into()), ..goes_on(Some(9_000)) };
        let verdict = judged(&bots, &stopped, 1_000).unwrap();
        assert!(!verdict.passed && verdict.reasons[0].contains("its lease ran out"), "{verdict:?}");
        assert!(judged(&bots, &goes_on(None), 45_000).unwrap().reasons[0].contains("not heard going on"));
        assert!(!judge(&[], &goes_on(Some(1)), at(0), at(5), at(5)).unwrap().passed, "a drill of nothing proves nothing");
    }
}
