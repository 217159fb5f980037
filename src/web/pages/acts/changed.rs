//! Words of acts that change what a bot may run: a step up that was approved, an emergency change, its review.

use crate::domain::{ActKind, emergency::Verdict};

/// What is true once it is carried out.
pub(super) fn effect(kind: &ActKind) -> &'static str {
    match kind {
        ActKind::EmergencyChange { .. } => {
            "Exactly this build and configuration may run until its time is over; everything else stays as it was approved. It starts nothing. \
             Somebody who did not sign it reviews it within two days."
        }
        ActKind::EmergencyReview { verdict: Verdict::Justified, .. } => {
            "It is reviewed. It lasts as long as it was made for, and no longer."
        }
        ActKind::EmergencyReview { verdict: Verdict::NotJustified, .. } => {
            "It is reviewed. If it is in force it ends at once, and a bot that runs what it let run is paused."
        }
        _ => {
            "Everything is looked at once more; what is not as it was approved is not carried out. The bot is stopped by it and starts when \
             somebody starts it."
        }
    }
}

/// What else is signed with an emergency change or its review.
pub(super) fn facts(kind: &ActKind) -> Vec<(&'static str, String)> {
    match kind {
        ActKind::EmergencyChange { bot, from, to, hours, why } => vec![
            ("Reason", why.clone()),
            ("Build that was approved", from.build.clone()),
            ("Build that runs", to.build.clone()),
            ("Configuration that was approved", from.config.clone()),
            ("Configuration that runs", to.config.clone()),
            ("Hours", hours.to_string()),
            ("Bot", bot.to_string()),
        ],
        ActKind::EmergencyReview { change, bot, verdict, words } => vec![
            ("You find it", verdict.words().to_owned()),
            ("You say", words.clone()),
            ("Emergency change", change.to_string()),
            ("Bot", bot.to_string()),
        ],
        _ => Vec::new(),
    }
}
