//! When a kill has the keys dropped: once nothing of the bot rests any more, and at the latest ten seconds after it was heard (ruling C6). Pure.

use super::DROP_WITHIN_MS;

/// One kill after the other.
#[derive(Debug, Default)]
pub struct Kill {
    // The latest directive has the keys dropped.
    is_told: bool,
    // Since when it is known of a kill whose keys are not dropped yet.
    heard_ms: Option<i64>,
    // Nothing rests any more.
    is_cleared: bool,
    // They are being dropped.
    is_dropping: bool,
}

impl Kill {
    /// A directive says whether keys are to be dropped. True when a kill begins with it.
    pub fn hear(&mut self, drop_keys: bool, now_ms: i64) -> bool {
        let begins = drop_keys && !self.is_told && self.heard_ms.is_none();
        self.is_told = drop_keys;
        if begins {
            self.begin(now_ms);
        }
        begins
    }

    /// A kill begins, or one goes on that an earlier agent did not carry out.
    pub fn begin(&mut self, now_ms: i64) {
        if self.heard_ms.is_none() {
            self.heard_ms = Some(now_ms);
            self.is_cleared = false;
        }
    }

    /// Everything was cancelled, and read back as gone.
    pub fn cleared(&mut self) {
        self.is_cleared = self.heard_ms.is_some();
    }

    /// True once, when they are to be dropped now.
    pub fn is_due(&mut self, now_ms: i64) -> bool {
        let is_due = self.heard_ms.is_some_and(|at| self.is_cleared || now_ms >= at.saturating_add(DROP_WITHIN_MS));
        if is_due {
            self.heard_ms = None;
            self.is_dropping = true;
        }
        is_due
    }

    /// They are gone.
    pub fn dropped(&mut self) {
        self.is_dropping = false;
    }

    /// When they are to be dropped at the latest.
    pub fn due_ms(&self) -> Option<i64> {
        self.heard_ms.map(|at| at.saturating_add(DROP_WITHIN_MS))
    }

    /// A kill whose keys are not gone yet.
    pub fn is_pending(&self) -> bool {
        self.heard_ms.is_some() || self.is_dropping
    }

    /// While this is so no key is taken.
    pub fn is_in_force(&self) -> bool {
        self.is_told || self.is_pending()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_once_nothing_rests_and_at_the_latest_after_ten_seconds() {
        let mut kill = Kill::default();
        kill.cleared();
        assert!(!kill.hear(false, 0) && !kill.is_due(1_000_000) && !kill.is_in_force());
        assert!(kill.hear(true, 5_000));
        assert!(!kill.is_due(5_000), "what was read back before the kill does not count");
        assert!(!kill.hear(true, 14_000), "said again it is the same one, and its time runs on");
        assert!(!kill.is_due(14_999) && kill.is_in_force());
        assert_eq!(kill.due_ms(), Some(15_000));
        assert!(kill.is_due(15_000) && !kill.is_due(15_001), "once");
        assert!(kill.is_pending());
        kill.dropped();
        assert!(!kill.is_pending() && kill.is_in_force(), "until the server says otherwise");
        assert!(!kill.hear(true, 16_000) && !kill.hear(false, 17_000) && !kill.is_in_force());

        assert!(kill.hear(true, 20_000));
        kill.cleared();
        assert!(kill.is_due(20_001));
    }

    #[test]
    fn a_kill_that_was_heard_is_carried_out_whatever_is_heard_after_it() {
        let mut kill = Kill::default();
        assert!(kill.hear(true, 0));
        assert!(!kill.hear(false, 100) && kill.is_in_force());
        assert!(!kill.hear(true, 9_000), "and another one does not stretch its time");
        assert!(kill.is_due(10_000));
    }
}
