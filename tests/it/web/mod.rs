//! The web side through its own router: one file per theme.

mod acts;
mod audit;
mod bots;
mod errors;
mod forms;
mod foundation;
mod inputs;
mod keys;
mod live;
mod people;
mod proxies;
mod recovery;
mod server;
mod sign_in;
mod stopping;
mod tls;
