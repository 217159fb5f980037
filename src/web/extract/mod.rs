//! What handlers ask of a request: who is there, what they posted, where they call from. A handler has no other way to a form's content.

pub mod caller;
pub mod csrf;
pub mod device;
pub mod form;
pub mod next;
pub mod parcel;
pub mod touch;
pub mod visitor;
pub mod whence;

pub use caller::Caller;
pub use device::{ByDevice, FromDevice};
pub use form::{Posted, Pressing};
pub use next::Next;
pub use parcel::MayCarryFiles;
pub use touch::{ByFreshTouch, ByTouch, MayNeedTouch};
pub use visitor::{Person, StopOnly, Visitor};
pub use whence::CameFrom;
