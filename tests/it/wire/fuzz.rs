//! Whatever is sent, the server is never at fault: no answer of 500 and above, and afterwards it still takes a check-in.

use super::{
    client::{Client, Line},
    stage::Stage,
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("\u{0}")),
        Just(json!("-99999999999999999999")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,10}", inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A document that is nearly right: one of its fields, at any depth, is replaced.
fn nearly(document: Value) -> impl Strategy<Value = Value> {
    (any_json(), any::<prop::sample::Index>()).prop_map(move |(wrong, at)| {
        let mut document = document.clone();
        let mut places = Vec::new();
        pointers(&document, String::new(), &mut places);
        if let Some(place) = document.pointer_mut(&places[at.index(places.len())]) {
            *place = wrong;
        }
        document
    })
}

fn pointers(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, inner)| pointers(inner, format!("{at}/{name}"), into)),
        Value::Array(list) => list.iter().enumerate().for_each(|(n, inner)| pointers(inner, format!("{at}/{n}"), into)),
        _ => {}
    }
    into.push(at);
}

fn body(document: Value) -> impl Strategy<Value = Vec<u8>> {
    let mut whole = document.to_string().into_bytes();
    whole.push(b' ');
    let torn = (any::<prop::sample::Index>(), any::<u8>()).prop_map(move |(at, byte)| {
        let mut torn = whole.clone();
        let n = at.index(torn.len());
        torn[n] = byte;
        torn
    });
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => any_json().prop_map(|value| value.to_string().into_bytes()),
        4 => nearly(document).prop_map(|value| value.to_string().into_bytes()),
        2 => torn,
    ]
}

fn runner() -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

fn check_in() -> Value {
    json!({"boot": "b", "seq": 1, "at": "2026-11-23T03:12:07.120Z", "epoch": 3, "state": "halted", "limits_version": 0, "start_after": 1,
        "holds": [{"id": "0198f0c4-0000-7000-8000-000000000000", "level": "pause", "by": "x", "why": "y", "at": "2026-11-23T03:12:07Z"}],
        "lapsed": false, "server_behind": false, "build": "sha256:00", "config": "sha256:00", "key_versions": {"a": 1},
        "report": {"equity": "1.5", "positions": [{"symbol": "BTC/USDT", "side": "long", "quantity": "0.1"}], "totals": {"orders": 1}},
        "acks": [{"epoch": 1, "step": "received"}], "events": [{"id": "1", "kind": "k", "severity": "info", "message": "m"}],
        "fills": [{"id": "1", "at": "2024-11-23T03:12:07Z", "symbol": "BTC/USDT", "side": "buy", "quantity": "1", "price": "2.5"}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_makes_a_server_error() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (poller, manager) = (stage.poller(&agent), stage.program("operate"));
    let enrol = json!({"code": "AAAAA-BBBBB", "agent": {"name": "h", "version": "1", "platform": "l"}, "recipient": "age1x"});
    let routes: Vec<(&Client, String, Value)> = vec![
        (&poller, "/agent/v1/check-in".into(), check_in()),
        (&poller, "/agent/v1/acks".into(), json!({"epoch": 1, "step": "idle", "state": "halted", "entry_orders": 0})),
        (&poller, "/agent/v1/events".into(), json!([{"id": "1", "kind": "k", "at": "2026-11-23T03:12:07Z", "message": "m"}])),
        (
            &poller,
            "/agent/v1/fills".into(),
            json!({"fills": [{"id": "1", "order_id": "o", "at": "2024-11-23T03:12:07Z", "symbol": "BTC/USDT", "side": "buy", "quantity": "1",
                "price": "2.5", "fee": "-0.1", "fee_currency": "USDT", "maker": true}]}),
        ),
        (&poller, "/agent/v1/holds".into(), json!({"id": "0198f0c4-0000-7000-8000-000000000000", "level": "reduce", "why": "y"})),
        (&poller, "/agent/v1/enrol".into(), enrol),
        (
            &manager,
            "/api/v1/holds".into(),
            json!({"scope": "bot", "bot": "grid-btc", "level": "reduce", "why": "y", "idempotency_key": "k"}),
        ),
        (&manager, "/api/v1/bots".into(), json!({"name": "n", "team": "arb", "strategy": "s", "owner": "sato", "exits": "none"})),
        (&manager, format!("/api/v1/bots/{}/stage", agent.bot), json!({"stage": "sandbox"})),
    ];
    let mut runner = runner();
    for (client, path, document) in routes {
        let bodies = body(document);
        for _ in 0..120 {
            let sent = bodies.new_tree(&mut runner).unwrap().current();
            let reply = client.post_text(&path, sent.clone()).await;
            assert!(reply.status < 500, "{path} answered {} to {}", reply.status, String::from_utf8_lossy(&sent));
        }
    }
    assert_eq!(poller.post("/agent/v1/check-in", json!({"boot": "fresh", "seq": 1, "epoch": 0, "state": "halted"})).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_makes_a_server_error() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (poller, manager) = (stage.poller(&agent), stage.program("operate"));
    let mut runner = runner();
    let piece = "[a-zA-Z0-9%=&?._~!$'()*+,;:@-]{0,40}";
    for n in 0..200 {
        let text = piece.new_tree(&mut runner).unwrap().current();
        let (client, path) = match n % 6 {
            0 => (&poller, format!("/agent/v1/directive?wait_ms=0&after={text}")),
            1 => (&manager, format!("/api/v1/bots?limit={text}")),
            2 => (&manager, format!("/api/v1/bots/{text}")),
            3 => (&manager, format!("/api/v1/holds/{text}/receipt")),
            4 => (&manager, format!("/api/v1/bots/grid-btc/fills?from={text}&after={text}")),
            _ => (&manager, format!("/api/v1/agents?after={text}")),
        };
        let reply = client.get(&path).await;
        assert!(reply.status < 500, "{path} answered {}", reply.status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_frame_takes_the_stream_s_server_down() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let mut typed = check_in();
    typed["type"] = "check_in".into();
    let frames = body(typed);
    let mut runner = runner();
    for _ in 0..80 {
        let (mut line, _) = Line::hello(&stage, &agent, "b", "halted", 0).await;
        for _ in 0..4 {
            let sent = frames.new_tree(&mut runner).unwrap().current();
            line.send_text(String::from_utf8_lossy(&sent).into_owned()).await;
        }
        drop(line);
    }
    let (mut line, welcome) = Line::hello(&stage, &agent, "b", "halted", 0).await;
    let epoch = welcome["directive"]["epoch"].as_i64().unwrap();
    line.check_in("halted", epoch).await;
    assert!(matches!(line.next().await.unwrap()["type"].as_str(), Some("renew" | "directive")));
}
