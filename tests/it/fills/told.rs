//! What agents tell of fills, over real sockets.

use super::{fill, with};
use crate::{
    harness::db::{Fresh, beside, on_both},
    wire::{
        client::{Client, Line},
        stage::{Enrolled, Stage},
    },
};
use andon::{
    app::fills::ALWAYS,
    domain::{BotId, KeptFill, Stage as BotStage},
};
use serde_json::{Value, json};
use std::time::Duration;

const FILLS: &str = "/agent/v1/fills";

async fn kept(stage: &Stage, bot: &BotId) -> Vec<KeptFill> {
    let (rows, next) = stage.app.fills_newest(&stage.actor(), bot, ALWAYS, None, 900).await.unwrap();
    assert_eq!(next, None);
    rows
}

async fn ids(stage: &Stage, agent: &Enrolled) -> Vec<String> {
    let mut ids: Vec<String> = kept(stage, &agent.bot).await.into_iter().map(|kept| kept.fill.id).collect();
    ids.sort();
    ids
}

on_both!(fills_by_post_are_kept_once_each_and_the_first_word_stands, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    // One alone, an array, and the frame.
    for (body, count) in [
        (with("1", json!({"strange": {"x": [1]}})), 1),
        (json!([fill("1"), fill("2")]), 2),
        (json!([fill("2")]), 1),
        (json!({"type": "fills", "fills": [fill("3"), fill("3"), fill("1")]}), 3),
        (json!({"fills": []}), 0),
        (json!([]), 0),
    ] {
        let reply = poller.post(FILLS, body.clone()).await;
        assert_eq!((reply.status, &reply.json), (202, &json!({"accepted": count})), "{body}");
    }
    assert_eq!(ids(&stage, &agent).await, ["1", "2", "3"]);
    assert_eq!(stage.app.fills_that_differ(&agent.bot), 0);
    let reply = poller.post(FILLS, json!([with("1", json!({"price": "1"})), with("2", json!({"quantity": "0.2500"})), fill("4")])).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let rows = kept(&stage, &agent.bot).await;
    let one = rows.iter().find(|kept| kept.fill.id == "1").unwrap();
    assert_eq!((one.fill.price.shortest(), one.stage, rows.len()), ("65000.1".to_owned(), BotStage::Sandbox, 4));
    assert_eq!(stage.app.fills_that_differ(&agent.bot), 1, "one was told in other words; a nought more are none");
    let twice = json!([with("5", json!({"maker": false})), with("5", json!({"maker": true}))]);
    assert_eq!(poller.post(FILLS, twice).await.status, 202);
    assert_eq!(stage.app.fills_that_differ(&agent.bot), 2);
    let five = kept(&stage, &agent.bot).await.into_iter().find(|kept| kept.fill.id == "5").unwrap();
    assert_eq!(
        (five.fill.maker, five.fill.fee_currency.as_deref(), five.fill.order_id.as_deref()),
        (Some(false), Some("USDT"), Some("o-7"))
    );
});

on_both!(what_does_not_fit_is_refused_whole_and_its_field_is_named, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    let wrong: [(&str, Value); 17] = [
        ("id", json!("")),
        ("id", json!("a\u{0}b")),
        ("id", json!("x".repeat(129))),
        ("id", json!(7)),
        ("order_id", json!("\u{202e}")),
        ("at", json!("2001-01-01T00:00:00Z")),
        ("at", json!("2999-01-01T00:00:00Z")),
        ("at", json!("yesterday")),
        ("symbol", json!("<script>")),
        ("side", json!("long")),
        ("quantity", json!("0")),
        ("quantity", json!("-1")),
        ("quantity", json!(0.25)),
        ("price", json!("1e5")),
        ("fee", json!("none")),
        ("fee_currency", Value::Null),
        ("maker", json!("yes")),
    ];
    for (field, value) in wrong {
        let bad = with("bad", json!({field: value.clone()}));
        for body in [bad.clone(), json!([fill("good"), bad.clone()]), json!({"fills": [fill("good"), bad.clone()]})] {
            let reply = poller.post(FILLS, body).await;
            assert_eq!(reply.status, 422, "{field} {value}: {reply:?}");
            assert!(reply.json["detail"].as_str().unwrap().to_lowercase().contains(field), "{field} {value}: {reply:?}");
        }
    }
    for field in ["id", "at", "symbol", "side", "quantity", "price"] {
        let mut bad = fill("bad");
        bad.as_object_mut().unwrap().remove(field);
        assert_eq!(poller.post(FILLS, json!([bad])).await.status, 422, "{field}");
    }
    for body in [json!({}), json!({"fills": null}), json!({"fills": fill("1")}), json!([[fill("1")]]), json!([null])] {
        assert_eq!(poller.post(FILLS, body.clone()).await.status, 422, "{body}");
    }
    assert_eq!(poller.post_text(FILLS, "[{").await.status, 400);
    let many = |count: usize| (0..count).map(|n| fill(&n.to_string())).collect::<Vec<_>>();
    for body in [json!(many(257)), json!({"fills": many(257)})] {
        let reply = poller.post(FILLS, body).await;
        assert!(reply.status == 422 && reply.text.contains("256"), "{reply:?}");
    }
    assert!(kept(&stage, &agent.bot).await.is_empty(), "nothing of it was kept");
    assert_eq!(poller.post(FILLS, json!(many(256))).await.json, json!({"accepted": 256}));
    assert_eq!(kept(&stage, &agent.bot).await.len(), 256);
});

