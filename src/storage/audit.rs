//! The audit log's rows: appending inside the transaction of the act, reading for pages, proofs and verification. Nothing here updates or
//! deletes an entry; triggers refuse it besides.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::audit::{
    Canonical, Frontier, Row,
    tree::{self, Hash, Node, Stretch},
};
use crate::domain::Timestamp;

/// The control log: everything but bots' decisions.
pub const CONTROL: i64 = 1;

statements! {
    HEAD = "SELECT size, frontier, state, origin FROM audit_log WHERE log_id = $1";
    LOCK = "UPDATE audit_log SET state = state WHERE log_id = $1";
    GROW = "UPDATE audit_log SET size = $2, frontier = $3, last_ts = $4 WHERE log_id = $1 AND size = $5 AND state = 'open'";
    LEAF = "INSERT INTO audit_leaf (log_id, seq, leaf_hash) VALUES ($1, $2, $3)";
    NODE = "INSERT INTO audit_node (log_id, level, n, hash) VALUES ($1, $2, $3, $4)";
    RECORD = "INSERT INTO audit_record (log_id, seq, id, body, ts, kind, actor, obj) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    ABOUT = "INSERT INTO audit_about (about, seq) VALUES ($1, $2)";
    ONE = "SELECT r.seq, l.leaf_hash, r.body, r.id, r.ts, r.kind, r.actor, r.obj FROM audit_record r JOIN audit_leaf l ON l.log_id = r.log_id AND l.seq = r.seq WHERE r.log_id = $1 AND r.seq = $2";
    FROM = "SELECT r.seq, l.leaf_hash, r.body, r.id, r.ts, r.kind, r.actor, r.obj FROM audit_record r JOIN audit_leaf l ON l.log_id = r.log_id AND l.seq = r.seq WHERE r.log_id = $1 AND r.seq >= $2 ORDER BY r.seq LIMIT $3";
    LEAVES = "SELECT leaf_hash FROM audit_leaf WHERE log_id = $1 AND seq >= $2 AND seq < $3 ORDER BY seq";
    STRETCH = "SELECT hash FROM audit_node WHERE log_id = $1 AND level = $2 AND n >= $3 AND n < $4 ORDER BY n";
    NODES = "SELECT level, n, hash FROM audit_node WHERE log_id = $1 ORDER BY level, n";
    NODES_FROM = "SELECT n, hash FROM audit_node WHERE log_id = $1 AND level = $2 AND n >= $3 ORDER BY n";
    OF_RIGHTS = "SELECT r.seq, l.leaf_hash, r.body, r.id, r.ts, r.kind, r.actor, r.obj FROM audit_record r JOIN audit_leaf l ON l.log_id = r.log_id AND l.seq = r.seq WHERE r.log_id = $1 AND r.kind IN ('installation.set_up', 'user.invited', 'user.grants_changed', 'user.disabled', 'user.enabled') AND r.ts <= $2 ORDER BY r.seq";
    KINDS = "SELECT DISTINCT kind FROM audit_record WHERE log_id = $1 ORDER BY kind";
    LIST = "SELECT r.seq, l.leaf_hash, r.body, r.id, r.ts, r.kind, r.actor, r.obj FROM audit_record r JOIN audit_leaf l ON l.log_id = r.log_id AND l.seq = r.seq WHERE r.log_id = $1 AND r.seq < $2 AND ($3 = '' OR r.actor = $3) AND ($4 = '' OR r.kind = $4) AND r.ts >= $5 AND r.ts < $6 AND ($7 = '' OR EXISTS (SELECT 1 FROM audit_about a WHERE a.about = $7 AND a.seq = r.seq)) ORDER BY r.seq DESC LIMIT $8";
}

#[derive(sqlx::FromRow)]
struct HeadRow {
    size: i64,
    frontier: Vec<u8>,
    state: String,
    origin: String,
}

#[derive(sqlx::FromRow)]
struct StoredRow {
    seq: i64,
    leaf_hash: Vec<u8>,
    body: Vec<u8>,
    id: String,
    ts: i64,
    kind: String,
    actor: String,
    obj: Option<String>,
}

impl From<StoredRow> for Row {
    fn from(row: StoredRow) -> Self {
        Self {
            seq: row.seq.unsigned_abs(),
            leaf_hash: row.leaf_hash,
            body: row.body,
            id: row.id,
            ts: row.ts,
            kind: row.kind,
            actor: row.actor,
            obj: row.obj,
        }
    }
}

