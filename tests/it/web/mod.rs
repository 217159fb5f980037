//! The web side through its own router: one file per theme.

mod acts;
mod attacks;
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
mod session_ends;
mod session_ids;
mod sessions;
mod sign_in;
mod stop_devices;
mod stopping;
mod tls;
mod tokens;
mod touch;
