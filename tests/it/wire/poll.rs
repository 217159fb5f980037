//! The poll path: enrolment, check-ins, acknowledgements, events and holds by POST, and everything that is refused.

use super::{
    client::{Client, Reply},
    stage::Stage,
};
use crate::harness::db::{Fresh, on_both};
use andon::domain::{HoldId, Level, Scope, State, Step};
use serde_json::{Value, json};

const CHECK_IN: &str = "/agent/v1/check-in";

async fn check_in(client: &Client, seq: u64, epoch: i64, state: &str) -> Value {
    let said = json!({"boot": "boot-1", "seq": seq, "epoch": epoch, "state": state, "limits_version": 0, "holds": []});
    let reply = client.post(CHECK_IN, said).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json
}

#[tokio::test]
async fn contact_alone_halts_and_renews_nothing() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    stage.start(&agent.bot).await;
    let reply = stage.poller(&agent).post(CHECK_IN, json!({})).await;
    assert_eq!((reply.status, reply.json["directive"]["state"].as_str()), (200, Some("halted")));
    assert!(reply.json["renew"].is_null() && reply.json["directive"]["start"].is_null());
    assert_eq!(reply.json["keys"], json!([]));
}

on_both!(a_poller_is_halted_started_renewed_and_stopped, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    let first = check_in(&poller, 1, 0, "halted").await;
    assert_eq!((first["directive"]["state"].as_str(), first["renew"].is_null()), (Some("halted"), true));
    assert_eq!(first["installation"], stage.app.installation.id.as_str());
    let boot = first["directive"]["epoch"].as_i64().unwrap();
    let second = check_in(&poller, 2, boot, "halted").await;
    assert_eq!(second["renew"]["seq"], 2);
    assert_eq!(second["renew"]["lease_ms"].as_i64().unwrap() / 1_000, 29 + i64::from(second["renew"]["lease_ms"] == 30_000));
    let start = stage.start(&agent.bot).await;
    let third = check_in(&poller, 3, boot, "halted").await;
    assert_eq!((third["directive"]["state"].as_str(), third["directive"]["start"]["epoch"].as_i64()), (Some("active"), Some(start.0)));
    assert!(third["renew"].is_null(), "it does not know the epoch yet");
    let fourth = check_in(&poller, 4, start.0, "active").await;
    assert_eq!(fourth["renew"]["epoch"], start.0);
    stage.place(Scope::Fleet, Level::Pause).await;
    let fifth = check_in(&poller, 5, start.0, "active").await;
    assert_eq!((fifth["directive"]["state"].as_str(), fifth["renew"].is_null()), (Some("halted"), true));
});

#[tokio::test]
async fn what_was_overtaken_on_its_way_or_says_nothing_of_the_bot_leaves_what_is_known_of_it() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    let epoch = check_in(&poller, 1, 0, "halted").await["directive"]["epoch"].as_i64().unwrap();
    assert_eq!(check_in(&poller, 5, epoch, "halted").await["renew"]["seq"], 5);
    assert!(check_in(&poller, 4, epoch, "active").await["renew"].is_null(), "it is late");
    let report = json!({"boot": "boot-1", "seq": 6, "report": {"open_orders": 7}});
    assert!(poller.post(CHECK_IN, report).await.json["renew"].is_null());
    let seen = stage.app.book.seen(&agent.bot).unwrap();
    assert_eq!((seen.state, seen.epoch.map(|epoch| epoch.0), seen.seq), (Some(State::Halted), Some(epoch), 6));
    assert_eq!(seen.report.as_ref().unwrap().0.open_orders, Some(7));
    assert_eq!(check_in(&poller, 7, epoch, "halted").await["renew"]["seq"], 7);
}

