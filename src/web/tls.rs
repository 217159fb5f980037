//! TLS of the server's own: a certificate that is read again when its files change. What is wrong with new files never touches what is served:
//! the pair in use stays, and the log and the system page say so. Each handshake is a task of its own, so that a slow one delays nobody.

use crate::crypto::certificate::{CertificateError, Facts, Pair, PairFiles};
use crate::domain::Clock;
use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use url::Url;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);
/// The first byte of every TLS connection.
const HANDSHAKE_RECORD: u8 = 0x16;
/// How long, and for how many bytes, somebody who speaks plain HTTP is heard out: a connection closed with bytes unread loses the answer.
const HEARD_OUT: (Duration, u64) = (Duration::from_secs(1), 64 * 1024);

/// TLS with a certificate that can change.
pub struct Tls {
    files: PairFiles,
    origin: Url,
    clock: Clock,
    acceptor: TlsAcceptor,
    served: Arc<Served>,
    tried: Mutex<Tried>,
}

/// What new connections are shown.
struct Served(ArcSwap<Pair>);

/// What became of the files when they were last looked at.
#[derive(Default)]
struct Tried {
    // Of the pair in use.
    digest: [u8; 32],
    // Of a pair that will not do. It is told of when it is found twice running: files are replaced one after the other.
    wrong: Option<(String, bool)>,
}

/// What is served, for the system page.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What the certificate in use says of itself.
    pub facts: Facts,
    /// Why the files as they are now are not in use; none: they are.
    pub wrong: Option<String>,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Served")
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().certified.clone())
    }
}

impl Tls {
    /// Reads the pair. One that browsers would refuse is served all the same, and the log says so: whoever cannot come in by the browser can
    /// still stop from this host.
    ///
    /// # Errors
    /// When the files make no pair; when this program was built without any version of TLS.
    pub fn open(files: PairFiles, origin: &Url, clock: Clock) -> Result<Self, CertificateError> {
        let text = files.read()?;
        let pair = files.pair(&text)?;
        if let Some(wrong) = pair.misfit(origin.host_str().unwrap_or_default(), clock.now()) {
            tracing::error!("{wrong}: browsers and agents will refuse it");
        }
        let tried = Mutex::new(Tried { digest: text.digest(), wrong: None });
        let served = Arc::new(Served(ArcSwap::from_pointee(pair)));
        let acceptor = TlsAcceptor::from(Arc::new(config(served.clone())?));
        Ok(Self { files, origin: origin.clone(), clock, acceptor, served, tried })
    }

    /// What is served.
    pub fn shown(&self) -> Shown {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = tried.wrong.as_ref().filter(|(_, told)| *told).map(|(why, _)| why.clone());
        Shown { facts: self.served.0.load().facts.clone(), wrong }
    }

    /// Looks at the files for as long as it is polled.
    pub async fn keep_fresh(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EVERY).await;
            let this = self.clone();
            // A disk that hangs must not hold up a thread that serves.
            if let Err(error) = tokio::task::spawn_blocking(move || this.look()).await {
                tracing::error!(%error, "looking at the certificate failed");
            }
        }
    }

    /// Takes the files when they have changed and will do. Blocking.
    pub fn look(&self) {
        let read = self.files.read();
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = read.map_err(|error| error.to_string()).and_then(|text| {
            let digest = text.digest();
            if digest == tried.digest {
                return Ok(None);
            }
            let pair = self.files.pair(&text).map_err(|error| error.to_string())?;
            let (host, now) = (self.origin.host_str().unwrap_or_default(), self.clock.now());
            let old_fits = self.served.0.load().misfit(host, now).is_none();
            match pair.misfit(host, now) {
                Some(wrong) if old_fits => Err(wrong),
                _ => Ok(Some((digest, pair))),
            }
        });
        match taken {
            Ok(Some((digest, pair))) => {
                tracing::info!(until = %pair.facts.not_after.plain(), "the certificate changed; new connections get the new one");
                self.served.0.store(Arc::new(pair));
                *tried = Tried { digest, wrong: None };
            }
            Ok(None) => {
                if tried.wrong.take().is_some_and(|(_, told)| told) {
                    tracing::info!("the files hold the certificate in use again");
                }
            }
            Err(why) => {
                let (seen, told) = tried.wrong.take().map_or((false, false), |(before, told)| (before == why, told && before == why));
                if seen && !told {
                    tracing::error!("the new certificate cannot be used, the one before it is still served: {why}");
                }
                tried.wrong = Some((why, seen));
            }
        }
    }

    /// Shakes hands, within a bound of time. None when there is nobody to serve: whoever speaks plain HTTP gets an answer that says what to
    /// do, and the connection is closed.
    pub async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let outcome = timeout(HANDSHAKE, async {
            let mut first = [0u8; 1];
            if stream.peek(&mut first).await? == 1 && first != [HANDSHAKE_RECORD] {
                answer_in_plain(stream, &self.origin).await?;
                return Ok(None);
            }
            self.acceptor.accept(stream).await.map(Some)
        });
        match outcome.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!("a handshake took too long");
                None
            }
        }
    }
}

fn config(served: Arc<Served>) -> Result<ServerConfig, CertificateError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(rustls::ALL_VERSIONS);
    let builder = builder.map_err(CertificateError::NoTls)?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(served);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn answer_in_plain(mut stream: TcpStream, origin: &Url) -> io::Result<()> {
    let said = format!("This port speaks TLS. Open {} instead.\n", origin.origin().ascii_serialization());
    let length = said.len();
    let answer =
        format!("HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let (within, most) = HEARD_OUT;
    // Whether it goes on speaking no longer matters.
    let _ = timeout(within, tokio::io::copy(&mut stream.take(most), &mut tokio::io::sink())).await;
    Ok(())
}
