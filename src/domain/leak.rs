//! Secrets by their forms: what a file that people keep as evidence must not hold. Our own tokens and codes are known in `crypto/token`; here is what
//! others make. Found by accident, not by a hunt: whoever hides a secret on purpose can. What is found is named by its kind and place, never shown.

/// A secret that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leak {
    /// What it is.
    pub what: &'static str,
    /// Where it begins, bytes.
    pub at: usize,
}

/// The longest word that says what follows it, bytes.
const WORD: usize = 64;
/// The shortest value that is looked at.
const VALUE: usize = 16;
/// How a word ends whose value is a secret; dashes, dots and underscores do not count.
const WORDS: [&[u8]; 13] = [
    b"apikey",
    b"secret",
    b"secretkey",
    b"accesskey",
    b"privatekey",
    b"signingkey",
    b"passphrase",
    b"password",
    b"token",
    b"listenkey",
    b"authkey",
    b"masterkey",
    b"credential",
];
/// How tokens of other services begin, and how many letters follow at least.
const PREFIXES: [(&[u8], usize); 10] = [
    (b"ghp_", 30),
    (b"gho_", 30),
    (b"ghs_", 30),
    (b"github_pat_", 30),
    (b"glpat-", 20),
    (b"xoxb-", 20),
    (b"xoxp-", 20),
    (b"sk_live_", 20),
    (b"sk-ant-", 20),
    (b"hvs.", 20),
];

/// The first secret in some bytes.
pub fn leak(bytes: &[u8]) -> Option<Leak> {
    let mut before = b' ';
    for (at, byte) in bytes.iter().enumerate() {
        let rest = bytes.get(at..).unwrap_or_default();
        let begins = !is_letter(before);
        let what = match byte {
            b'-' if is_private_key(rest) => Some("a private key"),
            b':' if is_password_in_address(rest) => Some("a password in an address"),
            _ if begins && is_letter(*byte) => word_at(rest),
            _ => None,
        };
        if let Some(what) = what {
            return Some(Leak { what, at });
        }
        before = *byte;
    }
    None
}

/// The line of a place, the first is 1.
pub fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes.get(..at).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A letter of base64, either alphabet.
fn is_of_value(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-' | b'=')
}

/// A letter of base64url.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// What stands at the front as far as every byte fits, and what follows.
fn run(bytes: &[u8], most: usize, fits: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let length = bytes.iter().take(most).take_while(|byte| fits(**byte)).count();
    bytes.split_at(length)
}

fn is_private_key(rest: &[u8]) -> bool {
    let Some(label) = rest.strip_prefix(b"-----BEGIN ") else { return false };
    let (label, _) = run(label, WORD, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    label.windows(11).any(|window| window == b"PRIVATE KEY")
}

/// `://name:password@`.
fn is_password_in_address(rest: &[u8]) -> bool {
    let Some(rest) = rest.strip_prefix(b"://") else { return false };
    let (who, rest) = run(rest, WORD, |byte| byte.is_ascii_graphic() && !matches!(byte, b':' | b'/' | b'@' | b'"' | b'<'));
    let Some(rest) = rest.strip_prefix(b":").filter(|_| !who.is_empty()) else { return false };
    let (password, rest) = run(rest, 256, |byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'@' | b'"' | b'<' | b'{'));
    // Stars and the like are how a password is left out.
    let is_left_out = password.iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.'));
    rest.starts_with(b"@") && password.len() >= 6 && !is_left_out
}

/// What begins with this word.
fn word_at(rest: &[u8]) -> Option<&'static str> {
    if is_aws(rest) {
        return Some("an AWS access key");
    }
    if is_signed_token(rest) {
        return Some("a signed token (JWT)");
    }
    let is_foreign = |(front, least): &(&[u8], usize)| {
        rest.strip_prefix(*front).is_some_and(|secret| run(secret, *least, is_of_token).0.len() == *least)
    };
    if PREFIXES.iter().any(is_foreign) {
        return Some("a token of another service");
    }
    assigned(rest)
}