/// The head of the log.
#[derive(Debug, Clone)]
pub struct Head {
    /// How many entries.
    pub size: i64,
    /// The stored frontier.
    pub frontier: Vec<u8>,
    /// False while it takes nothing.
    pub is_open: bool,
    /// Its name: the first line of its checkpoints.
    pub origin: String,
}

/// The head of the control log.
///
/// # Errors
/// When the database is gone, or was never set up.
pub async fn audit_head(conn: &mut Conn) -> Result<Head> {
    let row: HeadRow = on!(conn, |c| sqlx::query_as(HEAD).bind(CONTROL).fetch_one(c).await)?;
    Ok(Head { size: row.size, frontier: row.frontier, is_open: row.state == "open", origin: row.origin })
}

/// Appends an entry to the control log; answers with its position. The head's row is locked until the transaction ends, which gives one
/// gapless order on PostgreSQL too.
///
/// # Errors
/// `Frozen` while the log takes nothing, with the transaction as it was; when the database refuses, the caller's whole transaction is to be
/// dropped.
pub async fn audit_append(tx: &mut WriteTx, entry: &Canonical) -> Result<i64> {
    on!(&mut **tx, |c| sqlx::query(LOCK).bind(CONTROL).execute(c).await.map(drop))?;
    let head = audit_head(tx).await?;
    if !head.is_open {
        return Err(Error::Frozen);
    }
    let size = head.size.unsigned_abs();
    let mut frontier = Frontier::decode(size, &head.frontier).map_err(|error| Error::Unreadable(error.to_string()))?;
    let nodes = frontier.push(entry.leaf());
    let indexed = entry.indexed();
    let leaf = entry.leaf();
    on!(&mut **tx, |c| sqlx::query(LEAF).bind(CONTROL).bind(head.size).bind(leaf.as_slice()).execute(c).await.map(drop))?;
    for node in &nodes {
        on!(&mut **tx, |c| sqlx::query(NODE)
            .bind(CONTROL)
            .bind(node.level as i64)
            .bind(node.n as i64)
            .bind(node.hash.as_slice())
            .execute(c)
            .await
            .map(drop))?;
    }
    on!(&mut **tx, |c| sqlx::query(RECORD)
        .bind(CONTROL)
        .bind(head.size)
        .bind(&indexed.id)
        .bind(entry.bytes())
        .bind(indexed.ts)
        .bind(&indexed.kind)
        .bind(&indexed.actor)
        .bind(&indexed.object)
        .execute(c)
        .await
        .map(drop))?;
    for about in &indexed.about {
        on!(&mut **tx, |c| sqlx::query(ABOUT).bind(about).bind(head.size).execute(c).await.map(drop))?;
    }
    let encoded = frontier.encode();
    let grown = on!(&mut **tx, |c| sqlx::query(GROW)
        .bind(CONTROL)
        .bind(head.size + 1)
        .bind(encoded.as_slice())
        .bind(indexed.ts)
        .bind(head.size)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    if grown == 1 { Ok(head.size) } else { Err(Error::Conflict) }
}

/// One entry.
///
/// # Errors
/// When the database is gone.
pub async fn audit_entry(conn: &mut Conn, seq: i64) -> Result<Option<Row>> {
    let row: Option<StoredRow> = on!(conn, |c| sqlx::query_as(ONE).bind(CONTROL).bind(seq).fetch_optional(c).await)?;
    Ok(row.map(Row::from))
}

/// Entries from a position on, in order.
///
/// # Errors
/// When the database is gone.
pub async fn audit_from(conn: &mut Conn, seq: i64, most: i64) -> Result<Vec<Row>> {
    let rows: Vec<StoredRow> = on!(conn, |c| sqlx::query_as(FROM).bind(CONTROL).bind(seq).bind(most).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Row::from).collect())
}

/// Leaf hashes of a range.
///
/// # Errors
/// When the database is gone.
pub async fn audit_leaves(conn: &mut Conn, from: i64, to: i64) -> Result<Vec<Hash>> {
    let rows: Vec<Vec<u8>> = on!(conn, |c| sqlx::query_scalar(LEAVES).bind(CONTROL).bind(from).bind(to).fetch_all(c).await)?;
    rows.into_iter().map(|leaf| leaf.try_into().map_err(|_| Error::Unreadable("a leaf of the log".into()))).collect()
}

