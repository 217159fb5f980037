//! The way in: the certificate as it lies in its files, and who listens at the address.

use super::Line;
use crate::cli::near::{self, Answer};
use crate::config::{Origin, transport::TlsFiles};
use crate::crypto::certificate::{Pair, PairFiles};
use crate::domain::Clock;
use std::{io, net::SocketAddr};
use tokio::net::TcpSocket;

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
    match near::connect(address).await {
        Ok(stream) => match near::ask(stream, "/readyz", pair.is_some()).await {
            Ok(answer) => heard(address, &answer, pair, lines),
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
        },
        Err(_) => {
            lines.push(free(address));
            false
        }
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

fn heard(address: SocketAddr, answer: &Answer, pair: Option<&Pair>, lines: &mut Vec<Line>) -> bool {
    let health: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
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
    if answer.leaf.is_some() && answer.leaf.as_ref() != pair.and_then(Pair::leaf) {
        let said = "the running server shows another certificate than the one in the file";
        lines.push(Line::warn("certificate", said, "a few seconds after a change it shows the new one; else its log says why not"));
    }
    true
}
