//! The whole way in a real browser: an operator fills the list and asks, a lead approves, the operator carries it out, twice; a changed configuration
//! stops the bot, and the log says all of it, to whoever has only a copy. The clock is the harness's, so that a week takes no week.

use crate::{
    driver::{Browser, With},
    harness::{
        app::TestApp,
        db::{Kind, fresh},
        exchange_keys,
        golive::{DAY, Ready, answered, mark_but, measured, now},
    },
    log::verify::python,
    newcomer::{come_in, enter, sign},
};
use andon::{
    app::log::{
        examine::{Given, examine},
        sink,
    },
    audit::VerifierKey,
    authn::Keys,
    domain::{AlertKind, BotId, Grant, RequestId, Role, Stage, State},
    protocol::{AdapterSaid, CheckIn},
    storage::{self, Lane},
};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

/// What nobody can look at without a venue that answers.
const LEFT_OUT: [&str; 1] = ["reconciled"];

/// A person of arb in a browser of their own, with two keys.
async fn person(test: &TestApp, name: &str, shown: &str, role: Role) -> Browser {
    let link = test.link(name, vec![Grant { role, team: Some(test.team("arb")) }]).await;
    let secret = link.expose().rsplit('/').next().unwrap().to_owned();
    let mut browser = Browser::open(With::default()).await;
    come_in(&mut browser, &format!("{}/welcome/{secret}", test.origin), name, shown).await;
    browser
}

/// Opens an item's form on the page, and says something for it.
async fn say(browser: &Browser, item: &str, said: &str) {
    browser.find(&format!("#item-{item} summary")).await.click().await.unwrap();
    browser.fill(&format!("#said-{item}"), said).await;
    browser.fill(&format!("#link-{item}"), "https://wiki.example/arb-1").await;
    browser.find(&format!("#item-{item} form button")).await.click().await.unwrap();
}

/// Asks for the step, has the lead approve it, and carries it out.
async fn step_up(test: &TestApp, page: &str, (operator, lead): (&Browser, &Browser), to: &str) {
    operator.goto(page).await;
    operator.fill("#why", "it is ready").await;
    operator.press(&format!("Ask for 1 step to {to}")).await;
    operator.comes_to("/requests/").await;
    let request = operator.address().await;
    assert!(!operator.text().await.contains("Go on to sign 1 approval"), "nobody approves their own");
    lead.goto(&request).await;
    lead.sees("What changes").await;
    lead.press("Go on to sign 1 approval").await;
    sign(lead).await;
    if to == "live" {
        let id = RequestId::parse(request.rsplit('/').next().unwrap()).unwrap();
        crate::requests::approve(test, "risk", &id).await.unwrap();
    }
    lead.goto(&request).await;
    lead.sees("Approved, waits for whoever asked").await;
    assert!(!lead.text().await.contains("Go on to sign 1 step up"), "only whoever asked carries it out");
    operator.goto(page).await;
    operator.press(&format!("Carry out 1 step to {to}")).await;
    operator.sees("you carry it out").await;
    operator.press("Go on to sign 1 step up").await;
    sign(operator).await;
    operator.goto(&request).await;
    operator.sees("Carried out").await;
}

/// Another checklist for stage live, asked for and approved, holds after a day.
async fn without_a_venue(test: &TestApp) {
    let mut list = test.app.list_of(Stage::Live).unwrap();
    list.items.retain(|item| !LEFT_OUT.contains(&item.name.as_str()));
    let request = test.app.ask_list(&test.actor("lead"), list, "no venue answers here").await.unwrap();
    for by in ["risk", "admin"] {
        crate::requests::approve(test, by, &request).await.unwrap();
    }
    test.hand.forward_ms(DAY + 60_000);
    test.app.tend_requests().await.unwrap();
    test.app.refresh().await.unwrap();
    assert_eq!(test.app.list_of(Stage::Live).unwrap().version, 1);
}

