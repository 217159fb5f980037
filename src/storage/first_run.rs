//! Who has put the first-run list away. A preference, no act.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::{Timestamp, UserId};

statements! {
    PUT_AWAY = "INSERT INTO first_run_away (user_id, at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING";
    BRING_BACK = "DELETE FROM first_run_away WHERE user_id = $1";
    AWAY = "SELECT user_id FROM first_run_away";
}

/// Puts the list out of a person's sight.
///
/// # Errors
/// When the database is gone.
pub async fn first_run_put_away(tx: &mut WriteTx, user: &UserId, now: Timestamp) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(PUT_AWAY).bind(user).bind(now).execute(c).await.map(drop))?;
    Ok(())
}

/// Brings it back.
///
/// # Errors
/// When the database is gone.
pub async fn first_run_bring_back(tx: &mut WriteTx, user: &UserId) -> Result<()> {
    on!(&mut **tx, |c| sqlx::query(BRING_BACK).bind(user).execute(c).await.map(drop))?;
    Ok(())
}

/// Everybody who has put it away.
///
/// # Errors
/// When the database is gone.
pub async fn first_run_away(conn: &mut Conn) -> Result<Vec<UserId>> {
    Ok(on!(conn, |c| sqlx::query_scalar(AWAY).fetch_all(c).await)?)
}
