//! Asking the server of this machine, whatever name its certificate is for. Tells it nothing but the path: whoever listens is trusted with
//! nothing, and the certificate that it shows is for the caller to compare.

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long whoever listens may take to answer. A server that can take a stop answers at once.
const PATIENCE: Duration = Duration::from_secs(3);
/// The most of an answer that is read.
const ANSWER: u64 = 64 * 1024;

/// What a listener answered.
#[derive(Debug)]
pub struct Answer {
    /// The status; 0 when it spoke no HTTP.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The certificate that it showed; none without TLS.
    pub leaf: Option<CertificateDer<'static>>,
}

/// Connects to whoever listens at an address of this machine.
///
/// # Errors
/// When nobody does.
pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    timeout(PATIENCE, TcpStream::connect(SocketAddr::new(reachable(address.ip()), address.port()))).await?
}

/// Asks for a path.
///
/// # Errors
/// When no answer comes in time, or it is none over TLS.
pub async fn ask(stream: TcpStream, path: &str, is_tls: bool) -> io::Result<Answer> {
    timeout(PATIENCE, exchange(stream, path, is_tls)).await?
}

/// What a listener at this address can be reached by from this machine: one that stands for all of its addresses is reached at its own.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

async fn exchange(stream: TcpStream, path: &str, is_tls: bool) -> io::Result<Answer> {
    if !is_tls {
        return Ok(answer(&spoken(stream, path).await?, None));
    }
    let provider = Arc::new(ring::default_provider());
    let anybody = Arc::new(Anybody(provider.signature_verification_algorithms));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|leaf| leaf.clone().into_owned());
    Ok(answer(&spoken(stream, path).await?, leaf))
}

async fn spoken(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> io::Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    stream.take(ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn answer(text: &str, leaf: Option<CertificateDer<'static>>) -> Answer {
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Answer { status, body, leaf }
}

/// Takes any certificate, of whoever has its key.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
