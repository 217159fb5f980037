//! Sealing a bot's exchange key to its agent, so that nobody else opens it, the server that sealed it included.
//!
//! Source: the age format, version 1 (<https://age-encryption.org/v1>, C2SP `age.md`), with one X25519 recipient, as armored text; any age
//! program opens it with the agent's identity. What is inside is one object in RFC 8785 form that binds the secret to installation, agent, bot,
//! key, version, purpose and venue. An age file says nothing of who sealed it: that it came from the server is the connection's to vouch for.
//!
//! Our own buffers are wiped. The crate's are not all: sealing leaves the plaintext in a buffer of the `age` writer, and reading a secret that
//! holds escaped characters (a private key with its line ends) leaves it in one of the JSON reader.

use crate::domain::{AgentId, ApiSecret, BotId, InstallationId, KeyId, KeyPurpose, Secret};
use age::secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    io::{Read, Write},
    iter,
};
use zeroize::Zeroizing;

/// The longest sealed text, bytes: three secrets of the longest kind, escaped and in base64, fit.
pub const MAX_SEALED: usize = 256 * 1024;

/// The form of the envelope. Another one is another form.
const FORMAT: &str = "andon-key-1";

/// What a sealed secret is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The installation that sealed it.
    pub installation: InstallationId,
    /// The agent that it is for.
    pub agent: AgentId,
    /// Its bot.
    pub bot: BotId,
    /// The key.
    pub key: KeyId,
    /// Its version, from 1.
    pub version: i64,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The venue's name, as the register calls it.
    pub venue: String,
}

/// Why a secret was not sealed, or not opened. Nothing here tells any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text is no age recipient of this kind.
    #[error("that is no age X25519 recipient (age1…)")]
    NoRecipient,
    /// The text is no age identity.
    #[error("that is no age identity (AGE-SECRET-KEY-1…)")]
    NoIdentity,
    /// A part of the secret is empty or too long, or the version is none.
    #[error("a key's parts have between 1 and 8192 bytes, and its version is at least 1")]
    Implausible,
    /// It is sealed to somebody else.
    #[error("it is sealed to another recipient")]
    NotForUs,
    /// It was changed, cut, or is no age file.
    #[error("it cannot be opened: it was changed, cut short, or is no sealed key")]
    Broken,
    /// It opens, and is bound to something else than was expected.
    #[error("it is sealed for another {0}")]
    Moved(&'static str),
}

/// An agent's own half of the pair, for opening.
#[derive(Clone)]
pub struct Identity(age::x25519::Identity);

impl Identity {
    /// A new one.
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }
    /// Reads `AGE-SECRET-KEY-1…`; white space around it does not count.
    ///
    /// # Errors
    /// `NoIdentity`.
    pub fn parse(text: &Secret<String>) -> Result<Self, SealError> {
        text.expose().trim().parse().map(Self).map_err(|_| SealError::NoIdentity)
    }
    /// Its text, for the agent's own disk.
    pub fn to_text(&self) -> Secret<String> {
        Secret::new(self.0.to_string().expose_secret().to_owned())
    }
    /// The other half, `age1…`: what is sealed to.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// The plaintext. Fields stand in the order of their names: that, and no white space, is RFC 8785 for text and small whole numbers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    agent: &'a str,
    api_key: Hidden<'a>,
    bot: &'a str,
    format: &'a str,
    installation: &'a str,
    key_id: &'a str,
    passphrase: Option<Hidden<'a>>,
    purpose: KeyPurpose,
    secret: Hidden<'a>,
    #[serde(borrow)]
    venue: std::borrow::Cow<'a, str>,
    version: i64,
}

/// A part of the secret: of ours when it is read, somebody else's when it is written.
enum Hidden<'a> {
    Lent(&'a str),
    Own(Secret<String>),
}

impl Hidden<'_> {
    fn take(self) -> Secret<String> {
        match self {
            Self::Lent(text) => Secret::new(text.to_owned()),
            Self::Own(secret) => secret,
        }
    }
}

impl Serialize for Hidden<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Lent(text) => to.serialize_str(text),
            Self::Own(secret) => to.serialize_str(secret.expose()),
        }
    }
}

impl<'de> Deserialize<'de> for Hidden<'_> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Secret::deserialize(from).map(Self::Own)
    }
}

