//! The last net. A fault of ours in one request ends that request, never the process: the fleet can still be stopped. The answer is a
//! constant, since whatever draws pages may be what failed.

use super::{RequestId, render::is_machine};
use axum::{
    extract::Request,
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;

const PAGE: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Error: something went wrong here · Andon</title>\n\
     <p><a href=\"/pause#go\">Pause bots</a></p>\n<h1>Something went wrong here</h1>\n\
     <p>This page could not be made. Stopping still works: <a href=\"/pause\">Pause…</a>, or run <code>andon stop --all</code>.</p>\n";
const PROBLEM: &str = "{\"type\":\"/problems/internal\",\"title\":\"Something went wrong here\",\"status\":500}\n";

/// Turns a panic into a constant answer. The panic itself is on the log by then; this adds which request it was.
pub async fn catch(request: Request, next: Next) -> Response {
    let is_machine = is_machine(request.uri());
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(id = &*id, "a request ended in a panic");
            let (kind, body) = if is_machine { ("application/problem+json", PROBLEM) } else { ("text/html; charset=utf-8", PAGE) };
            (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, kind)], body).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, middleware::from_fn, routing::get};
    use tower::ServiceExt;

    async fn breaks() -> StatusCode {
        panic!("a fault of ours")
    }

    #[tokio::test]
    async fn a_panic_ends_one_request_with_a_page_that_still_leads_to_pause() {
        let router = Router::new().route("/x", get(breaks)).route("/api/v1/x", get(breaks)).layer(from_fn(catch));
        let ask = async |path: &str| {
            let response = router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        let page = ask("/x").await;
        assert!(page.contains(r#"href="/pause""#) && page.contains("andon stop --all") && !page.contains("a fault of ours"));
        let problem: serde_json::Value = serde_json::from_str(&ask("/api/v1/x").await).unwrap();
        assert_eq!(problem["status"], 500);
    }
}
