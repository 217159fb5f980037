//! Security keys: public keys and names, no secrets.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{CredentialId, Timestamp, UserId};

statements! {
    INSERT = "INSERT INTO credential (id, user_id, nickname, passkey, created_at) VALUES ($1, $2, $3, $4, $5)";
    OF_USER = "SELECT id, user_id, nickname, passkey, created_at, last_used_at FROM credential WHERE user_id = $1 AND removed_at IS NULL ORDER BY created_at";
    ALL = "SELECT id, user_id, nickname, passkey, created_at, last_used_at FROM credential WHERE removed_at IS NULL ORDER BY created_at";
    BY_ID = "SELECT id, user_id, nickname, passkey, created_at, last_used_at FROM credential WHERE id = $1";
    USED = "UPDATE credential SET last_used_at = $2, passkey = $3 WHERE id = $1";
    REMOVE = "UPDATE credential SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL";
    WITH_TWO = "SELECT c.user_id FROM credential c JOIN user_account u ON u.id = c.user_id WHERE c.removed_at IS NULL AND u.enabled GROUP BY c.user_id HAVING COUNT(*) >= 2";
}

/// A security key of a person.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Credential {
    /// The credential id, base64url.
    pub id: CredentialId,
    /// Whose it is.
    pub user_id: UserId,
    /// What they call it.
    pub nickname: String,
    /// The WebAuthn library's own JSON.
    pub passkey: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last signed.
    pub last_used_at: Option<Timestamp>,
}

/// Writes a new key.
///
/// # Errors
/// `Duplicate` when the key is known already.
pub async fn credential_insert(tx: &mut WriteTx, key: &Credential) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&key.id)
        .bind(&key.user_id)
        .bind(&key.nickname)
        .bind(&key.passkey)
        .bind(key.created_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// A person's keys, oldest first.
///
/// # Errors
/// When the database is gone.
pub async fn credential_of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Credential>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_USER).bind(user).fetch_all(c).await)?)
}

/// Everybody's keys.
///
/// # Errors
/// When the database is gone.
pub async fn credential_all(conn: &mut Conn) -> Result<Vec<Credential>> {
    Ok(on!(conn, |c| sqlx::query_as(ALL).fetch_all(c).await)?)
}

/// One key, removed ones included.
///
/// # Errors
/// When the database is gone.
pub async fn credential_by_id(conn: &mut Conn, id: &CredentialId) -> Result<Option<Credential>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?)
}

/// Notes a use, with the library's updated counter.
///
/// # Errors
/// When the database is gone.
pub async fn credential_used(tx: &mut WriteTx, id: &CredentialId, at: Timestamp, passkey: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(USED).bind(id).bind(at).bind(passkey).execute(c).await.map(drop))?;
    Ok(())
}

/// Removes a key; true when it was there.
///
/// # Errors
/// When the database is gone.
pub async fn credential_remove(tx: &mut WriteTx, id: &CredentialId, at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(REMOVE).bind(id).bind(at).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// The enabled people who have at least two keys.
///
/// # Errors
/// When the database is gone.
pub async fn credential_people_with_two(conn: &mut Conn) -> Result<Vec<UserId>> {
    Ok(on!(conn, |c| sqlx::query_scalar(WITH_TWO).fetch_all(c).await)?)
}
