//! The envelopes: frames of the stream by their `type`, and the bodies of the poll path.

use super::{
    AckFrame, CheckIn, DirectiveFrame, EventFrame, FillFrame, FillsFrame, FillsTaken, Hello, HoldFrame, KeyAckFrame, KeyDropFrame,
    KeyFrame, KeyOrder, Renew, keys,
};
use crate::domain::{InstallationId, Timestamp};
use serde::{Deserialize, Serialize};

/// A frame from the agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromAgent {
    /// First frame.
    Hello(Hello),
    /// Every `check_in_ms`.
    CheckIn(Box<CheckIn>),
    /// A step.
    Ack(AckFrame),
    /// Something happened.
    Event(EventFrame),
    /// A hold for its own bot.
    Hold(HoldFrame),
    /// What became of a key.
    KeyAck(KeyAckFrame),
    /// Fills.
    Fills(FillsFrame),
    /// Any other `type`: answered with an error frame and otherwise ignored.
    #[serde(other)]
    Unknown,
}

/// A frame from the server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromServer {
    /// Answer to hello.
    Welcome(Box<Welcome>),
    /// A directive.
    Directive(Box<DirectiveFrame>),
    /// Answer to a check-in.
    Renew(Renew),
    /// A key to take over.
    Key(KeyFrame),
    /// A version of a key to forget.
    KeyDrop(KeyDropFrame),
    /// Fills are on disk.
    FillsTaken(FillsTaken),
    /// Something could not be done.
    Error {
        /// In three words.
        title: String,
        /// In a sentence.
        #[serde(default)]
        detail: String,
    },
    /// Any other `type`: ignored.
    #[serde(other)]
    Unknown,
}

/// Answer to hello.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Welcome {
    /// The installation; the agent compares it with the one it enrolled at and otherwise stays halted.
    pub installation: InstallationId,
    /// The server's clock.
    pub server_time: Timestamp,
    /// How often to check in.
    pub check_in_ms: i64,
    /// When to stop adding.
    pub stale_after_ms: i64,
    /// When to halt.
    pub lapse_after_ms: i64,
    /// The first directive; carries its own `type`-less body.
    pub directive: DirectiveFrame,
}

/// Body of `POST /agent/v1/check-in`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PollCheckIn {
    /// The check-in itself.
    #[serde(flatten)]
    pub check_in: CheckIn,
    /// Acknowledgements, taken before the check-in.
    #[serde(default)]
    pub acks: Vec<AckFrame>,
    /// Events.
    #[serde(default)]
    pub events: Vec<EventFrame>,
    /// What became of keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_acks: Vec<KeyAckFrame>,
    /// Fills.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fills: Vec<FillFrame>,
    /// How long its adapter needs to apply a stop.
    #[serde(default)]
    pub apply_within_ms: Option<i64>,
}

/// Answer to a poll check-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PollAnswer {
    /// The installation (as in `welcome`).
    pub installation: InstallationId,
    /// The directive.
    pub directive: DirectiveFrame,
    /// The renewal, when one is given.
    pub renew: Option<Renew>,
    /// Exchange keys to take over and to forget, until that is acknowledged.
    #[serde(default, deserialize_with = "keys::lenient")]
    pub keys: Vec<KeyOrder>,
    /// Answer to the fills that came along, once they are on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fills: Option<FillsTaken>,
    /// Why no renewal is given, when it is the server's doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
