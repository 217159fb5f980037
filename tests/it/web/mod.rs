//! The web side through its own router: one file per theme.

mod acts;
mod audit;
mod bots;
mod errors;
mod forms;
mod foundation;
mod inputs;
mod live;
mod people;
mod proxies;
mod server;
mod sign_in;
mod stop_devices;
mod stopping;
mod tls;
mod tokens;
