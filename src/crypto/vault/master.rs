//! The master key: what wraps data keys. Either 32 bytes that this process holds, or somebody else's who wraps for it and never shows it.

use super::{NONCE, VaultError, decrypt, encrypt, random_nonce};
use crate::domain::Secret;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// The key of one secret.
pub type DataKey = Secret<[u8; 32]>;

/// Which master key, in a form that is no secret: `local:` and the first 64 bits of a digest, or where somebody else keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MasterKeyId(String);

impl MasterKeyId {
    /// Names a key that somebody else keeps.
    pub fn elsewhere(name: String) -> Self {
        Self(name)
    }
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a master key did not do its part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// It did not wrap this, or not for this purpose.
    #[error("the master key does not open this")]
    Refused,
    /// Whoever keeps it cannot be reached or will not answer now.
    #[error("{0}")]
    Unavailable(String),
    /// Whoever keeps it does not let this server use it.
    #[error("{0}")]
    Denied(String),
    /// The operating system gives no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// Wraps and unwraps data keys.
#[async_trait]
pub trait MasterKey: Send + Sync {
    /// Which one it is.
    fn id(&self) -> &MasterKeyId;

    /// Wraps a data key, bound to `aad`.
    ///
    /// # Errors
    /// `Unavailable`, `Denied` or `NoRandomness`.
    async fn wrap(&self, data_key: &DataKey, aad: &[u8]) -> Result<Vec<u8>, MasterKeyError>;

    /// Unwraps a data key that was wrapped with the same `aad`.
    ///
    /// # Errors
    /// `Refused` for another one, or one that was changed; `Unavailable`, `Denied`.
    async fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<DataKey, MasterKeyError>;
}

/// A random data key.
pub(super) fn random_key() -> Result<DataKey, VaultError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(|_| VaultError::NoRandomness)?;
    Ok(Secret::new(*key))
}

/// A master key of 32 bytes in this process.
#[derive(Debug)]
pub struct LocalMasterKey {
    key: Secret<[u8; 32]>,
    id: MasterKeyId,
}

impl LocalMasterKey {
    /// Takes a key. Its id is the beginning of a digest of it: the key is random, so that tells nothing of it.
    pub fn new(key: Secret<[u8; 32]>) -> Self {
        let digest = Sha256::new().chain_update(b"andon master key id 1\0").chain_update(key.expose()).finalize();
        let id = MasterKeyId(format!("local:{}", data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default())));
        Self { key, id }
    }

    /// A new random key.
    ///
    /// # Errors
    /// `NoRandomness`.
    pub fn generate() -> Result<Self, VaultError> {
        random_key().map(Self::new)
    }

    /// The 32 bytes, for the one file that keeps them.
    pub fn key(&self) -> &Secret<[u8; 32]> {
        &self.key
    }
}

#[async_trait]
impl MasterKey for LocalMasterKey {
    fn id(&self) -> &MasterKeyId {
        &self.id
    }

    async fn wrap(&self, data_key: &DataKey, aad: &[u8]) -> Result<Vec<u8>, MasterKeyError> {
        let nonce = random_nonce().map_err(|_| MasterKeyError::NoRandomness)?;
        let wrapped = encrypt(&self.key, &nonce, aad, data_key.expose()).map_err(|_| MasterKeyError::Refused)?;
        Ok([nonce.as_slice(), &wrapped].concat())
    }

    async fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<DataKey, MasterKeyError> {
        let (nonce, wrapped) = wrapped.split_at_checked(NONCE).ok_or(MasterKeyError::Refused)?;
        let plain = decrypt(&self.key, nonce, aad, wrapped).map_err(|_| MasterKeyError::Refused)?;
        let mut key = Zeroizing::new([0; 32]);
        if plain.expose().len() != key.len() {
            return Err(MasterKeyError::Refused);
        }
        key.copy_from_slice(plain.expose());
        Ok(Secret::new(*key))
    }
}
