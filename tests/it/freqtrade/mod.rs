//! The `freqtrade` adapter against a fake of Freqtrade's API with its traps; `faults/freqtrade.rs` puts a real agent between both.

pub mod fake;
mod fills;
mod symbols;
mod traps;

use std::time::Duration;

/// Waits for something that must come.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}
