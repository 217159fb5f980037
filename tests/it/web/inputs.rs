//! Bad input, by the router's own table: every field of every route that takes any, filled with what does not belong there. Whatever is
//! refused changed nothing, and nothing ever fails for it. What a field takes all the same is listed by name; a new field or a new route
//! that is not in the list fails the test.

use crate::harness::{
    db::{Kind, fresh},
    examples::{Ask, Sent, is_of_programs},
    scene::{Scene, is_of_demos, rows},
    tables::{SESSIONS, Tables},
    written,
};
use andon::web::router::{ROUTES, Route};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is put into a field of a form, and how it is called in the list below.
fn wrong_texts() -> Vec<(&'static str, String)> {
    vec![
        ("nothing", String::new()),
        ("long", "x".repeat(5_000)),
        ("control", "a\u{0}b\u{7}c\u{202e}d".to_owned()),
        ("markup", "<script>alert('1')</script>".to_owned()),
        ("nobody", "0193f0a0-0000-7000-8000-00000000dead".to_owned()),
    ]
}

/// The same for a field of a program's body.
fn wrong_values() -> Vec<(&'static str, Value)> {
    let texts = wrong_texts().into_iter().map(|(name, text)| (name, Value::String(text)));
    let others = [("null", Value::Null), ("number", json!(-17)), ("list", json!([[]])), ("object", json!({"a": {}}))];
    texts.chain(others).collect()
}

