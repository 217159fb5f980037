//! API tokens: digests and scopes.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{TeamId, Timestamp, TokenId, UserId};

statements! {
    INSERT = "INSERT INTO api_token (id, name, token_hash, scope, team_id, made_by, made_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    ALL = "SELECT id, name, token_hash, scope, team_id, made_by, made_at, expires_at, revoked_at FROM api_token ORDER BY made_at DESC";
    REVOKE = "UPDATE api_token SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
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
    /// `stop`, `read` or `manage`.
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
