//! The stream: hello, directives, renewals, acknowledgements, and who gives way to whom.

use super::{client::Line, stage::Stage};
use crate::harness::db::{Fresh, on_both};
use andon::domain::{Level, Scope};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn hello_is_answered_by_a_welcome_that_halts_a_new_boot() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, welcome) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
    assert_eq!(welcome["installation"], stage.app.installation.id.as_str());
    assert_eq!(welcome["check_in_ms"], 2000);
    let directive = &welcome["directive"];
    assert_eq!((directive["state"].as_str(), directive["orders"].as_str()), (Some("halted"), Some("cancel_entries")));
    assert_eq!(directive["reasons"][0]["kind"], "boot", "{directive}");
    assert!(directive["start"].is_null());
    assert!(line.is_quiet(Duration::from_millis(200)).await, "a hello renews nothing");
    assert_eq!(stage.app.lines.count(), 1);
}

on_both!(a_start_goes_up_and_a_press_comes_down_on_an_open_stream, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, start) = Line::trading(&stage, &agent, "boot-1").await;
    let placed = stage.place(Scope::Fleet, Level::Pause).await;
    let directive = line.expect("directive").await;
    assert_eq!(directive["state"], "halted");
    assert!(directive["epoch"].as_i64().unwrap() > start);
    assert_eq!(directive["holds"], json!([placed.hold.id]));
    let reason = &directive["reasons"][0];
    assert_eq!(
        (reason["kind"].as_str(), reason["scope"].as_str(), reason["why"].as_str()),
        (Some("hold"), Some("fleet"), Some("venue outage"))
    );
    assert!(line.is_quiet(Duration::from_millis(200)).await, "a stop is said once");
});

#[tokio::test]
async fn a_start_is_told_with_what_proves_it() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, _) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
    let start = stage.start(&agent.bot).await;
    let directive = line.expect("directive").await;
    assert_eq!(directive["start"]["epoch"], start.0);
    assert_eq!(directive["start"]["leaf"]["bot"], agent.bot.as_str());
    assert_eq!(directive["reasons"], json!([]));
}

#[tokio::test]
async fn a_reduce_comes_down_and_is_renewed_like_any_other_state() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, _) = Line::trading(&stage, &agent, "boot-1").await;
    stage.place(Scope::Bot(agent.bot.clone()), Level::Reduce).await;
    let reducing = line.expect("directive").await;
    assert_eq!(reducing["state"], "reducing");
    // Going on reducing is renewed; the state it says is the directive's.
    let epoch = reducing["epoch"].as_i64().unwrap();
    let seq = line.check_in("reducing", epoch).await;
    assert_eq!(line.expect("renew").await["seq"], seq);
}

#[tokio::test]
async fn every_check_in_is_renewed_after_any_newer_directive() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, epoch) = Line::trading(&stage, &agent, "boot-1").await;
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(line.check_in("active", epoch).await);
    }
    for seq in asked {
        let renew = line.expect("renew").await;
        assert_eq!((renew["seq"].as_u64(), renew["epoch"].as_i64(), renew["lease_ms"].as_i64()), (Some(seq), Some(epoch), Some(30_000)));
    }
    stage.place(Scope::Bot(agent.bot.clone()), Level::Pause).await;
    let halted = line.expect("directive").await["epoch"].as_i64().unwrap();
    // Says the old epoch still: it is told again, and nothing is renewed.
    line.check_in("active", epoch).await;
    assert_eq!(line.expect("directive").await["epoch"], halted);
    assert!(line.is_quiet(Duration::from_millis(200)).await);
    // Knows the epoch and does not obey yet: it is told again, and renewed.
    let seq = line.check_in("active", halted).await;
    assert_eq!(line.expect("directive").await["state"], "halted");
    assert_eq!(line.expect("renew").await["seq"], seq);
    let seq = line.check_in("halted", halted).await;
    assert_eq!(line.expect("renew").await["seq"], seq);
}

#[tokio::test]
async fn a_newer_stream_of_the_same_boot_takes_over_and_stops_nothing() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut first, epoch) = Line::trading(&stage, &agent, "boot-1").await;
    let (mut second, welcome) = Line::hello(&stage, &agent, "boot-1", "active", epoch).await;
    assert_eq!(first.closed().await, 4409);
    assert_eq!(welcome["directive"]["state"], "active");
    let seq = second.check_in("active", epoch).await;
    assert_eq!(second.expect("renew").await["seq"], seq);
    assert_eq!(stage.app.lines.count(), 1);
}

