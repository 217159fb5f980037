//! Exchange keys and their versions: what was approved, what was handed in, how it stands. A row is written only over the generation that was
//! read. No secret is read or written here in the clear: what stands in `sealed` opens with the agent's identity alone.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{
    AgentId, BotId, KeyId, KeyPurpose, RequestId, SubaccountId, Timestamp, UserId,
    key::{KeyMeasurer, KeyState, KeyTerms, KeyVerdict, OnDrift},
};

statements! {
    KEY_INSERT = "INSERT INTO exchange_key (id, bot_id, subaccount_id, purpose, sheet, rotate_days, on_drift, request_id, requester, approved_at, generation, changed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, 0)";
    KEY_WRITE = "UPDATE exchange_key SET sheet = $3, rotate_days = $4, request_id = $5, requester = $6, approved_at = $7, compromised_at = $8, compromised_by = $9, ended_at = $10, ended_by = $11, ended_why = $12, on_drift = $13, settled_at = $14, settled_by = $15, settled_why = $16, generation = $2 + 1 WHERE id = $1 AND generation = $2";
    KEY_BY_ID = "SELECT * FROM exchange_key WHERE id = $1";
    KEY_OF = "SELECT * FROM exchange_key WHERE bot_id = $1 AND purpose = $2 AND ended_at IS NULL";
    KEY_SINCE = "SELECT * FROM exchange_key WHERE changed > $1 ORDER BY id";
    KEY_CHANGED = "UPDATE exchange_key SET changed = $2 WHERE id = $1";
    KEY_HOLD_STILL = "UPDATE exchange_key SET changed = changed WHERE id = $1";
    COUNTER = "SELECT version FROM key_counter WHERE one = 1";
    COUNT = "UPDATE key_counter SET version = version + 1 WHERE one = 1 RETURNING version";
    KEY_ALL = "SELECT * FROM exchange_key WHERE ended_at IS NULL OR ended_at > $1 OR EXISTS (SELECT 1 FROM key_version WHERE key_version.key_id = exchange_key.id AND key_version.state <> 'gone') ORDER BY id";
    VERSION_INSERT = "INSERT INTO key_version (key_id, version, state, generation, fingerprint, venue, agent_id, sealed, installed_at, installed_by) VALUES ($1, $2, 'installed', 1, $3, $4, $5, $6, $7, $8)";
    VERSION_REPLACE = "UPDATE key_version SET version = $10, fingerprint = $4, venue = $5, agent_id = $6, sealed = $7, installed_at = $8, installed_by = $9, asked_at = NULL, measured_at = NULL, measured_by = NULL, verdict = NULL, evidence = NULL, attested_at = NULL, attested_by = NULL, generation = $3 + 1 WHERE key_id = $1 AND version = $2 AND generation = $3 AND state = 'installed'";
    VERSION_WRITE = "UPDATE key_version SET state = $4, measured_at = $5, measured_by = $6, verdict = $7, evidence = $8, attested_at = $9, attested_by = $10, delivered_at = $11, active_at = $12, draining_at = $13, revoked_at = $14, gone_at = $15, gone_by = $16, sealed = $17, asked_at = $18, delete_at = $19, generation = $3 + 1 WHERE key_id = $1 AND version = $2 AND generation = $3";
    VERSION_OF = "SELECT * FROM key_version WHERE key_id = $1 ORDER BY version";
    VERSION_SINCE = "SELECT key_version.key_id, key_version.version, key_version.state, key_version.generation, key_version.fingerprint, key_version.venue, key_version.agent_id, CAST(NULL AS TEXT) AS sealed, key_version.installed_at, key_version.installed_by, key_version.asked_at, key_version.delete_at, key_version.measured_at, key_version.measured_by, key_version.verdict, CAST(NULL AS TEXT) AS evidence, key_version.attested_at, key_version.attested_by, key_version.delivered_at, key_version.active_at, key_version.draining_at, key_version.revoked_at, key_version.gone_at, key_version.gone_by FROM key_version JOIN exchange_key ON exchange_key.id = key_version.key_id WHERE exchange_key.changed > $1 ORDER BY key_version.key_id, key_version.version";
    VERSION_ALL = "SELECT key_version.key_id, key_version.version, key_version.state, key_version.generation, key_version.fingerprint, key_version.venue, key_version.agent_id, CAST(NULL AS TEXT) AS sealed, key_version.installed_at, key_version.installed_by, key_version.asked_at, key_version.delete_at, key_version.measured_at, key_version.measured_by, key_version.verdict, CAST(NULL AS TEXT) AS evidence, key_version.attested_at, key_version.attested_by, key_version.delivered_at, key_version.active_at, key_version.draining_at, key_version.revoked_at, key_version.gone_at, key_version.gone_by FROM key_version JOIN exchange_key ON exchange_key.id = key_version.key_id WHERE exchange_key.ended_at IS NULL OR exchange_key.ended_at > $1 OR key_version.state <> 'gone' ORDER BY key_version.key_id, key_version.version";
    FINGERPRINT = "SELECT * FROM key_version WHERE fingerprint = $1";
    EVENT_INSERT = "INSERT INTO key_event (key_id, n, version, at, what, who, why) SELECT CAST($1 AS TEXT), COALESCE(MAX(n), 0) + 1, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT) FROM key_event WHERE key_id = $1";
    EVENT_OF = "SELECT * FROM key_event WHERE key_id = $1 ORDER BY n DESC LIMIT $2";
}