/// What is to be so again after some days: its key was measured, an alert was answered.
async fn as_before(test: &TestApp, ready: &mut Ready) {
    let mut version = exchange_keys::newest(test, &ready.key).await;
    version.measured_at = Some(test.hand.clock().now());
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    storage::exchange_keys::version_write(&mut tx, &mut version).await.unwrap();
    storage::exchange_keys::key_changed(&mut tx, [&ready.key]).await.unwrap();
    tx.commit().await.unwrap();
    test.app.refresh_keys().await.unwrap();
    for alert in test.app.alerts.open().iter().filter(|alert| alert.kind == AlertKind::Test) {
        test.app.close_alert(&test.actor("lead"), &alert.id, "it was answered").await.unwrap();
    }
    answered(test).await;
    ready.agent.settle(&test.app).await;
    test.app.watch_all_drift().await;
    ready.agent.settle(&test.app).await;
}

async fn starts(test: &TestApp, ready: &mut Ready) {
    ready.agent.settle(&test.app).await;
    test.start(std::slice::from_ref(&ready.bot.id), &["operator"]).await.unwrap();
    ready.agent.settle(&test.app).await;
    assert_eq!(ready.agent.state, State::Active);
}

/// The log's page lists entries of a kind; what stops is written down a moment later.
async fn is_logged(browser: &Browser, origin: &str, kind: &str) {
    for _ in 0..50 {
        browser.goto(&format!("{origin}/audit?kind={kind}")).await;
        let rows = browser.client.find(fantoccini::Locator::Css("main table tbody tr")).await;
        if let Ok(row) = rows
            && row.text().await.unwrap().contains(kind)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{kind} is not in the log:\n{}", browser.text().await);
}

/// Whoever has the sink and the log's key needs nothing else of ours, and not even our program.
async fn is_proved_elsewhere(test: &TestApp) {
    test.app.publish(true).await.unwrap();
    test.app.feed_sink().await.unwrap();
    let signatures = test.log_is_good().await.signatures;
    let vkey = VerifierKey::parse(&test.app.log.status().vkey).unwrap();
    let webauthn = Keys::new(&test.app.origin, "andon").unwrap();
    let folder = sink::find(test.log_settings().sink.as_ref().unwrap()).unwrap();
    let keys = vec![vkey.clone()];
    let given = Given { db: None, state_dir: None, sink: Some(folder.as_path()), keys, checkpoint: None, webauthn: &webauthn };
    let found = examine(&given).await.unwrap();
    assert!(found.is_good(), "{found:#?}");
    let (code, said) = python("verify_log.py", &folder, &vkey.to_string());
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = python("verify_acts.py", &folder, &test.origin);
    assert!(code == Some(0) && said.contains(&format!("{signatures} signatures good, 0 wrong, 0 not checked")), "{said}");
    let text = std::fs::read_to_string(folder.join(sink::ENTRIES)).unwrap();
    for kind in ["checklist.marked", "checklist.changed", "request.approved", "request.executed", "bot.went_up", "hold.placed"] {
        assert!(text.contains(&format!(r#""kind":"{kind}""#)), "{kind} is not in the sink");
    }
}

/// The list of stage limited, of which the operator fills two items in the browser.
async fn fills_the_list(test: &TestApp, bot: &BotId, (operator, origin): (&Browser, &str)) {
    let page = format!("{origin}/bots/{bot}/golive");
    // What stands in the way is listed at the button, which does nothing.
    operator.goto(&format!("{origin}/bots/{bot}")).await;
    operator.press("Go live").await;
    operator.sees("It can be asked for once this is so").await;
    operator.sees("A rollback plan is written down for this build: nobody has answered for it").await;
    assert!(operator.find("button[disabled]").await.text().await.unwrap().contains("in the way"));
    mark_but(test, "operator", bot, Stage::Limited, &["rollback_plan", "runbook_intrusion"]).await;
    operator.goto(&page).await;
    operator.sees("24 of 26 done, 2 open").await;
    say(operator, "rollback_plan", "back to 1.4").await;
    operator.sees("25 of 26 done").await;
    operator.sees("Put down by L. Sato").await;
    say(operator, "runbook_intrusion", "rehearsed on Monday").await;
    operator.comes_to("/acts/").await;
    operator.sees("rehearsed on Monday").await;
    sign(operator).await;
    operator.goto(&page).await;
    operator.sees("26 of 26 done").await;
    operator.sees("Could now").await;
}

/// What differs is held in the answer to the check-in that says it, and shown beside what was approved.
async fn another_configuration_stops_it(test: &TestApp, ready: &mut Ready, (operator, origin): (&Browser, &str)) {
    let bot = ready.bot.id.clone();
    ready.agent.config = Some("sha256:d1ffe4e4d1ffe4e4".into());
    timeout(Duration::from_secs(5), ready.agent.check_in(&test.app)).await.expect("within 5 s").unwrap();
    assert_eq!(ready.agent.state, State::Halted);
    operator.goto(&format!("{origin}/bots/{bot}/golive")).await;
    operator.sees("It is not what was approved").await;
    operator.sees("sha256:d1ffe4e4d1ffe4e4").await;
    let differs = operator.find("table.diff tbody tr").await.text().await.unwrap();
    assert!(differs.contains("Configuration") && differs.contains("differs"), "{differs}");
    operator.goto(&format!("{origin}/bots/{bot}")).await;
    operator.sees("not what was approved").await;
    operator.sees("drift").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_goes_live_by_its_list_and_a_changed_configuration_stops_it() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let test = TestApp::at_by_hand(fresh(Kind::Sqlite).await, &origin).await;
    test.open_log().await;
    let server = tokio::spawn(andon::web::server::serve(listener, test.app.clone(), std::future::pending()));
    let mut ready = measured(&test, "arb-1").await;
    let bot = ready.bot.id.clone();
    let page = format!("{origin}/bots/{bot}/golive");
    let operator = person(&test, "sato", "L. Sato", Role::Operator).await;
    let lead = person(&test, "okafor", "M. Okafor", Role::Lead).await;

    fills_the_list(&test, &bot, (&operator, &origin)).await;
    step_up(&test, &page, (&operator, &lead), "limited").await;
    assert_eq!(now(&test, &bot).stage, Stage::Limited);

    // It trades for a week, within its caps.
    starts(&test, &mut ready).await;
    without_a_venue(&test).await;
    // It ends with its agent, which says so once: it needs nobody at the venue to be stopped.
    ready.agent.seq += 1;
    let adapter = Some(AdapterSaid { name: "process".into(), dies_with_agent: true });
    test.app.check_in(&ready.agent.live(&test.app), &CheckIn { adapter, ..ready.agent.says() }, "poll").await.unwrap();
    ready.agent.settle(&test.app).await;
    let told = json!({"at": test.hand.clock().now().rfc3339()});
    let fill = serde_json::from_value(crate::fills::with("1", told)).unwrap();
    test.app.take_fills(&ready.agent.live(&test.app), &[fill]).await.unwrap();
    test.hand.forward_ms(7 * DAY);
    as_before(&test, &mut ready).await;
    mark_but(&test, "operator", &bot, Stage::Live, &["limited_results"]).await;
    for (browser, name) in [(&operator, "sato"), (&lead, "okafor")] {
        browser.goto(&format!("{origin}/sign-in")).await;
        enter(browser, name).await;
        browser.sees("Fleet").await;
    }
    operator.goto(&page).await;
    operator.sees("In stage limited so far").await;
    operator.sees("26 of 27 done, 1 open").await;
    say(&operator, "limited_results", "as expected").await;
    operator.comes_to("/acts/").await;
    sign(&operator).await;
    step_up(&test, &page, (&operator, &lead), "live").await;
    assert_eq!(now(&test, &bot).stage, Stage::Live);
    starts(&test, &mut ready).await;
    operator.goto(&page).await;
    operator.sees("nothing differs").await;

    another_configuration_stops_it(&test, &mut ready, (&operator, &origin)).await;
    // The log has it all.
    for kind in ["checklist.marked", "request.approved", "request.executed", "bot.went_up", "hold.placed"] {
        is_logged(&lead, &origin, kind).await;
    }
    test.app.publish(true).await.unwrap();
    lead.goto(&format!("{origin}/audit/verify")).await;
    lead.sees("The log is whole").await;
    is_proved_elsewhere(&test).await;
    operator.close().await;
    lead.close().await;
    server.abort();
}