/// The plaintext of a secret in its binding.
fn envelope(binding: &Binding, secret: &ApiSecret) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let envelope = Envelope {
        agent: binding.agent.as_str(),
        api_key: Hidden::Lent(secret.api_key.expose()),
        bot: binding.bot.as_str(),
        format: FORMAT,
        installation: binding.installation.as_str(),
        key_id: binding.key.as_str(),
        passphrase: secret.passphrase.as_ref().map(|part| Hidden::Lent(part.expose())),
        purpose: binding.purpose,
        secret: Hidden::Lent(secret.secret.expose()),
        venue: binding.venue.as_str().into(),
        version: binding.version,
    };
    let lengths = [&secret.api_key, &secret.secret].into_iter().chain(&secret.passphrase).map(|part| part.expose().len());
    // An escaped byte takes six. Never grown, so that no copy is left behind.
    let room = lengths.chain([binding.venue.len()]).sum::<usize>() * 6 + 1024;
    let mut plain = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *plain, &envelope).map_err(|_| SealError::Implausible)?;
    Ok(plain)
}

/// Seals a secret to one agent. The recipient is the one that the agent gave at its enrolment.
///
/// # Errors
/// `NoRecipient`, or `Implausible` for a part that is empty or too long.
pub fn seal(binding: &Binding, secret: &ApiSecret, recipient: &str) -> Result<String, SealError> {
    let recipient: age::x25519::Recipient = recipient.parse().map_err(|_| SealError::NoRecipient)?;
    if !secret.is_plausible() || binding.version < 1 {
        return Err(SealError::Implausible);
    }
    let plain = envelope(binding, secret)?;
    armored(&recipient, &plain).map_err(|_| SealError::Broken)
}

fn armored(recipient: &age::x25519::Recipient, plain: &[u8]) -> std::io::Result<String> {
    let encryptor = age::Encryptor::with_recipients(iter::once(recipient as &dyn age::Recipient)).map_err(std::io::Error::other)?;
    let mut sealed = Vec::new();
    let armor = age::armor::ArmoredWriter::wrap_output(&mut sealed, age::armor::Format::AsciiArmor)?;
    let mut writer = encryptor.wrap_output(armor)?;
    writer.write_all(plain)?;
    writer.finish()?.finish()?;
    String::from_utf8(sealed).map_err(std::io::Error::other)
}

/// Opens what is sealed to this identity, and gives the secret out only when it is bound to exactly what was expected.
///
/// # Errors
/// `NotForUs`, `Broken`, or `Moved` with the first thing that differs.
pub fn open(sealed: &str, identity: &Identity, expected: &Binding) -> Result<ApiSecret, SealError> {
    let plain = opened(sealed, identity)?;
    let found: Envelope<'_> = serde_json::from_slice(&plain).map_err(|_| SealError::Broken)?;
    let parts = [
        ("purpose of sealing", found.format == FORMAT),
        ("installation", found.installation == expected.installation.as_str()),
        ("agent", found.agent == expected.agent.as_str()),
        ("bot", found.bot == expected.bot.as_str()),
        ("key", found.key_id == expected.key.as_str()),
        ("version", found.version == expected.version),
        ("purpose", found.purpose == expected.purpose),
        ("venue", found.venue == expected.venue),
    ];
    if let Some((what, _)) = parts.into_iter().find(|(_, is_same)| !is_same) {
        return Err(SealError::Moved(what));
    }
    let secret = ApiSecret { api_key: found.api_key.take(), secret: found.secret.take(), passphrase: found.passphrase.map(Hidden::take) };
    // One binding and one secret have one form.
    if !secret.is_plausible() || *envelope(expected, &secret)? != *plain {
        return Err(SealError::Broken);
    }
    Ok(secret)
}

fn opened(sealed: &str, identity: &Identity) -> Result<Zeroizing<Vec<u8>>, SealError> {
    if sealed.len() > MAX_SEALED {
        return Err(SealError::Broken);
    }
    let failed = |error| match error {
        age::DecryptError::NoMatchingKeys => SealError::NotForUs,
        _ => SealError::Broken,
    };
    let armor = age::armor::ArmoredReader::new(sealed.as_bytes());
    let decryptor = age::Decryptor::new_buffered(armor).map_err(failed)?;
    let mut reader = decryptor.decrypt(iter::once(&identity.0 as &dyn age::Identity)).map_err(failed)?;
    // It is longer than what is in it, so this never grows either.
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut plain).map_err(|_| SealError::Broken)?;
    Ok(plain)
}

#[cfg(test)]
mod tests;
