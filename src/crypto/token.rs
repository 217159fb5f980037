//! Bearer tokens, one-time codes and fingerprints: made here, stored as SHA-256 only, compared in constant time.

use crate::domain::Secret;
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The operating system would not give random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// The SHA-256 of a token or code: what the database keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    /// Digest of a presented token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
    /// Lower-case hex, the form in the database.
    pub fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
    /// Compares in constant time.
    pub fn same(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Random bytes as base64url.
///
/// # Errors
/// `NoRandomness` when the operating system refuses.
pub fn random<const N: usize>() -> Result<String, NoRandomness> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// A new bearer token of 256 bits with a prefix that says what it is (`andon_agent_…`), so that secret scanners know it.
///
/// # Errors
/// `NoRandomness` when the operating system refuses.
pub fn new_token(kind: &str) -> Result<Secret<String>, NoRandomness> {
    Ok(Secret::new(format!("andon_{kind}_{}", random::<32>()?)))
}

/// A one-time code of 130 bits in groups that can be read aloud: `ABCDE-FGHIJ-…`.
///
/// # Errors
/// `NoRandomness` when the operating system refuses.
pub fn new_code() -> Result<Secret<String>, NoRandomness> {
    let mut bytes = [0u8; 17];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    let text: String = BASE32_NOPAD.encode(&bytes).chars().take(26).collect();
    let groups: Vec<String> = text.as_bytes().chunks(5).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
    Ok(Secret::new(groups.join("-")))
}

/// Digest of a code as typed: case, spaces and dashes do not count.
pub fn code_digest(typed: &str) -> TokenDigest {
    let plain: String = typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    TokenDigest::of(&plain)
}

/// An agent's fingerprint (ruling H5): the first 40 bits of SHA-256 over its recipient and its token's digest, as 8 letters in two groups.
/// The agent prints it, the page shows it, a person compares.
pub fn fingerprint(recipient: &str, token: &TokenDigest) -> String {
    let hash = Sha256::new().chain_update(recipient.as_bytes()).chain_update(token.0).finalize();
    let text = BASE32_NOPAD.encode(hash.get(..5).unwrap_or_default());
    let (front, back) = text.split_at(4.min(text.len()));
    format!("{front}-{back}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_is_typed() {
        let code = new_code().unwrap();
        assert_eq!(code_digest(code.expose()), code_digest(&code.expose().to_lowercase().replace('-', " ")));
        assert_ne!(code_digest(code.expose()), code_digest(new_code().unwrap().expose()));
    }

    #[test]
    fn a_fingerprint_depends_on_both_halves() {
        let token = TokenDigest::of("a");
        assert_eq!(fingerprint("age1x", &token).len(), 9);
        assert_ne!(fingerprint("age1x", &token), fingerprint("age1y", &token));
        assert_ne!(fingerprint("age1x", &token), fingerprint("age1x", &TokenDigest::of("b")));
    }
}
