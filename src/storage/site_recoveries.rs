//! Recoveries of the site: what a host asked for so that a frozen log, or another site's copy, may go on, and the links that two people sign
//! by. Only digests of links are kept.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{ActId, SiteRecoveryId, Timestamp, UserId};

statements! {
    INSERT = "INSERT INTO site_recovery (id, why, asked_by, asked_at, expires_at, take_over, state) VALUES ($1, $2, $3, $4, $5, $6, 'open')";
    LINK = "INSERT INTO site_recovery_link (token_hash, recovery_id) VALUES ($1, $2)";
    BY_LINK = "SELECT r.id, r.why, r.asked_by, r.asked_at, r.expires_at, r.take_over, r.state, r.act_id, l.used_by FROM site_recovery r JOIN site_recovery_link l ON l.recovery_id = r.id WHERE l.token_hash = $1";
    USE_LINK = "UPDATE site_recovery_link SET used_by = $2 WHERE token_hash = $1 AND used_by IS NULL";
    SET_ACT = "UPDATE site_recovery SET act_id = $2 WHERE id = $1 AND state = 'open'";
    END_OPEN = "UPDATE site_recovery SET state = 'replaced' WHERE state = 'open'";
    DONE = "UPDATE site_recovery SET state = 'done' WHERE id = $1 AND state = 'open'";
}

/// What a host asked for, as one of its links leads to it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SiteRecovery {
    /// Its id.
    pub id: SiteRecoveryId,
    /// Why.
    pub why: String,
    /// The operating system's user who asked.
    pub asked_by: String,
    /// When.
    pub asked_at: Timestamp,
    /// When the links end.
    pub expires_at: Timestamp,
    /// This site becomes the installation's.
    pub take_over: bool,
    /// `open`, `done` or `replaced`.
    pub state: String,
    /// The act that is signed, once somebody chose what it says.
    pub act_id: Option<ActId>,
    /// Who signed by this link.
    pub used_by: Option<UserId>,
}

/// Writes what is asked for, with the digests of its links; ends what was asked for before and not carried out.
///
/// # Errors
/// When the database is gone.
pub async fn site_recovery_insert(tx: &mut WriteTx, recovery: &SiteRecovery, links: &[String]) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(END_OPEN).execute(c).await.map(drop))?;
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&recovery.id)
        .bind(&recovery.why)
        .bind(&recovery.asked_by)
        .bind(recovery.asked_at)
        .bind(recovery.expires_at)
        .bind(recovery.take_over)
        .execute(c)
        .await
        .map(drop))?;
    for link in links {
        on!(&mut **tx, |c| sqlx::query(LINK).bind(link).bind(&recovery.id).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// What a link leads to.
///
/// # Errors
/// When the database is gone.
pub async fn site_recovery_by_link(conn: &mut Conn, link: &str) -> Result<Option<SiteRecovery>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_LINK).bind(link).fetch_optional(c).await)?)
}

/// Uses a link up; false when that happened before.
///
/// # Errors
/// When the database is gone.
pub async fn site_recovery_use_link(tx: &mut WriteTx, link: &str, by: &UserId) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(USE_LINK).bind(link).bind(by).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Says which act is signed.
///
/// # Errors
/// When the database is gone.
pub async fn site_recovery_set_act(tx: &mut WriteTx, id: &SiteRecoveryId, act: &ActId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SET_ACT).bind(id).bind(act).execute(c).await.map(drop))?;
    Ok(())
}

/// It was carried out; false when it was over before.
///
/// # Errors
/// When the database is gone.
pub async fn site_recovery_done(tx: &mut WriteTx, id: &SiteRecoveryId) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(DONE).bind(id).execute(c).await.map(|r| r.rows_affected()))? == 1)
}
