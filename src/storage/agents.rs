//! Agents, their enrolment codes and their boots.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{AgentId, BootId, BotId, Timestamp, UserId};

statements! {
    INSERT = "INSERT INTO agent (id, bot_id, name, version, platform, token_hash, recipient, fingerprint, state, enrolled_at, token_since) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $9)";
    COLUMNS_BY_ID = "SELECT id, bot_id, name, version, platform, token_hash, recipient, fingerprint, state, enrolled_at, confirmed_by, ended_at, next_token_hash, token_since FROM agent WHERE id = $1";
    ALL = "SELECT id, bot_id, name, version, platform, token_hash, recipient, fingerprint, state, enrolled_at, confirmed_by, ended_at, next_token_hash, token_since FROM agent ORDER BY enrolled_at DESC";
    OF_BOT = "SELECT id, bot_id, name, version, platform, token_hash, recipient, fingerprint, state, enrolled_at, confirmed_by, ended_at, next_token_hash, token_since FROM agent WHERE bot_id = $1 AND state IN ('pending', 'confirmed')";
    LIVE = "SELECT id, bot_id, name, state, token_hash, next_token_hash FROM agent WHERE state IN ('pending', 'confirmed')";
    CONFIRM = "UPDATE agent SET state = 'confirmed', confirmed_by = $2 WHERE id = $1 AND state = 'pending'";
    UNCONFIRM = "UPDATE agent SET state = 'pending', confirmed_by = NULL WHERE id = $1 AND state = 'confirmed'";
    END = "UPDATE agent SET state = $2, ended_at = $3 WHERE id = $1 AND state IN ('pending', 'confirmed')";
    SET_NEXT_TOKEN = "UPDATE agent SET next_token_hash = $2 WHERE id = $1 AND state IN ('pending', 'confirmed')";
    TAKE_NEXT_TOKEN = "UPDATE agent SET token_hash = next_token_hash, next_token_hash = NULL, token_since = $3 WHERE id = $1 AND next_token_hash = $2";
    CODE_INSERT = "INSERT INTO enrolment_code (code_hash, bot_id, made_by, made_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    CODE_BY_HASH = "SELECT code_hash, bot_id, made_by, made_at, expires_at, used_at, agent_id FROM enrolment_code WHERE code_hash = $1";
    CODE_USE = "UPDATE enrolment_code SET used_at = $2, agent_id = $3 WHERE code_hash = $1 AND used_at IS NULL AND expires_at > $2";
    BOOT_NEWEST = "SELECT boot, n FROM agent_boot WHERE agent_id = $1 ORDER BY n DESC LIMIT 1";
    BOOT_KNOWN = "SELECT COUNT(*) FROM agent_boot WHERE agent_id = $1 AND boot = $2";
    BOOT_INSERT = "INSERT INTO agent_boot (agent_id, n, boot, at) VALUES ($1, $2, $3, $4)";
}

/// An agent as stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its bot.
    pub bot_id: BotId,
    /// Its name, usually the host's.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Operating system and architecture.
    pub platform: String,
    /// SHA-256 of its token, hex.
    pub token_hash: String,
    /// Its age public key.
    pub recipient: String,
    /// What a person compares.
    pub fingerprint: String,
    /// `pending`, `confirmed`, `revoked` or `replaced`.
    pub state: String,
    /// When it enrolled.
    pub enrolled_at: Timestamp,
    /// Who confirmed it.
    pub confirmed_by: Option<UserId>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// SHA-256 of a token that was handed out and not used yet, hex.
    pub next_token_hash: Option<String>,
    /// Since when its token has been in use.
    pub token_since: Timestamp,
}

impl Agent {
    /// True while its credential holds.
    pub fn is_live(&self) -> bool {
        matches!(self.state.as_str(), "pending" | "confirmed")
    }
}

/// What tells who speaks: of an agent whose credential holds, only what every request needs. All of them are read at each start.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Live {
    /// Its id.
    pub id: AgentId,
    /// Its bot.
    pub bot_id: BotId,
    /// Its name.
    pub name: String,
    /// `pending` or `confirmed`.
    pub state: String,
    /// SHA-256 of its token, hex.
    pub token_hash: String,
    /// SHA-256 of a token that was handed out and not used yet, hex.
    pub next_token_hash: Option<String>,
}

/// A one-time code as stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct EnrolmentCode {
    /// SHA-256 of it, hex.
    pub code_hash: String,
    /// The bot it is for.
    pub bot_id: BotId,
    /// Who made it.
    pub made_by: UserId,
    /// When.
    pub made_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
    /// By which agent.
    pub agent_id: Option<AgentId>,
}

