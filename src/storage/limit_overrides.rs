//! Exceptions: a larger position of one bot in one symbol for a while. A row that has ended stays.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, Epoch, RequestId, TeamId, Timestamp};

statements! {
    INSERT = "INSERT INTO limit_override (request_id, bot_id, symbol, most, until_at, why, set_at, epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    END = "UPDATE limit_override SET ended_at = $2, ended_by = $3 WHERE request_id = $1 AND ended_at IS NULL";
    OPEN = "SELECT request_id, bot_id, symbol, most, until_at, why, set_at, epoch FROM limit_override WHERE ended_at IS NULL ORDER BY request_id";
    OPEN_OF = "SELECT request_id, bot_id, symbol, most, until_at, why, set_at, epoch FROM limit_override WHERE bot_id = $1 AND ended_at IS NULL ORDER BY request_id";
    ONE = "SELECT request_id, bot_id, symbol, most, until_at, why, set_at, epoch FROM limit_override WHERE request_id = $1 AND ended_at IS NULL";
    BY_ID = "SELECT request_id, bot_id, symbol, most, until_at, why, set_at, ended_at, ended_by FROM limit_override WHERE request_id = $1";
    SOUGHT = "SELECT limit_override.request_id, limit_override.bot_id, limit_override.symbol, limit_override.most, limit_override.until_at, limit_override.why, limit_override.set_at, limit_override.ended_at, limit_override.ended_by FROM limit_override JOIN bot ON bot.id = limit_override.bot_id WHERE ($1 = '' OR limit_override.request_id < $1) AND ($2 = '' OR limit_override.bot_id = $2) AND ($3 = '' OR bot.team_id = $3) AND ($4 = '' OR ($4 = 'running' AND limit_override.ended_at IS NULL) OR ($4 = 'ended' AND limit_override.ended_at IS NOT NULL)) ORDER BY limit_override.request_id DESC LIMIT $5";
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

/// An exception, in force or over.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PastOverride {
    /// The request by which it held; its name.
    pub request_id: RequestId,
    /// The bot.
    pub bot_id: BotId,
    /// The symbol.
    pub symbol: String,
    /// The largest position, a decimal.
    pub most: String,
    /// Until when it was to hold.
    pub until_at: Timestamp,
    /// Why.
    pub why: String,
    /// Since when.
    pub set_at: Timestamp,
    /// When it ended; none: it is in force.
    pub ended_at: Option<Timestamp>,
    /// Who ended it: kind and id, as in the log.
    pub ended_by: Option<String>,
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

/// One, in force or over.
///
/// # Errors
/// When the database is gone.
pub async fn override_by_id(conn: &mut Conn, id: &RequestId) -> Result<Option<PastOverride>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?)
}

/// Those of a bot or of all, running, ended or both, of one team's bots or of all, newest first, those before one of them when it is named.
///
/// # Errors
/// When the database is gone.
pub async fn override_sought(
    conn: &mut Conn,
    (bot, running): (Option<&BotId>, Option<bool>),
    (team, before): (Option<&TeamId>, Option<&RequestId>),
    most: i64,
) -> Result<Vec<PastOverride>> {
    let (before, bot, team) = (before.map_or("", RequestId::as_str), bot.map_or("", BotId::as_str), team.map_or("", TeamId::as_str));
    let state = running.map_or("", |running| if running { "running" } else { "ended" });
    Ok(on!(conn, |c| sqlx::query_as(SOUGHT).bind(before).bind(bot).bind(team).bind(state).bind(most).fetch_all(c).await)?)
}

/// How many a bot had since a moment.
///
/// # Errors
/// When the database is gone.
pub async fn override_count(conn: &mut Conn, bot: &BotId, since: Timestamp) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(COUNT).bind(bot).bind(since).fetch_one(c).await)?)
}
