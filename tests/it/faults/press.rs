//! A press, by each of the ways there are: an API token over HTTP, the control socket, a browser's form. One that stays unanswered is pressed
//! again, as a person does.

use super::{crew::Crew, ground::Ground, server};
use crate::harness::browser::exchange;
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How it is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Token,
    Socket,
    Browser,
}

/// What is pressed, under a reason that no other press has.
#[derive(Debug, Clone)]
pub struct Press {
    pub way: Way,
    /// `fleet`, `team` or `bot`.
    pub scope: &'static str,
    /// The team or bot by name and by id.
    pub name: String,
    pub id: String,
    pub level: &'static str,
    pub why: String,
    /// What a browser sends, to be sent again.
    pub(super) form: Option<String>,
}

/// An answered press.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pressed {
    pub hold: String,
    /// `recorded`, `spooled` or `not_recorded`; empty when the way does not say.
    pub kept: String,
}

impl Press {
    pub fn new(way: Way, why: impl Into<String>) -> Self {
        Self { way, scope: "fleet", name: String::new(), id: String::new(), level: "pause", why: why.into(), form: None }
    }

    /// The body of the same press over the API.
    pub fn json(&self) -> Value {
        let mut body = json!({"scope": self.scope, "level": self.level, "why": self.why, "idempotency_key": self.why});
        if !self.name.is_empty() {
            body[self.scope] = self.name.clone().into();
        }
        body
    }

    /// The bytes of the same press over the API, and nothing after it on this connection.
    pub fn bytes(&self, token: &str) -> Vec<u8> {
        let body = self.json().to_string();
        let head = format!(
            "POST /api/v1/holds HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body.into_bytes()].concat()
    }

    /// Presses once. None: nobody answered.
    pub async fn once(&mut self, ground: &Ground, crew: &mut Crew) -> Option<Pressed> {
        match self.way {
            Way::Token => self.over_http(ground).await,
            Way::Socket => self.over_socket(ground).await,
            Way::Browser => self.in_browser(crew).await,
        }
    }

    async fn over_http(&self, ground: &Ground) -> Option<Pressed> {
        let (status, body) = api(ground, &ground.stop_token, "POST", "/api/v1/holds", Some(self.json())).await?;
        assert!(status == 200 || status == 201, "a press was answered {status}: {body}");
        let word = |key: &str| body[key].as_str().unwrap().to_owned();
        Some(Pressed { hold: word("id"), kept: word("kept") })
    }

    async fn over_socket(&self, ground: &Ground) -> Option<Pressed> {
        let mut command = server::command(server::andon());
        command.arg("stop").arg("--control").arg(ground.state_dir().join("control"));
        command.args(["--level", self.level, "--why", &self.why]);
        match self.scope {
            "team" => command.args(["--team", &self.name]),
            "bot" => command.args(["--bot", &self.name]),
            _ => command.arg("--all"),
        };
        let output = tokio::process::Command::from(command).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            // The end of a connection, and no server that says no.
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(why.contains("NOT STOPPED"), "{why}");
            return None;
        }
        let (_, rest) = said.split_once(", hold ").unwrap();
        let (hold, kept) = rest.trim().split_once(' ').unwrap();
        Some(Pressed { hold: hold.to_owned(), kept: kept.trim_matches(['(', ')']).to_owned() })
    }

    async fn in_browser(&mut self, crew: &mut Crew) -> Option<Pressed> {
        let browser = crew.browser("risk");
        if self.form.is_none() {
            browser.get("/pause").await;
            let token = browser.between(r#"name="csrf" value=""#, "\"")?;
            let key = browser.between(r#"name="key" value=""#, "\"")?;
            let scope = if self.id.is_empty() { self.scope.to_owned() } else { format!("{}:{}", self.scope, self.id) };
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.extend_pairs([("csrf", token), ("key", key), ("scope", scope)]);
            form.extend_pairs([("level", self.level), ("why", &self.why)]);
            self.form = Some(form.finish());
        }
        browser.submit("/holds", self.form.clone().unwrap()).await;
        if browser.status == StatusCode::BAD_GATEWAY {
            return None;
        }
        assert_eq!(browser.status, StatusCode::SEE_OTHER, "{}", browser.page);
        let hold = browser.leads_to().strip_prefix("/holds/").unwrap().to_owned();
        Some(Pressed { hold, kept: String::new() })
    }
}

/// What is answered to these bytes, however long that takes.
pub async fn answer_to(address: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// One request of a program. None: nobody answered.
pub async fn api(ground: &Ground, token: &str, method: &str, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
    let request =
        Request::builder().method(method).uri(path).header("host", "localhost").header("authorization", format!("Bearer {token}"));
    let request = request.header("content-type", "application/json");
    let request = request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap();
    let answer = exchange(ground.address, request).await.ok()?;
    Some((answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or(Value::Null)))
}

/// The ids of every hold that stands, as the server knows them. None: nobody answered.
pub async fn open_holds(ground: &Ground) -> Option<Vec<String>> {
    let (status, body) = api(ground, &ground.read_token, "GET", "/api/v1/holds", None).await?;
    assert_eq!(status, 200, "{body}");
    Some(body["items"].as_array().unwrap().iter().map(|hold| hold["id"].as_str().unwrap().to_owned()).collect())
}

/// One bot as the server knows it. None: nobody answered.
pub async fn bot_seen(ground: &Ground, bot: &andon::domain::BotId) -> Option<Value> {
    let (status, body) = api(ground, &ground.read_token, "GET", &format!("/api/v1/bots/{bot}"), None).await?;
    assert_eq!(status, 200, "{body}");
    Some(body)
}
