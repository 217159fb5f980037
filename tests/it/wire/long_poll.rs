//! `GET /agent/v1/directive`: a stop arrives at once without a stream.

use super::stage::Stage;
use andon::domain::{Level, Scope};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn a_long_poll_wakes_at_once() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    poller.post("/agent/v1/check-in", json!({"boot": "b", "seq": 1, "epoch": 0, "state": "halted"})).await;
    let start = stage.start(&agent.bot).await;
    let path = format!("/agent/v1/directive?after={}&wait_ms=20000", start.0);
    let waiting = tokio::spawn(async move { poller.get(&path).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    let began = Instant::now();
    let placed = stage.place(Scope::Team(stage.team.clone()), Level::Pause).await;
    let reply = waiting.await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    assert_eq!((reply.status, reply.json["state"].as_str()), (200, Some("halted")));
    assert_eq!(reply.json["holds"], json!([placed.hold.id]));
}

#[tokio::test]
async fn a_long_poll_is_silent_about_other_bots_and_ends_in_time() {
    let stage = Stage::new().await;
    let (agent, other) = (stage.agent("grid-btc").await, stage.agent("grid-eth").await);
    let poller = stage.poller(&agent);
    let known = poller.get("/agent/v1/directive?after=0").await;
    assert_eq!(known.status, 200);
    let path = format!("/agent/v1/directive?after={}&wait_ms=700", known.json["epoch"]);
    let began = Instant::now();
    let (reply, _) = tokio::join!(poller.get(&path), stage.place(Scope::Bot(other.bot.clone()), Level::Pause));
    assert_eq!(reply.status, 204);
    assert!(began.elapsed() >= Duration::from_millis(700));
}

#[tokio::test]
async fn a_long_poll_carries_a_start_from_a_fresh_read() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let start = stage.start(&agent.bot).await;
    let reply = stage.poller(&agent).get(&format!("/agent/v1/directive?after={}", start.0 - 1)).await;
    assert_eq!((reply.json["state"].as_str(), reply.json["start"]["epoch"].as_i64()), (Some("active"), Some(start.0)));
}

#[tokio::test]
async fn a_long_poll_ends_when_the_server_stops() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    let waiting = tokio::spawn(async move { poller.get("/agent/v1/directive?after=1000000&wait_ms=20000").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.app.lines.end_all();
    assert_eq!(waiting.await.unwrap().status, 204);
}

#[tokio::test]
async fn parameters_that_are_no_numbers_are_refused() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    for query in ["after=x", "after=-1", "after=1&wait_ms=30001", "wait_ms=", "after=99999999999999999999"] {
        let reply = stage.poller(&agent).get(&format!("/agent/v1/directive?{query}")).await;
        assert_eq!(reply.status, 400, "{query}: {reply:?}");
    }
}
