//! What is counted of bots across restarts: one row per bot. Observations: they are no acts and carry no audit entry.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, Timestamp};

statements! {
    SINCE = "SELECT bot_id, at, counted FROM bot_gauge WHERE at > $1";
}

const INTO: &str = "INSERT INTO bot_gauge (bot_id, at, counted) ";
const OVER: &str = " ON CONFLICT (bot_id) DO UPDATE SET at = excluded.at, counted = excluded.counted WHERE bot_gauge.at < excluded.at";
/// How many rows one statement takes.
const ROWS: usize = 200;

/// What was counted of a bot.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct GaugeRow {
    /// The bot.
    pub bot_id: BotId,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// As JSON.
    pub counted: String,
}

/// Writes or rewrites what was counted, one row per bot; what is older than what stands changes nothing.
///
/// # Errors
/// When the database is gone.
pub async fn gauge_save_all(tx: &mut WriteTx, gauges: &[GaugeRow]) -> Result<()> {
    for rows in gauges.chunks(ROWS) {
        on!(&mut **tx, |c| {
            let mut query = sqlx::QueryBuilder::new(INTO);
            query.push_values(rows, |mut row, gauge| {
                row.push_bind(&gauge.bot_id).push_bind(gauge.at).push_bind(&gauge.counted);
            });
            query.push(OVER).build().execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

/// What was counted after a moment.
///
/// # Errors
/// When the database is gone.
pub async fn gauge_since(conn: &mut Conn, after: Timestamp) -> Result<Vec<GaugeRow>> {
    Ok(on!(conn, |c| sqlx::query_as(SINCE).bind(after).fetch_all(c).await)?)
}
