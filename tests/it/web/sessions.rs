//! Sessions: listed, ended by their person and by an admin, on every replica; known browsers; another id whenever more or less is allowed.

use crate::harness::{
    app::TestApp,
    browser::{Browser, PASSWORD},
    db::{Fresh, Kind, fresh, on_both, reopen},
    tables::Tables,
};
use andon::{
    app::{App, Parts, sessions::Ended},
    domain::{BootClock, Grant, Role},
    fleet::Spool,
    web::session::IDLE_MS,
};
use axum::{body::Body, http::Response, http::StatusCode};
use http_body_util::BodyExt;
use std::{sync::Arc, time::Duration};

pub(super) const COOKIE: &str = "andon-local";
/// An end is known everywhere within a second; a test waits for twice that.
const SOON: Duration = Duration::from_secs(2);
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PHONE: &str = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36";

async fn signed_in_with(test: &TestApp, who: &str, agent: &'static str) -> Browser {
    let mut browser = Browser::new(test);
    browser.agent = Some(agent);
    browser.sign_in_as(test, who).await;
    browser
}

pub(super) async fn is_out(browser: &mut Browser) -> bool {
    browser.get("/people").await;
    browser.leads_to() == "/sign-in?next=%2Fpeople"
}

/// A browser that sends nothing but this session's cookie.
pub(super) fn with_cookie(test: &TestApp, value: &str) -> Browser {
    let mut browser = Browser::new(test);
    browser.cookies.insert(COOKIE.to_owned(), value.to_owned());
    browser
}

async fn titles(test: &TestApp, who: &str) -> Vec<String> {
    let (page, _) = test.app.notices_of(&test.actor(who), None).await.unwrap();
    page.into_iter().map(|notice| notice.title).collect()
}

