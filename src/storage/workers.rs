//! Which replica does a piece of background work.

use super::{
    Result, WriteTx,
    db::{on, statements},
};
use crate::domain::Timestamp;

statements! {
    TAKE = "INSERT INTO worker_lease (name, holder, held_until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until WHERE worker_lease.holder = excluded.holder OR worker_lease.held_until < $4";
}

/// Takes or keeps a lease until `until`; false when another replica has it.
///
/// # Errors
/// When the database is gone.
pub async fn worker_take(tx: &mut WriteTx, name: &str, holder: &str, now: Timestamp, until: Timestamp) -> Result<bool> {
    let rows =
        on!(&mut **tx, |c| sqlx::query(TAKE).bind(name).bind(holder).bind(until).bind(now).execute(c).await.map(|r| r.rows_affected()))?;
    Ok(rows == 1)
}
