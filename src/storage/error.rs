//! What can go wrong with a database, in the four kinds that callers tell apart.

/// A result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A unique rule refused the row: somebody else has the name, or the same press came twice.
    #[error("already there")]
    Duplicate(#[source] sqlx::Error),
    /// The row names another that does not exist.
    #[error("refers to something that does not exist")]
    Dangling(#[source] sqlx::Error),
    /// A stored value that this program cannot read.
    #[error("the database holds a value that cannot be read: {0}")]
    Unreadable(String),
    /// The row changed since it was read.
    #[error("changed since it was read")]
    Conflict,
    /// The audit log takes no entry: it was frozen. The transaction stands as it was before.
    #[error("the audit log is frozen and takes no entry")]
    Frozen,
    /// Everything else: gone, full, locked.
    #[error("the database did not take it")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) if inner.is_unique_violation() => Self::Duplicate(error),
            sqlx::Error::Database(inner) if inner.is_foreign_key_violation() => Self::Dangling(error),
            sqlx::Error::ColumnDecode { index, source } => Self::Unreadable(format!("{index}: {source}")),
            _ => Self::Database(error),
        }
    }
}