/// A key as approved.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// The bot that it is for.
    pub bot_id: BotId,
    /// The subaccount that it is of.
    pub subaccount_id: SubaccountId,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// What it is to be: a `KeySheet` as JSON.
    pub sheet: String,
    /// After how many days a version is to be replaced.
    pub rotate_days: i64,
    /// What happens to the bot when it is found to be another than approved.
    pub on_drift: OnDrift,
    /// The request that approved the sheet.
    pub request_id: RequestId,
    /// Who asked for it.
    pub requester: UserId,
    /// Since when it is approved.
    pub approved_at: Timestamp,
    /// Counted up by every change.
    pub generation: i64,
    /// When somebody said that the secret is known to others.
    pub compromised_at: Option<Timestamp>,
    /// Who.
    pub compromised_by: Option<String>,
    /// When everything that follows of that was done.
    pub settled_at: Option<Timestamp>,
    /// Who said so.
    pub settled_by: Option<String>,
    /// What was done.
    pub settled_why: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who ended it.
    pub ended_by: Option<String>,
    /// Why.
    pub ended_why: Option<String>,
}

impl KeyRow {
    /// A key that is approved now: for a bot on a subaccount, by the request of somebody.
    ///
    /// # Errors
    /// When the sheet cannot be written as JSON.
    pub fn approved(
        (bot_id, subaccount_id): (BotId, SubaccountId),
        terms: &KeyTerms,
        (request_id, requester): (RequestId, UserId),
        approved_at: Timestamp,
    ) -> serde_json::Result<Self> {
        Ok(Self {
            id: KeyId::new(),
            bot_id,
            subaccount_id,
            purpose: terms.sheet.purpose,
            sheet: serde_json::to_string(&terms.sheet)?,
            rotate_days: terms.rotate_days,
            on_drift: terms.on_drift,
            request_id,
            requester,
            approved_at,
            generation: 1,
            compromised_at: None,
            compromised_by: None,
            settled_at: None,
            settled_by: None,
            settled_why: None,
            ended_at: None,
            ended_by: None,
            ended_why: None,
        })
    }
}

/// A version: one secret that was handed in.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct VersionRow {
    /// The key.
    pub key_id: KeyId,
    /// From 1.
    pub version: i64,
    /// How it stands.
    pub state: KeyState,
    /// Counted up by every change.
    pub generation: i64,
    /// SHA-256 of the venue's name for the key, hex.
    pub fingerprint: String,
    /// What the venue was called when it was sealed.
    pub venue: String,
    /// Whom it is sealed to; none: the server holds it.
    pub agent_id: Option<AgentId>,
    /// What was sealed, until it is revoked.
    pub sealed: Option<String>,
    /// When it was handed in.
    pub installed_at: Timestamp,
    /// By whom: kind and id, as in the log.
    pub installed_by: String,
    /// When somebody asked for it to be measured again; none: nobody did since it was measured last.
    pub asked_at: Option<Timestamp>,
    /// When its deletion at the venue was signed; none: it was not, or something came of it.
    pub delete_at: Option<Timestamp>,
    /// When it was measured last, with an answer.
    pub measured_at: Option<Timestamp>,
    /// Who measured it.
    pub measured_by: Option<KeyMeasurer>,
    /// What it came to.
    pub verdict: Option<KeyVerdict>,
    /// What was found, as JSON.
    pub evidence: Option<String>,
    /// When somebody answered for what the venue does not say.
    pub attested_at: Option<Timestamp>,
    /// Who.
    pub attested_by: Option<String>,
    /// When it was first sent to the agent.
    pub delivered_at: Option<Timestamp>,
    /// When it came into use.
    pub active_at: Option<Timestamp>,
    /// When a newer one took its place.
    pub draining_at: Option<Timestamp>,
    /// When it was taken away here.
    pub revoked_at: Option<Timestamp>,
    /// When it was gone at the venue.
    pub gone_at: Option<Timestamp>,
    /// Who saw that.
    pub gone_by: Option<String>,
}

