//! When an agent whose stream is open counts as behind: it has not said that it has what it was told, for so long. Pure; times are arguments.

use super::{Epoch, Timestamp};

/// An agent that is behind for this long raises an alarm. A little less than five seconds, so that with the round of whoever looks the alarm is
/// there within five.
pub const BEHIND_MS: i64 = 4_400;

/// What was seen of one agent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watch {
    // The epoch that it did not have, and since when. An agent that keeps up with a fast course of epochs is behind only for moments.
    waits_for: Option<(Epoch, Timestamp)>,
}

impl Watch {
    /// Looks at an agent: what its bot's epoch is, and the highest epoch that it said it has. True when it has been behind for too long.
    pub fn look(&mut self, epoch: Epoch, knows: Epoch, now: Timestamp) -> bool {
        if self.waits_for.is_some_and(|(wanted, _)| knows >= wanted) {
            self.waits_for = None;
        }
        if knows >= epoch {
            return false;
        }
        let (_, since) = *self.waits_for.get_or_insert((epoch, now));
        now.ms_since(since) >= BEHIND_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> Timestamp {
        Timestamp(0).plus_ms(ms)
    }

    #[test]
    fn behind_for_five_seconds_is_an_alarm_within_five() {
        let mut watch = Watch::default();
        assert!(!watch.look(Epoch(4), Epoch(4), ms(0)));
        assert!(!watch.look(Epoch(5), Epoch(4), ms(100)));
        assert!(!watch.look(Epoch(5), Epoch(4), ms(100 + BEHIND_MS - 1)));
        assert!(watch.look(Epoch(5), Epoch(4), ms(100 + BEHIND_MS)) && BEHIND_MS + 500 < 5_000);
        assert!(watch.look(Epoch(9), Epoch(4), ms(9_000)), "still");
        assert!(!watch.look(Epoch(9), Epoch(9), ms(9_100)), "it caught up");
    }

    #[test]
    fn an_agent_that_keeps_up_with_a_fast_course_is_not_behind() {
        let mut watch = Watch::default();
        for n in 0..100 {
            // Each look finds a newer epoch than it has, and it has the one of the look before.
            assert!(!watch.look(Epoch(n + 1), Epoch(n), ms(n * 500)));
        }
        let mut stuck = Watch::default();
        let alarms = (0..100).filter(|n| stuck.look(Epoch(n + 1), Epoch(0), ms(n * 500))).count();
        assert!(alarms > 80, "one that hears nothing is, however fast it goes: {alarms}");
    }
}
