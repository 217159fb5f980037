//! A real Freqtrade, from PyPI, against a mock exchange on this machine: from running to proved paused by a press in a browser, and back by
//! release and start. Not part of the default run: `tests/run.sh --freqtrade` installs Freqtrade and calls it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail anywhere")]

#[expect(dead_code, reason = "the other flows use the rest")]
#[path = "../browser/driver.rs"]
mod driver;
#[path = "../browser/newcomer.rs"]
mod newcomer;
#[expect(dead_code, reason = "the other flows use the rest")]
#[path = "../browser/program.rs"]
mod program;
mod rig;
mod steps;

use andon::{
    agent::{
        BootClock,
        adapters::{
            Adapter, LeftOut,
            freqtrade::{FreqtradeAdapter, FreqtradeConfig},
        },
    },
    domain::Secret,
    protocol::BlockedFrame,
};
use driver::{Browser, With};
use newcomer::{come_in, sign};
use program::Program;
use rig::Rig;
use std::{fs, path::Path, process::Command};
use steps::{bot_and_code, confirm, enrol, start, team_and_role, until_startable};

/// What is quoted elsewhere: one line for each thing that happened, with the seconds since the beginning.
struct Transcript(f64);

fn uptime() -> f64 {
    fs::read_to_string("/proc/uptime").unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

impl Transcript {
    fn say(&self, what: &str) {
        println!("{:7.2} s  {what}", uptime() - self.0);
    }
}

fn write_settings(dir: &Path, rig: &Rig) {
    let password = dir.join("freqtrade.password");
    fs::write(&password, format!("{}\n", rig::PASSWORD)).unwrap();
    assert!(Command::new("chmod").arg("600").arg(&password).status().unwrap().success());
    let settings = format!(
        "[bot]\nadapter = \"freqtrade\"\n\n[freqtrade]\nurl = \"http://127.0.0.1:{}\"\nusername = \"{}\"\npassword_file = \"{}\"\n",
        rig.port,
        rig::USER,
        password.display()
    );
    fs::write(dir.join("my-agent/agent.toml"), settings).unwrap();
}

/// What `andon agent check` prints, and whether all is well.
fn check(dir: &Path, arguments: &[&str]) -> (String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_andon"));
    let output = command.args(["agent", "check", "--dir", "my-agent"]).args(arguments).current_dir(dir).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_freqtrade_is_paused_with_proof_and_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let told = Transcript(uptime());
    let mut rig = Rig::start("stopped").await;
    told.say(&format!("Freqtrade {} runs with initial_state stopped; {}", rig.version().await, rig.facts().await));

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, origin) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let mut server = Program::start(&["serve", "--listen", &listen, "--origin", &origin], dir.path());
    let link = server.says("/welcome/").await.trim().to_owned();
    let mut browser = Browser::open(With::default()).await;
    come_in(&mut browser, &link, "admin", "N. Adebayo").await;
    team_and_role(&browser, &origin).await;
    let (bot, code) = bot_and_code(&browser, &origin).await;
    let said = enrol(dir.path(), &origin, &code);
    write_settings(dir.path(), &rig);
    let (found, is_good) = check(dir.path(), &[]);
    println!("$ andon agent check\n{found}");
    assert!(is_good, "a bot that was set up as the guide says has nothing to change");
    let agent = Program::start(&["agent", "run", "--dir", "my-agent"], dir.path());
    confirm(&browser, &said).await;
    told.say("the agent is enrolled, compared and confirmed");

    until_startable(&browser, &bot).await;
    assert_eq!(rig.state().await, "stopped", "nothing runs before the start");
    start(&browser).await;
    rig.until("running", async |rig| rig.state().await == "running" && rig.entry_orders().await > 0).await;
    told.say(&format!("started with a security key in the browser; {}", rig.facts().await));

    // One symbol is held, from the server's host: the bot goes on elsewhere.
    let output = Command::new(env!("CARGO_BIN_EXE_andon")).args(["stop", "--symbol", "SOL/USDT"]).current_dir(dir.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let hold = said.split_once("hold ").unwrap_or_else(|| panic!("{said}")).1.split_once(' ').unwrap().0;
    browser.goto(&format!("{origin}/holds/{hold}")).await;
    browser.sees("Idle: 1").await;
    browser.goto(&bot).await;
    browser.sees("leaves that out and goes on elsewhere").await;
    assert_eq!((rig.state().await.as_str(), rig.entry_orders().await), ("running", 0));
    assert_eq!(rig.blacklist().await, serde_json::json!(["(?#andon)SOL/USDT(:.*)?"]));
    told.say(&format!("SOL/USDT is held, and the bot leaves it out with proof; {}", rig.facts().await));

    browser.goto(&bot).await;
    browser.press("Pause 1 bot").await;
    told.say("Pause pressed in the browser");
    browser.sees("Idle: 1").await;
    let (receipt, state, entries) = (browser.address().await, rig.state().await, rig.entry_orders().await);
    told.say(&format!("the receipt says idle; {}", rig.facts().await));
    assert_eq!((state.as_str(), entries), ("paused", 0));
    assert_eq!(rig.worker_mode().await, "PAUSED", "and so does its worker's own log");

    // A restart brings it back stopped, and the agent leaves it so.
    rig.kill_and_start().await;
    rig.until("stopped after a restart", async |rig| rig.state().await == "stopped").await;
    told.say(&format!("Freqtrade killed with -9 and started again: {}", rig.facts().await));

    browser.goto(&receipt).await;
    browser.fill("[name=release_why]", "the outage is over").await;
    browser.press("Prepare the release").await;
    sign(&browser).await;
    browser.sees("eleased").await;
    told.say(&format!("released with a security key; {}", rig.facts().await));
    assert_ne!(rig.state().await, "running", "released is not started");
    until_startable(&browser, &bot).await;
    start(&browser).await;
    rig.until("running again", async |rig| rig.state().await == "running" && rig.worker_mode().await == "RUNNING").await;
    told.say(&format!("started with a security key; {}", rig.facts().await));
    assert_eq!(rig.blacklist().await, serde_json::json!(["(?#andon)SOL/USDT(:.*)?"]), "Freqtrade had forgotten it, the agent has not");
    assert_eq!(rig.entry_orders().await, 0);

    agent.end().await;
    assert_eq!(rig.state().await, "paused", "an agent that is ended leaves its bot paused");
    told.say(&format!("the agent was ended in order; {}", rig.facts().await));
    let (found, is_good) = check(dir.path(), &["--reload"]);
    assert!(!is_good && found.contains("only one that is stopped is let reload"), "{found}");
    rig.kill_and_start().await;
    let (found, is_good) = check(dir.path(), &["--reload"]);
    println!("$ andon agent check --reload\n{found}");
    assert!(is_good);
    browser.close().await;
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_freqtrade_leaves_out_one_symbol_and_gets_back_what_was_added_alone() {
    let rig = Rig::start("running").await;
    let told = Transcript(uptime());
    rig.until("in all three pairs", async |rig| rig.entries().await == ["SOL/USDT"]).await;
    rig.add_to_blacklist("BNB/.*").await;
    told.say(&format!("Freqtrade {} runs, its operator has BNB/.* on the blacklist; {}", rig.version().await, rig.facts().await));
    let adapter = || {
        let config = FreqtradeConfig {
            url: format!("http://127.0.0.1:{}/", rig.port).parse().unwrap(),
            username: rig::USER.into(),
            password: Secret::new(rig::PASSWORD.into()),
            throttle_ms: 5_000,
            timeout_ms: 4_000,
        };
        FreqtradeAdapter::new(config, BootClock::system()).unwrap()
    };
    let held = |names: &[&str]| -> Vec<BlockedFrame> {
        names.iter().map(|name| BlockedFrame { venue: None, symbol: (*name).to_owned() }).collect()
    };
    // SOL has an entry order that rests, BTC an open trade.
    let proved = adapter().leave_out(&held(&["BTC/USDT", "SOL/USDT"])).await.unwrap();
    assert_eq!(proved, LeftOut { entry_orders: Some(0) });
    told.say(&format!("BTC/USDT and SOL/USDT are left out with proof; {}", rig.facts().await));
    assert_eq!(rig.blacklist().await, serde_json::json!(["BNB/.*", "(?#andon)BTC/USDT(:.*)?", "(?#andon)SOL/USDT(:.*)?"]));
    assert_eq!((rig.state().await.as_str(), rig.locked().await), ("running", vec!["BTC/USDT".to_owned(), "SOL/USDT".to_owned()]));
    // It enters every pair on every candle; two rounds of its loop and a candle later it has not.
    tokio::time::sleep(std::time::Duration::from_secs(70)).await;
    assert!(rig.entries().await.is_empty(), "{:?}", rig.entries().await);
    // Another agent process, whose server has released all: what the first one had added goes, and nothing else.
    adapter().leave_out(&[]).await.unwrap();
    assert_eq!((rig.blacklist().await, rig.locked().await), (serde_json::json!(["BNB/.*"]), Vec::new()));
    rig.until("in SOL again", async |rig| rig.entries().await == ["SOL/USDT"]).await;
    told.say(&format!("released: it enters SOL/USDT again; {}", rig.facts().await));
}
