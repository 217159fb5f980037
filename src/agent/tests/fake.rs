//! A server that does as the test tells it, and a bot that does too.

use crate::agent::adapters::{Adapter, AdapterError, Finding, LeftOut, ReadBack, Resting, Traits, Wanted};
use crate::agent::{
    Agent, AgentConfig, AgentDir, BootClock, Credential, KeyRing, MemoryStore, Outcome, link::trust::Trust, link::wire::Wire,
    link::wire::WireError,
};
use crate::domain::{AgentId, BotId, Clock, Epoch, Exits, InstallationId, Orders, Secret, State, Step, Timestamp};
use crate::protocol::{
    AckFrame, BlockedFrame, CheckIn, DirectiveFrame, EventFrame, FillFrame, FillsTaken, FromAgent, FromServer, KeyAckFrame, KeyOrder,
    LimitsFrame, PollAnswer, PollCheckIn, Renew, Report, SUBPROTOCOL, StartFrame, Welcome,
};
use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::{
        Query, State as Shared,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch};

/// What the server does.
pub struct Script {
    pub directive: DirectiveFrame,
    pub installation: InstallationId,
    pub timings: (i64, i64, i64),
    pub renews: bool,
    pub renew_delay: Duration,
    /// `POST check-in` and `GET directive` answer this instead.
    pub poll_refused: Option<StatusCode>,
    pub stream_refused: Option<StatusCode>,
    /// Streams are opened and welcomed, and then nothing is heard of them.
    pub half_open: bool,
    /// Open streams are closed with this code.
    pub close_with: Option<u16>,
    /// Keys in every answer of the poll path, and once on each stream.
    pub keys: Vec<KeyOrder>,
    // What was heard.
    pub heard: Vec<(&'static str, CheckIn, i64)>,
    pub answered: Vec<i64>,
    pub acks: Vec<AckFrame>,
    pub events: Vec<EventFrame>,
    pub key_acks: Vec<KeyAckFrame>,
    /// `POST fills` answers this instead, and takes none.
    pub fills_refused: Option<StatusCode>,
    /// Each batch that was taken.
    pub fills: Vec<Vec<FillFrame>>,
    pub hellos: usize,
    /// What the last hello said of keys.
    pub hello_keys: std::collections::BTreeMap<String, i64>,
}

#[derive(Clone)]
pub struct Fake {
    script: Arc<Mutex<Script>>,
    changed: watch::Sender<u64>,
    pub address: std::net::SocketAddr,
}

pub fn frame(epoch: i64, state: State, start: Option<i64>) -> DirectiveFrame {
    DirectiveFrame {
        epoch: Epoch(epoch),
        state,
        orders: if state == State::Active { Orders::Keep } else { Orders::CancelEntries },
        exits: Exits::Managed,
        drop_keys: false,
        reasons: Vec::new(),
        limits: LimitsFrame { version: 0, values: None },
        lease_ms: 30_000,
        holds: Vec::new(),
        blocked: Vec::new(),
        released: Vec::new(),
        recorded: Vec::new(),
        unrecorded: Vec::new(),
        start: start.map(|epoch| StartFrame {
            epoch: Epoch(epoch),
            act: String::new(),
            leaf: serde_json::Value::Null,
            proof: Vec::new(),
            leaf_index: 0,
            assertions: Vec::new(),
        }),
        sent_at: Timestamp(0),
    }
}

pub fn now_ms() -> i64 {
    BootClock::system().now_ms()
}

impl Fake {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let script = Script {
            directive: frame(10, State::Halted, None),
            installation: InstallationId::new(),
            timings: (100, 1_000, 3_000),
            renews: true,
            renew_delay: Duration::ZERO,
            poll_refused: None,
            stream_refused: None,
            half_open: false,
            close_with: None,
            heard: Vec::new(),
            answered: Vec::new(),
            acks: Vec::new(),
            events: Vec::new(),
            keys: Vec::new(),
            key_acks: Vec::new(),
            fills_refused: None,
            fills: Vec::new(),
            hellos: 0,
            hello_keys: Default::default(),
        };
        let fake = Self { script: Arc::new(Mutex::new(script)), changed: watch::Sender::new(0), address: listener.local_addr().unwrap() };
        let router = Router::new()
            .route("/agent/v1/check-in", post(check_in))
            .route("/agent/v1/directive", get(directive))
            .route("/agent/v1/fills", post(fills))
            .route("/agent/v1/stream", get(stream))
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }
    /// Changes what the server does and lets every connection know.
    pub fn now(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script());
        self.changed.send_modify(|n| *n += 1);
    }
    pub fn says(&self, directive: DirectiveFrame) {
        self.now(|script| script.directive = directive);
    }
    pub fn has_ack(&self, epoch: i64, step: Step, state: State) -> bool {
        self.script().acks.iter().any(|ack| (ack.epoch, ack.step, ack.state) == (Epoch(epoch), step, Some(state)))
    }
    pub fn heard_on(&self, channel: &str) -> usize {
        self.script().heard.iter().filter(|(on, ..)| *on == channel).count()
    }
    pub fn last(&self) -> CheckIn {
        self.script().heard.last().expect("nothing was heard").1.clone()
    }

    pub fn credential(&self) -> Credential {
        let (check_in_ms, stale_after_ms, lapse_after_ms) = self.script().timings;
        Credential {
            server: crate::agent::credential::check_server(&format!("http://{}", self.address)).unwrap(),
            token: Secret::new("andon_agent_test".into()),
            agent: AgentId::new(),
            bot: BotId::new(),
            bot_name: "grid-1".into(),
            installation: self.script().installation.clone(),
            check_in_ms,
            stale_after_ms,
            lapse_after_ms,
            fingerprint: String::new(),
        }
    }
}

