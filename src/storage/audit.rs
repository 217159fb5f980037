//! The audit log's rows: appending inside the transaction of the act, reading for pages, proofs and verification. Nothing here updates or
//! deletes an entry; triggers refuse it besides.

use super::{
    Conn, Error, Result, WriteTx,
    db::{insert, on, statements},
};
use crate::audit::{
    Canonical, Frontier, Row, number,
    tree::{self, Hash, Node, Stretch},
};
use crate::domain::Timestamp;

statements! {
    HEAD = "SELECT log_id, size, frontier, state, origin FROM audit_log ORDER BY log_id DESC LIMIT 1";
    HEADS = "SELECT log_id, size, frontier, state, origin FROM audit_log ORDER BY log_id";
    LOCK = "UPDATE audit_log SET state = state WHERE log_id = (SELECT max(log_id) FROM audit_log) RETURNING log_id, size, frontier, state, origin";
    GROW = "UPDATE audit_log SET size = $2, frontier = $3, last_ts = $4 WHERE log_id = $1 AND size = $5 AND state = 'open'";
    CLOSE = "UPDATE audit_log SET state = 'frozen' WHERE log_id = $1";
    BEGIN = "INSERT INTO audit_log (log_id, origin, size, frontier, last_ts, state) VALUES ($1, $2, 0, $3, 0, 'open')";
    ONE = "SELECT r.log_id, r.seq, l.leaf_hash, r.body, r.id, r.ts, r.kind, r.actor, r.obj FROM audit_record r JOIN audit_leaf l ON l.log_id = r.log_id AND l.seq = r.seq WHERE r.log_id = $1 AND r.seq = $2";
    FROM = "SELECT r.log_id, r.seq, l.leaf_hash, r.body, r.id, r.ts, r.kind, r.actor, r.obj FROM audit_record r JOIN audit_leaf l ON l.log_id = r.log_id AND l.seq = r.seq WHERE r.log_id = $1 AND r.seq >= $2 ORDER BY r.seq LIMIT $3";
    LEAVES = "SELECT leaf_hash FROM audit_leaf WHERE log_id = $1 AND seq >= $2 AND seq < $3 ORDER BY seq";
    STRETCH = "SELECT hash FROM audit_node WHERE log_id = $1 AND level = $2 AND n >= $3 AND n < $4 ORDER BY n";
    NODES = "SELECT level, n, hash FROM audit_node WHERE log_id = $1 ORDER BY level, n";
    NODES_FROM = "SELECT n, hash FROM audit_node WHERE log_id = $1 AND level = $2 AND n >= $3 ORDER BY n";
    OF_RIGHTS = "SELECT r.log_id, r.seq, l.leaf_hash, r.body, r.id, r.ts, r.kind, r.actor, r.obj FROM audit_record r JOIN audit_leaf l ON l.log_id = r.log_id AND l.seq = r.seq WHERE r.kind IN ('installation.set_up', 'user.invited', 'user.grants_changed', 'user.disabled', 'user.enabled') AND r.ts <= $1 ORDER BY r.log_id, r.seq";
    KINDS = "SELECT DISTINCT kind FROM audit_record ORDER BY kind";
    LIST = "SELECT r.log_id, r.seq, l.leaf_hash, r.body, r.id, r.ts, r.kind, r.actor, r.obj FROM audit_record r JOIN audit_leaf l ON l.log_id = r.log_id AND l.seq = r.seq WHERE (r.log_id, r.seq) < ($1, $2) AND ($3 = '' OR r.actor = $3) AND ($4 = '' OR r.kind = $4) AND r.ts >= $5 AND r.ts < $6 AND ($7 = '' OR EXISTS (SELECT 1 FROM audit_about a WHERE a.about = $7 AND a.seq = (r.log_id - 1) * 1099511627776 + r.seq)) ORDER BY r.log_id DESC, r.seq DESC LIMIT $8";
}

