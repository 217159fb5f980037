//! A master key that Vault or OpenBao keeps: it wraps and unwraps data keys with its transit engine and never shows its own. Written against the
//! documented exchanges of both (<https://openbao.org/api-docs/secret/transit/>, <https://developer.hashicorp.com/vault/api-docs/secret/transit>),
//! and tested against those, not against a running one.
//!
//! The token is read from its file at each use, so that whoever renews it need not restart the server; it, and whatever was sent or answered, is in
//! no error. The HTTP and TLS libraries keep a data key in buffers of theirs for a while after a call: those are not wiped.

use super::MasterKeyFileError;
use crate::agent::link::{trust::Trust, wire::is_loopback};
use crate::config::TransitSettings;
use crate::crypto::vault::{DataKey, MasterKey, MasterKeyError, MasterKeyId};
use crate::domain::Secret;
use async_trait::async_trait;
use data_encoding::BASE64;
use reqwest::{StatusCode, header::HeaderValue, redirect::Policy};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;
use zeroize::Zeroizing;

const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(10);
/// The longest answer, bytes: a wrapped key has about a hundred.
const MOST: usize = 64 * 1024;
/// The longest wrapped key, bytes.
const LONGEST: usize = 4 * 1024;
const TOKEN: &str = "X-Vault-Token";
/// The longest file of a token, bytes.
const LONGEST_TOKEN: u64 = 16 * 1024;
/// What a 400 says of ciphertext that was changed, or wrapped for something else. Any other 400 is about the key or the question.
const CHANGED: [&str; 6] = [
    "message authentication failed",
    "invalid ciphertext length",
    "invalid ciphertext: no prefix",
    "invalid ciphertext: wrong number of fields",
    "invalid ciphertext: version number could not be decoded",
    "invalid ciphertext: could not decode base64",
];

/// The key at Vault or OpenBao.
pub struct TransitKey {
    http: reqwest::Client,
    encrypt: Url,
    decrypt: Url,
    token_file: PathBuf,
    id: MasterKeyId,
}

#[derive(Serialize)]
struct Encrypt<'a> {
    plaintext: &'a str,
    associated_data: String,
}

#[derive(Serialize)]
struct Decrypt<'a> {
    ciphertext: &'a str,
    associated_data: String,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: Secret<String>,
}

impl TransitKey {
    /// Gets ready to ask; connects to nobody.
    ///
    /// # Errors
    /// When the certificates cannot be read, or TLS cannot be set up.
    pub fn open(settings: &TransitSettings) -> Result<Self, MasterKeyFileError> {
        let failed = |why: String| MasterKeyFileError::Transit(why);
        let trust = settings.ca.as_deref().map(Trust::read).transpose().map_err(|error| failed(error.to_string()))?;
        let tls = trust.map_or(Trust::System, |(trust, _)| trust).client_config().map_err(|error| failed(error.to_string()))?;
        // A redirect would carry the token to whoever is named in it.
        let mut builder = reqwest::Client::builder().tls_backend_preconfigured(tls).redirect(Policy::none());
        builder = builder.connect_timeout(CONNECT).timeout(ANSWER);
        if is_loopback(&settings.address) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| failed(error.to_string()))?;
        let at = |what: &str| {
            let path = format!("v1/{}/{what}/{}", settings.mount, settings.key);
            settings.address.join(&path).map_err(|error| failed(error.to_string()))
        };
        // Without the address: the same key may be reached at another one tomorrow.
        let id = MasterKeyId::elsewhere(format!("transit:{}/{}", settings.mount, settings.key));
        Ok(Self { http, encrypt: at("encrypt")?, decrypt: at("decrypt")?, token_file: settings.token_file.clone(), id })
    }

    /// The token, from a file that nobody else on this machine can read.
    async fn token(&self) -> Result<HeaderValue, MasterKeyError> {
        let path = self.token_file.clone();
        let denied = |why: String| MasterKeyError::Denied(format!("{}: {why}", self.token_file.display()));
        let read = tokio::task::spawn_blocking(move || read_token(&path)).await;
        let text = read.map_err(|error| denied(error.to_string()))?.map_err(|error| denied(error.to_string()))?;
        let mut token = HeaderValue::from_str(text.trim()).map_err(|_| denied("holds no token".to_owned()))?;
        if token.is_empty() {
            return Err(denied("holds no token".to_owned()));
        }
        token.set_sensitive(true);
        Ok(token)
    }

    async fn ask<T: DeserializeOwned>(&self, at: &Url, body: &impl Serialize) -> Result<T, MasterKeyError> {
        let unavailable = |why: &str| MasterKeyError::Unavailable(format!("Vault or OpenBao {why}"));
        let request = self.http.post(at.clone()).header(TOKEN, self.token().await?).json(body);
        let response = request.send().await.map_err(|error| {
            let why = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
            tracing::warn!(error = %error.without_url(), "the transit engine {why}");
            unavailable(why)
        })?;
        let status = response.status();
        let answer = read_capped(response).await.ok_or_else(|| unavailable("sent an answer that broke off or is too long"))?;
        if status.is_success() {
            let read: Result<Answer<T>, _> = serde_json::from_slice(&answer);
            return read.map(|answer| answer.data).map_err(|_| unavailable("sent an answer that is not the documented one"));
        }
        Err(self.refusal(status, &answer))
    }

    /// What a status means. The words that came with it are looked at and not repeated.
    fn refusal(&self, status: StatusCode, answer: &[u8]) -> MasterKeyError {
        let denied = |why: String| MasterKeyError::Denied(format!("Vault or OpenBao {why}"));
        let unavailable = |why: &str| MasterKeyError::Unavailable(format!("Vault or OpenBao {why}"));
        let says = |words: &str| String::from_utf8_lossy(answer).contains(words);
        match status {
            StatusCode::BAD_REQUEST if says("not found") => denied(format!("has no key {}", self.id)),
            StatusCode::BAD_REQUEST if says("too old") => denied(format!(
                "opens nothing that was wrapped by an early version of {}: its min_decryption_version was raised; lower it again",
                self.id
            )),
            StatusCode::BAD_REQUEST if says("too new") => {
                denied(format!("knows no such version of {}: the key was made anew or restored there, or another one is asked", self.id))
            }
            StatusCode::BAD_REQUEST if CHANGED.into_iter().any(says) => MasterKeyError::Refused,
            StatusCode::BAD_REQUEST => denied(format!("does not take what it is asked of {}: see its log", self.id)),
            StatusCode::FORBIDDEN => denied(format!("does not let this token use {} (ended, or its policy does not say so)", self.id)),
            StatusCode::NOT_FOUND => denied(format!("has no transit engine for {}", self.id)),
            StatusCode::SERVICE_UNAVAILABLE => unavailable("is sealed, or down for maintenance"),
            _ if status.is_redirection() => unavailable("sends its callers elsewhere: name the address of the one that is active"),
            _ => MasterKeyError::Unavailable(format!("Vault or OpenBao answered {}", status.as_u16())),
        }
    }
}

