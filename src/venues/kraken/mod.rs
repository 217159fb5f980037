//! Kraken: spot and futures, two APIs with two ways of signing. Spot has a trap: nonces that must rise, for each key.

mod futures;
pub(super) mod futures_read;
mod nonce;
mod spot;
pub(super) mod spot_read;

pub(super) use {futures::Futures, spot::Spot};
