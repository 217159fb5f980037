//! Levels of limits, and every version that each ever had. A version is never changed; the newest stands in `limit_node` as well.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotFacts, BotId, Epoch, RequestId, TeamId, Timestamp, limits::Node};
use serde_json::{Map, Value};

statements! {
    SAVE = "INSERT INTO limit_node (kind, target, symbol, version, epoch, limits, why, set_by, set_at, review_by, request_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (kind, target, symbol) DO UPDATE SET version = excluded.version, epoch = excluded.epoch, limits = excluded.limits, why = excluded.why, set_by = excluded.set_by, set_at = excluded.set_at, review_by = excluded.review_by, request_id = excluded.request_id";
    INSERT_VERSION = "INSERT INTO limit_version (kind, target, symbol, version, epoch, limits, why, set_by, set_at, review_by, request_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    ONE = "SELECT * FROM limit_node WHERE kind = $1 AND target = $2 AND symbol = $3";
    AROUND = "SELECT * FROM limit_node WHERE kind = 'installation' OR (kind = 'team' AND target = $1) OR (kind IN ('bot', 'symbol') AND target = $2)";
    SINCE = "SELECT * FROM limit_node WHERE epoch > $1";
    VERSIONS = "SELECT * FROM limit_version WHERE kind = $1 AND target = $2 AND symbol = $3 ORDER BY version DESC LIMIT 100";
    AT = "SELECT v.* FROM limit_version v WHERE v.set_at <= $1 AND NOT EXISTS (SELECT 1 FROM limit_version w WHERE w.kind = v.kind AND w.target = v.target AND w.symbol = v.symbol AND w.set_at <= $1 AND w.version > v.version) AND (v.kind = 'installation' OR (v.kind = 'team' AND v.target = $2) OR (v.kind IN ('bot', 'symbol') AND v.target = $3))";
}

/// One version of a level of limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Which level.
    pub node: Node,
    /// Grows by one.
    pub version: i64,
    /// The epoch it took.
    pub epoch: Epoch,
    /// Its settings.
    pub values: Map<String, Value>,
    /// The reason given.
    pub why: String,
    /// Who set it, as the log names them.
    pub set_by: String,
    /// When.
    pub set_at: Timestamp,
    /// By when somebody is to look at it again.
    pub review_by: Option<Timestamp>,
    /// The request by which it was loosened.
    pub request_id: Option<RequestId>,
}

impl NodeRow {
    /// Of a bot that comes with limits.
    pub(super) fn of_new_bot(facts: &BotFacts, at: Timestamp) -> Self {
        Self {
            node: Node::Bot(facts.id.clone()),
            version: facts.limits.version,
            epoch: facts.fact_epoch,
            values: facts.limits.values.clone(),
            why: String::new(),
            set_by: "server:".to_owned(),
            set_at: at,
            review_by: None,
            request_id: None,
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    target: String,
    symbol: String,
    version: i64,
    epoch: Epoch,
    limits: String,
    why: String,
    set_by: String,
    set_at: Timestamp,
    review_by: Option<Timestamp>,
    request_id: Option<RequestId>,
}

impl TryFrom<Row> for NodeRow {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let unreadable = || Error::Unreadable(format!("limits of {} {} {}", row.kind, row.target, row.symbol));
        let node = Node::from_parts(&row.kind, &row.target, &row.symbol).ok_or_else(unreadable)?;
        let values = serde_json::from_str(&row.limits).map_err(|_| unreadable())?;
        let Row { version, epoch, why, set_by, set_at, review_by, request_id, .. } = row;
        Ok(Self { node, version, epoch, values, why, set_by, set_at, review_by, request_id })
    }
}

fn read(rows: Vec<Row>) -> Result<Vec<NodeRow>> {
    rows.into_iter().map(NodeRow::try_from).collect()
}

/// Writes a version of a level and makes it the one that counts.
///
/// # Errors
/// `Duplicate` when that version is there already.
pub async fn node_save(tx: &mut WriteTx, row: &NodeRow) -> Result<()> {
    let limits = Value::Object(row.values.clone()).to_string();
    for statement in [INSERT_VERSION, SAVE] {
        on!(&mut **tx, |c| sqlx::query(statement)
            .bind(row.node.kind())
            .bind(row.node.target())
            .bind(row.node.symbol())
            .bind(row.version)
            .bind(row.epoch)
            .bind(&limits)
            .bind(&row.why)
            .bind(&row.set_by)
            .bind(row.set_at)
            .bind(row.review_by)
            .bind(&row.request_id)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

/// One level; none: nothing was ever set on it.
///
/// # Errors
/// When the database is gone.
pub async fn node_one(conn: &mut Conn, node: &Node) -> Result<Option<NodeRow>> {
    let row: Option<Row> =
        on!(conn, |c| sqlx::query_as(ONE).bind(node.kind()).bind(node.target()).bind(node.symbol()).fetch_optional(c).await)?;
    row.map(NodeRow::try_from).transpose()
}

/// The levels above and of one bot.
///
/// # Errors
/// When the database is gone.
pub async fn node_around(conn: &mut Conn, team: &TeamId, bot: &BotId) -> Result<Vec<NodeRow>> {
    read(on!(conn, |c| sqlx::query_as(AROUND).bind(team).bind(bot).fetch_all(c).await)?)
}

/// Levels changed after an epoch; all of them from epoch -1.
///
/// # Errors
/// When the database is gone.
pub async fn node_since(conn: &mut Conn, epoch: Epoch) -> Result<Vec<NodeRow>> {
    read(on!(conn, |c| sqlx::query_as(SINCE).bind(epoch).fetch_all(c).await)?)
}

/// The last versions of a level, newest first, at most 100.
///
/// # Errors
/// When the database is gone.
pub async fn node_versions(conn: &mut Conn, node: &Node) -> Result<Vec<NodeRow>> {
    read(on!(conn, |c| sqlx::query_as(VERSIONS).bind(node.kind()).bind(node.target()).bind(node.symbol()).fetch_all(c).await)?)
}

/// The levels above and of one bot as they stood at a moment.
///
/// # Errors
/// When the database is gone.
pub async fn node_at(conn: &mut Conn, at: Timestamp, team: &str, bot: &str) -> Result<Vec<NodeRow>> {
    read(on!(conn, |c| sqlx::query_as(AT).bind(at).bind(team).bind(bot).fetch_all(c).await)?)
}
