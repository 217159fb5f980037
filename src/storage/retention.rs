//! Forgetting old observations, some rows at a time. What is open stays, and so does the newest of each bot.

use super::{
    Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{Epoch, HoldId, Timestamp};

statements! {
    ACKS = "DELETE FROM ack WHERE (bot_id, epoch, step) IN (SELECT a.bot_id, a.epoch, a.step FROM ack a WHERE a.at < $1 AND a.epoch < $2 AND a.epoch < (SELECT MAX(b.epoch) FROM ack b WHERE b.bot_id = a.bot_id AND b.step = a.step AND b.state = 'halted') LIMIT $3)";
    OLD_EVIDENCE = "SELECT e.hold_id FROM evidence e JOIN hold h ON h.id = e.hold_id WHERE e.taken_at < $1 AND h.released_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM evidence_bot b WHERE b.hold_id = e.hold_id AND NOT EXISTS (SELECT 1 FROM evidence_bot c JOIN evidence n ON n.hold_id = c.hold_id WHERE c.bot_id = b.bot_id AND n.taken_at > e.taken_at)) ORDER BY e.taken_at LIMIT 1";
    PIECES = "DELETE FROM evidence_bot WHERE (hold_id, bot_id) IN (SELECT hold_id, bot_id FROM evidence_bot WHERE hold_id = $1 LIMIT 50)";
    EVIDENCE = "DELETE FROM evidence WHERE hold_id = $1";
    ALERTS = "DELETE FROM alert WHERE id IN (SELECT a.id FROM alert a WHERE a.closed_at < $1 AND a.command NOT IN ('due', 'running') AND EXISTS (SELECT 1 FROM alert b WHERE b.subject = a.subject AND b.opened_at > a.opened_at) LIMIT $2)";
}

/// Forgets acknowledgements of before a moment, when the bot has proved a later stop and no hold of that epoch or before stands. `first`: the
/// epoch of the oldest hold that stands.
///
/// # Errors
/// When the database is gone.
pub async fn ack_forget(tx: &mut WriteTx, before: Timestamp, first: Option<Epoch>, most: i64) -> Result<u64> {
    let first = first.unwrap_or(Epoch(i64::MAX));
    Ok(on!(&mut **tx, |c| sqlx::query(ACKS).bind(before).bind(first).bind(most).execute(c).await.map(|r| r.rows_affected()))?)
}

/// Forgets some of the oldest evidence of before a moment, whole bundles one after the other: of holds that are over, and when every bot in it has
/// a newer one. Answers 0 when there is none.
///
/// # Errors
/// When the database is gone.
pub async fn evidence_forget(tx: &mut WriteTx, before: Timestamp) -> Result<u64> {
    let old: Option<HoldId> = on!(&mut **tx, |c| sqlx::query_scalar(OLD_EVIDENCE).bind(before).fetch_optional(c).await)?;
    let Some(hold) = old else { return Ok(0) };
    let pieces = on!(&mut **tx, |c| sqlx::query(PIECES).bind(&hold).execute(c).await.map(|r| r.rows_affected()))?;
    if pieces > 0 {
        return Ok(pieces);
    }
    Ok(on!(&mut **tx, |c| sqlx::query(EVIDENCE).bind(&hold).execute(c).await.map(|r| r.rows_affected()))?)
}

/// Forgets alerts that were closed before a moment, when there is a newer one about the same.
///
/// # Errors
/// When the database is gone.
pub async fn alert_forget(tx: &mut WriteTx, before: Timestamp, most: i64) -> Result<u64> {
    Ok(on!(&mut **tx, |c| sqlx::query(ALERTS).bind(before).bind(most).execute(c).await.map(|r| r.rows_affected()))?)
}