fn hear(script: &mut Script, channel: &'static str, said: &CheckIn) -> Option<Renew> {
    script.heard.push((channel, said.clone(), now_ms()));
    let knows = said.epoch.is_some_and(|epoch| epoch >= script.directive.epoch);
    (script.renews && knows).then(|| {
        script.answered.push(now_ms());
        Renew { seq: said.seq, epoch: said.epoch.unwrap(), lease_ms: script.timings.2, server_time: Timestamp(0) }
    })
}

async fn check_in(Shared(fake): Shared<Fake>, Json(said): Json<PollCheckIn>) -> Response {
    let mut script = fake.script();
    if let Some(status) = script.poll_refused {
        return status.into_response();
    }
    script.acks.extend(said.acks.iter().cloned());
    script.events.extend(said.events.iter().cloned());
    script.key_acks.extend(said.key_acks.iter().cloned());
    let renew = hear(&mut script, "poll", &said.check_in);
    let (installation, directive) = (script.installation.clone(), script.directive.clone());
    Json(PollAnswer { installation, directive, renew, keys: script.keys.clone(), fills: None, error: None }).into_response()
}

async fn fills(Shared(fake): Shared<Fake>, Json(told): Json<Vec<FillFrame>>) -> Response {
    let mut script = fake.script();
    if let Some(status) = script.fills_refused {
        return status.into_response();
    }
    if told.len() > 1 && told.iter().any(|fill| fill.id == "unwanted") || told[0].id == "unwanted" {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    let taken = FillsTaken { accepted: told.len(), ids: Vec::new() };
    script.fills.push(told);
    (StatusCode::ACCEPTED, Json(taken)).into_response()
}

async fn directive(Shared(fake): Shared<Fake>, Query(asked): Query<HashMap<String, i64>>) -> Response {
    let mut changed = fake.changed.subscribe();
    loop {
        {
            let script = fake.script();
            if let Some(status) = script.poll_refused {
                return status.into_response();
            }
            if script.directive.epoch.0 > asked["after"] {
                return Json(script.directive.clone()).into_response();
            }
        }
        let _ = changed.changed().await;
    }
}

async fn stream(Shared(fake): Shared<Fake>, upgrade: WebSocketUpgrade) -> Response {
    if let Some(status) = fake.script().stream_refused {
        return status.into_response();
    }
    upgrade.protocols([SUBPROTOCOL]).on_upgrade(move |socket| async move { serve(fake, socket).await })
}

fn text(frame: &FromServer) -> Message {
    Message::text(serde_json::to_string(frame).unwrap())
}

async fn serve(fake: Fake, mut socket: WebSocket) {
    let mut changed = fake.changed.subscribe();
    let mut told = None;
    let mut keys_sent = Vec::new();
    loop {
        let next = tokio::select! {
            _ = changed.changed() => None,
            next = socket.recv() => match next { Some(Ok(message)) => Some(message), _ => return },
        };
        if fake.script().half_open && told.is_some() {
            continue;
        }
        let close = fake.script().close_with;
        if let Some(code) = close {
            let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: "test".into() }))).await;
            return;
        }
        let mut out = Vec::new();
        let directive = fake.script().directive.clone();
        match next.map(|message| serde_json::from_str::<FromAgent>(message.to_text().unwrap_or("{}"))) {
            Some(Ok(FromAgent::Hello(hello))) => {
                let mut script = fake.script();
                script.hello_keys = hello.key_versions;
                script.hellos += 1;
                let (check_in_ms, stale_after_ms, lapse_after_ms) = script.timings;
                let installation = script.installation.clone();
                let server_time = Timestamp(0);
                let directive = directive.clone();
                let welcome = Welcome { installation, server_time, check_in_ms, stale_after_ms, lapse_after_ms, directive };
                told = Some(script.directive.clone());
                out.push(text(&FromServer::Welcome(Box::new(welcome))));
            }
            Some(Ok(FromAgent::CheckIn(said))) => {
                let renew = hear(&mut fake.script(), "stream", &said);
                if said.state != Some(directive.state) {
                    told = None;
                }
                let delay = fake.script().renew_delay;
                tokio::time::sleep(delay).await;
                out.extend(renew.map(|renew| text(&FromServer::Renew(renew))));
            }
            Some(Ok(FromAgent::Ack(ack))) => fake.script().acks.push(ack),
            Some(Ok(FromAgent::Event(event))) => fake.script().events.push(event),
            Some(Ok(FromAgent::KeyAck(ack))) => fake.script().key_acks.push(ack),
            _ => {}
        }
        if fake.script().hellos > 0 && told.as_ref() != Some(&directive) {
            out.insert(0, text(&FromServer::Directive(Box::new(directive.clone()))));
            told = Some(directive);
        }
        let keys = fake.script().keys.clone();
        if told.is_some() && keys != keys_sent {
            out.extend(keys.iter().map(|order| Message::text(serde_json::to_string(order).unwrap())));
            keys_sent = keys;
        }
        for message in out {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    }
}

