//! Identifiers. Each noun has its own type, so that a bot's id never passes for a team's. UUIDv7 as text; made by `new`, read by `parse`.

use std::fmt;

/// An identifier that is not of the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {noun} id")]
pub struct BadId {
    /// The noun whose id was expected.
    pub noun: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $noun:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new id, ordered by time of making.
            #[expect(clippy::disallowed_methods, reason = "the one place where ids are made")]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7().to_string())
            }
            /// Reads an id from outside: a UUID in its usual form, lower case.
            ///
            /// # Errors
            /// `BadId` for anything else.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                match uuid::Uuid::try_parse(text) {
                    Ok(id) => Ok(Self(id.hyphenated().to_string())),
                    Err(_) => Err(BadId { noun: $noun }),
                }
            }
            /// Takes an id that our own database or memory file holds.
            pub fn from_stored(text: String) -> Self {
                Self(text)
            }
            /// The text form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::str::FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::parse(text)
            }
        }
    )*};
}

ids! {
    /// The installation as a whole; agents remember it and refuse another.
    InstallationId = "installation";
    /// A trading desk.
    TeamId = "team";
    /// A person.
    UserId = "user";
    /// A trading program.
    BotId = "bot";
    /// The process beside a bot.
    AgentId = "agent";
    /// A latched stop.
    HoldId = "hold";
    /// A stop that is no hold: lapse, new boot, move, change of stage.
    StopId = "stop";
    /// A notice.
    NoticeId = "notice";
    /// A recovery of an account.
    RecoveryId = "recovery";
    /// What a host asked for so that a frozen log, or a copy, may go on.
    SiteRecoveryId = "site recovery";
    /// A prepared act that waits for signatures.
    ActId = "act";
    /// An API token.
    TokenId = "token";
    /// A stop device.
    DeviceId = "stop device";
    /// An exchange in one environment.
    VenueId = "venue";
    /// An account of its own at a venue.
    SubaccountId = "subaccount";
    /// One press, which may have placed several holds.
    PressId = "press";
    /// An alert.
    AlertId = "alert";
    /// A drill.
    DrillId = "drill";
    /// A proposed change that needs approval.
    RequestId = "request";
    /// What somebody said about a request.
    CommentId = "comment";
    /// A main account at a venue.
    AccountId = "account";
    /// That a bot has a subaccount, from its beginning to its end.
    AssignmentId = "assignment";
    /// A file that is to be taken into the register.
    ImportId = "import";
    /// An exchange key; all its versions are one key.
    KeyId = "key";
    /// What somebody answered for, or put down as evidence, on a checklist.
    MarkId = "mark";
    /// A change at an exchange that somebody wrote down.
    VenueChangeId = "venue change";
    /// An emergency change: another build or configuration than was approved, for a while.
    EmergencyId = "emergency change";
    /// A file that was put down as evidence.
    FileId = "file";
    /// A confirmed difference between a bot and its venue.
    ReconciliationId = "reconciliation";
}

/// A security key's credential id: base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct CredentialId(pub String);

impl CredentialId {
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The random id that an agent makes at every start of its own: 1 to 64 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BootId(String);

impl BootId {
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BootId {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(BadId { noun: "boot" }) }
    }
}

impl From<BootId> for String {
    fn from(boot: BootId) -> String {
        boot.0
    }
}
