//! Freqtrade's REST API as a real 2026.9 answers it, with a worker loop of its own and its traps: `state` is a wish that the loop follows at its
//! next round, orders are placed after a stop was answered, a pause wakes a stopped bot, a restart and a reload forget it. The bodies are those
//! that a real bot sent, in `tests/freqtrade/recorded`.

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};

/// One round of its loop and the pause after it.
pub const THROTTLE: Duration = Duration::from_millis(120);
pub const PASSWORD: &str = "rig-only-password";

/// One open trade.
#[derive(Debug, Clone)]
pub struct Trade {
    pub id: i64,
    pub pair: String,
    /// It holds something.
    pub filled: bool,
    pub entry_rests: bool,
    pub exit_rests: bool,
}

/// What it is and does.
pub struct Inside {
    /// What it wishes: running, paused, stopped, reload_config.
    pub state: &'static str,
    /// What its worker does; none: it has not begun.
    pub mode: Option<&'static str>,
    pub initial_state: &'static str,
    pub trades: Vec<Trade>,
    /// Every entry order that it ever placed.
    pub entered: u32,
    /// Every call that changes something, as `pause`, `stop`, `cancel 3`.
    pub calls: Vec<String>,
    pub rounds: u32,
    /// How often it has looked whether it may enter.
    pub looks: u32,
    /// How many pairs it trades.
    pub pairs: usize,
    /// Its exchange takes so long for each call.
    pub exchange: Duration,
    /// So many cancels are answered 200 and do nothing.
    pub cancels_lost: u32,
    /// So often its loop places a cancelled entry order anew, paused or not.
    pub replaces: u32,
    /// Nobody answers.
    pub is_down: bool,
    /// It takes calls and never answers.
    pub hangs: bool,
    /// It takes so long to say what stands in its log by then.
    pub logs_take: Duration,
    /// It does not get at its wealth.
    pub balance_hangs: bool,
    /// It says what it is told and does as before.
    pub lies: bool,
    /// These calls it refuses.
    pub refuses: &'static [&'static str],
    /// Patterns of pairs that it does not enter.
    pub blacklist: Vec<String>,
    /// Locked pairs: number, pair, reason.
    pub locks: Vec<(i64, String, String)>,
    /// Its strategy may add to open trades.
    pub adds_to_trades: bool,
    last_process: Option<String>,
    startup: String,
    logs: Vec<Value>,
    boot: u32,
}

/// The bot.
#[derive(Clone)]
pub struct Fake {
    inside: Arc<Mutex<Inside>>,
    pub address: SocketAddr,
}

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn now_us() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

fn moment() -> String {
    jiff::Timestamp::from_microsecond(now_us()).unwrap().to_string()
}

impl Inside {
    fn log(&mut self, words: String) {
        let ms = now_us() as f64 / 1_000.0;
        self.logs.push(json!(["", ms, "freqtrade.worker", "INFO", words]));
    }
    pub fn resting_entries(&self) -> usize {
        self.trades.iter().filter(|trade| trade.entry_rests).count()
    }
    /// The pairs that it would enter now: as at the beginning of a round, when it reads its blacklist.
    fn enterable(&self) -> Vec<String> {
        let is_listed = |pair: &String| self.blacklist.iter().any(|pattern| *pattern == format!("(?#andon){pair}(:.*)?"));
        let is_open = |pair: &String| self.trades.iter().any(|trade| trade.pair == *pair);
        let room = self.pairs.saturating_sub(self.trades.len());
        (2..).map(|n| format!("P{n}/USDT")).filter(|pair| !is_listed(pair) && !is_open(pair)).take(room).collect()
    }
    /// Enters, whatever its blacklist says by now.
    pub fn enter(&mut self, pair: String) {
        let id = self.trades.iter().map(|trade| trade.id).max().unwrap_or(0) + 1;
        self.entered += 1;
        self.trades.push(Trade { id, pair, filled: false, entry_rests: true, exit_rests: false });
    }
}

/// A listener whose connections end at once while the bot is down.
struct Door(TcpListener, Fake);

