//! What is kept about the log beside its entries: signed checkpoints, the replicas' verifier keys, why it was frozen, and entries of stops
//! that wait for it to open. Nothing here unfreezes a log.

use super::{
    Conn, Error, Result, WriteTx, audit,
    db::{on, statements},
};
use crate::audit::{Actor, Event};
use crate::domain::{ActId, Timestamp};

statements! {
    ADD = "INSERT INTO audit_checkpoint (log_id, size, note, at) VALUES ($1, $2, $3, $4)";
    LATEST = "SELECT size, note, at FROM audit_checkpoint WHERE log_id = $1 ORDER BY size DESC LIMIT 1";
    AFTER = "SELECT size, note, at FROM audit_checkpoint WHERE log_id = $1 AND size > $2 ORDER BY size LIMIT $3";
    KEY_ADD = "INSERT INTO audit_key (vkey, log_id, node, at) VALUES ($1, $2, $3, $4)";
    KEY_SINCE = "SELECT at FROM audit_key WHERE vkey = $1 ORDER BY at LIMIT 1";
    KEYS = "SELECT vkey FROM audit_key WHERE log_id = $1 ORDER BY at, vkey";
    FREEZE = "UPDATE audit_log SET state = 'frozen' WHERE log_id = $1 AND state = 'open'";
    FREEZE_WHY = "INSERT INTO audit_freeze (n, log_id, kind, why, node, at) VALUES ($1, $2, $3, $4, $5, $6)";
    FROZEN = "SELECT n, kind, why, at FROM audit_freeze WHERE log_id = $1 ORDER BY n DESC LIMIT 1";
    FREEZES = "SELECT coalesce(max(n), 0) FROM audit_freeze";
    LATE_ADD = "INSERT INTO audit_late (id, actor_kind, actor_id, happened_at, node, event) VALUES ($1, $2, $3, $4, $5, $6)";
    LATE = "SELECT id, actor_kind, actor_id, happened_at, node, event FROM audit_late WHERE (happened_at, id) > ($1, $2) ORDER BY happened_at, id LIMIT 100";
    LATE_DONE = "DELETE FROM audit_late WHERE id = $1";
}

/// A signed checkpoint as it was published.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredCheckpoint {
    /// How many entries it covers.
    pub size: i64,
    /// The signed note.
    pub note: String,
    /// When it was signed.
    pub at: Timestamp,
}

/// Why the log was frozen.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredFreeze {
    /// Its number, from 1.
    pub n: i64,
    /// `rollback` or `mismatch`.
    pub kind: String,
    /// In a sentence.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// An entry that waits for the log to open.
#[derive(Debug, Clone)]
pub struct Late {
    /// Its id here.
    pub id: String,
    /// Who acted.
    pub actor: Actor,
    /// When it happened.
    pub happened_at: Timestamp,
    /// Which process took it.
    pub node: String,
    /// What happened.
    pub event: Event,
}

/// An entry that waits and that this program cannot read: one of another version.
#[derive(Debug, Clone)]
pub struct BadLate {
    /// Its id here.
    pub id: String,
    /// When it happened.
    pub happened_at: Timestamp,
    /// What is wrong with it.
    pub why: String,
}

#[derive(sqlx::FromRow)]
struct LateRow {
    id: String,
    actor_kind: String,
    actor_id: String,
    happened_at: Timestamp,
    node: String,
    event: String,
}

