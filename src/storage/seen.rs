//! The last thing each agent said. Observations: they are not acts and carry no audit entry.

use super::{
    Conn, Result, WriteTx,
    db::{insert, on, statements},
};
use crate::domain::{AgentId, BotId, Epoch, State, Timestamp};

statements! {
    ALL = "SELECT s.agent_id, s.bot_id, s.at, s.channel, s.boot, s.epoch, s.state, s.limits_version, s.start_after, s.build, s.config, s.report, s.report_at, s.instances FROM agent_seen s JOIN agent a ON a.id = s.agent_id WHERE a.state IN ('pending', 'confirmed')";
}

const INTO: &str = "INSERT INTO agent_seen (agent_id, bot_id, at, channel, boot, epoch, state, limits_version, start_after, build, config, report, report_at, instances) ";
const OVER: &str = " ON CONFLICT (agent_id) DO UPDATE SET at = excluded.at, channel = excluded.channel, boot = excluded.boot, epoch = excluded.epoch, state = excluded.state, limits_version = excluded.limits_version, start_after = excluded.start_after, build = excluded.build, config = excluded.config, instances = excluded.instances, report = COALESCE(excluded.report, agent_seen.report), report_at = COALESCE(excluded.report_at, agent_seen.report_at)";
/// How many rows one statement takes.
const ROWS: usize = 100;

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
    /// What each of its processes runs, JSON; none: it is one.
    pub instances: Option<String>,
}

/// Writes or rewrites what agents said, one row per agent; a missing report keeps the last one with its time.
///
/// # Errors
/// When the database is gone.
pub async fn seen_save_all(tx: &mut WriteTx, seen: &[Seen]) -> Result<()> {
    for rows in seen.chunks(ROWS) {
        insert!(
            tx,
            INTO,
            rows,
            |row, seen| {
                row.push_bind(&seen.agent_id).push_bind(&seen.bot_id).push_bind(seen.at).push_bind(&seen.channel).push_bind(&seen.boot);
                row.push_bind(seen.epoch).push_bind(seen.state).push_bind(seen.limits_version).push_bind(seen.start_after);
                row.push_bind(&seen.build)
                    .push_bind(&seen.config)
                    .push_bind(&seen.report)
                    .push_bind(seen.report_at)
                    .push_bind(&seen.instances)
            },
            OVER
        );
    }
    Ok(())
}

/// What every agent that may still speak said last: one row for each bot.
///
/// # Errors
/// When the database is gone.
pub async fn seen_all(conn: &mut Conn) -> Result<Vec<Seen>> {
    Ok(on!(conn, |c| sqlx::query_as(ALL).fetch_all(c).await)?)
}
