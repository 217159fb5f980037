//! Exceptions: a larger position of one bot in one symbol for a while. A row that has ended stays.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, Epoch, RequestId, Timestamp};

statements! {
    INSERT = "INSERT INTO limit_override (request_id, bot_id, symbol, most, until_at, why, set_at, epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    END = "UPDATE limit_override SET ended_at = $2, ended_by = $3 WHERE request_id = $1 AND ended_at IS NULL";
    OPEN = "SELECT request_id, bot_id, symbol, most, until_at, why, set_at, epoch FROM limit_override WHERE ended_at IS NULL ORDER BY request_id";
    OPEN_OF = "SELECT request_id, bot_id, symbol, most, until_at, why, set_at, epoch FROM limit_override WHERE bot_id = $1 AND ended_at IS NULL ORDER BY request_id";
    ONE = "SELECT request_id, bot_id, symbol, most, until_at, why, set_at, epoch FROM limit_override WHERE request_id = $1 AND ended_at IS NULL";
    COUNT = "SELECT COUNT(*) FROM limit_override WHERE bot_id = $1 AND set_at >= $2";
}

/// An exception in force.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OverrideRow {
    /// The request by which it holds; its name.
    pub request_id: RequestId,
    /// The bot.
    pub bot_id: BotId,
    /// The symbol.
    pub symbol: String,
    /// The largest position, a decimal.
    pub most: String,
    /// Until when.
    pub until_at: Timestamp,
    /// Why.
    pub why: String,
    /// Since when.
    pub set_at: Timestamp,
    /// The epoch it took.
    pub epoch: Epoch,
}

/// Writes a new exception.
///
/// # Errors
/// `Duplicate` while another for this bot and symbol is in force.
pub async fn override_insert(tx: &mut WriteTx, row: &OverrideRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&row.request_id)
        .bind(&row.bot_id)
        .bind(&row.symbol)
        .bind(&row.most)
        .bind(row.until_at)
        .bind(&row.why)
        .bind(row.set_at)
        .bind(row.epoch)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Ends one; false when it has ended.
///
/// # Errors
/// When the database is gone.
pub async fn override_end(tx: &mut WriteTx, id: &RequestId, at: Timestamp, by: &str) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(END).bind(id).bind(at).bind(by).execute(c).await.map(|done| done.rows_affected()))?;
    Ok(rows == 1)
}

/// Every one in force.
///
/// # Errors
/// When the database is gone.
pub async fn override_open(conn: &mut Conn) -> Result<Vec<OverrideRow>> {
    Ok(on!(conn, |c| sqlx::query_as(OPEN).fetch_all(c).await)?)
}

/// Those in force of a bot.
///
/// # Errors
/// When the database is gone.
pub async fn override_open_of(conn: &mut Conn, bot: &BotId) -> Result<Vec<OverrideRow>> {
    Ok(on!(conn, |c| sqlx::query_as(OPEN_OF).bind(bot).fetch_all(c).await)?)
}

/// One in force; none: it has ended, or never was.
///
/// # Errors
/// When the database is gone.
pub async fn override_one(conn: &mut Conn, id: &RequestId) -> Result<Option<OverrideRow>> {
    Ok(on!(conn, |c| sqlx::query_as(ONE).bind(id).fetch_optional(c).await)?)
}

/// How many a bot had since a moment.
///
/// # Errors
/// When the database is gone.
pub async fn override_count(conn: &mut Conn, bot: &BotId, since: Timestamp) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(COUNT).bind(bot).bind(since).fetch_one(c).await)?)
}
