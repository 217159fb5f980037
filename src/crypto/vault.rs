//! Secrets that the server itself holds, as they lie in the database: envelope encryption. Each secret has a random data key of its own; the data
//! key is wrapped by the master key, which never lies in the database. Whoever has the database and the log, and not the master key, opens nothing.
//!
//! The cipher is XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha; RFC 8439 underneath), 24 random bytes of nonce. What a secret belongs to (key,
//! version, purpose) is associated data of both layers, so that no ciphertext serves in another place. Nothing here reads or writes a database.

mod check;
mod master;
mod parts;

pub use check::{make_check, verify_check};
pub use master::{DataKey, LocalMasterKey, MasterKey, MasterKeyError, MasterKeyId};
pub use parts::{open_parts, seal_parts};

use crate::domain::{KeyId, KeyPurpose, Secret};
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The scheme of this version. Another cipher or another encoding takes another word.
const SCHEME: &str = "andon-vault-1";
const NONCE: usize = 24;
const TAG: usize = 16;
/// The longest secret, bytes.
pub const MAX_PLAIN: usize = 64 * 1024;

/// What a secret belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The key.
    pub key: KeyId,
    /// Its version.
    pub version: i64,
    /// What it is for.
    pub purpose: KeyPurpose,
}

/// Which of the two layers a piece of ciphertext is: neither ever passes for the other.
#[derive(Debug, Clone, Copy)]
enum Layer {
    Secret,
    DataKey,
}

/// What ciphertext is bound to, as bytes: scheme, layer, kind and every part, each behind its length as 8 bytes, big-endian. Two different lists
/// never give the same bytes.
struct Aad(Vec<Vec<u8>>);

impl Aad {
    fn of(kind: &str, parts: &[&[u8]]) -> Self {
        Self([kind.as_bytes()].iter().chain(parts).map(|part| part.to_vec()).collect())
    }
    fn bytes(&self, layer: Layer) -> Vec<u8> {
        let layer: &[u8] = match layer {
            Layer::Secret => b"secret",
            Layer::DataKey => b"data key",
        };
        let mut bytes = Vec::new();
        for part in [SCHEME.as_bytes(), layer].into_iter().chain(self.0.iter().map(Vec::as_slice)) {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

impl About {
    fn aad(&self) -> Aad {
        Aad::of("exchange key", &[self.key.as_str().as_bytes(), &self.version.to_be_bytes(), self.purpose.as_str().as_bytes()])
    }
}

/// Why something was not sealed, or not opened. Nothing here tells any of it.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// It is sealed under another master key. Nothing was tried.
    #[error("it is sealed under the master key {sealed}, and this server has {given}: give it the right one (--master-key)")]
    WrongMaster {
        /// The one it takes.
        sealed: MasterKeyId,
        /// The one that was given.
        given: MasterKeyId,
    },
    /// It was changed, or stands in a place that it was not sealed for.
    #[error("it does not open: it was changed, or it was sealed for another key, version or purpose")]
    Refused,
    /// Its form is not known.
    #[error("it is no sealed secret of a form that this version knows")]
    Unreadable,
    /// A part of a venue's secret is empty, or longer than any.
    #[error("a key's parts have between 1 and 8192 bytes")]
    Implausible,
    /// It is longer than any secret.
    #[error("it is longer than {MAX_PLAIN} bytes")]
    TooLong,
    /// The operating system gives no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    /// Whoever keeps the master key did not do its part. To be tried again.
    #[error("the master key cannot be used")]
    Master(#[source] MasterKeyError),
}

impl From<MasterKeyError> for VaultError {
    fn from(error: MasterKeyError) -> Self {
        match error {
            MasterKeyError::Refused => Self::Refused,
            MasterKeyError::NoRandomness => Self::NoRandomness,
            other => Self::Master(other),
        }
    }
}

/// A sealed secret: what the database keeps. None of it is secret without the master key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedRecord {
    /// The scheme's word.
    scheme: String,
    /// Which master key wrapped the data key.
    master: MasterKeyId,
    /// The data key, wrapped. Of a form that only its master key knows.
    #[serde(with = "base64_text")]
    wrapped: Vec<u8>,
    /// The nonce of the ciphertext.
    #[serde(with = "base64_text")]
    nonce: Vec<u8>,
    /// The secret, encrypted, and its tag.
    #[serde(with = "base64_text")]
    ciphertext: Vec<u8>,
}

impl SealedRecord {
    /// Which master key opens it.
    pub fn master(&self) -> &MasterKeyId {
        &self.master
    }

    /// As bytes for the database: one JSON object.
    ///
    /// # Errors
    /// `Unreadable`, which does not happen: every field can be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, VaultError> {
        serde_json::to_vec(self).map_err(|_| VaultError::Unreadable)
    }

    /// Reads bytes from the database.
    ///
    /// # Errors
    /// `Unreadable` for what is no record of this scheme.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let record: Self = serde_json::from_slice(bytes).map_err(|_| VaultError::Unreadable)?;
        record.check_form()?;
        Ok(record)
    }

