//! Changes that no signature goes with need a touch of a key within ten minutes (ruling C15): it is asked for, and what was typed goes on with it.
//! What stops, and what ends one's own, never asks.

use super::sessions::COOKIE;
use crate::harness::{
    app::TestApp,
    browser::Browser,
    callers::Who,
    db::{Fresh, Kind, fresh, on_both},
    examples::is_of_programs,
    scene::{Scene, is_of_demos, rows},
    written,
};
use andon::{
    domain::{ActKind, Stage, Timestamp},
    web::{router::ROUTES, session::TOUCH_COUNTS_MS},
};
use axum::http::StatusCode;
use std::collections::BTreeSet;

/// What asks for a touch. A bot's stage does on its way up only, and goes down here.
const ASKS: [&str; 49] = [
    "/accounts/{id}",
    "/accounts/{id}/retire",
    "/accounts/{id}/safety",
    "/acts/{id}/deny",
    "/bots",
    "/bots/{id}/edit",
    "/bots/{id}/golive",
    "/bots/{id}/golive/evidence",
    "/bots/{id}/keys/ask",
    "/bots/{id}/limits/ask",
    "/bots/{id}/limits/override",
    "/bots/{id}/links",
    "/bots/{id}/links/end",
    "/bots/{id}/move",
    "/bots/{id}/operators",
    "/bots/{id}/reconciliation",
    "/bots/{id}/reconciliation/setting",
    "/bots/{id}/seat",
    "/bots/{id}/seat/ask",
    "/checklists/ask",
    "/keys/{id}/attest",
    "/keys/{id}/compromised",
    "/keys/{id}/end",
    "/keys/{id}/gone",
    "/keys/{id}/install",
    "/keys/{id}/measure",
    "/keys/{id}/settled",
    "/limits/ask",
    "/me/keys/{id}/name",
    "/people/{id}/disable",
    "/people/{id}/roles",
    "/people/{id}/sessions/end",
    "/policies",
    "/recoveries/{id}/withdraw",
    "/register/imports/{id}",
    "/requests/{id}/deny",
    "/requests/{id}/edit",
    "/stop-devices/{id}/end",
    "/subaccounts/{id}",
    "/subaccounts/{id}/retire",
    "/teams",
    "/tokens/{id}/revoke",
    "/venues",
    "/venues/accounts",
    "/venues/subaccounts",
    "/venues/{id}",
    "/venues/{id}/retire",
    "/venues/{id}/changes",
    "/requests/{id}/raise",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_forms_these_ask_for_a_touch_and_change_nothing_without_it() {
    let scene = Scene::new(fresh(Kind::Sqlite).await).await;
    let mut found = BTreeSet::new();
    for route in ROUTES.iter().filter(|route| route.method == "POST" && !is_of_programs(route) && !is_of_demos(route)) {
        let whose = rows(route)[0];
        let who = written::first_who_may(route, whose);
        if who.person().is_none() || who == Who::Idle {
            continue;
        }
        let caller = scene.caller(who).await;
        let session = caller.session.as_ref().unwrap();
        let ask = scene.example(route, whose, &caller).await;
        session.load().await.unwrap();
        session.insert("touched", Timestamp(0).0).await.unwrap();
        session.save().await.unwrap();
        let reply = scene.send(route, &caller, &ask).await;
        if reply.status == StatusCode::UNAUTHORIZED {
            assert!(reply.text.contains("<h1>Touch your security key") && reply.text.contains("Nothing was changed yet"), "{}", reply.text);
            assert!(reply.text.contains(r#"name="then" value="/"#), "{}", reply.text);
            found.insert(route.path);
        } else {
            assert!(reply.status.is_success() || reply.status == StatusCode::SEE_OTHER, "{}: {} {}", route.path, reply.status, reply.text);
        }
    }
    assert_eq!(found, BTreeSet::from(ASKS));
}

/// Keeps a session awake for so many minutes.
async fn minutes(test: &TestApp, browser: &mut Browser, n: i64) {
    for _ in 0..n {
        test.hand.forward_ms(60_000);
        browser.get("/me").await;
        assert_eq!(browser.status, StatusCode::OK);
    }
}

/// The fields of the form that waits, as the browser sends them with the key's answer.
fn carried(page: &str) -> Vec<(String, String)> {
    let (_, form) = page.split_once(r#"<input type="hidden" name="then""#).expect("nothing waits");
    let form = format!(r#"<input type="hidden" name="then"{}"#, form.split_once("<button").unwrap().0);
    let inputs = form.split("<input type=\"hidden\" name=\"").skip(1);
    let field = |input: &str| {
        let (name, rest) = input.split_once("\" value=\"").unwrap();
        (name.to_owned(), rest.split_once('"').unwrap().0.to_owned())
    };
    inputs.map(field).collect()
}

on_both!(a_change_asks_for_a_touch_after_ten_minutes_and_goes_on_with_what_was_typed, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get("/teams").await;
    admin.post("/teams", &[("name", "alpha")]).await;
    assert_eq!(admin.leads_to(), "/teams", "after a sign-in nothing is asked for: {}", admin.page);
    minutes(&test, &mut admin, TOUCH_COUNTS_MS / 60_000).await;
    admin.get("/teams").await;
    admin.post("/teams", &[("name", "beta")]).await;
    assert_eq!(admin.leads_to(), "/teams", "ten minutes count: {}", admin.page);
    minutes(&test, &mut admin, 1).await;
    admin.get("/teams").await;
    let csrf = admin.between(r#"name="csrf" value=""#, "\"").unwrap();
    let old = admin.cookies[COOKIE].clone();
    admin.post("/teams", &[("name", "gamma / rays")]).await;
    assert_eq!(admin.status, StatusCode::UNAUTHORIZED);
    assert!(admin.page.contains("<h1>Touch your security key"), "{}", admin.page);
    assert!(test.app.people().team_by_name("gamma / rays").is_none(), "nothing was done yet");

    // A wrong answer leaves it waiting; a good one sends the same form on.
    let waits = carried(&admin.page);
    assert_eq!(waits, [("then", "/teams"), ("name", "gamma / rays")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    let with = |response: &str| {
        let mut fields: Vec<(String, String)> = waits.clone();
        fields.push(("response".to_owned(), response.to_owned()));
        fields
    };
    async fn send(browser: &mut Browser, fields: Vec<(String, String)>) {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        browser.post("/sign-in/key", &fields).await;
    }
    send(&mut admin, with("{}")).await;
    assert_eq!(admin.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(carried(&admin.page), waits, "it still waits");
    let options = admin.between("data-options=\"", "\"").unwrap();
    let answer = test.people["admin"].key.sign(&options).unwrap();
    send(&mut admin, with(&answer)).await;
    assert_eq!((admin.status, admin.leads_to()), (StatusCode::TEMPORARY_REDIRECT, "/teams"), "{}", admin.page);
    assert_ne!(admin.cookies[COOKIE], old, "whoever may do more has another id");
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("csrf", csrf.as_str()), ("response", &answer), ("then", "/teams"), ("name", "gamma / rays")])
        .finish();
    admin.submit("/teams", body).await;
    assert_eq!(admin.leads_to(), "/teams", "{}", admin.page);
    assert!(test.app.people().team_by_name("gamma / rays").is_some());
    test.log_is_good().await;
});

on_both!(a_page_that_asks_gets_another_challenge_and_nobody_is_led_away, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get("/sign-in/key").await;
    assert_eq!(admin.leads_to(), "/fleet", "nothing is asked of who is awake");
    minutes(&test, &mut admin, 11).await;
    admin.get("/teams").await;
    admin.post("/teams", &[("name", "beta")]).await;
    let again = admin.between("data-again=\"", "\"").unwrap();
    admin.get(&again).await;
    assert!(admin.status == StatusCode::OK && admin.page.contains(r#"action="/sign-in/key""#), "{}", admin.page);
    let answer = test.people["admin"].key.sign(&admin.between("data-options=\"", "\"").unwrap()).unwrap();
    admin.post("/sign-in/key", &[("response", &answer), ("then", "https://evil.example/teams")]).await;
    assert_eq!(admin.leads_to(), "/fleet");
});

on_both!(a_signature_is_a_touch_and_what_stops_never_asks, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    minutes(&test, &mut lead, 11).await;
    lead.get("/pause").await;
    lead.post("/holds", &[("scope", "fleet"), ("key", "k")]).await;
    assert!(lead.leads_to().starts_with("/holds/"), "{}", lead.page);
    lead.get(&format!("/bots/{}", bot.id)).await;
    lead.post(&format!("/bots/{}/stage", bot.id), &[("stage", "draft")]).await;
    assert_eq!(lead.leads_to(), format!("/bots/{}", bot.id), "down is a stop: {}", lead.page);
    lead.get(&format!("/bots/{}", bot.id)).await;
    lead.post(&format!("/bots/{}/stage", bot.id), &[("stage", "sandbox")]).await;
    assert_eq!(lead.status, StatusCode::UNAUTHORIZED, "up is none: {}", lead.page);
    assert_eq!(test.app.fleet.view().bot(&bot.id).unwrap().stage, Stage::Draft);

    let act = test.app.prepare_single(&test.actor("lead"), ActKind::EnrolmentCode { bot: bot.id.clone() }).await.unwrap();
    let page = format!("/acts/{}", act.stored.id);
    lead.get(&page).await;
    let old = lead.cookies[COOKIE].clone();
    lead.touch(&test, "lead", &format!("{page}/sign")).await;
    assert!(lead.status.is_success(), "{}", lead.page);
    assert_ne!(lead.cookies[COOKIE], old, "whoever may do more has another id");
    lead.get(&format!("/bots/{}", bot.id)).await;
    lead.post(&format!("/bots/{}/stage", bot.id), &[("stage", "sandbox")]).await;
    assert_eq!(lead.leads_to(), format!("/bots/{}", bot.id), "{}", lead.page);
    let kept = lead.cookies[COOKIE].clone();
    let act = test.app.prepare_single(&test.actor("lead"), ActKind::EnrolmentCode { bot: bot.id.clone() }).await.unwrap();
    lead.get(&format!("/acts/{}", act.stored.id)).await;
    lead.touch(&test, "lead", &format!("/acts/{}/sign", act.stored.id)).await;
    assert_eq!(lead.cookies[COOKIE], kept, "one touch soon after another changes nothing");
});