/// Reads a token's file; one of a service's credentials may show rights of the group, which are the mask of its access list.
fn read_token(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let is_credential = std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|dir| path.starts_with(dir));
    let refused = if is_credential { 0o007 } else { 0o077 };
    if file.metadata()?.mode() & refused != 0 {
        return Err(io::Error::other("can be read by others on this machine: chmod 600"));
    }
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_TOKEN as usize + 1));
    file.take(LONGEST_TOKEN).read_to_string(&mut text)?;
    Ok(text)
}

async fn read_capped(mut response: reqwest::Response) -> Option<Zeroizing<Vec<u8>>> {
    // Never grown, so that no copy is left behind.
    let mut body = Zeroizing::new(Vec::with_capacity(MOST));
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > MOST {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

#[async_trait]
impl MasterKey for TransitKey {
    fn id(&self) -> &MasterKeyId {
        &self.id
    }

    async fn wrap(&self, data_key: &DataKey, aad: &[u8]) -> Result<Vec<u8>, MasterKeyError> {
        let plaintext = Zeroizing::new(BASE64.encode(data_key.expose()));
        let body = Encrypt { plaintext: &plaintext, associated_data: BASE64.encode(aad) };
        let Encrypted { ciphertext } = self.ask(&self.encrypt, &body).await.map_err(|error| match error {
            MasterKeyError::Refused => {
                MasterKeyError::Denied(format!("Vault or OpenBao wraps nothing with {}: is it an AEAD key?", self.id))
            }
            other => other,
        })?;
        if !ciphertext.starts_with("vault:v") || ciphertext.len() > LONGEST {
            return Err(MasterKeyError::Unavailable("Vault or OpenBao sent something else than a wrapped key".into()));
        }
        Ok(ciphertext.into_bytes())
    }

    async fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<DataKey, MasterKeyError> {
        let ciphertext = std::str::from_utf8(wrapped).map_err(|_| MasterKeyError::Refused)?;
        let body = Decrypt { ciphertext, associated_data: BASE64.encode(aad) };
        let Decrypted { plaintext } = self.ask(&self.decrypt, &body).await?;
        let bytes = BASE64.decode(plaintext.expose().as_bytes()).map(Zeroizing::new).map_err(|_| MasterKeyError::Refused)?;
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(MasterKeyError::Refused);
        }
        key.copy_from_slice(&bytes);
        Ok(Secret::new(*key))
    }
}

#[cfg(test)]
mod tests;
