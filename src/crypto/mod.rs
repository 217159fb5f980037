//! Passwords, tokens, digests, certificates and sealed secrets: thin, typed doors to the field's own crates. No algorithm is written here.

pub mod certificate;
pub mod device_key;
pub mod password;
pub mod seal;
pub mod token;
pub mod vault;
