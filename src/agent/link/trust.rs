//! Whom an agent takes for its server: whoever the system's certificate authorities vouch for, or only those of a file of its own. The file may
//! hold a private authority, or the server's own certificate, self-signed or not: that very certificate is then taken too. When a server is not
//! vouched for, the file is read again first: an agent need not be restarted, which would stop its bot, when an authority changes.

use crate::agent::dir::AgentDir;
use crate::crypto::certificate;
use crate::domain::Timestamp;
use arc_swap::ArcSwap;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// Who may be the server.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// Whoever the system trusts (`SSL_CERT_FILE` adds to or replaces that).
    #[default]
    System,
    /// Only whoever the certificates in this file vouch for, or are.
    Only(PathBuf),
}

/// A file of certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    Unreadable(String, io::Error),
    /// It holds none.
    #[error("{0} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    Empty(String),
}

impl Trust {
    /// Reads a file; answers with its contents besides.
    ///
    /// # Errors
    /// When it holds no certificate.
    pub fn read(path: &Path) -> Result<(Self, Vec<u8>), TrustError> {
        let pem = fs::read(path).map_err(|error| TrustError::Unreadable(path.display().to_string(), error))?;
        certificate::chain(&pem).ok_or_else(|| TrustError::Empty(path.display().to_string()))?;
        Ok((Self::Only(path.to_owned()), pem))
    }

    /// What an agent's directory says: its own file, where there is one.
    ///
    /// # Errors
    /// When there is one that cannot be used: it is then not left aside.
    pub fn of(dir: &AgentDir) -> Result<Self, TrustError> {
        match Self::read(&dir.authority()) {
            Ok((trust, _)) => Ok(trust),
            Err(TrustError::Unreadable(_, error)) if error.kind() == io::ErrorKind::NotFound => Ok(Self::System),
            Err(error) => Err(error),
        }
    }

    /// TLS for a client that trusts so. HTTP/1.1 alone: the stream is a websocket.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn client_config(&self) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let mut config = match self {
            Self::Only(path) => {
                let own = Own { known: ArcSwap::from_pointee(Known::read(path, &provider)?), path: path.clone(), provider };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(own)).with_no_client_auth()
            }
            Self::System => {
                let later = Later { verifier: OnceLock::new(), provider };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(later)).with_no_client_auth()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// Verifies against the system's authorities, which are read once a certificate is to be verified: a press over plain HTTP waits for none.
#[derive(Debug)]
struct Later {
    verifier: OnceLock<Verifier>,
    provider: Arc<CryptoProvider>,
}

impl Later {
    fn verifier(&self) -> Result<&Verifier, Error> {
        if let Some(verifier) = self.verifier.get() {
            return Ok(verifier);
        }
        let verifier = Verifier::new(self.provider.clone()).inspect_err(|error| {
            tracing::warn!(%error, "no certificate authority is trusted here: only a server on this machine can be reached");
        })?;
        Ok(self.verifier.get_or_init(|| verifier))
    }
}

