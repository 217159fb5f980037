//! Who is there: security keys (the only room that knows the WebAuthn library), browser sessions, rate limits on sign-in, API tokens, stop devices.
//! Says who somebody is, never what they may do.

pub mod devices;
pub mod keys;
pub mod sessions;
pub mod soft;
pub mod throttle;
pub mod tokens;
pub mod uses;

pub use devices::{DeviceBook, KnownDevice};
pub use keys::{Assertion, Ceremony, Facts, KeyError, Keys, NewKey, Signed};
pub use sessions::{SessionStore, Standing};
pub use soft::SoftKey;
pub use throttle::{Step, Throttle, Trying};
pub use tokens::{KnownToken, TokenBook};
pub use uses::{LastUse, Uses};
