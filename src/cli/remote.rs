//! A server over HTTP, from anywhere: its address, an API token, and who vouches for its certificate. The same for every command that goes
//! this way.

use super::{Failure, control};
use crate::agent::link::trust::Trust;
use crate::crypto::token as tokens;
use crate::domain::Secret;
use reqwest::redirect::Policy;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Which server, and as whom.
#[derive(Debug, clap::Args)]
pub struct Remote {
    /// The server's address.
    #[arg(long, env = "ANDON_SERVER", value_name = "URL")]
    server: url::Url,
    /// A file that holds an API token. Or the variable `ANDON_TOKEN`.
    #[arg(long, env = "ANDON_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates in PEM that alone vouch for the server, where the system's authorities do not.
    #[arg(long, env = "ANDON_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// A server that is asked with a token.
pub struct Api {
    client: reqwest::Client,
    server: url::Url,
    token: Secret<String>,
}

/// What it answered.
pub struct Answered {
    /// The body as it came.
    pub body: String,
}

/// A client that follows no redirect, since a redirected write becomes a read, and trusts what the system trusts, or these certificates alone.
///
/// # Errors
/// When they cannot be read.
pub fn client(ca: Option<&Path>) -> Result<reqwest::Client, Failure> {
    let trust = ca.map(Trust::read).transpose()?.map_or(Trust::System, |(trust, _)| trust);
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(trust.client_config()?)
        .redirect(Policy::none())
        .timeout(control::ANSWER)
        .build()?)
}

/// The token in a file, or that in the variable `ANDON_TOKEN`; none: neither is there.
///
/// # Errors
/// When the file cannot be read.
pub fn token(file: Option<&Path>) -> Result<Option<Secret<String>>, Failure> {
    let Some(file) = file else { return Ok(std::env::var("ANDON_TOKEN").ok().map(Secret::new)) };
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Some(Secret::new(text.trim().to_owned())))
}

/// The reason in a problem that a server answered with.
pub fn reason(status: reqwest::StatusCode, body: &str) -> String {
    let read: Value = serde_json::from_str(body).unwrap_or_default();
    let detail = read.get("detail").and_then(Value::as_str).unwrap_or_default();
    if detail.is_empty() { format!("the server answered {status}") } else { detail.to_owned() }
}

impl Remote {
    /// Gets ready to ask.
    ///
    /// # Errors
    /// Without a token, or when it or the certificates cannot be read.
    pub fn api(&self) -> Result<Api, Failure> {
        let token = token(self.token_file.as_deref())?.ok_or("this needs a token: --token-file FILE, or the variable ANDON_TOKEN")?;
        if !self.server.username().is_empty() || self.server.password().is_some() {
            return Err("the server's address holds a name or password; leave those out, the token is what is shown".into());
        }
        Ok(Api { client: client(self.ca.as_deref())?, server: self.server.clone(), token })
    }
}

impl Api {
    /// Where a browser finds a page of the server.
    ///
    /// # Errors
    /// For an address that takes no path.
    pub fn page(&self, path: &str) -> Result<url::Url, Failure> {
        Ok(self.server.join(path)?)
    }

    /// Reads what is at a path.
    ///
    /// # Errors
    /// When nobody answers; with the server's reason when it refuses.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Answered, Failure> {
        let mut at = self.server.join(path)?;
        if !query.is_empty() {
            at.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.client.get(at)).await
    }

    /// Sends a body to a path, under a key of its own: where the connection broke it is sent once more, and done once.
    ///
    /// # Errors
    /// As `get`.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answered, Failure> {
        let at = self.server.join(path)?;
        let key = tokens::random::<16>()?;
        let request = || self.client.post(at.clone()).header("idempotency-key", &key).json(body);
        match self.send(request()).await {
            Err(failure) if is_broken(&failure) => self.send(request()).await,
            other => other,
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answered, Failure> {
        let answer = request.bearer_auth(self.token.expose()).send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        if !status.is_success() {
            return Err(reason(status, &body).into());
        }
        // A page of something in between is no answer, whatever its status.
        serde_json::from_str::<Value>(&body).map_err(|_| "what answered is not this server: it sent no JSON")?;
        Ok(Answered { body })
    }
}

/// True when the connection broke before there was an answer.
fn is_broken(failure: &Failure) -> bool {
    failure.downcast_ref::<reqwest::Error>().is_some_and(|error| error.is_request() && !error.is_connect() && !error.is_timeout())
}

impl Answered {
    /// The body in this shape.
    ///
    /// # Errors
    /// When it has another.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.body).map_err(|error| format!("the server's answer cannot be read: {error}").into())
    }
}
