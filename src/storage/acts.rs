//! Acts that wait for signatures, and the signatures.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{ActId, CredentialId, Timestamp, UserId};

statements! {
    INSERT = "INSERT INTO act (id, kind, body, digest, detail, made_by, made_at, not_after, signers_needed, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open')";
    BY_ID = "SELECT id, kind, body, digest, detail, made_by, made_at, not_after, signers_needed, state, closed_at, outcome FROM act WHERE id = $1";
    OPEN = "SELECT id, kind, body, digest, detail, made_by, made_at, not_after, signers_needed, state, closed_at, outcome FROM act WHERE state = 'open' AND not_after > $1 ORDER BY made_at DESC LIMIT 200";
    RECENT = "SELECT id, kind, body, digest, detail, made_by, made_at, not_after, signers_needed, state, closed_at, outcome FROM act WHERE NOT (state = 'open' AND not_after > $1) ORDER BY made_at DESC LIMIT $2";
    HALF_SIGNED = "SELECT id, kind, body, digest, detail, made_by, made_at, not_after, signers_needed, state, closed_at, outcome FROM act WHERE state = 'open' AND signers_needed > 1 AND EXISTS (SELECT 1 FROM act_signature s WHERE s.act_id = act.id) ORDER BY made_at LIMIT 200";
    SIGNATURES_OPEN = "SELECT s.act_id, s.n, s.user_id, s.credential_id, s.authenticator_data, s.client_data, s.signature, s.at, s.alone FROM act_signature s JOIN act a ON a.id = s.act_id WHERE a.state = 'open' ORDER BY s.act_id, s.n";
    CLOSE = "UPDATE act SET state = $2, closed_at = $3, outcome = $4 WHERE id = $1 AND state = 'open'";
    WITHDRAW_OF = "UPDATE act SET state = 'withdrawn', closed_at = $2, outcome = $3 WHERE state = 'open' AND (made_by = $1 OR EXISTS (SELECT 1 FROM act_signature s WHERE s.act_id = act.id AND s.user_id = $1))";
    SIGN = "INSERT INTO act_signature (act_id, n, user_id, credential_id, authenticator_data, client_data, signature, at, alone) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    RELEASE_SIGNERS = "SELECT DISTINCT s.user_id, s.n FROM act a JOIN act_signature s ON s.act_id = a.id WHERE a.kind IN ('release', 'releases') AND a.state = 'done' AND a.closed_at = $1 AND a.made_by = $2 ORDER BY s.n";
    SIGNATURES = "SELECT act_id, n, user_id, credential_id, authenticator_data, client_data, signature, at, alone FROM act_signature WHERE act_id = $1 ORDER BY n";
}

/// An act as stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StoredAct {
    /// Its id.
    pub id: ActId,
    /// The word of its kind.
    pub kind: String,
    /// The RFC 8785 bytes that are signed.
    pub body: Vec<u8>,
    /// SHA-256 of them, hex.
    pub digest: String,
    /// What else is needed to carry it out (the leaves of a start), JSON.
    pub detail: String,
    /// Who asked for it.
    pub made_by: UserId,
    /// When.
    pub made_at: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// How many people must sign: 1 or 2.
    pub signers_needed: i64,
    /// `open`, `done`, `withdrawn` or `refused`.
    pub state: String,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// What came of it, in words.
    pub outcome: Option<String>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredSignature {
    /// The act.
    pub act_id: ActId,
    /// Which signature, from 1.
    pub n: i64,
    /// Who.
    pub user_id: UserId,
    /// With which key.
    pub credential_id: CredentialId,
    /// authenticatorData.
    pub authenticator_data: Vec<u8>,
    /// clientDataJSON.
    pub client_data: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// When.
    pub at: Timestamp,
    /// The same person a second time, in an installation of one.
    pub alone: bool,
}

