//! Where a request comes from, for the rate limits on sign-in and for nothing else.

use axum::{extract::FromRequestParts, http::request::Parts};
use std::{convert::Infallible, net::SocketAddr};

/// The other end of the connection; put into every request by `server.rs`.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The caller's address as text.
#[derive(Debug, Clone)]
pub struct Caller(pub String);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    /// The connection's other end; when that is a proxy on this machine or in this network, the last address which the proxy wrote down.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let Some(Peer(peer)) = parts.extensions.get::<Peer>().copied() else { return Ok(Self("unknown".to_owned())) };
        let ip = peer.ip().to_canonical();
        let is_near = match ip {
            std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
            std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
        };
        let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
        let last = forwarded.and_then(|value| value.to_str().ok()).and_then(|list| list.rsplit(',').next());
        let written = last.and_then(|text| text.trim().parse::<std::net::IpAddr>().ok()).filter(|_| is_near);
        Ok(Self(written.unwrap_or(ip).to_string()))
    }
}
