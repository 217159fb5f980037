//! Starts: which act let which bot trade again, with the leaf and proof its agent may check.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{ActId, BotId, Epoch, Timestamp};

statements! {
    GET = "SELECT bot_id, epoch, act_id, leaf_index, leaf, proof, at, applied_at FROM bot_start WHERE bot_id = $1 AND epoch = $2";
    APPLIED = "UPDATE bot_start SET applied_at = $3 WHERE bot_id = $1 AND epoch = $2 AND applied_at IS NULL";
    TAKEN_UP = "SELECT bot_id FROM bot_start WHERE act_id = $1 AND applied_at IS NOT NULL";
    UNAPPLIED = "SELECT s.bot_id, s.epoch, s.act_id, s.leaf_index, s.leaf, s.proof, s.at, s.applied_at FROM bot_start s JOIN bot b ON b.id = s.bot_id AND b.start_epoch = s.epoch WHERE s.applied_at IS NULL AND s.at < $1 AND (b.stop_epoch IS NULL OR b.stop_epoch < s.epoch)";
}

const INTO: &str = "INSERT INTO bot_start (bot_id, epoch, act_id, leaf_index, leaf, proof, at) ";
/// How many rows one statement takes.
const ROWS: usize = 100;

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

/// Writes starts, many rows with one statement.
///
/// # Errors
/// When the database is gone.
pub async fn start_insert_all(tx: &mut WriteTx, starts: &[BotStart]) -> Result<()> {
    for rows in starts.chunks(ROWS) {
        on!(&mut **tx, |c| {
            let mut query = sqlx::QueryBuilder::new(INTO);
            query.push_values(rows, |mut row, start| {
                row.push_bind(&start.bot_id).push_bind(start.epoch).push_bind(&start.act_id).push_bind(start.leaf_index);
                row.push_bind(&start.leaf).push_bind(&start.proof).push_bind(start.at);
            });
            query.build().execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

/// The bots that have taken their start of an act up.
///
/// # Errors
/// When the database is gone.
pub async fn start_taken_up(conn: &mut Conn, act: &ActId) -> Result<Vec<BotId>> {
    Ok(on!(conn, |c| sqlx::query_scalar(TAKEN_UP).bind(act).fetch_all(c).await)?)
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
