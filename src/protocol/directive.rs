//! What the server tells an agent: the directive and the renewal of its lease.

use crate::domain::{Epoch, Exits, HoldId, Level, Orders, State, Timestamp};
use serde::{Deserialize, Serialize};

/// The directive as sent. `epoch` is the bot's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectiveFrame {
    /// The bot's epoch.
    pub epoch: Epoch,
    /// What it may do.
    pub state: State,
    /// What becomes of resting orders.
    pub orders: Orders,
    /// What it may do while not active. Absent is read as the stricter `none`.
    #[serde(default = "strict_exits")]
    pub exits: Exits,
    /// Forget the exchange keys.
    #[serde(default)]
    pub drop_keys: bool,
    /// Why it is not active.
    #[serde(default)]
    pub reasons: Vec<ReasonFrame>,
    /// Limits; `values` absent when the agent reported this version.
    pub limits: LimitsFrame,
    /// For how long a renewal lets it stay active.
    pub lease_ms: i64,
    /// The unreleased holds that cover it.
    #[serde(default)]
    pub holds: Vec<HoldId>,
    /// Symbols in which it adds nothing and cancels its entries, whatever it may do elsewhere.
    #[serde(default)]
    pub blocked: Vec<BlockedFrame>,
    /// Those of the reported holds that are released.
    #[serde(default)]
    pub released: Vec<HoldId>,
    /// Those of the reported holds that the database has by now.
    #[serde(default)]
    pub recorded: Vec<HoldId>,
    /// Holds that no database has yet: the agent carries them.
    #[serde(default)]
    pub unrecorded: Vec<UnrecordedHold>,
    /// The start that allows `active`.
    #[serde(default)]
    pub start: Option<StartFrame>,
    /// When it was sent.
    pub sent_at: Timestamp,
}

fn strict_exits() -> Exits {
    Exits::None
}

/// A symbol in which a bot adds nothing (ruling M3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockedFrame {
    /// The venue's name; absent: wherever it is traded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub venue: Option<String>,
    /// The symbol, `BTC/USDT`.
    pub symbol: String,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonFrame {
    /// `hold`, `not_started`, `stage`, `lapse`, `limits_not_acknowledged`, `config_differs`, `key_missing`, `boot`, `stopped`.
    pub kind: String,
    /// The hold.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<HoldId>,
    /// Its level.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub level: Option<Level>,
    /// Its scope's kind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<String>,
    /// Who placed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<String>,
    /// In words.
    #[serde(default)]
    pub why: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<Timestamp>,
}

/// Limits as sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsFrame {
    /// The version.
    pub version: i64,
    /// The values, when the agent does not have this version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub values: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A hold that no database has yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnrecordedHold {
    /// Its id.
    pub id: HoldId,
    /// Its level.
    pub level: Level,
    /// Its scope's kind.
    pub scope: String,
    /// Who placed it.
    pub by: String,
    /// The reason, possibly empty.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// The start that allows `active`, with everything an agent needs to check it itself (ruling H4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFrame {
    /// The epoch the start took.
    pub epoch: Epoch,
    /// base64url of the act's RFC 8785 bytes.
    pub act: String,
    /// This bot's leaf.
    pub leaf: serde_json::Value,
    /// Inclusion proof of the leaf in the act's root, base64url hashes from the leaf up.
    pub proof: Vec<String>,
    /// The leaf's place in the tree.
    #[serde(default)]
    pub leaf_index: u64,
    /// The signatures.
    pub assertions: Vec<AssertionFrame>,
}

/// One WebAuthn assertion over an act. Binary fields are base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertionFrame {
    /// Who signed.
    pub user: String,
    /// With which credential.
    pub credential: String,
    /// authenticatorData.
    pub authenticator_data: String,
    /// clientDataJSON.
    pub client_data: String,
    /// The signature.
    pub signature: String,
}

/// Answer to one check-in: the only thing that renews a lease, from the moment the check-in was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    /// The check-in's number.
    pub seq: u64,
    /// The epoch it reported.
    pub epoch: Epoch,
    /// For how long.
    pub lease_ms: i64,
    /// The server's clock.
    pub server_time: Timestamp,
}