fn is_aws(rest: &[u8]) -> bool {
    let Some(id) = rest.strip_prefix(b"AKIA").or_else(|| rest.strip_prefix(b"ASIA")) else { return false };
    let (id, _) = run(id, 17, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    id.len() == 16 && id.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// `eyJ….eyJ….…`.
fn is_signed_token(rest: &[u8]) -> bool {
    let part = |rest: &[u8], front: &[u8], least: usize| -> Option<usize> {
        let (part, _) = run(rest.strip_prefix(front)?, 8_192, is_of_token);
        (part.len() >= least).then(|| front.len() + part.len())
    };
    let signature = || {
        let payload = rest.get(part(rest, b"eyJ", 8)?..)?.strip_prefix(b".")?;
        let signature = payload.get(part(payload, b"eyJ", 8)?..)?.strip_prefix(b".")?;
        part(signature, b"", 16)
    };
    signature().is_some()
}

/// A word that says secret, `=` or `:`, and what looks random.
fn assigned(rest: &[u8]) -> Option<&'static str> {
    let (word, rest) = run(rest, WORD, |byte| is_letter(byte) || matches!(byte, b'-' | b'.'));
    let is_quote = |byte: u8| matches!(byte, b'"' | b'\'' | b'`' | b'\\');
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t');
    if word.eq_ignore_ascii_case(b"bearer") {
        let (space, value) = run(rest, 4, is_space);
        let (value, _) = run(value, 512, is_of_value);
        return (!space.is_empty() && looks_random(value)).then_some("a bearer token");
    }
    let plain: Vec<u8> = word.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    if !WORDS.iter().any(|end| plain.ends_with(end)) {
        return None;
    }
    let (_, rest) = run(rest, 2, is_quote);
    let (_, rest) = run(rest, 8, is_space);
    let (sign, rest) = run(rest, 2, |byte| matches!(byte, b'=' | b':' | b'>'));
    let (_, rest) = run(rest, 8, is_space);
    let (_, rest) = run(rest, 2, is_quote);
    let (value, _) = run(rest, 512, is_of_value);
    (!sign.is_empty() && looks_random(value)).then_some("a secret beside its name")
}

/// True for what nobody would write by hand: letters and digits, many different ones.
fn looks_random(value: &[u8]) -> bool {
    let is_mixed = value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic);
    value.len() >= VALUE && is_mixed && entropy(value) >= 3.2
}

/// Bits for each letter, by how often each comes.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let all = value.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / all).map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn what(text: &str) -> Option<&'static str> {
        leak(text.as_bytes()).map(|leak| leak.what)
    }

    #[test]
    fn secrets_are_known_by_their_forms() {
        let random = "q7Zp2VdK9sLx4TnB8wRy";
        for (text, kind) in [
            ("-----BEGIN PRIVATE KEY-----\nMII".to_owned(), "a private key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(), "a private key"),
            (r#"{"pem":"-----BEGIN EC PRIVATE KEY-----\nMHc"}"#.to_owned(), "a private key"),
            ("id AKIAIOSFODNN7EXAMPLE.".to_owned(), "an AWS access key"),
            (format!("cookie eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{random}"), "a signed token (JWT)"),
            (format!("ghp_{random}{random}"), "a token of another service"),
            (format!("BYBIT_API_SECRET={random}"), "a secret beside its name"),
            (format!(r#"{{"apiKey": "{random}"}}"#), "a secret beside its name"),
            (format!(r#""{{\"secretKey\":\"{random}\"}}""#), "a secret beside its name"),
            (format!("api_secret = '{random}'"), "a secret beside its name"),
            (format!("X-MBX-APIKEY: {random}"), "a secret beside its name"),
            (format!("OK-ACCESS-PASSPHRASE: {random}"), "a secret beside its name"),
            ("secret: 9f86d081884c7d659a2feaa0c55ad015".to_owned(), "a secret beside its name"),
            (format!("authorization: Bearer {random}"), "a bearer token"),
            ("postgres://andon:hunter2-hunter2@db.example/andon".to_owned(), "a password in an address"),
        ] {
            assert_eq!(what(&text), Some(kind), "{text}");
            assert_eq!(what(&format!("first line\n{text}\nlast")), Some(kind), "{text} among others");
        }
    }

    #[test]
    fn what_is_no_secret_is_not_taken_for_one() {
        for text in [
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "api_key=…",
            "api_key: is kept in the vault, version 3",
            "the secret is rotated every 90 days",
            "api_secret=****************",
            "api_secret=<the one of the venue>",
            "password: incorrect-horse-battery",
            "sha256 = 9f86d081884c7d659a2feaa0c55ad015",
            "key fingerprint: 9f86d081884c7d659a2feaa0c55ad015",
            "bearer of good news since 2024",
            "https://wiki.example:8443/plan@2",
            "postgres://andon:******@db.example",
            "https://wiki.example/a:b@c",
            "eyJhbGciOiJIUzI1NiJ9 is a header alone",
            "AKIALIKE and AKIAIOSFODNN7EXAMPLEX",
            "order 0193f0a0-0000-7000-8000-00000000dead filled at 65000.10",
        ] {
            assert_eq!(what(text), None, "{text}");
        }
    }

    #[test]
    fn a_place_is_told_by_its_line() {
        let text = b"one\ntwo\nid AKIAIOSFODNN7EXAMPLE\n";
        let found = leak(text).unwrap();
        assert_eq!((found.at, line_of(text, found.at)), (11, 3));
    }

    proptest! {
        #[test]
        fn nothing_is_too_much_for_looking(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            word in "(secret|bearer|://|eyJ|AKIA|-----BEGIN )?[ =:.]{0,3}"
        ) {
            let mut all = word.into_bytes();
            all.extend(bytes);
            if let Some(found) = leak(&all) {
                prop_assert!(found.at < all.len() && line_of(&all, found.at) >= 1);
            }
        }
    }
}
