//! The list, one alert, the count on every page, and the API.

use crate::harness::{
    app::TestApp,
    browser::Browser,
    callers::Who,
    db::{Fresh, Kind, fresh, on_both},
    examples::{Ask, Sent},
    scene::{Scene, Whose},
};
use andon::{
    domain::{AlertKind, Subject},
    web::router::ROUTES,
};
use axum::http::StatusCode;
use serde_json::{Value, json};

async fn raise(test: &TestApp, kind: AlertKind, subject: Subject) -> String {
    test.app.raise(kind, subject.clone(), "Something <b>is</b> the matter.");
    test.app.write_alerts().await.unwrap();
    test.app.alerts.find(kind, &subject).unwrap().id.to_string()
}

on_both!(a_person_takes_and_closes_with_a_reason, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/alerts").await;
    assert!(operator.page.contains("No open alerts"), "{}", operator.page);
    let id = raise(&test, AlertKind::EndKeyByHand, Subject::bot(&bot.id)).await;
    for path in ["/fleet", "/pause", "/me", "/holds"] {
        operator.get(path).await;
        let strip = "Alerts: 1 critical</b> End the key at the venue by hand: arb-1";
        assert!(operator.page.contains(strip) && operator.page.contains(&format!("href=\"/alerts/{id}\"")), "{path}: {}", operator.page);
    }
    operator.get("/alerts").await;
    assert!(operator.page.contains("&#60;b&#62;is") && operator.page.contains("Open: 1"), "{}", operator.page);
    operator.post(&format!("/alerts/{id}/take"), &[]).await;
    assert_eq!(operator.leads_to(), format!("/alerts/{id}"));
    operator.get("/alerts?show=taken").await;
    assert!(operator.page.contains("Taken: 1") && operator.page.contains("operator"), "{}", operator.page);
    operator.post(&format!("/alerts/{id}/close"), &[("why", " ")]).await;
    assert!(operator.status == StatusCode::UNPROCESSABLE_ENTITY && operator.page.contains("Say why"), "{}", operator.page);
    operator.post(&format!("/alerts/{id}/close"), &[("why", "key deleted")]).await;
    operator.get("/alerts?show=closed").await;
    assert!(operator.page.contains("key deleted") && operator.page.contains("Open: 0"), "{}", operator.page);
    operator.get(&format!("/alerts/{id}")).await;
    for part in ["Opened by the server", "Taken by operator", "Closed by operator: key deleted"] {
        assert!(operator.page.contains(part), "{part}: {}", operator.page);
    }
    assert!(!operator.page.contains("<textarea") && !operator.page.contains("/close\""), "what is closed has no buttons");
    operator.get("/fleet").await;
    assert!(!operator.page.contains("critical</b>"), "{}", operator.page);
    for bad in ["/alerts/x", "/alerts/0193f0a0-0000-7000-8000-00000000dead", "/alerts?show=closed&before=x"] {
        operator.get(bad).await;
        assert_eq!(operator.status, StatusCode::NOT_FOUND, "{bad}");
    }
});

#[tokio::test]
async fn open_alerts_are_shown_without_a_database() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/alerts").await;
    test.app.db.close().await;
    test.app.raise(AlertKind::Behind, Subject::bot(&bot.id), "Behind.");
    operator.get("/alerts").await;
    assert!(operator.status == StatusCode::OK && operator.page.contains("Connected, but behind"), "{}", operator.page);
    operator.get("/alerts?show=closed").await;
    assert!(operator.page.contains("The database does not answer"), "{}", operator.page);
}

/// What a caller is answered at a path.
async fn api(scene: &Scene, who: Who, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let caller = scene.caller(who).await;
    let ask = Ask { path: path.to_owned(), sent: body.map_or(Sent::Nothing, Sent::Json) };
    let reply = scene.answer(scene.request(method, &caller, &ask)).await;
    (reply.status, serde_json::from_str(&reply.text).unwrap_or_default())
}

