//! Faults, with real processes: servers, agents, minders and bots that are killed, stopped, cut off or out of space. After each of them every
//! placed hold is there, and no bot trades without a start newer than its last stop.

mod arm;
mod crew;
pub mod ground;
mod host;
mod model;
mod outside;
mod press;
pub mod proc;
mod scene;
pub mod server;
mod trouble;

mod clocks;
mod command;
mod degraded;
mod freqtrade;
mod kills;
mod limits;
mod line;
mod presses;
mod processes;
mod reports;
mod restored;
mod space;
mod tokens;
mod vault;
mod waves;

use std::time::Duration;

/// What a machine that is busy with other things may take on top of what the protocol allows. Milliseconds.
pub const MARGIN_MS: i64 = 4_000;
/// Longer than anything here takes, shorter than a test that hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Milliseconds since the machine booted: what leases run on, and what the bots of these tests write down.
pub fn now_ms() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
}

/// Waits for something that must come; its absence fails the test.
pub async fn until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    assert!(within(PATIENCE, is_so).await, "{what}: not within {PATIENCE:?}");
}

/// Waits for something that may come; says whether it did.
pub async fn within(patience: Duration, mut is_so: impl AsyncFnMut() -> bool) -> bool {
    let end = now_ms() + i64::try_from(patience.as_millis()).unwrap();
    loop {
        if is_so().await {
            return true;
        }
        if now_ms() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
