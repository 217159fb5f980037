//! Files that are to be taken into the register: drafts, which change nothing, and those that were taken in, with the difference they made.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{ImportId, Timestamp};

statements! {
    INSERT = "INSERT INTO register_import (id, made_by, made_at, format, sha256, body) VALUES ($1, $2, $3, $4, $5, $6)";
    BY_ID = "SELECT * FROM register_import WHERE id = $1";
    DONE = "UPDATE register_import SET body = '', difference = $2, done_at = $3 WHERE id = $1 AND done_at IS NULL";
    NEWEST = "SELECT id, made_by, made_at, format, sha256, '' AS body, '' AS difference, done_at FROM register_import WHERE done_at IS NOT NULL ORDER BY made_at DESC, id DESC LIMIT $1";
    FORGET = "DELETE FROM register_import WHERE done_at IS NULL AND made_at < $1";
}

/// A file that is to be taken in, or was.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ImportRow {
    /// Its id.
    pub id: ImportId,
    /// Who brought it: kind and id, as in the log.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// `csv` or `toml`.
    pub format: String,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// The file, while it is a draft.
    pub body: String,
    /// The difference it made, as JSON.
    pub difference: Option<String>,
    /// When it was taken in; none: it is a draft.
    pub done_at: Option<Timestamp>,
}

/// Writes a draft.
///
/// # Errors
/// When the database is gone.
pub async fn import_insert(tx: &mut WriteTx, row: &ImportRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&row.id)
        .bind(&row.made_by)
        .bind(row.made_at)
        .bind(&row.format)
        .bind(&row.sha256)
        .bind(&row.body)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// One of them.
///
/// # Errors
/// When the database is gone.
pub async fn import_by_id(conn: &mut Conn, id: &ImportId) -> Result<Option<ImportRow>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?)
}

/// Notes that a draft was taken in; false when it was before.
///
/// # Errors
/// When the database is gone.
pub async fn import_done(tx: &mut WriteTx, id: &ImportId, difference: &str, at: Timestamp) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(DONE).bind(id).bind(difference).bind(at).execute(c).await.map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}

/// Those that were taken in, newest first, without their differences.
///
/// # Errors
/// When the database is gone.
pub async fn import_newest(conn: &mut Conn, most: i64) -> Result<Vec<ImportRow>> {
    Ok(on!(conn, |c| sqlx::query_as(NEWEST).bind(most).fetch_all(c).await)?)
}

/// Forgets drafts of before a moment.
///
/// # Errors
/// When the database is gone.
pub async fn import_forget(tx: &mut WriteTx, before: Timestamp) -> Result<u64> {
    Ok(on!(&mut **tx, |c| sqlx::query(FORGET).bind(before).execute(c).await.map(|r| r.rows_affected()))?)
}
