//! Venues, their accounts and subaccounts, and bots that are stopped together. Nothing of this is ever deleted but a bond of two bots.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{AccountId, BotId, Environment, SubaccountId, Timestamp, VenueId};

statements! {
    VENUE_INSERT = "INSERT INTO venue (id, name, exchange, environment, created_at, retired_at) VALUES ($1, $2, $3, $4, $5, $6)";
    VENUE_EDIT = "UPDATE venue SET name = $2, exchange = $3, retired_at = $4 WHERE id = $1";
    VENUE_ALL = "SELECT id, name, exchange, environment, created_at, retired_at FROM venue ORDER BY name";
    ACCOUNT_INSERT = "INSERT INTO account (id, venue_id, name, created_at, retired_at) VALUES ($1, $2, $3, $4, $5)";
    ACCOUNT_EDIT = "UPDATE account SET name = $2, retired_at = $3 WHERE id = $1";
    ACCOUNT_ALL = "SELECT id, venue_id, name, created_at, retired_at FROM account ORDER BY venue_id, name";
    SUBACCOUNT_INSERT = "INSERT INTO subaccount (id, venue_id, account_id, name, created_at, retired_at) VALUES ($1, $2, $3, $4, $5, $6)";
    SUBACCOUNT_EDIT = "UPDATE subaccount SET name = $2, account_id = $3, retired_at = $4 WHERE id = $1";
    SUBACCOUNT_ALL = "SELECT id, venue_id, account_id, name, created_at, retired_at FROM subaccount ORDER BY venue_id, name";
    PLACE = "SELECT subaccount.id AS subaccount_id, venue.id AS venue_id, venue.name AS venue_name, subaccount.name AS name, venue.environment AS environment, (subaccount.retired_at IS NOT NULL OR account.retired_at IS NOT NULL OR venue.retired_at IS NOT NULL) AS is_retired FROM subaccount JOIN account ON account.id = subaccount.account_id JOIN venue ON venue.id = subaccount.venue_id WHERE subaccount.id = $1";
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
    /// The exchange, as its own users call it.
    pub exchange: String,
    /// Whether money is real there.
    pub environment: Environment,
    /// When it was written down.
    pub created_at: Timestamp,
    /// Since when nothing new begins there.
    pub retired_at: Option<Timestamp>,
}

/// A main account at a venue.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Where it is.
    pub venue_id: VenueId,
    /// Its name, unique at the venue.
    pub name: String,
    /// When it was written down.
    pub created_at: Timestamp,
    /// Since when nothing new begins there.
    pub retired_at: Option<Timestamp>,
}

/// A subaccount of an account at a venue.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Subaccount {
    /// Its id.
    pub id: SubaccountId,
    /// Where it is.
    pub venue_id: VenueId,
    /// The account that it belongs to.
    pub account_id: AccountId,
    /// Its name, unique at the venue.
    pub name: String,
    /// When it was written down.
    pub created_at: Timestamp,
    /// Since when no bot may have it anew.
    pub retired_at: Option<Timestamp>,
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
        .bind(&venue.exchange)
        .bind(venue.environment)
        .bind(venue.created_at)
        .bind(venue.retired_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes name, exchange and retirement of a venue.
///
/// # Errors
/// `Duplicate` when the name is taken.
pub async fn venue_edit(tx: &mut WriteTx, venue: &Venue) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(VENUE_EDIT)
        .bind(&venue.id)
        .bind(&venue.name)
        .bind(&venue.exchange)
        .bind(venue.retired_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes a new account.
///
/// # Errors
/// `Duplicate` when the name is taken at that venue; `Dangling` when the venue is not there.
pub async fn account_insert(tx: &mut WriteTx, account: &Account) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(ACCOUNT_INSERT)
        .bind(&account.id)
        .bind(&account.venue_id)
        .bind(&account.name)
        .bind(account.created_at)
        .bind(account.retired_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes name and retirement of an account.
///
/// # Errors
/// `Duplicate` when the name is taken at that venue.
pub async fn account_edit(tx: &mut WriteTx, account: &Account) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(ACCOUNT_EDIT)
        .bind(&account.id)
        .bind(&account.name)
        .bind(account.retired_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Every account, by venue and name.
///
/// # Errors
/// When the database is gone.
pub async fn account_all(conn: &mut Conn) -> Result<Vec<Account>> {
    Ok(on!(conn, |c| sqlx::query_as(ACCOUNT_ALL).fetch_all(c).await)?)
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
        .bind(&subaccount.account_id)
        .bind(&subaccount.name)
        .bind(subaccount.created_at)
        .bind(subaccount.retired_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes name, account and retirement of a subaccount.
///
/// # Errors
/// `Duplicate` when the name is taken at that venue.
pub async fn subaccount_edit(tx: &mut WriteTx, subaccount: &Subaccount) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(SUBACCOUNT_EDIT)
        .bind(&subaccount.id)
        .bind(&subaccount.name)
        .bind(&subaccount.account_id)
        .bind(subaccount.retired_at)
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

/// A subaccount with what decides whether a bot may have it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PlaceRow {
    /// The subaccount.
    pub subaccount_id: SubaccountId,
    /// Its venue.
    pub venue_id: VenueId,
    /// The venue's name.
    pub venue_name: String,
    /// The subaccount's name.
    pub name: String,
    /// Whether money is real there.
    pub environment: Environment,
    /// The subaccount, its account or its venue is retired.
    pub is_retired: bool,
}

/// One subaccount as this transaction sees it.
///
/// # Errors
/// When the database is gone.
pub async fn place_by_id(conn: &mut Conn, id: &SubaccountId) -> Result<Option<PlaceRow>> {
    Ok(on!(conn, |c| sqlx::query_as(PLACE).bind(id).fetch_optional(c).await)?)
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
