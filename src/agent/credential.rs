//! Enrolment and what it leaves in the agent's directory: the token, the ids, the timings, and the age identity that keys are sealed to.
//! Nothing here prints or logs the token.

use super::{
    dir::{AgentDir, write_durably},
    link::{
        trust::{Trust, TrustError},
        wire::{Wire, WireError, is_loopback},
    },
};
use crate::crypto::token::{TokenDigest, fingerprint};
use crate::domain::{AgentId, BotId, InstallationId, Secret};
use crate::protocol::{EnrolAgent, EnrolRequest, EnrolResponse};
use serde::{Deserialize, Serialize};
use std::{io, path::Path};
use url::Url;

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The server's address cannot be used.
    #[error("{0}")]
    BadServer(String),
    /// The directory has one already.
    #[error("this directory holds the credential of an agent already; use another directory, or --replace to give this one up")]
    Exists,
    /// The directory has none.
    #[error("this directory holds no credential; run `andon agent enrol` first")]
    Missing,
    /// It cannot be read.
    #[error("credential.json cannot be read: {0}")]
    Unreadable(String),
    /// The directory cannot be written.
    #[error("the agent's directory cannot be written: {0}")]
    Disk(#[from] io::Error),
    /// The certificates that alone vouch for the server cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The server cannot be reached or refused.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Who an agent is.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The server's address.
    pub server: Url,
    /// The bearer token.
    pub token: Secret<String>,
    /// The agent.
    pub agent: AgentId,
    /// Its bot.
    pub bot: BotId,
    /// The bot's name at enrolment.
    pub bot_name: String,
    /// The installation enrolled at; no other one is obeyed.
    pub installation: InstallationId,
    /// How often to check in, until the server says otherwise. Milliseconds.
    pub check_in_ms: i64,
    /// When to stop adding.
    pub stale_after_ms: i64,
    /// When to halt.
    pub lapse_after_ms: i64,
    /// What a person compares on the bot's page.
    pub fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    server: Url,
    recipient: String,
    #[serde(flatten)]
    enrolled: EnrolResponse,
}

/// Checks a server's address: https, or http on this very machine, since the token and every order to the bot travel over it.
///
/// # Errors
/// `BadServer`, with what to do instead.
pub fn check_server(text: &str) -> Result<Url, CredentialError> {
    let bad = |why: String| Err(CredentialError::BadServer(why));
    let mut url = match Url::parse(text.trim()) {
        Ok(url) if url.has_host() => url,
        _ => return bad(format!("{text:?} is not an address such as https://andon.example.com")),
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return bad("plain http would show the agent's token and the orders to its bot to everybody on the way; use https:// \
                 (http:// works for localhost only)"
                .into());
        }
        other => return bad(format!("{other}:// is not an address of a server; use https://")),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return bad("the address must not carry a user, password, query or fragment".into());
    }
    // So that `join` keeps a path behind which a proxy serves Andon.
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// What a person says when they enrol an agent.
#[derive(Debug)]
pub struct Enrolment<'a> {
    /// The server's address, checked.
    pub server: Url,
    /// The one-time code.
    pub code: &'a Secret<String>,
    /// The agent's name.
    pub name: String,
    /// A file of certificates that alone vouch for the server; none: the one that the directory holds already, or the system's.
    pub authority: Option<&'a Path>,
    /// Give up the credential that is there.
    pub replace: bool,
}

/// Turns a one-time code into a credential and writes it. The caller holds the directory's lock.
///
/// # Errors
/// When the server refuses, or the directory cannot be written; a credential that was there before then still is.
pub async fn enrol(dir: &AgentDir, asked: Enrolment<'_>) -> Result<Credential, CredentialError> {
    let Enrolment { server, code, name, authority, replace } = asked;
    if dir.credential().exists() && !replace {
        return Err(CredentialError::Exists);
    }
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let request = EnrolRequest {
        code: code.expose().clone(),
        agent: EnrolAgent {
            name,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        },
        recipient: recipient.clone(),
    };
    let (trust, authority) = match authority.map(Trust::read).transpose()? {
        Some((trust, pem)) => (trust, Some(pem)),
        None => (Trust::of(dir)?, None),
    };
    let wire = Wire::new(is_loopback(&server), &trust)?;
    let enrolled = wire.enrol(&server, &request).await?;
    use age::secrecy::ExposeSecret;
    let secret = identity.to_string();
    write_durably(&dir.identity(), format!("{}\n", secret.expose_secret()).as_bytes(), 0o600)?;
    if let Some(pem) = authority {
        write_durably(&dir.authority(), &pem, 0o644)?;
    }
    let stored = Stored { version: 1, server, recipient, enrolled };
    let text = serde_json::to_string_pretty(&stored).map_err(io::Error::other)?;
    write_durably(&dir.credential(), text.as_bytes(), 0o600)?;
    Ok(stored.into())
}

/// Reads the credential of a directory.
///
/// # Errors
/// `Missing`, `Unreadable`, or `BadServer` when the file was changed to an address that cannot be used.
pub fn load(dir: &AgentDir) -> Result<Credential, CredentialError> {
    let text = match std::fs::read_to_string(dir.credential()) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(CredentialError::Missing),
        Err(error) => return Err(CredentialError::Unreadable(error.to_string())),
    };
    // serde's message could quote the token, so only the place is told.
    let stored: Stored = serde_json::from_str(&text)
        .map_err(|error| CredentialError::Unreadable(format!("line {}, column {}", error.line(), error.column())))?;
    if stored.version != 1 {
        return Err(CredentialError::Unreadable(format!("it is of version {}, not 1", stored.version)));
    }
    let server = check_server(stored.server.as_str())?;
    Ok(Stored { server, ..stored }.into())
}

impl From<Stored> for Credential {
    fn from(stored: Stored) -> Self {
        let Stored { server, recipient, enrolled, .. } = stored;
        let print = fingerprint(&recipient, &TokenDigest::of(&enrolled.token));
        Self {
            server,
            token: Secret::new(enrolled.token),
            agent: enrolled.agent_id,
            bot: enrolled.bot.id,
            bot_name: enrolled.bot.name,
            installation: enrolled.installation.id,
            check_in_ms: enrolled.check_in_ms,
            stale_after_ms: enrolled.stale_after_ms,
            lapse_after_ms: enrolled.lapse_after_ms,
            fingerprint: print,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in
            ["https://andon.example.com", "http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:8080", "https://x.example/andon"]
        {
            assert!(check_server(good).is_ok(), "{good}");
        }
        for bad in [
            "http://andon.example.com",
            "http://10.0.0.1",
            "ftp://localhost",
            "localhost:8080",
            "",
            "https://u:p@x.example",
            "https://x.example/?a=1",
        ] {
            assert!(check_server(bad).is_err(), "{bad}");
        }
        assert_eq!(check_server("https://x.example/andon").unwrap().join("agent/v1/enrol").unwrap().path(), "/andon/agent/v1/enrol");
    }

    #[test]
    fn a_damaged_credential_is_refused_without_showing_the_token() {
        let dir = tempfile::tempdir().unwrap();
        let dir = AgentDir::new(dir.path());
        assert!(matches!(load(&dir), Err(CredentialError::Missing)));
        std::fs::write(dir.credential(), r#"{"version":1,"server":"https://x.example/","recipient":"age1x","token":"andon_agent_secret"}"#)
            .unwrap();
        let error = load(&dir).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
