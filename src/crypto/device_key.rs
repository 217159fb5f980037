//! The key of a stop device: P-256, made in the phone's browser, where no script can read its private half.

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

/// True for the public half of a key: an uncompressed point of 65 bytes, base64url.
pub fn is_public_key(text: &str) -> bool {
    text.len() == 87 && BASE64URL_NOPAD.decode(text.as_bytes()).is_ok_and(|bytes| bytes.len() == 65 && bytes.first() == Some(&4))
}

/// True when this key signed these bytes: ECDSA over SHA-256, r and s of 32 bytes each, base64url, as browsers write it.
pub fn is_signed(public_key: &str, message: &[u8], signature: &str) -> bool {
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes());
    let (Ok(key), Ok(signature)) = (decode(public_key), decode(signature)) else { return false };
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };

    #[test]
    fn only_the_key_itself_signs_and_only_what_it_signed() {
        let random = SystemRandom::new();
        let new = || {
            let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap()
        };
        let (key, other) = (new(), new());
        let text = |key: &EcdsaKeyPair| BASE64URL_NOPAD.encode(key.public_key().as_ref());
        let signature = BASE64URL_NOPAD.encode(key.sign(&random, b"stop").unwrap().as_ref());
        assert!(is_public_key(&text(&key)) && is_signed(&text(&key), b"stop", &signature));
        assert!(!is_signed(&text(&other), b"stop", &signature) && !is_signed(&text(&key), b"go", &signature));
        for bad in ["", "x", "%%%", &signature[1..], &text(&key)] {
            assert!(!is_signed(&text(&key), b"stop", bad) && !is_signed(bad, b"stop", &signature), "{bad}");
        }
        for bad in ["", "BB", &signature, &text(&key)[1..], &text(&key).replacen('B', "C", 1)] {
            assert!(!is_public_key(bad), "{bad}");
        }
    }
}