const LEAF: &str = "INSERT INTO audit_leaf (log_id, seq, leaf_hash) ";
const NODE: &str = "INSERT INTO audit_node (log_id, level, n, hash) ";
const RECORD: &str = "INSERT INTO audit_record (log_id, seq, id, body, ts, kind, actor, obj) ";
const ABOUT: &str = "INSERT INTO audit_about (about, seq) ";
/// How many rows one statement takes.
const ROWS: usize = 100;

#[derive(sqlx::FromRow)]
struct HeadRow {
    log_id: i64,
    size: i64,
    frontier: Vec<u8>,
    state: String,
    origin: String,
}

#[derive(sqlx::FromRow)]
struct StoredRow {
    log_id: i64,
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

impl StoredRow {
    /// With its number among the entries of every incarnation instead of its place within one.
    fn numbered(self) -> Row {
        let number = number::of(self.log_id, self.seq).unsigned_abs();
        Row { seq: number, ..Row::from(self) }
    }
}

/// The head of one incarnation of the log.
#[derive(Debug, Clone)]
pub struct Head {
    /// Which incarnation, from 1.
    pub log: i64,
    /// How many entries.
    pub size: i64,
    /// The stored frontier.
    pub frontier: Vec<u8>,
    /// False while it takes nothing.
    pub is_open: bool,
    /// Its name: the first line of its checkpoints.
    pub origin: String,
}

impl From<HeadRow> for Head {
    fn from(row: HeadRow) -> Self {
        Self { log: row.log_id, size: row.size, frontier: row.frontier, is_open: row.state == "open", origin: row.origin }
    }
}

/// The head of the log as it goes on now.
///
/// # Errors
/// When the database is gone, or was never set up.
pub async fn audit_head(conn: &mut Conn) -> Result<Head> {
    let row: HeadRow = on!(conn, |c| sqlx::query_as(HEAD).fetch_one(c).await)?;
    Ok(row.into())
}

/// The heads of every incarnation, oldest first. Only the last one takes entries.
///
/// # Errors
/// When the database is gone.
pub async fn audit_heads(conn: &mut Conn) -> Result<Vec<Head>> {
    let rows: Vec<HeadRow> = on!(conn, |c| sqlx::query_as(HEADS).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Head::from).collect())
}

/// The head as it goes on now, locked until the transaction ends.
///
/// # Errors
/// When the database is gone, or was never set up.
pub async fn audit_lock(tx: &mut WriteTx) -> Result<Head> {
    let row: HeadRow = on!(&mut **tx, |c| sqlx::query_as(LOCK).fetch_one(c).await)?;
    Ok(row.into())
}

/// Closes an incarnation for good and begins the one that `origin` names, empty.
///
/// # Errors
/// `Duplicate` when there is one of that name; when the database is gone.
pub async fn audit_begin_next(tx: &mut WriteTx, last: &Head, origin: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(CLOSE).bind(last.log).execute(c).await.map(drop))?;
    let log = number::incarnation(origin) as i64;
    on!(&mut **tx, |c| sqlx::query(BEGIN).bind(log).bind(origin).bind(Vec::<u8>::new()).execute(c).await.map(drop))?;
    Ok(())
}

/// Appends an entry to the log; answers with its number (`audit::number`). The head's row is locked until the transaction ends, which gives
/// one gapless order on PostgreSQL too.
///
/// # Errors
/// `Frozen` while the log takes nothing, with the transaction as it was; when the database refuses, the caller's whole transaction is to be
/// dropped.
pub async fn audit_append(tx: &mut WriteTx, entry: &Canonical) -> Result<i64> {
    let numbers = audit_append_all(tx, std::slice::from_ref(entry)).await?;
    numbers.first().copied().ok_or(Error::Conflict)
}