/// Waits until somebody was told so often: what nobody waits for is written a moment later.
async fn told(test: &TestApp, who: &str, title: &str, times: usize) {
    let wait = async {
        while titles(test, who).await.iter().filter(|told| told.contains(title)).count() != times {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(10), wait).await;
    assert!(found.is_ok(), "{who} was not told {times} times of {title:?}: {:?}", titles(test, who).await);
}

/// Reads a stream to its end.
async fn ends(mut stream: Response<Body>) {
    // The clock of these tests stands still, so that no copy of a session grows old: only word of its end reaches the stream, and soon.
    let read = async { while let Some(Ok(_)) = stream.body_mut().frame().await {} };
    tokio::time::timeout(SOON, read).await.expect("the stream goes on");
}

/// Reads a stream until it has said something.
async fn begins(stream: &mut Response<Body>) {
    tokio::time::timeout(Duration::from_secs(10), stream.body_mut().frame()).await.unwrap().unwrap().unwrap();
}

on_both!(a_person_sees_where_they_are_signed_in_and_ends_one_or_all_others, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut desk = signed_in_with(&test, "operator", FIREFOX).await;
    test.hand.forward_ms(1_000);
    let mut phone = signed_in_with(&test, "operator", PHONE).await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    desk.get("/me").await;
    for part in
        ["Sessions: 2", "Firefox on Linux <b>· this session</b>", "Chrome on Android", "unknown", ">first<", "End all other sessions: 1"]
    {
        assert!(desk.page.contains(part), "{part} is missing from {}", desk.page);
    }
    for cookie in [&desk.cookies[COOKIE], &phone.cookies[COOKIE]] {
        assert!(!desk.page.contains(cookie.as_str()), "no session's id stands on a page");
    }
    let handle = desk.between(r#"name="which" value=""#, "\"").unwrap();
    // Somebody else's session is none of theirs, whatever they send.
    lead.get("/me").await;
    lead.post("/me/sessions/end", &[("which", &handle)]).await;
    assert_eq!(lead.status, StatusCode::CONFLICT);
    desk.post("/me/sessions/end", &[("which", &handle)]).await;
    assert_eq!(desk.leads_to(), "/me#sessions", "{}", desk.page);
    assert!(is_out(&mut phone).await);
    desk.get("/me").await;
    assert!(desk.page.contains("Sessions: 1") && !desk.page.contains("End all other sessions"), "{}", desk.page);
    desk.post("/me/sessions/end", &[("which", &handle)]).await;
    assert!(desk.status == StatusCode::CONFLICT && desk.page.contains("has ended already"), "{}", desk.page);

    let (mut one, mut two) = (Browser::signed_in(&test, "operator").await, Browser::signed_in(&test, "operator").await);
    desk.get("/me").await;
    desk.post("/me/sessions/end", &[("which", "others")]).await;
    assert!(is_out(&mut one).await && is_out(&mut two).await && !is_out(&mut desk).await && !is_out(&mut lead).await);
    let log = Tables::of(&test.fresh).await.rows("audit_record").await;
    let ended: Vec<_> = log.iter().filter(|row| row.contains("session.ended")).collect();
    assert_eq!(ended.len(), 2, "each end is in the log");
    let named = data_encoding::HEXLOWER.encode(handle.as_bytes());
    assert!(ended.iter().any(|row| row.to_lowercase().contains(&named)), "an entry names what was ended");
    test.log_is_good().await;

    // An idle session ends nobody's.
    let mut other = Browser::signed_in(&test, "operator").await;
    desk.get("/me").await;
    test.hand.forward_ms(IDLE_MS + 1_000);
    desk.post("/me/sessions/end", &[("which", "others")]).await;
    assert_eq!(desk.status, StatusCode::UNAUTHORIZED);
    desk.get("/me").await;
    assert!(!desk.page.contains("Sessions:") && desk.page.contains("/sign-in/key?next=%2Fme"), "{}", desk.page);
    other.get("/pause").await;
    assert_eq!(other.status, StatusCode::OK);
});

on_both!(an_admin_sees_and_ends_anybodys_and_the_person_is_told, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let mut operator = signed_in_with(&test, "operator", PHONE).await;
    let mut stream = operator.stream("/live/fleet?bots=").await;
    begins(&mut stream).await;
    let page = format!("/people/{}", test.people["operator"].id);
    for who in ["lead", "risk", "auditor"] {
        let mut other = Browser::signed_in(&test, who).await;
        other.get(&page).await;
        let sees = other.page.contains("Chrome on Android");
        assert!(sees == (who == "auditor") && !other.page.contains("/sessions/end"), "{who}: {}", other.page);
        other.post(&format!("{page}/sessions/end"), &[("which", "all")]).await;
        assert_eq!(other.status, StatusCode::FORBIDDEN, "{who}");
    }
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get(&page).await;
    assert!(admin.page.contains("Sessions: 1") && admin.page.contains("Chrome on Android"), "{}", admin.page);
    admin.post(&format!("{page}/sessions/end"), &[("which", "all")]).await;
    assert_eq!(admin.leads_to(), format!("{page}#sessions"), "{}", admin.page);
    ends(stream).await;
    assert!(is_out(&mut operator).await);
    told(&test, "operator", "An admin ended your sessions", 1).await;
    admin.get(&page).await;
    admin.post(&format!("{page}/sessions/end"), &[("which", "all")]).await;
    assert_eq!(admin.status, StatusCode::CONFLICT);
    operator.sign_in_as(&test, "operator").await;
    test.log_is_good().await;
});

