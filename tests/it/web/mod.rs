//! The web side through its own router: one file per theme.

mod acts;
mod foundation;
mod people;
mod sign_in;
