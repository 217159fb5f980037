//! What changed at exchanges, as somebody wrote it down: one row each time, never changed.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, Stage, Timestamp, VenueChangeId, VenueId};

statements! {
    INSERT = "INSERT INTO venue_change (id, venue_id, what, noted_by, noted_at) VALUES ($1, $2, $3, $4, $5)";
    OF = "SELECT id, venue_id, what, noted_by, noted_at FROM venue_change WHERE venue_id = $1 ORDER BY noted_at DESC, id DESC LIMIT $2";
    ANSWERED_OF = "SELECT DISTINCT bot_id, stage, item, build, config FROM checklist_mark WHERE bot_id = $1 AND marked_at > $2 AND build IS NOT NULL";
    ANSWERED_SINCE = "SELECT DISTINCT bot_id, stage, item, build, config FROM checklist_mark WHERE marked_at > $1 AND build IS NOT NULL";
}

/// A change at an exchange.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct VenueChangeRow {
    /// Its id.
    pub id: VenueChangeId,
    /// Where.
    pub venue_id: VenueId,
    /// What changed.
    pub what: String,
    /// Who wrote it down, by name.
    pub noted_by: String,
    /// When it was written down.
    pub noted_at: Timestamp,
}

/// A test of a build that somebody has answered for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, sqlx::FromRow)]
pub struct Answered {
    /// Whose.
    pub bot_id: BotId,
    /// On the list of which stage.
    pub stage: Stage,
    /// The item's name.
    pub item: String,
    /// The build that it is about.
    pub build: String,
    /// The configuration.
    pub config: String,
}

/// Writes a change.
///
/// # Errors
/// `Dangling` when the venue is not there.
pub async fn venue_change_insert(tx: &mut WriteTx, row: &VenueChangeRow) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(INSERT)
        .bind(&row.id)
        .bind(&row.venue_id)
        .bind(&row.what)
        .bind(&row.noted_by)
        .bind(row.noted_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The newest changes of a venue, at most so many.
///
/// # Errors
/// When the database is gone.
pub async fn venue_change_of(conn: &mut Conn, venue: &VenueId, most: i64) -> Result<Vec<VenueChangeRow>> {
    Ok(on!(conn, |c| sqlx::query_as(OF).bind(venue).bind(most).fetch_all(c).await)?)
}

/// The tests of builds of one bot that were answered for after a moment.
///
/// # Errors
/// When the database is gone.
pub async fn answered_of(conn: &mut Conn, bot: &BotId, since: Timestamp) -> Result<Vec<Answered>> {
    Ok(on!(conn, |c| sqlx::query_as(ANSWERED_OF).bind(bot).bind(since).fetch_all(c).await)?)
}

/// The same of every bot.
///
/// # Errors
/// When the database is gone.
pub async fn answered_since(conn: &mut Conn, since: Timestamp) -> Result<Vec<Answered>> {
    Ok(on!(conn, |c| sqlx::query_as(ANSWERED_SINCE).bind(since).fetch_all(c).await)?)
}