#[tokio::test]
async fn acknowledgements_come_with_a_check_in_or_alone_and_may_be_repeated() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    check_in(&poller, 1, 0, "halted").await;
    let placed = stage.place(Scope::Fleet, Level::Pause).await;
    let epoch = placed.hold.epoch.0;
    let ack = |step: &str| json!({"epoch": epoch, "step": step, "state": "halted"});
    let said = json!({"boot": "boot-1", "seq": 2, "epoch": epoch, "state": "halted", "acks": [ack("received")]});
    assert_eq!(poller.post(CHECK_IN, said).await.status, 200);
    let reached = async |step: Step| stage.app.receipt(&stage.actor(), &placed.hold.id).await.unwrap().reached(step);
    assert_eq!((reached(Step::Received).await, reached(Step::Applied).await), (1, 0));
    for _ in 0..2 {
        assert_eq!(poller.post("/agent/v1/acks", ack("applied")).await.status, 202);
        assert_eq!(poller.post("/agent/v1/acks", json!([ack("applied"), ack("idle")])).await.status, 202);
    }
    assert_eq!(reached(Step::Idle).await, 1);
    let mut tx = stage.fresh.db.read().await.unwrap();
    let stored = andon::storage::acks::ack_of_bots(&mut tx, &[&agent.bot], placed.hold.epoch).await.unwrap();
    assert_eq!(stored.len(), 3, "202 means on disk, once each");
}

#[tokio::test]
async fn an_acknowledgement_that_no_agent_can_give_is_refused() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    for wrong in [json!({"epoch": 1, "step": "verified"}), json!({"epoch": 999_999, "step": "idle"}), json!({"epoch": -1, "step": "idle"})]
    {
        assert_eq!(poller.post("/agent/v1/acks", wrong.clone()).await.status, 422, "{wrong}");
        // With a check-in it is named, and the directive comes all the same.
        let reply = poller.post(CHECK_IN, json!({"boot": "b", "seq": 1, "epoch": 0, "state": "halted", "acks": [wrong]})).await;
        assert_eq!(reply.status, 200);
        assert!(reply.json["error"].as_str().unwrap().contains("not taken") && reply.json["directive"].is_object(), "{reply:?}");
    }
}

#[tokio::test]
async fn holds_and_events_may_be_sent_twice() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    let hold = json!({"id": HoldId::new(), "level": "pause", "why": "daily loss"});
    let first = poller.post("/agent/v1/holds", hold.clone()).await;
    let second = poller.post("/agent/v1/holds", json!([hold])).await;
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.json["holds"][0]["hold"], second.json["holds"][0]["hold"]);
    assert_eq!((first.json["holds"][0]["repeated"].as_bool(), second.json["holds"][0]["repeated"].as_bool()), (Some(false), Some(true)));
    let event = json!({"id": "e-1", "kind": "order_rejected", "severity": "warning", "message": "no\u{0}funds"});
    for _ in 0..2 {
        assert_eq!(poller.post("/agent/v1/events", event.clone()).await.status, 202);
    }
    let events = stage.app.bot_events(&stage.actor(), &agent.bot).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].severity.as_str(), events[0].message.as_str()), ("warning", "no funds"));
}

