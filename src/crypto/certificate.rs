//! Certificates and their keys as they lie in files: read, checked against each other, and told about in words. Handshakes are rustls' own;
//! nothing here decides whom to trust.

use crate::domain::{Secret, Timestamp};
use rustls::{
    Error, InconsistentKeys,
    client::verify_server_name,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use std::{fs, io, path::Path, path::PathBuf, sync::Arc};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Why files do not make a usable pair. The text never holds anything of the key.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{0}: {1}")]
    Unreadable(String, io::Error),
    /// No certificate in it.
    #[error("{0} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate(String),
    /// No key in it.
    #[error("{0} holds no private key in PEM (-----BEGIN PRIVATE KEY-----)")]
    NoKey(String),
    /// The certificate is none.
    #[error("{0}: the certificate cannot be read")]
    Broken(String),
    /// The key is of a kind that cannot be used.
    #[error("{0}: this private key cannot be used; RSA, ECDSA P-256 or P-384 and Ed25519 can")]
    KeyKind(String),
    /// They do not belong together.
    #[error("the private key {key} does not belong to the certificate {cert}")]
    Mismatch {
        /// The certificate's file.
        cert: String,
        /// The key's file.
        key: String,
    },
    /// This program speaks no TLS.
    #[error("this program can speak no version of TLS: {0}")]
    NoTls(Error),
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// Good from.
    pub not_before: Timestamp,
    /// Good until.
    pub not_after: Timestamp,
}

impl Facts {
    /// Whole days until it ends; negative once it has.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        self.not_after.ms_since(now).div_euclid(24 * 60 * 60 * 1_000)
    }
    /// True between its two moments.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// Where a pair lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFiles {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The contents of both files.
pub struct PairText {
    cert: Vec<u8>,
    key: Secret<Vec<u8>>,
}

/// A certificate with the key that belongs to it.
#[derive(Debug, Clone)]
pub struct Pair {
    /// For handshakes.
    pub certified: Arc<CertifiedKey>,
    /// For people.
    pub facts: Facts,
}

impl PairFiles {
    /// Reads both files.
    ///
    /// # Errors
    /// `Unreadable`.
    pub fn read(&self) -> Result<PairText, CertificateError> {
        let read = |path: &Path| fs::read(path).map_err(|error| CertificateError::Unreadable(path.display().to_string(), error));
        Ok(PairText { cert: read(&self.cert)?, key: Secret::new(read(&self.key)?) })
    }

    /// Makes a pair of what was read.
    ///
    /// # Errors
    /// What is wrong with them, the files named.
    pub fn pair(&self, text: &PairText) -> Result<Pair, CertificateError> {
        let (cert, key) = (self.cert.display().to_string(), self.key.display().to_string());
        let chain = chain(&text.cert).ok_or_else(|| CertificateError::NoCertificate(cert.clone()))?;
        let facts = chain.first().and_then(facts).ok_or_else(|| CertificateError::Broken(cert.clone()))?;
        let private = PrivateKeyDer::from_pem_slice(text.key.expose()).map_err(|_| CertificateError::NoKey(key.clone()))?;
        let signing = ring::sign::any_supported_type(&private).map_err(|_| CertificateError::KeyKind(key.clone()))?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Pair { certified: Arc::new(certified), facts }),
            Err(Error::InconsistentKeys(_)) => Err(CertificateError::Mismatch { cert, key }),
            Err(_) => Err(CertificateError::Broken(cert)),
        }
    }
}

impl PairText {
    /// Tells one content from another.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::new().chain_update(Sha256::digest(&self.cert)).chain_update(self.key.expose()).finalize().into()
    }
}

impl Pair {
    /// The server's own certificate.
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.certified.cert.first()
    }
    /// Why browsers and agents would refuse it at a host; none: they will not for its names or its dates.
    pub fn misfit(&self, host: &str, now: Timestamp) -> Option<String> {
        if !self.leaf().is_some_and(|leaf| covers(leaf, host)) {
            return Some(format!("the certificate is for {}, not for {host}", self.facts.names.join(", ")));
        }
        if now < self.facts.not_before {
            return Some(format!("the certificate begins to count at {} only", self.facts.not_before.plain()));
        }
        (now > self.facts.not_after).then(|| format!("the certificate ended at {}", self.facts.not_after.plain()))
    }
}

/// The certificates of a PEM text; none when there is not one, or one of them is damaged.
pub fn chain(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!chain.is_empty()).then_some(chain)
}

/// True when a certificate is for a host.
pub fn covers(leaf: &CertificateDer<'_>, host: &str) -> bool {
    let (Ok(parsed), Ok(name)) = (ParsedCertificate::try_from(leaf), ServerName::try_from(host)) else { return false };
    verify_server_name(&parsed, &name).is_ok()
}

/// What a certificate says of itself; none when it cannot be read.
pub fn facts(leaf: &CertificateDer<'_>) -> Option<Facts> {
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    let at = |time: x509_parser::time::ASN1Time| Timestamp(time.timestamp().saturating_mul(1_000_000));
    let names = parsed.subject_alternative_name().ok().flatten().map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let named = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    let validity = parsed.validity();
    Some(Facts { names: named.collect(), not_before: at(validity.not_before), not_after: at(validity.not_after) })
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, host: &str) -> PairFiles {
        let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        let files = PairFiles { cert: dir.join(format!("{host}.crt")), key: dir.join(format!("{host}.key")) };
        fs::write(&files.cert, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_pair_is_for_its_own_names_and_days() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), "andon.example");
        let pair = files.pair(&files.read().unwrap()).unwrap();
        let now = Timestamp(1_795_000_000_000_000);
        assert_eq!(pair.facts.names, ["andon.example"]);
        assert_eq!(pair.misfit("andon.example", now), None);
        assert!(pair.misfit("other.example", now).unwrap().contains("not for other.example"));
        assert!(pair.misfit("andon.example", pair.facts.not_after.plus_ms(1)).unwrap().contains("ended"));
        assert!(pair.misfit("andon.example", pair.facts.not_before.plus_ms(-1)).unwrap().contains("begins"));
        assert_eq!(pair.facts.days_left(pair.facts.not_after.plus_ms(-1)), 0);
        assert_eq!(pair.facts.days_left(pair.facts.not_after.plus_ms(1_000)), -1);
    }

    #[test]
    fn what_does_not_make_a_pair_is_named_without_showing_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (write(dir.path(), "one.example"), write(dir.path(), "two.example"));
        let crossed = PairFiles { cert: one.cert.clone(), key: two.key.clone() };
        let swapped = PairFiles { cert: one.key.clone(), key: one.cert.clone() };
        let gone = PairFiles { cert: dir.path().join("gone"), key: one.key.clone() };
        let no_key = PairFiles { cert: one.cert.clone(), key: one.cert.clone() };
        for (files, word) in [(crossed, "does not belong"), (swapped, "no certificate"), (gone, "gone"), (no_key, "no private key")] {
            let wrong = files.read().and_then(|text| files.pair(&text)).unwrap_err().to_string();
            assert!(wrong.contains(word), "{wrong}");
        }
        assert_ne!(one.read().unwrap().digest(), two.read().unwrap().digest());
    }
}
