//! What a row of readings of one bot means. Pure: moments are arguments. A reading that brought nothing is no difference and no agreement: it is
//! counted, and what was seen before it stays suspected.

use super::{Confirmed, compare::gaps, sides};
use crate::domain::{
    BotId, Timestamp,
    reconciliation::{Difference, LastRead, Outcome, words},
};
use crate::protocol::Report;
use std::sync::Arc;

/// Bots are compared this often, milliseconds.
pub const EVERY_MS: i64 = 60_000;
/// A suspicion is looked at again after this long.
pub const AGAIN_MS: i64 = 15_000;
/// After a reading of the venue a report is waited for this long.
pub const REPORT_WITHIN_MS: i64 = 30_000;
/// Nothing learned for so long is told.
pub const UNREAD_MS: i64 = 600_000;

/// A venue that was read, and what the bot's agent had reported before.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The last report before.
    pub before: Arc<Report>,
    /// When the reading ended.
    pub ended: Timestamp,
    /// What the venue listed.
    pub listed: sides::Listed,
    /// The key that read.
    pub key: String,
}

impl Reading {
    /// Compares it with a report that came after it: everything that differs, and what could not be compared in words.
    pub fn judge(&self, after: &Report) -> (Vec<Difference>, String, bool) {
        let (agent, venue) = (sides::of_reports(&self.before, after), sides::of_venue(&self.listed));
        let found = gaps(&agent, &venue).iter().map(|gap| sides::difference(gap, (&self.listed, &venue), &agent)).collect();
        (found, sides::not_compared(&agent), agent.orders.is_some() || agent.positions.is_some())
    }
}

/// One bot.
#[derive(Debug, Clone)]
pub struct Course {
    /// How its last comparison went.
    pub last: LastRead,
    /// When it is to be read next.
    pub due: Timestamp,
    // What the last reading that brought something saw, and when each was seen first.
    suspects: Vec<(String, Timestamp)>,
}

impl Course {
    /// One that is to be read at once.
    pub fn new(bot: BotId, due: Timestamp) -> Self {
        let last = LastRead {
            bot,
            at: due,
            outcome: Outcome::Unknown,
            words: String::new(),
            key: String::new(),
            agreed_at: None,
            unknown_since: None,
            unknowns: 0,
        };
        Self { last, due, suspects: Vec::new() }
    }

    /// A reading that brought nothing, and why.
    pub fn unknown(&mut self, at: Timestamp, key: &str, why: String) {
        self.last.unknown_since.get_or_insert(at);
        self.last.unknowns += 1;
        self.note(at, key, Outcome::Unknown, why);
    }

    /// A reading that was compared. Answers with what it confirmed: what the last such reading saw as well.
    pub fn compared(&mut self, at: Timestamp, key: &str, (found, beside): (Vec<Difference>, String)) -> Option<Confirmed> {
        (self.last.unknown_since, self.last.unknowns) = (None, 0);
        let since = |subject: &str| self.suspects.iter().find(|(known, _)| known == subject).map(|(_, at)| *at);
        let again: Vec<(Difference, Timestamp)> = found.iter().filter_map(|one| Some((one.clone(), since(&one.subject)?))).collect();
        self.suspects = found.iter().map(|one| (one.subject.clone(), since(&one.subject).unwrap_or(at))).collect();
        if found.is_empty() {
            self.last.agreed_at = Some(at);
            self.note(at, key, Outcome::Agrees, beside);
        } else {
            self.note(at, key, Outcome::Differs, words(&found));
            if again.is_empty() {
                self.due = at.plus_ms(AGAIN_MS);
            }
        }
        let first_seen_at = again.iter().map(|(_, at)| *at).min()?;
        Some(Confirmed { first_seen_at, at, differences: again.into_iter().map(|(one, _)| one).collect(), key: key.to_owned() })
    }

    fn note(&mut self, at: Timestamp, key: &str, outcome: Outcome, words: String) {
        self.due = at.plus_ms(EVERY_MS);
        self.last = LastRead { at, outcome, words, key: key.to_owned(), ..self.last.clone() };
    }

    /// True when nothing was learned for so long that people are told.
    pub fn is_blind(&self, now: Timestamp) -> bool {
        self.last.unknown_since.is_some_and(|since| now.ms_since(since) >= UNREAD_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(subject: &str) -> Difference {
        Difference { subject: subject.to_owned(), venue: "the venue has one".to_owned(), agent: "the agent reports none".to_owned() }
    }
    fn at(s: i64) -> Timestamp {
        Timestamp(0).plus_ms(s * 1_000)
    }
    fn course() -> Course {
        Course::new(BotId::new(), at(0))
    }
    fn sees(course: &mut Course, s: i64, subjects: &[&str]) -> Option<Vec<String>> {
        let found = subjects.iter().map(|subject| one(subject)).collect();
        let confirmed = course.compared(at(s), "key-1", (found, String::new()))?;
        Some(confirmed.differences.into_iter().map(|one| one.subject).collect())
    }

    #[test]
    fn what_two_readings_in_a_row_see_is_confirmed() {
        let mut course = course();
        assert_eq!(sees(&mut course, 0, &["open orders"]), None);
        assert_eq!(course.due, at(15), "it is looked at again soon");
        assert_eq!(sees(&mut course, 15, &["open orders", "position BTCUSDT"]), Some(vec!["open orders".to_owned()]));
        assert_eq!(course.due, at(75));
        let confirmed = course.compared(at(75), "key-1", (vec![one("position BTCUSDT")], String::new())).unwrap();
        assert_eq!((confirmed.first_seen_at, confirmed.at), (at(15), at(75)));
    }

    #[test]
    fn a_flicker_is_nothing() {
        let mut course = course();
        assert_eq!(sees(&mut course, 0, &["open orders"]), None);
        assert_eq!(sees(&mut course, 15, &[]), None);
        assert_eq!(sees(&mut course, 75, &["open orders"]), None, "not two in a row");
        assert_eq!(sees(&mut course, 90, &["position BTCUSDT"]), None, "not the same");
        assert_eq!(course.last.agreed_at, Some(at(15)));
    }

    #[test]
    fn what_brought_nothing_is_counted_and_confirms_nothing() {
        let mut course = course();
        for n in 0..20 {
            course.unknown(at(60 * n), "key-1", "502".to_owned());
            assert_eq!(course.is_blind(at(60 * n)), n >= 10, "{n}");
        }
        assert_eq!((course.last.unknowns, course.last.unknown_since, course.last.outcome), (20, Some(at(0)), Outcome::Unknown));
        assert_eq!(sees(&mut course, 1_260, &["open orders"]), None);
        assert!(!course.is_blind(at(9_999)), "it can be read again");
        course.unknown(at(1_275), "key-1", "502".to_owned());
        assert!(sees(&mut course, 1_335, &["open orders"]).is_some(), "what lies between says neither yes nor no");
    }
}
