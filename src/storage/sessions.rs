//! Browser sessions as the session layer stores them. Not an act: no audit entry hangs on these rows.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{Timestamp, UserId};

statements! {
    SAVE = "INSERT INTO session (id, user_id, data, created_at, expires_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, data = excluded.data, expires_at = excluded.expires_at";
    LOAD = "SELECT data, expires_at FROM session WHERE id = $1";
    OF_USER = "SELECT id, data FROM session WHERE user_id = $1";
    DELETE = "DELETE FROM session WHERE id = $1";
    DELETE_OF_USER = "DELETE FROM session WHERE user_id = $1";
    PRUNE = "DELETE FROM session WHERE expires_at < $1";
}

/// A stored session.
#[derive(Debug, Clone)]
pub struct StoredSession {
    /// SHA-256 of the cookie's id, hex.
    pub id: String,
    /// Whose it is, once known.
    pub user_id: Option<UserId>,
    /// The session layer's data, JSON.
    pub data: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Writes or rewrites a session.
///
/// # Errors
/// When the database is gone.
pub async fn session_save(tx: &mut WriteTx, session: &StoredSession) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SAVE)
        .bind(&session.id)
        .bind(&session.user_id)
        .bind(session.data.as_slice())
        .bind(session.created_at)
        .bind(session.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Data and end of a session.
///
/// # Errors
/// When the database is gone.
pub async fn session_load(conn: &mut Conn, id: &str) -> Result<Option<(Vec<u8>, Timestamp)>> {
    Ok(on!(conn, |c| sqlx::query_as(LOAD).bind(id).fetch_optional(c).await)?)
}

/// Id and data of every session of a person.
///
/// # Errors
/// When the database is gone.
pub async fn session_of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<(String, Vec<u8>)>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_USER).bind(user).fetch_all(c).await)?)
}

/// Ends a session.
///
/// # Errors
/// When the database is gone.
pub async fn session_delete(tx: &mut WriteTx, id: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(DELETE).bind(id).execute(c).await.map(drop))?;
    Ok(())
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
