//! Freqtrade's REST API, as far as it is used: one method per call, each with a deadline. It says what was answered and concludes nothing: a
//! `200` means that a wish was noted. The password goes into a header and nowhere else.

use super::facts::{Blacklist, Config, Daily, Health, Locks, Logs, Past, Trade, Wealth};
use crate::agent::link::{trust::Trust, wire::chain};
use crate::domain::Secret;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use url::{Url, form_urlencoded};

/// The most that an answer may hold. A thousand trades with their orders are about 3 MB.
const MOST: usize = 16 << 20;

/// Why a call brought no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Nobody answers.
    #[error("Freqtrade cannot be reached at {0}: {1}")]
    Unreachable(String, String),
    /// No answer in time.
    #[error("Freqtrade did not answer {0} within {1} ms")]
    Slow(String, u128),
    /// Wrong user or password.
    #[error("Freqtrade refuses the user name or the password: compare username and password_file with its config.json, section api_server")]
    Denied,
    /// It says no.
    #[error("Freqtrade answered {0} to {1}: {2}")]
    Refused(StatusCode, String, String),
    /// It says something else.
    #[error("Freqtrade's answer to {0} cannot be read: {1}")]
    Unreadable(String, String),
}

/// Where it is, and who calls.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: Url,
    username: String,
    password: Secret<String>,
    timeout: Duration,
    long: Duration,
}

