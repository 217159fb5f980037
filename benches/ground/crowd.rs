//! A crowd of agents: each says hello, checks in at its pace, notes when a newer directive is there, and says at once that it received it.
//! The same crowd stands before the server and before the floor, so that its own work is in both figures.

use super::{figures::now_us, site::Credential};
use andon::{
    domain::{Epoch, State, Step},
    protocol::{AckFrame, CheckIn, FromAgent, Hello, HelloAgent, HelloBot, SUBPROTOCOL},
};
use futures_util::{SinkExt, StreamExt};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpStream, sync::Semaphore, time::MissedTickBehavior};
use tokio_rustls::{TlsConnector, rustls::ClientConfig};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

/// How often an agent checks in: what a server asks for by default.
const CHECK_IN: Duration = Duration::from_secs(2);
/// How many connect at a time.
const DOORS: usize = 64;
/// How long a round may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a crowd notes.
#[derive(Default)]
pub struct Board {
    present: AtomicUsize,
    gone: AtomicUsize,
    arrived: AtomicUsize,
    first_us: AtomicU64,
    last_us: AtomicU64,
    epoch: AtomicI64,
    sample: Mutex<String>,
    resting: AtomicBool,
}

/// One round: microseconds until the first and the last agent had the directive.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    pub first_us: u64,
    pub last_us: u64,
}

/// Where a server is, and whom it must be when it speaks TLS.
#[derive(Clone)]
pub struct Door {
    pub address: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
}

impl From<SocketAddr> for Door {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

/// The agents before one door.
pub struct Crowd {
    pub board: Arc<Board>,
    size: usize,
}

impl Crowd {
    /// Connects everybody; returns when each was heard.
    pub async fn gather(door: impl Into<Door>, agents: &[Credential], is_greeted: bool) -> Self {
        let door = door.into();
        let crowd = Self { board: Arc::default(), size: agents.len() };
        let doors = Arc::new(Semaphore::new(DOORS));
        for (n, agent) in agents.iter().enumerate() {
            let delay = CHECK_IN.mul_f64(n as f64 / agents.len() as f64);
            tokio::spawn(attend(door.clone(), agent.clone(), crowd.board.clone(), doors.clone(), (delay, is_greeted)));
        }
        crowd.board.until_present(crowd.size).await;
        crowd
    }

    /// Lets the crowd's check-ins rest, or go on.
    pub fn rest(&self, resting: bool) {
        self.board.resting.store(resting, Ordering::SeqCst);
    }

    /// One round: does it, then waits until everybody has the directive that came of it.
    pub async fn round(&self, act: impl Future<Output = ()>) -> Round {
        self.board.round(self.size, act).await
    }

