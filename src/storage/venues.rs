//! Venues, their subaccounts, and bots that are stopped together.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{BotId, Environment, SubaccountId, Timestamp, VenueId};

statements! {
    VENUE_INSERT = "INSERT INTO venue (id, name, environment, created_at) VALUES ($1, $2, $3, $4)";
    VENUE_ALL = "SELECT id, name, environment, created_at FROM venue ORDER BY name";
    SUBACCOUNT_INSERT = "INSERT INTO subaccount (id, venue_id, name, created_at) VALUES ($1, $2, $3, $4)";
    SUBACCOUNT_ALL = "SELECT id, venue_id, name, created_at FROM subaccount ORDER BY venue_id, name";
    LINK_INSERT = "INSERT INTO bot_link (bot_id, other_id, why, made_at) VALUES ($1, $2, $3, $4)";
    LINK_DELETE = "DELETE FROM bot_link WHERE bot_id = $1 AND other_id = $2";
    LINK_ALL = "SELECT bot_id, other_id, why, made_at FROM bot_link ORDER BY bot_id, other_id";
}

/// An exchange in one environment.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Venue {
    /// Its id.
    pub id: VenueId,
    /// Its name, unique.
    pub name: String,
    /// Whether money is real there.
    pub environment: Environment,
    /// When it was written down.
    pub created_at: Timestamp,
}

/// An account of its own at a venue.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Subaccount {
    /// Its id.
    pub id: SubaccountId,
    /// Where it is.
    pub venue_id: VenueId,
    /// Its name, unique at the venue.
    pub name: String,
    /// When it was written down.
    pub created_at: Timestamp,
}

/// Two bots of which one is dangerous alone. The first has the smaller id.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Link {
    /// One.
    pub bot_id: BotId,
    /// The other.
    pub other_id: BotId,
    /// What binds them.
    pub why: String,
    /// Since when.
    pub made_at: Timestamp,
}

/// Writes a new venue.
///
/// # Errors
/// `Duplicate` when the name is taken.
pub async fn venue_insert(tx: &mut WriteTx, venue: &Venue) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(VENUE_INSERT)
        .bind(&venue.id)
        .bind(&venue.name)
        .bind(venue.environment)
        .bind(venue.created_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Every venue by name.
///
/// # Errors
/// When the database is gone.
pub async fn venue_all(conn: &mut Conn) -> Result<Vec<Venue>> {
    Ok(on!(conn, |c| sqlx::query_as(VENUE_ALL).fetch_all(c).await)?)
}

/// Writes a new subaccount.
///
/// # Errors
/// `Duplicate` when the name is taken at that venue; `Dangling` when the venue is not there.
pub async fn subaccount_insert(tx: &mut WriteTx, subaccount: &Subaccount) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SUBACCOUNT_INSERT)
        .bind(&subaccount.id)
        .bind(&subaccount.venue_id)
        .bind(&subaccount.name)
        .bind(subaccount.created_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Every subaccount, by venue and name.
///
/// # Errors
/// When the database is gone.
pub async fn subaccount_all(conn: &mut Conn) -> Result<Vec<Subaccount>> {
    Ok(on!(conn, |c| sqlx::query_as(SUBACCOUNT_ALL).fetch_all(c).await)?)
}

/// Binds two bots.
///
/// # Errors
/// `Duplicate` when they are bound already.
pub async fn link_insert(tx: &mut WriteTx, link: &Link) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(LINK_INSERT)
        .bind(&link.bot_id)
        .bind(&link.other_id)
        .bind(&link.why)
        .bind(link.made_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Unbinds two bots, the one with the smaller id first; false when they were not bound.
///
/// # Errors
/// When the database is gone.
pub async fn link_delete(tx: &mut WriteTx, bot: &BotId, other: &BotId) -> Result<bool> {
    let rows = on!(&mut **tx, |c| sqlx::query(LINK_DELETE).bind(bot).bind(other).execute(c).await.map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}

/// Every pair.
///
/// # Errors
/// When the database is gone.
pub async fn link_all(conn: &mut Conn) -> Result<Vec<Link>> {
    Ok(on!(conn, |c| sqlx::query_as(LINK_ALL).fetch_all(c).await)?)
}
