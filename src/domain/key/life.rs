//! The life of a version of a key: from the secret that was handed in to the venue that rejects it. Pure rules; who did what and when stands in
//! the rows. Requested and approved come before any version: they are the request's.

use crate::domain::{Level, text::text_enum};

text_enum! {
    /// How a version of a key stands.
    KeyState {
        /// The secret was handed in and sealed; nobody may use it yet.
        Installed = "installed",
        /// It is what was approved: measured at its venue, or attested where the venue cannot say.
        Measured = "measured",
        /// It was sent to the bot's agent.
        Delivered = "delivered",
        /// In use: the agent has stored and opened it, or the server itself uses it.
        Active = "active",
        /// A newer one is in use; this one still works at its venue.
        Draining = "draining",
        /// Nobody here has or uses it; it may still work at its venue.
        Revoked = "revoked",
        /// Its venue rejects it, or somebody has seen that it is gone there.
        Gone = "gone",
    }
}

text_enum! {
    /// What happens to a version.
    KeyStep {
        /// Measured and found to be what was approved.
        Measure = "measure",
        /// Sent to the agent.
        Deliver = "deliver",
        /// Taken into use.
        Activate = "activate",
        /// A newer one has taken its place, or its agent has ended.
        Drain = "drain",
        /// Taken away from whoever has it here.
        Revoke = "revoke",
        /// Rejected by its venue.
        Vanish = "vanish",
    }
}

text_enum! {
    /// Who measured a key, as evidence: what an agent says is weaker than what the server saw itself.
    KeyMeasurer {
        /// The server, with the key itself.
        Server = "server",
        /// The server, with a key of the main account.
        Master = "master",
        /// Whoever holds it on the agent's host.
        Agent = "agent",
        /// Nobody: a person looked at the venue's page and answers for it.
        Attested = "attested",
    }
}

impl KeyMeasurer {
    /// In words, after *measured*.
    pub fn words(self) -> &'static str {
        match self {
            Self::Server => "by this server, with the key itself",
            Self::Master => "by this server, with a key of the main account",
            Self::Agent => "on the agent's host, with the key itself",
            Self::Attested => "by nobody: a person answers for it",
        }
    }
}

text_enum! {
    /// What happens to a bot whose key is found to be another than approved. Somebody is told in any case.
    OnDrift {
        /// Nothing more.
        Tell = "tell",
        /// It adds nothing.
        Reduce = "reduce",
        /// It is paused.
        Pause = "pause",
    }
}

impl OnDrift {
    /// The hold that is placed.
    pub fn level(self) -> Option<Level> {
        match self {
            Self::Tell => None,
            Self::Reduce => Some(Level::Reduce),
            Self::Pause => Some(Level::Pause),
        }
    }
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Tell => "an alert",
            Self::Reduce => "an alert, and the bot is reduced",
            Self::Pause => "an alert, and the bot is paused",
        }
    }
}

text_enum! {
    /// What a measurement came to.
    KeyVerdict {
        /// It is what was approved.
        Agrees = "agrees",
        /// It is, as far as its venue says; somebody answers for the rest.
        Attest = "attest",
        /// The venue did not say; ask again.
        Unknown = "unknown",
        /// It is not what was approved.
        Differs = "differs",
    }
}

impl KeyVerdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Agrees => "It is what was approved",
            Self::Attest => "As far as the venue says, it is what was approved",
            Self::Unknown => "The venue did not say what it is",
            Self::Differs => "It is not what was approved",
        }
    }
}

impl KeyState {
    /// How it stands after a step; none: the step is not possible from here. Nothing comes back, and nothing is used that was not measured.
    pub fn after(self, step: KeyStep) -> Option<Self> {
        match (self, step) {
            (Self::Installed, KeyStep::Measure) => Some(Self::Measured),
            (Self::Measured, KeyStep::Deliver) => Some(Self::Delivered),
            (Self::Measured | Self::Delivered, KeyStep::Activate) => Some(Self::Active),
            // An agent that ended before it had answered may have stored it all the same.
            (Self::Delivered | Self::Active, KeyStep::Drain) => Some(Self::Draining),
            (Self::Installed | Self::Measured | Self::Delivered | Self::Active | Self::Draining, KeyStep::Revoke) => Some(Self::Revoked),
            (Self::Gone, _) | (_, KeyStep::Measure | KeyStep::Deliver | KeyStep::Activate | KeyStep::Drain | KeyStep::Revoke) => None,
            (_, KeyStep::Vanish) => Some(Self::Gone),
        }
    }
    /// True while it is to be with whoever uses it.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Measured | Self::Delivered | Self::Active)
    }
    /// True while somebody here may have it.
    pub fn is_held(self) -> bool {
        !matches!(self, Self::Revoked | Self::Gone)
    }
    /// True when its venue may still take it although nobody here should use it: somebody deletes it there.
    pub fn is_to_be_deleted(self) -> bool {
        matches!(self, Self::Draining | Self::Revoked)
    }
    /// In words, on a chip.
    pub fn words(self) -> &'static str {
        match self {
            Self::Installed => "Installed, not measured",
            Self::Measured => "Measured",
            Self::Delivered => "Sent to the agent",
            Self::Active => "Active",
            Self::Draining => "Draining",
            Self::Revoked => "Revoked here, not at the venue",
            Self::Gone => "Gone at the venue",
        }
    }
}

/// The longest that a key may serve before it is to be rotated, days, by default.
pub const ROTATE_DAYS: i64 = 90;
/// The longest that anybody may ask for, days.
pub const ROTATE_MOST: i64 = 365;
/// Days before its time at which a rotation is called due.
pub const DUE_DAYS: i64 = 14;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_used_that_was_not_measured_and_nothing_comes_back() {
        let rank = |state: KeyState| KeyState::ALL.iter().position(|one| *one == state).unwrap();
        for from in KeyState::ALL {
            for step in KeyStep::ALL {
                let Some(to) = from.after(*step) else { continue };
                assert!(rank(to) > rank(*from), "{from} {step} {to}");
                assert!(!to.is_usable() || *step == KeyStep::Measure || from.is_usable(), "{from} {step} {to}");
            }
        }
        assert_eq!(KeyState::Installed.after(KeyStep::Activate), None);
        assert_eq!(KeyState::Revoked.after(KeyStep::Activate), None);
        assert_eq!(KeyState::Gone.after(KeyStep::Vanish), None);
    }

    proptest! {
        #[test]
        fn a_revocation_is_the_end_of_use(steps in proptest::collection::vec(proptest::sample::select(KeyStep::ALL), 0..12)) {
            let mut state = KeyState::Installed;
            let mut is_revoked = false;
            for step in steps {
                state = state.after(step).unwrap_or(state);
                is_revoked |= step == KeyStep::Revoke;
                prop_assert!(!is_revoked || !state.is_usable() && !state.is_held());
            }
        }
    }
}
