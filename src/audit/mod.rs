//! The tamper-evident log: what an entry says, its exact bytes, the tree over them, and verification. Pure: no SQL, no I/O, no clock.
//! What it can and cannot show: a changed, removed, inserted or reordered entry is found by anyone who recomputes the tree and holds a later
//! root; that an event was never submitted, or that the end was cut off and the head rewritten with it, is not.

pub mod event;
pub mod note;
pub mod number;
pub mod record;
mod requests;
mod rights;
mod signed;
pub mod tree;
pub mod verify;

pub use event::{AssertionText, Event, SignedAct};
pub use note::{BadNote, Checkpoint, Note, SigningKey, VerifierKey};
pub use record::{Actor, Canonical, Indexed, NotCanonical, Record};
pub use tree::Frontier;
pub use verify::{Assertions, Earlier, Finding, Report, Row, Verifier};
