//! Secrets of exchange keys that the server holds itself, as sealed bytes, and the names and check values of the master keys under which they are
//! sealed. Nothing here opens or seals: to this room the bytes are bytes.

use super::{
    Conn, Error, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{KeyId, KeyPurpose, Timestamp};

statements! {
    INSERT = "INSERT INTO key_secret (key_id, version, purpose, sealed, master, sealed_at) VALUES ($1, $2, $3, $4, $5, $6)";
    GET = "SELECT key_id, version, purpose, sealed, master, sealed_at FROM key_secret WHERE key_id = $1 AND version = $2";
    DELETE = "DELETE FROM key_secret WHERE key_id = $1 AND version = $2";
    GIVE_UP = "DELETE FROM key_secret WHERE master = $1";
    UNDER = "SELECT key_id, version, purpose, sealed, master, sealed_at FROM key_secret WHERE master = $1 AND (key_id > $2 OR (key_id = $2 AND version > $3)) ORDER BY key_id, version LIMIT $4";
    REWRAP = "UPDATE key_secret SET sealed = $4, master = $5 WHERE key_id = $1 AND version = $2 AND sealed = $3";
    COUNTS = "SELECT master, count(*) AS secrets FROM key_secret GROUP BY master ORDER BY master";
    MASTER_INSERT = "INSERT INTO master_key (id, check_value, made_at, is_current, seals) VALUES ($1, $2, $3, TRUE, 0)";
    MASTER_ALL = "SELECT id, check_value, made_at, is_current, retired_at FROM master_key ORDER BY made_at, id";
    MASTER_USE = "UPDATE master_key SET seals = seals + 1 WHERE id = $1 AND is_current";
    MASTER_STEP_DOWN = "UPDATE master_key SET is_current = FALSE WHERE id = $1 AND is_current";
    MASTER_RETIRE = "UPDATE master_key SET retired_at = $2 WHERE id = $1 AND NOT is_current AND retired_at IS NULL AND NOT EXISTS (SELECT 1 FROM key_secret WHERE master = $1)";
}

/// A secret, sealed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KeySecret {
    /// The key.
    pub key_id: KeyId,
    /// Its version.
    pub version: i64,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The sealed record, as `crypto::vault` writes it.
    pub sealed: Vec<u8>,
    /// Which master key opens it.
    pub master: String,
    /// When it was sealed; a rewrapping does not change it.
    pub sealed_at: Timestamp,
}

/// A master key, by its name.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct MasterKeyRow {
    /// Its name, no secret.
    pub id: String,
    /// What only it opens.
    pub check_value: Vec<u8>,
    /// When it was first used here.
    pub made_at: Timestamp,
    /// It seals what is new; there is one.
    pub is_current: bool,
    /// Since when nothing is sealed under it and nothing will be.
    pub retired_at: Option<Timestamp>,
}

/// Keeps a sealed secret, in the transaction of whatever installs it.
///
/// # Errors
/// `Conflict` when its master key is not the current one: it was replaced meanwhile, and the secret is to be sealed anew; `Duplicate` when that
/// version has one already; when the database is gone.
pub async fn key_secret_insert(tx: &mut WriteTx, row: &KeySecret) -> Result<()> {
    // Locks the master key's row until the commit: whoever replaces it waits, and then finds this secret.
    let used = on!(&mut **tx, |c| sqlx::query(MASTER_USE).bind(&row.master).execute(c).await.map(|r| r.rows_affected()))?;
    if used != 1 {
        return Err(Error::Conflict);
    }
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&row.key_id)
        .bind(row.version)
        .bind(row.purpose)
        .bind(&row.sealed)
        .bind(&row.master)
        .bind(row.sealed_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// A sealed secret; none: there is none, or it was deleted.
///
/// # Errors
/// When the database is gone.
pub async fn key_secret_get(conn: &mut Conn, key: &KeyId, version: i64) -> Result<Option<KeySecret>> {
    Ok(on!(conn, |c| sqlx::query_as(GET).bind(key).bind(version).fetch_optional(c).await)?)
}

/// Forgets the secret of a version that was revoked; false when there was none.
///
/// # Errors
/// When the database is gone.
pub async fn key_secret_delete(tx: &mut WriteTx, key: &KeyId, version: i64) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(DELETE).bind(key).bind(version).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Secrets that are sealed under a master key, in the order of key and version, from behind one of them; at most `most`.
///
/// # Errors
/// When the database is gone.
pub async fn key_secret_under(conn: &mut Conn, master: &str, behind: (&str, i64), most: i64) -> Result<Vec<KeySecret>> {
    Ok(on!(conn, |c| sqlx::query_as(UNDER).bind(master).bind(behind.0).bind(behind.1).bind(most).fetch_all(c).await)?)
}

/// Puts the same secret, wrapped by another master key, in the place of what was read; false when that is not there any more.
///
/// # Errors
/// When the database is gone.
pub async fn key_secret_rewrap(tx: &mut WriteTx, read: &KeySecret, sealed: &[u8], master: &str) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(REWRAP)
        .bind(&read.key_id)
        .bind(read.version)
        .bind(&read.sealed)
        .bind(sealed)
        .bind(master)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}

/// Forgets every secret that is sealed under a master key that is lost for good; how many there were.
///
/// # Errors
/// When the database is gone.
pub async fn key_secret_give_up(tx: &mut WriteTx, master: &str) -> Result<u64> {
    Ok(on!(&mut **tx, |c| sqlx::query(GIVE_UP).bind(master).execute(c).await.map(|r| r.rows_affected()))?)
}

/// How many secrets are sealed under each master key that any is sealed under.
///
/// # Errors
/// When the database is gone.
pub async fn key_secret_counts(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    Ok(on!(conn, |c| sqlx::query_as(COUNTS).fetch_all(c).await)?)
}

/// Every master key that this installation ever had, oldest first.
///
/// # Errors
/// When the database is gone.
pub async fn master_key_all(conn: &mut Conn) -> Result<Vec<MasterKeyRow>> {
    Ok(on!(conn, |c| sqlx::query_as(MASTER_ALL).fetch_all(c).await)?)
}

/// Writes the first master key down, which is the current one from then on.
///
/// # Errors
/// `Duplicate` when there is a current one already; when the database is gone.
pub async fn master_key_first(tx: &mut WriteTx, id: &str, check_value: &[u8], at: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(MASTER_INSERT).bind(id).bind(check_value).bind(at).execute(c).await.map(drop))?;
    Ok(())
}

/// Makes another master key the current one in the place of `old`.
///
/// # Errors
/// `Conflict` when `old` is not the current one; `Duplicate` when the other one was here before; when the database is gone.
pub async fn master_key_replace(tx: &mut WriteTx, old: &str, (id, check_value): (&str, &[u8]), at: Timestamp) -> Result<()> {
    let rows = on!(&mut **tx, |c| sqlx::query(MASTER_STEP_DOWN).bind(old).execute(c).await.map(|r| r.rows_affected()))?;
    if rows != 1 {
        return Err(Error::Conflict);
    }
    master_key_first(tx, id, check_value, at).await
}

/// Retires a master key that was replaced, once nothing is sealed under it; false when something is, or it was retired before.
///
/// # Errors
/// When the database is gone.
pub async fn master_key_retire(tx: &mut WriteTx, id: &str, at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(MASTER_RETIRE).bind(id).bind(at).execute(c).await.map(|r| r.rows_affected()))? == 1)
}
