//! Exchange keys on their way to an agent: sealed to it, acknowledged when they are stored, opened and found to be what they say, and dropped.

use crate::domain::{AgentId, BotId, Environment, InstallationId, KeyId, KeyPurpose, KeySheet};
use serde::{Deserialize, Deserializer, Serialize};

/// A key for the agent to take over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFrame {
    /// The key.
    pub key_id: KeyId,
    /// Its version, from 1; a higher one takes the place of those below it.
    pub version: i64,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The venue's name.
    pub venue: String,
    /// The secret, sealed to the agent's recipient: an armored age file. What is in it: `crypto/seal.rs`.
    pub sealed: String,
}

/// A version of a key for the agent to forget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDropFrame {
    /// The key.
    pub key_id: KeyId,
    /// The version.
    pub version: i64,
}

/// What became of a key that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAckFrame {
    /// The key.
    pub key_id: KeyId,
    /// The version.
    pub version: i64,
    /// It is stored, opens, and is bound to this installation, agent, bot, key, version, purpose and venue.
    pub ok: bool,
    /// Why it is not; beside `ok`, what is to be known of it.
    #[serde(default)]
    pub why: Option<String>,
}

/// What a bot's host may hand in and should measure: the answer of `GET /agent/v1/keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysAnswer {
    /// The installation.
    pub installation: InstallationId,
    /// Whose agent it was asked as.
    pub agent: AgentId,
    /// Its bot.
    pub bot: BotId,
    /// Keys that a secret can be handed in for.
    pub keys: Vec<AwaitedKey>,
    /// Versions that this agent holds and that were not measured for a day.
    #[serde(default)]
    pub due: Vec<DueKey>,
}

/// A key that a secret can be handed in for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitedKey {
    /// The key.
    pub key_id: KeyId,
    /// Which version it will be.
    pub version: i64,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The exchange, as the register calls it.
    pub venue: String,
    /// Whether money is real there.
    pub environment: Environment,
    /// What it is to be.
    pub sheet: KeySheet,
}

/// A version that its agent should measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueKey {
    /// The key.
    pub key_id: KeyId,
    /// The version.
    pub version: i64,
    /// The exchange, as the register calls it.
    pub venue: String,
    /// Whether money is real there.
    pub environment: Environment,
}

/// A secret that was sealed on the agent's host: the body of `POST /agent/v1/keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedKey {
    /// The key.
    pub key_id: KeyId,
    /// Which version it was sealed as.
    pub version: i64,
    /// SHA-256 of what the venue calls the key, hex.
    pub fingerprint: String,
    /// The armored age file.
    pub sealed: String,
    /// What the venue said of it on that host.
    #[serde(default)]
    pub told: Option<KeyTold>,
}

/// What a venue said of a version on its agent's host: the body of `POST /agent/v1/keys/measured`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredKey {
    /// The key.
    pub key_id: KeyId,
    /// The version.
    pub version: i64,
    /// What it said.
    pub told: KeyTold,
}

/// What a venue said of a key to itself. The server compares it with what was approved, and takes nobody's word for what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyTold {
    /// What the key is: an inspection as the server stores it.
    Facts(serde_json::Value),
    /// It refuses the key.
    Refused {
        /// Why, as one of the server's words for that.
        finding: String,
        /// In the venue's words.
        said: String,
    },
    /// It said nothing.
    Nothing {
        /// What happened.
        said: String,
    },
}

/// One of the `keys` in the answer to a poll check-in: the same object as the frame, with its `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum KeyOrder {
    /// Take it over.
    Key(KeyFrame),
    /// Forget it.
    KeyDrop(KeyDropFrame),
    /// Anything else: ignored.
    #[serde(other)]
    Unknown,
}

/// Reads `keys` so that one that cannot be read takes nothing from the directive beside it.
pub(super) fn lenient<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<KeyOrder>, D::Error> {
    let items = Vec::<serde_json::Value>::deserialize(from)?;
    Ok(items.into_iter().map(|item| serde_json::from_value(item).unwrap_or(KeyOrder::Unknown)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{FromAgent, FromServer, PollAnswer};

    #[test]
    fn the_frames_are_those_of_the_protocol() {
        let id = "0193f0a0-0000-7000-8000-000000000001";
        let key = format!(r#"{{"type":"key","key_id":"{id}","version":3,"purpose":"execution","venue":"binance","sealed":"-----BEGIN…"}}"#);
        let FromServer::Key(read) = serde_json::from_str(&key).unwrap() else { panic!("{key}") };
        assert_eq!((read.version, read.purpose, read.venue.as_str()), (3, KeyPurpose::Execution, "binance"));
        assert_eq!(serde_json::to_string(&FromServer::Key(read)).unwrap(), key);
        let dropped = format!(r#"{{"type":"key_drop","key_id":"{id}","version":3}}"#);
        assert!(matches!(serde_json::from_str(&dropped).unwrap(), FromServer::KeyDrop(KeyDropFrame { version: 3, .. })));
        let ack = format!(r#"{{"type":"key_ack","key_id":"{id}","version":3,"ok":true,"why":null}}"#);
        let FromAgent::KeyAck(read) = serde_json::from_str(&ack).unwrap() else { panic!("{ack}") };
        assert_eq!(serde_json::to_string(&FromAgent::KeyAck(read)).unwrap(), ack);
    }

    #[test]
    fn a_key_that_cannot_be_read_takes_nothing_from_the_directive_beside_it() {
        let id = "0193f0a0-0000-7000-8000-000000000001";
        let text = format!(
            r#"{{"installation":"{id}","directive":{{"epoch":4,"state":"halted","orders":"cancel_all","limits":{{"version":0}},
            "lease_ms":1,"sent_at":"2026-11-23T03:12:07.131Z"}},"renew":null,
            "keys":[{{"type":"key","key_id":"{id}","version":"three"}},7,{{"type":"key_of_tomorrow"}},{{"type":"key_drop","key_id":"{id}","version":2}}]}}"#
        );
        let answer: PollAnswer = serde_json::from_str(&text).unwrap();
        let [KeyOrder::Unknown, KeyOrder::Unknown, KeyOrder::Unknown, KeyOrder::KeyDrop(dropped)] = answer.keys.as_slice() else {
            panic!("{:?}", answer.keys)
        };
        assert_eq!(dropped.version, 2);
    }
}
