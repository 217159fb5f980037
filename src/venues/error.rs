//! What can go wrong with a venue, told apart by what follows from it: a finding says something about the key, an unknown says nothing, and a
//! write whose end is unknown must be read back. No error holds a secret: what a venue said is scrubbed of the credential before it is kept.

use super::credential::Credential;
use crate::domain::text::text_enum;
use std::time::Duration;

text_enum! {
    /// What a refusal says about the key or its surroundings.
    FindingKind {
        /// The venue does not know the key, and there is no other place of it that might.
        KeyDead = "key_dead",
        /// The main account does not list the key among those of that subaccount. It may have another name, or be another's.
        NotListed = "not_listed",
        /// The venue refuses the key, its address, its host or its rights, and does not say which.
        KeyRefused = "key_refused",
        /// The secret does not fit the key.
        SignatureWrong = "signature_wrong",
        /// The key may not be used from this address.
        IpRefused = "ip_refused",
        /// The key lacks a right.
        PermissionMissing = "permission_missing",
        /// The call wants a key that is bound to addresses.
        NeedsIpBound = "needs_ip_bound",
        /// Our clock and the venue's differ. Says nothing of the key.
        ClockWrong = "clock_wrong",
        /// Somebody else uses this key, with higher nonces.
        NonceWrong = "nonce_wrong",
        /// The key belongs to another environment.
        EnvironmentMismatch = "environment_mismatch",
        /// The account is frozen or closed.
        Frozen = "frozen",
        /// The key has expired.
        Expired = "expired",
    }
}

impl FindingKind {
    /// Whether this proves that the venue takes the key no more, wherever it is used. A refusal that may be about the address, or that a live key
    /// gets at another host of the venue, proves nothing; nor does a list that it is not in.
    pub fn proves_dead(self) -> bool {
        matches!(self, Self::KeyDead | Self::Expired)
    }
    /// Whether it says that the key is not what it is to be, from wherever it is used. What may be about the address, the clock or the hour says
    /// nothing of the key.
    pub fn is_about_the_key(self) -> bool {
        self.proves_dead() || matches!(self, Self::SignatureWrong | Self::EnvironmentMismatch | Self::Frozen)
    }
}

/// A refusal that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The venue's code for it.
    pub code: String,
    /// The venue's words, cut and scrubbed.
    pub said: String,
}

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VenueError {
    /// This venue has no such thing, or not in this environment.
    #[error("{0}")]
    Cannot(&'static str),
    /// The venue refuses, and that says something.
    #[error("{}: the venue answers {} {}", .0.kind, .0.code, .0.said)]
    Finding(Finding),
    /// Nothing was learned, and nothing was changed.
    #[error("not known: {why}")]
    Unknown {
        /// What happened.
        why: String,
        /// The venue's code, where it gave one.
        code: Option<String>,
        /// How long the venue wants to be left alone.
        wait: Option<Duration>,
    },
    /// A write went out, and what became of it is not known: read again.
    #[error("it may have been done, read again: {0}")]
    ExecutionUnknown(String),
}

/// The most of a venue's words that is kept, in characters.
const SAID: usize = 200;

/// Words fit for a page.
fn plain(said: &str) -> String {
    said.chars().filter(|c| !c.is_control()).take(SAID).collect()
}

impl VenueError {
    /// Nothing was learned.
    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into(), code: None, wait: None }
    }
    /// An answer that is not what the venue's documents show.
    pub(super) fn unreadable(what: &str) -> Self {
        Self::unknown(format!("the answer cannot be read: {what}"))
    }
    /// The venue's code, where it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Finding(finding) => Some(&finding.code),
            Self::Unknown { code, .. } => code.as_deref(),
            Self::Cannot(_) | Self::ExecutionUnknown(_) => None,
        }
    }
    /// What was found out, where something was.
    pub fn finding(&self) -> Option<FindingKind> {
        if let Self::Finding(finding) = self { Some(finding.kind) } else { None }
    }
    /// The same without anything secret of this credential, should the venue have repeated it.
    #[must_use]
    pub(super) fn scrubbed(self, credential: &Credential) -> Self {
        // In this order: half a secret is none that can be found.
        let clean = |text: &str| plain(&credential.scrub(text));
        match self {
            Self::Cannot(_) => self,
            Self::Finding(finding) => Self::Finding(Finding { kind: finding.kind, code: clean(&finding.code), said: clean(&finding.said) }),
            Self::Unknown { why, code, wait } => Self::Unknown { why: clean(&why), code: code.as_deref().map(clean), wait },
            Self::ExecutionUnknown(why) => Self::ExecutionUnknown(clean(&why)),
        }
    }
}

/// What a code of a venue means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Means {
    /// It says something about the key.
    Finding(FindingKind),
    /// Too many calls: nothing was done.
    Busy,
    /// The venue itself does not know whether it was done.
    Lost,
}

/// One line of a venue's table of codes.
pub(super) type Code = (&'static str, Means);

/// The error that an answer with this code is. A code that is in no table says no, and nothing of the key.
pub(super) fn judge(codes: &[Code], code: &str, said: &str, is_write: bool, wait: Option<Duration>) -> VenueError {
    let means = codes.iter().find(|(known, _)| *known == code).map(|(_, means)| *means);
    let why = format!("the venue answers {code} {said}");
    match means {
        Some(Means::Finding(kind)) => VenueError::Finding(Finding { kind, code: code.to_owned(), said: said.to_owned() }),
        Some(Means::Lost) if is_write => VenueError::ExecutionUnknown(why),
        Some(Means::Busy) => VenueError::Unknown { why: format!("too many calls: {why}"), code: Some(code.to_owned()), wait },
        Some(Means::Lost) | None => VenueError::Unknown { why, code: Some(code.to_owned()), wait: None },
    }
}
