//! The stream: one websocket, where directives are pushed. It is given up as soon as it looks half open, since the poll path and another try
//! are cheap and a lost stop is not.

use super::{Cut, Line, Mode, News, Sent, TOGETHER, backoff::Backoff, backoff::random_below, poll::ms, say, wire::WireError};
use crate::agent::brain::Patience;
use crate::protocol::{CheckIn, FromAgent, FromServer, KeyOrder, MAX_BODY, PollCheckIn, SUBPROTOCOL, Welcome, close};
use futures_util::{SinkExt, Stream, StreamExt};
use http::{HeaderValue, StatusCode, header};
use std::time::Duration;
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CONNECT: Duration = Duration::from_secs(5);
const WELCOME: Duration = Duration::from_secs(5);
const WRITE: Duration = Duration::from_secs(5);

/// How a stream ended.
enum End {
    Cut(Cut),
    /// The server restarts: come back after a random 0 to 2 s.
    Restart,
    /// Anything else.
    Lost {
        /// It had renewed a lease, so the next try need not wait long.
        renewed: bool,
        why: String,
    },
}

fn lost(why: impl Into<String>) -> End {
    End::Lost { renewed: false, why: why.into() }
}

/// Opens one stream after the other, the first once the poll path has been tried; returns when the line is cut.
pub(super) async fn streams(line: &Line) -> Cut {
    let mut backoff = Backoff::default();
    let mut last_why = String::new();
    line.until(|mode| mode != Mode::Untried).await;
    let mut wait = backoff.next(line.standing().patience.stale_after_ms);
    loop {
        tokio::time::sleep(wait).await;
        let end = session(line).await;
        if *line.mode.borrow() == Mode::Streaming {
            line.set_mode(Mode::Silent).await;
        }
        wait = match end {
            End::Cut(cut) => return cut,
            End::Restart => random_below(2_000),
            End::Lost { renewed, why } => {
                if renewed {
                    backoff.reset();
                }
                if renewed || why != last_why {
                    tracing::info!("no stream: {why}; polling meanwhile");
                    last_why = why;
                }
                backoff.next(line.standing().patience.stale_after_ms)
            }
        };
    }
}

async fn session(line: &Line) -> End {
    let mut socket = match timeout(CONNECT, connect(line)).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(end)) => return end,
        Err(_) => return lost("connecting took too long"),
    };
    let welcome = match timeout(WELCOME, greet(line, &mut socket)).await {
        Ok(Ok(welcome)) => welcome,
        Ok(Err(end)) => return end,
        Err(_) => return lost("no welcome in time"),
    };
    if welcome.installation != line.link.installation {
        return End::Cut(Cut::WrongInstallation);
    }
    let patience = Patience { stale_after_ms: welcome.stale_after_ms, lapse_after_ms: welcome.lapse_after_ms };
    line.tell(News::Timings { check_in_ms: welcome.check_in_ms, patience }).await;
    line.tell(News::Directive(Box::new(welcome.directive))).await;
    line.set_mode(Mode::Streaming).await;
    let (sink, stream) = socket.split();
    let (to, outgoing) = mpsc::channel(64);
    // Side by side, so that a write that hangs never keeps a stop from being read.
    tokio::select! {
        end = write(sink, outgoing) => end,
        end = Conversation::new(line, to).hold(stream) => end,
    }
}

async fn connect(line: &Line) -> Result<Socket, End> {
    let mut url = line.link.door.at("agent/v1/stream").map_err(|error| lost(error.to_string()))?;
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    if url.set_scheme(scheme).is_err() {
        return Err(lost("the server's address has no stream"));
    }
    let mut request = url.as_str().into_client_request().map_err(|error| lost(error.to_string()))?;
    let shown = line.link.door.authorization();
    request.headers_mut().insert(header::AUTHORIZATION, shown.clone());
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let bounds = WebSocketConfig::default().max_message_size(Some(MAX_BODY)).max_frame_size(Some(MAX_BODY));
    let connector = Connector::Rustls(line.link.wire.tls());
    match connect_async_tls_with_config(request, Some(bounds), true, Some(connector)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(match response.status() {
            StatusCode::UNAUTHORIZED => match line.link.door.unknown(&shown) {
                WireError::CredentialEnded => End::Cut(Cut::CredentialEnded),
                other => lost(other.to_string()),
            },
            StatusCode::CONFLICT => End::Cut(Cut::Replaced),
            status => lost(format!("the server answered {status}")),
        }),
        Err(error) => Err(lost(error.to_string())),
    }
}

