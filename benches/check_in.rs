//! How many check-ins a second the server takes, judged by limits of every kind, decided, kept and answered, against a bare axum websocket that only reads the same JSON, in the
//! same run with the same agents. Then the server is killed while all of them check in ten times a second, and what is there afterwards is held
//! against what was answered.
//!
//! `cargo bench --bench check_in [-- --agents N --seconds S --rounds R]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot run says so by panicking"
)]

mod ground;

use andon::domain::{Clock, HoldId};
use ground::{
    bare,
    figures::{Figures, Targets, machine, now_us, option},
    rush::Rush,
    server::Process,
    site::{Credential, Site},
    stored::Stored,
};
use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// What a rush is held against at the most: above it nothing is asked.
const ENOUGH: f64 = 50_000.0;
/// What the server must reach of what the bare one reaches.
const SHARE: f64 = 0.15;

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--bare") {
        bare::run().await;
        return ExitCode::SUCCESS;
    }
    let (agents, seconds, rounds) = (option("--agents", 1_000), option("--seconds", 5), option("--rounds", 5));
    let time = Duration::from_secs(u64::try_from(seconds).unwrap());
    machine();
    println!("{agents} agents, each checks in as soon as it was answered, {rounds} rounds of {seconds} s in turn");
    let site = Site::limited(agents).await;
    let (server, _) = Process::serve(site.dir.path());
    let bare = Process::again("--bare");
    let mut here = Rush::gather(server.address, &site.agents, true).await;
    let mut there = Rush::gather(bare.address, &site.agents, false).await;
    let (mut andon, mut floor) = (Figures::default(), Figures::default());
    for _ in 0..rounds {
        andon.add(here.run(time).await);
        here.rest().await;
        floor.add(there.run(time).await);
        there.rest().await;
    }
    println!("check-ins answered: {}", andon.spread("a second"));
    println!("bare websocket: {}", floor.spread("a second"));
    let mut targets = Targets::default();
    let bound = ENOUGH.min(SHARE * floor.median());
    println!("asked: at least {bound:.0} a second, {:.2} of the bare one's are reached", andon.median() / floor.median());
    targets.hold("check_in_asked_to_reached", bound / andon.median(), 1.0);
    drop((there, bare));
    let (lost, oldest_ms) = killed(server, here, &site).await;
    targets.hold("check_in_holds_lost_by_kill", lost as f64, 0.0);
    targets.hold("check_in_metrics_lost_by_kill_ms", oldest_ms, 1_000.0);
    targets.close()
}

/// Kills the server while everybody checks in and some ask for holds: how many holds that were answered are not there once it is up again, and
/// how old the oldest of what was kept of the agents was at the kill, milliseconds.
async fn killed(server: Process, mut here: Rush, site: &Site) -> (i64, f64) {
    here.pace(100_000);
    let answered = Arc::new(AtomicI64::new(0));
    let asking = tokio::spawn(ask(format!("http://{}/agent/v1/holds", server.address), site.agents.clone(), answered.clone()));
    here.run(Duration::from_secs(3)).await;
    let at_us = Clock::system().now().0;
    let before = answered.load(Ordering::SeqCst);
    server.kill();
    asking.abort();
    let mut stored = Stored::open(site.dir.path()).await;
    let heard = stored.heard().await;
    // What was kept beside the database is merged by the next process.
    let (again, _) = Process::serve(site.dir.path());
    let until = now_us() + 20_000_000;
    let holds = loop {
        let holds = stored.agent_holds().await;
        if holds >= before || now_us() > until {
            break holds;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    drop(again);
    stored.close().await;
    println!(
        "killed: {before} holds of agents were answered, {holds} are stored; {} of {} agents have a row",
        heard.len(),
        site.agents.len()
    );
    assert!(before > 0 && heard.len() == site.agents.len(), "the kill came before anything was kept");
    let oldest = *heard.iter().min().unwrap();
    ((before - holds).max(0), (at_us - oldest) as f64 / 1_000.0)
}

/// Agents ask for holds, one after the other.
async fn ask(url: String, agents: Vec<Credential>, answered: Arc<AtomicI64>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for agent in &agents {
        let body = serde_json::json!({"id": HoldId::new(), "level": "pause", "why": "bench"});
        let answer = client.post(&url).bearer_auth(&agent.token).json(&body).send().await;
        let Ok(answer) = answer else { return };
        assert!(answer.status().is_success(), "{}", answer.status());
        answered.fetch_add(1, Ordering::SeqCst);
    }
}