impl axum::serve::Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;
    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Ok(caller) = self.0.accept().await
                && !self.1.at().is_down
            {
                return caller;
            }
        }
    }
    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Fake {
    /// A bot that begins in a state.
    pub async fn new(state: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inside = Inside {
            state,
            mode: None,
            initial_state: state,
            trades: vec![Trade { id: 1, pair: "BTC/USDT".into(), filled: true, entry_rests: false, exit_rests: true }],
            entered: 0,
            calls: Vec::new(),
            rounds: 0,
            looks: 0,
            pairs: 3,
            exchange: Duration::from_millis(5),
            cancels_lost: 0,
            replaces: 0,
            is_down: false,
            hangs: false,
            logs_take: Duration::ZERO,
            balance_hangs: false,
            lies: false,
            refuses: &[],
            blacklist: vec!["BNB/.*".into()],
            locks: vec![(1, "XRP/USDT".into(), "by hand".into())],
            adds_to_trades: false,
            last_process: None,
            startup: moment(),
            logs: Vec::new(),
            boot: 1,
        };
        let fake = Self { inside: Arc::new(Mutex::new(inside)), address: listener.local_addr().unwrap() };
        let router = Router::new()
            .route("/api/v1/show_config", get(show_config))
            .route("/api/v1/health", get(health))
            .route("/api/v1/status", get(status))
            .route("/api/v1/logs", get(logs))
            .route("/api/v1/trades", get(trades))
            .route("/api/v1/balance", get(balance))
            .route("/api/v1/daily", get(|| async { Json(recorded(include_str!("../../freqtrade/recorded/daily.json"))) }))
            .route("/api/v1/pause", post(pause))
            .route("/api/v1/stop", post(stop))
            .route("/api/v1/start", post(start))
            .route("/api/v1/reload_config", post(reload_config))
            .route("/api/v1/trades/{id}/open-order", delete(cancel))
            .route("/api/v1/blacklist", get(blacklist).post(add_to_blacklist).delete(take_from_blacklist))
            .route("/api/v1/locks", get(locks).post(lock))
            .route("/api/v1/locks/{id}", delete(unlock))
            .layer(axum::middleware::from_fn_with_state(fake.clone(), guard))
            .with_state(fake.clone());
        let door = Door(listener, fake.clone());
        tokio::spawn(async move { axum::serve(door, router).await });
        tokio::spawn(fake.clone().work());
        fake
    }

    pub fn at(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    /// What its worker does, and how many entry orders rest.
    pub fn works(&self) -> (Option<&'static str>, usize) {
        let at = self.at();
        (at.mode, at.resting_entries())
    }

    /// It ends and is started again, as by `kill -9` and a restart policy.
    pub fn restart(&self) {
        let mut at = self.at();
        at.state = at.initial_state;
        at.mode = None;
        at.last_process = None;
        at.logs.clear();
        // Its locks are in its database; what was added to its blacklist was in memory.
        at.blacklist.retain(|pattern| pattern == "BNB/.*");
        at.boot += 1;
    }

    /// Waits until its worker does this.
    pub async fn until_in(&self, mode: &'static str) {
        super::until(&format!("the bot is {mode}"), || self.at().mode == Some(mode)).await;
    }

    /// Its worker, as `worker.py` has it.
    async fn work(self) {
        loop {
            let (state, boot, exchange) = {
                let mut at = self.at();
                let state = if at.lies { at.mode.unwrap_or(at.state) } else { at.state };
                if at.mode != Some(state) {
                    let from = at.mode.map_or(String::new(), |mode| format!(" from {}", mode.to_uppercase()));
                    at.log(format!("Changing state{from} to: {}", state.to_uppercase()));
                    if matches!(state, "running" | "paused") && !matches!(at.mode, Some("running" | "paused")) {
                        at.startup = moment();
                    }
                    at.mode = Some(state);
                }
                (state, at.boot, at.exchange)
            };
            match state {
                "running" | "paused" => self.process(boot, exchange).await,
                "reload_config" => {
                    self.at().is_down = true;
                    tokio::time::sleep(THROTTLE * 2).await;
                    let mut at = self.at();
                    at.is_down = false;
                    at.state = at.initial_state;
                    at.last_process = None;
                    continue;
                }
                _ => {}
            }
            tokio::time::sleep(THROTTLE).await;
        }
    }

    /// One round: it looks once whether it may enter, and then places one order after the other.
    async fn process(&self, boot: u32, exchange: Duration) {
        tokio::time::sleep(exchange).await;
        let room = {
            let mut at = self.at();
            if at.replaces > 0 && at.resting_entries() == 0 && at.entered > 0 {
                at.replaces -= 1;
                if let Some(pair) = at.enterable().into_iter().next() {
                    at.enter(pair);
                }
            }
            at.looks += 1;
            let running = at.state == "running" || at.lies;
            if running { at.enterable() } else { Vec::new() }
        };
        for pair in room {
            tokio::time::sleep(exchange).await;
            let mut at = self.at();
            if at.boot != boot {
                return;
            }
            at.enter(pair);
        }
        let mut at = self.at();
        if at.boot == boot {
            at.last_process = Some(moment());
            at.rounds += 1;
        }
    }
}

async fn guard(State(fake): State<Fake>, request: Request, next: Next) -> Response {
    if fake.at().hangs {
        std::future::pending::<()>().await;
    }
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let right = format!("Basic {}", data_encoding::BASE64.encode(format!("rig:{PASSWORD}").as_bytes()));
    if given != right {
        return (StatusCode::UNAUTHORIZED, Json(json!({"detail": "Unauthorized"}))).into_response();
    }
    let path = request.uri().path().to_owned();
    let refused = fake.at().refuses.iter().find(|call| path.ends_with(**call));
    if let Some(call) = refused {
        fake.at().calls.push(format!("{call} refused"));
        return (StatusCode::BAD_GATEWAY, Json(json!({"error": format!("Error querying {path}: it does not work")}))).into_response();
    }
    next.run(request).await
}

async fn show_config(State(fake): State<Fake>) -> Json<Value> {
    let mut config = recorded(include_str!("../../freqtrade/recorded/show_config.json"));
    config["state"] = fake.at().state.into();
    config["position_adjustment_enable"] = fake.at().adds_to_trades.into();
    Json(config)
}

async fn health(State(fake): State<Fake>) -> Json<Value> {
    let mut health = recorded(include_str!("../../freqtrade/recorded/health.json"));
    let at = fake.at();
    health["last_process"] = at.last_process.clone().into();
    health["bot_startup"] = at.startup.clone().into();
    Json(health)
}

async fn balance(State(fake): State<Fake>) -> Json<Value> {
    while fake.at().balance_hangs {
        tokio::time::sleep(THROTTLE).await;
    }
    Json(recorded(include_str!("../../freqtrade/recorded/balance.json")))
}

async fn logs(State(fake): State<Fake>) -> Json<Value> {
    let takes = fake.at().logs_take;
    tokio::time::sleep(takes).await;
    let at = fake.at();
    Json(json!({"log_count": at.logs.len(), "logs": at.logs}))
}

async fn status(State(fake): State<Fake>) -> Json<Value> {
    Json(fake.at().trades.iter().map(shown).collect())
}

/// Trades that ended: one, entered and sold.
async fn trades(Query(asked): Query<Vec<(String, String)>>) -> Json<Value> {
    let known = ["limit", "offset", "order_by_id"];
    assert!(asked.iter().all(|(name, _)| known.contains(&name.as_str())), "{asked:?}");
    let mut one = recorded(include_str!("../../freqtrade/recorded/status.json"))[1].clone();
    one["is_open"] = false.into();
    let mut exit = one["orders"][0].clone();
    exit["order_id"] = "exit-1".into();
    exit["ft_order_side"] = "sell".into();
    one["orders"].as_array_mut().unwrap().push(exit);
    Json(json!({"trades": [one], "trades_count": 1, "offset": 0, "total_trades": 1}))
}

fn shown(trade: &Trade) -> Value {
    let all = recorded(include_str!("../../freqtrade/recorded/status.json"));
    let mut one = if trade.filled { all[0].clone() } else { all[2].clone() };
    one["trade_id"] = trade.id.into();
    one["pair"] = trade.pair.clone().into();
    let order = |side: &str| {
        let mut order = all[2]["orders"][0].clone();
        order["ft_order_side"] = side.into();
        order
    };
    let mut orders: Vec<Value> = if trade.filled { vec![all[0]["orders"][0].clone()] } else { Vec::new() };
    orders.extend(trade.entry_rests.then(|| order("buy")));
    orders.extend(trade.exit_rests.then(|| order("sell")));
    one["orders"] = orders.into();
    one
}

fn said(words: &str) -> Json<Value> {
    Json(json!({"status": words}))
}

async fn pause(State(fake): State<Fake>) -> Json<Value> {
    let mut at = fake.at();
    at.calls.push("pause".into());
    if at.state == "running" {
        at.state = "paused";
    }
    if at.state == "stopped" {
        at.state = "paused";
        return said("starting bot with trader in paused state, no entries will occur. Run /start to enable entries.");
    }
    said("paused, no more entries will occur from now. Run /start to enable entries.")
}

async fn stop(State(fake): State<Fake>) -> Json<Value> {
    let mut at = fake.at();
    at.calls.push("stop".into());
    if at.state == "stopped" {
        return said("already stopped");
    }
    at.state = "stopped";
    said("stopping trader ...")
}

async fn start(State(fake): State<Fake>) -> Json<Value> {
    let mut at = fake.at();
    at.calls.push("start".into());
    if at.state == "running" {
        return said("already running");
    }
    at.state = "running";
    said("starting trader ...")
}

async fn reload_config(State(fake): State<Fake>) -> Response {
    fake.at().state = "reload_config";
    if fake.at().refuses.contains(&"reload_config answers an error") {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    said("Reloading config ...").into_response()
}

async fn blacklist(State(fake): State<Fake>) -> Json<Value> {
    let all = fake.at().blacklist.clone();
    Json(json!({"method": ["StaticPairList"], "length": all.len(), "blacklist": all, "blacklist_expanded": [], "errors": {}}))
}

async fn add_to_blacklist(State(fake): State<Fake>, Json(said): Json<Value>) -> Json<Value> {
    for pattern in said["blacklist"].as_array().unwrap() {
        let pattern = pattern.as_str().unwrap().to_owned();
        let mut at = fake.at();
        at.calls.push(format!("blacklist {pattern}"));
        if !at.blacklist.contains(&pattern) && !at.lies {
            at.blacklist.push(pattern);
        }
    }
    blacklist(State(fake)).await
}

async fn take_from_blacklist(State(fake): State<Fake>, Query(asked): Query<Vec<(String, String)>>) -> Json<Value> {
    for (name, pattern) in asked {
        assert_eq!(name, "pairs_to_delete");
        fake.at().calls.push(format!("unlist {pattern}"));
        fake.at().blacklist.retain(|known| *known != pattern);
    }
    blacklist(State(fake)).await
}

async fn locks(State(fake): State<Fake>) -> Json<Value> {
    let shown = |(id, pair, reason): &(i64, String, String)| json!({"id": id, "active": true, "pair": pair, "side": "*", "reason": reason});
    let all: Vec<Value> = fake.at().locks.iter().map(shown).collect();
    Json(json!({"lock_count": all.len(), "locks": all}))
}

async fn lock(State(fake): State<Fake>, Json(said): Json<Vec<Value>>) -> Json<Value> {
    for one in said {
        let (pair, reason) = (one["pair"].as_str().unwrap().to_owned(), one["reason"].as_str().unwrap().to_owned());
        let mut at = fake.at();
        at.calls.push(format!("lock {pair}"));
        let id = at.locks.iter().map(|(id, ..)| *id).max().unwrap_or(0) + 1;
        at.locks.push((id, pair, reason));
    }
    locks(State(fake)).await
}

async fn unlock(State(fake): State<Fake>, Path(id): Path<i64>) -> Json<Value> {
    fake.at().calls.push(format!("unlock {id}"));
    fake.at().locks.retain(|(known, ..)| *known != id);
    locks(State(fake)).await
}

async fn cancel(State(fake): State<Fake>, Path(id): Path<i64>) -> Response {
    let refused = |why: &str| {
        let error = format!("Error querying /api/v1/trades/{id}/open-order: {why}");
        (StatusCode::BAD_GATEWAY, Json(json!({"error": error}))).into_response()
    };
    let exchange = fake.at().exchange;
    if fake.at().state != "stopped" {
        tokio::time::sleep(exchange).await;
    }
    let mut at = fake.at();
    at.calls.push(format!("cancel {id}"));
    if at.state == "stopped" {
        return refused("trader is not running");
    }
    let lost = at.cancels_lost > 0;
    at.cancels_lost = at.cancels_lost.saturating_sub(1);
    let Some(trade) = at.trades.iter_mut().find(|trade| trade.id == id) else { return refused("Invalid trade_id.") };
    if !trade.entry_rests && !trade.exit_rests {
        return refused("No open order for trade_id.");
    }
    if !lost {
        (trade.entry_rests, trade.exit_rests) = (false, false);
        if !trade.filled {
            // A trade that ends with its entry order is none any more.
            at.trades.retain(|trade| trade.id != id);
            return refused("no active trade");
        }
    }
    let trade = at.trades.iter().find(|trade| trade.id == id).map(shown);
    Json(trade.unwrap_or_default()).into_response()
}
