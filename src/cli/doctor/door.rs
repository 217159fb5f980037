//! The way in: the certificate as it lies in its files, and who listens at the address.

use super::Line;
use crate::config::{Origin, transport::TlsFiles};
use crate::crypto::certificate::{Pair, PairFiles};
use crate::domain::Clock;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
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
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// How long whoever listens may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The most of an answer that is read.
const ANSWER: u64 = 64 * 1024;
/// With fewer days left, whatever renews the certificate has failed.
const ENDS_SOON_DAYS: i64 = 14;

/// The certificate: readable, with its key, for the origin, for long enough.
pub fn certificate(files: &TlsFiles, origin: Option<&Origin>, clock: &Clock, lines: &mut Vec<Line>) -> Option<Pair> {
    let files = PairFiles { cert: files.cert.clone(), key: files.key.clone() };
    let pair = match files.read().and_then(|text| files.pair(&text)) {
        Ok(pair) => pair,
        Err(error) => {
            let todo = "a running server keeps the certificate it has; the next start fails";
            lines.push(Line::bad("certificate", error.to_string(), todo));
            return None;
        }
    };
    let now = clock.now();
    let (days, until) = (pair.facts.days_left(now), pair.facts.not_after.plain());
    let misfit = origin.and_then(|origin| pair.misfit(origin.url().host_str().unwrap_or_default(), now));
    lines.push(match misfit {
        Some(wrong) => Line::bad("certificate", wrong, "get one for the origin's host; browsers and agents refuse this one"),
        None if days < ENDS_SOON_DAYS => {
            Line::warn("certificate", format!("{days} days are left, until {until}"), "renew it; the files are read again when they change")
        }
        None => Line::ok("certificate", format!("for {}, {days} days left, until {until}", pair.facts.names.join(", "))),
    });
    lines.extend(super::folders::closed("private key", &files.key));
    Some(pair)
}

/// Who listens at the address; true when it is a running Andon.
pub async fn listen(address: SocketAddr, pair: Option<&Pair>, lines: &mut Vec<Line>) -> bool {
    let near = SocketAddr::new(reachable(address.ip()), address.port());
    match timeout(PATIENCE, TcpStream::connect(near)).await {
        Ok(Ok(stream)) => {
            match timeout(PATIENCE, ask(stream, pair.is_some())).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok((answer, leaf)) => heard(address, &answer, (leaf, pair), lines),
                Err(error) => {
                    let over = if pair.is_some() { "over TLS" } else { "in plain" };
                    let said = format!("somebody listens at {address}, but gives no answer {over}: {error}");
                    lines.push(Line::bad(
                        "listen address",
                        said,
                        "end that program or name another address; or restart the server if it is Andon",
                    ));
                    false
                }
            }
        }
        Ok(Err(_)) | Err(_) => {
            lines.push(free(address));
            false
        }
    }
}

/// What a listener at this address can be reached by from this machine.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// Binds without listening: nobody can connect meanwhile.
fn free(address: SocketAddr) -> Line {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)
    };
    match bind() {
        Ok(()) => Line::ok("listen address", format!("{address} is free; no server runs there")),
        Err(error) => {
            let todo = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need CAP_NET_BIND_SERVICE (AmbientCapabilities= in a systemd unit), or name another"
                }
                io::ErrorKind::AddrNotAvailable => "this machine has no such address: name one that it has, or 0.0.0.0",
                _ => "name another address",
            };
            Line::bad("listen address", format!("{address} cannot be listened at: {error}"), todo)
        }
    }
}

type Leaf = Option<CertificateDer<'static>>;

fn heard(address: SocketAddr, answer: &str, (leaf, pair): (Leaf, Option<&Pair>), lines: &mut Vec<Line>) -> bool {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let health: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let Some(can_stop) = health.get("can_stop").and_then(serde_json::Value::as_bool) else {
        lines.push(Line::bad(
            "listen address",
            format!("{address} is in use by another program"),
            "end that program or name another address",
        ));
        return false;
    };
    let version = health.get("version").and_then(serde_json::Value::as_str).unwrap_or("unknown");
    let degraded: Vec<&str> =
        health.get("degraded").and_then(serde_json::Value::as_array).into_iter().flatten().filter_map(|part| part.as_str()).collect();
    let said = format!("Andon {version} runs at {address}");
    lines.push(match (can_stop, degraded.as_slice()) {
        (false, _) => Line::bad("listen address", format!("{said} and cannot take a stop"), "see its log; restart it"),
        (true, []) => Line::ok("listen address", format!("{said} and can take a stop")),
        (true, parts) => {
            Line::warn("listen address", format!("{said} and can take a stop; not well: {}", parts.join(", ")), "see its system page")
        }
    });
    if leaf.is_some() && leaf.as_ref() != pair.and_then(Pair::leaf) {
        let said = "the running server shows another certificate than the one in the file";
        lines.push(Line::warn("certificate", said, "a few seconds after a change it shows the new one; else its log says why not"));
    }
    true
}

async fn ask(stream: TcpStream, is_tls: bool) -> io::Result<(String, Leaf)> {
    if !is_tls {
        return Ok((exchange(stream).await?, None));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let config = builder.map_err(io::Error::other)?.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|leaf| leaf.clone().into_owned());
    Ok((exchange(stream).await?, leaf))
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<String> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    stream.take(ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Takes any certificate: nothing is told to whoever listens, and the certificate shown is compared afterwards.
#[derive(Debug)]
struct Anybody;

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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
