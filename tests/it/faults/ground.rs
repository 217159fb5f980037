//! What a fault test stands on: a fresh database with people, tokens, bots and enrolled agents, all made before the server's process starts.

use super::{
    crew::Person,
    host::{Host, STOP_WITHIN_MS},
    server,
};
use crate::harness::{
    app::TestApp,
    db::{Fresh, Place},
};
use andon::{
    app::acts::Outcome,
    domain::{ActKind, AgentId, BotFacts, Timings},
    storage::{self, Lane},
};
use std::{
    fs::{self, File},
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Mutex,
};
use tokio::{net::TcpListener, sync::oneshot};

/// Short, so that a test can wait for a lapse.
pub const TIMINGS: Timings =
    Timings { check_in_ms: 300, stale_after_ms: 1_000, lapse_after_ms: 3_000, apply_within_ms: STOP_WITHIN_MS + 1_000 };

/// The ground.
pub struct Ground {
    pub place: Place,
    pub address: SocketAddr,
    pub origin: String,
    pub people: Vec<Person>,
    /// Tokens that may stop, and that may read.
    pub stop_token: String,
    pub read_token: String,
    noted: Mutex<String>,
    dir: tempfile::TempDir,
}

impl Ground {
    /// Makes it, with so many bots in sandbox of team `arb`, each with a confirmed agent on a host of its own.
    pub async fn new(fresh: Fresh, bots: usize) -> (Self, Vec<Host>) {
        Self::with_timings(fresh, bots, TIMINGS).await
    }

    /// The same with other timings.
    pub async fn with_timings(fresh: Fresh, bots: usize, timings: Timings) -> (Self, Vec<Host>) {
        let (listener, address) = free_port().await;
        let origin = format!("http://localhost:{}", address.port());
        let test = TestApp::at(fresh, &origin).await;
        let (stop, told) = oneshot::channel::<()>();
        let serving = tokio::spawn(andon::web::server::serve(listener, test.app.clone(), async { drop(told.await) }));
        let mut hosts = Vec::new();
        for n in 1..=bots {
            hosts.push(host(&test, &format!("arb-{n}"), timings).await);
        }
        let (stop_token, read_token) = (token(&test, "stop-only").await, token(&test, "read").await);
        let named = |who: &'static str| Person {
            who,
            name: test.app.people().user(&test.people[who].id).unwrap().name.clone(),
            key: test.people[who].key.clone(),
        };
        let people = ["operator", "lead", "risk"].map(named).to_vec();
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
        test.app.db.close().await;
        let Fresh { place, dir, .. } = test.fresh;
        (Self { place, address, origin, people, stop_token, read_token, noted: Mutex::default(), dir }, hosts)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }
    pub fn state_dir(&self) -> PathBuf {
        self.path().join("state")
    }
    /// Verifies the log with everything that lies beside it, as its own program.
    pub fn verify(&self) -> std::process::Output {
        let mut verify = server::command(server::andon());
        verify.args(["audit", "verify", "--origin", &self.origin]).arg("--data").arg(self.path());
        if let Place::Url(url) = &self.place {
            verify.args(["--database-url", url]);
        }
        verify.output().unwrap()
    }
    /// Where a process writes its log.
    pub fn log(&self, name: &str) -> File {
        File::options().create(true).append(true).open(self.path().join(format!("{name}.log"))).unwrap()
    }
    /// Notes beside the logs what a test does; the same again is not noted.
    pub fn note(&self, what: &str) {
        let mut noted = self.noted.lock().unwrap();
        if *noted != what {
            *noted = what.to_owned();
            writeln!(self.log("test"), "{} {what}", super::now_ms()).unwrap();
        }
    }
}

impl Drop for Ground {
    /// A failed test shows what its processes said last.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let hosts = fs::read_dir(self.path()).unwrap().flatten().map(|entry| entry.path().join("log"));
        let logs = [self.path().join("test.log"), self.path().join("server.log")];
        for log in logs.into_iter().chain(hosts).filter(|log| log.exists()) {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = lines.len().saturating_sub(100);
            eprintln!("== {}\n{}", log.display(), lines[last..].join("\n"));
        }
    }
}

/// A port that no connection of another process takes by chance while its server is down: below those the system hands out.
async fn free_port() -> (TcpListener, SocketAddr) {
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(10_000..32_000)));
        if let Ok(listener) = TcpListener::bind(address).await {
            return (listener, address);
        }
    }
}

async fn host(test: &TestApp, name: &str, timings: Timings) -> Host {
    let bot = test.bot(name, "arb").await;
    set_timings(test, &bot, timings).await;
    let dir = test.fresh.dir.path().join(name);
    let act = test.app.prepare_single(&test.actor("operator"), ActKind::EnrolmentCode { bot: bot.id.clone() }).await.unwrap();
    let Outcome::Secret { secret, .. } = test.sign("operator", &act).await.unwrap() else { panic!("no code") };
    let mut enrolling = tokio::process::Command::from({
        let mut command = server::command(server::andon());
        command.args(["agent", "enrol", "--server", &test.origin, "--code", "-", "--name", name, "--dir"]).arg(&dir);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command
    })
    .spawn()
    .unwrap();
    let mut stdin = enrolling.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, secret.expose().as_bytes()).await.unwrap();
    drop(stdin);
    assert!(enrolling.wait().await.unwrap().success());
    let host = Host::new(&dir, name, &bot.id);
    let row = test.app.agent(&test.actor("operator"), &AgentId::parse(host.agent_id()).unwrap()).await.unwrap();
    let confirm = ActKind::AgentConfirm { agent: row.id, bot: row.bot_id, fingerprint: row.fingerprint };
    let act = test.app.prepare_single(&test.actor("operator"), confirm).await.unwrap();
    test.sign("operator", &act).await.unwrap();
    host
}

async fn set_timings(test: &TestApp, bot: &BotFacts, timings: Timings) {
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    let fact_epoch = storage::epoch::epoch_take(&mut tx).await.unwrap();
    let mut facts = storage::bots::bot_by_id(&mut tx, &bot.id).await.unwrap().unwrap();
    (facts.timings, facts.fact_epoch) = (timings, fact_epoch);
    storage::bots::bot_edit(&mut tx, &facts).await.unwrap();
    tx.commit().await.unwrap();
    test.app.refresh().await.unwrap();
}

async fn token(test: &TestApp, scope: &str) -> String {
    let kind = ActKind::TokenCreate { name: scope.into(), scope: scope.into(), team: None, days: 90 };
    let act = test.app.prepare_single(&test.actor("admin"), kind).await.unwrap();
    let Outcome::Secret { secret, .. } = test.sign("admin", &act).await.unwrap() else { panic!("no token") };
    secret.expose().clone()
}
