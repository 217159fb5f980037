//! A venue over real HTTP: it answers what a test laid out, remembers what was asked, and refuses what is not signed as the venue's documents say.
//! Signatures are verified with `ring`, and the signed text is put together here anew, so that a mistake of the client is no mistake here.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode},
    response::Response,
};
use data_encoding::{BASE64, HEXLOWER};
use ring::{digest, hmac};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};
use url::Url;

pub const KEY: &str = "KEY-canary-7f3a";
pub const SECRET: &str = "test-secret-0123456789";
/// The same in base64, as Kraken gives secrets out.
pub const SECRET_BASE64: &str = "dGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ==";
pub const PASSPHRASE: &str = "test-pass-canary";
/// What the clock of these tests says, microseconds.
pub const NOW_US: i64 = 1_700_000_000_000_000;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub what: String,
    pub query: String,
    pub body: String,
    pub headers: HeaderMap,
}

impl Seen {
    pub fn head(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
    fn method(&self) -> &str {
        self.what.split(' ').next().unwrap()
    }
    fn path(&self) -> &str {
        self.what.split(' ').nth(1).unwrap()
    }
    /// A value of the query or the form.
    pub fn value(&self, name: &str) -> Option<String> {
        let text = if self.query.is_empty() { &self.body } else { &self.query };
        url::form_urlencoded::parse(text.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What it answers.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), headers: Vec::new() }
    }
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<&str> for Answer {
    fn from(body: &str) -> Self {
        Self::of(200, body)
    }
}

impl From<String> for Answer {
    fn from(body: String) -> Self {
        Self::of(200, body)
    }
}

/// How the venue verifies a request.
pub type Verify = fn(&Seen) -> Result<(), String>;

#[derive(Default)]
struct Inside {
    answers: HashMap<String, VecDeque<Answer>>,
    seen: Vec<Seen>,
    faults: Vec<String>,
    last_nonce: u64,
}

/// The venue.
#[derive(Clone)]
pub struct Fake {
    inside: Arc<Mutex<Inside>>,
    verify: Verify,
    pub url: Url,
}

impl Fake {
    pub async fn start(verify: Verify) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let fake = Self { inside: Arc::default(), verify, url };
        let router = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        fake
    }
    fn at(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }
    /// Lays out an answer for `GET /path`. Of several the last stays.
    pub fn on(&self, what: &str, answer: impl Into<Answer>) -> &Self {
        self.at().answers.entry(what.to_owned()).or_default().push_back(answer.into());
        self
    }
    /// Lays out one answer instead of all others.
    pub fn only(&self, what: &str, answer: impl Into<Answer>) {
        self.at().answers.insert(what.to_owned(), VecDeque::from([answer.into()]));
    }
    /// Everything that was asked since the last look, all of it well signed.
    pub fn seen(&self) -> Vec<Seen> {
        let mut inside = self.at();
        assert!(inside.faults.is_empty(), "{:#?}", inside.faults);
        std::mem::take(&mut inside.seen)
    }
    /// The same by method and path alone.
    pub fn asked(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.what).collect()
    }
}

async fn answer(State(fake): State<Fake>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    let what = format!("{} {}", parts.method, parts.uri.path());
    let seen = Seen { what: what.clone(), query: parts.uri.query().unwrap_or_default().to_owned(), body, headers: parts.headers };
    let mut inside = fake.at();
    if let Err(fault) = (fake.verify)(&seen) {
        inside.faults.push(format!("{what}: {fault}"));
    }
    if let Some(nonce) = nonce(&seen) {
        if nonce <= inside.last_nonce {
            let last = inside.last_nonce;
            inside.faults.push(format!("{what}: nonce {nonce} after {last}"));
        }
        inside.last_nonce = nonce;
    }
    inside.seen.push(seen);
    let laid_out =
        inside.answers.get_mut(&what).and_then(|answers| if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() });
    let Some(answer) = laid_out else {
        inside.faults.push(format!("{what}: nothing is laid out"));
        return Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty()).unwrap();
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(HeaderName::from_static(name), value);
    }
    response.body(Body::from(answer.body)).unwrap()
}

