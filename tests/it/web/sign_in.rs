//! Getting in, being idle, getting out.

use crate::harness::{
    app::TestApp,
    browser::{Browser, PASSWORD},
    db::{Fresh, Kind, fresh, on_both},
};
use andon::authn::SoftKey;
use axum::http::{StatusCode, header};

on_both!(an_invitation_leads_to_a_password_two_keys_and_the_door, |fresh: Fresh| async move {
    let hand = crate::harness::app::Hand::new();
    let app = crate::harness::app::assemble(fresh.db.clone(), &hand, &fresh.dir.path().join("spool")).await;
    let link = app.setup_link().await.unwrap().unwrap();
    let path = link.expose().strip_prefix(crate::harness::app::ORIGIN).unwrap().to_owned();
    let mut browser = Browser::on(&app);
    browser.get(&path).await;
    assert_eq!(browser.leads_to(), "/welcome", "the secret leaves the address bar");
    browser.get(&path).await;
    assert_eq!(browser.leads_to(), "/welcome", "opening the link uses nothing up");
    browser.get("/welcome").await;
    browser.post("/welcome/password", &[("display_name", "N. Adebayo"), ("password", "password1"), ("again", "password1")]).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.page.contains("N. Adebayo") && !browser.page.contains("password1"), "what was typed stays, passwords never");
    browser.post("/welcome/password", &[("display_name", "N. Adebayo"), ("password", PASSWORD), ("again", "another")]).await;
    assert!(browser.page.contains("The two passwords differ") && !browser.page.contains(PASSWORD));
    browser.post("/welcome/password", &[("display_name", "N. Adebayo"), ("password", PASSWORD), ("again", PASSWORD)]).await;
    assert_eq!(browser.leads_to(), "/welcome");
    let keys = [SoftKey::new(app.origin.clone()), SoftKey::new(app.origin.clone())];
    for (n, key) in keys.iter().enumerate() {
        browser.get("/welcome").await;
        assert!(browser.page.contains(&format!("Security key {} of 2", n + 1)));
        let answer = key.register(&browser.between("data-options=\"", "\"").unwrap()).unwrap();
        browser.post("/welcome/key", &[("nickname", ["blue", "red"][n]), ("response", &answer)]).await;
    }
    assert_eq!(browser.leads_to(), "/sign-in?welcome=1");
    browser.get(&path).await;
    assert_eq!(browser.status, StatusCode::NOT_FOUND, "the link is used up");
    browser.get("/sign-in").await;
    browser.post("/sign-in", &[("name", "admin"), ("password", PASSWORD), ("next", "/people")]).await;
    assert_eq!(browser.leads_to(), "/sign-in/key?next=%2Fpeople");
    browser.get("/sign-in/key?next=%2Fpeople").await;
    let answer = keys[0].sign(&browser.between("data-options=\"", "\"").unwrap()).unwrap();
    browser.post("/sign-in/key", &[("response", &answer), ("next", "/people")]).await;
    assert_eq!(browser.leads_to(), "/people");
});

async fn site() -> TestApp {
    TestApp::new(fresh(Kind::Sqlite).await).await
}

