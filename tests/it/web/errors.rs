//! What stands on every answer, and how what is refused looks: the same headers everywhere, a page with the way to Pause for people, problem
//! details for programs, and never bare text.

use crate::harness::{
    callers::Who,
    db::{Kind, fresh},
    examples::is_of_programs,
    scene::{Reply, Scene, is_of_demos, rows},
    written,
};
use andon::web::router::{ROUTES, Route};
use axum::{
    body::Body,
    http::{HeaderValue, Request, StatusCode, header},
};
use std::collections::BTreeSet;

/// Design page 7, section 3.7.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'";

fn headers_are_there(of: &str, reply: &Reply) {
    let said = |name: &str| reply.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
    // What people sent is given back, and does nothing wherever it is opened.
    let policy = if of.contains("/golive/files/") && reply.status.is_success() { "sandbox; default-src 'none'" } else { POLICY };
    for (name, value) in [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(said(name), [value], "{of}: {name}");
    }
    assert!(said("permissions-policy")[0].contains("camera=()"), "{of}");
    assert_eq!(said("x-request-id").len(), 1, "{of}");
    let may_stay = reply.status.is_success() || reply.status == StatusCode::NOT_MODIFIED;
    let kept = said("cache-control");
    if of.contains("/assets/") && may_stay {
        assert_eq!(kept, ["public, max-age=31536000, immutable"], "{of}");
    } else {
        assert_eq!(kept, ["no-store"], "{of}");
    }
    for name in ["server", "x-powered-by", "access-control-allow-origin"] {
        assert!(said(name).is_empty(), "{of}: {name}");
    }
}

/// An error as it must look; `pauses`: whoever asked may pause.
fn looks_right(of: &str, is_machine: bool, pauses: bool, reply: &Reply) {
    headers_are_there(of, reply);
    if is_machine {
        assert_eq!(reply.kind(), "application/problem+json", "{of}: {:.400}", reply.text);
        let problem: serde_json::Value = serde_json::from_str(&reply.text).unwrap();
        assert_eq!(problem["status"].as_u64(), Some(reply.status.as_u16().into()), "{of}");
        assert!(problem["type"].as_str().unwrap().starts_with("/problems/"), "{of}");
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty(), "{of}");
        assert_eq!(problem["instance"].as_str(), reply.headers["x-request-id"].to_str().ok(), "{of}");
    } else {
        assert_eq!(reply.kind(), "text/html; charset=utf-8", "{of}: {:.400}", reply.text);
        assert!(reply.text.contains("<title>Error: ") && reply.text.contains("</html>"), "{of}: {:.400}", reply.text);
        assert!(reply.text.contains("andon stop --all"), "{of} says how to stop");
        assert_eq!(reply.text.contains(r#"id="pause" href="/pause""#), pauses, "{of} keeps the way to Pause");
    }
}

/// One path for each address of the table, with things in it that exist.
async fn paths(scene: &Scene) -> Vec<(&'static Route, String)> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for route in ROUTES.iter().filter(|route| !is_of_demos(route) && seen.insert(route.path)) {
        let caller = scene.caller(written::first_who_may(route, rows(route)[0])).await;
        all.push((route, scene.example(route, rows(route)[0], &caller).await.path));
    }
    all
}