/// Says hello and waits for the welcome.
async fn greet(line: &Line, socket: &mut Socket) -> Result<Box<Welcome>, End> {
    let hello = say::hello(&line.standing(), &line.link.boot, line.link.apply_within_ms);
    let text = say::to_text(FromAgent::Hello(hello)).map_err(|error| lost(error.to_string()))?;
    socket.send(Message::text(text)).await.map_err(|error| lost(error.to_string()))?;
    loop {
        match read(socket.next().await)? {
            Some(FromServer::Welcome(welcome)) => return Ok(welcome),
            Some(FromServer::Error { title, detail }) => return Err(lost(format!("{title}: {detail}"))),
            _ => {}
        }
    }
}

/// A frame of the protocol, or the end. What cannot be read could be a stop, so it ends the stream, and the poll path asks again. What says that it
/// is a key is none, and is let pass.
fn read(next: Option<Result<Message, Error>>) -> Result<Option<FromServer>, End> {
    match next {
        Some(Ok(Message::Text(text))) => {
            let read = serde_json::from_str(&text).map(Some);
            read.or_else(|error| {
                if !is_of_keys(&text) {
                    return Err(lost(format!("a frame could not be read: {error}")));
                }
                tracing::warn!("a key that the server sent could not be read");
                Ok(None)
            })
        }
        Some(Ok(Message::Close(frame))) => Err(match frame.map(|frame| (u16::from(frame.code), frame.reason)) {
            Some((close::CREDENTIAL_ENDED, _)) => End::Cut(Cut::CredentialEnded),
            Some((close::REPLACED, _)) => End::Cut(Cut::Replaced),
            Some((close::RESTART, _)) => End::Restart,
            Some((code, why)) => lost(format!("the server closed it: {code} {why}")),
            None => lost("the server closed it"),
        }),
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(lost(error.to_string())),
        None => Err(lost("the connection ended")),
    }
}

