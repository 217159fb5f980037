//! The web side through its own router: one file per theme.

mod acts;
mod audit;
mod bots;
mod foundation;
mod live;
mod people;
mod server;
mod sign_in;
mod stopping;
