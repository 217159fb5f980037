//! The installation's one row, and the start of its counter and its log.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{InstallationId, Timestamp};

statements! {
    INSERT = "INSERT INTO installation (id, name, kind, created_at) VALUES ($1, $2, $3, $4)";
    EPOCH = "INSERT INTO epoch (one, value) VALUES (1, 1)";
    LOG = "INSERT INTO audit_log (log_id, origin, size, frontier, last_ts, state) VALUES (1, $1, 0, $2, 0, 'open')";
    RP_ID = "SELECT rp_id FROM installation";
    SET_RP_ID = "UPDATE installation SET rp_id = $1";
    GET = "SELECT id, name, kind, created_at FROM installation";
}

/// The installation.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Installation {
    /// Its id, which agents remember.
    pub id: InstallationId,
    /// Its name.
    pub name: String,
    /// `live` or `demo`.
    pub kind: String,
    /// When it was set up.
    pub created_at: Timestamp,
}

/// Sets the installation up: its row, epoch 1, an empty audit log.
///
/// # Errors
/// `Duplicate` when that has happened before.
pub async fn installation_insert(tx: &mut WriteTx, installation: &Installation, origin: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&installation.id)
        .bind(&installation.name)
        .bind(&installation.kind)
        .bind(installation.created_at)
        .execute(c)
        .await
        .map(drop))?;
    on!(&mut **tx, |c| sqlx::query(EPOCH).execute(c).await.map(drop))?;
    on!(&mut **tx, |c| sqlx::query(LOG).bind(origin).bind(Vec::<u8>::new()).execute(c).await.map(drop))?;
    Ok(())
}

/// The installation, once it is set up.
///
/// # Errors
/// When the database is gone.
pub async fn installation_get(conn: &mut Conn) -> Result<Option<Installation>> {
    Ok(on!(conn, |c| sqlx::query_as(GET).fetch_optional(c).await)?)
}

/// The relying party that security keys were made for; none: it was never written down.
///
/// # Errors
/// When the database is gone.
pub async fn installation_rp_id(conn: &mut Conn) -> Result<Option<String>> {
    let row: Option<Option<String>> = on!(conn, |c| sqlx::query_scalar(RP_ID).fetch_optional(c).await)?;
    Ok(row.flatten())
}

/// Writes down the relying party that security keys are made for.
///
/// # Errors
/// When the database is gone.
pub async fn installation_set_rp_id(tx: &mut WriteTx, rp_id: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SET_RP_ID).bind(rp_id).execute(c).await.map(drop))?;
    Ok(())
}
