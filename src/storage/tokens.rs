//! API tokens: digests, scopes, last use.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{TeamId, Timestamp, TokenId, UserId};

statements! {
    INSERT = "INSERT INTO api_token (id, name, token_hash, scope, team_id, made_by, made_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    ALL = "SELECT id, name, token_hash, scope, team_id, made_by, made_at, expires_at, revoked_at, last_used_at, last_used_from, warned_at FROM api_token ORDER BY made_at DESC";
    REVOKE = "UPDATE api_token SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    USED = "UPDATE api_token SET last_used_at = $2, last_used_from = $3 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
    WARNED = "UPDATE api_token SET warned_at = $2 WHERE id = $1 AND warned_at IS NULL";
}

/// An API token as stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StoredToken {
    /// Its id.
    pub id: TokenId,
    /// Its name.
    pub name: String,
    /// SHA-256 of it, hex.
    pub token_hash: String,
    /// `stop-only`, `read`, `operate` or `build`.
    pub scope: String,
    /// The team it is bound to; none for the whole installation.
    pub team_id: Option<TeamId>,
    /// Who made it.
    pub made_by: UserId,
    /// When.
    pub made_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, as far as that is written down.
    pub last_used_at: Option<Timestamp>,
    /// From which address.
    pub last_used_from: Option<String>,
    /// When people were told that it ends soon.
    pub warned_at: Option<Timestamp>,
}

/// Writes a new token.
///
/// # Errors
/// When the database is gone.
pub async fn token_insert(tx: &mut WriteTx, token: &StoredToken) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&token.id)
        .bind(&token.name)
        .bind(&token.token_hash)
        .bind(&token.scope)
        .bind(&token.team_id)
        .bind(&token.made_by)
        .bind(token.made_at)
        .bind(token.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Every token, newest first, ended ones included.
///
/// # Errors
/// When the database is gone.
pub async fn token_all(conn: &mut Conn) -> Result<Vec<StoredToken>> {
    Ok(on!(conn, |c| sqlx::query_as(ALL).fetch_all(c).await)?)
}

/// Ends a token; false when it had ended.
///
/// # Errors
/// When the database is gone.
pub async fn token_revoke(tx: &mut WriteTx, id: &TokenId, at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(REVOKE).bind(id).bind(at).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Writes down a use, unless a later one is written already.
///
/// # Errors
/// When the database is gone.
pub async fn token_used(tx: &mut WriteTx, id: &TokenId, at: Timestamp, from: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(USED).bind(id).bind(at).bind(from).execute(c).await.map(drop))?;
    Ok(())
}

/// Writes down that people were told of its end; false when they had been.
///
/// # Errors
/// When the database is gone.
pub async fn token_warned(tx: &mut WriteTx, id: &TokenId, at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(WARNED).bind(id).bind(at).execute(c).await.map(|r| r.rows_affected()))? == 1)
}
