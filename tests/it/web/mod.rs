//! The web side through its own router: one file per theme.

mod foundation;
mod sign_in;
