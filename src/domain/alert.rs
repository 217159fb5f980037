//! Alerts: what somebody must look at now. One is open per kind and subject; it is closed by a person with a reason, or by the server when its
//! cause is gone.

use super::{AlertId, BotId, HoldId, PlacerKind, Timestamp, text::text_enum};

text_enum! {
    /// What an alert is about.
    AlertKind {
        /// A bot has not confirmed a stop in time.
        Unconfirmed = "unconfirmed",
        /// A stop is still not confirmed and nothing here can cut the bot's key: a person ends it at the venue.
        EndKeyByHand = "end_key_by_hand",
        /// An agent's stream is open, and it does not say that it has what it was told.
        Behind = "behind",
        /// Two processes speak with one agent's credential.
        TwoAgents = "two_agents",
        /// An enrolment code was presented after its use.
        CodeUsedTwice = "code_used_twice",
        /// An agent has seen a higher epoch than this server.
        AgentAhead = "agent_ahead",
        /// The audit log takes no entry.
        LogFrozen = "log_frozen",
        /// A hold was delivered to agents and is not in the database.
        HoldNotRecorded = "hold_not_recorded",
        /// An agent's clock is off by more than two seconds.
        ClockOff = "clock_off",
        /// Too few people hold the roles that a policy asks for: nobody could get such a thing approved or signed.
        QuorumUnmet = "quorum_unmet",
        /// A bot has not confirmed in time that it adds nothing, everywhere or in one symbol.
        NotReduced = "not_reduced",
        /// A bot's exchange key is not what was approved.
        KeyDrift = "key_drift",
        /// Others may know a bot's exchange key.
        KeyCompromised = "key_compromised",
        /// An agent cannot use a key that it was sent.
        KeyNotTaken = "key_not_taken",
        /// A key should have been replaced.
        KeyOverdue = "key_overdue",
        /// A key was taken away here and may still work at its venue.
        KeyAtVenue = "key_at_venue",
        /// Nobody could say for days what a key may do.
        KeyUnmeasured = "key_unmeasured",
        /// An exchange key that the server holds does not open for what it was sealed for.
        SecretRefused = "secret_refused",
        /// Two readings in a row of a bot's venue say something else than its agent.
        Reconciliation = "reconciliation",
        /// For long nobody could compare a bot with its venue.
        VenueUnread = "venue_unread",
        /// Nothing here could cut the key of a bot that does not answer: it works until a person ends it at the venue.
        KeyToRevoke = "key_to_revoke",
        /// A bot was killed and its positions stay open.
        PositionsStay = "positions_stay",
        /// Two people let a bot run another build or configuration than was approved.
        EmergencyChange = "emergency_change",
        /// Nobody has reviewed an emergency change in time.
        ReviewOverdue = "review_overdue",
        /// A bot that trades live is not what was approved, and is held.
        NotAsApproved = "not_as_approved",
        /// Somebody sent it to see whether anybody answers.
        Test = "test",
    }
}

text_enum! {
    /// How bad it is; earlier is worse.
    Severity {
        /// Somebody acts at once: people are told by mail.
        Critical = "critical",
        /// Somebody looks at it today.
        Warning = "warning",
    }
}

text_enum! {
    /// How the alert command stands with one alert.
    CommandState {
        /// There was no command when the alert was opened.
        Off = "off",
        /// It is to be run.
        Due = "due",
        /// It was begun; a process that ends here begins it again.
        Running = "running",
        /// It ended with status 0.
        Done = "done",
        /// It ended otherwise, or was ended.
        Failed = "failed",
    }
}

impl AlertKind {
    /// How bad this kind is.
    pub fn severity(self) -> Severity {
        match self {
            Self::ClockOff | Self::QuorumUnmet | Self::NotReduced => Severity::Warning,
            Self::KeyOverdue | Self::KeyAtVenue | Self::KeyUnmeasured | Self::VenueUnread | Self::ReviewOverdue => Severity::Warning,
            _ => Severity::Critical,
        }
    }
    /// In a few words, as a title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Unconfirmed => "Stop not confirmed",
            Self::EndKeyByHand => "End the key at the venue by hand",
            Self::Behind => "Connected, but behind",
            Self::TwoAgents => "Two agents with one credential",
            Self::CodeUsedTwice => "Enrolment code used twice",
            Self::AgentAhead => "Agent ahead of the server",
            Self::LogFrozen => "Audit log frozen",
            Self::HoldNotRecorded => "Hold delivered, not recorded",
            Self::ClockOff => "Agent's clock is off",
            Self::QuorumUnmet => "Too few people for a policy",
            Self::NotReduced => "Reduce not confirmed",
            Self::KeyDrift => "Key is not what was approved",
            Self::KeyCompromised => "Key compromised",
            Self::KeyNotTaken => "Key not taken by the agent",
            Self::KeyOverdue => "Key to be replaced",
            Self::KeyAtVenue => "Key to be deleted at the venue",
            Self::KeyUnmeasured => "Key not measured for days",
            Self::SecretRefused => "Kept exchange key was changed",
            Self::Reconciliation => "Bot and venue differ",
            Self::VenueUnread => "Bot and venue cannot be compared",
            Self::KeyToRevoke => "End the bot's key at the venue",
            Self::PositionsStay => "Positions stay open after a kill",
            Self::EmergencyChange => "Emergency change",
            Self::ReviewOverdue => "Emergency change not reviewed",
            Self::NotAsApproved => "Not what was approved",
            Self::Test => "Test alert",
        }
    }
}

