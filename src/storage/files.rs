//! Files that people put down as evidence: a row for each, its content in pieces that are written one by one, and the mark that leads to it.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, FileId, FileKind, FileNote, MarkId, Timestamp, UserId};

statements! {
    INSERT = "INSERT INTO evidence_file (id, bot_id, name, kind, bytes, sha256, uploaded_by, uploaded_at, place) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)";
    PIECE_INSERT = "INSERT INTO evidence_piece (file_id, n, content) VALUES ($1, $2, $3)";
    HELD = "SELECT count(*), CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM evidence_file WHERE bot_id = $1 AND dropped_at IS NULL";
    BIND = "UPDATE evidence_file SET mark_id = $2, place = $3 WHERE id = $1 AND mark_id IS NULL AND dropped_at IS NULL";
    BY_ID = "SELECT * FROM evidence_file WHERE id = $1";
    OF_BOT = "SELECT * FROM evidence_file WHERE bot_id = $1 AND mark_id IS NOT NULL ORDER BY mark_id, place";
    PIECES = "SELECT content FROM evidence_piece WHERE file_id = $1 ORDER BY n";
    DROP = "UPDATE evidence_file SET dropped_at = $2 WHERE id = $1 AND mark_id IS NULL AND dropped_at IS NULL";
    DROP_OLD = "UPDATE evidence_file SET dropped_at = $2 WHERE mark_id IS NULL AND dropped_at IS NULL AND uploaded_at < $1";
    DROPPED = "SELECT id FROM evidence_file WHERE mark_id IS NULL AND dropped_at IS NOT NULL ORDER BY uploaded_at, id LIMIT $1";
    PIECE_FORGET = "DELETE FROM evidence_piece WHERE file_id = $1 AND n = (SELECT max(n) FROM evidence_piece WHERE file_id = $1)";
    FORGET = "DELETE FROM evidence_file WHERE id = $1 AND mark_id IS NULL AND dropped_at IS NOT NULL";
}

/// A file as stored, without its content.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct FileRow {
    /// Which.
    pub id: FileId,
    /// Of which bot.
    pub bot_id: BotId,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// How large it is.
    pub bytes: i64,
    /// SHA-256 of its content, hex.
    pub sha256: String,
    /// Who sent it.
    pub uploaded_by: UserId,
    /// When.
    pub uploaded_at: Timestamp,
    /// The mark that leads to it; none: none does yet.
    pub mark_id: Option<MarkId>,
    /// Its place among the files of that mark.
    pub place: i64,
    /// Since when it is being removed.
    pub dropped_at: Option<Timestamp>,
}

impl FileRow {
    /// As the log names it.
    pub fn note(&self) -> FileNote {
        FileNote { file: self.id.clone(), name: self.name.clone(), bytes: self.bytes, sha256: self.sha256.clone() }
    }
}

/// Writes a file, without its content; no mark leads to it.
///
/// # Errors
/// `Dangling` for a bot that is not there.
pub async fn file_insert(tx: &mut WriteTx, row: &FileRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&row.id)
        .bind(&row.bot_id)
        .bind(&row.name)
        .bind(row.kind)
        .bind(row.bytes)
        .bind(&row.sha256)
        .bind(&row.uploaded_by)
        .bind(row.uploaded_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes a piece of its content.
///
/// # Errors
/// When the database is gone.
pub async fn piece_insert(tx: &mut WriteTx, file: &FileId, n: i64, content: &[u8]) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(PIECE_INSERT).bind(file).bind(n).bind(content).execute(c).await.map(drop))?;
    Ok(())
}

/// How many files a bot has, and how many bytes they hold.
///
/// # Errors
/// When the database is gone.
pub async fn file_held(conn: &mut Conn, bot: &BotId) -> Result<(i64, i64)> {
    Ok(on!(conn, |c| sqlx::query_as(HELD).bind(bot).fetch_one(c).await)?)
}

/// Has a mark lead to a file; false when one does already, or it is being removed.
///
/// # Errors
/// When the database is gone.
pub async fn file_bind(tx: &mut WriteTx, file: &FileId, mark: &MarkId, place: i64) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(BIND).bind(file).bind(mark).bind(place).execute(c).await.map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}

/// One of them.
///
/// # Errors
/// When the database is gone.
pub async fn file_by_id(conn: &mut Conn, id: &FileId) -> Result<Option<FileRow>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?)
}

/// Every file of a bot that a mark leads to, by mark.
///
/// # Errors
/// When the database is gone.
pub async fn file_of_bot(conn: &mut Conn, bot: &BotId) -> Result<Vec<FileRow>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_BOT).bind(bot).fetch_all(c).await)?)
}

/// The content of a file, in pieces.
///
/// # Errors
/// When the database is gone.
pub async fn file_pieces(conn: &mut Conn, id: &FileId) -> Result<Vec<Vec<u8>>> {
    Ok(on!(conn, |c| sqlx::query_scalar(PIECES).bind(id).fetch_all(c).await)?)
}

/// Says of a file that no mark leads to that it is being removed.
///
/// # Errors
/// When the database is gone.
pub async fn file_drop(tx: &mut WriteTx, id: &FileId, at: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(DROP).bind(id).bind(at).execute(c).await.map(drop))?;
    Ok(())
}

/// The same of all that came before a moment.
///
/// # Errors
/// When the database is gone.
pub async fn file_drop_old(tx: &mut WriteTx, before: Timestamp, at: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(DROP_OLD).bind(before).bind(at).execute(c).await.map(drop))?;
    Ok(())
}

/// Files that are being removed.
///
/// # Errors
/// When the database is gone.
pub async fn file_dropped(conn: &mut Conn, most: i64) -> Result<Vec<FileId>> {
    Ok(on!(conn, |c| sqlx::query_scalar(DROPPED).bind(most).fetch_all(c).await)?)
}

/// Forgets the last piece of a file; false when there is none left.
///
/// # Errors
/// When the database is gone.
pub async fn piece_forget(tx: &mut WriteTx, id: &FileId) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(PIECE_FORGET).bind(id).execute(c).await.map(|r| r.rows_affected()))?;
    Ok(rows > 0)
}

/// Forgets a file that has no piece left.
///
/// # Errors
/// When the database is gone, or a piece is left.
pub async fn file_forget(tx: &mut WriteTx, id: &FileId) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(FORGET).bind(id).execute(c).await.map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}
