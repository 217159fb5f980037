//! An entry's exact bytes: RFC 8785 JSON, made and checked at one place. The stored bytes are the truth; nothing is ever written anew to
//! verify them. Money never stands here as a number: there are no fractions in an entry.

use super::Event;
use crate::domain::{AgentId, DeviceId, PlacedBy, PlacerKind, Timestamp, TokenId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The largest entry, bytes.
pub const MAX_BYTES: usize = 65_535;
const MAX_DEPTH: usize = 8;
const MAX_INTEGER: i64 = (1 << 53) - 1;

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// `user`, `device`, `token`, `agent`, `trigger`, `host` or `server`.
    pub t: String,
    /// The id within that kind.
    pub id: String,
}

impl Actor {
    fn of(t: &str, id: &str) -> Self {
        Self { t: t.to_owned(), id: id.to_owned() }
    }
    /// A person.
    pub fn user(id: &UserId) -> Self {
        Self::of("user", id.as_str())
    }
    /// A stop device.
    pub fn device(id: &DeviceId) -> Self {
        Self::of("device", id.as_str())
    }
    /// An API token.
    pub fn token(id: &TokenId) -> Self {
        Self::of("token", id.as_str())
    }
    /// An agent.
    pub fn agent(id: &AgentId) -> Self {
        Self::of("agent", id.as_str())
    }
    /// The command line on the server's host.
    pub fn host(user: &str) -> Self {
        Self::of("host", user)
    }
    /// The server itself.
    pub fn server() -> Self {
        Self::of("server", "server")
    }
    /// Whoever placed a hold that is recorded later.
    pub fn placer(by: &PlacedBy) -> Self {
        match by.kind {
            PlacerKind::Trigger => Self::of("trigger", &by.id),
            kind => Self::of(kind.as_str(), &by.id),
        }
    }
    /// `user:ID`, the form of the column.
    pub fn text(&self) -> String {
        format!("{}:{}", self.t, self.id)
    }
}

/// An entry before it has bytes.
#[derive(Debug, Clone)]
pub struct Record {
    /// Who acted.
    pub actor: Actor,
    /// When it was written.
    pub ts: Timestamp,
    /// When it happened, for what the log could not take at once.
    pub happened_at: Option<Timestamp>,
    /// Which process wrote it.
    pub node: String,
    /// What happened.
    pub event: Event,
}

#[derive(Serialize, Deserialize)]
struct Body {
    v: u8,
    id: String,
    ts: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    happened_at: Option<String>,
    actor: Actor,
    node: String,
    #[serde(flatten)]
    event: Event,
}

/// Bytes that are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// Longer than an entry may be.
    #[error("an entry of {0} bytes is over the bound of {MAX_BYTES}")]
    TooLong(usize),
    /// Not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// JSON, but not in the one canonical form.
    #[error("not in canonical form")]
    OtherForm,
    /// A value that may not stand in an entry.
    #[error("an entry may not hold {0}")]
    Forbidden(&'static str),
    /// Canonical, but no entry this version knows.
    #[error("not a known kind of entry: {0}")]
    UnknownKind(String),
}

/// What the query columns hold: derived from the bytes, re-derived by verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// The entry's own id.
    pub id: String,
    /// When.
    pub ts: Timestamp,
    /// The dotted word.
    pub kind: String,
    /// `user:ID` and the like.
    pub actor: String,
    /// The first thing it speaks of.
    pub object: Option<String>,
    /// Everything it speaks of, `bot:ID` and the like, sorted.
    pub about: Vec<String>,
}

/// The exact bytes of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    bytes: Vec<u8>,
    indexed: Indexed,
}

impl Canonical {
    /// Writes an entry. The one place where entries get their bytes.
    ///
    /// # Errors
    /// When it breaks a rule of the form.
    pub fn new(record: &Record) -> Result<Self, NotCanonical> {
        let body = Body {
            v: 1,
            id: crate::domain::ActId::new().to_string(),
            ts: record.ts.rfc3339_micros(),
            happened_at: record.happened_at.map(|at| at.rfc3339_micros()),
            actor: record.actor.clone(),
            node: record.node.clone(),
            event: record.event.clone(),
        };
        let bytes = serde_json_canonicalizer::to_vec(&body).map_err(|error| NotCanonical::NotJson(error.to_string()))?;
        Self::from_stored(bytes)
    }

