//! A real Freqtrade in a folder of its own, started and ended by the scripts beside this file, and asked over its API as its owner would.

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

pub const USER: &str = "rig";
pub const PASSWORD: &str = "rig-only-password";

pub struct Rig {
    pub port: u16,
    mock_port: u16,
    run: tempfile::TempDir,
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/freqtrade")
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Rig {
    /// Starts it and waits until it is in this state.
    pub async fn start(state: &str) -> Self {
        let rig = Self { port: free_port(), mock_port: free_port(), run: tempfile::tempdir().unwrap() };
        rig.script("run.sh", &[("RIG_INITIAL_STATE", state)]).await;
        rig
    }

    async fn script(&self, name: &str, settings: &[(&str, &str)]) {
        let mut command = tokio::process::Command::new(here().join(name));
        command.env("RIG_RUN_DIR", self.run.path()).env("RIG_API_PORT", self.port.to_string());
        command.env("RIG_MOCK_PORT", self.mock_port.to_string()).envs(settings.iter().copied()).stdout(Stdio::null());
        assert!(command.status().await.unwrap().success(), "{name}");
    }

    /// Ends it as `kill -9` does, and starts it with the trades it had.
    pub async fn kill_and_start(&mut self) {
        let pid = std::fs::read_to_string(self.run.path().join("freqtrade.pid")).unwrap();
        assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
        self.script("stop.sh", &[]).await;
        self.script("run.sh", &[("RIG_INITIAL_STATE", "stopped"), ("RIG_KEEP_DB", "1")]).await;
    }

    async fn get(&self, path: &str) -> Value {
        self.call("GET", path, String::new()).await
    }

    async fn call(&self, method: &str, path: &str, body: String) -> Value {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let basic = data_encoding::BASE64.encode(format!("{USER}:{PASSWORD}").as_bytes());
        let request = Request::builder().method(method).uri(format!("http://127.0.0.1:{}/api/v1/{path}", self.port));
        let request = request.header("authorization", format!("Basic {basic}")).header("content-type", "application/json");
        let answer = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    pub async fn version(&self) -> String {
        self.get("show_config").await["version"].as_str().unwrap().to_owned()
    }
    pub async fn state(&self) -> String {
        self.get("show_config").await["state"].as_str().unwrap().to_owned()
    }
    pub async fn entry_orders(&self) -> usize {
        let trades = self.get("status").await;
        let orders = trades.as_array().unwrap().iter().flat_map(|trade| trade["orders"].as_array().unwrap().iter());
        orders.filter(|order| order["is_open"] == true && order["ft_order_side"] == "buy").count()
    }
    /// The pairs in which entry orders rest.
    pub async fn entries(&self) -> Vec<String> {
        let trades = self.get("status").await;
        let rests = |trade: &&Value| {
            trade["orders"].as_array().unwrap().iter().any(|order| order["is_open"] == true && order["ft_order_side"] == "buy")
        };
        trades.as_array().unwrap().iter().filter(rests).map(|trade| trade["pair"].as_str().unwrap().to_owned()).collect()
    }
    pub async fn blacklist(&self) -> Value {
        self.get("blacklist").await["blacklist"].clone()
    }
    /// Adds to it by hand.
    pub async fn add_to_blacklist(&self, pattern: &str) {
        self.call("POST", "blacklist", format!(r#"{{"blacklist":["{pattern}"]}}"#)).await;
    }
    /// The pairs that are locked.
    pub async fn locked(&self) -> Vec<String> {
        let locks = self.get("locks").await;
        locks["locks"].as_array().unwrap().iter().map(|lock| lock["pair"].as_str().unwrap().to_owned()).collect()
    }
    /// The state that its worker said last to work in.
    pub async fn worker_mode(&self) -> String {
        let logs = self.get("logs").await;
        let mut lines = logs["logs"].as_array().unwrap().iter().filter_map(|line| line[4].as_str());
        let last = lines.rfind(|line| line.starts_with("Changing state")).unwrap_or_default().to_owned();
        last.rsplit(' ').next().unwrap_or_default().to_owned()
    }
    /// Everything that matters, in words.
    pub async fn facts(&self) -> String {
        let trades = self.get("status").await.as_array().unwrap().len();
        format!("show_config.state={}, {trades} open trades, {} entry orders", self.state().await, self.entry_orders().await)
    }
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        for _ in 0..600 {
            if holds(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never {what}: {}", self.facts().await);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let mut command = Command::new(here().join("stop.sh"));
        let _ = command.env("RIG_RUN_DIR", self.run.path()).stdout(Stdio::null()).status();
    }
}
