//! Enrolment and what it leaves in the agent's directory: the token, the ids, the timings, and the age identity that keys are sealed to.
//! Nothing here prints or logs the token.

use super::{
    dir::{AgentDir, write_durably},
    link::{
        trust::{Trust, TrustError},
        wire::{self, Wire, WireError, is_loopback},
    },
};
use crate::crypto::token::{TokenDigest, fingerprint};
use crate::domain::{AgentId, BotId, Clock, InstallationId, Secret, Timestamp};
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
    /// Since when the token has been used; absent in a file of before there was this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_since: Option<Timestamp>,
    /// What a person compared: of the first token. Absent while that is still in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(flatten)]
    enrolled: EnrolResponse,
}

/// The file of a running agent's credential, in which its token is changed.
#[derive(Debug, Clone)]
pub struct Keeper(AgentDir);

impl Keeper {
    /// The file of a directory. Only the agent that runs there may change it.
    pub fn new(dir: AgentDir) -> Self {
        Self(dir)
    }
    /// Since when the token has been used; none: the file does not say.
    ///
    /// # Errors
    /// `Missing` or `Unreadable`.
    pub fn token_since(&self) -> Result<Option<Timestamp>, CredentialError> {
        Ok(read(&self.0)?.token_since)
    }
    /// Puts another token in the place of the one in the file, whole or not at all, and answers with the one that was there. On disk when
    /// this returns. Blocks.
    ///
    /// # Errors
    /// `Missing`, `Unreadable`, or `Disk`: the old token then still stands.
    pub fn replace_token(&self, token: &Secret<String>, since: Option<Timestamp>) -> Result<Secret<String>, CredentialError> {
        let mut stored = read(&self.0)?;
        let print = fingerprint(&stored.recipient, &TokenDigest::of(&stored.enrolled.token));
        stored.fingerprint.get_or_insert(print);
        stored.token_since = since;
        let old = std::mem::replace(&mut stored.enrolled.token, token.expose().clone());
        failpoint!("agent:before_token");
        write(&self.0, &stored)?;
        Ok(Secret::new(old))
    }
}

fn write(dir: &AgentDir, stored: &Stored) -> Result<(), CredentialError> {
    let text = serde_json::to_string_pretty(stored).map_err(io::Error::other)?;
    Ok(write_durably(&dir.credential(), text.as_bytes(), 0o600)?)
}

/// Checks a server's address: https, or http on this very machine, since the token and every order to the bot travel over it.
///
/// # Errors
/// `BadServer`, with what to do instead.
pub fn check_server(text: &str) -> Result<Url, CredentialError> {
    let plain = "plain http would show the agent's token and the orders to its bot to everybody on the way; use https:// (http:// works for \
         localhost only)";
    wire::address(text, "https://andon.example.com", Some(plain)).map_err(CredentialError::BadServer)
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
pub async fn enrol(dir: &AgentDir, asked: Enrolment<'_>, clock: &Clock) -> Result<Credential, CredentialError> {
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
    let stored = Stored { version: 1, server, recipient, token_since: Some(clock.now()), fingerprint: None, enrolled };
    write(dir, &stored)?;
    // Those of an agent before this one are sealed to an identity that is gone.
    match std::fs::remove_dir_all(dir.keys()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    Ok(stored.into())
}

/// Reads the credential of a directory.
///
/// # Errors
/// `Missing`, `Unreadable`, or `BadServer` when the file was changed to an address that cannot be used.
pub fn load(dir: &AgentDir) -> Result<Credential, CredentialError> {
    let stored = read(dir)?;
    let server = check_server(stored.server.as_str())?;
    Ok(Stored { server, ..stored }.into())
}

fn read(dir: &AgentDir) -> Result<Stored, CredentialError> {
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
    Ok(stored)
}

impl From<Stored> for Credential {
    fn from(stored: Stored) -> Self {
        let Stored { server, recipient, enrolled, fingerprint: compared, .. } = stored;
        let print = compared.unwrap_or_else(|| fingerprint(&recipient, &TokenDigest::of(&enrolled.token)));
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
    fn another_token_takes_the_place_of_the_first_and_the_letters_stay() {
        let dir = tempfile::tempdir().unwrap();
        let dir = AgentDir::new(dir.path());
        let text = r#"{"version":1,"server":"https://x.example/","recipient":"age1x","agent_id":"0193f0a0-0000-7000-8000-000000000001",
            "bot":{"id":"0193f0a0-0000-7000-8000-000000000002","name":"b"},"token":"andon_agent_one",
            "installation":{"id":"0193f0a0-0000-7000-8000-000000000003","name":"i"},"check_in_ms":1,"stale_after_ms":2,"lapse_after_ms":3}"#;
        std::fs::write(dir.credential(), text).unwrap();
        let before = load(&dir).unwrap();
        let keeper = Keeper::new(dir.clone());
        assert_eq!(keeper.token_since().unwrap(), None, "a file of before there was a time in it");
        let old = keeper.replace_token(&Secret::new("andon_agent_two".into()), Some(Timestamp(1_000_000))).unwrap();
        let after = load(&dir).unwrap();
        assert_eq!((old.expose().as_str(), after.token.expose().as_str()), ("andon_agent_one", "andon_agent_two"));
        assert_eq!((after.fingerprint, keeper.token_since().unwrap()), (before.fingerprint, Some(Timestamp(1_000_000))));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(dir.credential()).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
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
