//! Attacks on the way in: another way to a session, a session that somebody else knows, a way out to another site, names that give themselves
//! away. Forms from other sites are attacked in `forms.rs`, frames in `errors.rs`, security keys in `keys.rs`.

use crate::harness::{
    app::TestApp,
    browser::{Browser, PASSWORD},
    callers::Who,
    db::{Fresh, Kind, fresh, on_both},
    examples::is_of_programs,
    scene::{Scene, is_of_demos, rows},
    tables::Tables,
};
use andon::{
    domain::Secret,
    web::{layers::sessions::cookie_name, router::ROUTES, session},
};
use axum::http::{StatusCode, header};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tower_sessions::{Session, session::Id};

const COOKIE: &str = "andon-local";

/// Every route, as everybody: which of them let somebody in who was not in before.
async fn ways_in(scene: &Scene, is_demo: bool) -> BTreeSet<(&'static str, &'static str)> {
    let mut found = BTreeSet::new();
    let name = format!("{}=", cookie_name(&scene.test.app.origin));
    for route in ROUTES.iter().filter(|route| !is_of_programs(route) && is_of_demos(route) == is_demo) {
        for who in Who::ALL {
            let caller = scene.caller(who).await;
            let before = caller.session.as_ref().and_then(Session::id);
            let ask = scene.example(route, rows(route)[0], &caller).await;
            let reply = scene.send(route, &caller, &ask).await;
            for set in reply.headers.get_all(header::SET_COOKIE) {
                let Some(value) = set.to_str().unwrap().strip_prefix(&name) else { continue };
                let Ok(id) = value.split(';').next().unwrap().parse::<Id>() else { continue };
                let store = Arc::new(scene.test.app.sessions.clone());
                let held = session::read(&Session::new(Some(id), store, None)).await;
                if held.user.is_some() && before != Some(id) {
                    found.insert((route.method, route.path));
                }
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_one_way_to_a_session() {
    let scene = Scene::new(fresh(Kind::Sqlite).await).await;
    assert_eq!(ways_in(&scene, false).await, BTreeSet::from([("POST", "/sign-in/key")]), "whoever is let in touched a key");
    // What a demo has besides is not there.
    let operator = scene.caller(Who::Operator).await;
    for route in ROUTES.iter().filter(|route| is_of_demos(route)) {
        let ask = scene.example(route, rows(route)[0], &operator).await;
        let reply = scene.send(route, &operator, &ask).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{} {}", route.method, route.path);
    }
    let demo = Scene::demo(fresh(Kind::Sqlite).await).await;
    assert_eq!(ways_in(&demo, true).await, BTreeSet::from([("GET", "/demo/{link}")]), "a demo's links, in a demo");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_route_takes_a_token_from_the_address() {
    let scene = Scene::new(fresh(Kind::Sqlite).await).await;
    let nobody = scene.caller(Who::Nobody).await;
    let (manage, agent, operator) =
        (scene.caller(Who::TeamOperateToken).await, scene.caller(Who::Agent).await, scene.caller(Who::Operator).await);
    let session = operator.session.as_ref().and_then(Session::id).unwrap().to_string();
    for route in ROUTES.iter().filter(|route| route.method == "GET" && !is_of_demos(route)) {
        let mut ask = scene.example(route, rows(route)[0], &operator).await;
        let open = scene.send(route, &nobody, &ask).await.status;
        let join = if ask.path.contains('?') { '&' } else { '?' };
        let (manage, agent) = (manage.bearer.as_deref().unwrap(), agent.bearer.as_deref().unwrap());
        ask.path = format!("{}{join}token={manage}&access_token={agent}&{COOKIE}={session}&session={session}", ask.path);
        let status = scene.send(route, &nobody, &ask).await.status;
        // Where tokens are taken, one in the address is named as the mistake that it is.
        assert!(status == open || (status == StatusCode::BAD_REQUEST && open == StatusCode::UNAUTHORIZED), "{}: {status}", route.path);
    }
}

#[tokio::test]
async fn a_session_that_somebody_else_knows_is_nobodys_after_the_sign_in() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    // An id that was made up is not taken over.
    let mut victim = Browser::new(&test);
    let made_up = Id::default().to_string();
    victim.cookies.insert(COOKIE.to_owned(), made_up.clone());
    victim.sign_in_as(&test, "operator").await;
    assert_ne!(victim.cookies[COOKIE], made_up);

    // The attacker's own sessions, planted: half a sign-in of theirs, and a whole one.
    let mut half = Browser::new(&test);
    half.get("/sign-in").await;
    half.post("/sign-in", &[("name", "lead"), ("password", PASSWORD)]).await;
    let mut whole = Browser::signed_in(&test, "lead").await;
    for attacker in [&mut half, &mut whole] {
        let planted = attacker.cookies[COOKIE].clone();
        let mut victim = Browser::new(&test);
        victim.cookies.clone_from(&attacker.cookies);
        // Whoever is in already is not asked; then the victim signs out first, as the page says who they are.
        victim.get("/me").await;
        if victim.status.is_success() {
            victim.post("/sign-out", &[]).await;
        }
        victim.sign_in_as(&test, "operator").await;
        assert_ne!(victim.cookies[COOKIE], planted);
        attacker.cookies.insert(COOKIE.to_owned(), planted);
        attacker.get("/me").await;
        assert!(attacker.leads_to().starts_with("/sign-in"), "{}", attacker.page);
        attacker.get("/sign-in/key").await;
        assert!(attacker.leads_to().starts_with("/sign-in"), "the half that the attacker had is gone too");
    }
    // Nor is a form's token that was planted worth anything afterwards.
    let mut victim = Browser::new(&test);
    victim.get("/sign-in").await;
    let planted = (victim.cookies["andon-form-local"].clone(), victim.page.clone());
    victim.sign_in_as(&test, "risk").await;
    victim.cookies.insert("andon-form-local".to_owned(), planted.0);
    victim.page = planted.1;
    victim.post("/sign-out", &[]).await;
    assert_eq!(victim.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn signing_in_leads_to_no_other_site() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let away = [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/%09/evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "https:evil.example",
        "/.//evil.example",
        "http://localhost:8787@evil.example/",
        "/fleet\r\nSet-Cookie: andon-local=1",
        "",
    ];
    for next in away {
        let mut browser = Browser::new(&test);
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        browser.get(&format!("/sign-in?{query}")).await;
        browser.post("/sign-in", &[("name", "operator"), ("password", PASSWORD), ("next", next)]).await;
        stays(next, &browser);
        browser.get(&format!("/sign-in/key?{query}")).await;
        let options = browser.between("data-options=\"", "\"").unwrap();
        let answer = test.people["operator"].key.sign(&options).unwrap();
        browser.post("/sign-in/key", &[("response", &answer), ("next", next)]).await;
        stays(next, &browser);
        for path in ["/sign-in", "/sign-in/key"] {
            browser.get(&format!("{path}?{query}")).await;
            stays(next, &browser);
        }
    }
}

/// The browser is led to a page of this origin, as browsers read a `Location`.
fn stays(next: &str, browser: &Browser) {
    assert_eq!(browser.status, StatusCode::SEE_OTHER, "{next:?}: {}", browser.page);
    let origin = url::Url::parse("http://localhost:8787/sign-in").unwrap();
    let led = origin.join(browser.leads_to()).unwrap();
    assert_eq!(led.origin(), origin.origin(), "{next:?} leads to {led}");
    assert!(!browser.headers.get_all("set-cookie").iter().any(|set| set.as_bytes() == b"andon-local=1"));
}

/// What the program does that somebody outside could measure: statements of the database, and argon2.
#[derive(Clone, Default)]
struct Work(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Work {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        matches!(metadata.target(), "sqlx::query" | "andon::password")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Words(String);
        impl tracing::field::Visit for Words {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if matches!(field.name(), "summary" | "message") {
                    self.0 = format!("{}{value:?} ", self.0);
                }
            }
        }
        let mut words = Words(String::new());
        event.record(&mut words);
        self.0.lock().unwrap().push(words.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

impl Work {
    fn done(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

on_both!(a_name_that_nobody_has_costs_and_says_what_one_that_somebody_has_does, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let admin = test.actor("admin");
    test.app.disable(&admin, &test.people["lead"].id).await.unwrap();
    test.link("invited", vec![andon::domain::Grant { role: andon::domain::Role::Risk, team: None }]).await;
    let work = Work::default();
    tracing::subscriber::set_global_default(work.clone()).unwrap();
    let mut seen = Vec::new();
    // What a first question costs besides, connections and plans, is not counted.
    for _ in 0..2 {
        test.app.sign_in_password("first", Secret::new("wrong-one-1".into()), &Default::default()).await.unwrap_err();
    }
    // Somebody, nobody, somebody who may not come in any more even with the right password, and one who has not come in yet.
    for (name, password) in [("operator", "wrong-one-1"), ("nobody", "wrong-one-1"), ("lead", PASSWORD), ("invited", "wrong-one-1")] {
        let mut browser = Browser::new(&test);
        browser.get("/sign-in").await;
        work.done();
        browser.post("/sign-in", &[("name", name), ("password", password)]).await;
        // What is asked of the database and what argon2 works; an entry about somebody has one row more in the index of what entries are about.
        // What the server asks by itself meanwhile is nobody's: on PostgreSQL it looks again and again for alerts of others.
        let is_asked = |line: &String| !line.contains("INSERT INTO audit_about") && !line.contains("FROM alert");
        let done: Vec<_> = work.done().into_iter().filter(is_asked).collect();
        let page: String = browser
            .page
            .replace(&format!("value=\"{name}\""), "")
            .lines()
            .filter(|line| !line.contains("csrf") && !line.contains("As of"))
            .collect();
        let heads: Vec<String> = browser.headers.keys().map(|name| name.to_string()).collect();
        seen.push((name, browser.status, heads, page, done));
    }
    let (_, status, heads, page, done) = &seen[0];
    assert_eq!(*status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(done.iter().filter(|line| line.contains("argon2")).count(), 1, "{done:?}");
    assert_eq!(done.iter().filter(|line| line.contains("password_hash")).count(), 1, "{done:?}");
    for other in &seen[1..] {
        assert_eq!((&other.1, &other.2, &other.3, &other.4), (status, heads, page, done), "{}", other.0);
    }
    // The limit tells nothing either: it counts names, not people.
    let mut waits = Vec::new();
    for name in ["operator", "nobody", "lead", "invited"] {
        let whence = andon::app::sign_in::Whence { place: format!("of {name}"), ..Default::default() };
        let mut refused = Vec::new();
        for _ in 0..8 {
            let error = test.app.sign_in_password(name, Secret::new("wrong-one-1".into()), &whence).await.unwrap_err();
            refused.push(error.to_string());
        }
        waits.push(refused);
    }
    assert!(waits.iter().all(|refused| *refused == waits[0]), "{waits:?}");
    assert_ne!(waits[0].first(), waits[0].last(), "the limit was reached");
});

#[tokio::test]
async fn stopping_has_no_limit() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    test.bot("arb-1", "arb").await;
    let mut guesser = Browser::new(&test);
    guesser.get("/sign-in").await;
    for _ in 0..60 {
        guesser.post("/sign-in", &[("name", "operator"), ("password", "wrong-one-1")]).await;
    }
    assert_eq!(guesser.status, StatusCode::TOO_MANY_REQUESTS);
    let wait = guesser.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap();
    assert!(wait > 0);
    let session = Session::new(None, Arc::new(test.app.sessions.clone()), None);
    crate::harness::callers::sign_in(&test, &session, &test.people["operator"].id).await;
    session.save().await.unwrap();
    let mut operator = Browser::new(&test);
    operator.cookies.insert(COOKIE.to_owned(), session.id().unwrap().to_string());
    operator.get("/pause").await;
    for n in 0..60 {
        operator.post("/holds", &[("scope", "fleet"), ("key", &format!("k{n}"))]).await;
        assert!(operator.leads_to().starts_with("/holds/"), "{n}: {}", operator.page);
    }
    let failed = Tables::of(&test.fresh).await.rows("audit_record").await.iter().filter(|row| row.contains("sign_in.failed")).count();
    assert_eq!(failed, 5, "what is refused by the limit is no try");
}

#[tokio::test]
async fn guesses_from_elsewhere_keep_nobody_out_of_their_own_browser() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut own = Browser::signed_in(&test, "operator").await;
    own.get("/me").await;
    own.post("/sign-out", &[]).await;
    let mut guesser = Browser::new(&test);
    guesser.get("/sign-in").await;
    for _ in 0..10 {
        guesser.post("/sign-in", &[("name", "operator"), ("password", "wrong-one-1")]).await;
    }
    assert_eq!(guesser.status, StatusCode::TOO_MANY_REQUESTS);
    guesser.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
    assert_eq!(guesser.status, StatusCode::TOO_MANY_REQUESTS, "not even with the right one");
    own.sign_in_as(&test, "operator").await;
    test.hand.forward_ms(60 * 60 * 1_000);
    guesser.get("/sign-in").await;
    guesser.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
    assert_eq!(guesser.leads_to(), "/sign-in/key", "and nobody for ever");
}
