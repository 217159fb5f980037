//! Passwords, tokens, digests and certificates: thin, typed doors to the field's own crates. No algorithm is written here.

pub mod certificate;
pub mod device_key;
pub mod password;
pub mod token;
