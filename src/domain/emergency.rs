//! Emergency changes: for a bounded time a bot that trades live may run another build or configuration than was approved, because two people say
//! so; somebody else looks at it afterwards. Nothing but build and configuration may differ by it. Pure: who signs, and who writes, is
//! `app/golive/emergency.rs`.

use super::{
    ApprovedRun, EmergencyId, Timestamp,
    golive::{Difference, Ran},
    text::text_enum,
};
use std::ops::RangeInclusive;

/// An hour, milliseconds.
pub const HOUR_MS: i64 = 60 * 60 * 1_000;
/// How many hours an emergency change may last.
pub const HOURS: RangeInclusive<u32> = 1..=72;
/// How many it lasts when nobody says.
pub const USUAL_HOURS: u32 = 24;
/// How long after it was made somebody must have reviewed it: whoever is away for a night, or for a day after it, can still be heard. It does not
/// grow with the hours, so that a long one is reviewed while it lasts.
pub const REVIEW_WITHIN_MS: i64 = 48 * HOUR_MS;

text_enum! {
    /// What a review found.
    Verdict {
        /// It had to be made, and as it was.
        Justified = "justified",
        /// It had not to be made, or not so: it ends at once.
        NotJustified = "not_justified",
    }
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::NotJustified => "not justified",
        }
    }
}

/// What two people let a bot run beside what was approved.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Emergency {
    /// The emergency change.
    pub change: EmergencyId,
    /// What it may run: exactly this.
    pub runs: Ran,
    /// Until when.
    pub until: Timestamp,
}

impl Emergency {
    /// True until its time is over.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.until > now
    }
}

impl ApprovedRun {
    /// The emergency change that is in force.
    pub fn emergency_now(&self, now: Timestamp) -> Option<&Emergency> {
        self.emergency.as_ref().filter(|emergency| emergency.is_in_force(now))
    }

    /// What it may run now: what an emergency change names while one is in force, else what was approved.
    pub fn runs_allowed(&self, now: Timestamp) -> &Ran {
        self.emergency_now(now).map_or(&self.dossier.runs, |emergency| &emergency.runs)
    }

    /// What all of it must run, beside what it says that it runs: what was approved where it says just that, since nobody needs an emergency to
    /// go back there; else what it may run now. One instance of each is a difference.
    pub fn runs_beside(&self, runs: Option<&Ran>, now: Timestamp) -> &Ran {
        if runs == Some(&self.dossier.runs) { &self.dossier.runs } else { self.runs_allowed(now) }
    }

    /// That it still runs what an emergency change let it run, whose time is over.
    pub fn emergency_over(&self, runs: Option<&Ran>, now: Timestamp) -> Option<Difference> {
        let over = self.emergency.as_ref().filter(|emergency| !emergency.is_in_force(now))?;
        if runs != Some(&over.runs) || over.runs == self.dossier.runs {
            return None;
        }
        let approved = format!("until {}", over.until.plain());
        Some(Difference { what: "Emergency change".into(), approved, now: "over".into(), is_grave: true })
    }
}

#[cfg(test)]
mod tests;
