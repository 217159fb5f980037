//! Where a request comes from, for the rate limits on sign-in and for nothing else.

use crate::web::front::Arrival;
use axum::{extract::FromRequestParts, http::request::Parts};
use std::convert::Infallible;

/// The caller's address as text.
#[derive(Debug, Clone)]
pub struct Caller(pub String);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    /// The connection's other end; when that is a proxy that the operator named, whom the proxy names.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let Some(arrival) = parts.extensions.get::<Arrival>() else { return Ok(Self("unknown".to_owned())) };
        Ok(Self(arrival.front.proxies.caller(arrival.peer.ip(), &parts.headers).to_string()))
    }
}
