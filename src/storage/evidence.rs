//! Evidence frozen at a press: one row per bot, then one for the whole. Written once, never changed.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, HoldId, Timestamp};

statements! {
    SAVE = "INSERT INTO evidence_bot (hold_id, bot_id, text, sha256) VALUES ($1, $2, $3, $4) ON CONFLICT (hold_id, bot_id) DO NOTHING";
    FINISH = "INSERT INTO evidence (hold_id, taken_at, late, bots, sha256) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (hold_id) DO NOTHING";
    OF_HOLD = "SELECT hold_id, taken_at, late, bots, sha256 FROM evidence WHERE hold_id = $1";
    DIGESTS = "SELECT bot_id, sha256 FROM evidence_bot WHERE hold_id = $1 ORDER BY bot_id";
    PIECES = "SELECT bot_id, text, sha256 FROM evidence_bot WHERE hold_id = $1 AND bot_id > $2 ORDER BY bot_id LIMIT $3";
    PIECE = "SELECT bot_id, text, sha256 FROM evidence_bot WHERE hold_id = $1 AND bot_id = $2";
    MISSING = "SELECT h.id FROM hold h WHERE h.at >= $1 AND h.at < $2 AND h.origin IS NULL AND NOT EXISTS (SELECT 1 FROM evidence e WHERE e.hold_id = h.id) ORDER BY h.at LIMIT 20";
}

/// The evidence of one hold.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Evidence {
    /// The hold.
    pub hold_id: HoldId,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Not at the press but afterwards, from what the database had.
    pub late: bool,
    /// Of how many bots.
    pub bots: i64,
    /// SHA-256 of its manifest, hex.
    pub sha256: String,
}

/// The evidence about one bot.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Piece {
    /// The bot.
    pub bot_id: BotId,
    /// RFC 8785 JSON.
    pub text: String,
    /// SHA-256 of that text, hex.
    pub sha256: String,
}

/// Writes what was known of one bot, once.
///
/// # Errors
/// When the database is gone.
pub async fn evidence_save(tx: &mut WriteTx, hold: &HoldId, piece: &Piece) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SAVE).bind(hold).bind(&piece.bot_id).bind(&piece.text).bind(&piece.sha256).execute(c).await.map(drop))?;
    Ok(())
}

/// Writes that the evidence of a hold is whole; false when somebody has.
///
/// # Errors
/// When the database is gone.
pub async fn evidence_finish(tx: &mut WriteTx, whole: &Evidence) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(FINISH)
        .bind(&whole.hold_id)
        .bind(whole.taken_at)
        .bind(whole.late)
        .bind(whole.bots)
        .bind(&whole.sha256)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}

/// The evidence of a hold; none: it is not whole yet, or there is no such hold.
///
/// # Errors
/// When the database is gone.
pub async fn evidence_of(conn: &mut Conn, hold: &HoldId) -> Result<Option<Evidence>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_HOLD).bind(hold).fetch_optional(c).await)?)
}

/// The digests of its pieces, in order of bot.
///
/// # Errors
/// When the database is gone.
pub async fn evidence_digests(conn: &mut Conn, hold: &HoldId) -> Result<Vec<(BotId, String)>> {
    Ok(on!(conn, |c| sqlx::query_as(DIGESTS).bind(hold).fetch_all(c).await)?)
}

/// Its pieces in order of bot, those after one of them when it is named.
///
/// # Errors
/// When the database is gone.
pub async fn evidence_pieces(conn: &mut Conn, hold: &HoldId, after: &str, most: i64) -> Result<Vec<Piece>> {
    Ok(on!(conn, |c| sqlx::query_as(PIECES).bind(hold).bind(after).bind(most).fetch_all(c).await)?)
}

/// The piece about one bot.
///
/// # Errors
/// When the database is gone.
pub async fn evidence_piece(conn: &mut Conn, hold: &HoldId, bot: &BotId) -> Result<Option<Piece>> {
    Ok(on!(conn, |c| sqlx::query_as(PIECE).bind(hold).bind(bot).fetch_optional(c).await)?)
}

/// Holds pressed here between two moments whose evidence is not whole, oldest first, at most 20.
///
/// # Errors
/// When the database is gone.
pub async fn evidence_missing(conn: &mut Conn, from: Timestamp, to: Timestamp) -> Result<Vec<HoldId>> {
    Ok(on!(conn, |c| sqlx::query_scalar(MISSING).bind(from).bind(to).fetch_all(c).await)?)
}
