//! The installation's counter. A transaction that takes an epoch calls `epoch_take` FIRST and reads what it depends on after: that row's
//! lock is what keeps a start from slipping past a hold that committed before it.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::Epoch;

statements! {
    TAKE = "UPDATE epoch SET value = value + 1 WHERE one = 1 RETURNING value";
    NOW = "SELECT value FROM epoch WHERE one = 1";
    RAISE = "UPDATE epoch SET value = $1 WHERE one = 1 AND value < $1";
}

/// Takes the next number and holds the row until the transaction ends.
///
/// # Errors
/// When the database is gone.
pub async fn epoch_take(tx: &mut WriteTx) -> Result<Epoch> {
    Ok(on!(&mut **tx, |c| sqlx::query_scalar(TAKE).fetch_one(c).await)?)
}

/// The number last taken.
///
/// # Errors
/// When the database is gone.
pub async fn epoch_now(conn: &mut Conn) -> Result<Epoch> {
    Ok(on!(conn, |c| sqlx::query_scalar(NOW).fetch_one(c).await)?)
}

/// Lifts the counter to at least `floor`: after a hold that was pushed with a number no database had given out.
///
/// # Errors
/// When the database is gone.
pub async fn epoch_raise(tx: &mut WriteTx, floor: Epoch) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(RAISE).bind(floor).execute(c).await.map(drop))?;
    Ok(())
}
