//! Answers to programs that may ask twice. A row is written with what was done, in its transaction: two of one key cannot both commit.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::Timestamp;

statements! {
    INSERT = "INSERT INTO idempotency (actor, idempotency_key, digest, at) VALUES ($1, $2, $3, $4)";
    GET = "SELECT actor, idempotency_key, digest, at, status, location, body FROM idempotency WHERE actor = $1 AND idempotency_key = $2";
    ANSWER = "UPDATE idempotency SET status = $3, location = $4, body = $5 WHERE actor = $1 AND idempotency_key = $2";
    FORGET_ONE = "DELETE FROM idempotency WHERE actor = $1 AND idempotency_key = $2 AND at < $3";
    FORGET = "DELETE FROM idempotency WHERE at < $1";
}

/// What was done under a key, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Answered {
    /// Who asked.
    pub actor: String,
    /// The key.
    pub idempotency_key: String,
    /// SHA-256 of method, path and body, hex.
    pub digest: String,
    /// When it was done.
    pub at: Timestamp,
    /// The status that was answered; none: no answer was kept.
    pub status: Option<i64>,
    /// Where it led to.
    pub location: Option<String>,
    /// The body that was answered.
    pub body: Option<String>,
}

/// Claims a key; one that is older than `before` counts no more.
///
/// # Errors
/// `Duplicate` when it is taken.
pub async fn idempotency_claim(tx: &mut WriteTx, one: &Answered, before: Timestamp) -> Result<()> {
    let (actor, key) = (&one.actor, &one.idempotency_key);
    on!(&mut **tx, |c| sqlx::query(FORGET_ONE).bind(actor).bind(key).bind(before).execute(c).await.map(drop))?;
    on!(&mut **tx, |c| sqlx::query(INSERT).bind(actor).bind(key).bind(&one.digest).bind(one.at).execute(c).await.map(drop))?;
    Ok(())
}

/// What was done under a key.
///
/// # Errors
/// When the database is gone.
pub async fn idempotency_get(conn: &mut Conn, actor: &str, key: &str) -> Result<Option<Answered>> {
    Ok(on!(conn, |c| sqlx::query_as(GET).bind(actor).bind(key).fetch_optional(c).await)?)
}

/// Keeps what was answered.
///
/// # Errors
/// When the database is gone.
pub async fn idempotency_answer(tx: &mut WriteTx, one: &Answered) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(ANSWER)
        .bind(&one.actor)
        .bind(&one.idempotency_key)
        .bind(one.status)
        .bind(&one.location)
        .bind(&one.body)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Forgets those of before a moment.
///
/// # Errors
/// When the database is gone.
pub async fn idempotency_forget(tx: &mut WriteTx, before: Timestamp) -> Result<u64> {
    Ok(on!(&mut **tx, |c| sqlx::query(FORGET).bind(before).execute(c).await.map(|r| r.rows_affected()))?)
}
