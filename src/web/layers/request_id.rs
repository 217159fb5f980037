//! A name for every request, which error pages and the log share, and one log line per request: method, route, status, time. Never a query,
//! a body, a cookie or an address with an id in it.

use crate::app::App;
use crate::crypto::token;
use axum::{
    extract::{MatchedPath, Request, State},
    http::HeaderValue,
    middleware::Next,
    response::Response,
};
use std::sync::Arc;

/// The name of a request.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

/// Names the request and writes its line. Whatever name the client sent is left aside: it could lead somebody who reads the log astray.
pub async fn note(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let id: Arc<str> = token::random::<9>().unwrap_or_default().into();
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let began = app.clock.now();
    let mut response = next.run(request).await;
    let ms = app.clock.now().ms_since(began);
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let status = response.status().as_u16();
    if response.status().is_server_error() {
        tracing::warn!(%method, route, status, ms, id = &*id, "request");
    } else {
        tracing::debug!(%method, route, status, ms, id = &*id, "request");
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}
