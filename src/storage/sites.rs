//! The sites of the installation: the state folders whose servers may renew leases (ruling H14). A site that was ended stays on record.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::Timestamp;

statements! {
    RECORD = "INSERT INTO site (id, node, recorded_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";
    TAKE = "INSERT INTO site (id, node, recorded_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET ended_at = NULL, node = excluded.node, recorded_at = excluded.recorded_at";
    END_OTHERS = "UPDATE site SET ended_at = $2 WHERE id <> $1 AND ended_at IS NULL";
    BEAT = "UPDATE site SET beats = beats + 1 WHERE id = $1 AND ended_at IS NULL";
    ALL = "SELECT id, node, recorded_at, ended_at, beats FROM site ORDER BY recorded_at, id";
}

/// A site.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Site {
    /// Its random id.
    pub id: String,
    /// The machine that it was recorded from.
    pub node: String,
    /// When.
    pub recorded_at: Timestamp,
    /// When another took over; none: it is one of the installation's.
    pub ended_at: Option<Timestamp>,
    /// Counts on while a server of it runs.
    pub beats: i64,
}

/// Records a site; false when it is on record already, ended or not.
///
/// # Errors
/// When the database is gone.
pub async fn site_record(tx: &mut WriteTx, id: &str, node: &str, at: Timestamp) -> Result<bool> {
    Ok(on!(&mut **tx, |c| sqlx::query(RECORD).bind(id).bind(node).bind(at).execute(c).await.map(|r| r.rows_affected()))? == 1)
}

/// Makes a site the only one of the installation; every other ends.
///
/// # Errors
/// When the database is gone.
pub async fn site_take_over(tx: &mut WriteTx, id: &str, node: &str, at: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(TAKE).bind(id).bind(node).bind(at).execute(c).await.map(drop))?;
    on!(&mut **tx, |c| sqlx::query(END_OTHERS).bind(id).bind(at).execute(c).await.map(drop))?;
    Ok(())
}

/// Counts a site on: a server of it is alive.
///
/// # Errors
/// When the database is gone.
pub async fn site_beat(tx: &mut WriteTx, id: &str) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(BEAT).bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// Every site that was ever recorded.
///
/// # Errors
/// When the database is gone.
pub async fn site_all(conn: &mut Conn) -> Result<Vec<Site>> {
    Ok(on!(conn, |c| sqlx::query_as(ALL).fetch_all(c).await)?)
}