/// Writes a new agent, pending.
///
/// # Errors
/// `Duplicate` when the bot still has a live one.
pub async fn agent_insert(tx: &mut WriteTx, agent: &Agent) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&agent.id)
        .bind(&agent.bot_id)
        .bind(&agent.name)
        .bind(&agent.version)
        .bind(&agent.platform)
        .bind(&agent.token_hash)
        .bind(&agent.recipient)
        .bind(&agent.fingerprint)
        .bind(agent.enrolled_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// One agent.
///
/// # Errors
/// When the database is gone.
pub async fn agent_by_id(conn: &mut Conn, id: &AgentId) -> Result<Option<Agent>> {
    Ok(on!(conn, |c| sqlx::query_as(COLUMNS_BY_ID).bind(id).fetch_optional(c).await)?)
}

/// Every agent, newest first, ended ones included.
///
/// # Errors
/// When the database is gone.
pub async fn agent_all(conn: &mut Conn) -> Result<Vec<Agent>> {
    Ok(on!(conn, |c| sqlx::query_as(ALL).fetch_all(c).await)?)
}

/// Every agent whose credential holds.
///
/// # Errors
/// When the database is gone.
pub async fn agent_live(conn: &mut Conn) -> Result<Vec<Live>> {
    Ok(on!(conn, |c| sqlx::query_as(LIVE).fetch_all(c).await)?)
}

/// The live agent of a bot.
///
/// # Errors
/// When the database is gone.
pub async fn agent_of_bot(conn: &mut Conn, bot: &BotId) -> Result<Option<Agent>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_BOT).bind(bot).fetch_optional(c).await)?)
}

/// A person has compared the fingerprint. False when it was not pending.
///
/// # Errors
/// When the database is gone.
pub async fn agent_confirm(tx: &mut WriteTx, id: &AgentId, by: &UserId) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(CONFIRM).bind(id).bind(by).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Back to pending: its code was presented a second time.
///
/// # Errors
/// When the database is gone.
pub async fn agent_unconfirm(tx: &mut WriteTx, id: &AgentId) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(UNCONFIRM).bind(id).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Ends an agent's credential as `revoked` or `replaced`; false when it had ended.
///
/// # Errors
/// When the database is gone.
pub async fn agent_end(tx: &mut WriteTx, id: &AgentId, state: &str, at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(END).bind(id).bind(state).bind(at).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Hands a new token out beside the present one; false when the agent has ended.
///
/// # Errors
/// When the database is gone.
pub async fn agent_set_next_token(tx: &mut WriteTx, id: &AgentId, hash: &str) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(SET_NEXT_TOKEN).bind(id).bind(hash).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Puts the new token in the place of the present one; false when it is there already.
///
/// # Errors
/// When the database is gone.
pub async fn agent_take_next_token(tx: &mut WriteTx, id: &AgentId, hash: &str, now: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(TAKE_NEXT_TOKEN).bind(id).bind(hash).bind(now).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Writes a new one-time code.
///
/// # Errors
/// When the database is gone.
pub async fn code_insert(tx: &mut WriteTx, code: &EnrolmentCode) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(CODE_INSERT)
        .bind(&code.code_hash)
        .bind(&code.bot_id)
        .bind(&code.made_by)
        .bind(code.made_at)
        .bind(code.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// A code by its digest, used or not.
///
/// # Errors
/// When the database is gone.
pub async fn code_by_hash(conn: &mut Conn, hash: &str) -> Result<Option<EnrolmentCode>> {
    Ok(on!(conn, |c| sqlx::query_as(CODE_BY_HASH).bind(hash).fetch_optional(c).await)?)
}

/// Uses a code up; false when somebody was first, or it is over.
///
/// # Errors
/// When the database is gone.
pub async fn code_use(tx: &mut WriteTx, hash: &str, now: Timestamp, agent: &AgentId) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(CODE_USE).bind(hash).bind(now).bind(agent).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// The newest boot of an agent and its number.
///
/// # Errors
/// When the database is gone.
pub async fn boot_newest(conn: &mut Conn, agent: &AgentId) -> Result<Option<(String, i64)>> {
    Ok(on!(conn, |c| sqlx::query_as(BOOT_NEWEST).bind(agent).fetch_optional(c).await)?)
}

/// True when this boot was seen before.
///
/// # Errors
/// When the database is gone.
pub async fn boot_known(conn: &mut Conn, agent: &AgentId, boot: &BootId) -> Result<bool> {
    let count: i64 = on!(conn, |c| sqlx::query_scalar(BOOT_KNOWN).bind(agent).bind(boot.as_str()).fetch_one(c).await)?;
    Ok(count > 0)
}

/// Writes a new boot with the next number.
///
/// # Errors
/// `Duplicate` when another transaction was first.
pub async fn boot_insert(tx: &mut WriteTx, agent: &AgentId, n: i64, boot: &BootId, at: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(BOOT_INSERT).bind(agent).bind(n).bind(boot.as_str()).bind(at).execute(c).await.map(drop))?;
    Ok(())
}
