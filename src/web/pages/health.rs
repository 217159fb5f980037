//! `/healthz`: this process can take a stop; load balancers, containers and the page's own probe ask it. `/readyz`: the same, with each part
//! named; a dead database makes it degraded, never unready, since the server can still stop everything (ruling C2).

use crate::web::Shared;
use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Answers 200 while a stop can be taken.
pub async fn live(State(app): Shared) -> Response {
    if app.can_take_a_stop() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "cannot stop\n").into_response()
    }
}

/// `full=1` answers 503 when anything is degraded, for deploys.
#[derive(serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    full: u8,
}

/// Answers with every part by name.
pub async fn ready(State(app): Shared, Query(asked): Query<Asked>) -> Response {
    let health = app.health().await;
    let fails = !health.can_stop || (asked.full == 1 && !health.degraded.is_empty());
    let status = if fails { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(health)).into_response()
}
