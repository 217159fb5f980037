//! A security key in software: for the demo, whose people really sign, and for tests. `serve` makes none.

use std::sync::{Mutex, PoisonError};
use url::Url;
use webauthn_authenticator_rs::{AuthenticatorBackend, softpasskey::SoftPasskey};
use webauthn_rs_proto::{CreationChallengeResponse, RequestChallengeResponse};

/// How long the software key may take; it takes none.
const TIMEOUT_MS: u32 = 10_000;

/// The software key would not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the software key did not answer")]
pub struct NoAnswer;

/// One software key at one origin.
pub struct SoftKey {
    origin: Url,
    key: Mutex<SoftPasskey>,
}

impl SoftKey {
    /// A key that knows nobody yet.
    pub fn new(origin: Url) -> Self {
        Self { origin, key: Mutex::new(SoftPasskey::new(true)) }
    }

    /// Answers a registration's options (JSON) as a browser would (JSON).
    ///
    /// # Errors
    /// `NoAnswer` when the options cannot be read or met.
    pub fn register(&self, options: &str) -> Result<String, NoAnswer> {
        let options: CreationChallengeResponse = serde_json::from_str(options).map_err(|_| NoAnswer)?;
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = key.perform_register(self.origin.clone(), options.public_key, TIMEOUT_MS).map_err(|_| NoAnswer)?;
        serde_json::to_string(&answer).map_err(|_| NoAnswer)
    }

    /// Answers an assertion's options (JSON) as a browser would (JSON).
    ///
    /// # Errors
    /// `NoAnswer` when the options cannot be read or met.
    pub fn sign(&self, options: &str) -> Result<String, NoAnswer> {
        let options: RequestChallengeResponse = serde_json::from_str(options).map_err(|_| NoAnswer)?;
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = key.perform_auth(self.origin.clone(), options.public_key, TIMEOUT_MS).map_err(|_| NoAnswer)?;
        serde_json::to_string(&answer).map_err(|_| NoAnswer)
    }
}