on_both!(a_browser_that_was_not_used_before_is_told_of_once, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut first = signed_in_with(&test, "operator", FIREFOX).await;
    first.get("/me").await;
    first.post("/sign-out", &[]).await;
    first.sign_in_as(&test, "operator").await;
    assert!(titles(&test, "operator").await.is_empty(), "the first is not told of, nor one that is known");
    let mut phone = signed_in_with(&test, "operator", PHONE).await;
    told(&test, "operator", "A sign-in from a new browser", 1).await;
    let (page, _) = test.app.notices_of(&test.actor("operator"), None).await.unwrap();
    assert!(page[0].text.contains("Chrome on Android at"), "{}", page[0].text);
    phone.get("/me").await;
    phone.post("/sign-out", &[]).await;
    phone.sign_in_as(&test, "operator").await;
    // Known to one person is not known to another.
    phone.get("/me").await;
    phone.post("/sign-out", &[]).await;
    Browser::signed_in(&test, "lead").await;
    phone.sign_in_as(&test, "lead").await;
    told(&test, "lead", "A sign-in from a new browser", 1).await;
    assert_eq!(titles(&test, "operator").await.len(), 1);
    for value in [&first.cookies["andon-browser-local"], &phone.cookies["andon-browser-local"]] {
        for (table, rows) in Tables::of(&test.fresh).await.everything().await {
            assert!(!rows.contains(value.as_str()), "a browser's cookie stands in {table}");
        }
    }
});

on_both!(wrong_passwords_and_a_wrong_key_are_told_of_once_an_hour, |fresh: Fresh| async move {
    const PASSWORDS: &str = "Wrong passwords were given for your name";
    const KEY: &str = "Your password was given, and a wrong security key";
    let test = TestApp::new(fresh).await;
    let mut browser = Browser::new(&test);
    for hour in 1..=2 {
        browser.get("/sign-in").await;
        for n in 0..4 {
            browser.post("/sign-in", &[("name", "operator"), ("password", "wrong-one-1")]).await;
            assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY, "try {n}");
        }
        told(&test, "operator", PASSWORDS, hour).await;
        for _ in 0..2 {
            browser.get("/sign-in").await;
            browser.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
            browser.get("/sign-in/key").await;
            // An answer that no key of theirs has given.
            let options = browser.between("data-options=\"", "\"").unwrap();
            let mut forged: serde_json::Value = serde_json::from_str(&test.people["operator"].key.sign(&options).unwrap()).unwrap();
            forged["response"]["signature"] = serde_json::json!("MEUCIQDx");
            browser.post("/sign-in/key", &[("response", &forged.to_string())]).await;
            assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", browser.page);
        }
        told(&test, "operator", KEY, hour).await;
        told(&test, "operator", PASSWORDS, hour).await;
        test.hand.forward_ms(61 * 60 * 1_000);
    }
    assert!(titles(&test, "lead").await.is_empty());
    test.log_is_good().await;
});

on_both!(a_key_wakes_a_session_under_another_id_and_open_pages_still_press, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/pause").await;
    let open = browser.page.clone();
    test.hand.forward_ms(IDLE_MS + 1_000);
    browser.get("/pause").await;
    assert!(browser.page.contains("This session may only stop") && browser.page.contains("/sign-in/key?next=%2Fpause"), "how to wake");
    assert!(browser.page.contains("Pause the fleet of 0 bots anyway") || browser.page.contains("Pause all 1 bot anyway"), "counts");
    let old = browser.cookies[COOKIE].clone();
    browser.get("/sign-in/key").await;
    browser.touch(&test, "operator", "/sign-in/key").await;
    assert_eq!(browser.leads_to(), "/fleet");
    assert_ne!(browser.cookies[COOKIE], old);
    assert!(!is_out(&mut browser).await);
    browser.get("/me").await;
    assert!(browser.page.contains("Sessions: 1"), "it is the same session: {}", browser.page);

    // A press that was on its way with the old id is not refused; nothing else is done with it, and soon not even that.
    let mut late = with_cookie(&test, &old);
    late.get("/people").await;
    assert!(late.leads_to().starts_with("/sign-in/key"), "{}", late.status);
    late.page = open.clone();
    late.post("/holds", &[("scope", "fleet"), ("key", "late")]).await;
    assert!(late.leads_to().starts_with("/holds/"), "{}", late.page);
    test.hand.forward_ms(11_000);
    assert!(is_out(&mut with_cookie(&test, &old)).await);

    // A page that was open in another tab before still presses.
    browser.page = open;
    browser.post("/holds", &[("scope", "fleet"), ("key", "tab")]).await;
    assert!(browser.leads_to().starts_with("/holds/"), "{}", browser.page);
});

