//! Browsers from which people have signed in, by the digest of a cookie that opens nothing.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{Timestamp, UserId};

statements! {
    SEEN = "UPDATE known_browser SET last_at = $3 WHERE user_id = $1 AND token_hash = $2";
    ADD = "INSERT INTO known_browser (user_id, token_hash, first_at, last_at) VALUES ($1, $2, $3, $3)";
    COUNT = "SELECT COUNT(*) FROM known_browser WHERE user_id = $1";
    PRUNE = "DELETE FROM known_browser WHERE last_at < $1";
}

/// How a browser stands to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquaintance {
    /// They have signed in from it before.
    Known,
    /// They have signed in from others only.
    New,
    /// They have signed in from none yet.
    First,
}

/// Notes that a person signed in from a browser.
///
/// # Errors
/// When the database is gone.
pub async fn browser_seen(tx: &mut WriteTx, user: &UserId, token_hash: &str, now: Timestamp) -> Result<Acquaintance> {
    let known = on!(&mut **tx, |c| sqlx::query(SEEN).bind(user).bind(token_hash).bind(now).execute(c).await.map(|r| r.rows_affected()))?;
    if known > 0 {
        return Ok(Acquaintance::Known);
    }
    let others = browser_count(tx, user).await?;
    on!(&mut **tx, |c| sqlx::query(ADD).bind(user).bind(token_hash).bind(now).execute(c).await.map(drop))?;
    Ok(if others == 0 { Acquaintance::First } else { Acquaintance::New })
}

/// From how many browsers a person has signed in.
///
/// # Errors
/// When the database is gone.
pub async fn browser_count(conn: &mut Conn, user: &UserId) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(COUNT).bind(user).fetch_one(c).await)?)
}

/// Forgets browsers that were not used since.
///
/// # Errors
/// When the database is gone.
pub async fn browser_prune(tx: &mut WriteTx, before: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(PRUNE).bind(before).execute(c).await.map(drop))?;
    Ok(())
}
