//! What stands before the routes: TLS of our own or none, and the proxies whose word about a caller is believed. It lets everybody through:
//! a stop is not refused for the way by which it came.

use super::{forwarded::Proxies, tls::Tls};
use std::{net::SocketAddr, sync::Arc};

/// How connections come in.
#[derive(Default)]
pub struct Front {
    /// TLS; none: plain.
    pub tls: Option<Arc<Tls>>,
    /// Whose headers about a caller are believed.
    pub proxies: Proxies,
}

/// In every request: the connection by which it came.
#[derive(Clone)]
pub struct Arrival {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// How connections come in.
    pub front: Arc<Front>,
}