    /// Checks bytes read from anywhere: the same rules as when they were written.
    ///
    /// # Errors
    /// The first rule they break.
    pub fn from_stored(bytes: Vec<u8>) -> Result<Self, NotCanonical> {
        if bytes.len() > MAX_BYTES {
            return Err(NotCanonical::TooLong(bytes.len()));
        }
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| NotCanonical::NotJson(error.to_string()))?;
        allowed(&value, 0)?;
        let again = serde_json_canonicalizer::to_vec(&value).map_err(|_| NotCanonical::OtherForm)?;
        if again != bytes {
            return Err(NotCanonical::OtherForm);
        }
        let indexed = index(&value)?;
        Ok(Self { bytes, indexed })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// SHA-256 of 0x00 and the bytes: the leaf.
    pub fn leaf(&self) -> [u8; 32] {
        leaf_hash(&self.bytes)
    }
    /// What the query columns hold.
    pub fn indexed(&self) -> &Indexed {
        &self.indexed
    }
    /// What happened.
    ///
    /// # Errors
    /// `UnknownKind` for an entry of a later version.
    pub fn event(&self) -> Result<Event, NotCanonical> {
        let body: Body = serde_json::from_slice(&self.bytes).map_err(|error| NotCanonical::UnknownKind(error.to_string()))?;
        Ok(body.event)
    }
    /// For people: the same JSON, indented.
    pub fn pretty(&self) -> String {
        let value: Value = serde_json::from_slice(&self.bytes).unwrap_or_default();
        serde_json::to_string_pretty(&value).unwrap_or_default()
    }
}

/// True for stored bytes of an entry that was written later than what it tells of.
pub fn is_late(bytes: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let data = |name: &str| value.get("data").and_then(|data| data.get(name));
    value.get("happened_at").is_some() || data("late").and_then(Value::as_bool) == Some(true)
}

/// RFC 6962 leaf hash.
pub fn leaf_hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

fn allowed(value: &Value, depth: usize) -> Result<(), NotCanonical> {
    if depth > MAX_DEPTH {
        return Err(NotCanonical::Forbidden("more than eight levels"));
    }
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => match number.as_i64() {
            Some(n) if (-MAX_INTEGER..=MAX_INTEGER).contains(&n) => Ok(()),
            _ => Err(NotCanonical::Forbidden("a fraction or an integer above 2^53-1")),
        },
        Value::String(text) if text.contains('\0') => Err(NotCanonical::Forbidden("U+0000")),
        Value::String(_) => Ok(()),
        Value::Array(items) => items.iter().try_for_each(|item| allowed(item, depth + 1)),
        Value::Object(fields) => fields.iter().try_for_each(|(key, item)| {
            let plain = key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if plain { allowed(item, depth + 1) } else { Err(NotCanonical::Forbidden("a key outside [a-z0-9_]")) }
        }),
    }
}

fn index(value: &Value) -> Result<Indexed, NotCanonical> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned).ok_or(NotCanonical::OtherForm);
    let actor: Actor = value.get("actor").and_then(|actor| Actor::deserialize(actor).ok()).ok_or(NotCanonical::OtherForm)?;
    let mut about = Vec::new();
    spoken_of(value.get("data").unwrap_or(&Value::Null), &mut about);
    let object = about.first().cloned();
    about.push(actor.text());
    about.sort();
    about.dedup();
    Ok(Indexed {
        id: text("id")?,
        ts: Timestamp::parse(&text("ts")?).ok_or(NotCanonical::OtherForm)?,
        kind: text("kind")?,
        actor: actor.text(),
        object,
        about,
    })
}

/// Every id under a key that names a noun, `bots` being many of `bot`.
fn spoken_of(data: &Value, about: &mut Vec<String>) {
    const NOUNS: [&str; 10] = ["hold", "bot", "agent", "user", "team", "act", "token", "device", "bots", "request"];
    for noun in NOUNS {
        match data.get(noun) {
            Some(Value::String(id)) => about.push(format!("{noun}:{id}")),
            Some(Value::Array(ids)) => about.extend(ids.iter().filter_map(Value::as_str).map(|id| format!("bot:{id}"))),
            _ => {}
        }
    }
}