/// The frontier at any earlier size, computed from stored hashes: a few hundred rows however long the log is.
///
/// # Errors
/// `Unreadable` when hashes are missing: the log is not whole; when the database is gone.
pub async fn audit_frontier_at(conn: &mut Conn, size: i64) -> Result<Frontier> {
    let size = size.unsigned_abs();
    let mut roots = Vec::new();
    for Stretch { level, first, count } in tree::stretches(size) {
        let (from, to) = (first as i64, (first + count) as i64);
        let hashes = if level == 0 { audit_leaves(conn, from, to).await? } else { audit_stretch(conn, level as i64, from, to).await? };
        if hashes.len() as u64 != count {
            return Err(Error::Unreadable("hashes of the log's tree are missing".into()));
        }
        roots.push(tree::root_of(&hashes));
    }
    Frontier::of_roots(size, roots).map_err(|error| Error::Unreadable(error.to_string()))
}

async fn audit_stretch(conn: &mut Conn, level: i64, from: i64, to: i64) -> Result<Vec<Hash>> {
    let rows: Vec<Vec<u8>> = on!(conn, |c| sqlx::query_scalar(STRETCH).bind(CONTROL).bind(level).bind(from).bind(to).fetch_all(c).await)?;
    rows.into_iter().map(|hash| hash.try_into().map_err(|_| Error::Unreadable("a node of the log".into()))).collect()
}

/// Every stored node of the tree.
///
/// # Errors
/// When the database is gone.
pub async fn audit_nodes(conn: &mut Conn) -> Result<Vec<Node>> {
    let rows: Vec<(i64, i64, Vec<u8>)> = on!(conn, |c| sqlx::query_as(NODES).bind(CONTROL).fetch_all(c).await)?;
    rows.into_iter()
        .map(|(level, n, hash)| {
            let hash = hash.try_into().map_err(|_| Error::Unreadable("a node of the log".into()))?;
            Ok(Node { level: level.unsigned_abs(), n: n.unsigned_abs(), hash })
        })
        .collect()
}

/// The stored nodes of one tile level from a place on.
///
/// # Errors
/// When the database is gone.
pub async fn audit_nodes_from(conn: &mut Conn, level: u64, n: u64) -> Result<Vec<Node>> {
    let rows: Vec<(i64, Vec<u8>)> =
        on!(conn, |c| sqlx::query_as(NODES_FROM).bind(CONTROL).bind(level as i64).bind(n as i64).fetch_all(c).await)?;
    let node = |(n, hash): (i64, Vec<u8>)| {
        let hash = hash.try_into().map_err(|_| Error::Unreadable("a node of the log".into()))?;
        Ok(Node { level, n: n.unsigned_abs(), hash })
    };
    rows.into_iter().map(node).collect()
}

/// Every kind of entry there is.
///
/// # Errors
/// When the database is gone.
pub async fn audit_kinds(conn: &mut Conn) -> Result<Vec<String>> {
    Ok(on!(conn, |c| sqlx::query_scalar(KINDS).bind(CONTROL).fetch_all(c).await)?)
}

/// Every entry up to a moment that gave or took rights of people, in order.
///
/// # Errors
/// When the database is gone.
pub async fn audit_of_rights(conn: &mut Conn, until: Timestamp) -> Result<Vec<Row>> {
    let rows: Vec<StoredRow> = on!(conn, |c| sqlx::query_as(OF_RIGHTS).bind(CONTROL).bind(until).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Row::from).collect())
}

/// What a page of entries is narrowed to. Empty texts do not narrow.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Only entries before this position.
    pub before: i64,
    /// `user:ID` and the like.
    pub actor: String,
    /// The dotted word.
    pub kind: String,
    /// From this moment.
    pub from: Timestamp,
    /// To before this moment.
    pub to: Timestamp,
    /// What it speaks of: `bot:ID` and the like.
    pub about: String,
    /// At most so many.
    pub most: i64,
}

/// A page of entries, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn audit_list(conn: &mut Conn, filter: &Filter) -> Result<Vec<Row>> {
    let rows: Vec<StoredRow> = on!(conn, |c| sqlx::query_as(LIST)
        .bind(CONTROL)
        .bind(filter.before)
        .bind(&filter.actor)
        .bind(&filter.kind)
        .bind(filter.from)
        .bind(filter.to)
        .bind(&filter.about)
        .bind(filter.most)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Row::from).collect())
}
