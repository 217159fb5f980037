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

/// A secret of ours that stands in a text where it may not belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spotted {
    /// Where it begins, bytes.
    pub at: usize,
    /// Where it ends.
    pub end: usize,
    /// What it is: `agent token`, `enrolment code` and the like.
    pub what: String,
}

/// The longest secret that `spot` knows, bytes.
pub const LONGEST: usize = 96;

/// Finds our own tokens, one-time links and codes, and agents' private keys by their forms. What it finds is not repeated.
pub fn spot(text: &[u8]) -> Vec<Spotted> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let begins_here = at == 0 || !text.get(at - 1).is_some_and(u8::is_ascii_alphanumeric);
        match begins_here.then(|| token_at(rest).or_else(|| code_at(rest)).or_else(|| identity_at(rest))).flatten() {
            Some((length, what)) => {
                found.push(Spotted { at, end: at + length, what });
                at += length;
            }
            None => at += 1,
        }
    }
    found
}

/// How many bytes at the beginning are of a kind.
fn run(text: &[u8], is_one: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| is_one(**byte)).count()
}

fn token_at(text: &[u8]) -> Option<(usize, String)> {
    const FRONT: &[u8] = b"andon_";
    let rest = text.strip_prefix(FRONT)?;
    let kind = run(rest, |byte| byte.is_ascii_lowercase());
    let secret = rest.get(kind..)?.strip_prefix(b"_")?;
    // 256 bits in base64url, no more and no fewer letters.
    let length = run(secret, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let kind_text = String::from_utf8_lossy(rest.get(..kind)?).into_owned();
    let what = match kind_text.as_str() {
        "agent" => "an agent's token".to_owned(),
        "device" => "a stop device's cookie".to_owned(),
        "setup" | "invite" | "recovery" | "demo" | "phone" => format!("a one-time link ({kind_text})"),
        scope => format!("an API token ({scope})"),
    };
    (length == 43 && (1..=16).contains(&kind)).then(|| (FRONT.len() + kind + 1 + length, what))
}

fn code_at(text: &[u8]) -> Option<(usize, String)> {
    const LENGTH: usize = 26 + 5;
    let is_code = |code: &[u8]| {
        code.iter().enumerate().all(|(n, byte)| match n % 6 {
            5 => *byte == b'-',
            _ => byte.is_ascii_uppercase() || (b'2'..=b'7').contains(byte),
        })
    };
    let ends = !text.get(LENGTH).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    (ends && text.get(..LENGTH).is_some_and(is_code)).then(|| (LENGTH, "an enrolment code".to_owned()))
}

fn identity_at(text: &[u8]) -> Option<(usize, String)> {
    const FRONT: &[u8] = b"AGE-SECRET-KEY-1";
    let length = run(text.strip_prefix(FRONT)?, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (length == 58).then(|| (FRONT.len() + length, "an agent's private key".to_owned()))
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
    fn our_own_secrets_are_spotted_and_what_only_looks_like_them_is_not() {
        let token = new_token("agent").unwrap().expose().clone();
        let link = format!("https://andon.example/welcome/{}", new_token("setup").unwrap().expose());
        let code = new_code().unwrap().expose().clone();
        use age::secrecy::ExposeSecret;
        let identity = age::x25519::Identity::generate().to_string();
        let text = format!("TOKEN={token}\n{link}\ncode: {code}.\n{}\n", identity.expose_secret());
        let found = spot(text.as_bytes());
        let whats: Vec<&str> = found.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(whats, ["an agent's token", "a one-time link (setup)", "an enrolment code", "an agent's private key"]);
        assert_eq!(&text[found[0].at..found[0].end], token);
        assert!(found.iter().all(|one| one.end - one.at <= LONGEST));
        for fine in [
            "andon_agent_",
            "andon_agent_short",
            &format!("{token}x"),
            "x_ABCDE",
            &code[..20],
            &format!("x{code}"),
            &format!("{code}-A"),
            "grid-btc",
        ] {
            assert_eq!(spot(fine.as_bytes()), [], "{fine}");
        }
    }

    #[test]
    fn a_fingerprint_depends_on_both_halves() {
        let token = TokenDigest::of("a");
        assert_eq!(fingerprint("age1x", &token).len(), 9);
        assert_ne!(fingerprint("age1x", &token), fingerprint("age1y", &token));
        assert_ne!(fingerprint("age1x", &token), fingerprint("age1x", &TokenDigest::of("b")));
    }
}
