//! Drills with a negative control: what was to be stopped, what was not, and how it came out. What each bot's stop took is here as well.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, DrillId, HoldId, PlacerKind, Timestamp};

statements! {
    INSERT = "INSERT INTO drill_run (id, by_kind, by_id, by_name, control_bot, began_at, ends_at, reasons) VALUES ($1, $2, $3, $4, $5, $6, $7, '')";
    BOT = "INSERT INTO drill_bot (run_id, bot_id, hold_id) VALUES ($1, $2, $3)";
    MEASURE = "UPDATE drill_bot SET received_ms = $3, applied_ms = $4, idle_ms = $5 WHERE run_id = $1 AND bot_id = $2";
    END = "UPDATE drill_run SET ended_at = $2, passed = $3, reasons = $4, control_at = $5, expires_at = $6 WHERE id = $1 AND ended_at IS NULL";
    OPEN = "SELECT * FROM drill_run WHERE ended_at IS NULL ORDER BY began_at, id";
    NEWEST = "SELECT * FROM drill_run WHERE ($1 = '' OR id < $1) ORDER BY id DESC LIMIT $2";
    BY_ID = "SELECT * FROM drill_run WHERE id = $1";
    BOTS = "SELECT * FROM drill_bot WHERE run_id = $1 ORDER BY bot_id";
    LAST_OF_BOT = "SELECT r.* FROM drill_run r JOIN drill_bot b ON b.run_id = r.id WHERE b.bot_id = $1 AND r.ended_at IS NOT NULL ORDER BY r.began_at DESC, r.id DESC LIMIT 1";
}

/// A drill.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DrillRun {
    /// Its id.
    pub id: DrillId,
    /// Who began it.
    pub by_kind: PlacerKind,
    /// Their id.
    pub by_id: String,
    /// Their name as shown.
    pub by_name: String,
    /// The bot that must go on.
    pub control_bot: BotId,
    /// When it was pressed.
    pub began_at: Timestamp,
    /// When it is over, whatever is missing.
    pub ends_at: Timestamp,
    /// When it was over; none: it runs.
    pub ended_at: Option<Timestamp>,
    /// Whether it passed.
    pub passed: Option<bool>,
    /// What was wrong: a sentence per line.
    pub reasons: String,
    /// When the control was heard going on.
    pub control_at: Option<Timestamp>,
    /// Until when it proves anything; none: it proves nothing.
    pub expires_at: Option<Timestamp>,
}

/// One bot of a drill. Milliseconds from the press.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DrillBot {
    /// The drill.
    pub run_id: DrillId,
    /// The bot.
    pub bot_id: BotId,
    /// Its hold.
    pub hold_id: HoldId,
    /// When its agent had it.
    pub received_ms: Option<i64>,
    /// When the bot had obeyed.
    pub applied_ms: Option<i64>,
    /// When it had no entry orders.
    pub idle_ms: Option<i64>,
}

/// Writes a drill that begins.
///
/// # Errors
/// When the database is gone.
pub async fn drill_run_insert(tx: &mut WriteTx, run: &DrillRun) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&run.id)
        .bind(run.by_kind)
        .bind(&run.by_id)
        .bind(&run.by_name)
        .bind(&run.control_bot)
        .bind(run.began_at)
        .bind(run.ends_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Notes under which hold a bot of a drill was paused.
///
/// # Errors
/// When the database is gone.
pub async fn drill_bot_insert(tx: &mut WriteTx, run: &DrillId, bot: &BotId, hold: &HoldId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(BOT).bind(run).bind(bot).bind(hold).execute(c).await.map(drop))?;
    Ok(())
}

/// Writes what a bot's stop took.
///
/// # Errors
/// When the database is gone.
pub async fn drill_bot_measure(tx: &mut WriteTx, bot: &DrillBot) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(MEASURE)
        .bind(&bot.run_id)
        .bind(&bot.bot_id)
        .bind(bot.received_ms)
        .bind(bot.applied_ms)
        .bind(bot.idle_ms)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Ends a drill, once; false when somebody has.
///
/// # Errors
/// When the database is gone.
pub async fn drill_run_end(tx: &mut WriteTx, run: &DrillRun) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(END)
        .bind(&run.id)
        .bind(run.ended_at)
        .bind(run.passed)
        .bind(&run.reasons)
        .bind(run.control_at)
        .bind(run.expires_at)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}

/// Drills that run.
///
/// # Errors
/// When the database is gone.
pub async fn drill_run_open(conn: &mut Conn) -> Result<Vec<DrillRun>> {
    Ok(on!(conn, |c| sqlx::query_as(OPEN).fetch_all(c).await)?)
}

/// Drills, newest first, those before one of them when it is named.
///
/// # Errors
/// When the database is gone.
pub async fn drill_run_newest(conn: &mut Conn, before: Option<&DrillId>, most: i64) -> Result<Vec<DrillRun>> {
    let before = before.map_or("", DrillId::as_str);
    Ok(on!(conn, |c| sqlx::query_as(NEWEST).bind(before).bind(most).fetch_all(c).await)?)
}

/// One drill.
///
/// # Errors
/// When the database is gone.
pub async fn drill_run_by_id(conn: &mut Conn, id: &DrillId) -> Result<Option<DrillRun>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?)
}

/// The bots of a drill.
///
/// # Errors
/// When the database is gone.
pub async fn drill_bots(conn: &mut Conn, run: &DrillId) -> Result<Vec<DrillBot>> {
    Ok(on!(conn, |c| sqlx::query_as(BOTS).bind(run).fetch_all(c).await)?)
}

/// The latest drill of a bot that is over.
///
/// # Errors
/// When the database is gone.
pub async fn drill_last_of_bot(conn: &mut Conn, bot: &BotId) -> Result<Option<DrillRun>> {
    Ok(on!(conn, |c| sqlx::query_as(LAST_OF_BOT).bind(bot).fetch_optional(c).await)?)
}