/// Keeps a checkpoint of the log of this origin. One that covers as much or more and is there already stays as it is. False, with nothing kept:
/// the log goes on under another incarnation by now, of which it says nothing.
///
/// # Errors
/// `Duplicate` when another replica keeps one of the same size at the same time; when the database is gone.
pub async fn checkpoint_add(tx: &mut WriteTx, origin: &str, checkpoint: &StoredCheckpoint) -> Result<bool> {
    // Locked: nobody closes the incarnation until this is in it.
    let head = audit::audit_lock(tx).await?;
    if head.origin != origin {
        return Ok(false);
    }
    let log = head.log;
    if checkpoint_latest(tx).await?.is_some_and(|latest| latest.size >= checkpoint.size) {
        return Ok(true);
    }
    on!(&mut **tx, |c| sqlx::query(ADD)
        .bind(log)
        .bind(checkpoint.size)
        .bind(&checkpoint.note)
        .bind(checkpoint.at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(true)
}

/// The checkpoint that covers most.
///
/// # Errors
/// When the database is gone.
pub async fn checkpoint_latest(conn: &mut Conn) -> Result<Option<StoredCheckpoint>> {
    let log = audit::audit_head(conn).await?.log;
    Ok(on!(conn, |c| sqlx::query_as(LATEST).bind(log).fetch_optional(c).await)?)
}

/// Checkpoints that cover more than `size`, smallest first.
///
/// # Errors
/// When the database is gone.
pub async fn checkpoint_after(conn: &mut Conn, size: i64, most: i64) -> Result<Vec<StoredCheckpoint>> {
    let log = audit::audit_head(conn).await?.log;
    checkpoint_of(conn, log, size, most).await
}

/// Checkpoints of one incarnation that cover more than `size`, smallest first.
///
/// # Errors
/// When the database is gone.
pub async fn checkpoint_of(conn: &mut Conn, log: i64, size: i64, most: i64) -> Result<Vec<StoredCheckpoint>> {
    Ok(on!(conn, |c| sqlx::query_as(AFTER).bind(log).bind(size).bind(most).fetch_all(c).await)?)
}

/// Notes a replica's verifier key for the log of this origin. False, with nothing noted: the log goes on under another incarnation by now.
///
/// # Errors
/// `Duplicate` when it is there.
pub async fn log_key_add(tx: &mut WriteTx, origin: &str, vkey: &str, (node, at): (&str, Timestamp)) -> Result<bool> {
    let head = audit::audit_lock(tx).await?;
    if head.origin != origin {
        return Ok(false);
    }
    on!(&mut **tx, |c| sqlx::query(KEY_ADD).bind(vkey).bind(head.log).bind(node).bind(at).execute(c).await.map(drop))?;
    Ok(true)
}

/// Since when the log has had a replica's verifier key; none: it never had.
///
/// # Errors
/// When the database is gone.
pub async fn log_key_since(conn: &mut Conn, vkey: &str) -> Result<Option<Timestamp>> {
    Ok(on!(conn, |c| sqlx::query_scalar(KEY_SINCE).bind(vkey).fetch_optional(c).await)?)
}

/// Every verifier key of the log as it goes on now.
///
/// # Errors
/// When the database is gone.
pub async fn log_keys(conn: &mut Conn) -> Result<Vec<String>> {
    let log = audit::audit_head(conn).await?.log;
    Ok(on!(conn, |c| sqlx::query_scalar(KEYS).bind(log).fetch_all(c).await)?)
}

/// Freezes the log, and says why. One that is frozen stays so for its first reason, unless it is found rolled back as well.
///
/// # Errors
/// When the database is gone.
pub async fn log_freeze(tx: &mut WriteTx, kind: &str, why: &str, node: &str, at: Timestamp) -> Result<()> {
    let log = audit::audit_head(tx).await?.log;
    let fresh = on!(&mut **tx, |c| sqlx::query(FREEZE).bind(log).execute(c).await.map(|r| r.rows_affected()))?;
    let last = log_frozen(tx).await?;
    if fresh == 0 && last.as_ref().is_some_and(|last| last.kind == kind || kind != "rollback") {
        return Ok(());
    }
    let n: i64 = on!(&mut **tx, |c| sqlx::query_scalar(FREEZES).fetch_one(c).await)?;
    on!(&mut **tx, |c| sqlx::query(FREEZE_WHY).bind(n + 1).bind(log).bind(kind).bind(why).bind(node).bind(at).execute(c).await.map(drop))?;
    Ok(())
}

/// Why the log, as it goes on now, was last frozen.
///
/// # Errors
/// When the database is gone.
pub async fn log_frozen(conn: &mut Conn) -> Result<Option<StoredFreeze>> {
    let log = audit::audit_head(conn).await?.log;
    Ok(on!(conn, |c| sqlx::query_as(FROZEN).bind(log).fetch_optional(c).await)?)
}

/// Keeps an entry until the log is open.
///
/// # Errors
/// When the database is gone.
pub async fn late_add(tx: &mut WriteTx, late: &Late) -> Result<()> {
    let event = serde_json::to_string(&late.event).map_err(|error| Error::Unreadable(error.to_string()))?;
    on!(&mut **tx, |c| sqlx::query(LATE_ADD)
        .bind(&late.id)
        .bind(&late.actor.t)
        .bind(&late.actor.id)
        .bind(late.happened_at)
        .bind(&late.node)
        .bind(&event)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Some of the entries that wait, oldest first: those after this moment and id, at most 100. One that this program cannot read is an `Err`
/// with its place and the reason; it keeps no other from being read.
///
/// # Errors
/// When the database is gone.
pub async fn late_after(conn: &mut Conn, (at, id): (Timestamp, &str)) -> Result<Vec<std::result::Result<Late, BadLate>>> {
    let rows: Vec<LateRow> = on!(conn, |c| sqlx::query_as(LATE).bind(at).bind(id).fetch_all(c).await)?;
    let read = |row: LateRow| match serde_json::from_str(&row.event) {
        Ok(event) => {
            let actor = Actor { t: row.actor_kind, id: row.actor_id };
            Ok(Late { id: row.id, actor, happened_at: row.happened_at, node: row.node, event })
        }
        Err(error) => Err(BadLate { id: row.id, happened_at: row.happened_at, why: error.to_string() }),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Lets a late entry go that the log has now. False when another replica was first.
///
/// # Errors
/// When the database is gone.
pub async fn late_done(tx: &mut WriteTx, id: &str) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(LATE_DONE).bind(id).execute(c).await.map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}

impl Late {
    /// An entry that cannot be appended now.
    pub fn new(actor: Actor, happened_at: Timestamp, node: &str, event: Event) -> Self {
        Self { id: ActId::new().to_string(), actor, happened_at, node: node.to_owned(), event }
    }
}
