//! What a use case answers when it does not do what was asked. Each kind has one page and one status.

use crate::authz::Denied;
use crate::storage;

/// Fields that cannot be taken, with a sentence each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invalid(pub Vec<(&'static str, String)>);

impl Invalid {
    /// One field.
    pub fn one(field: &'static str, message: impl Into<String>) -> Self {
        Self(vec![(field, message.into())])
    }
    /// Adds a field when the check failed; passes the value on.
    pub fn check<T, E: std::fmt::Display>(&mut self, field: &'static str, label: &str, outcome: Result<T, E>) -> Option<T> {
        outcome.map_err(|error| self.0.push((field, format!("{label} {error}")))).ok()
    }
}

/// Not done, and why.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Not allowed: 403.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Not allowed, for a reason that the table does not know: 403.
    #[error("{0}")]
    NotYours(String),
    /// Not there, or not to be seen: 404.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Cannot be taken as it is: 422.
    #[error("{}", .0.0.iter().map(|(_, m)| m.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Invalid),
    /// It changed meanwhile, or something stands in the way: 409, with the reasons.
    #[error("{}", .0.join("; "))]
    Conflict(Vec<String>),
    /// A security key did not do: 422, in words for a page.
    #[error(transparent)]
    Key(#[from] crate::authn::KeyError),
    /// The database or the log did not take it: 503, nothing happened.
    #[error("the database did not take it; nothing was changed")]
    Unavailable(#[source] storage::Error),
    /// The audit log was frozen and takes no entry: 503, nothing happened. Says why.
    #[error("the audit log is frozen, so nothing may start or be loosened; stopping works. {0}")]
    Frozen(String),
    /// Exchange keys that the server holds cannot be used now: 503, nothing happened. Says why.
    #[error("exchange keys that this server holds cannot be used now: {0}")]
    Shut(String),
    /// Too many tries: 429.
    #[error("too many tries; wait {0} s")]
    TooMany(u64),
    /// A fault of ours: 500.
    #[error("something went wrong here")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl AppError {
    /// One reason that stands in the way.
    pub fn conflict(reason: impl Into<String>) -> Self {
        Self::Conflict(vec![reason.into()])
    }
    /// A fault of ours.
    pub fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<Invalid> for AppError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<storage::Error> for AppError {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::Conflict => Self::conflict("it changed since you read it; look again"),
            storage::Error::Duplicate(_) => Self::conflict("there is one already"),
            storage::Error::Dangling(_) => Self::conflict("it refers to something that is not there"),
            storage::Error::Frozen => Self::Frozen("See the system page for the reason".into()),
            storage::Error::Unreadable(_) | storage::Error::Database(_) => Self::Unavailable(error),
        }
    }
}

impl From<crate::crypto::token::NoRandomness> for AppError {
    fn from(error: crate::crypto::token::NoRandomness) -> Self {
        Self::internal(error)
    }
}

impl From<crate::domain::act::NotCanonical> for AppError {
    fn from(error: crate::domain::act::NotCanonical) -> Self {
        Self::internal(error)
    }
}
