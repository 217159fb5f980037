//! What every request passes through, from the outside in: request id and log line, headers, panics, the right host, size and time limits,
//! the session, and the bodies of errors. None of it knows a page.

pub mod headers;
pub mod limits;
pub mod origin;
pub mod panics;
pub mod render;
pub mod request_id;
pub mod sessions;

pub use request_id::RequestId;

use crate::app::App;
use axum::{Router, middleware::from_fn, middleware::from_fn_with_state};
use std::sync::Arc;
use tower_http::{compression::CompressionLayer, timeout::RequestBodyTimeoutLayer};

/// Puts every layer around the routes. The last one added is the outermost.
pub fn around(routes: Router<Arc<App>>, app: &Arc<App>) -> Router<Arc<App>> {
    routes
        .layer(from_fn(limits::within))
        .layer(from_fn_with_state(app.clone(), render::bodies))
        .layer(from_fn_with_state(app.clone(), sessions::beside))
        .layer(sessions::layer(app))
        .layer(RequestBodyTimeoutLayer::new(limits::BODY_PATIENCE))
        .layer(from_fn_with_state(app.clone(), origin::check))
        .layer(from_fn(panics::catch))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(app.clone(), headers::set))
        .layer(from_fn_with_state(app.clone(), request_id::note))
}
