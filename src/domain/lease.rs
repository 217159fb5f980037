//! How an agent's word is answered: when a read of the database must come first, and for how long its lease is renewed. Pure.

use super::{Directive, Epoch, State, Timings};

/// What an agent says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// What its bot does; none: it does not say.
    pub state: Option<State>,
    /// The highest epoch it has seen.
    pub epoch: Option<Epoch>,
}

impl Word {
    fn goes_up(self, directive: &Directive) -> bool {
        self.state.is_none_or(|state| directive.state > state)
    }

    /// True when this directive must be computed from a read of the database that began after the agent spoke: it would free the bot, or the
    /// agent has seen more than this server (rulings H1, H11).
    pub fn needs_read(self, directive: &Directive) -> bool {
        self.goes_up(directive) || self.epoch.is_some_and(|epoch| epoch > directive.epoch)
    }

    /// True when a directive from memory may be the answer although the database could not be read: it frees nothing.
    pub fn may_hear_unread(self, directive: &Directive) -> bool {
        !self.goes_up(directive) || directive.state == State::Halted
    }

    /// True when the agent has seen this directive: only then its lease is renewed.
    pub fn knows(self, directive: &Directive) -> bool {
        self.epoch.is_some_and(|epoch| epoch >= directive.epoch)
    }
}

/// For how long a renewal lets a bot go on under a view of this age, from the moment its agent spoke. None: the view is too old for any.
pub fn lease_ms(timings: &Timings, view_age_ms: i64) -> Option<i64> {
    let lease_ms = timings.lapse_after_ms.saturating_sub(view_age_ms);
    (view_age_ms <= timings.stale_after_ms && lease_ms > 0).then_some(lease_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_view_lends_what_is_left_of_it_and_in_the_end_nothing() {
        let timings = Timings::default();
        assert_eq!(lease_ms(&timings, 0), Some(30_000));
        assert_eq!(lease_ms(&timings, 10_000), Some(20_000));
        assert_eq!(lease_ms(&timings, 10_001), None);
        assert_eq!(lease_ms(&Timings { lapse_after_ms: 10_000, ..timings }, 10_000), None);
    }
}