#[tokio::test]
async fn an_event_of_one_bot_cannot_take_the_id_of_another_bots() {
    let stage = Stage::new().await;
    let (one, two) = (stage.agent("grid-btc").await, stage.agent("grid-eth").await);
    for agent in [&one, &two] {
        assert_eq!(stage.poller(agent).post("/agent/v1/events", json!({"id": "same", "kind": "x"})).await.status, 202);
        assert_eq!(stage.app.bot_events(&stage.actor(), &agent.bot).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_code_enrols_once_and_every_refusal_is_alike() {
    let stage = Stage::new().await;
    let bot = stage.bot("grid-btc").await;
    let code = stage.code(&bot).await;
    let enrolled = stage.present(&code).await;
    assert_eq!((enrolled.status, enrolled.json["bot"]["name"].as_str()), (201, Some("grid-btc")));
    assert_eq!(enrolled.headers["cache-control"], "no-store");
    let (used, wrong) = (stage.present(&code).await, stage.present("AAAAA-BBBBB").await);
    assert_eq!((used.status, wrong.status), (403, 403));
    assert_eq!((&used.json["type"], &used.json["detail"]), (&wrong.json["type"], &wrong.json["detail"]));
    assert_eq!(used.json["type"], "/problems/enrolment-refused");
    let body = json!({"code": stage.code(&bot).await, "agent": {"name": "h", "version": "1", "platform": "l"}, "recipient": "ssh-rsa x"});
    assert_eq!(stage.stranger().post("/agent/v1/enrol", body).await.status, 422);
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_its_own_status() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(poller.send("POST", CHECK_IN, &form, b"{}".to_vec()).await.status, 415);
    assert_eq!(poller.send("POST", CHECK_IN, &[], b"{}".to_vec()).await.status, 415);
    assert_eq!(poller.post_text(CHECK_IN, "").await.status, 400);
    assert_eq!(poller.post_text(CHECK_IN, "{\"boot\":").await.status, 400);
    let wrong = poller.post(CHECK_IN, json!({"boot": "b", "state": "hunter2"})).await;
    assert_eq!(wrong.status, 422);
    assert!(!wrong.text.contains("hunter2") && wrong.text.contains("halted, reducing, active"), "{}", wrong.text);
    let big = format!("{{\"pad\":\"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(poller.post_text(CHECK_IN, big).await.status, 413);
    let many = vec![json!({"epoch": 1, "step": "idle"}); 257];
    assert_eq!(poller.post("/agent/v1/acks", json!(many)).await.status, 422);
    assert_eq!(poller.post(CHECK_IN, json!({"acks": many})).await.status, 422);
    assert_eq!(poller.post("/agent/v1/nothing", json!({})).await.status, 404);
}

#[tokio::test]
async fn a_token_is_known_only_in_its_header() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let token = agent.token.clone();
    let stranger = stage.stranger();
    assert_eq!(stranger.post(CHECK_IN, json!({})).await.status, 401);
    assert_eq!(stranger.post(&format!("{CHECK_IN}?token={token}"), json!({})).await.status, 400);
    assert_eq!(stage.poller(&agent).post(&format!("{CHECK_IN}?x={token}"), json!({})).await.status, 400);
    let unknown = Client { token: Some("andon_agent_nobody".into()), ..stranger };
    assert_eq!(unknown.post(CHECK_IN, json!({})).await.status, 401);
    assert_eq!(stage.program("operate").post(CHECK_IN, json!({})).await.status, 401, "an API token is no agent's");
}

on_both!(a_new_token_takes_over_at_the_first_word_of_the_newest_boot, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    let old = stage.poller(&agent);
    let ask = async |client: &Client| client.post_text("/agent/v1/token", "").await;
    assert_eq!(ask(&old).await.status, 409, "not before its fingerprint was compared");
    stage.confirm(&agent).await;
    let lost = ask(&old).await;
    let token = ask(&old).await;
    assert_eq!((lost.status, token.status, token.headers["cache-control"].as_bytes()), (200, 200, b"no-store".as_slice()));
    let with = |reply: &Reply| Client { token: reply.json["token"].as_str().map(str::to_owned), ..old.clone() };
    let (lost, new) = (with(&lost), with(&token));
    assert_eq!(lost.post(CHECK_IN, json!({})).await.status, 401, "only the latest counts");
    let boot = check_in(&old, 1, 0, "halted").await["directive"]["epoch"].as_i64().unwrap();
    // Whoever has it and is not the newest boot ends nothing with it: nobody is locked out by a copy of the old one.
    assert_eq!(new.get("/agent/v1/directive?after=1000000&wait_ms=0").await.status, 204);
    assert_eq!(new.post(CHECK_IN, json!({})).await.status, 200);
    assert_eq!(old.post(CHECK_IN, json!({})).await.status, 200);
    // The new token, the same boot: no stop, and the old one is over at once.
    assert_eq!(check_in(&new, 2, boot, "halted").await["renew"]["seq"], 2);
    assert_eq!(old.post(CHECK_IN, json!({})).await.status, 401);
    let settled = async {
        while stage.app.agent_by_token(new.token.as_deref().unwrap()).unwrap().by_next_token.is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), settled).await.unwrap();
    stage.app.refresh().await.unwrap();
    assert_eq!(check_in(&new, 3, boot, "halted").await["renew"]["seq"], 3);
    assert_eq!(old.post(CHECK_IN, json!({})).await.status, 401);
});
