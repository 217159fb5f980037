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
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
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
    arrivals: Mutex<Vec<u64>>,
    epoch: AtomicI64,
    sample: Mutex<String>,
    resting: AtomicBool,
}

/// One round, microseconds of the boot clock.
#[derive(Debug, Clone)]
pub struct Round {
    /// Before the act.
    pub begun_us: u64,
    /// When the act was done: for a press, when its answer was there.
    pub answered_us: u64,
    /// When each had the directive, in order.
    arrivals: Vec<u64>,
}

impl Round {
    /// Until the act was done, milliseconds.
    pub fn answered(&self) -> f64 {
        self.since(self.answered_us)
    }
    /// Until this share of the crowd had it, milliseconds; 0: the first, 1: the last.
    pub fn share(&self, share: f64) -> f64 {
        self.since(self.arrivals[((self.arrivals.len() - 1) as f64 * share).ceil() as usize])
    }
    /// Until each had it, milliseconds.
    pub fn each(&self) -> impl Iterator<Item = f64> + '_ {
        self.arrivals.iter().map(|arrival| self.since(*arrival))
    }
    /// Until that moment, milliseconds.
    pub fn since(&self, moment_us: u64) -> f64 {
        (moment_us - self.begun_us) as f64 / 1_000.0
    }
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
        self.arrivals.lock().unwrap().push(now_us());
    }

    /// One round: does it, then waits until so many have what came of it.
    pub async fn round(&self, size: usize, act: impl Future<Output = ()>) -> Round {
        self.arrivals.lock().unwrap().clear();
        let begun_us = now_us();
        act.await;
        let answered_us = now_us();
        let arrived = || self.arrivals.lock().unwrap().len();
        let all = async {
            while arrived() < size {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "{} of {size} heard", arrived());
        let mut arrivals = self.arrivals.lock().unwrap().clone();
        arrivals.sort_unstable();
        Round { begun_us, answered_us, arrivals }
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
pub fn epoch_of(text: &str) -> Option<i64> {
    let rest = text.strip_prefix(r#"{"type":"directive","epoch":"#)?;
    rest.split(',').next()?.parse().ok()
}

async fn attend(door: Door, agent: Credential, board: Arc<Board>, doors: Arc<Semaphore>, (delay, is_greeted): (Duration, bool)) {
    let (mut socket, mut highest) = {
        let _door = doors.acquire().await.unwrap();
        enter(&door, &agent, is_greeted).await
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

/// Connects and says hello; the socket, and the epoch of the welcome where one comes.
pub async fn enter(door: &Door, agent: &Credential, is_greeted: bool) -> (WebSocketStream<MaybeTlsStream<TcpStream>>, i64) {
    let mut socket = connect(door, agent).await;
    socket.send(text_of(&FromAgent::Hello(hello(agent)))).await.unwrap();
    if !is_greeted {
        return (socket, 0);
    }
    let welcome = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let welcome: serde_json::Value = serde_json::from_str(&welcome).unwrap();
    let epoch = welcome["directive"]["epoch"].as_i64().expect("a welcome");
    (socket, epoch)
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

/// A frame as it is sent.
pub fn text_of(frame: &FromAgent) -> Message {
    Message::text(serde_json::to_string(frame).unwrap())
}