/// Sets somebody's roles as the admin.
pub(super) async fn set_roles(test: &TestApp, who: &str, grants: Vec<Grant>) {
    test.give(&test.people[who].id, grants).await;
}

on_both!(other_rights_are_another_id_and_count_from_the_next_request_on, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/pause").await;
    let (open, old) = (browser.page.clone(), browser.cookies[COOKIE].clone());
    assert!(!browser.headers.contains_key("set-cookie"), "nothing has changed");
    set_roles(&test, "operator", vec![Grant { role: Role::Auditor, team: None }]).await;
    browser.post("/holds", &[("scope", "fleet"), ("key", "k")]).await;
    assert_eq!(browser.status, StatusCode::FORBIDDEN, "a page that was open presses nothing that its person may not: {}", browser.page);
    assert_eq!(browser.cookies[COOKIE], old, "what stops does nothing beside it");
    browser.get("/pause").await;
    assert!(browser.page.contains("You may not pause bots"));
    assert_eq!(browser.cookies[COOKIE], old, "a page may not arrive, so that it changes nothing");
    browser.get("/notices").await;
    browser.post("/notices/read", &[]).await;
    let renewed = browser.cookies[COOKIE].clone();
    assert_ne!(renewed, old);
    browser.get("/audit").await;
    assert_eq!((browser.status, &browser.cookies[COOKIE]), (StatusCode::OK, &renewed), "once");
    let mut thief = with_cookie(&test, &old);
    thief.get("/audit").await;
    assert!(thief.leads_to().starts_with("/sign-in/key"), "whoever has the old id gains nothing");
    test.hand.forward_ms(11_000);
    assert!(is_out(&mut with_cookie(&test, &old)).await);
    browser.page = open;
    browser.post("/holds", &[("scope", "fleet")]).await;
    assert_eq!(browser.status, StatusCode::FORBIDDEN);
    assert_eq!(test.app.fleet.view().open_holds().count(), 0);
    test.log_is_good().await;
});

/// Another replica over the same database, with connections of its own, that hears of what the first commits.
pub(super) async fn replica(test: &TestApp) -> Arc<App> {
    let db = reopen(&test.fresh.place).await;
    let (spool, spooled) = Spool::open(&test.fresh.dir.path().join("spool-of-another")).unwrap();
    let (clock, installation) = (test.hand.clock(), test.app.installation.clone());
    let origin = test.app.origin.clone();
    App::assemble(Parts {
        db,
        clock,
        boot_clock: BootClock::system(),
        installation,
        origin,
        spool,
        spooled,
        is_compared_first: false,
        node: "test:2".into(),
        exchanges: andon::venues::Venues::open(
            andon::domain::Clock::system(),
            &andon::venues::Places::At("http://127.0.0.1:1".parse().unwrap()),
        )
        .unwrap(),
    })
    .await
    .unwrap()
}

