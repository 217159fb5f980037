//! How accounts at venues are kept safe: the newest review of each, as JSON. What was said before stands in the log.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{AccountId, Timestamp, UserId};

statements! {
    PUT = "INSERT INTO account_safety (account_id, sheet, reviewed_at, reviewed_by) VALUES ($1, $2, $3, $4) ON CONFLICT (account_id) DO UPDATE SET sheet = $2, reviewed_at = $3, reviewed_by = $4";
    ONE = "SELECT account_id, sheet, reviewed_at, reviewed_by FROM account_safety WHERE account_id = $1";
    ALL = "SELECT account_id, sheet, reviewed_at, reviewed_by FROM account_safety ORDER BY account_id";
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SafetyRow {
    /// The account.
    pub account_id: AccountId,
    /// A `SafetySheet` as JSON.
    pub sheet: String,
    /// When it was looked over.
    pub reviewed_at: Timestamp,
    /// By whom.
    pub reviewed_by: UserId,
}

/// Writes a review in the place of the one before.
///
/// # Errors
/// `Dangling` for an account that is not there.
pub async fn safety_put(tx: &mut WriteTx, row: &SafetyRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(PUT)
        .bind(&row.account_id)
        .bind(&row.sheet)
        .bind(row.reviewed_at)
        .bind(&row.reviewed_by)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The review of an account.
///
/// # Errors
/// When the database is gone.
pub async fn safety_of(conn: &mut Conn, account: &AccountId) -> Result<Option<SafetyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(ONE).bind(account).fetch_optional(c).await)?)
}

/// Every review.
///
/// # Errors
/// When the database is gone.
pub async fn safety_all(conn: &mut Conn) -> Result<Vec<SafetyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(ALL).fetch_all(c).await)?)
}
