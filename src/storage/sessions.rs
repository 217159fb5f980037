//! Browser sessions as the session layer stores them. Not an act: no audit entry hangs on these rows.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{Timestamp, UserId};

statements! {
    INSERT = "INSERT INTO session (id, handle, user_id, data, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (handle) DO UPDATE SET id = excluded.id, user_id = excluded.user_id, data = excluded.data, expires_at = excluded.expires_at";
    UPDATE = "UPDATE session SET id = $1, user_id = $3, data = $4, expires_at = $5 WHERE handle = $2";
    LOAD = "SELECT handle, data, expires_at FROM session WHERE id = $1";
    OF_USER = "SELECT id, handle, data FROM session WHERE user_id = $1";
    DELETE = "DELETE FROM session WHERE id = $1 OR handle = $2";
    DELETE_OF_USER = "DELETE FROM session WHERE user_id = $1";
    DELETE_BY_HANDLE = "DELETE FROM session WHERE user_id = $1 AND handle = $2";
    PRUNE = "DELETE FROM session WHERE expires_at < $1";
}

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

/// Writes a new session.
///
/// # Errors
/// When the database is gone.
pub async fn session_insert(tx: &mut WriteTx, session: &StoredSession) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&session.id)
        .bind(&session.handle)
        .bind(&session.user_id)
        .bind(session.data.as_slice())
        .bind(session.created_at)
        .bind(session.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Rewrites a session, under another id where that has changed. False: it was ended meanwhile, and stays so.
///
/// # Errors
/// When the database is gone.
pub async fn session_update(tx: &mut WriteTx, session: &StoredSession) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(UPDATE)
        .bind(&session.id)
        .bind(&session.handle)
        .bind(&session.user_id)
        .bind(session.data.as_slice())
        .bind(session.expires_at)
        .execute(c)
        .await
        .map(|done| done.rows_affected() > 0))?)
}

/// Name, data and end of a session.
///
/// # Errors
/// When the database is gone.
pub async fn session_load(conn: &mut Conn, id: &str) -> Result<Option<(String, Vec<u8>, Timestamp)>> {
    Ok(on!(conn, |c| sqlx::query_as(LOAD).bind(id).fetch_optional(c).await)?)
}

/// Id, name and data of every session of a person.
///
/// # Errors
/// When the database is gone.
pub async fn session_of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<(String, String, Vec<u8>)>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_USER).bind(user).fetch_all(c).await)?)
}

/// Ends a session by its id, and by its name in case the id has changed.
///
/// # Errors
/// When the database is gone.
pub async fn session_delete(tx: &mut WriteTx, id: &str, handle: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(DELETE).bind(id).bind(handle).execute(c).await.map(drop))?;
    Ok(())
}

/// Ends a person's session by its name. False: there is none.
///
/// # Errors
/// When the database is gone.
pub async fn session_delete_by_handle(tx: &mut WriteTx, user: &UserId, handle: &str) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(DELETE_BY_HANDLE).bind(user).bind(handle).execute(c).await.map(|r| r.rows_affected() > 0))?)
}

/// Ends every session of a person.
///
/// # Errors
/// When the database is gone.
pub async fn session_delete_of_user(tx: &mut WriteTx, user: &UserId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(DELETE_OF_USER).bind(user).execute(c).await.map(drop))?;
    Ok(())
}

/// Forgets sessions that have ended; says how many.
///
/// # Errors
/// When the database is gone.
pub async fn session_prune(tx: &mut WriteTx, before: Timestamp) -> Result<u64> {
    Ok(on!(&mut **tx, |c| sqlx::query(PRUNE).bind(before).execute(c).await.map(|r| r.rows_affected()))?)
}
