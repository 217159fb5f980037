//! Limits on the wire: a report that breaks one brings the stop down the stream that it came up, and down the poll that follows.

use super::{client::Line, stage::Stage};
use crate::harness::db::{Fresh, on_both};
use serde_json::{Value, json};

/// The next directive in which a bot may do this.
async fn told(line: &mut Line, state: &str) -> Value {
    loop {
        let frame = line.next().await.expect("the stream ended");
        if frame["type"] == "directive" && frame["state"] == state {
            return frame;
        }
    }
}

/// Reads until a check-in is renewed.
async fn renewed(line: &mut Line, seq: u64) {
    while line.next().await.expect("the stream ended")["seq"] != seq {}
}

fn open_orders(text: &str) -> Vec<(String, String)> {
    vec![("max_open_orders".to_owned(), text.to_owned())]
}

on_both!(a_report_over_a_limit_brings_the_stop_down_the_same_stream, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, _) = Line::trading(&stage, &agent, "boot-1").await;
    stage.app.tighten_limits(&stage.actor(), &agent.bot, &open_orders("5"), "").await.unwrap();
    let tighter = told(&mut line, "reducing").await;
    assert_eq!((tighter["limits"]["version"].as_i64(), &tighter["limits"]["values"]["max_open_orders"]), (Some(1), &json!(5)));
    line.check_in_with("reducing", tighter["epoch"].as_i64().unwrap(), json!({"limits_version": 1})).await;
    let freed = told(&mut line, "active").await;
    let epoch = freed["epoch"].as_i64().unwrap();
    let seq = line.check_in_with("active", epoch, json!({"limits_version": 1, "report": {"open_orders": 5}})).await;
    renewed(&mut line, seq).await;
    line.check_in_with("active", epoch, json!({"limits_version": 1, "report": {"open_orders": 6}})).await;
    let stopped = told(&mut line, "reducing").await;
    let reason = &stopped["reasons"][0];
    assert_eq!((reason["kind"].as_str(), reason["by"].as_str()), (Some("hold"), Some("limit: Open orders")), "{stopped}");
    assert!(reason["why"].as_str().unwrap().starts_with("Open orders: 6, limit 5, at "), "{reason}");
});

on_both!(a_polling_agent_hears_of_it_with_its_next_question, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    stage.app.tighten_limits(&stage.actor(), &agent.bot, &open_orders("5"), "").await.unwrap();
    let poller = stage.poller(&agent);
    let said = |seq: u64, epoch: i64, state: &str, open: u64| json!({"boot": "boot-1", "seq": seq, "epoch": epoch, "state": state, "limits_version": 1, "holds": [], "report": {"open_orders": open}});
    let ask = async |seq, epoch, state: &str, open| poller.post("/agent/v1/check-in", said(seq, epoch, state, open)).await.json;
    let first = ask(1, 0, "halted", 0).await;
    ask(2, first["directive"]["epoch"].as_i64().unwrap(), "halted", 0).await;
    stage.start(&agent.bot).await;
    let started = ask(3, first["directive"]["epoch"].as_i64().unwrap(), "halted", 0).await;
    assert_eq!(started["directive"]["state"], "active", "{started}");
    let epoch = started["directive"]["epoch"].as_i64().unwrap();
    ask(4, epoch, "active", 6).await;
    let stopped = poller.get(&format!("/agent/v1/directive?after={epoch}&wait_ms=15000")).await.json;
    assert_eq!(
        (stopped["state"].as_str(), stopped["reasons"][0]["by"].as_str()),
        (Some("reducing"), Some("limit: Open orders")),
        "{stopped}"
    );
});