    /// The text of the last directive.
    pub fn sample(&self) -> String {
        self.board.sample.lock().unwrap().clone()
    }
}

impl Board {
    /// Waits until so many are there.
    pub async fn until_present(&self, size: usize) {
        let begun = now_us();
        while self.present.load(Ordering::SeqCst) < size {
            assert_eq!(self.gone.load(Ordering::SeqCst), 0, "an agent was cut off");
            assert!(now_us() - begun < 300_000_000, "{} of {size} are there", self.present.load(Ordering::SeqCst));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// One more is there.
    pub fn is_there(&self) {
        self.present.fetch_add(1, Ordering::SeqCst);
    }

    /// One more has it.
    pub fn note(&self) {
        let now = now_us();
        self.first_us.fetch_min(now, Ordering::SeqCst);
        self.last_us.fetch_max(now, Ordering::SeqCst);
        self.arrived.fetch_add(1, Ordering::SeqCst);
    }

    /// One round: does it, then waits until so many have what came of it.
    pub async fn round(&self, size: usize, act: impl Future<Output = ()>) -> Round {
        self.arrived.store(0, Ordering::SeqCst);
        self.first_us.store(u64::MAX, Ordering::SeqCst);
        self.last_us.store(0, Ordering::SeqCst);
        let begun = now_us();
        act.await;
        let all = async {
            while self.arrived.load(Ordering::SeqCst) < size {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "{} of {size} heard", self.arrived.load(Ordering::SeqCst));
        Round { first_us: self.first_us.load(Ordering::SeqCst) - begun, last_us: self.last_us.load(Ordering::SeqCst) - begun }
    }

    fn heard(&self, text: &str, highest: &mut i64) -> bool {
        let Some(epoch) = epoch_of(text).filter(|epoch| *epoch > *highest) else { return false };
        *highest = epoch;
        if self.epoch.swap(epoch, Ordering::SeqCst) != epoch {
            text.clone_into(&mut self.sample.lock().unwrap());
        }
        self.note();
        true
    }
}

/// The epoch of a directive, without reading the rest: the crowd's own work must stay small.
fn epoch_of(text: &str) -> Option<i64> {
    let rest = text.strip_prefix(r#"{"type":"directive","epoch":"#)?;
    rest.split(',').next()?.parse().ok()
}

async fn attend(door: Door, agent: Credential, board: Arc<Board>, doors: Arc<Semaphore>, (delay, is_greeted): (Duration, bool)) {
    let mut highest = 0;
    let mut socket = {
        let _door = doors.acquire().await.unwrap();
        let mut socket = connect(&door, &agent).await;
        socket.send(text_of(&FromAgent::Hello(hello(&agent)))).await.unwrap();
        if is_greeted {
            let welcome = socket.next().await.unwrap().unwrap().into_text().unwrap();
            let welcome: serde_json::Value = serde_json::from_str(&welcome).unwrap();
            highest = welcome["directive"]["epoch"].as_i64().expect("a welcome");
        }
        socket
    };
    board.is_there();
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + delay, CHECK_IN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut seq = 0;
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if board.heard(&text, &mut highest) {
                        let ack = AckFrame { epoch: Epoch(highest), step: Step::Received, at: None, state: Some(State::Halted), entry_orders: None, open_orders: None };
                        let _ = socket.send(text_of(&FromAgent::Ack(ack))).await;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
            _ = ticks.tick() => {
                if !board.resting.load(Ordering::Relaxed) {
                    seq += 1;
                    let said = CheckIn { seq, epoch: Some(Epoch(highest)), state: Some(State::Halted), limits_version: Some(0), ..CheckIn::default() };
                    let said = CheckIn { boot: Some(agent.boot.clone()), ..said };
                    if socket.send(text_of(&FromAgent::CheckIn(Box::new(said)))).await.is_err() {
                        break;
                    }
                }
            }
        }
    }
    board.gone.fetch_add(1, Ordering::SeqCst);
}

fn hello(agent: &Credential) -> Hello {
    Hello {
        boot: agent.boot.clone(),
        agent: HelloAgent { version: "1.0.0".into() },
        bot: HelloBot::default(),
        epoch: Epoch(0),
        state: State::Halted,
        limits_version: Some(0),
        start_after: None,
        holds: Vec::new(),
        key_versions: BTreeMap::new(),
        apply_within_ms: None,
        adapter: None,
    }
}

async fn connect(door: &Door, agent: &Credential) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let scheme = if door.tls.is_some() { "wss" } else { "ws" };
    let mut request = format!("{scheme}://localhost:{}/agent/v1/stream", door.address.port()).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", agent.token).parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
    let stream = TcpStream::connect(door.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let stream = match &door.tls {
        None => MaybeTlsStream::Plain(stream),
        Some(tls) => {
            let name = "localhost".try_into().unwrap();
            MaybeTlsStream::Rustls(TlsConnector::from(tls.clone()).connect(name, stream).await.unwrap())
        }
    };
    let small = WebSocketConfig::default().read_buffer_size(2048).write_buffer_size(0);
    client_async_with_config(request, stream, Some(small)).await.unwrap().0
}

fn text_of(frame: &FromAgent) -> Message {
    Message::text(serde_json::to_string(frame).unwrap())
}