/// The same for several in their order: as many statements as for one.
///
/// # Errors
/// As of `audit_append`.
pub async fn audit_append_all(tx: &mut WriteTx, entries: &[Canonical]) -> Result<Vec<i64>> {
    let head = audit_lock(tx).await?;
    if !head.is_open {
        return Err(Error::Frozen);
    }
    let mut frontier = Frontier::decode(head.size.unsigned_abs(), &head.frontier).map_err(|error| Error::Unreadable(error.to_string()))?;
    let placed: Vec<(i64, Hash, &Canonical)> = (head.size..).zip(entries).map(|(seq, entry)| (seq, entry.leaf(), entry)).collect();
    let nodes: Vec<Node> = placed.iter().flat_map(|(_, leaf, _)| frontier.push(*leaf)).collect();
    let about = |(seq, _, entry): &(i64, Hash, &Canonical)| {
        let number = number::of(head.log, *seq);
        entry.indexed().about.iter().map(|about| (about.clone(), number)).collect::<Vec<_>>()
    };
    let abouts: Vec<_> = placed.iter().flat_map(about).collect();
    for rows in placed.chunks(ROWS) {
        insert!(tx, LEAF, rows, |row, (seq, leaf, _)| row.push_bind(head.log).push_bind(*seq).push_bind(leaf.as_slice()));
        insert!(tx, RECORD, rows, |row, (seq, _, entry)| {
            let indexed = entry.indexed();
            row.push_bind(head.log).push_bind(*seq).push_bind(&indexed.id).push_bind(entry.bytes()).push_bind(indexed.ts);
            row.push_bind(&indexed.kind).push_bind(&indexed.actor).push_bind(&indexed.object)
        });
    }
    for rows in nodes.chunks(ROWS) {
        insert!(tx, NODE, rows, |row, node| {
            row.push_bind(head.log).push_bind(node.level as i64).push_bind(node.n as i64).push_bind(node.hash.as_slice())
        });
    }
    for rows in abouts.chunks(ROWS) {
        insert!(tx, ABOUT, rows, |row, (about, number)| row.push_bind(about).push_bind(*number));
    }
    let Some(last) = entries.last() else { return Ok(Vec::new()) };
    let encoded = frontier.encode();
    let grown = on!(&mut **tx, |c| sqlx::query(GROW)
        .bind(head.log)
        .bind(head.size + entries.len() as i64)
        .bind(encoded.as_slice())
        .bind(last.indexed().ts)
        .bind(head.size)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    let numbers = placed.iter().map(|(seq, ..)| number::of(head.log, *seq)).collect();
    if grown == 1 { Ok(numbers) } else { Err(Error::Conflict) }
}

/// One entry by its number, which it keeps as its position.
///
/// # Errors
/// When the database is gone.
pub async fn audit_entry(conn: &mut Conn, number: i64) -> Result<Option<Row>> {
    let (log, seq) = number::parts(number);
    let row: Option<StoredRow> = on!(conn, |c| sqlx::query_as(ONE).bind(log).bind(seq).fetch_optional(c).await)?;
    Ok(row.map(StoredRow::numbered))
}

/// Entries of the log as it goes on now, from a position on, in order.
///
/// # Errors
/// When the database is gone.
pub async fn audit_from(conn: &mut Conn, seq: i64, most: i64) -> Result<Vec<Row>> {
    let log = audit_head(conn).await?.log;
    audit_of(conn, log, seq, most).await
}

/// Entries of one incarnation from a position on, in order.
///
/// # Errors
/// When the database is gone.
pub async fn audit_of(conn: &mut Conn, log: i64, seq: i64, most: i64) -> Result<Vec<Row>> {
    let rows: Vec<StoredRow> = on!(conn, |c| sqlx::query_as(FROM).bind(log).bind(seq).bind(most).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Row::from).collect())
}

/// Leaf hashes of a range of the log as it goes on now.
///
/// # Errors
/// When the database is gone.
pub async fn audit_leaves(conn: &mut Conn, from: i64, to: i64) -> Result<Vec<Hash>> {
    let log = audit_head(conn).await?.log;
    audit_leaves_of(conn, log, from, to).await
}

/// Leaf hashes of a range of one incarnation.
///
/// # Errors
/// When the database is gone.
pub async fn audit_leaves_of(conn: &mut Conn, log: i64, from: i64, to: i64) -> Result<Vec<Hash>> {
    let rows: Vec<Vec<u8>> = on!(conn, |c| sqlx::query_scalar(LEAVES).bind(log).bind(from).bind(to).fetch_all(c).await)?;
    rows.into_iter().map(|leaf| leaf.try_into().map_err(|_| Error::Unreadable("a leaf of the log".into()))).collect()
}

