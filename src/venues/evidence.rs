//! What stays of an answer: its digest, taken of canonical JSON without secrets and personal data, so that the same answer has the same digest
//! and nobody learns an IBAN from trying them all.

use super::fact::{Inspection, KeyFacts, MeasuredBy};
use crate::domain::Timestamp;
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Names, in lower case without `_` and `-`, whose values are taken out.
const HIDDEN: [&str; 14] = [
    "iban",
    "iiban",
    "secret",
    "clientsecret",
    "apisecret",
    "secretkey",
    "passphrase",
    "password",
    "token",
    "accesstoken",
    "refreshtoken",
    "email",
    "apikey",
    "clientid",
];

fn is_hidden(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| *c != '_' && *c != '-').flat_map(char::to_lowercase).collect();
    plain.starts_with("kyc") || HIDDEN.contains(&plain.as_str())
}

/// The answer without what is nobody's business. The names stay, so that it shows that there was something.
pub(super) fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), if is_hidden(name) { Value::Null } else { redacted(value) }))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(redacted).collect(),
        other => other.clone(),
    }
}

/// SHA-256 in hex of the canonical form (RFC 8785) of what is left.
pub(super) fn digest(value: &Value) -> String {
    let canonical = serde_json_canonicalizer::to_vec(&redacted(value)).unwrap_or_default();
    HEXLOWER.encode(&Sha256::digest(&canonical))
}

/// A measurement, from its facts and what they were read from.
pub(super) fn inspection(facts: KeyFacts, measured_by: MeasuredBy, measured_at: Timestamp, answer: &Value) -> Inspection {
    Inspection { facts, measured_by, measured_at, answer_sha256: digest(answer) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_nobodys_business_changes_no_digest() {
        let one = json!({"b": [{"client_secret": "s-1", "iban": "AA00"}], "a": 1, "kycLevel": "LEVEL_1", "apiKey": "K"});
        let other = json!({"a": 1, "kycLevel": "LEVEL_2", "apiKey": "L", "b": [{"client_secret": "s-2", "iban": "BB11"}]});
        assert_eq!(digest(&one), digest(&other));
        assert!(!redacted(&one).to_string().contains("s-1"));
        assert_ne!(digest(&one), digest(&json!({"a": 1, "b": []})), "the rest does");
    }
}
