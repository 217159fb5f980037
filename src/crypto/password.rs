//! Passwords: argon2id hashes in PHC form, and a strength estimate by zxcvbn. Slow on purpose: callers run these off the async threads.

use crate::domain::Secret;
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier},
};

/// A password must be estimated to survive at least this zxcvbn score (0 to 4).
const SCORE_NEEDED: u8 = 3;
/// Bounds of a password in characters; the upper one keeps hashing from becoming a way to load the server.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=200;
/// What is verified when nobody has the name, so that both answers take the same time: a hash of random bytes that nobody kept.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSByYW5kb20gc2FsdA$1v7mJmUD7y4RkqkYyIcY9wDSOyZ3o5nVZL6b6W3vJ3w";

/// A password that will not do, to be read after the field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short or too long.
    #[error("must have 10 to 200 characters")]
    Length,
    /// Easy to guess, with the estimator's advice.
    #[error("is easy to guess{0}")]
    Guessable(String),
}

/// The hash could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashError;

/// Checks length and strength; `inputs` are words an attacker would try first.
///
/// # Errors
/// What is wrong with it.
pub fn check_strength(password: &str, inputs: &[&str]) -> Result<(), WeakPassword> {
    if !LENGTH.contains(&password.chars().count()) {
        return Err(WeakPassword::Length);
    }
    let estimate = zxcvbn::zxcvbn(password, inputs);
    if u8::from(estimate.score()) >= SCORE_NEEDED {
        return Ok(());
    }
    let advice = estimate.feedback().and_then(|feedback| feedback.warning()).map(|warning| format!(": {warning}"));
    Err(WeakPassword::Guessable(advice.unwrap_or_default()))
}

/// Hashes a password with argon2id and a random salt.
///
/// # Errors
/// `HashError` when the operating system gives no salt.
pub fn hash(password: &Secret<String>) -> Result<String, HashError> {
    let hash = Argon2::default().hash_password(password.expose().as_bytes()).map_err(|_| HashError)?;
    Ok(hash.to_string())
}

/// True when the password is the one that was hashed.
pub fn verify(password: &Secret<String>, hash: &str) -> bool {
    // Work that somebody outside could measure: a test counts it.
    tracing::trace!(target: "andon::password", "argon2");
    PasswordVerifier::<str>::verify_password(&Argon2::default(), password.expose().as_bytes(), hash).is_ok()
}

/// Takes as long as `verify` and is always false.
pub fn verify_nobody(password: &Secret<String>) -> bool {
    let _ = verify(password, NOBODY);
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_verifies_its_password_and_no_other() {
        let password = Secret::new("correct horse battery staple".to_owned());
        let hashed = hash(&password).unwrap();
        assert!(hashed.starts_with("$argon2id$"));
        assert!(verify(&password, &hashed));
        assert!(!verify(&Secret::new("correct horse battery stapler".to_owned()), &hashed));
        assert!(!verify_nobody(&password));
        assert!(argon2::password_hash::phc::PasswordHash::new(NOBODY).is_ok(), "the stand-in costs as much as a real one");
    }

    #[test]
    fn weak_passwords_are_refused() {
        assert_eq!(check_strength("short", &[]), Err(WeakPassword::Length));
        assert!(matches!(check_strength("password123", &[]), Err(WeakPassword::Guessable(_))));
        assert!(check_strength("violet-harbour-19-quince", &[]).is_ok());
        assert!(check_strength("okaforokafor", &["okafor"]).is_err(), "a name is no password");
    }
}
