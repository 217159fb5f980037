//! The counter that goes up whenever people, their rights, sessions, teams, agents or tokens change. Facts about bots have the epoch.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};

statements! {
    VERSION = "SELECT version FROM book WHERE one = 1";
    CHANGED = "UPDATE book SET version = version + 1 WHERE one = 1";
}

/// The counter now.
///
/// # Errors
/// When the database is gone.
pub async fn book_version(conn: &mut Conn) -> Result<i64> {
    Ok(on!(conn, |c| sqlx::query_scalar(VERSION).fetch_one(c).await)?)
}

/// Takes the counter up. Last in a transaction: whoever has its row keeps the others waiting.
///
/// # Errors
/// When the database is gone.
pub async fn book_changed(tx: &mut WriteTx) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(CHANGED).execute(c).await.map(drop))?;
    Ok(())
}
