//! Changing a session's id: whoever has the old one gains nothing, and nobody is out because an answer with the new one did not arrive. A press
//! waits for no session.

use super::sessions::{COOKIE, is_out, replica, set_roles, with_cookie};
use crate::harness::{
    app::TestApp,
    browser::Browser,
    db::{Fresh, Kind, fresh, on_both},
    tables::Tables,
};
use andon::{
    domain::{Grant, Role},
    web::session::IDLE_MS,
};
use axum::http::StatusCode;
use std::time::Duration;

/// Changes somebody's rights to and fro, so that their next form gets another id.
async fn other_rights(test: &TestApp, n: usize) {
    let arb = Some(test.team("arb"));
    let role = if n.is_multiple_of(2) { Role::Lead } else { Role::Operator };
    set_roles(test, "operator", vec![Grant { role, team: arb }]).await;
}

/// Sends a form whose answer never arrives: the browser keeps what it had. Answers with the cookie that was lost.
async fn lost(browser: &mut Browser) -> String {
    let kept = browser.cookies.clone();
    browser.get("/notices").await;
    browser.post("/notices/read", &[]).await;
    let lost = browser.cookies[COOKIE].clone();
    assert_ne!(lost, kept[COOKIE], "the form changed the id: {}", browser.status);
    browser.cookies = kept;
    lost
}

async fn stops(browser: &mut Browser, key: &str) {
    browser.get("/pause").await;
    assert_eq!(browser.status, StatusCode::OK, "{}", browser.page);
    browser.post("/holds", &[("scope", "fleet"), ("key", key)]).await;
    assert!(browser.leads_to().starts_with("/holds/"), "{}", browser.page);
}

on_both!(an_answer_that_does_not_arrive_costs_a_touch_of_the_key_and_no_session, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    let first = browser.cookies[COOKIE].clone();
    // Twice in a row: the id is then two steps behind.
    other_rights(&test, 0).await;
    browser.get("/notices").await;
    lost(&mut browser).await;
    stops(&mut browser, "one").await;
    test.hand.forward_ms(60_000);
    stops(&mut browser, "two").await;
    let mut there = Browser::on(&test.restarted().await);
    there.cookies.clone_from(&browser.cookies);
    stops(&mut there, "three").await;
    browser.get("/people").await;
    assert!(browser.leads_to().starts_with("/sign-in/key"), "it only stops: {}", browser.leads_to());
    browser.get("/sign-in/key").await;
    browser.touch(&test, "operator", "/sign-in/key").await;
    assert_eq!(browser.leads_to(), "/fleet", "{}", browser.page);
    let second = browser.cookies[COOKIE].clone();
    assert_ne!(second, first);
    assert!(!is_out(&mut browser).await);
    browser.get("/me").await;
    assert!(browser.page.contains("Sessions: 1"), "it is the same session: {}", browser.page);
    // The new one came back: soon the old one is nobody's, on every replica.
    test.hand.forward_ms(11_000);
    test.app.sessions.write_unsaved().await;
    assert!(is_out(&mut with_cookie(&test, &first)).await);
    let mut there = Browser::on(&test.restarted().await);
    there.cookies.insert(COOKIE.to_owned(), first);
    assert!(is_out(&mut there).await);
    there.cookies.insert(COOKIE.to_owned(), second);
    assert!(!is_out(&mut there).await);
});

on_both!(ids_follow_each_other_and_sign_out_ends_them_all, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    let first = browser.cookies[COOKIE].clone();
    other_rights(&test, 0).await;
    let second = lost(&mut browser).await;
    // Another tab has the second one, and loses the answer with the third.
    let mut tab = with_cookie(&test, &second);
    other_rights(&test, 1).await;
    tab.get("/notices").await;
    tab.post("/notices/read", &[]).await;
    let third = tab.cookies[COOKIE].clone();
    assert_ne!(third, second);
    for (n, cookie) in [&first, &second].into_iter().enumerate() {
        stops(&mut with_cookie(&test, cookie), &format!("k{n}")).await;
    }
    assert!(!is_out(&mut with_cookie(&test, &third)).await);
    let mut leaves = with_cookie(&test, &second);
    leaves.get("/me").await;
    leaves.post("/sign-out", &[]).await;
    for cookie in [first, second, third] {
        let mut browser = with_cookie(&test, &cookie);
        assert!(is_out(&mut browser).await);
        browser.get("/pause").await;
        assert!(browser.leads_to().starts_with("/sign-in"), "{}", browser.status);
    }
});

