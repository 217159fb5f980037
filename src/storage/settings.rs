//! What is set for the installation as a whole. What has no row is off.

use super::{
    Conn, Result, WriteTx,
    db::{on, statements},
};
use crate::domain::Timestamp;

statements! {
    GET = "SELECT value FROM setting WHERE name = $1";
    PUT = "INSERT INTO setting (name, value, set_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET value = excluded.value, set_at = excluded.set_at";
}

/// Whether people may enrol stop devices.
pub const STOP_DEVICES: &str = "stop_devices";
/// Whether a second person ever had two keys: from then on nobody signs twice.
pub const SECOND_PERSON: &str = "second_person";
/// Whether somebody else could ever approve more rights of a person: from then on no admin gives them alone.
pub const SECOND_APPROVER: &str = "second_approver";
const ON: &str = "on";

/// True when a setting is on.
///
/// # Errors
/// When the database is gone.
pub async fn setting_is_on(conn: &mut Conn, name: &str) -> Result<bool> {
    let value: Option<String> = on!(conn, |c| sqlx::query_scalar(GET).bind(name).fetch_optional(c).await)?;
    Ok(value.as_deref() == Some(ON))
}

/// Turns a setting on or off.
///
/// # Errors
/// When the database is gone.
pub async fn setting_turn(tx: &mut WriteTx, name: &str, is_on: bool, now: Timestamp) -> Result<()> {
    let value = if is_on { ON } else { "off" };
    on!(&mut **tx, |c| sqlx::query(PUT).bind(name).bind(value).bind(now).execute(c).await.map(drop))?;
    Ok(())
}
