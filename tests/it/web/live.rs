//! Live parts: they say what is new, end with their session and with the server, and never take a browser's last connection.

use crate::harness::{
    agent::ready,
    app::TestApp,
    browser::Browser,
    db::{Kind, fresh},
};
use andon::{
    app::holds::Press,
    domain::{Level, Scope},
};
use axum::{body::Body, http::Response};
use http_body_util::BodyExt;
use std::time::Duration;

/// Reads a stream to its end, which comes at once: nobody's rights are looked at again only with the next beat.
async fn ends(stream: &mut Response<Body>, why: &str) {
    let mut last = String::new();
    let read = async {
        while let Some(Ok(frame)) = stream.body_mut().frame().await {
            let said = frame.into_data().map(|data| String::from_utf8_lossy(&data).into_owned()).unwrap_or_default();
            assert!(!said.contains("event: beat"), "it had gone on for another beat: {why}");
            last = said;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), read).await.unwrap_or_else(|_| panic!("the stream goes on: {why}"));
    assert!(last.contains("event: over"), "the page is told that its figures are the last: {why}: {last}");
}

/// Reads a stream until it says one of these words, or ends; answers with everything it said.
async fn read_until(stream: &mut Response<Body>, words: &[&str]) -> (String, bool) {
    let mut said = String::new();
    let read = async {
        while let Some(Ok(frame)) = stream.body_mut().frame().await {
            if let Ok(data) = frame.into_data() {
                said.push_str(&String::from_utf8_lossy(&data));
            }
            if words.iter().any(|word| said.contains(word)) {
                return false;
            }
        }
        true
    };
    let ended = tokio::time::timeout(Duration::from_secs(8), read).await.unwrap_or_else(|_| panic!("the stream did not say {words:?}"));
    (said, ended)
}

async fn site() -> TestApp {
    TestApp::new(fresh(Kind::Sqlite).await).await
}

#[tokio::test]
async fn the_fleet_sends_beats_and_the_cells_that_changed_and_no_forms() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/fleet").await;
    let path = browser.between("hx-sse:connect=\"", "\"").unwrap();
    assert!(path.contains(bot.id.as_str()), "{path}");
    let mut stream = browser.stream(&path).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let (first, _) = read_until(&mut stream, &["event: heard"]).await;
    for part in ["event: beat\ndata: ", &format!("id=\"s-{}\"", bot.id), "Waits for a start", "Gross exposure"] {
        assert!(first.contains(part), "{part} is missing from {first}");
    }
    for never in ["<form", "<input", "<button", "hx-get", "hx-post"] {
        assert!(!first.contains(never), "{never} in {first}");
    }
    test.press("risk", Scope::Fleet, Level::Pause).await;
    let (later, _) = read_until(&mut stream, &["event: heard"]).await;
    assert!(later.contains("Held") && later.contains("id=\"held\"") && later.contains("since"), "{later}");
    assert!(!later.contains(&format!("id=\"x-{}\"", bot.id)), "what did not change is not sent again");
    agent.check_in(&test.app).await.unwrap();
}

#[tokio::test]
async fn a_receipt_follows_the_stop_and_speaks_at_the_end() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    let hold = test.press("operator", Scope::Fleet, Level::Pause).await.hold;
    let browser = Browser::signed_in(&test, "operator").await;
    let mut stream = browser.stream(&format!("/live/holds/{}", hold.id)).await;
    let (first, _) = read_until(&mut stream, &["Not idle yet"]).await;
    assert!(!first.contains("Every bot is idle"));
    agent.settle(&test.app).await;
    read_until(&mut stream, &["Every bot is idle"]).await;
    assert_eq!(browser.stream("/live/holds/0193f0a0-0000-7000-8000-000000000000").await.status(), 404);
}

#[tokio::test]
async fn the_fourth_stream_of_a_session_ends_its_first_with_a_word() {
    let test = site().await;
    test.bot("arb-1", "arb").await;
    let browser = Browser::signed_in(&test, "operator").await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(browser.stream("/live/fleet?bots=").await);
    }
    let (_, ended) = read_until(&mut streams[0], &["event: superseded"]).await;
    assert!(!ended);
    assert!(read_until(&mut streams[0], &["nothing more"]).await.1, "it ends after that");
    read_until(&mut streams[3], &["event: beat"]).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_with_its_persons_rights() {
    let test = site().await;
    test.bot("arb-1", "arb").await;
    let hold = test.press("risk", Scope::Fleet, Level::Pause).await.hold;
    let receipt = format!("/live/holds/{}", hold.id);
    let mut browser = Browser::signed_in(&test, "operator").await;
    let mut stream = browser.stream("/live/fleet?bots=").await;
    read_until(&mut stream, &["event: beat"]).await;
    browser.get("/fleet").await;
    browser.post("/sign-out", &[]).await;
    ends(&mut stream, "signed out").await;

    let browser = Browser::signed_in(&test, "lead").await;
    let mut stream = browser.stream("/live/fleet?bots=").await;
    read_until(&mut stream, &["event: beat"]).await;
    test.app.disable(&test.actor("admin"), &test.people["lead"].id).await.unwrap();
    ends(&mut stream, "disabled").await;

    let browser = Browser::signed_in(&test, "risk").await;
    let (mut fleet, mut counts) = (browser.stream("/live/fleet?bots=").await, browser.stream(&receipt).await);
    read_until(&mut fleet, &["event: beat"]).await;
    test.hand.forward_ms(16 * 60 * 1_000);
    let (said, ended) = read_until(&mut fleet, &["nothing more"]).await;
    assert!(ended && said.contains("event: over\ndata: idle"), "an idle session sees no figures, and the page says so: {said}");
    read_until(&mut counts, &["event: beat"]).await;
    read_until(&mut counts, &["event: beat"]).await;
}