/// Writes a new act, open.
///
/// # Errors
/// When the database is gone.
pub async fn act_insert(tx: &mut WriteTx, act: &StoredAct) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&act.id)
        .bind(&act.kind)
        .bind(act.body.as_slice())
        .bind(&act.digest)
        .bind(&act.detail)
        .bind(&act.made_by)
        .bind(act.made_at)
        .bind(act.not_after)
        .bind(act.signers_needed)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// One act.
///
/// # Errors
/// When the database is gone.
pub async fn act_by_id(conn: &mut Conn, id: &ActId) -> Result<Option<StoredAct>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?)
}

/// Acts that still wait at a moment, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn act_open(conn: &mut Conn, now: Timestamp) -> Result<Vec<StoredAct>> {
    Ok(on!(conn, |c| sqlx::query_as(OPEN).bind(now).fetch_all(c).await)?)
}

/// Acts that no longer wait, newest first.
///
/// # Errors
/// When the database is gone.
pub async fn act_recent(conn: &mut Conn, now: Timestamp, most: i64) -> Result<Vec<StoredAct>> {
    Ok(on!(conn, |c| sqlx::query_as(RECENT).bind(now).bind(most).fetch_all(c).await)?)
}

/// Open acts of two people that somebody signed, at most 200, oldest first; those among them whose time is over.
///
/// # Errors
/// When the database is gone.
pub async fn act_half_signed(conn: &mut Conn) -> Result<Vec<StoredAct>> {
    Ok(on!(conn, |c| sqlx::query_as(HALF_SIGNED).fetch_all(c).await)?)
}

/// The signatures of all open acts, those of each in order.
///
/// # Errors
/// When the database is gone.
pub async fn act_signatures_open(conn: &mut Conn) -> Result<Vec<StoredSignature>> {
    Ok(on!(conn, |c| sqlx::query_as(SIGNATURES_OPEN).fetch_all(c).await)?)
}

/// Closes an act; false when it was closed already.
///
/// # Errors
/// When the database is gone.
pub async fn act_close(tx: &mut WriteTx, id: &ActId, state: &str, at: Timestamp, outcome: &str) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(CLOSE).bind(id).bind(state).bind(at).bind(outcome).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Adds a signature.
///
/// # Errors
/// `Duplicate` when that seat was taken meanwhile.
pub async fn act_sign(tx: &mut WriteTx, signature: &StoredSignature) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SIGN)
        .bind(&signature.act_id)
        .bind(signature.n)
        .bind(&signature.user_id)
        .bind(&signature.credential_id)
        .bind(signature.authenticator_data.as_slice())
        .bind(signature.client_data.as_slice())
        .bind(signature.signature.as_slice())
        .bind(signature.at)
        .bind(signature.alone)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The signatures of an act, in order.
///
/// # Errors
/// When the database is gone.
pub async fn act_signatures(conn: &mut Conn, id: &ActId) -> Result<Vec<StoredSignature>> {
    Ok(on!(conn, |c| sqlx::query_as(SIGNATURES).bind(id).fetch_all(c).await)?)
}

/// Closes every open act that a person asked for or has signed; says how many.
///
/// # Errors
/// When the database is gone.
pub async fn act_withdraw_of(tx: &mut WriteTx, user: &UserId, at: Timestamp, outcome: &str) -> Result<u64> {
    Ok(on!(&mut **tx, |c| sqlx::query(WITHDRAW_OF).bind(user).bind(at).bind(outcome).execute(c).await.map(|r| r.rows_affected()))?)
}

/// Who signed the release that was carried out at this moment, prepared by this person, in the order of their signatures.
///
/// # Errors
/// When the database is gone.
pub async fn act_release_signers(conn: &mut Conn, at: Timestamp, made_by: &UserId) -> Result<Vec<UserId>> {
    let rows: Vec<(UserId, i64)> = on!(conn, |c| sqlx::query_as(RELEASE_SIGNERS).bind(at).bind(made_by).fetch_all(c).await)?;
    let mut users = Vec::new();
    for (user, _) in rows {
        if !users.contains(&user) {
            users.push(user);
        }
    }
    Ok(users)
}
