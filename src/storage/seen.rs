//! The last thing each agent said. Observations: they are not acts and carry no audit entry.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{AgentId, BotId, Epoch, State, Timestamp};

statements! {
    SAVE = "INSERT INTO agent_seen (agent_id, bot_id, at, channel, boot, epoch, state, limits_version, start_after, build, config, report, report_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (agent_id) DO UPDATE SET at = excluded.at, channel = excluded.channel, boot = excluded.boot, epoch = excluded.epoch, state = excluded.state, limits_version = excluded.limits_version, start_after = excluded.start_after, build = excluded.build, config = excluded.config, report = COALESCE(excluded.report, agent_seen.report), report_at = COALESCE(excluded.report_at, agent_seen.report_at)";
    ALL = "SELECT agent_id, bot_id, at, channel, boot, epoch, state, limits_version, start_after, build, config, report, report_at FROM agent_seen";
}

/// What an agent said last.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Seen {
    /// The agent.
    pub agent_id: AgentId,
    /// Its bot.
    pub bot_id: BotId,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// `stream` or `poll`.
    pub channel: String,
    /// Its boot.
    pub boot: Option<String>,
    /// The epoch it has seen.
    pub epoch: Option<Epoch>,
    /// What its bot does.
    pub state: Option<State>,
    /// The limits version it enforces.
    pub limits_version: Option<i64>,
    /// Only a start above this counts.
    pub start_after: Option<Epoch>,
    /// Digest of the build.
    pub build: Option<String>,
    /// Digest of the configuration.
    pub config: Option<String>,
    /// The last report, JSON.
    pub report: Option<String>,
    /// When it came.
    pub report_at: Option<Timestamp>,
}

/// Writes or rewrites what an agent said; a missing report keeps the last one with its time.
///
/// # Errors
/// When the database is gone.
pub async fn seen_save(tx: &mut WriteTx, seen: &Seen) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SAVE)
        .bind(&seen.agent_id)
        .bind(&seen.bot_id)
        .bind(seen.at)
        .bind(&seen.channel)
        .bind(&seen.boot)
        .bind(seen.epoch)
        .bind(seen.state)
        .bind(seen.limits_version)
        .bind(seen.start_after)
        .bind(&seen.build)
        .bind(&seen.config)
        .bind(&seen.report)
        .bind(seen.report_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// What every agent said last.
///
/// # Errors
/// When the database is gone.
pub async fn seen_all(conn: &mut Conn) -> Result<Vec<Seen>> {
    Ok(on!(conn, |c| sqlx::query_as(ALL).fetch_all(c).await)?)
}
