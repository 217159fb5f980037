//! The one HTTP client and the one TLS configuration, shared by every agent of a process, and the requests of the poll path. No redirect is
//! followed: the token goes to the server enrolled at and nowhere else.

use super::trust::Trust;
use crate::domain::{Epoch, Secret};
use crate::protocol::{
    DirectiveFrame, EnrolRequest, EnrolResponse, FillFrame, FillsTaken, HandedKey, KeysAnswer, MAX_BODY, MeasuredKey, PollAnswer,
    PollCheckIn,
};
use http::{HeaderValue, StatusCode, header};
use rustls::ClientConfig;
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use url::{Host, Url};

const CONNECT: Duration = Duration::from_secs(3);
const ENROL: Duration = Duration::from_secs(20);

/// Why a request brought no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WireError {
    /// No client could be made.
    #[error("no HTTP client: {0}")]
    Client(String),
    /// The server was not reached, or did not answer in time.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The credential has ended: 401 or 4401.
    #[error("the server says that this agent's credential has ended")]
    CredentialEnded,
    /// The token that was shown has been changed since, or is being changed: asked again, the server may know the new one.
    #[error("the agent's token was changed meanwhile")]
    ChangedMeanwhile,
    /// Another boot has taken over: 409 or 4409.
    #[error("the server says that another agent process has taken this one's place")]
    Replaced,
    /// Another refusal.
    #[error("the server answered {status}: {why}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// Its problem details in one line, or where it redirects to.
        why: String,
    },
    /// An answer that is not of the protocol.
    #[error("the server's answer cannot be read: {0}")]
    Unreadable(String),
}

