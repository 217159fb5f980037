//! How long a start takes with 9,000 bots and a million entries: from before the process is made until `/healthz` answers 200.
//!
//! `cargo bench --bench start_up [-- --bots N --entries M --rounds R]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot run says so by panicking"
)]

mod ground;

use ground::{
    figures::{Figures, machine, option, target},
    server::Process,
    site::Site,
};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let (bots, entries, rounds) = (option("--bots", 9_000), option("--entries", 1_000_000), option("--rounds", 15));
    machine();
    let empty = Site::new(0, 0, 0).await;
    let full = Site::new(bots, 0, entries).await;
    let (mut none, mut all) = (Figures::default(), Figures::default());
    for _ in 0..rounds {
        none.add(Process::serve(empty.dir.path()).1 as f64 / 1_000.0);
        all.add(Process::serve(full.dir.path()).1 as f64 / 1_000.0);
    }
    println!("floor, nothing in it: {}", none.spread("ms"));
    println!("{bots} bots and {entries} entries: {}, {:.2} x the floor", all.spread("ms"), all.median() / none.median());
    target("start_up_9000_bots_1m_entries_ms", all.median(), 300.0)
}
