//! What happened at bots, as their agents told it. Observations.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, Timestamp};

statements! {
    SAVE = "INSERT INTO bot_event (id, bot_id, at, kind, severity, message) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
    BEFORE = "SELECT id, bot_id, at, kind, severity, message FROM bot_event WHERE bot_id = $1 AND at <= $2 ORDER BY at DESC, id DESC LIMIT $3";
    LAST = "SELECT id, bot_id, at, kind, severity, message FROM bot_event WHERE bot_id = $1 ORDER BY at DESC, id DESC LIMIT $2";
}

/// One event.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct BotEvent {
    /// The agent's id for it, or ours.
    pub id: String,
    /// The bot.
    pub bot_id: BotId,
    /// When it arrived.
    pub at: Timestamp,
    /// What it is.
    pub kind: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// In words.
    pub message: String,
}

/// Writes an event, once.
///
/// # Errors
/// When the database is gone.
pub async fn event_save(tx: &mut WriteTx, event: &BotEvent) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SAVE)
        .bind(&event.id)
        .bind(&event.bot_id)
        .bind(event.at)
        .bind(&event.kind)
        .bind(&event.severity)
        .bind(&event.message)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The last events of a bot, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn event_last(conn: &mut Conn, bot: &BotId, most: i64) -> Result<Vec<BotEvent>> {
    Ok(on!(conn, |c| sqlx::query_as(LAST).bind(bot).bind(most).fetch_all(c).await)?)
}

/// The last events of a bot up to a moment, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn event_before(conn: &mut Conn, bot: &BotId, at: Timestamp, most: i64) -> Result<Vec<BotEvent>> {
    Ok(on!(conn, |c| sqlx::query_as(BEFORE).bind(bot).bind(at).bind(most).fetch_all(c).await)?)
}
