//! The sidecar beside a bot: it checks in, obeys and acknowledges, and believes `active` only under a running lease and a start newer than every
//! stop. It knows nothing of the server's database; it may use `domain`, `crypto` and `protocol` alone.
//!
//! | file | for |
//! |---|---|
//! | [`brain`] | what it may believe: pure |
//! | `runner` | the loop that joins everything |
//! | [`link`] | the line to the server: poll and stream |
//! | [`adapters`] | one file per kind of bot |
//! | `outbox`, `fill_box` | what the server has not taken yet |
//! | `hands`, `bot` | orders to the bot and what it does |
//! | [`keys`] | exchange keys: kept sealed, given to the bot, dropped |
//! | [`memory`], `scribe` | what must not be forgotten |
//! | [`minder`], [`tether`] | two processes that watch each other |
//! | [`credential`], [`settings`], [`dir`] | the agent's directory |

pub mod adapters;
mod bot;
pub mod brain;
pub mod credential;
mod desk;
pub mod dir;
mod fill_box;
mod hands;
pub mod keys;
pub mod link;
pub mod memory;
pub mod minder;
mod outbox;
mod run;
mod runner;
mod scribe;
pub mod settings;
pub mod standing;
pub mod tether;
mod words;

pub use crate::domain::BootClock;
pub use credential::Credential;
pub use dir::AgentDir;
pub use keys::KeyRing;
pub use memory::MemoryStore;
pub use run::{Agent, AgentConfig, Outcome};

#[cfg(test)]
mod tests;
