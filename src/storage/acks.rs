//! How far agents have come with directives. The first acknowledgement of a step stands with its time; a repeat
//! changes nothing, and one that tells of another state takes its place: the newest state counts.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, Epoch, State, Step, Timestamp};

statements! {
    SAVE = "INSERT INTO ack (bot_id, epoch, step, at, state, entry_orders, open_orders) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (bot_id, epoch, step) DO UPDATE SET at = excluded.at, state = excluded.state, entry_orders = excluded.entry_orders, open_orders = excluded.open_orders WHERE ack.at <= excluded.at AND ack.state IS DISTINCT FROM excluded.state";
    SINCE = "SELECT bot_id, epoch, step, at, state, entry_orders, open_orders FROM ack WHERE epoch >= $1";
    OF_BOT = "SELECT bot_id, epoch, step, at, state, entry_orders, open_orders FROM ack WHERE bot_id = $1 AND epoch >= $2";
}

/// One acknowledgement, timed by the server's clock.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Ack {
    /// The bot.
    pub bot_id: BotId,
    /// The directive's epoch.
    pub epoch: Epoch,
    /// The step.
    pub step: Step,
    /// When it arrived.
    pub at: Timestamp,
    /// What the bot did then; `active` proves no stop.
    pub state: Option<State>,
    /// Entry orders as read back.
    pub entry_orders: Option<i64>,
    /// Open orders as read back.
    pub open_orders: Option<i64>,
}

/// Writes an acknowledgement, once for each state in turn.
///
/// # Errors
/// When the database is gone.
pub async fn ack_save(tx: &mut WriteTx, ack: &Ack) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SAVE)
        .bind(&ack.bot_id)
        .bind(ack.epoch)
        .bind(ack.step)
        .bind(ack.at)
        .bind(ack.state)
        .bind(ack.entry_orders)
        .bind(ack.open_orders)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Everything acknowledged at or after an epoch: what proves a stop of that epoch.
///
/// # Errors
/// When the database is gone.
pub async fn ack_since(conn: &mut Conn, epoch: Epoch) -> Result<Vec<Ack>> {
    Ok(on!(conn, |c| sqlx::query_as(SINCE).bind(epoch).fetch_all(c).await)?)
}

/// The same for one bot.
///
/// # Errors
/// When the database is gone.
pub async fn ack_of_bot(conn: &mut Conn, bot: &BotId, epoch: Epoch) -> Result<Vec<Ack>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_BOT).bind(bot).bind(epoch).fetch_all(c).await)?)
}
