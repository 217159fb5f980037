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
    crowd::{Crowd, Door},
    figures::{machine, option, target},
    server::Process,
    site::{Credential, Site},
};
use std::{process::ExitCode, time::Duration};

#[tokio::main]
async fn main() -> ExitCode {
    let (agents, seconds) = (option("--agents", 9_000), option("--seconds", 60));
    machine();
    let site = Site::new(agents, 1, 0).await;
    let tls = {
        let (server, trust) = Process::serve_tls(site.dir.path());
        let door = Door { address: server.address, tls: Some(trust) };
        each("TLS", &server, door, &site.agents, seconds).await
    };
    let (server, _) = Process::serve(site.dir.path());
    let plain = each("plain", &server, server.address.into(), &site.agents, seconds).await;
    println!("TLS costs {:.2} KiB more", tls - plain);
    target("memory_per_plain_connection_kib", plain, 8.0)
}

/// What one connection costs, KiB.
async fn each(words: &str, server: &Process, door: Door, agents: &[Credential], seconds: usize) -> f64 {
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = server.resident();
    let _crowd = Crowd::gather(door, agents, true).await;
    let at_once = server.resident();
    tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap())).await;
    let after = server.resident();
    let each = |now: u64| now.saturating_sub(before) as f64 / agents.len() as f64 / 1024.0;
    println!("{} bots, no connection: {:.1} MiB resident", agents.len(), before as f64 / 1_048_576.0);
    println!("{words}: {:.2} KiB each at once, {:.2} KiB each after {seconds} s of check-ins", each(at_once), each(after));
    each(after)
}
