//! How long a fleet hold takes to reach the last of 9,000 agents, against a floor measured in the same run. Figures run from before the
//! press, so that the commit is in them; the floor has nothing to commit.
//!
//! `cargo bench --bench stop [-- --agents N --rounds R --runs K]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot run says so by panicking"
)]

mod ground;

use ground::{
    broker::Broker,
    crowd::Crowd,
    figures::{Figures, machine, option, target},
    floor,
    server::Process,
    site::Site,
};
use std::{path::Path, process::ExitCode, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, coding::Data, coding::OpCode};

/// Time for everybody's acknowledgement to be taken before the next round.
const BETWEEN: Duration = Duration::from_millis(1_500);

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--floor") {
        floor::run().await;
        return ExitCode::SUCCESS;
    }
    let (agents, rounds, runs) = (option("--agents", 9_000), option("--rounds", 15), option("--runs", 3));
    machine();
    println!("{agents} agents that check in every 2 s, {rounds} interleaved rounds in each of {runs} runs");
    let mut ratios = Figures::default();
    let mut first = Figures::default();
    for run in 1..=runs {
        let site = Site::new(agents, rounds, 0).await;
        let (server, _) = Process::serve(site.dir.path());
        let low = Process::again("--floor");
        let mut commander = TcpStream::connect(low.address).await.unwrap();
        commander.set_nodelay(true).unwrap();
        let crowd = Crowd::gather(server.address, &site.agents, true).await;
        let below = Crowd::gather(low.address, &site.agents, false).await;
        let (mut andon, mut floor, mut begins) = (Figures::default(), Figures::default(), Figures::default());
        let (client, mut sent) = (reqwest_client(), Vec::new());
        for token in &site.presses {
            crowd.rest(false);
            below.rest(true);
            tokio::time::sleep(BETWEEN).await;
            let round = crowd.round(press(&client, &server, token)).await;
            andon.add(round.last_us as f64 / 1_000.0);
            begins.add(round.first_us as f64 / 1_000.0);
            let frame = frame(&crowd.sample());
            sent.push(frame.clone());
            below.rest(false);
            tokio::time::sleep(BETWEEN).await;
            crowd.rest(true);
            commander.write_u32(u32::try_from(frame.len()).unwrap()).await.unwrap();
            commander.write_all(&frame).await.unwrap();
            assert_eq!(commander.read_u32().await.unwrap() as usize, agents);
            let round = below.round(async { commander.write_u8(1).await.unwrap() }).await;
            floor.add(round.last_us as f64 / 1_000.0);
        }
        println!("run {run}: press to last agent {}", andon.spread("ms"));
        println!("run {run}: press to first agent {}", begins.spread("ms"));
        println!("run {run}: floor to last socket {}", floor.spread("ms"));
        drop((server, low));
        match beside(site.dir.path(), agents, &sent).await {
            Some(figures) => println!("run {run}: mosquitto to last subscriber {}", figures.spread("ms")),
            None => println!("run {run}: mosquitto is not installed"),
        }
        ratios.add(andon.median() / floor.median());
        first.add(begins.median());
    }
    println!("ratio of medians: {}", ratios.spread("x"));
    target("stop_fanout_9000_ratio_to_floor", ratios.median(), 1.5)
}

/// The same bytes through a broker.
async fn beside(dir: &Path, agents: usize, sent: &[Vec<u8>]) -> Option<Figures> {
    let mut broker = Broker::start(dir, agents).await?;
    let mut figures = Figures::default();
    for frame in sent {
        figures.add(broker.round(frame).await.last_us as f64 / 1_000.0);
        tokio::time::sleep(BETWEEN).await;
    }
    Some(figures)
}

fn reqwest_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A press by a token, as any program does it.
async fn press(client: &reqwest::Client, server: &Process, token: &str) {
    let body = serde_json::json!({"scope": "fleet", "why": "bench"});
    let url = format!("http://{}/api/v1/holds", server.address);
    let answer = client.post(url).bearer_auth(token).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await.unwrap());
}

/// The bytes of a text frame as a server writes it.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame::message(text.to_owned(), OpCode::Data(Data::Text), true).format(&mut bytes).unwrap();
    bytes
}