impl VersionRow {
    /// A secret that is handed in now, of which nothing is known yet: what it is, whom it is sealed to with what was sealed, and who did so.
    pub fn handed_in(
        (key_id, version): (KeyId, i64),
        (fingerprint, venue): (String, String),
        sealed: Option<(AgentId, String)>,
        (installed_at, installed_by): (Timestamp, String),
    ) -> Self {
        let (agent_id, sealed) = sealed.unzip();
        Self {
            key_id,
            version,
            state: KeyState::Installed,
            generation: 1,
            fingerprint,
            venue,
            agent_id,
            sealed,
            installed_at,
            installed_by,
            asked_at: None,
            delete_at: None,
            measured_at: None,
            measured_by: None,
            verdict: None,
            evidence: None,
            attested_at: None,
            attested_by: None,
            delivered_at: None,
            active_at: None,
            draining_at: None,
            revoked_at: None,
            gone_at: None,
            gone_by: None,
        }
    }
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KeyEventRow {
    /// The key.
    pub key_id: KeyId,
    /// Its place, from 1.
    pub n: i64,
    /// Which version; none: the key as a whole.
    pub version: Option<i64>,
    /// When.
    pub at: Timestamp,
    /// What, in words.
    pub what: String,
    /// Who: kind and id, as in the log.
    pub who: String,
    /// Why, or what is to be known of it.
    pub why: String,
}

/// Writes a key that was approved.
///
/// # Errors
/// `Duplicate` while the bot has one for this purpose.
pub async fn key_insert(tx: &mut WriteTx, row: &KeyRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(KEY_INSERT)
        .bind(&row.id)
        .bind(&row.bot_id)
        .bind(&row.subaccount_id)
        .bind(row.purpose)
        .bind(&row.sheet)
        .bind(row.rotate_days)
        .bind(row.on_drift)
        .bind(&row.request_id)
        .bind(&row.requester)
        .bind(row.approved_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes what changed of a key, over the generation that was read, and counts that up in `row`.
///
/// # Errors
/// `Conflict` when somebody else was first.
pub async fn key_write(tx: &mut WriteTx, row: &mut KeyRow) -> Result<()> {
    let done = on!(&mut **tx, |c| sqlx::query(KEY_WRITE)
        .bind(&row.id)
        .bind(row.generation)
        .bind(&row.sheet)
        .bind(row.rotate_days)
        .bind(&row.request_id)
        .bind(&row.requester)
        .bind(row.approved_at)
        .bind(row.compromised_at)
        .bind(&row.compromised_by)
        .bind(row.ended_at)
        .bind(&row.ended_by)
        .bind(&row.ended_why)
        .bind(row.on_drift)
        .bind(row.settled_at)
        .bind(&row.settled_by)
        .bind(&row.settled_why)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    counted(done, &mut row.generation)
}

fn counted(rows: u64, generation: &mut i64) -> Result<()> {
    if rows != 1 {
        return Err(Error::Conflict);
    }
    *generation += 1;
    Ok(())
}

/// Keeps others from changing a key until this transaction ends. Before anything else of it is written, and before any entry: who takes them in
/// another order waits for ever for whoever does not.
///
/// # Errors
/// When the database is gone.
pub async fn key_hold_still(tx: &mut WriteTx, id: &KeyId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(KEY_HOLD_STILL).bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// One key.
///
/// # Errors
/// When the database is gone.
pub async fn key_by_id(conn: &mut Conn, id: &KeyId) -> Result<Option<KeyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(KEY_BY_ID).bind(id).fetch_optional(c).await)?)
}

/// The one that a bot has for a purpose.
///
/// # Errors
/// When the database is gone.
pub async fn key_of(conn: &mut Conn, bot: &BotId, purpose: KeyPurpose) -> Result<Option<KeyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(KEY_OF).bind(bot).bind(purpose).fetch_optional(c).await)?)
}

/// Every key that has not ended before a moment, or of which a version may still work at its venue.
///
/// # Errors
/// When the database is gone.
pub async fn key_all(conn: &mut Conn, since: Timestamp) -> Result<Vec<KeyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(KEY_ALL).bind(since).fetch_all(c).await)?)
}

/// The keys that were changed after a number of their counter, and that number now. What is read in one transaction is complete: whoever changes a
/// key keeps the counter until they commit.
///
/// # Errors
/// When the database is gone.
pub async fn key_since(conn: &mut Conn, since: i64) -> Result<(i64, Vec<KeyRow>, Vec<VersionRow>)> {
    let now: i64 = on!(conn, |c| sqlx::query_scalar(COUNTER).fetch_one(c).await)?;
    if now <= since {
        return Ok((now, Vec::new(), Vec::new()));
    }
    let keys = on!(conn, |c| sqlx::query_as(KEY_SINCE).bind(since).fetch_all(c).await)?;
    let versions = on!(conn, |c| sqlx::query_as(VERSION_SINCE).bind(since).fetch_all(c).await)?;
    Ok((now, keys, versions))
}