#[tokio::test]
async fn a_wrong_password_keeps_the_name_and_says_nothing_about_who_exists() {
    let test = site().await;
    let mut browser = Browser::new(&test);
    browser.get("/sign-in").await;
    browser.post("/sign-in", &[("name", "operator"), ("password", "wrong-one-1")]).await;
    let known = browser.page.replace("operator", "NAME");
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(known.contains("do not belong together") && known.contains(r#"value="NAME""#) && !known.contains("wrong-one-1"));
    browser.post("/sign-in", &[("name", "nobody"), ("password", "wrong-one-1")]).await;
    let unknown = browser.page.replace("nobody", "NAME");
    let plain = |page: &str| page.lines().filter(|line| !line.contains("csrf")).collect::<String>();
    assert_eq!(plain(&known), plain(&unknown));
    for _ in 0..8 {
        browser.post("/sign-in", &[("name", "operator"), ("password", "wrong-one-1")]).await;
    }
    assert_eq!(browser.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(browser.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn the_password_alone_opens_nothing_and_the_session_changes_its_name_at_each_step() {
    let test = site().await;
    let mut browser = Browser::new(&test);
    browser.get("/sign-in").await;
    assert!(!browser.cookies.contains_key("andon-local"), "looking at the door makes no session");
    browser.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
    let after_password = browser.cookies["andon-local"].clone();
    browser.get("/people").await;
    assert_eq!(browser.leads_to(), "/sign-in?next=%2Fpeople");
    browser.get("/sign-in/key").await;
    let body = browser.page.clone();
    browser.touch(&test, "operator", "/sign-in/key").await;
    assert_eq!(browser.leads_to(), "/fleet");
    assert_ne!(browser.cookies["andon-local"], after_password);
    let mut old = Browser::new(&test);
    old.cookies.insert("andon-local".to_owned(), after_password);
    old.page = body;
    old.touch(&test, "operator", "/sign-in/key").await;
    assert_ne!(old.status, StatusCode::SEE_OTHER, "the session of before is over");
}

#[tokio::test]
async fn a_key_of_somebody_else_and_an_answer_sent_twice_are_refused() {
    let test = site().await;
    let mut browser = Browser::new(&test);
    browser.get("/sign-in").await;
    browser.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
    browser.get("/sign-in/key").await;
    browser.post("/sign-in/key", &[("response", "{}")]).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.page.contains("nothing was changed") || browser.page.contains("Nothing was changed"), "{}", browser.page);
    let options = browser.between("data-options=\"", "\"").unwrap();
    let answer = test.people["operator"].key.sign(&options).unwrap();
    test.hand.forward_ms(6 * 60 * 1_000);
    browser.post("/sign-in/key", &[("response", &answer)]).await;
    assert!(browser.page.contains("took too long"), "{}", browser.page);
}

#[tokio::test]
async fn an_idle_session_may_only_stop_until_a_key_is_touched_and_ends_after_twelve_hours() {
    let test = site().await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/people").await;
    assert_eq!(browser.status, StatusCode::OK);
    test.hand.forward_ms(16 * 60 * 1_000);
    browser.get("/people").await;
    assert_eq!(browser.leads_to(), "/sign-in/key?next=%2Fpeople");
    browser.get("/nowhere").await;
    assert!(browser.page.contains("This session may only stop") && browser.page.contains(r#"href="/pause""#));
    browser.get("/sign-in").await;
    browser.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
    browser.get("/sign-in/key").await;
    assert!(browser.page.contains(r#"href="/pause""#), "on the way back in, stopping is still there");
    browser.touch(&test, "operator", "/sign-in/key").await;
    browser.get("/people").await;
    assert_eq!(browser.status, StatusCode::OK);
    test.hand.forward_ms(12 * 60 * 60 * 1_000);
    browser.get("/people").await;
    assert_eq!(browser.leads_to(), "/sign-in?next=%2Fpeople", "twelve hours from the sign-in, whatever happened since");
}

#[tokio::test]
async fn signing_out_and_being_disabled_end_the_session() {
    let test = site().await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    let cookie = browser.cookies["andon-local"].clone();
    browser.get("/people").await;
    browser.post("/sign-out", &[]).await;
    assert_eq!(browser.leads_to(), "/sign-in");
    browser.cookies.insert("andon-local".to_owned(), cookie);
    browser.get("/people").await;
    assert_eq!(browser.leads_to(), "/sign-in?next=%2Fpeople");
    let mut browser = Browser::signed_in(&test, "operator").await;
    test.app.disable(&test.actor("admin"), &test.people["operator"].id).await.unwrap();
    browser.get("/people").await;
    assert_eq!(browser.leads_to(), "/sign-in?next=%2Fpeople");
}
