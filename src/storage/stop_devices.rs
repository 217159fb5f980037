//! Stop devices: phones that may stop and nothing else, and the one-time links that make them. Only digests of secrets are kept.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{DeviceId, HoldId, Timestamp, UserId};

statements! {
    LINK_INSERT = "INSERT INTO stop_device_link (token_hash, user_id, name, made_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    LINK_OPEN = "SELECT token_hash, user_id, name, made_at, expires_at FROM stop_device_link WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2";
    LINK_USE = "UPDATE stop_device_link SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2";
    LINK_END = "UPDATE stop_device_link SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL";
    INSERT = "INSERT INTO stop_device (id, user_id, name, token_hash, public_key, enrolled_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    ALL = "SELECT id, user_id, name, token_hash, public_key, enrolled_at, expires_at, ended_at, ended_why, last_used_at, last_used_from, warned_at FROM stop_device ORDER BY enrolled_at DESC, id DESC";
    END = "UPDATE stop_device SET ended_at = $2, ended_why = $3 WHERE id = $1 AND ended_at IS NULL";
    USED = "UPDATE stop_device SET last_used_at = $2, last_used_from = $3 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
    UNTOLD = "SELECT h.id AS hold_id, d.* FROM hold h JOIN stop_device d ON d.id = h.by_id WHERE h.by_kind = 'device' AND h.at > $1 AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.user_id = d.user_id AND n.once = 'stop_device_used:' || d.id || ':' || h.id) ORDER BY h.at LIMIT 100";
    WARNED = "UPDATE stop_device SET warned_at = $2 WHERE id = $1 AND warned_at IS NULL";
}

/// A one-time link.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DeviceLink {
    /// SHA-256 of its secret, hex.
    pub token_hash: String,
    /// Whose phone it makes.
    pub user_id: UserId,
    /// What the phone is to be called.
    pub name: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A stop device as stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StoredDevice {
    /// Its id.
    pub id: DeviceId,
    /// Whose it is.
    pub user_id: UserId,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of its cookie, hex.
    pub token_hash: String,
    /// The public half of the key in its browser: an uncompressed P-256 point, base64url; none when that browser made none.
    pub public_key: Option<String>,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was ended before that.
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub ended_why: Option<String>,
    /// When it was last used, as far as that is written down.
    pub last_used_at: Option<Timestamp>,
    /// From which address.
    pub last_used_from: Option<String>,
    /// When its owner was told that it ends soon.
    pub warned_at: Option<Timestamp>,
}

/// Writes a link; earlier ones of the same person end.
///
/// # Errors
/// When the database is gone.
pub async fn device_link_insert(tx: &mut WriteTx, link: &DeviceLink) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(LINK_END).bind(&link.user_id).bind(link.made_at).execute(c).await.map(drop))?;
    on!(&mut **tx, |c| sqlx::query(LINK_INSERT)
        .bind(&link.token_hash)
        .bind(&link.user_id)
        .bind(&link.name)
        .bind(link.made_at)
        .bind(link.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// A link that is neither used nor over.
///
/// # Errors
/// When the database is gone.
pub async fn device_link_open(conn: &mut Conn, hash: &str, now: Timestamp) -> Result<Option<DeviceLink>> {
    Ok(on!(conn, |c| sqlx::query_as(LINK_OPEN).bind(hash).bind(now).fetch_optional(c).await)?)
}

/// Uses a link up; false when it was used or over.
///
/// # Errors
/// When the database is gone.
pub async fn device_link_use(tx: &mut WriteTx, hash: &str, now: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(LINK_USE).bind(hash).bind(now).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Ends the open links of a person.
///
/// # Errors
/// When the database is gone.
pub async fn device_links_end(tx: &mut WriteTx, user: &UserId, now: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(LINK_END).bind(user).bind(now).execute(c).await.map(drop))?;
    Ok(())
}

/// Writes a new device.
///
/// # Errors
/// When the database is gone.
pub async fn device_insert(tx: &mut WriteTx, device: &StoredDevice) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&device.id)
        .bind(&device.user_id)
        .bind(&device.name)
        .bind(&device.token_hash)
        .bind(&device.public_key)
        .bind(device.enrolled_at)
        .bind(device.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Every device, newest first, ended ones included.
///
/// # Errors
/// When the database is gone.
pub async fn device_all(conn: &mut Conn) -> Result<Vec<StoredDevice>> {
    Ok(on!(conn, |c| sqlx::query_as(ALL).fetch_all(c).await)?)
}

#[derive(sqlx::FromRow)]
struct Untold {
    hold_id: HoldId,
    #[sqlx(flatten)]
    device: StoredDevice,
}

/// Holds since then that a device placed and its owner was not told of, oldest first, at most 100.
///
/// # Errors
/// When the database is gone.
pub async fn device_holds_untold(conn: &mut Conn, since: Timestamp) -> Result<Vec<(HoldId, StoredDevice)>> {
    let rows: Vec<Untold> = on!(conn, |c| sqlx::query_as(UNTOLD).bind(since).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|row| (row.hold_id, row.device)).collect())
}

/// Ends a device; false when it had ended.
///
/// # Errors
/// When the database is gone.
pub async fn device_end(tx: &mut WriteTx, id: &DeviceId, at: Timestamp, why: &str) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(END).bind(id).bind(at).bind(why).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Writes down a use, unless a later one is written already.
///
/// # Errors
/// When the database is gone.
pub async fn device_used(tx: &mut WriteTx, id: &DeviceId, at: Timestamp, from: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(USED).bind(id).bind(at).bind(from).execute(c).await.map(drop))?;
    Ok(())
}

/// Writes down that its owner was told of its end; false when they had been.
///
/// # Errors
/// When the database is gone.
pub async fn device_warned(tx: &mut WriteTx, id: &DeviceId, at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(WARNED).bind(id).bind(at).execute(c).await.map(|r| r.rows_affected()))? == 1)
}
