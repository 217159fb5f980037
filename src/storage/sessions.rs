//! Browser sessions as the session layer stores them. Not an act: no audit entry hangs on these rows. A session that was ended keeps its row,
//! without content, until its time is over: whoever writes it later finds that it is over.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{Timestamp, UserId};

statements! {
    PUT = "INSERT INTO session (id, handle, user_id, data, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (handle) DO UPDATE SET user_id = excluded.user_id, data = excluded.data, expires_at = excluded.expires_at WHERE session.ended_at IS NULL";
    KEEP_BEFORE = "INSERT INTO session_before (id, handle) SELECT id, handle FROM session WHERE handle = $1 AND id <> $2 ON CONFLICT (id) DO NOTHING";
    TURN = "UPDATE session SET id = $2 WHERE handle = $1";
    IS_NOW = "UPDATE session SET id = id WHERE handle = $1 AND id = $2";
    FORGET_BEFORE = "DELETE FROM session_before WHERE handle = $1";
    LOAD = "SELECT s.id, s.handle, s.data, s.created_at, s.expires_at, EXISTS (SELECT 1 FROM session_before b WHERE b.handle = s.handle) AS has_before FROM session s WHERE s.ended_at IS NULL AND (s.id = $1 OR s.handle = (SELECT handle FROM session_before WHERE id = $1))";
    STANDING = "SELECT s.id, s.handle, s.data, s.created_at, s.expires_at, EXISTS (SELECT 1 FROM session_before b WHERE b.handle = s.handle) AS has_before FROM session s WHERE s.ended_at IS NULL AND s.user_id IS NOT NULL AND s.expires_at > $1 ORDER BY s.created_at DESC LIMIT $2";
    OF_USER = "SELECT handle, data FROM session WHERE user_id = $1 AND ended_at IS NULL";
    END = "UPDATE session SET ended_at = $2, user_id = NULL, data = $3 WHERE handle = $1 AND ended_at IS NULL";
    END_BY_ID = "UPDATE session SET ended_at = $2, user_id = NULL, data = $3 WHERE id = $1 AND ended_at IS NULL";
    END_FOR_GOOD = "INSERT INTO session (id, handle, data, created_at, expires_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (handle) DO UPDATE SET user_id = NULL, data = excluded.data, ended_at = excluded.ended_at WHERE session.ended_at IS NULL";
    PRUNE = "DELETE FROM session WHERE expires_at < $1";
    PRUNE_BEFORE = "DELETE FROM session_before WHERE NOT EXISTS (SELECT 1 FROM session s WHERE s.handle = session_before.handle AND s.ended_at IS NULL)";
}

/// What is left of a session that was ended.
const NOTHING: &[u8] = b"";

/// A stored session.
#[derive(Debug, Clone)]
pub struct StoredSession {
    /// SHA-256 of the cookie's id, hex.
    pub id: String,
    /// Its name outside of the cookie, which stays when the id changes.
    pub handle: String,
    /// Whose it is, once known.
    pub user_id: Option<UserId>,
    /// The session layer's data, JSON.
    pub data: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A session found by its id, or by one that it had before.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LoadedSession {
    /// SHA-256 of the cookie's id as it is now, hex.
    pub id: String,
    /// Its name outside of the cookie.
    pub handle: String,
    /// The session layer's data, JSON.
    pub data: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Ids that it had before still stop bots.
    pub has_before: bool,
}

/// Writes a session, new or known, whose id stays as it is stored. False: it was ended, and stays so.
///
/// # Errors
/// When the database is gone.
pub async fn session_put(tx: &mut WriteTx, session: &StoredSession) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(PUT)
        .bind(&session.id)
        .bind(&session.handle)
        .bind(&session.user_id)
        .bind(session.data.as_slice())
        .bind(session.created_at)
        .bind(session.expires_at)
        .execute(c)
        .await
        .map(|done| done.rows_affected() > 0))?)
}

/// Gives a session another id; the one it had is kept as one that stops. Right after `session_put`, which has its row.
///
/// # Errors
/// When the database is gone.
pub async fn session_turn(tx: &mut WriteTx, handle: &str, id: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(KEEP_BEFORE).bind(handle).bind(id).execute(c).await.map(drop))?;
    on!(&mut **tx, |c| sqlx::query(TURN).bind(handle).bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// Forgets the ids that a session had before this one, unless it has yet another by now.
///
/// # Errors
/// When the database is gone.
pub async fn session_forget_before(tx: &mut WriteTx, handle: &str, id: &str) -> Result<()> {
    let is_now = on!(&mut **tx, |c| sqlx::query(IS_NOW).bind(handle).bind(id).execute(c).await.map(|done| done.rows_affected() > 0))?;
    if is_now {
        on!(&mut **tx, |c| sqlx::query(FORGET_BEFORE).bind(handle).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// The session of an id that it has or had, unless it was ended.
///
/// # Errors
/// When the database is gone.
pub async fn session_load(conn: &mut Conn, id: &str) -> Result<Option<LoadedSession>> {
    Ok(on!(conn, |c| sqlx::query_as(LOAD).bind(id).fetch_optional(c).await)?)
}

/// Sessions of people that stand, the newest first, at most so many.
///
/// # Errors
/// When the database is gone.
pub async fn session_standing(conn: &mut Conn, now: Timestamp, most: i64) -> Result<Vec<LoadedSession>> {
    Ok(on!(conn, |c| sqlx::query_as(STANDING).bind(now).bind(most).fetch_all(c).await)?)
}

/// Name and data of every session of a person.
///
/// # Errors
/// When the database is gone.
pub async fn session_of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<(String, Vec<u8>)>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_USER).bind(user).fetch_all(c).await)?)
}

/// Ends a session by its name. False: there is none that stands.
///
/// # Errors
/// When the database is gone.
pub async fn session_end(tx: &mut WriteTx, handle: &str, at: Timestamp) -> Result<bool> {
    let end = on!(&mut **tx, |c| sqlx::query(END).bind(handle).bind(at).bind(NOTHING).execute(c).await.map(|r| r.rows_affected() > 0));
    Ok(end?)
}

/// Ends a session by the id of its cookie.
///
/// # Errors
/// When the database is gone.
pub async fn session_end_by_id(tx: &mut WriteTx, id: &str, at: Timestamp) -> Result<bool> {
    let end = on!(&mut **tx, |c| sqlx::query(END_BY_ID).bind(id).bind(at).bind(NOTHING).execute(c).await.map(|r| r.rows_affected() > 0));
    Ok(end?)
}

/// Ends a session of which the database may not have heard yet: whoever writes it later finds that it is over. False: it was ended before.
///
/// # Errors
/// When the database is gone.
pub async fn session_end_for_good(tx: &mut WriteTx, session: &StoredSession, at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(END_FOR_GOOD)
        .bind(&session.id)
        .bind(&session.handle)
        .bind(NOTHING)
        .bind(session.created_at)
        .bind(session.expires_at)
        .bind(at)
        .execute(c)
        .await
        .map(|done| done.rows_affected() > 0))?)
}

/// Forgets sessions whose time is over.
///
/// # Errors
/// When the database is gone.
pub async fn session_prune(tx: &mut WriteTx, before: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(PRUNE).bind(before).execute(c).await.map(drop))?;
    on!(&mut **tx, |c| sqlx::query(PRUNE_BEFORE).execute(c).await.map(drop))?;
    Ok(())
}
