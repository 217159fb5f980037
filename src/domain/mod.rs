//! Pure types and rules: no async, no I/O, no clock. Words are those of the model; every other room speaks in these types.
//! `directive.rs` is the heart: what a bot may do, computed from facts and from nothing else.

pub mod act;
pub mod alert;
pub mod approval;
pub mod behind;
pub mod boot_clock;
pub mod bot;
pub mod change_register;
pub mod checklist;
pub mod decimal;
pub mod directive;
pub mod drill;
pub mod emergency;
pub mod exact;
pub mod file;
pub mod fill;
pub mod golive;
pub mod hold;
pub mod ids;
pub mod key;
pub mod ladder;
pub mod largest;
pub mod leak;
pub mod lease;
pub mod limits;
pub mod notice;
pub mod quorum;
pub mod receipt;
pub mod reconciliation;
pub mod recovery;
pub mod request;
pub mod role;
pub mod safety;
#[cfg(test)]
pub(crate) mod samples;
pub mod secret;
pub mod start;
pub mod text;
pub mod time;
pub mod token;
pub mod venue;

pub use act::{Act, ActEnd, ActKind, HeldEnd, StartLeaf, StartPlan};
pub use alert::{Alert, AlertKind, Severity, Subject};
pub use approval::{RequestKind, Rule, Rules};
pub use boot_clock::BootClock;
pub use bot::{BotFacts, Exits, Freshness, Seat, Stage, StopFact, StopKind, Timings};
pub use checklist::{Caps, Template};
pub use decimal::Decimal;
pub use directive::{Blocked, Directive, Orders, Reason, State};
pub use exact::Exact;
pub use file::{FileKind, FileNote};
pub use fill::{Fill, FillSums, KeptFill};
pub use golive::{ApprovedRun, Dossier};
pub use hold::{Hold, Level, PlacedBy, PlacerKind, Scope};
pub use ids::{
    AccountId, ActId, AgentId, AlertId, AssignmentId, BootId, BotId, CommentId, CredentialId, DeviceId, DrillId, EmergencyId, FileId,
    HoldId, ImportId, InstallationId, KeyId, MarkId, NoticeId, PressId, ReconciliationId, RecoveryId, RequestId, SiteRecoveryId, StopId,
    SubaccountId, TeamId, TokenId, UserId, VenueChangeId, VenueId,
};
pub use key::{ApiSecret, KeyPurpose, KeyRight, KeySheet};
pub use limits::Limits;
pub use notice::{Audience, MailAddress, Notice, NoticeKind};
pub use receipt::Step;
pub use request::RequestState;
pub use role::{Grant, KEYS_NEEDED, KeyCount, Role};
pub use secret::Secret;
pub use time::{Clock, Epoch, Timestamp};
pub use token::TokenScope;
pub use venue::{Environment, Symbol};