/// What an alert concerns: a bot, a hold, or with neither the installation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// The bot.
    pub bot: Option<BotId>,
    /// The hold. Beside a bot it says which stop, and does not tell two alerts apart.
    pub hold: Option<HoldId>,
}

impl Subject {
    /// The installation as a whole.
    pub fn installation() -> Self {
        Self::default()
    }
    /// A bot.
    pub fn bot(id: &BotId) -> Self {
        Self { bot: Some(id.clone()), hold: None }
    }
    /// A hold.
    pub fn hold(id: &HoldId) -> Self {
        Self { bot: None, hold: Some(id.clone()) }
    }
    /// A bot under a hold: one alert per bot, whichever hold it is under.
    pub fn bot_under(bot: &BotId, hold: &HoldId) -> Self {
        Self { bot: Some(bot.clone()), hold: Some(hold.clone()) }
    }
    /// The text by which two alerts of one kind are the same.
    pub fn key(&self) -> String {
        match (&self.bot, &self.hold) {
            (Some(bot), _) => format!("bot:{bot}"),
            (None, Some(hold)) => format!("hold:{hold}"),
            (None, None) => "installation".to_owned(),
        }
    }
}

/// Who took or closed an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// A person or a token.
    pub kind: PlacerKind,
    /// Its id.
    pub id: String,
    /// Its name as shown.
    pub name: String,
}

/// The end of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// Who; none: the server, since the cause is gone.
    pub by: Option<By>,
    /// Why.
    pub why: String,
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// What it is about.
    pub kind: AlertKind,
    /// How bad it is.
    pub severity: Severity,
    /// What it concerns.
    pub subject: Subject,
    /// What is the matter and what to do, in sentences.
    pub words: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When its cause was last seen.
    pub last_at: Timestamp,
    /// How often it was raised again.
    pub repeats: i64,
    /// Who looks after it, and since when.
    pub taken: Option<(By, Timestamp)>,
    /// Its end; none: it is open.
    pub closed: Option<Closed>,
    /// When people were told of it.
    pub told_at: Option<Timestamp>,
    /// How the alert command stands with it.
    pub command: CommandState,
    /// When that changed last.
    pub command_at: Option<Timestamp>,
    /// What is wrong with the command's run; empty: nothing.
    pub command_said: String,
    /// The person who sent it, of a test; none: nobody did.
    pub sent_by: Option<String>,
}

/// Where an alert stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody looks after it.
    Open,
    /// Somebody does.
    Taken,
    /// It is over.
    Closed,
}

impl Standing {
    /// The word for programs and addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Taken => "taken",
            Self::Closed => "closed",
        }
    }
}

/// The longest words of an alert, in characters.
const WORDS: usize = 1_000;

impl Alert {
    /// A new one. What is too long is cut; control characters become spaces.
    pub fn new(kind: AlertKind, subject: Subject, words: &str, at: Timestamp) -> Self {
        let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect();
        Self {
            id: AlertId::new(),
            kind,
            severity: kind.severity(),
            subject,
            words: words.trim().to_owned(),
            opened_at: at,
            last_at: at,
            repeats: 0,
            taken: None,
            closed: None,
            told_at: None,
            command: CommandState::Off,
            command_at: None,
            command_said: String::new(),
            sent_by: None,
        }
    }
    /// Where it stands.
    pub fn standing(&self) -> Standing {
        match (&self.closed, &self.taken) {
            (Some(_), _) => Standing::Closed,
            (None, Some(_)) => Standing::Taken,
            (None, None) => Standing::Open,
        }
    }
    /// True until it is closed.
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_has_one_alert_of_a_kind_whichever_hold_it_is_under() {
        let (bot, hold) = (BotId::new(), HoldId::new());
        assert_eq!(Subject::bot(&bot).key(), Subject::bot_under(&bot, &hold).key());
        let keys = [Subject::bot(&bot).key(), Subject::hold(&hold).key(), Subject::installation().key()];
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    }

    #[test]
    fn words_are_bounded_and_of_one_line() {
        let alert = Alert::new(AlertKind::ClockOff, Subject::installation(), &format!("a\nb{}", "x".repeat(5_000)), Timestamp(1));
        assert!(alert.words.starts_with("a b") && alert.words.chars().count() == WORDS);
        assert_eq!((alert.severity, alert.standing()), (Severity::Warning, Standing::Open));
    }
}