/// What the bot does.
#[derive(Debug, Clone)]
pub struct Strings {
    pub doing: State,
    pub orders: Orders,
    pub runs: u32,
    pub told: Vec<Wanted>,
    pub start_takes: Duration,
    /// What leaves it its exits takes so long; a kill does not.
    pub pause_takes: Duration,
    pub deaf: bool,
    /// It cannot be looked at.
    pub hidden: bool,
    /// A look does not tell its orders; a report does.
    pub hides_orders: bool,
    /// It can cancel orders.
    pub cancels: bool,
    /// A report takes so long.
    pub report_takes: Duration,
    pub entry_orders: Option<u64>,
    pub open_orders: u64,
    /// What it tells of fills, again and again.
    pub fills: Vec<FillFrame>,
    pub exits: Option<Exits>,
    /// How it leaves out symbols; none: it cannot.
    pub symbols: Option<Symbols>,
    /// The symbols that it leaves out.
    pub left_out: Vec<String>,
}

/// How it leaves out symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbols {
    AtOnce,
    /// It has not proved it yet.
    NotYet,
    Refuses,
}

impl Strings {
    fn resting(&self) -> Resting {
        Resting { entry: self.entry_orders, all: Some(self.open_orders) }
    }
}

/// A bot on strings.
#[derive(Clone)]
pub struct Puppet(pub Arc<Mutex<Strings>>);

impl Puppet {
    pub fn new(doing: State) -> Self {
        let strings = Strings {
            doing,
            orders: Orders::Keep,
            runs: 1,
            told: Vec::new(),
            start_takes: Duration::ZERO,
            pause_takes: Duration::ZERO,
            deaf: false,
            hidden: false,
            hides_orders: false,
            cancels: true,
            report_takes: Duration::ZERO,
            entry_orders: Some(0),
            open_orders: 3,
            fills: Vec::new(),
            exits: Some(Exits::Managed),
            symbols: None,
            left_out: Vec::new(),
        };
        Self(Arc::new(Mutex::new(strings)))
    }
    pub fn at(&self) -> MutexGuard<'_, Strings> {
        self.0.lock().unwrap()
    }
    pub fn is(&self, state: State) -> bool {
        self.at().doing == state
    }
    fn seen(&self) -> ReadBack {
        let strings = self.at();
        let resting = if strings.hides_orders { Resting::default() } else { strings.resting() };
        ReadBack { state: strings.doing, instance: Some(strings.runs.to_string()), resting, exits: strings.exits }
    }
}

