//! The ladder that a stop climbs when its bot's agent does not answer (ruling C6). Pure: times are arguments, and run from the press.
//! 1. No `applied` in time: *unconfirmed*, at every level; what follows is for holds that latch. 2. With a guard key the server cancels entry orders, again and again. 3. Long after the lease ended,
//!    or soon for a kill whose bot is not idle: the key is cut.

use super::{Level, Timestamp, Timings};

/// Rung 2 is repeated this often.
pub const CANCEL_EVERY_MS: i64 = 5_000;
/// Under a kill a bot that is not idle after this long is cut off.
pub const KILL_IDLE_WITHIN_MS: i64 = 10_000;
/// How long after the agent should have halted the bot by itself the key is cut.
pub const CUT_MARGIN_MS: i64 = 5_000;
/// So many readings without an entry order end rung 2.
pub const EMPTY_READS: u8 = 2;

/// A rung that the server itself can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Cancel entry orders at the venue and read back.
    CancelEntries,
    /// Cut the key first, then cancel, then read back.
    Cut,
}

/// One bot under one hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// When it was pressed.
    pub pressed_at: Timestamp,
    /// How strict it is.
    pub level: Level,
    /// The bot's timings.
    pub timings: Timings,
    /// Its agent has said `applied`, doing no more than the level allows.
    pub applied: bool,
    /// Its agent has said `idle`, or the venue was read back.
    pub idle: bool,
    /// How many readings of the venue in a row found no entry order.
    pub empty_reads: u8,
    /// The team wants the key of an unconfirmed bot cut.
    pub cuts_unconfirmed: bool,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// Rung 1: the bot is unconfirmed.
    pub unconfirmed: bool,
    /// Rung 2: how many times it should have been done by now.
    pub cancels: i64,
    /// Rung 3.
    pub cut: bool,
}

impl Case {
    /// How long after the press rung 3 is due, whichever way comes first; none: it never is.
    pub fn cut_after_ms(&self) -> Option<i64> {
        let unconfirmed = !self.applied && self.cuts_unconfirmed;
        let unconfirmed = unconfirmed.then(|| self.timings.lapse_after_ms + self.timings.apply_within_ms + CUT_MARGIN_MS);
        let kill = (self.level == Level::Kill && !self.idle).then_some(KILL_IDLE_WITHIN_MS);
        [unconfirmed, kill].into_iter().flatten().min()
    }

    /// What is due now. Of a hold that latches nothing people are told, and nothing is done at a venue: its bot may go on.
    pub fn due(&self, now: Timestamp) -> Due {
        let ms = now.ms_since(self.pressed_at);
        let overdue = ms - self.timings.apply_within_ms;
        let unconfirmed = !self.applied && overdue > 0;
        if !self.level.latches() {
            return Due { unconfirmed, ..Due::default() };
        }
        let cancels = if unconfirmed && self.empty_reads < EMPTY_READS { overdue / CANCEL_EVERY_MS + 1 } else { 0 };
        Due { unconfirmed, cancels, cut: self.cut_after_ms().is_some_and(|after| ms > after) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn case(level: Level) -> Case {
        let timings = Timings { apply_within_ms: 5_000, lapse_after_ms: 30_000, ..Timings::default() };
        Case { pressed_at: Timestamp(0), level, timings, applied: false, idle: false, empty_reads: 0, cuts_unconfirmed: true }
    }
    fn at(case: Case, ms: i64) -> (bool, i64, bool) {
        let due = case.due(Timestamp(0).plus_ms(ms));
        (due.unconfirmed, due.cancels, due.cut)
    }

    #[test]
    fn a_pause_climbs_as_the_ruling_says() {
        let pause = case(Level::Pause);
        for (ms, expected) in [
            (0, (false, 0, false)),
            (5_000, (false, 0, false)),
            (5_001, (true, 1, false)),
            (10_000, (true, 2, false)),
            (15_000, (true, 3, false)),
            (40_000, (true, 8, false)),
            (40_001, (true, 8, true)),
        ] {
            assert_eq!(at(pause, ms), expected, "{ms} ms after the press");
        }
        assert!(!at(Case { cuts_unconfirmed: false, ..pause }, 999_999).2, "the team does not want it");
        assert_eq!(at(Case { empty_reads: 2, ..pause }, 20_000), (true, 0, false), "read back empty twice");
        assert_eq!(at(Case { applied: true, ..pause }, 999_999), (false, 0, false));
        assert_eq!(at(case(Level::Reduce), 999_999), (true, 0, false), "of a reduce people are told, no more");
    }

    #[test]
    fn a_kill_that_is_not_idle_is_cut_after_ten_seconds() {
        let kill = case(Level::Kill);
        assert_eq!(at(kill, 10_000), (true, 2, false));
        assert_eq!(at(kill, 10_001), (true, 2, true));
        assert_eq!(at(Case { applied: true, ..kill }, 10_001), (false, 0, true), "applied is not idle");
        assert_eq!(at(Case { applied: true, idle: true, ..kill }, 999_999), (false, 0, false));
        assert_eq!(at(Case { cuts_unconfirmed: false, ..kill }, 10_001), (true, 2, true), "no policy is asked");
    }

    #[test]
    fn a_slow_adapter_is_given_its_time() {
        let slow = Case { timings: Timings { apply_within_ms: 15_000, ..Timings::default() }, ..case(Level::Pause) };
        assert_eq!((at(slow, 15_000).0, at(slow, 15_001).0), (false, true));
        assert_eq!((at(slow, 50_000).2, at(slow, 50_001).2), (false, true));
    }

    proptest! {
        #[test]
        fn what_is_due_stays_due_and_rungs_come_in_order(
            level in prop_oneof![Just(Level::Reduce), Just(Level::Pause), Just(Level::Kill)],
            apply in 0_i64..60_000, lapse in 0_i64..300_000, applied: bool, idle: bool, cuts: bool, reads in 0_u8..4,
            early in 0_i64..1_000_000, more in 0_i64..1_000_000,
        ) {
            let timings = Timings { apply_within_ms: apply, lapse_after_ms: lapse, ..Timings::default() };
            let case = Case { pressed_at: Timestamp(7), level, timings, applied: applied || idle, idle, empty_reads: reads, cuts_unconfirmed: cuts };
            let (a, b) = (case.due(Timestamp(7).plus_ms(early)), case.due(Timestamp(7).plus_ms(early + more)));
            prop_assert!(!a.unconfirmed || b.unconfirmed);
            prop_assert!(a.cancels <= b.cancels);
            prop_assert!(!a.cut || b.cut);
            prop_assert!(a.cancels == 0 || a.unconfirmed, "nothing is cancelled for a bot that answered in time");
            prop_assert!(!a.cut || level == Level::Kill || a.unconfirmed, "below a kill only the unconfirmed are cut");
            prop_assert!(!a.cut || level == Level::Kill || early > apply + lapse, "never while the agent's own halt may be under way");
            if case.idle {
                prop_assert_eq!(b, Due::default(), "an idle bot climbs nothing");
            }
        }
    }
}
