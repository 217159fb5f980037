//! How large a request may be and how long an answer to a reader may take. A press is never cut short: it has no time limit of its own.

use super::render::is_machine;
use crate::web::{
    WebError,
    extract::parcel::{self, PARCEL},
};
use axum::{
    body::{Body, HttpBody},
    extract::{DefaultBodyLimit, Request},
    http::{Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::Limited;
use std::time::Duration;

/// The longest address, without its host.
const ADDRESS: usize = 16 * 1024;
/// The largest head. Well below what hyper refuses by itself, since that answer has no words.
const HEAD: usize = 256 * 1024;
/// The largest form.
const FORM: usize = 64 * 1024;
/// The largest form that carries a file: the register's 4 MiB, as a form writes them.
const FILE: usize = 12 * 1024 * 1024;
/// The largest body of a program.
const MACHINE: usize = 1024 * 1024;
/// How long a reader waits at most; above the 30 s that an agent's long poll may take.
const READ_PATIENCE: Duration = Duration::from_secs(35);
/// How long the next piece of a body may take to arrive.
pub const BODY_PATIENCE: Duration = Duration::from_secs(20);

/// What is wrong with the head of a request.
fn oversize(request: &Request) -> Option<WebError> {
    let address = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if address > ADDRESS {
        let said = "The address is longer than 16 KiB. Nothing was changed.";
        return Some(WebError::new(StatusCode::URI_TOO_LONG, "address-too-long", "Too long", said));
    }
    let head: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let said = "The headers of the request are larger than 256 KiB in all. Delete the cookies of this address. Nothing was changed.";
    let error = || WebError::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", "Too large", said);
    (head > HEAD).then(error)
}

/// True for the form that takes files as they are.
fn carries_files(path: &str) -> bool {
    path.strip_prefix("/bots/").and_then(|rest| rest.split_once('/')).is_some_and(|(_, rest)| rest == "golive/evidence")
}

/// Bounds size and, for reads, time.
pub async fn within(request: Request, next: Next) -> Response {
    if let Some(error) = oversize(&request) {
        return error.into_response();
    }
    // A press may name every bot of a fleet, one by one.
    let most = match request.uri().path() {
        "/register/import" => FILE,
        path if carries_files(path) && parcel::is_parcel(request.headers()) => PARCEL,
        path if is_machine(request.uri()) || path == "/holds" => MACHINE,
        _ => FORM,
    };
    if request.body().size_hint().lower() > most as u64 {
        return if most == PARCEL { parcel::too_large() } else { WebError::too_large() }.into_response();
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut request = request.map(|body| Body::new(Limited::new(body, most)));
    // Of its own accord the router takes 2 MB and no more, whatever is promised here.
    DefaultBodyLimit::disable().apply(&mut request);
    let answer = next.run(request);
    if !is_read {
        return answer.await;
    }
    let said = "The answer took longer than 35 s and was given up. Nothing was changed.";
    let late = || WebError::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "That took too long", said).into_response();
    tokio::time::timeout(READ_PATIENCE, answer).await.unwrap_or_else(|_| late())
}