/// The frontier at any earlier size, computed from stored hashes: a few hundred rows however long the log is.
///
/// # Errors
/// `Unreadable` when hashes are missing: the log is not whole; when the database is gone.
pub async fn audit_frontier_at(conn: &mut Conn, size: i64) -> Result<Frontier> {
    let log = audit_head(conn).await?.log;
    let size = size.unsigned_abs();
    let mut roots = Vec::new();
    for Stretch { level, first, count } in tree::stretches(size) {
        let (from, to) = (first as i64, (first + count) as i64);
        let hashes =
            if level == 0 { audit_leaves_of(conn, log, from, to).await? } else { audit_stretch(conn, log, level as i64, from, to).await? };
        if hashes.len() as u64 != count {
            return Err(Error::Unreadable("hashes of the log's tree are missing".into()));
        }
        roots.push(tree::root_of(&hashes));
    }
    Frontier::of_roots(size, roots).map_err(|error| Error::Unreadable(error.to_string()))
}

async fn audit_stretch(conn: &mut Conn, log: i64, level: i64, from: i64, to: i64) -> Result<Vec<Hash>> {
    let rows: Vec<Vec<u8>> = on!(conn, |c| sqlx::query_scalar(STRETCH).bind(log).bind(level).bind(from).bind(to).fetch_all(c).await)?;
    rows.into_iter().map(|hash| hash.try_into().map_err(|_| Error::Unreadable("a node of the log".into()))).collect()
}

/// Every stored node of the tree of the log as it goes on now.
///
/// # Errors
/// When the database is gone.
pub async fn audit_nodes(conn: &mut Conn) -> Result<Vec<Node>> {
    let log = audit_head(conn).await?.log;
    audit_nodes_of(conn, log).await
}

/// Every stored node of one incarnation's tree.
///
/// # Errors
/// When the database is gone.
pub async fn audit_nodes_of(conn: &mut Conn, log: i64) -> Result<Vec<Node>> {
    let rows: Vec<(i64, i64, Vec<u8>)> = on!(conn, |c| sqlx::query_as(NODES).bind(log).fetch_all(c).await)?;
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
    let log = audit_head(conn).await?.log;
    let rows: Vec<(i64, Vec<u8>)> =
        on!(conn, |c| sqlx::query_as(NODES_FROM).bind(log).bind(level as i64).bind(n as i64).fetch_all(c).await)?;
    let node = |(n, hash): (i64, Vec<u8>)| {
        let hash = hash.try_into().map_err(|_| Error::Unreadable("a node of the log".into()))?;
        Ok(Node { level, n: n.unsigned_abs(), hash })
    };
    rows.into_iter().map(node).collect()
}

/// Every kind of entry there is, in any incarnation.
///
/// # Errors
/// When the database is gone.
pub async fn audit_kinds(conn: &mut Conn) -> Result<Vec<String>> {
    Ok(on!(conn, |c| sqlx::query_scalar(KINDS).fetch_all(c).await)?)
}

/// Every entry up to a moment that gave or took rights of people, in order.
///
/// # Errors
/// When the database is gone.
pub async fn audit_of_rights(conn: &mut Conn, until: Timestamp) -> Result<Vec<Row>> {
    let rows: Vec<StoredRow> = on!(conn, |c| sqlx::query_as(OF_RIGHTS).bind(until).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Row::from).collect())
}

/// What a page of entries is narrowed to. Empty texts do not narrow.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Only entries before this number.
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

/// A page of entries of every incarnation, newest first, each with its number as its position.
///
/// # Errors
/// When the database is gone.
pub async fn audit_list(conn: &mut Conn, filter: &Filter) -> Result<Vec<Row>> {
    let (log, before) = number::parts(filter.before);
    let rows: Vec<StoredRow> = on!(conn, |c| sqlx::query_as(LIST)
        .bind(log)
        .bind(before)
        .bind(&filter.actor)
        .bind(&filter.kind)
        .bind(filter.from)
        .bind(filter.to)
        .bind(&filter.about)
        .bind(filter.most)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(StoredRow::numbered).collect())
}
