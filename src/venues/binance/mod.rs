//! Binance: spot and USD-margined futures. One call measures a key for both; orders are told apart. The test environments have no `/sapi`, so
//! that no key can be measured there.

mod call;
mod inspect;
mod keys;
pub(super) mod orders;
pub(super) mod spot;
pub(super) mod usdm;

#[cfg(test)]
pub(super) use inspect::{master_facts, own_facts};
pub(super) use {spot::Spot, usdm::UsdM};
