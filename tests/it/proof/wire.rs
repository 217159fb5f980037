//! What travels between agent and server. A message that was sent may come at any time, any number of times and in any order, or never.

use super::agent::ids;
use andon::{
    domain::{Epoch, Exits, HoldId, Level, Orders, State, Timestamp},
    protocol::{DirectiveFrame, LimitsFrame, StartFrame, UnrecordedHold},
};

/// A set of small numbers.
pub fn bit(n: u8) -> u8 {
    1 << n
}

/// Holds are numbered; a test needs no more of an id.
pub fn hold_id(n: u8) -> HoldId {
    HoldId::from_stored(n.to_string())
}
pub fn hold_number(id: &HoldId) -> u8 {
    id.as_str().parse().unwrap()
}

/// A check-in, with the acknowledgement that is not delivered yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckIn {
    pub boot: u8,
    pub sent: u8,
    pub epoch: i64,
    pub state: State,
    pub start_after: Option<i64>,
    pub holds: u8,
    pub lapsed: bool,
    pub lapses: u64,
    pub ack: Option<(i64, State)>,
}

/// The renewal in an answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Renewal {
    pub sent: u8,
    pub lease_ms: i64,
    pub lapses: u64,
}

/// What a server sends to one boot: an answer, or a directive by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Down {
    pub boot: u8,
    /// It is `409 replaced`, and nothing else in it counts.
    pub is_replaced: bool,
    pub epoch: i64,
    pub state: State,
    pub orders: Orders,
    pub exits: Exits,
    /// The epoch of the start it stands on, and which signature that is.
    pub start: Option<(i64, u8)>,
    pub unrecorded: u8,
    pub recorded: u8,
    pub released: u8,
    pub renew: Option<Renewal>,
    /// The starts that its sender knew of.
    pub ghost_known: u8,
}

impl Down {
    /// As the agent reads it.
    pub fn frame(&self) -> DirectiveFrame {
        let hold =
            |id| UnrecordedHold { id, level: Level::Pause, scope: "fleet".into(), by: String::new(), why: String::new(), at: Timestamp(0) };
        DirectiveFrame {
            blocked: Vec::new(),
            epoch: Epoch(self.epoch),
            state: self.state,
            orders: self.orders,
            exits: self.exits,
            drop_keys: false,
            reasons: Vec::new(),
            limits: LimitsFrame { version: 1, values: None },
            lease_ms: 0,
            holds: Vec::new(),
            released: ids(self.released).collect(),
            recorded: ids(self.recorded).collect(),
            unrecorded: ids(self.unrecorded).map(hold).collect(),
            start: self.start.map(|(epoch, _)| StartFrame {
                epoch: Epoch(epoch),
                act: String::new(),
                leaf: serde_json::Value::Null,
                proof: Vec::new(),
                leaf_index: 0,
                assertions: Vec::new(),
            }),
            sent_at: Timestamp(0),
        }
    }

    /// The holds that it tells of and that an agent has to carry.
    pub fn ghost_told(&self) -> u8 {
        self.unrecorded & !self.recorded & !self.released
    }
}