#[async_trait]
impl Adapter for Puppet {
    fn name(&self) -> &'static str {
        "puppet"
    }
    fn traits(&self) -> Traits {
        let (can_cancel, symbols) = {
            let at = self.at();
            (at.cancels, at.symbols)
        };
        let leaves_out_within_ms = symbols.map(|_| 2_000);
        Traits { can_reduce: true, can_tell_orders: true, can_cancel, can_manage_exits: true, dies_with_agent: false, leaves_out_within_ms }
    }
    fn apply_within_ms(&self) -> i64 {
        1_000
    }
    async fn apply(&self, wanted: &Wanted) -> Result<ReadBack, AdapterError> {
        self.at().told.push(*wanted);
        if wanted.state == State::Halted && self.at().deaf {
            return Err(AdapterError::new("deaf"));
        }
        if wanted.state > self.at().doing {
            let takes = self.at().start_takes;
            tokio::time::sleep(takes).await;
        } else if wanted.exits == Exits::Managed {
            let takes = self.at().pause_takes;
            tokio::time::sleep(takes).await;
        }
        self.at().doing = wanted.state;
        self.at().orders = wanted.orders;
        Ok(self.seen())
    }
    async fn leave_out(&self, symbols: &[BlockedFrame]) -> Result<LeftOut, AdapterError> {
        while self.at().symbols == Some(Symbols::NotYet) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if self.at().symbols == Some(Symbols::Refuses) {
            return Err(AdapterError::new("it refuses"));
        }
        self.at().left_out = symbols.iter().map(|one| one.symbol.clone()).collect();
        Ok(LeftOut { entry_orders: Some(0) })
    }
    async fn look(&self) -> Result<ReadBack, AdapterError> {
        if self.at().hidden {
            return Err(AdapterError::new("hidden"));
        }
        Ok(self.seen())
    }
    async fn changed(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    async fn report(&self) -> Result<Option<Report>, AdapterError> {
        let (resting, takes) = {
            let at = self.at();
            (at.resting(), at.report_takes)
        };
        tokio::time::sleep(takes).await;
        Ok(Some(Report { entry_orders: resting.entry, open_orders: resting.all, ..Report::default() }))
    }
    async fn fills(&self) -> Vec<FillFrame> {
        self.at().fills.clone()
    }
    fn halt_now(&self, _wanted: &Wanted) -> Result<(), AdapterError> {
        self.at().doing = State::Halted;
        Ok(())
    }
    async fn examine(&self, _restart: bool) -> Vec<Finding> {
        Vec::new()
    }
}

/// An agent at work, ended with the test.
pub struct AtWork {
    pub end: Option<tokio::sync::oneshot::Sender<()>>,
    pub task: tokio::task::JoinHandle<Result<Outcome, WireError>>,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn work(credential: &Credential, bot: &Puppet, dir: &AgentDir) -> AtWork {
    work_with(credential, bot, dir, (None, BootClock::system()))
}

/// An agent that keeps keys, on a clock of the test's.
pub fn work_with(credential: &Credential, bot: &Puppet, dir: &AgentDir, (keys, boot_clock): (Option<KeyRing>, BootClock)) -> AtWork {
    let store = MemoryStore::new(dir, credential.agent.clone());
    let config = AgentConfig {
        credential: credential.clone(),
        keeper: None,
        keys,
        measurer: None,
        wire: Wire::new(true, &Trust::System).unwrap(),
        clock: Clock::system(),
        boot_clock,
        tether: None,
    };
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let agent = Agent::new(config, Box::new(bot.clone()), store);
    let task = tokio::spawn(agent.run(async move {
        let _ = ended.await;
    }));
    AtWork { end: Some(end), task }
}

pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

/// Watches that something stays as it is.
pub async fn stays(what: &str, ms: i64, holds: impl Fn() -> bool) {
    let until = now_ms() + ms;
    while now_ms() < until {
        assert!(holds(), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
