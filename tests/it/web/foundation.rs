//! What every request passes: address, headers, form tokens, bodies of errors.

use crate::harness::{
    app::{ORIGIN, TestApp},
    browser::Browser,
    db::{Kind, fresh},
};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};

async fn site() -> TestApp {
    TestApp::new(fresh(Kind::Sqlite).await).await
}

#[tokio::test]
async fn another_host_is_explained_and_loopback_is_sent_to_localhost() {
    let test = site().await;
    let mut browser = Browser::new(&test);
    let to = |host: &str, path: &str| Request::get(path).header(header::HOST, host).body(Body::empty()).unwrap();
    browser.send(to("127.0.0.1:8787", "/holds?x=1")).await;
    assert_eq!((browser.status, browser.leads_to()), (StatusCode::TEMPORARY_REDIRECT, "http://localhost:8787/holds?x=1"));
    browser.send(to("evil.example", "/fleet")).await;
    assert_eq!(browser.status, StatusCode::MISDIRECTED_REQUEST);
    assert!(browser.page.contains("http://localhost:8787 only"), "{}", browser.page);
    browser.send(to("evil.example", "/agent/v1/check-in")).await;
    assert_eq!(browser.headers[header::CONTENT_TYPE], "application/problem+json");
    browser.send(to("10.0.0.7:9", "/healthz")).await;
    assert_eq!(browser.status, StatusCode::OK, "load balancers ask by any name");
}

#[tokio::test]
async fn every_answer_carries_the_headers_and_no_error_is_bare_text() {
    let test = site().await;
    let mut browser = Browser::new(&test);
    for (path, status) in [("/sign-in", 200), ("/nowhere", 404), ("/sign-out", 405), ("/healthz", 200)] {
        browser.get(path).await;
        assert_eq!(browser.status.as_u16(), status, "{path}");
        let policy = browser.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"));
        assert_eq!(browser.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(browser.headers[header::REFERRER_POLICY], "same-origin");
        assert!(!browser.headers.contains_key(header::STRICT_TRANSPORT_SECURITY), "this origin is not https");
        if status >= 400 {
            assert!(browser.page.contains("<title>Error: "), "{path}: {}", browser.page);
        }
    }
    browser.get("/api/v1/nowhere").await;
    let problem: serde_json::Value = serde_json::from_str(&browser.page).unwrap();
    assert_eq!((problem["type"].as_str(), problem["status"].as_u64()), (Some("/problems/not-found"), Some(404)));
    assert_eq!(problem["instance"].as_str(), browser.headers["x-request-id"].to_str().ok());
}

#[tokio::test]
async fn an_error_page_keeps_the_pause_link_for_who_may_pause() {
    let test = site().await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/nowhere").await;
    assert!(browser.page.contains(r#"href="/pause""#) && browser.page.contains("andon stop --all"));
    let mut browser = Browser::signed_in(&test, "auditor").await;
    browser.get("/nowhere").await;
    assert!(!browser.page.contains(r#"href="/pause""#));
}

#[tokio::test]
async fn a_form_needs_the_token_of_this_session_and_a_page_of_this_origin() {
    let test = site().await;
    let mut browser = Browser::signed_in(&test, "admin").await;
    let teams = test.app.people().teams().len();
    browser.get("/nowhere").await;
    let token = browser.between(r#"name="csrf" value=""#, "\"").unwrap();
    let body = |token: &str| format!("name=mm&csrf={token}");
    for (body, origin, said) in [
        (body(""), Some(ORIGIN), "This form is too old"),
        ("name=mm".to_owned(), Some(ORIGIN), "This form is too old"),
        (body(&token), Some("https://evil.example"), "Not from a page of ours"),
        (body(&token), Some("null"), "Not from a page of ours"),
        (body(&token), None, "Not from a page of ours"),
    ] {
        browser.post_raw("/teams", body, origin).await;
        assert_eq!(browser.status, StatusCode::FORBIDDEN);
        assert!(browser.page.contains(said), "{}", browser.page);
        assert!(browser.page.contains("Nothing was changed"));
    }
    let mut other = Browser::signed_in(&test, "risk").await;
    other.get("/nowhere").await;
    let foreign = other.between(r#"name="csrf" value=""#, "\"").unwrap();
    browser.post_raw("/teams", body(&foreign), Some(ORIGIN)).await;
    assert_eq!(browser.status, StatusCode::FORBIDDEN, "another session's token is no token");
    assert_eq!(test.app.people().teams().len(), teams, "nothing was made");
    browser.post_raw("/teams", body(&token), Some(ORIGIN)).await;
    assert_eq!(browser.status, StatusCode::SEE_OTHER);
    assert_eq!(test.app.people().teams().len(), teams + 1);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_nothing_happens() {
    let test = site().await;
    let mut browser = Browser::signed_in(&test, "admin").await;
    browser.post_raw("/teams", format!("name={}", "x".repeat(70_000)), Some(ORIGIN)).await;
    assert_eq!(browser.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(browser.page.contains("64 KiB"), "{}", browser.page);
}

#[tokio::test]
async fn a_register_may_be_as_large_as_is_said() {
    let test = site().await;
    let mut browser = Browser::signed_in(&test, "admin").await;
    browser.get("/register").await;
    let row = format!("bot,{}\n", "x".repeat(90));
    let text = format!("kind,name\n{}", row.repeat(3 * 1024 * 1024 / row.len()));
    browser.post("/register/import", &[("format", "csv"), ("text", &text)]).await;
    assert_eq!(browser.status, StatusCode::SEE_OTHER, "3 MiB are put by: {}", browser.page);
    browser.get("/register").await;
    browser.post("/register/import", &[("format", "csv"), ("text", &"x".repeat(5 * 1024 * 1024))]).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.page.contains("at most 4 MiB"), "{}", browser.page);
    browser.get("/register").await;
    browser.post("/register/import", &[("format", "csv"), ("text", &"x".repeat(13 * 1024 * 1024))]).await;
    assert_eq!(browser.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn what_is_for_demos_is_not_there_elsewhere() {
    let test = site().await;
    let mut browser = Browser::signed_in(&test, "lead").await;
    browser.get("/demo/andon_demo_x").await;
    assert_eq!(browser.status, StatusCode::NOT_FOUND);
    browser.get("/acts").await;
    browser.post("/acts/0193b0a0-0000-7000-8000-000000000000/sign-demo", &[]).await;
    assert_eq!(browser.status, StatusCode::NOT_FOUND);
}
