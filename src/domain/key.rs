//! Exchange keys: what each is for, and the secret that a venue gave out with it.

mod life;
mod sheet;

use super::{Secret, text::text_enum};
pub use life::{DUE_DAYS, KeyMeasurer, KeyState, KeyStep, KeyVerdict, OnDrift, ROTATE_DAYS, ROTATE_MOST};
pub use sheet::{ADDRESSES, BadAddresses, KeyRight, KeySheet, WITHDRAW_DAYS, WITHDRAW_TO};

text_enum! {
    /// What a key is for. One fingerprint serves one bot and one purpose.
    KeyPurpose {
        /// Reads prices; held by the agent.
        MarketData = "market_data",
        /// Trades; held by the agent.
        Execution = "execution",
        /// Reads orders, positions and balances; held by the server.
        Monitor = "monitor",
        /// Cancels at the venue; held by the server.
        Guard = "guard",
        /// Demotes the bot's key at the venue, with a key of the main account; optional, held by the server.
        KeyAdmin = "key_admin",
    }
}

impl KeyPurpose {
    /// True when the server holds it, and no agent ever gets it.
    pub fn is_server_held(self) -> bool {
        matches!(self, Self::Monitor | Self::Guard | Self::KeyAdmin)
    }
}

/// What is approved of a key: what it is to be, and how long a version of it serves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeyTerms {
    /// What it is to be.
    pub sheet: KeySheet,
    /// After how many days a version is to be replaced.
    pub rotate_days: i64,
    /// What happens to the bot when it is found to be another than approved.
    pub on_drift: OnDrift,
}

/// The longest part of a key's secret, bytes: room for a private key in PEM.
pub const MAX_SECRET: usize = 8 * 1024;

/// What a venue gave out: the whole of it is secret, the key's own name included.
#[derive(Debug, Clone)]
pub struct ApiSecret {
    /// The API key, by which the venue knows the caller.
    pub api_key: Secret<String>,
    /// What requests are signed with: a shared secret, or a private key in PEM.
    pub secret: Secret<String>,
    /// Some venues want a third word.
    pub passphrase: Option<Secret<String>>,
}

impl ApiSecret {
    /// True when no part holds what nobody can have copied from a venue's page: characters that control something, line ends and tabs aside.
    pub fn is_text(&self) -> bool {
        let strange = |c: char| c.is_control() && !['\n', '\r', '\t'].contains(&c);
        let parts = [Some(&self.secret), self.passphrase.as_ref()];
        parts.into_iter().flatten().all(|part| !part.expose().chars().any(strange))
    }
    /// True when every part has a length that a venue's may have, and what the venue calls the key is one word: with a blank in it it would be known
    /// again by another fingerprint.
    pub fn is_plausible(&self) -> bool {
        if !self.api_key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            return false;
        }
        let parts = [Some(&self.api_key), Some(&self.secret), self.passphrase.as_ref()];
        parts.into_iter().flatten().all(|part| (1..=MAX_SECRET).contains(&part.expose().len()))
    }
}
