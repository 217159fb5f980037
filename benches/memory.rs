//! What an idle agent's connection costs the server: the difference in resident memory with and without 9,000 of them, after a minute.
//!
//! `cargo bench --bench memory [-- --agents N --seconds S]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot run says so by panicking"
)]

mod ground;

use ground::{
    crowd::Crowd,
    figures::{machine, option, target},
    server::Process,
    site::Site,
};
use std::time::Duration;

#[tokio::main]
async fn main() {
    let (agents, seconds) = (option("--agents", 9_000), option("--seconds", 60));
    machine();
    let site = Site::new(agents, 1, 0).await;
    let (server, _) = Process::serve(site.dir.path(), &[]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = server.resident();
    let _crowd = Crowd::gather(server.address, &site.agents, true).await;
    let at_once = server.resident();
    tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap())).await;
    let after = server.resident();
    let each = |now: u64| now.saturating_sub(before) as f64 / agents as f64 / 1024.0;
    println!("{agents} bots, no connection: {:.1} MiB resident", before as f64 / 1_048_576.0);
    println!("plain: {:.2} KiB each at once, {:.2} KiB each after {seconds} s of check-ins", each(at_once), each(after));
    target("memory_per_plain_connection_kib", each(after), 16.0);
}