impl Api {
    /// A client. `timeout` is for calls that Freqtrade answers by itself, `long` for those that may ask its exchange.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(base: Url, username: String, password: Secret<String>, timeout: Duration, long: Duration) -> Result<Self, String> {
        let tls = Trust::System.client_config().map_err(|error| error.to_string())?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // The minder calls from a runtime of its own, and a connection lives on the runtime that opened it.
            .pool_max_idle_per_host(0)
            .tcp_nodelay(true)
            .user_agent(concat!("andon-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| chain(&error))?;
        Ok(Self { http, base, username, password, timeout, long })
    }

    /// Its address, for people.
    pub fn place(&self) -> &str {
        self.base.as_str()
    }

    /// `GET show_config`: the state it wishes for, and what it runs.
    ///
    /// # Errors
    /// See [`ApiError`]; so of every method here.
    pub async fn config(&self) -> Result<Config, ApiError> {
        self.call(Method::GET, "show_config", self.timeout).await
    }
    /// `GET health`: when its loop last came round.
    pub async fn health(&self) -> Result<Health, ApiError> {
        self.call(Method::GET, "health", self.timeout).await
    }
    /// `GET status`: open trades with their orders. It may ask the exchange for prices.
    pub async fn status(&self) -> Result<Vec<Trade>, ApiError> {
        self.call(Method::GET, "status", self.long).await
    }
    /// `GET trades`: those that ended last, with their orders.
    pub async fn past(&self) -> Result<Past, ApiError> {
        self.call(Method::GET, "trades?limit=50&order_by_id=false", self.timeout).await
    }
    /// `GET logs`: what is still in its buffer.
    pub async fn logs(&self) -> Result<Logs, ApiError> {
        self.call(Method::GET, "logs", self.timeout).await
    }
    /// `GET balance`. It may ask the exchange for prices.
    pub async fn wealth(&self) -> Result<Wealth, ApiError> {
        self.call(Method::GET, "balance", self.long).await
    }
    /// `GET daily` for today.
    pub async fn daily(&self) -> Result<Daily, ApiError> {
        self.call(Method::GET, "daily?timescale=1", self.timeout).await
    }

    /// `POST pause`. Never for a stopped bot: it would wake it.
    pub async fn pause(&self) -> Result<(), ApiError> {
        self.call(Method::POST, "pause", self.timeout).await.map(|_: serde::de::IgnoredAny| ())
    }
    /// `POST stop`.
    pub async fn stop(&self) -> Result<(), ApiError> {
        self.call(Method::POST, "stop", self.timeout).await.map(|_: serde::de::IgnoredAny| ())
    }
    /// `POST start`.
    pub async fn start(&self) -> Result<(), ApiError> {
        self.call(Method::POST, "start", self.timeout).await.map(|_: serde::de::IgnoredAny| ())
    }
    /// `POST reload_config`: it comes back in its initial state.
    pub async fn reload(&self) -> Result<(), ApiError> {
        self.call(Method::POST, "reload_config", self.timeout).await.map(|_: serde::de::IgnoredAny| ())
    }
    /// `DELETE trades/ID/open-order`: every open order of that trade but its stop-losses. Neither a `200` nor a `502` says whether they are gone:
    /// a trade that ends with its entry order is answered `502`.
    pub async fn cancel(&self, trade: i64) -> Result<(), ApiError> {
        self.call(Method::DELETE, &format!("trades/{trade}/open-order"), self.long).await.map(|_: serde::de::IgnoredAny| ())
    }

    /// `GET blacklist`: what no entry is made in, as it is now.
    pub async fn blacklist(&self) -> Result<Blacklist, ApiError> {
        self.call(Method::GET, "blacklist", self.timeout).await
    }
    /// `POST blacklist`: adds patterns. Answered with 200 whether they were taken or not.
    pub async fn add_to_blacklist(&self, patterns: &[&str]) -> Result<(), ApiError> {
        let body = json!({ "blacklist": patterns });
        self.send(Method::POST, "blacklist", self.timeout, Some(body)).await.map(|_: serde::de::IgnoredAny| ())
    }
    /// `DELETE blacklist`: takes patterns away.
    pub async fn take_from_blacklist(&self, patterns: &[&str]) -> Result<(), ApiError> {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(patterns.iter().map(|pattern| ("pairs_to_delete", pattern)))
            .finish();
        self.call(Method::DELETE, &format!("blacklist?{query}"), self.timeout).await.map(|_: serde::de::IgnoredAny| ())
    }
    /// `GET locks`: pairs in which no entry is made for a time.
    pub async fn locks(&self) -> Result<Locks, ApiError> {
        self.call(Method::GET, "locks", self.timeout).await
    }
    /// `POST locks`: locks pairs on both sides.
    pub async fn lock(&self, pairs: &[&str], until: &str, reason: &str) -> Result<(), ApiError> {
        let body = pairs.iter().map(|pair| json!({ "pair": pair, "until": until, "side": "*", "reason": reason })).collect();
        self.send(Method::POST, "locks", self.timeout, Some(body)).await.map(|_: serde::de::IgnoredAny| ())
    }
    /// `DELETE locks/ID`.
    pub async fn unlock(&self, lock: i64) -> Result<(), ApiError> {
        self.call(Method::DELETE, &format!("locks/{lock}"), self.timeout).await.map(|_: serde::de::IgnoredAny| ())
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, within: Duration) -> Result<T, ApiError> {
        self.send(method, path, within, None).await
    }

    async fn send<T: DeserializeOwned>(&self, method: Method, path: &str, within: Duration, body: Option<Value>) -> Result<T, ApiError> {
        let failed = |error: reqwest::Error| {
            if error.is_timeout() {
                ApiError::Slow(path.to_owned(), within.as_millis())
            } else {
                ApiError::Unreachable(self.base.to_string(), chain(&error.without_url()))
            }
        };
        let url = self.base.join("api/v1/").and_then(|base| base.join(path)).map_err(|error| unreadable(path, error))?;
        let mut request = self.http.request(method, url).basic_auth(&self.username, Some(self.password.expose())).timeout(within);
        if let Some(body) = body {
            request = request.header(http::header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MOST {
                return Err(unreadable(path, "it is longer than 16 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ApiError::Denied),
            status if status.is_success() => serde_json::from_slice(&body).map_err(|error| unreadable(path, error)),
            status => Err(ApiError::Refused(status, path.to_owned(), words(&body))),
        }
    }
}

fn unreadable(path: &str, why: impl std::fmt::Display) -> ApiError {
    ApiError::Unreadable(path.to_owned(), why.to_string())
}

/// What it says in words: `{"error": …}`, `{"detail": …}`, or plain text.
fn words(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let said = ["error", "detail"].iter().find_map(|name| json.get(name)?.as_str().map(str::to_owned));
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    said.chars().filter(|c| !c.is_control()).take(300).collect()
}