impl ServerCertVerifier for Later {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Verifies against certificates of our own.
#[derive(Debug)]
struct Own {
    path: PathBuf,
    known: ArcSwap<Known>,
    provider: Arc<CryptoProvider>,
}

/// What the file held when it was read last.
#[derive(Debug)]
struct Known {
    certificates: Vec<CertificateDer<'static>>,
    // None: there is no authority among them.
    authorities: Option<Arc<WebPkiServerVerifier>>,
}

impl Known {
    fn read(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let pem = fs::read(path).map_err(|error| Error::General(format!("{}: {error}", path.display())))?;
        let certificates = certificate::chain(&pem).ok_or_else(|| Error::General(format!("{} holds no certificate", path.display())))?;
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(certificates.iter().cloned());
        let verifier = || WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let authorities = (usable > 0).then(verifier).transpose().map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { certificates, authorities })
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificates.contains(leaf) {
            return is_good(leaf, name, now).map(|()| ServerCertVerified::assertion());
        }
        match &self.authorities {
            Some(authorities) => authorities.verify_server_cert(leaf, chain, name, &[], now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }
}

/// The server's certificate is one of ours: what is left to check are its name and its dates. A path cannot be built for one that says that it
/// is an authority itself, as those of `openssl req -x509` do.
fn is_good(leaf: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), Error> {
    if !certificate::covers(leaf, &name.to_str()) {
        return Err(CertificateError::NotValidForName.into());
    }
    let at = Timestamp(i64::try_from(now.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000_000));
    match certificate::facts(leaf) {
        Some(facts) if facts.is_current(at) => Ok(()),
        Some(facts) if at < facts.not_before => Err(CertificateError::NotValidYet.into()),
        Some(_) => Err(CertificateError::Expired.into()),
        None => Err(CertificateError::BadEncoding.into()),
    }
}

impl ServerCertVerifier for Own {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let known = self.known.load_full();
        known.verify(leaf, chain, name, now).or_else(|refused| {
            // A file that cannot be read now says nothing new.
            let Ok(read) = Known::read(&self.path, &self.provider) else { return Err(refused) };
            if read.certificates == known.certificates {
                return Err(refused);
            }
            let verified = read.verify(leaf, chain, name, now)?;
            tracing::info!("{} has changed; the server is known by it", self.path.display());
            self.known.store(Arc::new(read));
            Ok(verified)
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Clock;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    fn params(host: &str) -> CertificateParams {
        CertificateParams::new(vec![host.to_owned()]).unwrap()
    }

    fn own(pem: &str) -> (Own, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        fs::write(&path, pem).unwrap();
        let provider = Arc::new(ring::default_provider());
        (Own { known: ArcSwap::from_pointee(Known::read(&path, &provider).unwrap()), path, provider }, dir)
    }

    fn verify(own: &Own, leaf: &rcgen::Certificate, host: &str, now: UnixTime) -> Result<(), Error> {
        own.verify_server_cert(leaf.der(), &[], &ServerName::try_from(host).unwrap(), &[], now).map(drop)
    }

    #[test]
    fn only_what_the_file_vouches_for_or_holds_is_the_server() {
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs((Clock::system().now().0 / 1_000_000).unsigned_abs()));
        let late = UnixTime::since_unix_epoch(std::time::Duration::from_secs(70_000_000_000));
        let mut authority = params("authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let issued = params("andon.example").signed_by(&key, &authority).unwrap();
        let mut alone = params("andon.example");
        // As `openssl req -x509` makes them.
        alone.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let alone = alone.self_signed(&key).unwrap();
        let plain = params("andon.example").self_signed(&key).unwrap();
        let (vouching, _kept) = own(&authority.pem());
        assert_eq!(verify(&vouching, &issued, "andon.example", now), Ok(()));
        assert!(verify(&vouching, &issued, "other.example", now).is_err());
        assert!(verify(&vouching, &issued, "andon.example", late).is_err());
        assert!(verify(&vouching, &alone, "andon.example", now).is_err(), "nobody vouches for it");
        for itself in [&alone, &plain] {
            let (trusted, _kept) = own(&itself.pem());
            assert_eq!(verify(&trusted, itself, "andon.example", now), Ok(()));
            assert_eq!(verify(&trusted, itself, "other.example", now), Err(CertificateError::NotValidForName.into()));
            assert_eq!(verify(&trusted, itself, "andon.example", late), Err(CertificateError::Expired.into()));
            assert!(verify(&trusted, &issued, "andon.example", now).is_err());
        }
        fs::write(&vouching.path, "half a file").unwrap();
        assert!(verify(&vouching, &alone, "andon.example", now).is_err());
        assert_eq!(verify(&vouching, &issued, "andon.example", now), Ok(()), "what was known before still is");
        fs::write(&vouching.path, alone.pem()).unwrap();
        assert_eq!(verify(&vouching, &alone, "andon.example", now), Ok(()), "a new file counts without a restart");
        assert!(verify(&vouching, &issued, "andon.example", now).is_err());
    }

    #[test]
    fn a_directory_with_a_file_that_cannot_be_used_trusts_nobody() {
        let temp = tempfile::tempdir().unwrap();
        let dir = AgentDir::new(temp.path());
        assert!(matches!(Trust::of(&dir), Ok(Trust::System)));
        fs::write(dir.authority(), "no certificate").unwrap();
        assert!(matches!(Trust::of(&dir), Err(TrustError::Empty(_))));
    }
}
