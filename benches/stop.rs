//! How long a fleet hold takes, step by step: the press is answered (committed), the first agent has the directive, the last has it, the last
//! acknowledgement is stored. Agents check in every 2 s the whole time. Against a floor and Mosquitto, measured in the same run with the same
//! crowd. Figures run from before the press, so that the commit is in them; the floor has nothing to commit.
//!
//! `cargo bench --bench stop [-- --agents N --rounds R --runs K]`; without `--agents`: 100, 1,000 and 9,000, the last in K runs.

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
    crowd::{Crowd, Round},
    disk,
    figures::{Figures, Targets, machine, now_us, option, wall_us},
    floor,
    server::Process,
    site::Site,
    stored::Stored,
    syncs::Syncs,
};
use std::{path::Path, process::ExitCode, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, coding::Data, coding::OpCode};

/// Time for everybody to come to rest before the next round.
const BETWEEN: Duration = Duration::from_millis(1_500);
/// What a press writes into the database's log: pages of the hold, the counter and their indices. Counted by the growth of the log.
const PRESS_BYTES: usize = 48 * 1024;

/// The steps of the rounds of one run, milliseconds.
#[derive(Default)]
struct Steps {
    answered: Figures,
    first: Figures,
    /// Of every agent in every round.
    agents: Vec<f64>,
    last: Figures,
    stored: Figures,
}

impl Steps {
    fn add(&mut self, round: &Round, stored_us: u64) {
        self.answered.add(round.answered());
        self.first.add(round.share(0.0));
        self.agents.extend(round.each());
        self.last.add(round.share(1.0));
        self.stored.add(round.since(stored_us));
    }
    /// The latency that this share of all agents in all rounds did not exceed.
    fn share(&mut self, share: f64) -> f64 {
        self.agents.sort_by(f64::total_cmp);
        self.agents[((self.agents.len() - 1) as f64 * share).ceil() as usize]
    }
    fn print(&mut self, words: &str) {
        for (step, figures) in [
            ("press answered, committed", &self.answered),
            ("first agent has it", &self.first),
            ("last agent has it", &self.last),
            ("last acknowledgement stored", &self.stored),
        ] {
            println!("{words}: {step}: p50 {:.1} ms, p99 {:.1}, max {:.1}", figures.median(), figures.share(0.99), figures.share(1.0));
        }
        println!(
            "{words}: an agent has it: p50 {:.1} ms, p99 {:.1}, max {:.1}, of {} directives",
            self.share(0.5),
            self.share(0.99),
            self.share(1.0),
            self.agents.len()
        );
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--floor") {
        floor::run().await;
        return ExitCode::SUCCESS;
    }
    let (one, rounds, runs) = (option("--agents", 0), option("--rounds", 15), option("--runs", 3));
    machine();
    let mut targets = Targets::default();
    if one > 0 {
        fleet(one, rounds, runs, &mut targets).await;
        return targets.close();
    }
    fleet(100, rounds, 1, &mut targets).await;
    let small = fleet(1_000, rounds, 1, &mut targets).await;
    let large = fleet(9_000, rounds, runs, &mut targets).await;
    targets.hold("stop_time_per_agent_9000_to_1000", large / small, 1.2);
    targets.close()
}

/// Everything of one size; microseconds per agent until the last has the directive.
async fn fleet(agents: usize, rounds: usize, runs: usize, targets: &mut Targets) -> f64 {
    println!("{agents} agents that check in every 2 s, {rounds} interleaved rounds in each of {runs} runs");
    let (mut to_floor, mut to_broker, mut to_quiet, mut each) =
        (Figures::default(), Figures::default(), Figures::default(), Figures::default());
    for run in 1..=runs {
        let site = Site::new(agents, 2 * rounds + 40, 0).await;
        let (server, _) = Process::serve(site.dir.path());
        if agents <= 100 {
            commit(&site, &server, targets).await;
        }
        let (mut busy, mut quiet, floor, sent) = interleaved(&site, &server, rounds).await;
        drop(server);
        busy.print(&format!("run {run}"));
        quiet.print(&format!("run {run} without check-ins"));
        println!("run {run}: floor to last socket {}", floor.spread("ms"));
        match beside(site.dir.path(), agents, &sent).await {
            Some(figures) => {
                // Where the floor itself is above what is asked of Mosquitto, nothing that writes to every socket can meet that.
                let floors = floor.median() / figures.median();
                println!("run {run}: mosquitto to last subscriber {}; the floor is {floors:.2} of it", figures.spread("ms"));
                to_broker.add(busy.last.median() / figures.median());
            }
            None => println!("run {run}: mosquitto is not installed: nothing stands beside the floor"),
        }
        to_floor.add(busy.last.median() / floor.median());
        to_quiet.add(busy.share(0.99) / quiet.share(0.99));
        each.add(busy.last.median() * 1_000.0 / agents as f64);
    }
    println!("{agents} agents: ratio to the floor {}; {:.1} us per agent", to_floor.spread("x"), each.median());
    if agents >= 9_000 {
        targets.hold("stop_fanout_9000_ratio_to_floor", to_floor.median(), 1.25);
        if !to_broker.is_empty() {
            targets.hold("stop_fanout_9000_ratio_to_mosquitto", to_broker.median(), 0.4);
        }
        targets.hold("stop_p99_9000_with_check_ins_to_without", to_quiet.median(), 1.25);
    }
    each.median()
}

