//! How long pages of lists take in an installation of 2,000 bots, 5,000 subaccounts and 20,000 requests: the time from the request to the last
//! byte of its answer within the server, its rows and its size as it travels. An empty page of the same run stands beside them.
//!
//! `cargo bench --bench pages [-- --rounds N]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot run says so by panicking"
)]

mod ground;

use andon::{
    app::{App, Parts},
    domain::{BootClock, Clock, UserId},
    fleet::Spool,
    storage,
    web::{layers::sessions::cookie_name, router::router, session},
};
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use ground::{
    figures::{Figures, Targets, machine, now_us, option},
    register::{Size, fill},
};
use std::{process::ExitCode, sync::Arc};
use tower::ServiceExt;
use tower_sessions::Session;

const ORIGIN: &str = "http://localhost:8787";
const SIZE: Size = Size { bots: 2_000, subaccounts: 5_000, requests: 20_000, open: 400 };
/// The page that has nothing in it.
const EMPTY: &str = "/card";
/// Pages of lists, and what is looked for in them.
const LISTS: &[&str] = &[
    "/fleet",
    "/bots",
    "/bots?q=bot-01",
    "/bots?strategy=strategy+3",
    "/subaccounts",
    "/subaccounts?q=sub-04",
    "/subaccounts?state=free",
    "/assignments",
    "/requests",
    "/requests?show=decided",
    "/register",
    "/venues",
    "/audit",
];
/// What a list page may take, milliseconds; how many rows it may have; and how many bytes may travel.
const MOST_MS: f64 = 50.0;
const MOST_ROWS: f64 = 100.0;
const MOST_KB: f64 = 40.0;

/// A page as it came.
struct Page {
    ms: f64,
    rows: usize,
    bytes: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let rounds = option("--rounds", 200);
    machine();
    let dir = tempfile::tempdir().unwrap();
    let (db, who) = fill(dir.path(), SIZE).await;
    let installation = storage::installation::installation_get(&mut db.read().await.unwrap()).await.unwrap().unwrap();
    let (spool, spooled) = Spool::open(&dir.path().join("spool")).unwrap();
    let (clock, boot_clock) = (Clock::system(), BootClock::system());
    let parts = Parts {
        db,
        clock,
        boot_clock,
        installation,
        origin: ORIGIN.parse().unwrap(),
        spool,
        spooled,
        is_compared_first: false,
        node: "bench".into(),
        exchanges: andon::venues::Venues::default(),
    };
    let app = App::assemble(parts).await.unwrap();
    let (router, cookie) = (router(app.clone()), sign_in(&app, &who).await);
    println!("{} bots, {} subaccounts, {} requests", SIZE.bots, SIZE.subaccounts, SIZE.requests);
    let mut targets = Targets::default();
    let (empty, ..) = measure(&router, &cookie, EMPTY, rounds).await;
    println!("{EMPTY}: p99 {:.1} ms, median {:.1} ms", empty.share(0.99), empty.median());
    let (mut slowest, mut longest, mut largest) = (0.0_f64, 0.0_f64, 0.0_f64);
    for path in LISTS {
        let (times, rows, kb) = measure(&router, &cookie, path, rounds).await;
        let (p99, times_empty) = (times.share(0.99), times.median() / empty.median());
        println!("{path}: p99 {p99:.1} ms, median {:.1} ms, {times_empty:.1} x the empty page; {rows} rows, {kb:.1} kB", times.median());
        (slowest, longest, largest) = (slowest.max(p99), longest.max(rows as f64), largest.max(kb));
    }
    targets.hold("pages_slowest_list_p99_ms", slowest, MOST_MS);
    targets.hold("pages_most_rows", longest, MOST_ROWS);
    targets.hold("pages_largest_kb", largest, MOST_KB);
    targets.close()
}

/// Times, rows and kilobytes of a page.
async fn measure(router: &Router, cookie: &str, path: &str, rounds: usize) -> (Figures, usize, f64) {
    let plain = get(router, cookie, path, None).await;
    let mut times = Figures::default();
    let mut bytes = 0;
    for _ in 0..rounds {
        let page = get(router, cookie, path, Some("br")).await;
        times.add(page.ms);
        bytes = page.bytes;
    }
    (times, plain.rows, bytes as f64 / 1_000.0)
}

async fn get(router: &Router, cookie: &str, path: &str, encoding: Option<&str>) -> Page {
    let mut request = Request::get(path).header(header::HOST, "localhost:8787").header(header::COOKIE, cookie);
    request = request.header("sec-fetch-mode", "navigate");
    if let Some(encoding) = encoding {
        request = request.header(header::ACCEPT_ENCODING, encoding);
    }
    let request = request.body(Body::empty()).unwrap();
    let begun = now_us();
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let ms = (now_us() - begun) as f64 / 1_000.0;
    assert_eq!(head.status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&body));
    let rows = String::from_utf8_lossy(&body).matches("<tr").count().saturating_sub(1);
    Page { ms, rows, bytes: body.len() }
}

/// A session of somebody's, as its cookie.
async fn sign_in(app: &Arc<App>, who: &UserId) -> String {
    let session = Session::new(None, Arc::new(app.sessions.clone()), None);
    let rights = app.actor_of(who, false).as_ref().map(session::rights_of).unwrap_or_default();
    let came = session::CameIn { recorded: true, rights, ..session::CameIn::default() };
    session::sign_in(&session, who, &came, app.clock.now()).await.unwrap();
    session.save().await.unwrap();
    format!("{}={}", cookie_name(&app.origin), session.id().unwrap())
}
