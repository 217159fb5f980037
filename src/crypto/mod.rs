//! Passwords, tokens and digests: thin, typed doors to the field's own crates. No algorithm is written here.

pub mod password;
pub mod token;
