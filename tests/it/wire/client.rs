//! Small clients: HTTP/1.1 with a bearer token, and an agent's websocket.

use super::stage::{Enrolled, Stage};
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::CloseFrame},
};

/// Longer than anything here may take, shorter than a hung test.
const PATIENCE: Duration = Duration::from_secs(20);

/// An HTTP client.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub token: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
    /// The body as JSON; null when it is none.
    pub json: Value,
}

impl Client {
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], Vec::new()).await
    }
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.post_text(path, body.to_string()).await
    }
    pub async fn post_text(&self, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.send("POST", path, &[("content-type", "application/json")], body.into()).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        let exchange = async {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            let mut request = http::Request::builder().method(method).uri(path);
            if !headers.iter().any(|(name, _)| *name == "host") {
                request = request.header("host", "localhost:8080");
            }
            if let Some(token) = &self.token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let response = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
            let (parts, body) = response.into_parts();
            let text = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
            let json = serde_json::from_str(&text).unwrap_or(Value::Null);
            Reply { status: parts.status.as_u16(), headers: parts.headers, text, json }
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("no answer")
    }
}

/// An agent's stream.
pub struct Line {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub boot: String,
    /// How many messages the socket took.
    pub sent: usize,
    seq: u64,
}

impl Line {
    /// Connects, and says nothing yet.
    pub async fn connect(stage: &Stage, agent: &Enrolled) -> Self {
        Self::open(stage.address, &agent.token).await
    }

    /// Connects with a token, and says nothing yet.
    pub async fn open(address: SocketAddr, token: &str) -> Self {
        let mut request = format!("ws://{address}/agent/v1/stream").into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request.headers_mut().insert("sec-websocket-protocol", "andon.v1".parse().unwrap());
        // What it does not read stays with the server, however much this machine's kernel would keep.
        let tcp = TcpSocket::new_v4().unwrap();
        tcp.set_recv_buffer_size(128 * 1024).unwrap();
        let tcp = tcp.connect(address).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(tcp)).await.unwrap();
        Self { socket, boot: String::new(), sent: 0, seq: 0 }
    }

    /// Connects and says hello; answers with the welcome.
    pub async fn hello(stage: &Stage, agent: &Enrolled, boot: &str, state: &str, epoch: i64) -> (Self, Value) {
        let mut line = Self::greet(stage, agent, boot, state, epoch).await;
        let welcome = line.expect("welcome").await;
        (line, welcome)
    }

    /// Connects and says hello.
    pub async fn greet(stage: &Stage, agent: &Enrolled, boot: &str, state: &str, epoch: i64) -> Self {
        let mut line = Self::connect(stage, agent).await;
        line.boot = boot.into();
        line.send(json!({"type": "hello", "boot": boot, "agent": {"version": "1.0.0"}, "epoch": epoch, "state": state,
            "limits_version": 0}))
            .await;
        line
    }

    /// An agent whose bot is started and trades; the epoch it knows.
    pub async fn trading(stage: &Stage, agent: &Enrolled, boot: &str) -> (Self, i64) {
        let (mut line, _) = Self::hello(stage, agent, boot, "halted", 0).await;
        let start = stage.start(&agent.bot).await;
        let directive = line.expect("directive").await;
        assert_eq!((directive["state"].as_str(), directive["epoch"].as_i64()), (Some("active"), Some(start.0)), "{directive}");
        line.check_in("active", start.0).await;
        line.expect("renew").await;
        (line, start.0)
    }

    pub async fn send(&mut self, frame: Value) {
        self.send_text(frame.to_string()).await;
    }
    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.send_message(Message::text(text.into())).await;
    }
    pub async fn send_message(&mut self, message: Message) {
        // The server may have closed; what it said is read afterwards.
        self.sent += usize::from(self.socket.send(message).await.is_ok());
    }

    /// Checks in; answers with the number it used.
    pub async fn check_in(&mut self, state: &str, epoch: i64) -> u64 {
        self.check_in_with(state, epoch, json!({})).await
    }
    pub async fn check_in_with(&mut self, state: &str, epoch: i64, more: Value) -> u64 {
        self.seq += 1;
        let mut frame = json!({"type": "check_in", "boot": self.boot, "seq": self.seq, "epoch": epoch, "state": state,
            "limits_version": 0, "holds": []});
        frame.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.send(frame).await;
        self.seq
    }

    /// The next frame.
    pub async fn next(&mut self) -> Result<Value, Option<CloseFrame>> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("nothing came");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }
    /// The next frame, which must be of this type.
    pub async fn expect(&mut self, word: &str) -> Value {
        let frame = self.next().await.unwrap_or_else(|close| panic!("closed by {close:?} instead of {word}"));
        assert_eq!(frame["type"], word, "{frame}");
        frame
    }
    /// Reads until the stream is closed; its code.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match self.next().await {
                Ok(_) => {}
                Err(Some(frame)) => return frame.code.into(),
                Err(None) => return 0,
            }
        }
    }
    /// True when nothing comes for a while.
    pub async fn is_quiet(&mut self, for_: Duration) -> bool {
        tokio::time::timeout(for_, self.socket.next()).await.is_err()
    }
}

/// Tries to open a stream with these headers; the status of the refusal.
pub async fn refused_stream(stage: &Stage, path: &str, headers: &[(&'static str, &str)]) -> u16 {
    let mut request = format!("ws://{}{path}", stage.address).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        other => panic!("{:?}", other.map(drop)),
    }
}
