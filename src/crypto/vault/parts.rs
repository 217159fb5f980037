//! A venue's secret as the one text that is sealed: a JSON object of its parts, each in base64. No part then ever needs an escape, so that the JSON
//! reader keeps no copy of one, and every buffer is ours to wipe.

use super::{About, MasterKey, SealedRecord, VaultError, open, seal};
use crate::domain::{ApiSecret, Secret};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The three parts.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts<'a> {
    #[serde(borrow)]
    api_key: &'a str,
    #[serde(borrow)]
    secret: &'a str,
    #[serde(borrow)]
    passphrase: Option<&'a str>,
}

/// Seals what a venue gave out.
///
/// # Errors
/// `Implausible` for a part that no venue gives out; as [`seal`].
pub async fn seal_parts(master: &dyn MasterKey, about: &About, secret: &ApiSecret) -> Result<SealedRecord, VaultError> {
    seal(master, about, &written(secret)?).await
}

/// Opens what a venue gave out.
///
/// # Errors
/// As [`open`]; `Unreadable` when something else was sealed.
pub async fn open_parts(master: &dyn MasterKey, about: &About, record: &SealedRecord) -> Result<ApiSecret, VaultError> {
    read(open(master, about, record).await?.expose())
}

fn written(secret: &ApiSecret) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    if !secret.is_plausible() {
        return Err(VaultError::Implausible);
    }
    let encoded = |part: &Secret<String>| Zeroizing::new(BASE64.encode(part.expose().as_bytes()));
    let (api_key, shared) = (encoded(&secret.api_key), encoded(&secret.secret));
    let passphrase = secret.passphrase.as_ref().map(encoded);
    let parts = Parts { api_key: &api_key, secret: &shared, passphrase: passphrase.as_ref().map(|part| part.as_str()) };
    // Never grown, so that no copy is left behind.
    let room = api_key.len() + shared.len() + passphrase.as_ref().map_or(0, |part| part.len()) + 128;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *text, &parts).map_err(|_| VaultError::Unreadable)?;
    Ok(text)
}

fn read(text: &[u8]) -> Result<ApiSecret, VaultError> {
    let parts: Parts<'_> = serde_json::from_slice(text).map_err(|_| VaultError::Unreadable)?;
    let secret =
        ApiSecret { api_key: part(parts.api_key)?, secret: part(parts.secret)?, passphrase: parts.passphrase.map(part).transpose()? };
    if secret.is_plausible() { Ok(secret) } else { Err(VaultError::Unreadable) }
}

fn part(encoded: &str) -> Result<Secret<String>, VaultError> {
    let bytes = BASE64.decode(encoded.as_bytes()).map(Zeroizing::new).map_err(|_| VaultError::Unreadable)?;
    std::str::from_utf8(&bytes).map(|text| Secret::new(text.to_owned())).map_err(|_| VaultError::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vault::LocalMasterKey;
    use crate::domain::{KeyId, KeyPurpose, key::MAX_SECRET};

    fn given(api_key: &str, secret: &str, passphrase: Option<&str>) -> ApiSecret {
        let part = |text: &str| Secret::new(text.to_owned());
        ApiSecret { api_key: part(api_key), secret: part(secret), passphrase: passphrase.map(part) }
    }

    #[tokio::test]
    async fn every_part_comes_out_as_it_went_in() {
        let (master, about) = (LocalMasterKey::generate().unwrap(), About { key: KeyId::new(), version: 3, purpose: KeyPurpose::Monitor });
        let long = "\"\\\n\u{1}é".repeat(MAX_SECRET / 6);
        for one in [
            given("key", "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n", None),
            given("k", &long, Some("a \"phrase\"")),
            given(&"k".repeat(MAX_SECRET), &"s".repeat(MAX_SECRET), Some(&"p".repeat(MAX_SECRET))),
        ] {
            let record = seal_parts(&master, &about, &one).await.unwrap();
            let opened = open_parts(&master, &about, &record).await.unwrap();
            assert_eq!((opened.api_key.expose(), opened.secret.expose()), (one.api_key.expose(), one.secret.expose()));
            assert_eq!(opened.passphrase.as_ref().map(Secret::expose), one.passphrase.as_ref().map(Secret::expose));
        }
        let empty = seal_parts(&master, &about, &given("", "s", None)).await;
        assert!(matches!(empty, Err(VaultError::Implausible)), "{empty:?}");
    }

    #[test]
    fn what_is_no_secret_of_a_venue_is_not_read_as_one() {
        for bad in [
            "",
            "null",
            r#"{"api_key":"aw==","secret":"cw=="}x"#,
            r#"{"api_key":"aw==","secret":"cw==","passphrase":null,"more":1}"#,
            r#"{"api_key":"","secret":"cw==","passphrase":null}"#,
            r#"{"api_key":"\u0061w==","secret":"cw==","passphrase":null}"#,
            r#"{"api_key":"k","secret":"cw==","passphrase":null}"#,
            r#"{"api_key":"/w==","secret":"cw==","passphrase":null}"#,
        ] {
            assert!(matches!(read(bad.as_bytes()), Err(VaultError::Unreadable)), "{bad}");
        }
        assert!(read(br#"{"api_key":"aw==","secret":"cw==","passphrase":null}"#).is_ok());
    }

    #[test]
    fn room_was_made_for_all_of_it() {
        let text = written(&given(&"k".repeat(MAX_SECRET), &"s".repeat(MAX_SECRET), Some(&"p".repeat(MAX_SECRET)))).unwrap();
        assert!(text.len() <= crate::crypto::vault::MAX_PLAIN && text.capacity() < text.len() + 128);
        assert!(!String::from_utf8_lossy(&text).contains("kkk"));
    }
}