fn is_of_keys(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Typed {
        r#type: String,
    }
    serde_json::from_str::<Typed>(text).is_ok_and(|typed| matches!(typed.r#type.as_str(), "key" | "key_drop"))
}

async fn write(mut sink: impl SinkExt<Message, Error = Error> + Unpin, mut outgoing: mpsc::Receiver<Message>) -> End {
    while let Some(message) = outgoing.recv().await {
        match timeout(WRITE, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return lost(error.to_string()),
            Err(_) => return lost("a write hung"),
        }
    }
    lost("nothing more to write")
}

/// The agent's side of a welcomed stream.
struct Conversation<'a> {
    line: &'a Line,
    to: mpsc::Sender<Message>,
    unanswered: say::Unanswered,
    // The last entry of the outbox that went out on this stream.
    delivered: u64,
    due: Instant,
    heard: Instant,
    renewed_at: Instant,
    renewed: bool,
}

impl<'a> Conversation<'a> {
    fn new(line: &'a Line, to: mpsc::Sender<Message>) -> Self {
        let now = Instant::now();
        // A moment, so that the first check-in already reports the welcome's epoch and is renewed.
        let due = now + TOGETHER;
        Self { line, to, unanswered: say::Unanswered::default(), delivered: 0, due, heard: now, renewed_at: now, renewed: false }
    }

    async fn hold(mut self, mut stream: impl Stream<Item = Result<Message, Error>> + Unpin) -> End {
        let mut urgent = self.line.link.desk.urgent.clone();
        urgent.mark_unchanged();
        let mut outbox = self.line.link.desk.outbox.watch();
        outbox.mark_changed();
        loop {
            let standing = self.line.standing();
            let patience = standing.patience;
            let quiet_at = self.heard + ms((patience.stale_after_ms / 2).max(2 * standing.check_in_ms));
            let stale_at = self.renewed_at + ms(patience.stale_after_ms);
            let step = tokio::select! {
                next = stream.next() => self.take(next).await,
                _ = outbox.changed() => self.deliver(),
                _ = urgent.changed() => { self.hurry(); Ok(()) }
                () = sleep_until(self.due) => self.check_in(),
                () = sleep_until(quiet_at) => Err(lost("nothing was heard on it")),
                () = sleep_until(stale_at) => Err(lost("it brought no renewal")),
            };
            match step {
                Ok(()) => {}
                Err(End::Lost { why, .. }) => return End::Lost { renewed: self.renewed, why },
                Err(end) => return end,
            }
        }
    }

    fn hurry(&mut self) {
        self.due = self.due.min(Instant::now() + TOGETHER);
    }

    fn send(&self, frame: FromAgent) -> Result<(), End> {
        let text = say::to_text(frame).map_err(|error| lost(error.to_string()))?;
        self.to.try_send(Message::text(text)).map_err(|_| lost("writes pile up"))
    }

    /// Sends what the outbox holds. It stays there until a check-in that went after it is renewed.
    fn deliver(&mut self) -> Result<(), End> {
        let batch = self.line.link.desk.outbox.after(self.delivered);
        for ack in batch.acks {
            self.send(FromAgent::Ack(ack))?;
        }
        for event in batch.events {
            self.send(FromAgent::Event(event))?;
        }
        for ack in batch.key_acks {
            self.send(FromAgent::KeyAck(ack))?;
        }
        if batch.last > self.delivered {
            self.delivered = batch.last;
            self.hurry();
        }
        Ok(())
    }

    fn check_in(&mut self) -> Result<(), End> {
        let link = &self.line.link;
        let standing = self.line.standing();
        let at_ms = link.boot_clock.now_ms();
        let mut check_in = self.line.counter.check_in(&standing, &link.boot, link.clock.now());
        if say::is_too_long(&check_in) {
            self.post_report(say::facts_alone(&check_in));
            check_in.report = None;
        }
        self.unanswered.sent(Sent { seq: check_in.seq, at_ms, lapses: standing.lapses, outbox: self.delivered });
        self.due = Instant::now() + ms(standing.check_in_ms);
        self.send(FromAgent::CheckIn(Box::new(check_in)))
    }

    /// A report that no frame holds goes beside the stream, as a check-in of its own that waits for nothing (ruling C13). Its answer is not
    /// heard: what the stream says stands. One that is lost is followed by the next report.
    fn post_report(&self, check_in: CheckIn) {
        let (wire, door) = (self.line.link.wire.clone(), self.line.link.door.clone());
        let body = PollCheckIn { check_in, ..PollCheckIn::default() };
        tokio::spawn(async move {
            if let Err(error) = wire.check_in(&door, &body, WRITE).await {
                tracing::warn!("a report that no frame holds did not reach the server: {error}");
            }
        });
    }

    async fn take(&mut self, next: Option<Result<Message, Error>>) -> Result<(), End> {
        let Some(frame) = read(next)? else { return Ok(()) };
        self.heard = Instant::now();
        match frame {
            FromServer::Directive(directive) => self.line.tell(News::Directive(directive)).await,
            FromServer::Renew(renew) => {
                if let Some(sent) = self.unanswered.answered(renew.seq) {
                    self.renewed = true;
                    self.renewed_at = self.heard;
                    self.line.link.desk.outbox.delivered(sent.outbox);
                    self.line.tell(News::Renewed { sent, lease_ms: renew.lease_ms }).await;
                }
            }
            FromServer::Key(key) => self.line.tell(News::Key(Box::new(KeyOrder::Key(key)))).await,
            FromServer::KeyDrop(key) => self.line.tell(News::Key(Box::new(KeyOrder::KeyDrop(key)))).await,
            FromServer::Error { title, detail } => self.line.complain(&format!("{title}: {detail}")),
            // Fills go by requests of their own.
            FromServer::Welcome(_) | FromServer::FillsTaken(_) | FromServer::Unknown => {}
        }
        Ok(())
    }
}
