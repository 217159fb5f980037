//! Evidence at the press: taken from memory at once, whole with its digest, the same for ever, and taken late when nobody could write it.

use crate::faults::until;
use crate::harness::{
    agent::{Agent, ready},
    app::TestApp,
    browser::Browser,
    db::{Fresh, on_both},
    tables::Tables,
};
use andon::{
    app::evidence::Bundle,
    domain::{BotFacts, HoldId, Level, Scope, act},
    protocol::{EventFrame, Position, Report},
    storage::Lane,
};
use axum::http::StatusCode;
use serde_json::Value;
use std::sync::Arc;

async fn trading(test: &TestApp, name: &str) -> (BotFacts, Agent) {
    let bot = test.bot(name, "arb").await;
    let mut agent = ready(test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    (bot, agent)
}

/// Says how the bot is.
async fn reports(test: &TestApp, agent: &mut Agent, equity: &str) {
    agent.seq += 1;
    let mut said = agent.says();
    said.report = Some(Report {
        equity: Some(equity.into()),
        currency: Some("USDT".into()),
        open_orders: Some(14),
        entry_orders: Some(9),
        positions: Some(vec![Position { symbol: "BTC/USDT".into(), quantity: Some("0.25".into()), ..Position::default() }]),
        ..Report::default()
    });
    test.app.check_in(&agent.live(&test.app), &said, "poll").await.unwrap();
}

async fn whole(test: &TestApp, hold: &HoldId) -> Bundle {
    until("the evidence", async || test.app.evidence(&test.actor("auditor"), hold, "", 50).await.is_ok()).await;
    test.app.evidence(&test.actor("auditor"), hold, "", 50).await.unwrap()
}

fn of_bot(bundle: &Bundle, bot: &BotFacts) -> Value {
    serde_json::from_str(&bundle.pieces.iter().find(|piece| piece.bot_id == bot.id).unwrap().text).unwrap()
}

fn digest(value: &Value) -> String {
    data_encoding::HEXLOWER.encode(&act::digest(&act::canonical(value).unwrap()))
}

on_both!(what_was_known_at_the_press_is_kept_with_a_digest_in_the_log, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = trading(&test, "arb-1").await;
    let silent = test.bot("arb-2", "arb").await;
    reports(&test, &mut agent, "100234.50").await;
    for n in 0..25 {
        let said = serde_json::json!({"kind": "order_rejected", "severity": "warning", "message": format!("event {n:02}")});
        let frame: EventFrame = serde_json::from_value(said).unwrap();
        assert!(test.app.take_event(&agent.live(&test.app), &frame).wait().await);
        test.hand.forward_ms(10);
    }
    let entries = Tables::of(&test.fresh).await.entries().await;
    let hold = test.press("operator", Scope::Fleet, Level::Pause).await.hold;
    let bundle = whole(&test, &hold.id).await;
    // What is said afterwards changes nothing.
    reports(&test, &mut agent, "1.00").await;
    agent.settle(&test.app).await;
    let again = whole(&test, &hold.id).await;
    assert_eq!(bundle.pieces, again.pieces);
    let seen = of_bot(&bundle, &bot);
    assert_eq!((seen["agent"]["state"].as_str(), seen["directive"]["state"].as_str()), (Some("active"), Some("halted")));
    assert_eq!((seen["report"]["equity"].as_str(), seen["report"]["entry_orders"].as_i64()), (Some("100234.50"), Some(9)));
    assert_eq!(seen["report"]["positions"][0]["symbol"], "BTC/USDT");
    assert!(seen["lease"]["ends_by"].is_string() && seen["late"] == false);
    let events: Vec<&str> = seen["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect();
    assert_eq!((events.len(), events[0], events[19]), (20, "event 24", "event 05"), "the last twenty, newest first");
    assert!(of_bot(&bundle, &silent)["agent"].is_null(), "a bot without an agent is there as well");
    // Anybody can compute the digests again.
    for piece in &bundle.pieces {
        assert_eq!(digest(&serde_json::from_str(&piece.text).unwrap()), piece.sha256);
    }
    let manifest = bundle.manifest.unwrap();
    assert_eq!((digest(&manifest), manifest["bots"].as_array().unwrap().len()), (bundle.whole.sha256.clone(), 2));
    let log = Tables::of(&test.fresh).await;
    until("the entry", async || log.entries().await == entries + 2).await;
    let mut tx = test.fresh.db.read().await.unwrap();
    let rows = andon::storage::audit::audit_from(&mut tx, 1, 1_000).await.unwrap();
    assert!(rows.iter().any(|row| String::from_utf8_lossy(&row.body).contains(&bundle.whole.sha256)), "the digest is in the log");
    test.log_is_good().await;
});

on_both!(a_press_waits_for_none_of_it_and_a_database_that_hangs_gets_it_later, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = trading(&test, "arb-1").await;
    reports(&test, &mut agent, "5.00").await;
    let mut sitting = test.fresh.db.write(Lane::Normal).await.unwrap();
    andon::storage::epoch::epoch_take(&mut sitting).await.unwrap();
    let hold = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await.hold;
    assert!(hold.late);
    drop(sitting);
    until("merged", async || test.app.merge_unrecorded().await.is_ok() && test.app.fleet.view().unrecorded().is_empty()).await;
    let bundle = whole(&test, &hold.id).await;
    assert!(!bundle.whole.late && of_bot(&bundle, &bot)["report"]["equity"] == "5.00", "as it was at the press");
});