async fn at(app: &Arc<App>, from: &Browser) -> Browser {
    let mut browser = Browser::on(app);
    browser.cookies.clone_from(&from.cookies);
    browser.get("/people").await;
    assert_eq!(browser.status, StatusCode::OK, "every replica knows the session");
    browser
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_takes_away_is_gone_on_the_others() {
    let test = TestApp::new(fresh(Kind::Postgres).await).await;
    test.bot("arb-1", "arb").await;
    let other = replica(&test).await;
    let sync = tokio::spawn(andon::workers::sync::run(other.clone()));
    for (who, what) in [("operator", "disabled"), ("lead", "session ended"), ("risk", "roles"), ("grid lead", "signed out")] {
        let mut here = Browser::signed_in(&test, who).await;
        let mut there = at(&other, &here).await;
        there.get("/pause").await;
        let mut stream = there.stream("/live/fleet?bots=").await;
        begins(&mut stream).await;
        match what {
            "disabled" => test.app.disable(&test.actor("admin"), &test.people[who].id).await.unwrap(),
            "session ended" => {
                let which = andon::app::sessions::Which::All;
                let ended = test.app.end_sessions(&test.actor("admin"), &test.people[who].id, which).await.unwrap();
                assert_eq!(ended, Ended::Everywhere(1));
            }
            "roles" => set_roles(&test, who, vec![Grant { role: Role::Operator, team: Some(test.team("arb")) }]).await,
            _ => {
                here.get("/me").await;
                here.post("/sign-out", &[]).await;
            }
        }
        if what == "roles" {
            // The stream goes on, with the rights of now; so does the page.
            let id = &test.people[who].id;
            let wait = async {
                while other.people().holds(id, Role::Risk) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), wait).await.expect("the other replica was not told");
            begins(&mut stream).await;
            assert!(!is_out(&mut there).await);
        } else {
            ends(stream).await;
            assert!(is_out(&mut there).await, "{what}");
            assert!(is_out(&mut here).await, "{what}");
        }
    }
    sync.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_was_ended_elsewhere_is_not_written_back() {
    let test = TestApp::new(fresh(Kind::Postgres).await).await;
    let other = replica(&test).await;
    test.hand.forward_ms(5);
    let here = Browser::signed_in(&test, "operator").await;
    let mut there = at(&other, &here).await;
    // The other replica has not heard of the end, and its next page writes the session: when its person last acted, and another ceremony.
    test.app.end_sessions(&test.actor("admin"), &test.people["operator"].id, andon::app::sessions::Which::All).await.unwrap();
    test.hand.forward_ms(500);
    there.get("/me/keys/new").await;
    test.hand.forward_ms(1_000);
    assert!(is_out(&mut there).await);
    let rows = Tables::of(&test.fresh).await.rows("session").await;
    assert!(rows.iter().all(|row| !row.contains(test.people["operator"].id.as_str())), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_cut_off_still_stops_for_whom_it_knows_and_refuses_them_once_it_hears() {
    let test = TestApp::new(fresh(Kind::Postgres).await).await;
    test.bot("arb-1", "arb").await;
    let (cut_off, late) = (replica(&test).await, test.restarted().await);
    let here = Browser::signed_in(&test, "operator").await;
    let (mut there, mut later) = (at(&cut_off, &here).await, at(&late, &here).await);
    cut_off.db.close().await;
    test.app.disable(&test.actor("admin"), &test.people["operator"].id).await.unwrap();
    // Minutes later and idle, it stops for somebody of whom it has not heard: to stop is never refused for want of news.
    test.hand.forward_ms(20 * 60 * 1_000);
    there.get("/pause").await;
    assert_eq!(there.status, StatusCode::OK, "{}", there.page);
    there.post("/holds", &[("scope", "fleet"), ("key", "k")]).await;
    assert!(there.leads_to().starts_with("/holds/"), "{}", there.page);
    there.get("/people").await;
    assert!(there.leads_to().starts_with("/sign-in/key"), "idle: {}", there.status);
    assert_eq!(cut_off.fleet.view().open_holds().count(), 1);
    // One that reads the database again knows.
    late.refresh().await.unwrap();
    assert!(is_out(&mut later).await);
    later.post("/holds", &[("scope", "fleet")]).await;
    assert!(later.status.is_client_error() && later.page.contains("NOT PAUSED"), "{}", later.page);
}

on_both!(without_database_a_session_stops_for_hours_and_one_that_is_not_remembered_is_told_what_else_stops, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/pause").await;
    let restarted = test.restarted().await;
    let late = Browser::signed_in(&test, "lead").await;
    test.fresh.db.close().await;
    // A server that started anew knows who was signed in by then, though nobody of them has come back yet.
    let mut known = Browser::on(&restarted);
    known.cookies.clone_from(&browser.cookies);
    known.get("/pause").await;
    assert_eq!(known.status, StatusCode::OK, "{}", known.page);
    known.post("/holds", &[("scope", "fleet"), ("key", "known")]).await;
    assert!(known.leads_to().starts_with("/holds/"), "{}", known.page);
    for minutes in [1, 30, 300] {
        test.hand.forward_ms(minutes * 60 * 1_000);
        browser.get("/pause").await;
        browser.post("/holds", &[("scope", "fleet"), ("key", &minutes.to_string())]).await;
        assert!(browser.leads_to().starts_with("/holds/"), "after {minutes} min: {}", browser.page);
        let receipt = browser.leads_to().to_owned();
        browser.get(&receipt).await;
        assert!(browser.status.is_success(), "{}", browser.page);
    }
    // Somebody who signed in later, elsewhere, is unknown there. It says so, what else stops, and leaves the browser its session.
    let mut stranger = Browser::on(&restarted);
    stranger.cookies.clone_from(&late.cookies);
    let cookie = stranger.cookies[COOKIE].clone();
    for path in ["/pause", "/fleet", "/sign-in"] {
        stranger.get(path).await;
        assert_eq!(stranger.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        for part in ["andon stop --all", "your session is not lost"] {
            assert!(stranger.page.contains(part), "{path}: {part} is missing from {}", stranger.page);
        }
    }
    stranger.page.clone_from(&browser.page);
    stranger.post("/holds", &[("scope", "fleet")]).await;
    assert!(stranger.status == StatusCode::SERVICE_UNAVAILABLE && stranger.page.contains("<h1>NOT PAUSED"), "{}", stranger.page);
    assert!(stranger.page.contains("andon stop --all") && stranger.page.contains("Nothing was stopped"));
    assert_eq!(stranger.cookies[COOKIE], cookie);
    assert_eq!(restarted.fleet.view().open_holds().count(), 1, "of whom it knew, and no other");
    // The twelve hours end without a database as well.
    test.hand.forward_ms(12 * 60 * 60 * 1_000);
    browser.get("/pause").await;
    assert!(!browser.status.is_success(), "{}", browser.page);
});

#[tokio::test]
async fn cookies_are_tied_to_this_host_over_tls() {
    let test = TestApp::at(fresh(Kind::Sqlite).await, "https://andon.example").await;
    let mut browser = Browser::at(&test.app);
    let mut set = Vec::new();
    let note = |browser: &Browser, set: &mut Vec<String>| {
        set.extend(browser.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()));
    };
    browser.get("/sign-in").await;
    note(&browser, &mut set);
    browser.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
    note(&browser, &mut set);
    browser.get("/sign-in/key").await;
    browser.touch(&test, "operator", "/sign-in/key").await;
    note(&browser, &mut set);
    assert_eq!(browser.leads_to(), "/fleet", "{}", browser.page);
    for name in ["__Host-andon=", "__Host-andon-form=", "__Host-andon-browser="] {
        assert!(set.iter().any(|cookie| cookie.starts_with(name)), "{name} in {set:?}");
    }
    for cookie in &set {
        assert!(cookie.starts_with("__Host-"), "{cookie}");
        for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(cookie.split("; ").any(|said| said == part), "{part} is missing from {cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    // Under another name, or without the prefix, it is no session.
    let value = browser.cookies["__Host-andon"].clone();
    let mut other = Browser::at(&test.app);
    for name in ["andon", "andon-local", "__Secure-andon"] {
        other.cookies.insert(name.to_owned(), value.clone());
    }
    assert!(is_out(&mut other).await);
}
