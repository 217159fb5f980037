//! The web side through its own router: one file per theme.

mod acts;
mod foundation;
mod people;
mod server;
mod sign_in;