/// True for addresses of this very machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Reads an address that requests with a secret go to; it ends in a slash then, so that `join` keeps its path. `plain` says why plain http to
/// another machine is refused; none: it is not.
///
/// # Errors
/// In words, with `example` or what to write instead.
pub fn address(text: &str, example: &str, plain: Option<&str>) -> Result<Url, String> {
    let mut url = match Url::parse(text.trim()) {
        Ok(url) if url.has_host() => url,
        _ => return Err(format!("{text:?} is not an address such as {example}")),
    };
    match (url.scheme(), plain) {
        ("https", _) | ("http", None) => {}
        ("http", Some(_)) if is_loopback(&url) => {}
        ("http", Some(why)) => return Err(why.to_owned()),
        (other, _) => return Err(format!("{other}:// does not work here; use https:// (http:// on this machine)")),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("the address must not carry a user, password, query or fragment".into());
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// Where an agent's requests go, and with what. Clones share the token: when it is changed, all of them use the new one.
#[derive(Clone)]
pub struct Door {
    /// The server's address, ending in a slash.
    pub server: Url,
    shown: Arc<Shown>,
}

struct Shown {
    authorization: RwLock<HeaderValue>,
    is_changing: AtomicBool,
}

impl Door {
    /// The door of one agent.
    ///
    /// # Errors
    /// When the token cannot stand in a header.
    pub fn new(server: Url, token: &Secret<String>) -> Result<Self, WireError> {
        let shown = Shown { authorization: RwLock::new(bearer(token)?), is_changing: AtomicBool::new(false) };
        Ok(Self { server, shown: Arc::new(shown) })
    }
    /// The header that says who calls; marked sensitive.
    pub fn authorization(&self) -> HeaderValue {
        self.shown.authorization.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Shows another token from now on.
    ///
    /// # Errors
    /// When the token cannot stand in a header.
    pub fn use_token(&self, token: &Secret<String>) -> Result<(), WireError> {
        *self.shown.authorization.write().unwrap_or_else(PoisonError::into_inner) = bearer(token)?;
        Ok(())
    }
    /// Says that the token is being changed, for as long as what this answers with is kept.
    pub fn changing(&self) -> Changing {
        self.shown.is_changing.store(true, Ordering::SeqCst);
        Changing(self.shown.clone())
    }
    /// What a server means that does not know the token which was shown: the end of the credential, unless that token is not the one any more.
    pub fn unknown(&self, shown: &HeaderValue) -> WireError {
        let is_current = !self.shown.is_changing.load(Ordering::SeqCst) && self.authorization() == *shown;
        if is_current { WireError::CredentialEnded } else { WireError::ChangedMeanwhile }
    }
    /// An address below the server's.
    ///
    /// # Errors
    /// When the server's address cannot be joined.
    pub fn at(&self, path: &str) -> Result<Url, WireError> {
        self.server.join(path).map_err(|error| WireError::Client(error.to_string()))
    }
}

/// A change of the token that is under way.
#[must_use = "dropping it ends the change"]
pub struct Changing(Arc<Shown>);

impl Drop for Changing {
    fn drop(&mut self) {
        self.0.is_changing.store(false, Ordering::SeqCst);
    }
}

fn bearer(token: &Secret<String>) -> Result<HeaderValue, WireError> {
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| WireError::Client("the token in credential.json is not one".into()))?;
    authorization.set_sensitive(true);
    Ok(authorization)
}

/// The answer to a request for a token.
#[derive(Deserialize)]
struct NewToken {
    token: String,
}

/// The client.
#[derive(Clone)]
pub struct Wire {
    http: reqwest::Client,
    tls: Arc<ClientConfig>,
}

impl Wire {
    /// A client that takes for its server whom `trust` says. For a server on this machine it ignores the environment's proxies.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(loopback: bool, trust: &Trust) -> Result<Self, WireError> {
        let failed = |error: String| WireError::Client(error);
        let tls = trust.client_config().map_err(|error| failed(error.to_string()))?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .user_agent(concat!("andon-agent/", env!("CARGO_PKG_VERSION")));
        if loopback {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| failed(chain(&error)))?;
        Ok(Self { http, tls: Arc::new(tls) })
    }

    /// The TLS configuration, for the stream.
    pub fn tls(&self) -> Arc<ClientConfig> {
        self.tls.clone()
    }

    /// `POST /agent/v1/enrol`.
    ///
    /// # Errors
    /// `Refused` with the server's words, or what kept the request from being answered.
    pub async fn enrol(&self, server: &Url, request: &EnrolRequest) -> Result<EnrolResponse, WireError> {
        let url = server.join("agent/v1/enrol").map_err(|error| WireError::Client(error.to_string()))?;
        answer(self.http.post(url).timeout(ENROL).json(request)).await?.ok_or_else(empty)
    }

    /// `POST /agent/v1/check-in`.
    ///
    /// # Errors
    /// Whatever is not a `200` of the protocol.
    pub async fn check_in(&self, door: &Door, body: &PollCheckIn, within: Duration) -> Result<PollAnswer, WireError> {
        let shown = door.authorization();
        let request = self.http.post(door.at("agent/v1/check-in")?).header(header::AUTHORIZATION, shown.clone());
        let answered = answer(request.timeout(within).json(body)).await;
        answered.map_err(|error| as_shown(door, &shown, error))?.ok_or_else(empty)
    }

    /// `POST /agent/v1/fills`: once this is answered they are on disk.
    ///
    /// # Errors
    /// Whatever is not a `202` of the protocol.
    pub async fn send_fills(&self, door: &Door, fills: &[FillFrame], within: Duration) -> Result<FillsTaken, WireError> {
        let shown = door.authorization();
        let request = self.http.post(door.at("agent/v1/fills")?).header(header::AUTHORIZATION, shown.clone());
        // Whether another boot has taken over is not for this request to find out.
        let answered = told(request.timeout(within).json(fills)).await;
        answered.map_err(|error| as_shown(door, &shown, error))?.ok_or_else(empty)
    }

    /// `POST /agent/v1/token`: the token that takes the place of this one at its first check-in.
    ///
    /// # Errors
    /// `Replaced` for the 409 of an agent that nobody has confirmed; whatever else is not a `200` of the protocol.
    pub async fn new_token(&self, door: &Door) -> Result<Secret<String>, WireError> {
        let request = self.http.post(door.at("agent/v1/token")?).header(header::AUTHORIZATION, door.authorization());
        let answered: Option<NewToken> = answer(request.timeout(ENROL).json(&serde_json::json!({}))).await?;
        Ok(Secret::new(answered.ok_or_else(empty)?.token))
    }

    /// `GET /agent/v1/directive`: the directive once its epoch is above `after`, or `None` at the end of the wait.
    ///
    /// # Errors
    /// Whatever is not a `200` or `204` of the protocol.
    pub async fn wait_for_directive(&self, door: &Door, after: Epoch, wait: Duration) -> Result<Option<DirectiveFrame>, WireError> {
        let mut url = door.at("agent/v1/directive")?;
        url.set_query(Some(&format!("after={after}&wait_ms={}", wait.as_millis())));
        let shown = door.authorization();
        let request = self.http.get(url).header(header::AUTHORIZATION, shown.clone());
        answer(request.timeout(wait + Duration::from_secs(5))).await.map_err(|error| as_shown(door, &shown, error))
    }
}

impl Wire {
    /// `GET /agent/v1/keys`: whose agent this is, what its host may hand in, and what it should measure.
    ///
    /// # Errors
    /// Whatever is not a `200` of the protocol.
    pub async fn keys(&self, door: &Door) -> Result<KeysAnswer, WireError> {
        let request = self.http.get(door.at("agent/v1/keys")?).header(header::AUTHORIZATION, door.authorization());
        told(request.timeout(ENROL)).await?.ok_or_else(empty)
    }

    /// `POST /agent/v1/keys`: hands in what was sealed here.
    ///
    /// # Errors
    /// `Refused` with the server's words, or what kept the request from being answered.
    pub async fn hand_in_key(&self, door: &Door, sealed: &HandedKey) -> Result<(), WireError> {
        let request = self.http.post(door.at("agent/v1/keys")?).header(header::AUTHORIZATION, door.authorization());
        told::<serde::de::IgnoredAny>(request.timeout(ENROL).json(sealed)).await.map(drop)
    }

    /// `POST /agent/v1/keys/measured`: says what a venue said of a key.
    ///
    /// # Errors
    /// As above.
    pub async fn tell_measured(&self, door: &Door, measured: &MeasuredKey) -> Result<(), WireError> {
        let request = self.http.post(door.at("agent/v1/keys/measured")?).header(header::AUTHORIZATION, door.authorization());
        told::<serde::de::IgnoredAny>(request.timeout(ENROL).json(measured)).await.map(drop)
    }
}

/// The same as `answer` where a 409 is a refusal in words, and no other process's doing.
async fn told<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<Option<T>, WireError> {
    let response = request.send().await.map_err(|error| WireError::Unreachable(chain(&error)))?;
    if response.status() != StatusCode::CONFLICT {
        return read_answer(response).await;
    }
    let status = response.status();
    Err(WireError::Refused { status, why: in_words(&read_capped(response).await?) })
}

/// A token that is not known any more because it was changed is no end of the credential.
fn as_shown(door: &Door, shown: &HeaderValue, error: WireError) -> WireError {
    if matches!(error, WireError::CredentialEnded) { door.unknown(shown) } else { error }
}

fn empty() -> WireError {
    WireError::Unreadable("it is empty".into())
}

/// RFC 9457 problem details, as far as they are shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
}

