//! Every form of the program, by the router's own table: refused without the token of its session (but for a press) and from any other origin,
//! and nothing is changed by that; taken with them, and what it does is in the log.

use crate::harness::{
    app::ORIGIN,
    callers::{Caller, Who},
    db::{Kind, fresh},
    examples::{Ask, is_of_programs},
    scene::{Reply, Scene, Whose, is_of_demos, rows},
    tables::{SESSIONS, Tables},
    written,
};
use andon::web::{
    router::{ROUTES, Route},
    session,
};
use axum::{
    body::Body,
    http::{HeaderValue, Request, StatusCode, header},
};

/// Routes that write and leave no entry, with the reason.
const WITHOUT_ENTRY: [(&str, &str); 14] = [
    ("/register/import", "a file put by: nothing changes before it is confirmed"),
    ("/notices/read", "one's own notices were read: nothing that anybody may do changes"),
    ("/notices/{id}/read", "the same of one"),
    ("/requests/{id}/read", "a receipt: nothing that anybody may do changes"),
    ("/system/mail", "a test message to whoever asks for it"),
    ("/welcome/{link}", "a link taken into the session: the entry comes with the password"),
    ("/first-run", "a person's own list put away or brought back: a preference, no act"),
    ("/recover/{link}", "half a signature: the entry comes with the key"),
    ("/sign-in", "half a sign-in: the entry comes with the key"),
    ("/agent/v1/check-in", "an observation; a new boot or a lapse is an entry, which other tests see"),
    ("/agent/v1/acks", "an observation"),
    ("/agent/v1/keys/measured", "of a venue that nobody can ask a host says nothing"),
    ("/agent/v1/events", "an observation"),
    ("/agent/v1/fills", "an observation"),
];

/// Whoever may send it; to sign out, somebody who is in.
fn sender(route: &Route, whose: Whose) -> Who {
    if route.path == "/sign-out" { Who::Operator } else { written::first_who_may(route, whose) }
}

/// The ways in which another page could send our forms.
const TRICKS: [&str; 7] = ["no token", "empty token", "another's token", "another origin", "origin null", "no origin", "same site"];

fn tricked(scene: &Scene, trick: &str, caller: &Caller, other: &Caller, ask: &Ask) -> Request<Body> {
    let mut request = scene.request("POST", caller, ask);
    let body = match trick {
        "no token" => ask.body("").replacen("csrf=", "", 1),
        "empty token" => ask.body(""),
        "another's token" => ask.body(&other.csrf),
        _ => ask.body(&caller.csrf),
    };
    let headers = request.headers_mut();
    match trick {
        "another origin" => drop(headers.insert(header::ORIGIN, HeaderValue::from_static("https://evil.example"))),
        "origin null" => drop(headers.insert(header::ORIGIN, HeaderValue::from_static("null"))),
        "no origin" | "same site" => drop(headers.remove(header::ORIGIN)),
        _ => assert_eq!(headers[header::ORIGIN], ORIGIN),
    }
    if trick == "same site" {
        headers.insert("sec-fetch-site", HeaderValue::from_static("same-site"));
    }
    *request.body_mut() = Body::from(body);
    request
}

fn refused(route: &Route, trick: &str, reply: &Reply) {
    let of = format!("{} with {trick}: {} {:.2000}", route.path, reply.status, reply.text);
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "{of}");
    assert!(reply.kind().starts_with("text/html") && reply.text.contains("Nothing was changed"), "{of}");
    assert!(!reply.headers.contains_key(header::SET_COOKIE), "{of}");
}

/// Tries to trick a route's form in, then sends it as it should be sent. Says when that leaves an entry and should not, or the other way round.
async fn one(scene: &Scene, tables: &Tables, route: &Route) -> Option<String> {
    let whose = rows(route)[0];
    let who = sender(route, whose);
    let caller = scene.caller(who).await;
    let other = scene.caller(Who::Lead).await;
    let ask = scene.example(route, whose, &caller).await;
    if !is_of_programs(route) {
        scene.quiet().await;
        let before = tables.digest(SESSIONS).await;
        // A press of a live session needs no token of it: the page may have been loaded before the last sign-in.
        let needs_token = !["/holds", "/starts/{id}/end"].contains(&route.path);
        for trick in TRICKS.into_iter().filter(|trick| needs_token || !trick.contains("token")) {
            let reply = scene.answer(tricked(scene, trick, &caller, &other, &ask)).await;
            refused(route, trick, &reply);
        }
        assert_eq!(tables.digest(SESSIONS).await, before, "{} changed something though it was refused", route.path);
        if let Some(id) = caller.session.as_ref().and_then(tower_sessions::Session::id) {
            let store = std::sync::Arc::new(scene.test.app.sessions.clone());
            let held = session::read(&tower_sessions::Session::new(Some(id), store, None)).await;
            assert!(held.user.is_some() || held.link.is_some(), "{} ended the session though it was refused", route.path);
        }
    }
    scene.quiet().await;
    let entries = tables.entries().await;
    let reply = scene.send(route, &caller, &ask).await;
    if !(reply.status.is_success() || reply.status == StatusCode::SEE_OTHER) {
        return Some(format!("{}: {} {:.2000}", route.path, reply.status, reply.text));
    }
    let new = tables.entries().await - entries;
    let without = WITHOUT_ENTRY.iter().find(|(path, _)| *path == route.path);
    ((new > 0) != without.is_none()).then(|| format!("{} left {new} entries ({without:?})", route.path))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_is_taken_from_its_own_session_and_origin_only_and_what_it_does_is_in_the_log() {
    for is_demo in [false, true] {
        let database = fresh(Kind::Sqlite).await;
        let scene = if is_demo { Scene::demo(database).await } else { Scene::new(database).await };
        let tables = Tables::of(&scene.test.fresh).await;
        let mut wrong = Vec::new();
        for route in ROUTES.iter().filter(|route| route.method == "POST" && is_of_demos(route) == is_demo) {
            wrong.extend(one(&scene, &tables, route).await);
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        scene.test.log_is_good().await;
    }
}