on_both!(what_a_process_could_not_write_is_taken_late_and_says_so, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = trading(&test, "arb-1").await;
    reports(&test, &mut agent, "7.00").await;
    test.said_is_stored().await;
    let hold = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await.hold;
    whole(&test, &hold.id).await;
    // As if the process had ended before any of it was on disk.
    test.execute("DELETE FROM evidence").await;
    test.execute("DELETE FROM evidence_bot").await;
    test.hand.forward_ms(1_000);
    let again = test.restarted().await;
    let taken = again.take_missing_evidence().await.unwrap();
    if test.fresh.db.is_embedded() {
        assert_eq!(taken, 1);
    } else {
        assert_eq!(taken, 0, "another replica may be writing it");
        test.hand.forward_ms(120_000);
        assert_eq!(again.take_missing_evidence().await.unwrap(), 1);
    }
    let bundle = whole(&test, &hold.id).await;
    assert!(bundle.whole.late && of_bot(&bundle, &bot)["late"] == true);
    assert_eq!(of_bot(&bundle, &bot)["agent"]["state"], "active", "what the database had");
    assert_eq!(again.take_missing_evidence().await.unwrap(), 0, "once");
    let page = page(&again, &test, &hold.id).await;
    assert!(page.contains("Taken late"), "{page}");
    test.log_is_good().await;
});

async fn page(app: &Arc<andon::app::App>, test: &TestApp, hold: &HoldId) -> String {
    let mut browser = Browser::on(app);
    browser.sign_in_as(test, "auditor").await;
    browser.get(&format!("/holds/{hold}/evidence")).await;
    browser.page.clone()
}

on_both!(the_receipt_leads_to_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = trading(&test, "arb-1").await;
    reports(&test, &mut agent, "100234.50").await;
    let hold = test.press("operator", Scope::Fleet, Level::Pause).await.hold;
    let bundle = whole(&test, &hold.id).await;
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    auditor.get(&format!("/holds/{}", hold.id)).await;
    assert!(auditor.page.contains(&format!("href=\"/holds/{}/evidence\"", hold.id)), "{}", auditor.page);
    for path in [format!("/holds/{}/evidence", hold.id), format!("/holds/{}/evidence?bot={}", hold.id, bot.id)] {
        auditor.get(&path).await;
        for part in ["BTC/USDT", "100234.50 USDT", "arb-1", &bundle.whole.sha256, "Its agent said"] {
            assert!(auditor.page.contains(part), "{part} is missing from {path}: {}", auditor.page);
        }
    }
    for bad in ["/holds/x/evidence".to_owned(), format!("/holds/{}/evidence?bot={}", hold.id, HoldId::new())] {
        auditor.get(&bad).await;
        assert_eq!(auditor.status, StatusCode::NOT_FOUND, "{bad}");
    }
});
