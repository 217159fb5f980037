//! How domain types stand in columns: words and ids as text, moments and epochs as integers. One macro serves both drivers.

use crate::domain::{
    AccountId, ActId, AgentId, AlertId, AlertKind, AssignmentId, BotId, CommentId, CredentialId, DeviceId, DrillId, EmergencyId,
    Environment, Epoch, Exits, FileId, FileKind, HoldId, ImportId, InstallationId, KeyId, KeyPurpose, Level, MailAddress, MarkId, NoticeId,
    NoticeKind, PlacerKind, PressId, ReconciliationId, RecoveryId, RequestId, RequestKind, RequestState, Role, Severity, SiteRecoveryId,
    Stage, State, Step, StopId, StopKind, SubaccountId, TeamId, Timestamp, TokenId, UserId, VenueChangeId, VenueId,
    alert::CommandState,
    emergency::Verdict,
    fill::Side,
    key::{KeyMeasurer, KeyState, KeyVerdict, OnDrift},
    reconciliation::{GuardCancels, Outcome, Reaction},
    recovery::RecoveryState,
};
use sqlx::{Database, Decode, Encode, Type, encode::IsNull, error::BoxDynError};

macro_rules! column {
    ($raw:ty: $($name:ty = |$value:ident| $write:expr, |$stored:ident| $read:expr;)*) => {$(
        impl<DB: Database> Type<DB> for $name where $raw: Type<DB> {
            fn type_info() -> DB::TypeInfo {
                <$raw as Type<DB>>::type_info()
            }
            fn compatible(ty: &DB::TypeInfo) -> bool {
                <$raw as Type<DB>>::compatible(ty)
            }
        }
        impl<'q, DB: Database> Encode<'q, DB> for $name where $raw: Encode<'q, DB> {
            fn encode_by_ref(&self, buf: &mut <DB as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
                let $value = self;
                <$raw as Encode<'q, DB>>::encode($write, buf)
            }
        }
        impl<'r, DB: Database> Decode<'r, DB> for $name where $raw: Decode<'r, DB> {
            fn decode(value: <DB as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
                let $stored = <$raw as Decode<'r, DB>>::decode(value)?;
                $read
            }
        }
    )*};
}

macro_rules! ids {
    ($($name:ident),*) => { column! { String: $($name = |id| id.as_str().to_owned(), |stored| Ok($name::from_stored(stored));)* } };
}
macro_rules! words {
    ($($name:ident),*) => { column! { String: $($name = |word| word.as_str().to_owned(), |stored| Ok(stored.parse::<$name>()?);)* } };
}

ids!(
    AccountId,
    ActId,
    AgentId,
    AlertId,
    AssignmentId,
    BotId,
    CommentId,
    DeviceId,
    DrillId,
    EmergencyId,
    FileId,
    HoldId,
    ImportId,
    InstallationId,
    KeyId,
    MarkId,
    VenueChangeId,
    MailAddress,
    NoticeId,
    PressId,
    ReconciliationId,
    RecoveryId,
    RequestId,
    SiteRecoveryId,
    StopId,
    SubaccountId,
    TeamId,
    TokenId,
    UserId,
    VenueId
);
words!(
    AlertKind,
    CommandState,
    Environment,
    Exits,
    FileKind,
    GuardCancels,
    KeyMeasurer,
    KeyPurpose,
    KeyState,
    KeyVerdict,
    Level,
    NoticeKind,
    OnDrift,
    Outcome,
    PlacerKind,
    Reaction,
    RecoveryState,
    RequestKind,
    RequestState,
    Role,
    Severity,
    Side,
    Stage,
    State,
    Step,
    StopKind,
    Verdict
);
column! { String: CredentialId = |id| id.0.clone(), |stored| Ok(CredentialId(stored)); }
column! { i64:
    Epoch = |epoch| epoch.0, |stored| Ok(Epoch(stored));
    Timestamp = |moment| moment.0, |stored| Ok(Timestamp(stored));
}
