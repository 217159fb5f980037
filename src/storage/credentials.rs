//! Security keys: public keys, names and what is known of them; no secrets.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{CredentialId, Timestamp, UserId};

statements! {
    INSERT = "INSERT INTO credential (id, user_id, nickname, passkey, created_at, aaguid, attestation, cose, backup_eligible) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    OF_USER = "SELECT id, user_id, nickname, passkey, created_at, last_used_at, aaguid, attestation, cose, backup_eligible, suspended_at, suspended_why FROM credential WHERE user_id = $1 AND removed_at IS NULL ORDER BY created_at, id";
    ALL = "SELECT id, user_id, nickname, passkey, created_at, last_used_at, aaguid, attestation, cose, backup_eligible, suspended_at, suspended_why FROM credential WHERE removed_at IS NULL ORDER BY created_at, id";
    BY_ID = "SELECT id, user_id, nickname, passkey, created_at, last_used_at, aaguid, attestation, cose, backup_eligible, suspended_at, suspended_why FROM credential WHERE id = $1";
    USED = "UPDATE credential SET last_used_at = $2, passkey = $3, last_signature = $5 WHERE id = $1 AND passkey = $4 AND removed_at IS NULL AND suspended_at IS NULL";
    RENAME = "UPDATE credential SET nickname = $3 WHERE id = $1 AND user_id = $2 AND removed_at IS NULL";
    SUSPEND = "UPDATE credential SET suspended_at = $2, suspended_why = $3 WHERE id = $1 AND removed_at IS NULL AND suspended_at IS NULL AND (last_signature IS NULL OR last_signature <> $4)";
    OF_OLD_RP = "UPDATE credential SET removed_at = $2, old_rp_id = $1 WHERE removed_at IS NULL";
    EVER = "SELECT COUNT(*) FROM credential WHERE user_id = $1";
    WITH_TWO = "SELECT COUNT(*) FROM (SELECT user_id FROM credential WHERE removed_at IS NULL AND suspended_at IS NULL GROUP BY user_id HAVING COUNT(*) >= 2) AS two";
    REMOVE = "UPDATE credential SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL";
    DEAD = "SELECT id FROM credential WHERE removed_at IS NOT NULL OR suspended_at IS NOT NULL";
    TALLY = "SELECT user_id, COUNT(*) AS able, COUNT(*) FILTER (WHERE NOT backup_eligible) AS bound FROM credential WHERE removed_at IS NULL AND suspended_at IS NULL GROUP BY user_id";
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
    /// Its model's id; none: it did not say, or was added by a version that did not ask.
    pub aaguid: Option<String>,
    /// What it said of its maker when it was made, in words; none: nothing.
    pub attestation: Option<String>,
    /// Its public key as COSE, base64url; none: added by a version that did not keep it.
    pub cose: Option<String>,
    /// It may be copied to other devices (a synced passkey). False: bound to one device.
    pub backup_eligible: bool,
    /// Since when it signs nothing any more.
    pub suspended_at: Option<Timestamp>,
    /// Why.
    pub suspended_why: Option<String>,
}

/// One use of a key.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// The library's JSON as it was when the signature was checked.
    pub before: &'a str,
    /// The same with the new counter.
    pub after: &'a str,
    /// What the key made, base64url.
    pub signature: &'a str,
}

/// How many keys of a person can sign, and how many of those are bound to one device.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Tally {
    /// Whose.
    pub user_id: UserId,
    /// Neither removed nor suspended.
    pub able: i64,
    /// Of these, bound to one device.
    pub bound: i64,
}

/// Writes a new key.
///
/// # Errors
/// `Duplicate` when the key is known already, a removed one included.
pub async fn credential_insert(tx: &mut WriteTx, key: &Credential) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&key.id)
        .bind(&key.user_id)
        .bind(&key.nickname)
        .bind(&key.passkey)
        .bind(key.created_at)
        .bind(&key.aaguid)
        .bind(&key.attestation)
        .bind(&key.cose)
        .bind(key.backup_eligible)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// A person's keys, oldest first, suspended ones included.
///
/// # Errors
/// When the database is gone.
pub async fn credential_of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Credential>> {
    Ok(on!(conn, |c| sqlx::query_as(OF_USER).bind(user).fetch_all(c).await)?)
}

/// Everybody's keys, suspended ones included.
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

/// Notes a use, with the library's updated counter. False when the key is not as it was when the signature was checked: used elsewhere
/// in the same moment, suspended or removed.
///
/// # Errors
/// When the database is gone.
pub async fn credential_used(tx: &mut WriteTx, id: &CredentialId, at: Timestamp, use_of: &Use<'_>) -> Result<bool> {
    let done = on!(&mut **tx, |c| sqlx::query(USED)
        .bind(id)
        .bind(at)
        .bind(use_of.after)
        .bind(use_of.before)
        .bind(use_of.signature)
        .execute(c)
        .await
        .map(|r| r.rows_affected()))?;
    Ok(done == 1)
}

/// Gives a person's key another name; true when it was there.
///
/// # Errors
/// When the database is gone.
pub async fn credential_rename(tx: &mut WriteTx, id: &CredentialId, user: &UserId, nickname: &str) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(RENAME).bind(id).bind(user).bind(nickname).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Ends what a key may sign, until it is removed; true when it could sign before. `signature` is the doubtful one: the
/// same that the key made last is that answer come twice, and says nothing of the key.
///
/// # Errors
/// When the database is gone.
pub async fn credential_suspend(tx: &mut WriteTx, id: &CredentialId, at: Timestamp, why: &str, signature: &str) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(SUSPEND).bind(id).bind(at).bind(why).bind(signature).execute(c).await.map(|r| r.rows_affected()))?
        == 1)
}

/// Removes a key; true when it was there.
///
/// # Errors
/// When the database is gone.
pub async fn credential_remove(tx: &mut WriteTx, id: &CredentialId, at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(REMOVE).bind(id).bind(at).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// How many keys everybody has who has any.
///
/// # Errors
/// When the database is gone.
pub async fn credential_tally(conn: &mut Conn) -> Result<Vec<Tally>> {
    Ok(on!(conn, |c| sqlx::query_as(TALLY).fetch_all(c).await)?)
}

/// Removes every key that is left as one of an old relying party: no browser offers it any more. Says how many.
///
/// # Errors
/// When the database is gone.
pub async fn credential_of_old_rp(tx: &mut WriteTx, rp_id: &str, at: Timestamp) -> Result<u64> {
    Ok(on!(&mut **tx, |c| sqlx::query(OF_OLD_RP).bind(rp_id).bind(at).execute(c).await.map(|r| r.rows_affected()))?)
}

/// How many people have two keys that can sign, whoever is enabled.
///
/// # Errors
/// When the database is gone.
pub async fn credential_people_with_two(conn: &mut Conn) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(WITH_TWO).fetch_one(c).await)?)
}

/// How many keys a person ever had, removed ones included.
///
/// # Errors
/// When the database is gone.
pub async fn credential_ever(conn: &mut Conn, user: &UserId) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(EVER).bind(user).fetch_one(c).await)?)
}

/// Every key that signs nothing any more: removed or suspended.
///
/// # Errors
/// When the database is gone.
pub async fn credential_dead(conn: &mut Conn) -> Result<Vec<CredentialId>> {
    Ok(on!(conn, |c| sqlx::query_scalar(DEAD).fetch_all(c).await)?)
}
