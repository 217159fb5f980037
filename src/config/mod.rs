//! Settings: read from flags, `ANDON_*` variables and a configuration file, checked once, and handed on as values that need no second look. One file per command.

pub mod file;
pub mod mail;
pub mod master_key;
pub mod origin;
pub mod serve;
pub mod transport;

pub use mail::{Mail, MailArgs, MailTls};
pub use master_key::{MasterKeyArgs, MasterKeySource, TransitSettings};
pub use origin::Origin;
pub use serve::{Serve, ServeArgs};
pub use transport::{Transport, TransportArgs};

/// A setting that cannot be taken, in words for the terminal.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {why}")]
pub struct ConfigError {
    /// The flag or variable.
    pub setting: &'static str,
    /// What is wrong and what would do.
    pub why: String,
}

impl ConfigError {
    /// One setting and what is wrong with it.
    pub fn new(setting: &'static str, why: impl Into<String>) -> Self {
        Self { setting, why: why.into() }
    }
}
