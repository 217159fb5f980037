//! The wire between agent and server, version 1: types shared by both sides, no logic. Unknown fields are ignored.
//! Money, prices and quantities are decimal strings; counts and milliseconds integers; times RFC 3339 UTC with milliseconds.

pub mod check_in;
pub mod directive;
pub mod enrol;
pub mod fills;
pub mod frames;
pub mod keys;

pub use check_in::{
    AckFrame, AdapterSaid, CarriedHold, CheckIn, EventFrame, Hello, HelloAgent, HelloBot, HoldFrame, InstanceSaid, Position, PositionsRest,
    Report, Totals,
};
pub use directive::{BlockedFrame, DirectiveFrame, LimitsFrame, ReasonFrame, Renew, StartFrame, UnrecordedHold};
pub use enrol::{EnrolAgent, EnrolRequest, EnrolResponse, NamedBot, NamedInstallation};
pub use fills::{FillFrame, FillsFrame, FillsTaken};
pub use frames::{FromAgent, FromServer, PollAnswer, PollCheckIn, Welcome};
pub use keys::{AwaitedKey, DueKey, HandedKey, KeyAckFrame, KeyDropFrame, KeyFrame, KeyOrder, KeyTold, KeysAnswer, MeasuredKey};

/// The websocket subprotocol.
pub const SUBPROTOCOL: &str = "andon.v1";
/// The largest frame from an agent, bytes; beyond it the stream closes with 1009.
pub const MAX_FRAME: usize = 64 * 1024;
/// The largest POST body, bytes; beyond it `413`.
pub const MAX_BODY: usize = 1024 * 1024;
/// The most positions of a report; the rest is summed (ruling C13).
pub const MAX_POSITIONS: usize = 200;
/// The most holds that an agent carries.
pub const MAX_CARRIED: usize = 256;

/// Close codes of the stream.
pub mod close {
    /// A frame that could not be read.
    pub const MALFORMED: u16 = 4400;
    /// The credential has ended.
    pub const CREDENTIAL_ENDED: u16 = 4401;
    /// Not allowed.
    pub const NOT_ALLOWED: u16 = 4403;
    /// No hello within 5 s.
    pub const NO_HELLO: u16 = 4408;
    /// Another stream or boot took its place.
    pub const REPLACED: u16 = 4409;
    /// A frame over the bound.
    pub const TOO_BIG: u16 = 1009;
    /// The server restarts; come back after a random 0 to 2 s.
    pub const RESTART: u16 = 1012;
    /// Too many frames.
    pub const OVERLOADED: u16 = 1013;
}
