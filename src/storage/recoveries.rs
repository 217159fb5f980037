//! Recoveries of accounts, and who approved them. A recovery is never deleted; an approval is once it no longer counts, with its entry.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{ActId, RecoveryId, Timestamp, UserId, recovery::RecoveryState};

statements! {
    INSERT = "INSERT INTO recovery (id, user_id, asked_by, why, state, asked_at, expires_at) VALUES ($1, $2, $3, $4, 'asked', $5, $6)";
    BY_ID = "SELECT id, user_id, asked_by, why, state, asked_at, expires_at, ready_at, told_at, link_until, began_at, closed_at FROM recovery WHERE id = $1";
    OPEN_OF = "SELECT id, user_id, asked_by, why, state, asked_at, expires_at, ready_at, told_at, link_until, began_at, closed_at FROM recovery WHERE user_id = $1 AND state IN ('asked', 'approved', 'linked')";
    SINCE = "SELECT id, user_id, asked_by, why, state, asked_at, expires_at, ready_at, told_at, link_until, began_at, closed_at FROM recovery WHERE asked_at > $1 OR state IN ('asked', 'approved', 'linked') OR (state = 'expired' AND began_at IS NOT NULL) ORDER BY asked_at DESC, id DESC LIMIT 500";
    APPROVALS = "SELECT a.recovery_id, a.user_id, a.at FROM recovery_approval a JOIN recovery r ON r.id = a.recovery_id WHERE r.asked_at > $1 OR r.state IN ('asked', 'approved', 'linked') ORDER BY a.at, a.user_id";
    APPROVALS_OF = "SELECT recovery_id, user_id, at FROM recovery_approval WHERE recovery_id = $1 ORDER BY at, user_id";
    APPROVE = "INSERT INTO recovery_approval (recovery_id, user_id, act_id, at) VALUES ($1, $2, $3, $4)";
    READY = "UPDATE recovery SET state = 'approved', ready_at = $2 WHERE id = $1 AND state = 'asked'";
    TOLD = "UPDATE recovery SET told_at = $2 WHERE id = $1 AND told_at IS NULL";
    LINKED = "UPDATE recovery SET state = 'linked', link_until = $2 WHERE id = $1 AND state IN ('asked', 'approved', 'linked')";
    BEGAN = "UPDATE recovery SET began_at = $2 WHERE id = $1 AND began_at IS NULL AND state = 'linked'";
    UNBEGUN = "UPDATE recovery SET began_at = NULL WHERE id = $1";
    EVER = "SELECT COUNT(*) FROM recovery WHERE user_id = $1";
    OWN_SINCE = "SELECT COUNT(*) FROM recovery WHERE user_id = $1 AND asked_by = $1 AND asked_at > $2";
    DISAPPROVE = "DELETE FROM recovery_approval WHERE recovery_id = $1 AND user_id = $2";
    AGAIN = "UPDATE recovery SET state = 'asked', ready_at = NULL, told_at = NULL, link_until = NULL WHERE id = $1 AND state IN ('asked', 'approved', 'linked')";
    CLOSE = "UPDATE recovery SET state = $2, closed_at = $3 WHERE id = $1 AND state IN ('asked', 'approved', 'linked')";
}

/// A recovery.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Recovery {
    /// Its id.
    pub id: RecoveryId,
    /// Whose account.
    pub user_id: UserId,
    /// Who asked; none: the server's host.
    pub asked_by: Option<UserId>,
    /// Why.
    pub why: String,
    /// How it stands.
    pub state: RecoveryState,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// From when a link may be made; none before enough have approved.
    pub ready_at: Option<Timestamp>,
    /// When everyone was told that it may.
    pub told_at: Option<Timestamp>,
    /// How long the link lives.
    pub link_until: Option<Timestamp>,
    /// When the link was used for a new password, which removed the keys before.
    pub began_at: Option<Timestamp>,
    /// When it was over.
    pub closed_at: Option<Timestamp>,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Approval {
    /// Of which recovery.
    pub recovery_id: RecoveryId,
    /// By whom.
    pub user_id: UserId,
    /// When.
    pub at: Timestamp,
}

