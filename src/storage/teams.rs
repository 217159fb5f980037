//! Teams.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{TeamId, Timestamp};

statements! {
    INSERT = "INSERT INTO team (id, name, created_at) VALUES ($1, $2, $3)";
    ALL = "SELECT id, name, created_at FROM team ORDER BY name";
    BY_ID = "SELECT id, name, created_at FROM team WHERE id = $1";
}

/// A trading desk.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name, unique.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Writes a new team.
///
/// # Errors
/// `Duplicate` when the name is taken.
pub async fn team_insert(tx: &mut WriteTx, team: &Team) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT).bind(&team.id).bind(&team.name).bind(team.created_at).execute(c).await.map(drop))?;
    Ok(())
}

/// Every team by name.
///
/// # Errors
/// When the database is gone.
pub async fn team_all(conn: &mut Conn) -> Result<Vec<Team>> {
    Ok(on!(conn, |c| sqlx::query_as(ALL).fetch_all(c).await)?)
}

/// One team.
///
/// # Errors
/// When the database is gone.
pub async fn team_by_id(conn: &mut Conn, id: &TeamId) -> Result<Option<Team>> {
    Ok(on!(conn, |c| sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?)
}
