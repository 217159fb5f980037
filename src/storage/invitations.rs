//! One-time links. Only digests are stored; a link is used once, or ends.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{Timestamp, UserId};

statements! {
    INSERT = "INSERT INTO invitation (token_hash, user_id, kind, made_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    OPEN = "SELECT token_hash, user_id, kind, made_at, expires_at FROM invitation WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2";
    USE = "UPDATE invitation SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $3";
    LATEST = "SELECT i.token_hash, i.user_id, i.kind, i.made_at, i.expires_at FROM invitation i WHERE i.kind = 'invite' AND i.used_at IS NULL";
    END = "UPDATE invitation SET used_at = $3 WHERE user_id = $1 AND kind = $2 AND used_at IS NULL";
}

/// A one-time link.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Invitation {
    /// SHA-256 of its token, hex.
    pub token_hash: String,
    /// Whom it lets in.
    pub user_id: UserId,
    /// `setup`, `invite`, `recovery` or `demo`.
    pub kind: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Writes a new link.
///
/// # Errors
/// When the database is gone.
pub async fn invitation_insert(tx: &mut WriteTx, link: &Invitation) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&link.token_hash)
        .bind(&link.user_id)
        .bind(&link.kind)
        .bind(link.made_at)
        .bind(link.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The link, when it is unused and was not over at a moment: now for whoever opens it, a while ago for whoever has it open.
///
/// # Errors
/// When the database is gone.
pub async fn invitation_open(conn: &mut Conn, token_hash: &str, at: Timestamp) -> Result<Option<Invitation>> {
    Ok(on!(conn, |c| sqlx::query_as(OPEN).bind(token_hash).bind(at).fetch_optional(c).await)?)
}

/// The unused link of everybody who was invited, over or not. There is one at most: a new one ends the one before.
///
/// # Errors
/// When the database is gone.
pub async fn invitation_latest(conn: &mut Conn) -> Result<Vec<Invitation>> {
    Ok(on!(conn, |c| sqlx::query_as(LATEST).fetch_all(c).await)?)
}

/// Uses the link up; false when somebody else was first, or it was over at the moment `open_at`.
///
/// # Errors
/// When the database is gone.
pub async fn invitation_use(tx: &mut WriteTx, token_hash: &str, now: Timestamp, open_at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(USE).bind(token_hash).bind(now).bind(open_at).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Ends a person's unused links of a kind, so that a new one is the only one.
///
/// # Errors
/// When the database is gone.
pub async fn invitation_end(tx: &mut WriteTx, user: &UserId, kind: &str, now: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(END).bind(user).bind(kind).bind(now).execute(c).await.map(drop))?;
    Ok(())
}