/// Rounds with check-ins, without them, and at the floor, in turn.
async fn interleaved(site: &Site, server: &Process, rounds: usize) -> (Steps, Steps, Figures, Vec<Vec<u8>>) {
    let low = Process::again("--floor");
    let mut commander = TcpStream::connect(low.address).await.unwrap();
    commander.set_nodelay(true).unwrap();
    let crowd = Crowd::gather(server.address, &site.agents, true).await;
    let below = Crowd::gather(low.address, &site.agents, false).await;
    let mut stored = Stored::open(site.dir.path()).await;
    let (mut busy, mut quiet, mut floor, mut sent) = (Steps::default(), Steps::default(), Figures::default(), Vec::new());
    let client = reqwest_client();
    for tokens in site.presses.chunks_exact(2).take(rounds) {
        below.rest(true);
        for (token, steps, resting) in [(&tokens[0], &mut busy, false), (&tokens[1], &mut quiet, true)] {
            crowd.rest(resting);
            tokio::time::sleep(BETWEEN).await;
            let due = stored.count().await + i64::try_from(site.agents.len()).unwrap();
            let round = crowd.round(press(&client, server, token)).await;
            steps.add(&round, stored.until(due).await);
        }
        let frame = frame(&crowd.sample());
        sent.push(frame.clone());
        below.rest(false);
        tokio::time::sleep(BETWEEN).await;
        commander.write_u32(u32::try_from(frame.len()).unwrap()).await.unwrap();
        commander.write_all(&frame).await.unwrap();
        assert_eq!(commander.read_u32().await.unwrap() as usize, site.agents.len());
        floor.add(below.round(async { commander.write_u8(1).await.unwrap() }).await.share(1.0));
    }
    stored.close().await;
    (busy, quiet, floor, sent)
}

/// What a commit adds to a press: how many syncs of the disk; and in time, against the same request refused at the door, with one sync of as
/// many bytes beside it.
async fn commit(site: &Site, server: &Process, targets: &mut Targets) {
    let (client, mut pressed, mut refused) = (reqwest_client(), Figures::default(), Figures::default());
    for token in site.presses.iter().rev().take(20) {
        let begun = now_us();
        assert_eq!(ask(&client, server, "nobody's").await.status(), 401);
        refused.add((now_us() - begun) as f64 / 1_000.0);
        let begun = now_us();
        press(&client, server, token).await;
        pressed.add((now_us() - begun) as f64 / 1_000.0);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let sync = disk::sync_of(site.dir.path(), PRESS_BYTES);
    println!("press answered {}; refused {}; one sync {}", pressed.spread("ms"), refused.spread("ms"), sync.spread("ms"));
    let Some(syncs) = Syncs::watch(server, site.dir.path()) else {
        return println!("strace is not installed, or may not look: the syncs of a press are not counted");
    };
    let mut times = Vec::new();
    for token in site.presses.iter().rev().skip(20).take(20) {
        let begun = wall_us();
        press(&client, server, token).await;
        times.push((begun, wall_us()));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (began, mut counted) = (syncs.end(), Figures::default());
    for (begun, answered) in times {
        counted.add(began.iter().filter(|at| (begun..=answered).contains(*at)).count() as f64);
    }
    println!("syncs between press and answer {}", counted.spread(""));
    targets.hold("stop_commit_syncs", counted.median(), 1.0);
}

/// The same bytes through a broker.
async fn beside(dir: &Path, agents: usize, sent: &[Vec<u8>]) -> Option<Figures> {
    let mut broker = Broker::start(dir, agents).await?;
    let mut figures = Figures::default();
    for frame in sent {
        figures.add(broker.round(frame).await.share(1.0));
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
    let answer = ask(client, server, token).await;
    assert!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await.unwrap());
}

async fn ask(client: &reqwest::Client, server: &Process, token: &str) -> reqwest::Response {
    let body = serde_json::json!({"scope": "fleet", "why": "bench"});
    client.post(format!("http://{}/api/v1/holds", server.address)).bearer_auth(token).json(&body).send().await.unwrap()
}

/// The bytes of a text frame as a server writes it.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame::message(text.to_owned(), OpCode::Data(Data::Text), true).format(&mut bytes).unwrap();
    bytes
}
