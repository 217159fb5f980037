//! The signatures that venues want, over bytes that each venue puts together itself. Algorithms are those of `hmac`, `sha2` and `ed25519-dalek`.

use super::error::VenueError;
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signer, SigningKey, pkcs8::DecodePrivateKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

/// A secret that cannot sign.
const NO_BASE64: VenueError = VenueError::Cannot("the secret is not base64, as this venue gives them out");
const NO_KEY: VenueError = VenueError::Cannot("the secret is neither an HMAC secret nor an Ed25519 key in PKCS#8; RSA keys are not used");

/// HMAC-SHA256.
fn hmac_sha256(secret: &[u8], payload: &[u8]) -> Result<Vec<u8>, VenueError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| NO_KEY)?;
    mac.update(payload);
    Ok(mac.finalize().into_bytes().to_vec())
}

/// HMAC-SHA256 in lower-case hex.
///
/// # Errors
/// `Cannot` for a secret that cannot sign; so of all here.
pub(super) fn hmac_sha256_hex(secret: &str, payload: &str) -> Result<String, VenueError> {
    Ok(HEXLOWER.encode(&hmac_sha256(secret.as_bytes(), payload.as_bytes())?))
}

/// HMAC-SHA256 in base64.
pub(super) fn hmac_sha256_base64(secret: &str, payload: &str) -> Result<String, VenueError> {
    Ok(BASE64.encode(&hmac_sha256(secret.as_bytes(), payload.as_bytes())?))
}

/// HMAC-SHA512 under a secret in base64, over the given parts, in base64.
pub(super) fn hmac_sha512_base64(secret: &str, parts: &[&[u8]]) -> Result<String, VenueError> {
    let secret = Zeroizing::new(BASE64.decode(secret.trim().as_bytes()).map_err(|_| NO_BASE64)?);
    let mut mac = Hmac::<Sha512>::new_from_slice(&secret).map_err(|_| NO_KEY)?;
    for part in parts {
        mac.update(part);
    }
    Ok(BASE64.encode(&mac.finalize().into_bytes()))
}

/// SHA-256 of the given parts.
pub(super) fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().to_vec()
}

/// How an Ed25519 private key in PKCS#8 begins in base64: the bytes before the key are always these.
const ED25519_PKCS8: &str = "MC4CAQAwBQYDK2VwBCIEI";

/// Whether a secret is a private key and no HMAC secret.
pub(super) fn is_private_key(secret: &str) -> bool {
    let secret = secret.trim_start();
    secret.starts_with("-----BEGIN") || secret.starts_with(ED25519_PKCS8)
}

/// An Ed25519 signature in base64 by a key in PKCS#8, as PEM or as its base64 alone.
pub(super) fn ed25519_base64(secret: &str, payload: &str) -> Result<String, VenueError> {
    let lines = secret.lines().filter(|line| !line.starts_with("-----")).flat_map(str::chars).filter(|c| !c.is_whitespace());
    // As long as it can get from the start: a text that grows leaves copies behind.
    let mut base64 = Zeroizing::new(String::with_capacity(secret.len()));
    base64.extend(lines);
    let der = Zeroizing::new(BASE64.decode(base64.as_bytes()).map_err(|_| NO_KEY)?);
    let key = SigningKey::from_pkcs8_der(&der).map_err(|_| NO_KEY)?;
    Ok(BASE64.encode(&key.sign(payload.as_bytes()).to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_told_from_a_secret() {
        assert!(is_private_key("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----"));
        assert!(is_private_key("MC4CAQAwBQYDK2VwBCIEIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"));
        assert!(!is_private_key("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"));
    }

    #[test]
    fn what_cannot_sign_says_so_without_showing_itself() {
        let rsa = "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0LXNlY3JldA==\n-----END RSA PRIVATE KEY-----";
        for error in [ed25519_base64(rsa, "x").unwrap_err(), hmac_sha512_base64("c2VjcmV0LXNlY3JldA=!", &[]).unwrap_err()] {
            assert!(matches!(error, VenueError::Cannot(_)));
            assert!(!format!("{error} {error:?}").contains("c2Vj"));
        }
    }
}