on_both!(rights_change_the_id_once_whoever_asks_beside, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    other_rights(&test, 0).await;
    browser.get("/notices").await;
    let old = browser.cookies[COOKIE].clone();
    let page = browser.page.clone();
    let one = |n: usize| {
        let (mut tab, page) = (with_cookie(&test, &old), page.clone());
        async move {
            tab.page = page;
            tab.post(if n == 0 { "/notices/read" } else { "/first-run" }, &[("shown", "yes")]).await;
            tab.cookies[COOKIE].clone()
        }
    };
    let ids = [one(0).await, one(1).await];
    let new: Vec<_> = ids.iter().filter(|id| **id != old).collect();
    assert_eq!(new.len(), 1, "{ids:?}");
    assert!(!is_out(&mut with_cookie(&test, new[0])).await);
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_one_replica_changed_still_stops_on_the_other() {
    let test = TestApp::new(fresh(Kind::Postgres).await).await;
    test.bot("arb-1", "arb").await;
    let other = replica(&test).await;
    let mut here = Browser::signed_in(&test, "operator").await;
    let mut there = Browser::on(&other);
    there.cookies.clone_from(&here.cookies);
    assert!(!is_out(&mut there).await);
    other_rights(&test, 0).await;
    other.refresh().await.unwrap();
    let new = lost(&mut here).await;
    test.hand.forward_ms(1_001);
    stops(&mut there, "k").await;
    there.get("/people").await;
    assert!(there.leads_to().starts_with("/sign-in/key"), "{}", there.leads_to());
    // The new one comes back on the other replica, which forgets the old one for both.
    there.cookies.insert(COOKIE.to_owned(), new);
    assert!(!is_out(&mut there).await);
    test.hand.forward_ms(11_000);
    assert!(!is_out(&mut there).await);
    other.sessions.write_unsaved().await;
    assert!(is_out(&mut here).await);
}

on_both!(a_press_writes_nothing_of_its_session, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/pause").await;
    test.hand.forward_ms(5 * 60_000);
    let tables = Tables::of(&test.fresh).await;
    let before = tables.rows("session").await;
    browser.post("/holds", &[("scope", "fleet"), ("key", "k")]).await;
    assert!(browser.leads_to().starts_with("/holds/"), "{}", browser.page);
    assert_eq!(tables.rows("session").await, before);
    assert!(!browser.headers.contains_key("set-cookie"));
    browser.get("/pause").await;
    assert_ne!(tables.rows("session").await, before, "a page says that somebody is there");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_of_whoever_is_remembered_asks_the_database_beside_it_not_before_it() {
    let test = TestApp::new(fresh(Kind::Postgres).await).await;
    test.bot("arb-1", "arb").await;
    let other = replica(&test).await;
    let here = Browser::signed_in(&test, "operator").await;
    let mut there = Browser::on(&other);
    there.cookies.clone_from(&here.cookies);
    there.get("/pause").await;
    // Ended elsewhere, which this replica has not heard; its copy is old enough to be asked about.
    let which = andon::app::sessions::Which::All;
    test.app.end_sessions(&test.actor("admin"), &test.people["operator"].id, which).await.unwrap();
    test.hand.forward_ms(5_000);
    there.post("/holds", &[("scope", "fleet"), ("key", "k")]).await;
    assert!(there.leads_to().starts_with("/holds/"), "a stop is not refused over news that has not come: {}", there.page);
    let wait = async {
        loop {
            there.post("/holds", &[("scope", "fleet"), ("key", "k")]).await;
            if there.status == StatusCode::UNAUTHORIZED {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it was never asked about");
}

on_both!(a_page_loaded_before_the_last_sign_in_still_presses_and_does_nothing_else, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/pause").await;
    let open = browser.page.clone();
    browser.get("/me").await;
    browser.post("/sign-out", &[]).await;
    browser.sign_in_as(&test, "operator").await;
    browser.page.clone_from(&open);
    browser.post("/notices/read", &[]).await;
    assert_eq!(browser.status, StatusCode::FORBIDDEN, "any other form is too old: {}", browser.page);
    browser.page.clone_from(&open);
    browser.post("/holds", &[("scope", "fleet"), ("key", "k")]).await;
    assert!(browser.leads_to().starts_with("/holds/"), "{}", browser.page);
    // From another site it is refused all the same, and without a session as well.
    browser.post_raw("/holds", "scope=fleet&key=evil".to_owned(), Some("https://evil.example")).await;
    assert_eq!(browser.status, StatusCode::FORBIDDEN);
    browser.post_raw("/holds", "scope=fleet&key=nobody".to_owned(), None).await;
    assert_eq!(browser.status, StatusCode::FORBIDDEN);
    let mut nobody = Browser::new(&test);
    nobody.page = open;
    nobody.post("/holds", &[("scope", "fleet")]).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    assert_eq!(test.app.fleet.view().open_holds().count(), 1);
});

on_both!(a_link_that_somebody_sent_ends_nobodys_session, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let link = test.link("guest", vec![Grant { role: Role::Auditor, team: None }]).await;
    let path = link.expose().strip_prefix(crate::harness::app::ORIGIN).unwrap().to_owned();
    let mut browser = Browser::signed_in(&test, "operator").await;
    let cookie = browser.cookies[COOKIE].clone();
    for idle_ms in [0, IDLE_MS + 1_000] {
        test.hand.forward_ms(idle_ms);
        browser.get(&path).await;
        assert!(browser.status == StatusCode::OK && browser.page.contains("Leave this session?"), "{}", browser.page);
        assert_eq!(browser.cookies[COOKIE], cookie, "awake or asleep");
    }
    let asked = browser.page.clone();
    browser.get("/pause").await;
    assert_eq!(browser.status, StatusCode::OK);
    browser.post_raw(&path, String::new(), Some("https://evil.example")).await;
    assert_eq!(browser.status, StatusCode::FORBIDDEN);
    browser.page = asked;
    browser.post(&path, &[]).await;
    assert_eq!(browser.leads_to(), "/welcome", "{}", browser.page);
    assert!(is_out(&mut with_cookie(&test, &cookie)).await, "whoever says so leaves");
    browser.get("/welcome").await;
    assert!(browser.page.contains("guest"), "{}", browser.page);
    let rows = Tables::of(&test.fresh).await.rows("audit_record").await;
    let named = data_encoding::HEXLOWER.encode(b"sign_in.ended");
    assert!(rows.iter().any(|row| row.contains("sign_in.ended") || row.to_lowercase().contains(&named)), "with its entry");
});