on_both!(no_agent_tells_of_another_bot, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let (one, two) = (stage.agent("grid-btc").await, stage.agent("grid-eth").await);
    for agent in [&one, &two] {
        let told = with("same", json!({"bot": two.bot, "bot_id": two.bot}));
        assert_eq!(stage.poller(agent).post(FILLS, told).await.status, 202);
    }
    assert_eq!((ids(&stage, &one).await.len(), ids(&stage, &two).await.len()), (1, 1), "each its own, under whatever id");
    assert_eq!(stage.stranger().post(FILLS, fill("1")).await.status, 401);
    assert_eq!(stage.program("operate").post(FILLS, fill("1")).await.status, 401);
});

on_both!(a_database_that_takes_none_refuses_them_and_takes_them_later, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    let (mut line, welcome) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
    let epoch = welcome["directive"]["epoch"].as_i64().unwrap();
    let frame = json!({"type": "fills", "fills": [fill("2")]});
    let check_in = |seq: u64| json!({"boot": "boot-1", "seq": seq, "epoch": epoch, "state": "halted", "fills": [fill("3")]});
    beside(&stage.fresh.place, "ALTER TABLE fill RENAME TO fill_away").await;
    let refused = poller.post(FILLS, fill("1")).await;
    assert_eq!((refused.status, refused.json["type"].as_str()), (503, Some("/problems/not-recorded")));
    assert_eq!(refused.headers["retry-after"], "1");
    line.send(frame.clone()).await;
    let error = line.expect("error").await;
    assert!(error["title"] == "fills not taken" && error["detail"].as_str().unwrap().contains("again"), "{error}");
    let polled = poller.post("/agent/v1/check-in", check_in(100)).await;
    assert!(polled.status == 200 && polled.json["directive"].is_object(), "the directive comes all the same: {polled:?}");
    assert!(polled.json["error"].as_str().unwrap().contains("fills") && polled.json.get("fills").is_none(), "{polled:?}");
    beside(&stage.fresh.place, "ALTER TABLE fill_away RENAME TO fill").await;
    assert_eq!(poller.post(FILLS, fill("1")).await.status, 202);
    line.send(frame).await;
    assert_eq!(line.expect("fills_taken").await["ids"], json!(["2"]));
    assert_eq!(poller.post("/agent/v1/check-in", check_in(101)).await.json["fills"], json!({"accepted": 1}));
    assert_eq!(ids(&stage, &agent).await, ["1", "2", "3"]);
});

on_both!(fills_over_a_stream_are_answered_by_their_ids, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, start) = Line::trading(&stage, &agent, "boot-1").await;
    line.send(json!({"type": "fills", "fills": [fill("1"), fill("2"), fill("1")]})).await;
    let taken = line.expect("fills_taken").await;
    assert_eq!((&taken["accepted"], &taken["ids"]), (&json!(3), &json!(["1", "2", "1"])));
    line.send(json!({"type": "fills", "fills": [fill("3"), with("4", json!({"price": "0"}))]})).await;
    let error = line.expect("error").await;
    assert_eq!(error["title"], "fills not taken");
    assert!(error["detail"].as_str().unwrap().contains("price of fill 2 must be a positive decimal number"), "{error}");
    let many: Vec<Value> = (0..257)
        .map(|n| {
            json!({"id": n.to_string(), "at": "2024-11-17T03:12:07Z", "symbol": "A/B", "side": "sell",
        "quantity": "1", "price": "1"})
        })
        .collect();
    line.send(json!({"type": "fills", "fills": many})).await;
    assert!(line.expect("error").await["detail"].as_str().unwrap().contains("256"));
    line.check_in("active", start).await;
    line.expect("renew").await;
    assert_eq!(ids(&stage, &agent).await, ["1", "2"], "the stream goes on, and nothing of a batch that does not fit was kept");
});

async fn check_in(poller: &Client, seq: u64, fills: Value) -> Value {
    let said = json!({"boot": "boot-1", "seq": seq, "epoch": 0, "state": "halted", "fills": fills});
    let reply = poller.post("/agent/v1/check-in", said).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json
}

on_both!(fills_come_along_with_a_check_in_and_never_keep_its_answer_back, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    let poller = stage.poller(&agent);
    let answer = check_in(&poller, 1, json!([fill("1"), fill("2")])).await;
    assert_eq!((&answer["fills"], answer.get("error")), (&json!({"accepted": 2}), None));
    let answer = check_in(&poller, 2, json!([fill("3"), with("4", json!({"side": "both"}))])).await;
    assert!(
        answer["error"].as_str().unwrap().contains("side of fill 2 must be buy or sell") && answer["directive"].is_object(),
        "{answer}"
    );
    assert_eq!(check_in(&poller, 3, json!([])).await.get("fills"), None);
    let many: Vec<Value> = (0..257).map(|n| fill(&n.to_string())).collect();
    let reply = poller.post("/agent/v1/check-in", json!({"boot": "boot-1", "seq": 4, "fills": many})).await;
    assert_eq!(reply.status, 422);
    assert_eq!(ids(&stage, &agent).await, ["1", "2"]);
});

on_both!(many_agents_tell_at_once_and_again_and_every_fill_is_there_once, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    let batch = |from: usize| (from..from + 100).rev().map(|n| fill(&format!("{n:03}"))).collect::<Vec<_>>();
    let send = |from: usize| {
        let poller = stage.poller(&agent);
        let body = json!(batch(from));
        async move {
            let reply = tokio::time::timeout(Duration::from_secs(15), poller.post(FILLS, body)).await.unwrap();
            assert_eq!(reply.status, 202, "{reply:?}");
        }
    };
    // They overlap: two writers of the same rows, in whatever order they were told.
    tokio::join!(send(0), send(50), send(100), send(0), send(50));
    assert_eq!(ids(&stage, &agent).await, (0..200).map(|n| format!("{n:03}")).collect::<Vec<_>>());
});