on_both!(programs_list_take_and_close, |fresh: Fresh| async move {
    let scene = Scene::new(fresh).await;
    assert!(ROUTES.iter().any(|route| route.path == "/api/v1/alerts"));
    let token =
        Who::ALL.into_iter().find(|who| who.token().is_some_and(|(scope, team)| scope == "operate" && team == Some("arb"))).unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(scene.alert(Whose::Arbs).await.to_string());
    }
    let grids = scene.grid.alert.to_string();
    let mut seen = Vec::new();
    let mut path = "/api/v1/alerts?limit=2".to_owned();
    loop {
        let (_, page) = api(&scene, token, "GET", &path, None).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/alerts?limit=2&after={next}");
    }
    assert!(ids.iter().all(|id| seen.contains(id)) && !seen.contains(&grids), "of its team alone: {seen:?}");
    let (status, taken) = api(&scene, token, "POST", &format!("/api/v1/alerts/{}/take", ids[0]), Some(json!({}))).await;
    assert_eq!((status, taken["state"].as_str()), (StatusCode::OK, Some("taken")), "{taken}");
    assert!(taken["taken"]["by"].as_str().unwrap().starts_with("token "));
    for (id, body, expected) in [
        (&ids[0], json!({"why": ""}), StatusCode::UNPROCESSABLE_ENTITY),
        (&grids, json!({"why": "x"}), StatusCode::NOT_FOUND),
        (&ids[0], json!({"why": "set by NTP"}), StatusCode::OK),
        (&ids[0], json!({"why": "again"}), StatusCode::CONFLICT),
        (&ids[1], json!({"why": "set by NTP"}), StatusCode::OK),
    ] {
        assert_eq!(api(&scene, token, "POST", &format!("/api/v1/alerts/{id}/close"), Some(body)).await.0, expected);
    }
    let (_, first) = api(&scene, token, "GET", "/api/v1/alerts?state=closed&limit=1", None).await;
    assert_eq!(first["items"][0]["id"], ids[1].as_str(), "newest first: {first}");
    assert_eq!(first["items"][0]["closed"]["why"], "set by NTP");
    let (_, second) =
        api(&scene, token, "GET", &format!("/api/v1/alerts?state=closed&limit=1&after={}", first["next"].as_str().unwrap()), None).await;
    assert_eq!(second["items"][0]["id"], ids[0].as_str(), "{second}");
    assert_eq!(api(&scene, token, "GET", "/api/v1/alerts?state=old", None).await.0, StatusCode::BAD_REQUEST);
});

#[tokio::test]
async fn silence_under_a_hold_is_presumed_halted_and_never_more() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let bot = test.bot("arb-1", "arb").await;
    crate::harness::agent::ready(&test, &bot, "operator").await;
    let hold = test.press("operator", andon::domain::Scope::Fleet, andon::domain::Level::Pause).await.hold;
    // 30 s of lease and 5 s to obey, and the 2 s after which an agent that polls asks again.
    test.hand.forward_ms(37_000);
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get(&format!("/holds/{}", hold.id)).await;
    assert!(operator.page.contains("Presumed halted, unconfirmed"), "{}", operator.page);
    operator.get(&format!("/bots/{}", bot.id)).await;
    assert!(operator.page.contains("presumed halted, unconfirmed"), "{}", operator.page);
}

#[tokio::test]
async fn a_long_list_comes_in_pieces_the_worst_first() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    test.bot("arb-0", "arb").await;
    for _ in 0..120 {
        test.app.raise(AlertKind::HoldNotRecorded, Subject::hold(&andon::domain::HoldId::new()), "It waits.");
    }
    let mut browser = Browser::signed_in(&test, "operator").await;
    for (page, rows, words) in [("", 50, "1 to 50 of 120"), ("&page=2", 50, "51 to 100 of 120"), ("&page=3", 20, "101 to 120 of 120")] {
        browser.get(&format!("/alerts?show=open{page}")).await;
        assert_eq!(browser.page.matches("<tr><th scope=\"row\">").count(), rows, "{page}");
        assert!(browser.page.contains(words) && browser.page.contains("Open: 120"), "{page}: {}", browser.page);
    }
    browser.get("/alerts?show=open&page=99").await;
    assert_eq!(browser.page.matches("<tr><th scope=\"row\">").count(), 0);
}

#[tokio::test]
async fn closing_a_critical_alert_asks_for_a_touch_and_a_warning_does_not() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let bot = test.bot("arb-1", "arb").await;
    let critical = format!("/alerts/{}", raise(&test, AlertKind::Unconfirmed, Subject::bot(&bot.id)).await);
    let warning = format!("/alerts/{}", raise(&test, AlertKind::ClockOff, Subject::bot(&bot.id)).await);
    let mut browser = Browser::signed_in(&test, "operator").await;
    test.hand.forward_ms(andon::web::session::TOUCH_COUNTS_MS + 1);
    browser.get(&critical).await;
    browser.post(&format!("{critical}/close"), &[("why", "looked at")]).await;
    assert!(browser.page.contains("Touch"), "{}", browser.page);
    assert!(test.app.alerts.is_open(AlertKind::Unconfirmed, &Subject::bot(&bot.id)), "it silences: a key first");
    browser.get(&warning).await;
    browser.post(&format!("{warning}/close"), &[("why", "set by NTP")]).await;
    assert!(!test.app.alerts.is_open(AlertKind::ClockOff, &Subject::bot(&bot.id)));
}
