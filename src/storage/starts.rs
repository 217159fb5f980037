//! Starts: which act let which bot trade again, with the leaf and proof its agent may check.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{ActId, BotId, Epoch, Timestamp};

statements! {
    INSERT = "INSERT INTO bot_start (bot_id, epoch, act_id, leaf_index, leaf, proof, at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    GET = "SELECT bot_id, epoch, act_id, leaf_index, leaf, proof, at, applied_at FROM bot_start WHERE bot_id = $1 AND epoch = $2";
    APPLIED = "UPDATE bot_start SET applied_at = $3 WHERE bot_id = $1 AND epoch = $2 AND applied_at IS NULL";
    UNAPPLIED = "SELECT s.bot_id, s.epoch, s.act_id, s.leaf_index, s.leaf, s.proof, s.at, s.applied_at FROM bot_start s JOIN bot b ON b.id = s.bot_id AND b.start_epoch = s.epoch WHERE s.applied_at IS NULL AND s.at < $1 AND (b.stop_epoch IS NULL OR b.stop_epoch < s.epoch)";
}

/// The start of one bot.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct BotStart {
    /// The bot.
    pub bot_id: BotId,
    /// The epoch it took.
    pub epoch: Epoch,
    /// The signed act.
    pub act_id: ActId,
    /// The leaf's place in the act's tree.
    pub leaf_index: i64,
    /// The leaf, RFC 8785 JSON.
    pub leaf: String,
    /// JSON array of base64url hashes.
    pub proof: String,
    /// When.
    pub at: Timestamp,
    /// When its agent said that the bot trades.
    pub applied_at: Option<Timestamp>,
}

/// Writes a start.
///
/// # Errors
/// When the database is gone.
pub async fn start_insert(tx: &mut WriteTx, start: &BotStart) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&start.bot_id)
        .bind(start.epoch)
        .bind(&start.act_id)
        .bind(start.leaf_index)
        .bind(&start.leaf)
        .bind(&start.proof)
        .bind(start.at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The start of a bot at an epoch.
///
/// # Errors
/// When the database is gone.
pub async fn start_get(conn: &mut Conn, bot: &BotId, epoch: Epoch) -> Result<Option<BotStart>> {
    Ok(on!(conn, |c| sqlx::query_as(GET).bind(bot).bind(epoch).fetch_optional(c).await)?)
}

/// The agent said that the bot trades under this start.
///
/// # Errors
/// When the database is gone.
pub async fn start_applied(tx: &mut WriteTx, bot: &BotId, epoch: Epoch, at: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(APPLIED).bind(bot).bind(epoch).bind(at).execute(c).await.map(drop))?;
    Ok(())
}

/// Starts made before a moment that nobody acknowledged and nothing has stopped since.
///
/// # Errors
/// When the database is gone.
pub async fn start_unapplied(conn: &mut Conn, before: Timestamp) -> Result<Vec<BotStart>> {
    Ok(on!(conn, |c| sqlx::query_as(UNAPPLIED).bind(before).fetch_all(c).await)?)
}