/// The number of the counter.
///
/// # Errors
/// When the database is gone.
pub async fn key_counter(conn: &mut Conn) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(COUNTER).fetch_one(c).await)?)
}

/// Takes the counter up for keys that were changed. Last in a transaction: whoever has its row keeps others who change keys waiting.
///
/// # Errors
/// When the database is gone.
pub async fn key_changed<'a>(tx: &mut WriteTx, keys: impl IntoIterator<Item = &'a KeyId>) -> Result<()> {
    let now: i64 = on!(&mut **tx, |c| sqlx::query_scalar(COUNT).fetch_one(c).await)?;
    for key in keys {
        on!(&mut **tx, |c| sqlx::query(KEY_CHANGED).bind(key).bind(now).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Writes a version that was handed in.
///
/// # Errors
/// `Duplicate` when the version is there, or the same key of a venue was handed in before.
pub async fn version_insert(tx: &mut WriteTx, row: &VersionRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(VERSION_INSERT)
        .bind(&row.key_id)
        .bind(row.version)
        .bind(&row.fingerprint)
        .bind(&row.venue)
        .bind(&row.agent_id)
        .bind(&row.sealed)
        .bind(row.installed_at)
        .bind(&row.installed_by)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Puts a secret that was handed in again in the place of the same key of the venue, as the version of `row`; `was` is the version it had.
///
/// # Errors
/// `Duplicate` as above; `Conflict` when it stands otherwise by now.
pub async fn version_replace(tx: &mut WriteTx, row: &mut VersionRow, was: i64) -> Result<()> {
    let done = on!(&mut **tx, |c| sqlx::query(VERSION_REPLACE)
        .bind(&row.key_id)
        .bind(was)
        .bind(row.generation)
        .bind(&row.fingerprint)
        .bind(&row.venue)
        .bind(&row.agent_id)
        .bind(&row.sealed)
        .bind(row.installed_at)
        .bind(&row.installed_by)
        .bind(row.version)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    counted(done, &mut row.generation)
}

/// Writes how a version stands, over the generation that was read, and counts that up in `row`.
///
/// # Errors
/// `Conflict` when somebody else was first.
pub async fn version_write(tx: &mut WriteTx, row: &mut VersionRow) -> Result<()> {
    let done = on!(&mut **tx, |c| sqlx::query(VERSION_WRITE)
        .bind(&row.key_id)
        .bind(row.version)
        .bind(row.generation)
        .bind(row.state)
        .bind(row.measured_at)
        .bind(row.measured_by)
        .bind(row.verdict)
        .bind(&row.evidence)
        .bind(row.attested_at)
        .bind(&row.attested_by)
        .bind(row.delivered_at)
        .bind(row.active_at)
        .bind(row.draining_at)
        .bind(row.revoked_at)
        .bind(row.gone_at)
        .bind(&row.gone_by)
        .bind(&row.sealed)
        .bind(row.asked_at)
        .bind(row.delete_at)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    counted(done, &mut row.generation)
}

/// Every version of a key, the first one first.
///
/// # Errors
/// When the database is gone.
pub async fn version_of(conn: &mut Conn, key: &KeyId) -> Result<Vec<VersionRow>> {
    Ok(on!(conn, |c| sqlx::query_as(VERSION_OF).bind(key).fetch_all(c).await)?)
}

/// Every version of the keys of `key_all` that is of any concern still, by key, without what was sealed and what was found.
///
/// # Errors
/// When the database is gone.
pub async fn version_all(conn: &mut Conn, since: Timestamp) -> Result<Vec<VersionRow>> {
    Ok(on!(conn, |c| sqlx::query_as(VERSION_ALL).bind(since).fetch_all(c).await)?)
}

/// Whose a fingerprint is.
///
/// # Errors
/// When the database is gone.
pub async fn version_by_fingerprint(conn: &mut Conn, fingerprint: &str) -> Result<Option<VersionRow>> {
    Ok(on!(conn, |c| sqlx::query_as(FINGERPRINT).bind(fingerprint).fetch_optional(c).await)?)
}

/// Writes down what happened; its place is the next one, whatever stands in `row`.
///
/// # Errors
/// `Duplicate` when somebody else took that place at the same moment.
pub async fn key_event_insert(tx: &mut WriteTx, row: &KeyEventRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(EVENT_INSERT)
        .bind(&row.key_id)
        .bind(row.version)
        .bind(row.at)
        .bind(&row.what)
        .bind(&row.who)
        .bind(&row.why)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// What happened to a key, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn key_event_of(conn: &mut Conn, key: &KeyId, most: i64) -> Result<Vec<KeyEventRow>> {
    Ok(on!(conn, |c| sqlx::query_as(EVENT_OF).bind(key).bind(most).fetch_all(c).await)?)
}