#[tokio::test]
async fn an_enrolment_says_when_the_agent_is_there() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let browser = Browser::signed_in(&test, "operator").await;
    let mut stream = browser.stream(&format!("/live/bots/{}/enrol", bot.id)).await;
    read_until(&mut stream, &["event: beat"]).await;
    let agent = crate::harness::agent::enrol(&test, &bot, "operator").await;
    let (said, _) = read_until(&mut stream, &["is here"]).await;
    let row = test.app.agent(&test.actor("operator"), agent.id()).await.unwrap();
    assert!(said.contains(&row.fingerprint) && !said.contains("<form"), "{said}");
}

#[tokio::test]
async fn the_first_run_says_what_its_agent_says_and_when_there_is_something_new_to_do() {
    const NEWS: &str = "There is something new to do";
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get("/first-run").await;
    let path = browser.between("hx-sse:connect=\"", "\"").unwrap();
    let mut stream = browser.stream(&path).await;
    let (first, _) = read_until(&mut stream, &["event: beat"]).await;
    assert!(!first.contains(NEWS), "{first}");
    let mut agent = crate::harness::agent::enrol(&test, &bot, "operator").await;
    let (said, _) = read_until(&mut stream, &["was not heard yet"]).await;
    assert!(said.contains(NEWS) && said.contains("href=\"/first-run\""), "{said}");
    assert!(!["<form", "<input", "<button"].iter().any(|never| said.contains(never)), "{said}");
    // What happened between the page and its stream is news as well.
    let (late, _) = read_until(&mut browser.stream(&path).await, &["was not heard yet"]).await;
    assert!(late.contains(NEWS), "{late}");

    agent.confirm(&test, "operator").await;
    agent.settle(&test.app).await;
    read_until(&mut stream, &["checks in by polling and says halted"]).await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    agent.check_in(&test.app).await.unwrap();
    let press = Press {
        scope: Scope::Bot(bot.id.clone()),
        level: Level::Pause,
        why: "drill".into(),
        idempotency_key: String::new(),
        terms: Default::default(),
    };
    test.app.place(test.actor("operator"), press).await.unwrap();
    read_until(&mut stream, &["The drill of bot arb-1: requested 0 ms, received —"]).await;
    test.hand.forward_ms(412);
    agent.settle(&test.app).await;
    read_until(&mut stream, &["received 412 ms, applied 412 ms, idle 412 ms"]).await;
    test.app.disable(&test.actor("admin"), &test.people["operator"].id).await.unwrap();
    assert!(read_until(&mut stream, &["nothing more"]).await.1, "disabled");
}

#[tokio::test]
async fn a_drills_page_follows_it_to_its_end() {
    let test = site().await;
    let mut all = Vec::new();
    for name in ["arb-1", "arb-2"] {
        let bot = test.bot(name, "arb").await;
        let mut agent = ready(&test, &bot, "operator").await;
        test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
        agent.settle(&test.app).await;
        all.push((bot, agent));
    }
    let id = test.app.begin_drill(&test.actor("operator"), &[all[0].0.id.clone()], &all[1].0.id).await.unwrap();
    let mut browser = Browser::signed_in(&test, "operator").await;
    browser.get(&format!("/drills/{id}")).await;
    let path = browser.between("hx-sse:connect=\"", "\"").expect("the page is live");
    let mut stream = browser.stream(&path).await;
    let (first, _) = read_until(&mut stream, &["arb-1"]).await;
    assert!(!first.contains("Passed"), "{first}");
    test.hand.forward_ms(400);
    for (_, agent) in &mut all {
        agent.settle(&test.app).await;
        test.hand.forward_ms(400);
    }
    all[1].1.check_in(&test.app).await.unwrap();
    test.app.tend_drills().await.unwrap();
    let (said, ended) = read_until(&mut stream, &["Passed"]).await;
    assert!(!ended, "it says so by itself: {said}");
}