/// Fields that take what stands beside them, with the reason. Everything else is refused.
const TAKES: &[(&str, &str, &[&str], &str)] = &[
    ("/holds", "key", &["nothing", "long", "control", "markup", "nobody"], "a press is never refused for want of a good key"),
    ("/holds", "level", &["nothing", "long", "control", "markup", "nobody"], "what is no reduce is a pause: a press is never refused"),
    ("/holds/{id}/why", "why", &["markup", "nobody"], "a reason is free text"),
    ("/holds/{id}/release", "release_why", &["markup", "nobody"], "a reason is free text"),
    ("/sign-in/lost", "why", &["markup", "nobody"], "a reason is free text"),
    ("/people/{id}/roles", "roles_why", &["markup", "nobody"], "a reason is free text"),
    ("/people/{id}/recover", "why", &["markup", "nobody"], "a reason is free text"),
    ("/agents/{id}/revoke", "why", &["markup", "nobody"], "a reason is free text"),
    ("/bots", "strategy", &["nobody"], "a strategy is a short name of the team's own"),
    ("/bots", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/bots", "owner", &["nothing"], "whoever makes it owns it"),
    ("/teams", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/bots/{id}/links", "other", &["nobody"], "a bot is named by its name, and one of this name was made before"),
    ("/bots/{id}/links", "why", &["markup", "nobody"], "what binds them is free text"),
    ("/bots/{id}/limits", "why", &["nothing"], "a reason is not demanded; with another one the limits are those that stand"),
    ("/limits", "why", &["nothing"], "a reason is not demanded; with another one the limits are those that stand"),
    ("/bots/{id}/limits/override", "symbol", &["nobody"], "letters, digits and dashes make a symbol"),
    ("/bots/{id}/limits/override", "why", &["markup", "nobody"], "a reason is free text"),
    ("/limits/ask", "why", &["markup", "nobody"], "a reason is free text"),
    ("/api/v1/limits", "why", &["nothing"], "a reason is not demanded"),
    ("/venues", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/venues", "exchange", &["nothing"], "without one it is called like the venue"),
    ("/venues/accounts", "venue", &["nobody"], "a venue is named by its name as well, and one of this name was made before"),
    ("/venues/accounts", "account", &["nobody"], "letters, digits and dashes make a name"),
    ("/venues/{id}", "exchange", &["nobody"], "letters, digits and dashes make a name"),
    ("/venues/{id}/changes", "what", &["markup", "nobody"], "what changed is free text"),
    ("/api/v1/venues/{id}/changes", "what", &["markup", "nobody"], "what changed is free text"),
    ("/accounts/{id}", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/subaccounts/{id}", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/subaccounts/{id}", "account", &["nothing"], "the only account of its venue"),
    ("/bots/{id}/edit", "strategy", &["nobody"], "a strategy is a short name of the team's own"),
    ("/bots/{id}/edit", "objective", &["nothing", "markup", "nobody"], "an objective is free text, and may be empty"),
    ("/bots/{id}/seat/ask", "why", &["markup", "nobody"], "a reason is free text"),
    ("/accounts/{id}/safety", "notices_to", &["nothing", "markup", "nobody"], "free text, and what is not known is shown as a gap"),
    ("/accounts/{id}/safety", "recovery", &["nothing", "markup", "nobody"], "free text, and what is not known is shown as a gap"),
    ("/accounts/{id}/safety", "support", &["nothing", "markup", "nobody"], "free text, and what is not known is shown as a gap"),
    ("/accounts/{id}/safety", "devices", &["nothing", "markup", "nobody"], "free text, and what is not known is shown as a gap"),
    ("/accounts/{id}/safety", "diligence", &["nothing", "markup", "nobody"], "free text, and what is not known is shown as a gap"),
    ("/bots/{id}/keys/ask", "why", &["markup", "nobody"], "a reason is free text"),
    ("/checklists/ask", "why", &["markup", "nobody"], "a reason is free text"),
    ("/checklists/ask", "stage", &["nothing"], "without one it is the list for stage limited"),
    ("/bots/{id}/golive", "why", &["markup", "nobody"], "a reason is free text"),
    ("/bots/{id}/golive/attest", "stage", &["nothing"], "the list of the stage that the bot goes up to next"),
    ("/bots/{id}/golive/attest", "said", &["markup", "nobody"], "what somebody saw is free text"),
    ("/bots/{id}/golive/attest", "link", &["nothing"], "a link is not demanded"),
    ("/bots/{id}/golive/evidence", "stage", &["nothing"], "the list of the stage that the bot goes up to next"),
    ("/bots/{id}/golive/evidence", "said", &["markup", "nobody"], "what somebody saw is free text"),
    ("/bots/{id}/emergency", "hours", &["nothing"], "it lasts as long as most do"),
    ("/bots/{id}/emergency", "why", &["markup", "nobody"], "a reason is free text"),
    ("/emergency/{id}/review", "words", &["markup", "nobody"], "what somebody saw is free text"),
    ("/keys/{id}/install", "api_key", &["long", "nobody", "markup"], "whatever a venue gives out"),
    ("/keys/{id}/install", "secret", &["long", "nobody", "markup"], "whatever a venue gives out"),
    ("/keys/{id}/attest", "why", &["markup", "nobody"], "a reason is free text"),
    ("/keys/{id}/end", "why", &["markup", "nobody"], "a reason is free text"),
    ("/keys/{id}/gone", "why", &["markup", "nobody"], "a reason is free text"),
    ("/keys/{id}/delete", "why", &["markup", "nobody"], "a reason is free text"),
    ("/keys/{id}/compromised", "why", &["markup", "nobody"], "a reason is free text"),
    ("/keys/{id}/settled", "why", &["markup", "nobody"], "a reason is free text"),
    ("/register/import", "text", &["long", "markup", "nobody"], "a draft is any text: what it would change is answered by line"),
    ("/api/v1/bots/{id}", "name", &["null"], "what is left out stays"),
    ("/api/v1/bots/{id}", "strategy", &["nobody", "null"], "a strategy is a short name of the team's own"),
    ("/api/v1/bots/{id}", "objective", &["nothing", "markup", "nobody", "null"], "an objective is free text, and may be empty"),
    ("/api/v1/bots/{id}", "owner", &["null"], "what is left out stays"),
    ("/api/v1/venues", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/api/v1/venues/{id}", "name", &["null"], "what is left out stays"),
    ("/api/v1/venues/{id}", "exchange", &["nobody", "null"], "letters, digits and dashes make a name"),
    ("/api/v1/accounts", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/api/v1/accounts", "venue", &["nobody"], "a venue is named by its name as well, and one of this name was made before"),
    ("/api/v1/accounts/{id}", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/api/v1/subaccounts", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/api/v1/subaccounts", "venue", &["nobody"], "a venue is named by its name as well, and one of this name was made before"),
    ("/api/v1/subaccounts", "account", &["nothing"], "the only account of its venue"),
    ("/api/v1/subaccounts/{id}", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/venues/subaccounts", "venue", &["nobody"], "a venue is named by its name as well, and one of this name was made before"),
    ("/venues/subaccounts", "subaccount", &["nobody"], "letters, digits and dashes make a name"),
    ("/alerts/{id}/close", "why", &["markup", "nobody"], "a reason is free text"),
    ("/bots/{id}/reconciliation", "why", &["markup", "nobody"], "a reason is free text"),
    ("/requests/{id}/edit", "why", &["markup", "nobody"], "a reason is free text"),
    ("/acts/{id}/deny", "why", &["markup", "nobody"], "a reason is free text"),
    ("/requests/{id}/deny", "why", &["markup", "nobody"], "a reason is free text"),
    ("/requests/{id}/comments", "text", &["markup", "nobody"], "a remark is free text"),
    ("/bots/{id}/limits/ask", "why", &["markup", "nobody"], "a reason is free text"),
    ("/policies", "why", &["markup", "nobody"], "a reason is free text"),
    ("/api/v1/bots/{id}/golive", "why", &["markup", "nobody"], "a reason is free text"),
    ("/api/v1/requests", "why", &["markup", "nobody"], "a reason is free text"),
    ("/api/v1/requests/{id}/revise", "why", &["markup", "nobody"], "a reason is free text"),
    ("/api/v1/requests/{id}/deny", "why", &["markup", "nobody"], "a reason is free text"),
    ("/api/v1/requests/{id}/comments", "text", &["markup", "nobody"], "a remark is free text"),
    ("/api/v1/alerts/{id}/close", "why", &["markup", "nobody"], "a reason is free text"),
    ("/stop-device/holds", "key", &["nothing", "long", "control", "markup", "nobody"], "a press is never refused for want of a good key"),
    ("/stop-device/holds", "level", &["nothing", "long", "control", "markup", "nobody"], "what is no reduce is a pause"),
    ("/stop-device/holds", "proof", &["nothing", "long", "control", "markup", "nobody"], "a press is never refused over its proof"),
    ("/stop-device/enrol", "public_key", &["nothing", "long", "control", "markup", "nobody"], "what is no key counts as none"),
    ("/me/stop-devices", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/tokens", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/people/invite", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/welcome/password", "display_name", &["nobody"], "letters, digits and dashes make a name"),
    ("/welcome/password", "address", &["nothing"], "mail is optional"),
    ("/me/address", "address", &["nothing"], "an empty address is none"),
    ("/notices/read", "up_to", &["nobody"], "it names a moment: what one has of before it is read"),
    ("/welcome/key", "nickname", &["nobody"], "letters, digits and dashes make a name"),
    ("/me/keys", "nickname", &["nobody"], "letters, digits and dashes make a name"),
    ("/me/keys/{id}/name", "nickname", &["nobody"], "letters, digits and dashes make a name"),
    ("/api/v1/bots", "name", &["nobody"], "letters, digits and dashes make a name"),
    ("/api/v1/bots", "strategy", &["nobody"], "a strategy is a short name of the team's own"),
    ("/api/v1/holds", "bot", &["nobody"], "a bot is named by its name as well, and one of this name was made before"),
    ("/agent/v1/acks", "state", &["null"], "absent is unknown, and proves no stop"),
    ("/agent/v1/events", "kind", &["nothing", "long", "control", "markup", "nobody"], "free text, cut and cleaned"),
    ("/agent/v1/events", "severity", &["nothing", "long", "control", "markup", "nobody"], "what is no warning is an information"),
    ("/agent/v1/events", "message", &["nothing", "long", "control", "markup", "nobody"], "free text, cut and cleaned"),
    ("/agent/v1/fills", "id", &["markup", "nobody"], "whatever a venue calls it"),
    ("/agent/v1/fills", "order_id", &["markup", "nobody", "null"], "whatever a venue calls it, where it is known"),
    ("/agent/v1/fills", "client_order_id", &["markup", "nobody", "null"], "whatever a bot calls it, where it is known"),
    ("/agent/v1/fills", "symbol", &["nobody"], "letters, digits and dashes make a symbol"),
    ("/agent/v1/fills", "fee", &["null"], "absent is unknown"),
    ("/agent/v1/fills", "maker", &["null"], "absent is unknown"),
    ("/agent/v1/holds", "id", &["nothing", "long", "control", "markup", "nobody"], "a stop is never refused for want of a good id"),
    ("/agent/v1/holds", "why", &["nothing", "long", "control", "markup", "nobody"], "a stop is never refused for want of a good reason"),
];

fn is_taken(route: &Route, field: &str, value: &str) -> bool {
    TAKES.iter().any(|(path, name, values, _)| *path == route.path && *name == field && values.contains(&value))
}

/// Every request like this one with one field that is wrong: the field, what is in it, the request.
fn spoiled(ask: &Ask) -> Vec<(String, &'static str, Ask)> {
    let mut all = Vec::new();
    match &ask.sent {
        Sent::Nothing => {}
        Sent::Form(fields) => {
            for (at, (field, _)) in fields.iter().enumerate() {
                for (name, text) in wrong_texts() {
                    let mut fields = fields.clone();
                    fields[at].1 = text;
                    all.push(((*field).to_owned(), name, Ask { path: ask.path.clone(), sent: Sent::Form(fields) }));
                }
            }
        }
        Sent::Json(body) => {
            for field in body.as_object().unwrap().keys() {
                for (name, value) in wrong_values() {
                    let mut body = body.clone();
                    body[field.as_str()] = value;
                    all.push((field.clone(), name, Ask { path: ask.path.clone(), sent: Sent::Json(body) }));
                }
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_every_form_refuses_what_does_not_belong_there_and_changes_nothing() {
    let scene = Scene::new(fresh(Kind::Sqlite).await).await;
    let tables = Tables::of(&scene.test.fresh).await;
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for route in ROUTES.iter().filter(|route| route.method == "POST" && !is_of_demos(route) && !is_of_programs(route)) {
        let who =
            if route.path == "/sign-out" { crate::harness::callers::Who::Operator } else { written::first_who_may(route, rows(route)[0]) };
        let mut caller = scene.caller(who).await;
        let mut is_used_up = false;
        let all = spoiled(&scene.example(route, rows(route)[0], &caller).await);
        for (at, (field, name, mut ask)) in all.into_iter().enumerate() {
            // Any answer uses its half of a ceremony up, so one is begun anew.
            if is_ceremony(route) || is_used_up {
                caller = scene.caller(who).await;
                ask = spoiled(&scene.example(route, rows(route)[0], &caller).await).swap_remove(at).2;
            }
            scene.quiet().await;
            let before = tables.digest(SESSIONS).await;
            let reply = scene.send(route, &caller, &ask).await;
            let of = format!("{} with {name} in {field}: {}", route.path, reply.status);
            tried += 1;
            assert!(!reply.status.is_server_error(), "{of}: {:.400}", reply.text);
            let is_done = reply.status.is_success() || reply.status == StatusCode::SEE_OTHER;
            if is_done != is_taken(route, &field, name) {
                wrong.push(of.clone());
            }
            // What was taken is used up: the next one is about something else.
            is_used_up = is_done;
            if !is_done && !leaves_its_mark(route) {
                let after = tables.digest(SESSIONS).await;
                let changed: Vec<&String> =
                    after.iter().filter(|(table, digest)| before.get(*table) != Some(digest)).map(|(table, _)| table).collect();
                assert!(changed.is_empty(), "{of} changed {changed:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "answered otherwise than the list says:\n{}", wrong.join("\n"));
    assert!(tried > 100);
}

fn is_ceremony(route: &Route) -> bool {
    route.path.ends_with("/key") || route.path == "/me/keys" || route.path.ends_with("/sign")
}

/// A failed sign-in is in the log.
fn leaves_its_mark(route: &Route) -> bool {
    route.path.starts_with("/sign-in") || route.path == "/recover/{link}"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_a_program_refuses_what_does_not_belong_there_and_changes_nothing() {
    let scene = Scene::new(fresh(Kind::Sqlite).await).await;
    let tables = Tables::of(&scene.test.fresh).await;
    let (mut wrong, mut tried) = (Vec::new(), 0);
    // What agents say is written down a little later, so they come last.
    let (agents, others): (Vec<_>, Vec<_>) =
        ROUTES.iter().filter(|route| route.method == "POST" && is_of_programs(route)).partition(|route| is_of_agents(route));
    for route in others.into_iter().chain(agents) {
        let caller = scene.caller(written::first_who_may(route, rows(route)[0])).await;
        let example = async || scene.example(route, rows(route)[0], &caller).await;
        let mut is_used_up = false;
        for (at, (field, name, mut ask)) in spoiled(&example().await).into_iter().enumerate() {
            if is_used_up {
                ask = spoiled(&example().await).swap_remove(at).2;
            }
            scene.quiet().await;
            let before = if is_of_agents(route) { Default::default() } else { tables.digest(SESSIONS).await };
            let reply = scene.send(route, &caller, &ask).await;
            let of = format!("{} with {name} in {field}: {} {:.400}", route.path, reply.status, reply.text);
            assert!(!reply.status.is_server_error(), "{of}");
            if reply.status.is_client_error() {
                assert_eq!(reply.kind(), "application/problem+json", "{of}");
            }
            is_used_up = reply.status.is_success();
            if is_used_up != is_taken(route, &field, name) {
                wrong.push(of.clone());
            }
            if !is_used_up && !is_of_agents(route) {
                assert_eq!(tables.digest(SESSIONS).await, before, "{of} changed something");
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "answered otherwise than the list says:\n{}", wrong.join("\n"));
    assert!(tried > 100);
}

fn is_of_agents(route: &Route) -> bool {
    route.path.starts_with("/agent/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_id_names_nothing_on_every_route_that_takes_one() {
    let scene = Scene::new(fresh(Kind::Sqlite).await).await;
    let (mut tried, mut wrong_ones) = (BTreeSet::new(), Vec::new());
    for route in ROUTES.iter().filter(|route| route.path.contains('{') && !is_of_demos(route)) {
        let caller = scene.caller(written::first_who_may(route, rows(route)[0])).await;
        let ask = scene.example(route, rows(route)[0], &caller).await;
        let (root, rest) = route.path.split_once('{').unwrap();
        let tail = rest.split_once('}').unwrap().1;
        for wrong in
            ["x", "0193f0a0-0000-7000-8000-00000000dead", "%00", "%F0%9F%92%A5", "-1", "..%2f..%2fetc", "' OR 1=1 --%20", &"9".repeat(300)]
        {
            let path = format!("{root}{}{tail}", wrong.replace(' ', "%20").replace('\'', "%27"));
            let reply = scene.send(route, &caller, &Ask { path: path.clone(), sent: ask.sent.clone() }).await;
            if reply.status != StatusCode::NOT_FOUND {
                wrong_ones.push(format!("{} {path}: {}", route.method, reply.status));
            }
            tried.insert(route.path);
        }
    }
    assert!(wrong_ones.is_empty(), "{}", wrong_ones.join("\n"));
    assert!(tried.len() > 20);
}