/// Sends, and reads the answer; `None` for a `204`.
async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<Option<T>, WireError> {
    read_answer(request.send().await.map_err(|error| WireError::Unreachable(chain(&error)))?).await
}

async fn read_answer<T: DeserializeOwned>(response: reqwest::Response) -> Result<Option<T>, WireError> {
    let status = response.status();
    let location = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
    let body = read_capped(response).await?;
    if status == StatusCode::NO_CONTENT {
        return Ok(None);
    }
    if status.is_success() {
        return serde_json::from_slice(&body).map(Some).map_err(|error| WireError::Unreadable(error.to_string()));
    }
    Err(match status {
        StatusCode::UNAUTHORIZED => WireError::CredentialEnded,
        StatusCode::CONFLICT => WireError::Replaced,
        _ if status.is_redirection() => {
            WireError::Refused { status, why: format!("it wants to be called at {}", location.unwrap_or_else(|| "another address".into())) }
        }
        _ => WireError::Refused { status, why: in_words(&body) },
    })
}

fn in_words(body: &[u8]) -> String {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let words = [problem.title, problem.detail].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    let plain: String = words.chars().filter(|c| !c.is_control()).take(300).collect();
    if plain.is_empty() { "no reason given".into() } else { plain }
}

async fn read_capped(mut response: reqwest::Response) -> Result<Vec<u8>, WireError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| WireError::Unreachable(chain(&error)))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(WireError::Unreadable("it is longer than 1 MiB".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error with its causes: reqwest's own text stops at "error sending request".
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
