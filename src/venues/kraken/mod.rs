//! Kraken: spot and futures, two APIs with two ways of signing. Spot has a trap: nonces that must rise, for each key.

mod futures;
pub(super) mod futures_read;
mod nonce;
mod spot;
pub(super) mod spot_read;

pub(super) use {futures::Futures, spot::Spot};

use super::{Armed, VenueError};
use crate::domain::Timestamp;
use serde_json::Value;

/// A switch that was armed: only an answer that says when it fires confirms it.
fn armed(fires_at: Option<&Value>) -> Result<Armed, VenueError> {
    let at = fires_at.and_then(Value::as_str).and_then(Timestamp::parse);
    let at = at.ok_or_else(|| VenueError::ExecutionUnknown("an answer without the time at which it fires".to_owned()))?;
    Ok(Armed { fires_at: Some(at), symbols: Vec::new() })
}