fn nonce(seen: &Seen) -> Option<u64> {
    let text = if seen.path().starts_with("/0/private/") { seen.value("nonce")? } else { seen.head("nonce").to_owned() };
    text.parse().ok()
}

fn same(name: &str, found: &str, wanted: &str) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{name} is {found:?} and should be {wanted:?}")) }
}

fn hmac_of(algorithm: hmac::Algorithm, secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, secret));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().to_vec()
}

/// Binance: hex over the query before the signature.
pub fn binance(seen: &Seen) -> Result<(), String> {
    same("key", seen.head("x-mbx-apikey"), KEY)?;
    same("timestamp", &seen.value("timestamp").unwrap_or_default(), "1700000000000")?;
    let (payload, signature) = seen.query.rsplit_once("&signature=").ok_or("no signature")?;
    same("signature", signature, &HEXLOWER.encode(&hmac_of(hmac::HMAC_SHA256, SECRET.as_bytes(), &[payload.as_bytes()])))
}

/// Binance with an Ed25519 key: the public key of `6-venues.md` 8.2.
pub fn binance_ed25519(seen: &Seen) -> Result<(), String> {
    let public = BASE64.decode(b"MCowBQYDK2VwAyEAebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ=").unwrap();
    let (payload, _) = seen.query.rsplit_once("&signature=").ok_or("no signature")?;
    let signature = BASE64.decode(seen.value("signature").unwrap_or_default().as_bytes()).map_err(|error| error.to_string())?;
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &public[12..]);
    key.verify(payload.as_bytes(), &signature).map_err(|_| "the signature is not that of the key".to_owned())
}

/// Bybit: hex over time, key, window and what goes out.
pub fn bybit(seen: &Seen) -> Result<(), String> {
    same("key", seen.head("x-bapi-api-key"), KEY)?;
    same("time", seen.head("x-bapi-timestamp"), "1700000000000")?;
    let window = seen.head("x-bapi-recv-window");
    let payload = if seen.method() == "GET" { &seen.query } else { &seen.body };
    let text = format!("1700000000000{KEY}{window}{payload}");
    same("signature", seen.head("x-bapi-sign"), &HEXLOWER.encode(&hmac_of(hmac::HMAC_SHA256, SECRET.as_bytes(), &[text.as_bytes()])))
}

/// OKX: base64 over time, method, path with query, and body.
pub fn okx(seen: &Seen) -> Result<(), String> {
    same("key", seen.head("ok-access-key"), KEY)?;
    same("passphrase", seen.head("ok-access-passphrase"), PASSPHRASE)?;
    same("time", seen.head("ok-access-timestamp"), "2023-11-14T22:13:20.000Z")?;
    let mark = if seen.query.is_empty() { "" } else { "?" };
    let text = format!("2023-11-14T22:13:20.000Z{}{}{mark}{}{}", seen.method(), seen.path(), seen.query, seen.body);
    same("signature", seen.head("ok-access-sign"), &BASE64.encode(&hmac_of(hmac::HMAC_SHA256, SECRET.as_bytes(), &[text.as_bytes()])))
}

fn sha256(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Kraken spot: base64 under the decoded secret, over the path and the digest of nonce and body.
pub fn kraken(seen: &Seen) -> Result<(), String> {
    same("key", seen.head("api-key"), KEY)?;
    let nonce = seen.value("nonce").ok_or("no nonce")?;
    let inner = sha256(&format!("{nonce}{}", seen.body));
    let signature = hmac_of(hmac::HMAC_SHA512, SECRET.as_bytes(), &[seen.path().as_bytes(), &inner]);
    same("signature", seen.head("api-sign"), &BASE64.encode(&signature))
}

/// Kraken futures: base64 under the decoded secret, over the digest of data, nonce and the path without its first part.
pub fn kraken_futures(seen: &Seen) -> Result<(), String> {
    same("key", seen.head("apikey"), KEY)?;
    let path = seen.path().strip_prefix("/derivatives").unwrap_or(seen.path());
    let data = if seen.method() == "GET" { &seen.query } else { &seen.body };
    let inner = sha256(&format!("{data}{}{path}", seen.head("nonce")));
    same("signature", seen.head("authent"), &BASE64.encode(&hmac_of(hmac::HMAC_SHA512, SECRET.as_bytes(), &[&inner])))
}
