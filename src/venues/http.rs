//! Calls to a venue: TLS by the machine's authorities, deadlines, a bound on what is read, and no redirect, since a redirected call shows its
//! signature to somebody else. Proxies of the environment are ignored: keys are bound to addresses, and a variable must not change ours. Says
//! what was answered; what a code means is each venue's own table.

use super::error::VenueError;
use crate::domain::{Clock, Timestamp};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::Verifier;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

/// A venue that does not take a connection within this is not reached.
const CONNECT: Duration = Duration::from_secs(3);
/// The longest a call may take.
const WHOLE: Duration = Duration::from_secs(10);
/// The most that an answer may hold.
const MOST: usize = 1 << 20;
/// The most that a list of orders may hold: thousands of them.
const LONGEST: usize = 16 << 20;

/// What all venues share: the client and the clock.
#[derive(Clone, Debug)]
pub(super) struct Door {
    client: reqwest::Client,
    clock: Clock,
}

impl Door {
    /// Gets ready; connects to nobody. `is_local`: no base is outside of this machine, so that no authority is needed.
    ///
    /// # Errors
    /// In words, when TLS cannot be set up.
    pub(super) fn open(clock: Clock, is_local: bool) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider.clone());
        let tls = tls.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let tls = if is_local {
            tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        } else {
            let verifier = Verifier::new(provider).map_err(|error| format!("no certificate authority is trusted here: {error}"))?;
            tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .tcp_nodelay(true)
            .user_agent(concat!("andon/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, clock })
    }
    /// The present moment.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Whether a base is fit to carry a key: HTTPS, or this machine.
pub(super) fn is_fit(base: &Url) -> bool {
    base.scheme() == "https" || is_local(base)
}

/// Whether a base is on this machine.
pub(super) fn is_local(base: &Url) -> bool {
    match base.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// One host of a venue.
#[derive(Clone, Debug)]
pub(super) struct Http {
    door: Door,
    base: Url,
}

/// What is sent, signed already.
#[derive(Debug)]
pub(super) struct Call {
    /// How.
    pub(super) method: Method,
    /// The path, from its slash.
    pub(super) path: String,
    /// Without its question mark, encoded already.
    pub(super) query: String,
    /// As it goes out; empty: none.
    pub(super) body: String,
    /// Whether the body is JSON; else it is a form.
    pub(super) is_json: bool,
    /// Whether it may change something.
    pub(super) is_write: bool,
    most: usize,
    headers: HeaderMap,
}

/// Pairs as a query or a form: percent-encoded, in order.
pub(super) fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Call {
    /// A call that changes something unless it is a GET.
    pub(super) fn new(method: Method, path: &str, pairs: &[(&str, &str)]) -> Self {
        let is_write = method != Method::GET;
        Self {
            method,
            path: path.to_owned(),
            query: encode(pairs),
            body: String::new(),
            is_json: false,
            is_write,
            most: MOST,
            headers: HeaderMap::new(),
        }
    }
    /// Reads at this path.
    pub(super) fn get(path: &str, pairs: &[(&str, &str)]) -> Self {
        Self::new(Method::GET, path, pairs)
    }
    /// The same for a list, whose answer may be long.
    #[must_use]
    pub(super) fn long(self) -> Self {
        Self { most: LONGEST, ..self }
    }
    /// Posts JSON.
    pub(super) fn json(path: &str, body: &Value) -> Self {
        Self { body: body.to_string(), is_json: true, ..Self::new(Method::POST, path, &[]) }
    }
    /// Posts a form.
    pub(super) fn form(path: &str, pairs: &[(&str, &str)]) -> Self {
        Self { body: encode(pairs), ..Self::new(Method::POST, path, &[]) }
    }
    /// Adds a header that no log shows.
    ///
    /// # Errors
    /// `Cannot` for what no header may hold.
    pub(super) fn head(&mut self, name: &'static str, value: &str) -> Result<(), VenueError> {
        let bad = |_| VenueError::Cannot("the key or its passphrase holds characters that no venue takes");
        let mut value = HeaderValue::from_str(value).map_err(bad)?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }
    /// The path with its query.
    pub(super) fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }
}

/// What was answered, below 500 and neither a redirect nor a plea to wait.
pub(super) struct Reply {
    /// The status.
    pub(super) status: StatusCode,
    /// How long the venue wants to be left alone.
    pub(super) wait: Option<Duration>,
    /// Whether it answers a call that may have changed something.
    pub(super) is_write: bool,
    body: Zeroizing<Vec<u8>>,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Errors
    /// `Unknown`, of a write `ExecutionUnknown`, when it is none.
    pub(super) fn value(&self) -> Result<Value, VenueError> {
        serde_json::from_slice(&self.body)
            .map_err(|_| lost(self.is_write, format!("HTTP {} with a body that is no JSON", self.status.as_u16())))
    }
}

/// What is not known; of a write, whether it was done.
pub(super) fn lost(is_write: bool, why: String) -> VenueError {
    if is_write { VenueError::ExecutionUnknown(why) } else { VenueError::unknown(why) }
}

impl Http {
    /// A host of a venue.
    pub(super) fn new(door: Door, base: Url) -> Self {
        Self { door, base }
    }
    /// The present moment.
    pub(super) fn now(&self) -> Timestamp {
        self.door.now()
    }

    /// Sends, and reads what comes.
    ///
    /// # Errors
    /// `Unknown` when nothing was learned; `ExecutionUnknown` when a write may have been done.
    pub(super) async fn send(&self, call: Call) -> Result<Reply, VenueError> {
        let (is_write, most) = (call.is_write, call.most);
        let mut url = self.base.join(&call.path).map_err(|_| VenueError::Cannot("the venue's address takes no path"))?;
        url.set_query((!call.query.is_empty()).then_some(call.query.as_str()));
        let mut request = self.door.client.request(call.method, url).headers(call.headers);
        if !call.body.is_empty() {
            let kind = if call.is_json { "application/json" } else { "application/x-www-form-urlencoded" };
            request = request.header(header::CONTENT_TYPE, kind).body(call.body);
        }
        let response = request.send().await.map_err(|error| failed(is_write, error))?;
        let (status, wait) = (response.status(), wait(response.headers(), self.now()));
        if status.is_redirection() {
            return Err(lost(is_write, format!("it sends us elsewhere (HTTP {}), and nobody goes", status.as_u16())));
        }
        // 418 is Binance's word for a ban after 429s that were not heard.
        if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::IM_A_TEAPOT {
            let why = format!("too many calls (HTTP {})", status.as_u16());
            return Err(VenueError::Unknown { why, code: None, wait });
        }
        if status.is_server_error() {
            return Err(match lost(is_write, format!("the venue fails (HTTP {})", status.as_u16())) {
                VenueError::Unknown { why, code, .. } => VenueError::Unknown { why, code, wait },
                other => other,
            });
        }
        Ok(Reply { status, wait, is_write, body: read_capped(response, is_write, most).await? })
    }
}

/// A call without an answer. Where no connection was made nothing was done. The address is left out: its query may hold a signature.
fn failed(is_write: bool, error: reqwest::Error) -> VenueError {
    let error = error.without_url();
    if error.is_connect() {
        return VenueError::unknown("the venue cannot be reached");
    }
    let why = if error.is_timeout() { "the venue did not answer in time" } else { "the connection ended before the answer" };
    lost(is_write, why.to_owned())
}

async fn read_capped(mut response: reqwest::Response, is_write: bool, most: usize) -> Result<Zeroizing<Vec<u8>>, VenueError> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(is_write, error))? {
        if body.len() + chunk.len() > most {
            return Err(lost(is_write, format!("the answer is longer than {} MiB", most >> 20)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// How long to wait: `Retry-After` in seconds, or Bybit's moment in milliseconds. At most an hour is believed.
fn wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let ms = match number("retry-after") {
        Some(seconds) => seconds.saturating_mul(1_000),
        None => number("x-bapi-limit-reset-timestamp")?.saturating_sub(now.0 / 1_000),
    };
    u64::try_from(ms.min(3_600_000)).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_over_tls_or_nowhere_else_than_this_machine() {
        let fit = |text: &str| is_fit(&Url::parse(text).unwrap());
        assert!(fit("https://api.example") && fit("http://127.0.0.1:8080") && fit("http://[::1]:1") && fit("http://localhost"));
        assert!(!fit("http://api.example") && !fit("http://192.0.2.1") && !fit("http://localhost.example"));
    }

    #[test]
    fn how_long_to_wait_is_read_and_bounded() {
        let of = |name: &'static str, value: &str| {
            wait(
                &HeaderMap::from_iter([(header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())]),
                Timestamp(1_700_000_000_000_000),
            )
        };
        assert_eq!(of("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(of("x-bapi-limit-reset-timestamp", "1700000001500"), Some(Duration::from_millis(1_500)));
        assert_eq!(of("x-bapi-limit-reset-timestamp", "1600000000000"), None);
        assert_eq!(of("retry-after", "999999999999999999"), Some(Duration::from_secs(3_600)));
        assert_eq!(of("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