fn methods_of(path: &str) -> BTreeSet<&'static str> {
    let mut methods: BTreeSet<_> = ROUTES.iter().filter(|route| route.path == path).map(|route| route.method).collect();
    if methods.contains("GET") {
        methods.insert("HEAD");
    }
    methods
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_method_is_refused_with_a_body_and_names_the_right_ones() {
    let scene = Scene::new(fresh(Kind::Sqlite).await).await;
    let lead = scene.caller(Who::Lead).await;
    for (route, path) in paths(&scene).await {
        let right = methods_of(route.path);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"] {
            if right.contains(method) {
                continue;
            }
            let mut request = scene.request(method, &lead, &crate::harness::examples::Ask::get(&path));
            request.headers_mut().insert(header::ORIGIN, HeaderValue::from_static(crate::harness::app::ORIGIN));
            let reply = scene.answer(request).await;
            let of = format!("{method} {path}");
            assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{of}");
            looks_right(&of, is_of_programs(route), true, &reply);
            let allow: BTreeSet<_> = reply.headers[header::ALLOW].to_str().unwrap().split(',').map(str::trim).collect();
            assert_eq!(allow, right, "{of}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_too_large_or_of_another_kind_are_refused_by_every_route_that_takes_one() {
    let scene = Scene::new(fresh(Kind::Sqlite).await).await;
    let mut refused = 0;
    for route in ROUTES.iter().filter(|route| route.method == "POST" && !is_of_demos(route)) {
        let who = if route.path == "/sign-out" { Who::Operator } else { written::first_who_may(route, rows(route)[0]) };
        let caller = scene.caller(who).await;
        let pauses = caller.who.person().is_some_and(|person| person != "auditor");
        let ask = scene.example(route, rows(route)[0], &caller).await;
        // A press may name a whole fleet.
        let most = match route.path {
            "/register/import" => 12 * 1024 * 1024,
            path if is_of_programs(route) || path == "/holds" => 1024 * 1024,
            _ => 64 * 1024,
        };
        let kind = ask.content_type().unwrap();
        let large = "x".repeat(most + 1);
        let pieces = || Body::from_stream(tokio_stream::iter(vec![Ok::<_, std::io::Error>("x".repeat(most)), Ok("x".repeat(most))]));
        let json_or_form = if is_of_programs(route) { "application/x-www-form-urlencoded" } else { "application/json" };
        for (what, kind, body, status) in [
            ("large", kind, Body::from(large.clone()), StatusCode::PAYLOAD_TOO_LARGE),
            ("large, of a length not said", kind, pieces(), StatusCode::PAYLOAD_TOO_LARGE),
            ("text", "text/plain", Body::from("x=1"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ("of parts", "multipart/form-data; boundary=x", Body::from("--x--"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ("of the other kind", json_or_form, Body::from("{}"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ] {
            let mut request = scene.request("POST", &caller, &ask);
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            *request.body_mut() = body;
            let reply = scene.answer(request).await;
            // A route that takes no body is not disturbed by one.
            let of = format!("POST {} {what}", route.path);
            let bare = ["/agent/v1/token", "/api/v1/alerts/{id}/take", "/api/v1/requests/{id}/withdraw", "/api/v1/overrides/{id}/end"];
            if bare.contains(&route.path) && !reply.status.is_server_error() {
                continue;
            }
            // Evidence comes in parts; without the session's token in the first of them nothing of it is read.
            let takes_parts = route.path == "/bots/{id}/golive/evidence" && what == "of parts";
            let status = if takes_parts { StatusCode::FORBIDDEN } else { status };
            assert_eq!(reply.status, status, "{of}: {:.400}", reply.text);
            looks_right(&of, is_of_programs(route), pauses, &reply);
            refused += 1;
        }
    }
    assert!(refused > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_carries_the_same_headers() {
    let scene = Scene::new(fresh(Kind::Sqlite).await).await;
    for route in ROUTES.iter().filter(|route| route.method == "GET" && !is_of_demos(route)) {
        for who in [Who::Nobody, Who::Lead, Who::Auditor, Who::ReadToken, Who::Agent] {
            let caller = scene.caller(who).await;
            let ask = scene.example(route, rows(route)[0], &caller).await;
            let reply = scene.send(route, &caller, &ask).await;
            let of = format!("GET {} as {who:?}", ask.path);
            let is_error = reply.status.is_client_error() || reply.status.is_server_error();
            if is_error {
                looks_right(&of, is_of_programs(route), who == Who::Lead, &reply);
            } else {
                headers_are_there(&of, &reply);
            }
        }
    }
    let lead = scene.caller(Who::Lead).await;
    let page = scene.send(&ROUTES[0], &lead, &crate::harness::examples::Ask::get("/fleet")).await.text;
    let assets: BTreeSet<&str> = page.split(['"']).filter(|text| text.starts_with("/assets/")).collect();
    assert!(assets.len() >= 4, "{assets:?}");
    for asset in assets {
        let get = |etag: Option<&HeaderValue>| {
            let mut request = Request::get(asset).header(header::HOST, "localhost:8787");
            if let Some(etag) = etag {
                request = request.header(header::IF_NONE_MATCH, etag);
            }
            scene.answer(request.body(Body::empty()).unwrap())
        };
        let reply = get(None).await;
        assert_eq!(reply.status, StatusCode::OK);
        headers_are_there(asset, &reply);
        let again = get(reply.headers.get(header::ETAG)).await;
        assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""));
        headers_are_there(asset, &again);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_else_is_wrong_is_said_on_a_page_with_the_way_to_pause() {
    let scene = Scene::new(fresh(Kind::Sqlite).await).await;
    let (lead, idle, auditor, read) = (
        scene.caller(Who::Lead).await,
        scene.caller(Who::Idle).await,
        scene.caller(Who::Auditor).await,
        scene.caller(Who::ReadToken).await,
    );
    let long = format!("/fleet?q={}", "x".repeat(17_000));
    let long_api = format!("/api/v1/bots?after={}", "x".repeat(17_000));
    let cases = [
        ("/nowhere", 404),
        ("/fleet/", 404),
        ("/holds/not-an-id", 404),
        ("/holds/0193b0a0-0000-7000-8000-000000000000", 404),
        ("/holds/%ff", 404),
        ("/bots/%00", 404),
        ("/people/..%2f..%2fetc", 404),
        ("/acts/%2e%2e", 404),
        ("/audit/-1", 404),
        ("/audit/99999999999999999999", 404),
        ("/welcome/andon_invite_nothing", 404),
        ("/assets/0/none.css", 404),
        ("/assets/%2e%2e/Cargo.toml", 404),
        ("/assets/0/..%2f..%2fCargo.toml", 404),
        ("/fleet?page=x", 400),
        ("/fleet?page=1&page=2", 400),
        ("/starts/new?bot=x", 422),
        ("/audit?from=yesterday", 422),
        ("/readyz?full=x", 400),
        (long.as_str(), 414),
        ("/api/v1/nowhere", 404),
        ("/api/v1/bots?limit=x", 400),
        ("/api/v1/bots/nobody", 404),
        ("/api/v1/holds/%ff", 404),
        ("/agent/v1/nowhere", 404),
        ("/api", 404),
        (long_api.as_str(), 414),
    ];
    for (path, status) in cases {
        let is_machine = path.starts_with("/api") || path.starts_with("/agent");
        for caller in [&lead, &idle, &auditor] {
            let caller = if is_machine { &read } else { caller };
            let reply = scene.send(&ROUTES[0], caller, &crate::harness::examples::Ask::get(path)).await;
            // Whose session sleeps is sent to touch a key before anything is looked at.
            if reply.status == StatusCode::SEE_OTHER && caller.who == Who::Idle {
                continue;
            }
            let of = format!("GET {:.80} as {:?}", path, caller.who);
            assert_eq!(reply.status.as_u16(), status, "{of}: {:.400}", reply.text);
            looks_right(&of, is_machine, caller.who != Who::Auditor, &reply);
        }
    }
    for (path, is_machine) in [("/fleet", false), ("/api/v1/bots", true)] {
        let mut request = scene.request("GET", if is_machine { &read } else { &lead }, &crate::harness::examples::Ask::get(path));
        request.headers_mut().insert("x-much", HeaderValue::try_from("x".repeat(300_000)).unwrap());
        let reply = scene.answer(request).await;
        assert_eq!(reply.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        looks_right(path, is_machine, true, &reply);
    }
    let mut request = scene.request("GET", &lead, &crate::harness::examples::Ask::get("/fleet"));
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("evil.example"));
    let reply = scene.answer(request).await;
    assert_eq!(reply.status, StatusCode::MISDIRECTED_REQUEST);
    looks_right("another host, where nobody is signed in", false, false, &reply);
}