/// Writes a new recovery, asked for.
///
/// # Errors
/// `Duplicate` while another of the same person is open.
pub async fn recovery_insert(tx: &mut WriteTx, one: &Recovery) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&one.id)
        .bind(&one.user_id)
        .bind(&one.asked_by)
        .bind(&one.why)
        .bind(one.asked_at)
        .bind(one.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// One recovery.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_by_id(conn: &mut Conn, id: &RecoveryId) -> Result<Option<Recovery>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?)
}

/// The open recovery of a person.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_open_of(conn: &mut Conn, user: &UserId) -> Result<Option<Recovery>> {
    Ok(on!(conn, |c| sqlx::query_as(OPEN_OF).bind(user).fetch_optional(c).await)?)
}

/// Every recovery that is open, was asked for since, or ended after its link was used, newest first; at most 500.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_since(conn: &mut Conn, since: Timestamp) -> Result<Vec<Recovery>> {
    Ok(on!(conn, |c| sqlx::query_as(SINCE).bind(since).fetch_all(c).await)?)
}

/// The approvals of every recovery that is open or was asked for since, in order.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_approvals_since(conn: &mut Conn, since: Timestamp) -> Result<Vec<Approval>> {
    Ok(on!(conn, |c| sqlx::query_as(APPROVALS).bind(since).fetch_all(c).await)?)
}

/// The approvals of a recovery, in order.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_approvals(conn: &mut Conn, id: &RecoveryId) -> Result<Vec<Approval>> {
    Ok(on!(conn, |c| sqlx::query_as(APPROVALS_OF).bind(id).fetch_all(c).await)?)
}

/// Writes an approval.
///
/// # Errors
/// `Duplicate` when this person has approved.
pub async fn recovery_approve(tx: &mut WriteTx, one: &Approval, act: &ActId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(APPROVE).bind(&one.recovery_id).bind(&one.user_id).bind(act).bind(one.at).execute(c).await.map(drop))?;
    Ok(())
}

/// Enough have approved: from then on a link may be made.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_ready(tx: &mut WriteTx, id: &RecoveryId, ready_at: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(READY).bind(id).bind(ready_at).execute(c).await.map(drop))?;
    Ok(())
}

/// Notes that everyone was told that a link may be made; false when they were before.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_told(tx: &mut WriteTx, id: &RecoveryId, at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(TOLD).bind(id).bind(at).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// A link was made.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_linked(tx: &mut WriteTx, id: &RecoveryId, until: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(LINKED).bind(id).bind(until).execute(c).await.map(drop))?;
    Ok(())
}

/// The link was used for a new password.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_began(tx: &mut WriteTx, id: &RecoveryId, at: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(BEGAN).bind(id).bind(at).execute(c).await.map(drop))?;
    Ok(())
}

/// What was made with the link is taken back: whoever has the next one begins anew.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_unbegun(tx: &mut WriteTx, id: &RecoveryId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(UNBEGUN).bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// How many recoveries there ever were of a person.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_ever(conn: &mut Conn, user: &UserId) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(EVER).bind(user).fetch_one(c).await)?)
}

/// How many a person asked for themselves since a moment.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_own_since(conn: &mut Conn, user: &UserId, since: Timestamp) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(OWN_SINCE).bind(user).bind(since).fetch_one(c).await)?)
}

/// Drops an approval that no longer counts.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_disapprove(tx: &mut WriteTx, id: &RecoveryId, by: &UserId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(DISAPPROVE).bind(id).bind(by).execute(c).await.map(drop))?;
    Ok(())
}

/// Takes an open recovery back to where it waits for approvals.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_asked_again(tx: &mut WriteTx, id: &RecoveryId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(AGAIN).bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// Ends a recovery; false when it was over.
///
/// # Errors
/// When the database is gone.
pub async fn recovery_close(tx: &mut WriteTx, id: &RecoveryId, state: RecoveryState, at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(CLOSE).bind(id).bind(state).bind(at).execute(c).await.map(|r| r.rows_affected()))? == 1)
}
