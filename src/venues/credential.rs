//! A key and its secret, as they are used to sign. `Debug` shows neither; nothing here is stored.

use crate::domain::{ApiSecret, Secret};
use std::fmt;

/// A key of a venue.
#[derive(Clone)]
pub struct Credential {
    /// The venue's name for the key. Goes into headers and queries.
    pub key_id: String,
    secret: Secret<String>,
    passphrase: Option<Secret<String>>,
}

impl Credential {
    /// A key and its secret. What a venue calls secret is given as it shows it: text, base64, or at Binance an Ed25519 key in PKCS#8.
    pub fn new(key_id: impl Into<String>, secret: Secret<String>) -> Self {
        Self { key_id: key_id.into(), secret, passphrase: None }
    }
    /// The same with the passphrase that OKX wants.
    #[must_use]
    pub fn with_passphrase(self, passphrase: Secret<String>) -> Self {
        Self { passphrase: Some(passphrase), ..self }
    }
    /// The secret.
    pub(super) fn secret(&self) -> &str {
        self.secret.expose()
    }
    /// The passphrase.
    pub(super) fn passphrase(&self) -> Option<&str> {
        self.passphrase.as_ref().map(|passphrase| passphrase.expose().as_str())
    }
    /// A text without this credential in it.
    pub(super) fn scrub(&self, text: &str) -> String {
        let parts = [Some(self.secret()), self.passphrase(), Some(self.key_id.as_str())];
        // What is shorter than this is in every text, and no secret.
        let parts = parts.into_iter().flatten().map(str::trim).filter(|part| part.len() >= 4);
        parts.fold(text.to_owned(), |text, part| text.replace(part, "…"))
    }
}

/// A key as somebody handed it in.
impl From<&ApiSecret> for Credential {
    fn from(secret: &ApiSecret) -> Self {
        Self { key_id: secret.api_key.expose().clone(), secret: secret.secret.clone(), passphrase: secret.passphrase.clone() }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// A key of a subaccount, as the main account speaks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubKey {
    /// The venue's name for the key.
    pub key_id: String,
    /// The venue's name for the subaccount: at Binance its e-mail address, at Bybit its UID, at OKX its name.
    pub subaccount: String,
}
