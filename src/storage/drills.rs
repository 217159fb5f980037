//! How fast bots stopped in drills. Measurements, not acts: the hold itself is the act.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, Epoch, HoldId, Timestamp};

statements! {
    SAVE = "INSERT INTO drill (bot_id, hold_id, epoch, at, received_ms, applied_ms, idle_ms) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (bot_id, hold_id) DO NOTHING";
    OF_HOLD = "SELECT COUNT(*) FROM drill WHERE bot_id = $1 AND hold_id = $2";
    LATEST = "SELECT d.bot_id, d.hold_id, d.epoch, d.at, d.received_ms, d.applied_ms, d.idle_ms FROM drill d JOIN (SELECT bot_id, MAX(epoch) AS epoch FROM drill GROUP BY bot_id) l ON l.bot_id = d.bot_id AND l.epoch = d.epoch";
}

/// One bot in one drill. Milliseconds from the press to each step.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Drill {
    /// The bot.
    pub bot_id: BotId,
    /// The hold.
    pub hold_id: HoldId,
    /// The epoch of its placing.
    pub epoch: Epoch,
    /// When it was pressed.
    pub at: Timestamp,
    /// When its agent had it.
    pub received_ms: i64,
    /// When the bot had obeyed.
    pub applied_ms: i64,
    /// When it had no entry orders.
    pub idle_ms: i64,
}

/// Writes a measurement, once.
///
/// # Errors
/// When the database is gone.
pub async fn drill_save(tx: &mut WriteTx, drill: &Drill) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SAVE)
        .bind(&drill.bot_id)
        .bind(&drill.hold_id)
        .bind(drill.epoch)
        .bind(drill.at)
        .bind(drill.received_ms)
        .bind(drill.applied_ms)
        .bind(drill.idle_ms)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The latest measurement of every bot that has one.
///
/// # Errors
/// When the database is gone.
pub async fn drill_latest(conn: &mut Conn) -> Result<Vec<Drill>> {
    Ok(on!(conn, |c| sqlx::query_as(LATEST).fetch_all(c).await)?)
}

/// True when a hold has measured a bot.
///
/// # Errors
/// When the database is gone.
pub async fn drill_is_saved(conn: &mut Conn, bot: &BotId, hold: &HoldId) -> Result<bool> {
    Ok(on!(conn, |c| sqlx::query_scalar::<_, i64>(OF_HOLD).bind(bot).bind(hold).fetch_one(c).await)? > 0)
}
