//! The shell agent of the README, exactly as it stands there, beside a real process: it starts only after a signed start, stops at a press,
//! comes back halted, and takes nothing that frees from a server that is behind.

use crate::harness::{
    agent::enrol,
    app::TestApp,
    db::{Fresh, Kind, fresh},
};
use andon::domain::{BotFacts, Level, Scope, State};
use axum::{Json, Router, routing::post};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::net::TcpListener;

fn script() -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```sh\n#!/bin/sh\n# agent.sh").expect("the README has the shell agent");
    let (body, _) = rest.split_once("\n```").unwrap();
    format!("#!/bin/sh\n# agent.sh{body}\n")
}

/// A folder with the script, its memory and token, and commands that start and stop a real process.
struct Host {
    dir: PathBuf,
}

impl Host {
    fn new(dir: &Path, token: &str, port: u16) -> Self {
        let write = |name: &str, text: &str| {
            let file = dir.join(name);
            fs::write(&file, text).unwrap();
            Command::new("chmod").arg("700").arg(&file).status().unwrap();
        };
        let pid = dir.join("pid");
        let pid = pid.display();
        write("agent.sh", &script());
        write("token", &format!("Authorization: Bearer {token}\n"));
        write("start", &format!("#!/bin/sh\nsleep 1000 & echo $! > {pid}\n"));
        write(
            "stop",
            &format!(
                "#!/bin/sh\n[ -e {pid} ] || exit 0\nkill -9 $(cat {pid}) 2>/dev/null\nwhile kill -0 $(cat {pid}) 2>/dev/null; do sleep 0.1; done\nrm -f {pid}\n"
            ),
        );
        write("alive", &format!("#!/bin/sh\n[ -e {pid} ] && kill -0 $(cat {pid}) 2>/dev/null\n"));
        write("orders", "#!/bin/sh\necho 0\n");
        let host = Self { dir: dir.to_owned() };
        host.reaches(port);
        host
    }

    /// People and agents know the origin; the test's servers listen elsewhere.
    fn reaches(&self, port: u16) {
        fs::write(self.dir.join(".curlrc"), format!("connect-to = \"localhost:8787:127.0.0.1:{port}\"\n")).unwrap();
    }

    fn run(&self) -> Child {
        let at = |name: &str| self.dir.join(name).display().to_string();
        Command::new("sh")
            .arg(at("agent.sh"))
            .envs([("SERVER", "http://localhost:8787".to_owned()), ("TOKEN", at("token")), ("MEMORY", at("memory"))])
            .envs([("START", at("start")), ("STOP", at("stop")), ("ALIVE", at("alive")), ("ORDERS", at("orders"))])
            .env("CURL_HOME", &self.dir)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn is_alive(&self) -> bool {
        Command::new(self.dir.join("alive")).status().unwrap().success()
    }
}

/// Waits for something that must come; its absence fails the test.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..300 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} did not happen within 30 s");
}

async fn said(test: &TestApp, bot: &BotFacts) -> Option<State> {
    test.app.book.seen(&bot.id).and_then(|seen| seen.state)
}

async fn start(test: &TestApp, bot: &BotFacts) {
    until("a start", async || test.start(std::slice::from_ref(&bot.id), &["operator"]).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readmes_shell_agent_obeys_remembers_and_is_stopped_by_a_press() {
    let fresh: Fresh = fresh(Kind::Sqlite).await;
    let dir = tempfile::tempdir().unwrap();
    let test = TestApp::on_the_wall_clock(fresh).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(andon::web::server::serve(listener, test.app.clone(), std::future::pending()));
    let bot = test.bot("arb-1", "arb").await;
    let agent = enrol(&test, &bot, "operator").await;
    agent.confirm(&test, "operator").await;
    let host = Host::new(dir.path(), &agent.enrolled.token, port);

    let mut running = host.run();
    start(&test, &bot).await;
    until("the bot's start", async || host.is_alive()).await;
    until("its word for it", async || said(&test, &bot).await == Some(State::Active)).await;

    let placed = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await;
    until("a complete receipt", async || test.app.receipt(&test.actor("operator"), &placed.hold.id).await.unwrap().is_complete()).await;
    assert!(!host.is_alive(), "idle is said of a bot that is gone");
    test.release(&placed.hold.id, &["operator"]).await.unwrap();
    start(&test, &bot).await;
    until("the bot's second start", async || host.is_alive()).await;

    // The agent is killed and comes back: halted, whatever the server's start said.
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(host.is_alive(), "nobody was there to halt it: the README says so");
    let mut running = host.run();
    until("the halt of what survived", async || !host.is_alive()).await;
    until("its word for it", async || said(&test, &bot).await == Some(State::Halted)).await;
    assert!(!host.is_alive(), "and it is not started again by itself");
    start(&test, &bot).await;
    until("the bot's third start", async || host.is_alive()).await;
    running.kill().unwrap();
    running.wait().unwrap();
    server.abort();

    // A server that is behind says active: the agent remembers more, and stays halted.
    let memory = fs::read_to_string(dir.path().join("memory")).unwrap();
    let seen: i64 = memory.split(' ').next().unwrap().parse().unwrap();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = asked.clone();
    let behind = Router::new().route(
        "/agent/v1/check-in",
        post(move |Json(body): Json<serde_json::Value>| async move {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            assert_eq!(body["state"], "halted");
            Json(serde_json::json!({
                "directive": {"epoch": seen - 1, "state": "active", "orders": "keep", "recorded": [], "released": [], "unrecorded": [],
                    "start": {"epoch": seen + 1000}},
                "renew": {"seq": body["seq"], "epoch": seen - 1, "lease_ms": 30000},
            }))
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    host.reaches(listener.local_addr().unwrap().port());
    tokio::spawn(async move { axum::serve(listener, behind).await.unwrap() });
    let mut running = host.run();
    until("three check-ins", async || asked.load(std::sync::atomic::Ordering::SeqCst) >= 3).await;
    assert!(!host.is_alive(), "a server that is behind frees nothing");
    running.kill().unwrap();
    running.wait().unwrap();
}