#[tokio::test]
async fn an_older_boot_is_refused_and_closes_nothing() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut old, _) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
    let (mut new, welcome) = Line::hello(&stage, &agent, "boot-2", "halted", 0).await;
    assert_eq!(old.closed().await, 4409);
    let mut late = Line::greet(&stage, &agent, "boot-1", "halted", 0).await;
    assert_eq!(late.closed().await, 4409);
    let poll = stage.poller(&agent).post("/agent/v1/check-in", json!({"boot": "boot-1", "seq": 1, "epoch": 0, "state": "halted"})).await;
    assert_eq!(poll.status, 409, "{poll:?}");
    // Two processes with one credential: a stop, and the newest stream is told.
    let told = new.expect("directive").await;
    assert!(told["epoch"].as_i64() > welcome["directive"]["epoch"].as_i64());
    assert!(told["reasons"].to_string().contains("two agents"), "{told}");
    let seq = new.check_in("halted", told["epoch"].as_i64().unwrap()).await;
    assert_eq!(new.expect("renew").await["seq"], seq);
}

#[tokio::test]
async fn a_credential_that_ends_ends_its_stream_and_its_token() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, _) = Line::trading(&stage, &agent, "boot-1").await;
    let newer = stage.enrol(&agent.bot).await;
    // The stop that enrolling is comes first.
    assert_eq!(line.expect("directive").await["state"], "halted");
    assert_eq!(line.closed().await, 4401);
    let refused = stage.poller(&agent).post("/agent/v1/check-in", json!({})).await;
    assert_eq!(refused.status, 401);
    assert_eq!(stage.poller(&newer).post("/agent/v1/check-in", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, _) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
    stage.app.lines.end_all();
    assert_eq!(line.closed().await, 1012);
    let mut late = Line::greet(&stage, &agent, "boot-1", "halted", 0).await;
    assert_eq!(late.closed().await, 1012, "also who comes while it stops");
}

#[tokio::test]
async fn acknowledgements_are_on_the_receipt_at_once() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, _) = Line::trading(&stage, &agent, "boot-1").await;
    let placed = stage.place(Scope::Fleet, Level::Pause).await;
    let epoch = line.expect("directive").await["epoch"].clone();
    for (step, more) in
        [("received", json!({})), ("applied", json!({"state": "halted"})), ("idle", json!({"state": "halted", "entry_orders": 0}))]
    {
        let mut ack = json!({"type": "ack", "epoch": epoch, "step": step});
        ack.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.send(ack).await;
    }
    line.send(json!({"type": "ack", "epoch": epoch, "step": "verified"})).await;
    assert_eq!(line.expect("error").await["title"], "ack not taken");
    let receipt = stage.app.receipt(&stage.actor(), &placed.hold.id).await.unwrap();
    assert!(receipt.is_complete() && receipt.bots[0].idle_ms.is_some(), "{receipt:?}");
}

#[tokio::test]
async fn an_agent_may_stop_its_own_bot_and_no_more() {
    let stage = Stage::new().await;
    let (agent, other) = (stage.agent("grid-btc").await, stage.agent("grid-eth").await);
    let (mut line, _) = Line::trading(&stage, &agent, "boot-1").await;
    let (mut beside, epoch) = Line::trading(&stage, &other, "boot-1").await;
    let id = andon::domain::HoldId::new();
    line.send(json!({"type": "hold", "id": id, "level": "kill", "why": "x"})).await;
    assert_eq!(line.expect("error").await["title"], "hold not placed");
    for _ in 0..2 {
        line.send(json!({"type": "hold", "id": id, "level": "pause", "why": "daily loss over limit"})).await;
    }
    let halted = line.expect("directive").await;
    assert_eq!((halted["state"].as_str(), halted["reasons"][0]["why"].as_str()), (Some("halted"), Some("daily loss over limit")));
    assert!(line.is_quiet(Duration::from_millis(300)).await, "the same hold again changes nothing");
    let seq = beside.check_in("active", epoch).await;
    assert_eq!(beside.expect("renew").await["seq"], seq);
    assert_eq!(stage.app.fleet.view().open_holds().count(), 1);
}

#[tokio::test]
async fn what_an_adapter_needs_is_noted() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let mut line = Line::connect(&stage, &agent).await;
    line.send(json!({"type": "hello", "boot": "b", "agent": {}, "epoch": 0, "state": "halted", "apply_within_ms": 6000})).await;
    line.expect("welcome").await;
    assert_eq!(line.expect("directive").await["state"], "halted");
    assert_eq!(stage.app.fleet.view().bot(&agent.bot).unwrap().timings.apply_within_ms, 6000);
}
