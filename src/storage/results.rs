//! What bots showed under each approval: one row each, to which every server adds what it has heard.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{
    BotId, RequestId, Timestamp,
    golive::results::{Counted, Results, Spread, Under},
};

statements! {
    ADD = "INSERT INTO stage_result (bot_id, request_id, reports, orders, rejects, errors, latency_n, latency_sum, latency_most, slippage_n, slippage_sum, slippage_most, first_at, last_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (bot_id, request_id) DO UPDATE SET reports = stage_result.reports + excluded.reports, orders = stage_result.orders + excluded.orders, rejects = stage_result.rejects + excluded.rejects, errors = stage_result.errors + excluded.errors, latency_most = CASE WHEN stage_result.latency_n = 0 OR (excluded.latency_n > 0 AND excluded.latency_most > stage_result.latency_most) THEN excluded.latency_most ELSE stage_result.latency_most END, latency_n = stage_result.latency_n + excluded.latency_n, latency_sum = stage_result.latency_sum + excluded.latency_sum, slippage_most = CASE WHEN stage_result.slippage_n = 0 OR (excluded.slippage_n > 0 AND excluded.slippage_most > stage_result.slippage_most) THEN excluded.slippage_most ELSE stage_result.slippage_most END, slippage_n = stage_result.slippage_n + excluded.slippage_n, slippage_sum = stage_result.slippage_sum + excluded.slippage_sum, first_at = CASE WHEN excluded.first_at < stage_result.first_at THEN excluded.first_at ELSE stage_result.first_at END, last_at = CASE WHEN excluded.last_at > stage_result.last_at THEN excluded.last_at ELSE stage_result.last_at END";
    ONE = "SELECT * FROM stage_result WHERE bot_id = $1 AND request_id = $2";
    STOPS = "SELECT COUNT(*) FROM bot_stop WHERE bot_id = $1 AND at >= $2 AND kind <> 'stage'";
    ALERTS = "SELECT COUNT(*) FROM alert WHERE bot_id = $1 AND opened_at >= $2";
    HOLDS = "SELECT COUNT(*) FROM hold WHERE scope_kind = 'bot' AND scope_id = $1 AND at >= $2";
}

#[derive(sqlx::FromRow)]
struct Row {
    reports: i64,
    orders: i64,
    rejects: i64,
    errors: i64,
    latency_n: i64,
    latency_sum: i64,
    latency_most: i64,
    slippage_n: i64,
    slippage_sum: i64,
    slippage_most: i64,
    first_at: Timestamp,
    last_at: Timestamp,
}

/// Adds what was heard. Sums are added and extremes compared by the database, so that no server's part is lost to another's.
///
/// # Errors
/// `Dangling` for a bot that is not there; when the database is gone.
pub async fn result_add(tx: &mut WriteTx, (bot, request): &Under, more: &Results) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(ADD)
        .bind(bot)
        .bind(request)
        .bind(more.reports)
        .bind(more.counted.orders)
        .bind(more.counted.rejects)
        .bind(more.counted.errors)
        .bind(more.latency.n)
        .bind(more.latency.sum)
        .bind(more.latency.most)
        .bind(more.slippage.n)
        .bind(more.slippage.sum)
        .bind(more.slippage.most)
        .bind(more.first_at.unwrap_or_default())
        .bind(more.last_at.unwrap_or_default())
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// What a bot showed under an approval; none: nothing was reported yet.
///
/// # Errors
/// When the database is gone.
pub async fn result_one(conn: &mut Conn, bot: &BotId, request: &RequestId) -> Result<Option<Results>> {
    let row: Option<Row> = on!(conn, |c| sqlx::query_as(ONE).bind(bot).bind(request).fetch_optional(c).await)?;
    Ok(row.map(|row| Results {
        reports: row.reports,
        counted: Counted { orders: row.orders, rejects: row.rejects, errors: row.errors },
        latency: Spread { n: row.latency_n, sum: row.latency_sum, most: row.latency_most },
        slippage: Spread { n: row.slippage_n, sum: row.slippage_sum, most: row.slippage_most },
        first_at: Some(row.first_at),
        last_at: Some(row.last_at),
    }))
}

/// How often a bot was stopped, held for itself, and alerted of since a moment.
///
/// # Errors
/// When the database is gone.
pub async fn result_incidents(conn: &mut Conn, bot: &BotId, since: Timestamp) -> Result<(i64, i64, i64)> {
    let stops: i64 = on!(conn, |c| sqlx::query_scalar(STOPS).bind(bot).bind(since).fetch_one(c).await)?;
    let holds: i64 = on!(conn, |c| sqlx::query_scalar(HOLDS).bind(bot).bind(since).fetch_one(c).await)?;
    let alerts: i64 = on!(conn, |c| sqlx::query_scalar(ALERTS).bind(bot).bind(since).fetch_one(c).await)?;
    Ok((stops, holds, alerts))
}