    fn check_form(&self) -> Result<(), VaultError> {
        let fits = self.scheme == SCHEME && self.nonce.len() == NONCE && (TAG..=MAX_PLAIN + TAG).contains(&self.ciphertext.len());
        if fits { Ok(()) } else { Err(VaultError::Unreadable) }
    }

    fn check_master(&self, given: &MasterKeyId) -> Result<(), VaultError> {
        self.check_form()?;
        if self.master == *given {
            return Ok(());
        }
        Err(VaultError::WrongMaster { sealed: self.master.clone(), given: given.clone() })
    }
}

/// Binary fields in JSON: base64url without padding.
mod base64_text {
    use data_encoding::BASE64URL_NOPAD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64URL_NOPAD.encode(bytes))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| D::Error::custom("no base64url"))
    }
}

/// Seals a secret under a new data key.
///
/// # Errors
/// `TooLong`, `NoRandomness`, or `Master` when the master key cannot be used.
pub async fn seal(master: &dyn MasterKey, about: &About, secret: &[u8]) -> Result<SealedRecord, VaultError> {
    seal_as(master, &about.aad(), secret).await
}

/// Opens a secret, for exactly what it was sealed for.
///
/// # Errors
/// `WrongMaster`, `Refused`, `Unreadable`, or `Master` when the master key cannot be used.
pub async fn open(master: &dyn MasterKey, about: &About, record: &SealedRecord) -> Result<Secret<Vec<u8>>, VaultError> {
    open_as(master, &about.aad(), record).await
}

/// The same secret under another master key, or under a newer version of the same: only the wrapped data key is another one, and the secret
/// itself is not opened. The record that was given still opens with the old master key: rotation goes on while the server runs, one record
/// after the other, and can be broken off and begun again.
///
/// # Errors
/// `WrongMaster` when `old` is not the one it takes; as `open`. A record that was changed is refused, not carried over.
pub async fn rewrap(record: &SealedRecord, about: &About, old: &dyn MasterKey, new: &dyn MasterKey) -> Result<SealedRecord, VaultError> {
    rewrap_as(record, &about.aad(), old, new).await
}

async fn seal_as(master: &dyn MasterKey, aad: &Aad, secret: &[u8]) -> Result<SealedRecord, VaultError> {
    if secret.len() > MAX_PLAIN {
        return Err(VaultError::TooLong);
    }
    let data_key = master::random_key()?;
    let nonce = random_nonce()?;
    let ciphertext = encrypt(&data_key, &nonce, &aad.bytes(Layer::Secret), secret)?;
    let wrapped = master.wrap(&data_key, &aad.bytes(Layer::DataKey)).await?;
    Ok(SealedRecord { scheme: SCHEME.to_owned(), master: master.id().clone(), wrapped, nonce: nonce.to_vec(), ciphertext })
}

async fn open_as(master: &dyn MasterKey, aad: &Aad, record: &SealedRecord) -> Result<Secret<Vec<u8>>, VaultError> {
    record.check_master(master.id())?;
    let data_key = master.unwrap(&record.wrapped, &aad.bytes(Layer::DataKey)).await?;
    decrypt(&data_key, &record.nonce, &aad.bytes(Layer::Secret), &record.ciphertext)
}

async fn rewrap_as(record: &SealedRecord, aad: &Aad, old: &dyn MasterKey, new: &dyn MasterKey) -> Result<SealedRecord, VaultError> {
    record.check_master(old.id())?;
    let bound = aad.bytes(Layer::DataKey);
    let data_key = old.unwrap(&record.wrapped, &bound).await?;
    // Whatever is carried over must have been whole: else a broken record would look cared for.
    drop(decrypt(&data_key, &record.nonce, &aad.bytes(Layer::Secret), &record.ciphertext)?);
    let wrapped = new.wrap(&data_key, &bound).await?;
    Ok(SealedRecord { master: new.id().clone(), wrapped, ..record.clone() })
}

fn random_nonce() -> Result<[u8; NONCE], VaultError> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(|_| VaultError::NoRandomness)?;
    Ok(nonce)
}

fn encrypt(key: &DataKey, nonce: &[u8; NONCE], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    // Wiped should anything fail; encrypted in place, with room for the tag, so that no copy is left behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(plain.len() + TAG));
    buffer.extend_from_slice(plain);
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    cipher.encrypt_in_place(&XNonce::from(*nonce), aad, &mut *buffer).map_err(|_| VaultError::TooLong)?;
    Ok(std::mem::take(&mut *buffer))
}

fn decrypt(key: &DataKey, nonce: &[u8], aad: &[u8], ciphertext: &[u8]) -> Result<Secret<Vec<u8>>, VaultError> {
    let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| VaultError::Unreadable)?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    cipher.decrypt_in_place(&XNonce::from(nonce), aad, &mut *buffer).map_err(|_| VaultError::Refused)?;
    Ok(Secret::new(std::mem::take(&mut *buffer)))
}

#[cfg(test)]
mod tests;
