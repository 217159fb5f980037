//! What programs ask for, and change: each kind, as the token's maker may; what is refused, and that nothing is asked twice.

use super::{
    api::{REQUESTS, larger, program},
    approve, ask, limited, order, prepare, state, why,
};
use crate::harness::{
    app::TestApp,
    db::{Fresh, Kind, fresh, on_both},
};
use andon::domain::{RequestId, RequestState, Stage};
use serde_json::{Value, json};

fn id_of(json: &Value) -> RequestId {
    RequestId::parse(json["id"].as_str().unwrap()).unwrap()
}

on_both!(a_token_asks_for_every_kind_as_its_maker_who_never_approves_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    test.app.set_stage(&test.actor("operator"), &bot.id, Stage::Draft).await.unwrap();
    let venue = test.app.create_venue(&test.actor("lead"), "binance", "live").await.unwrap();
    test.app.create_subaccount(&test.actor("lead"), venue.id.as_str(), "a").await.unwrap();
    let position = [("max_position_notional".to_owned(), "1000".to_owned())];
    test.app.tighten_limits(&test.actor("operator"), &bot.id, &position, "").await.unwrap();
    let program = program(&test, "lead", "operate", Some("arb")).await;
    let until = test.app.clock.now().plus_ms(3_600_000).rfc3339();
    for (body, title) in [
        (larger(&bot, "3000"), "Looser limits of bot arb-1"),
        (json!({"kind": "assign", "bot": "arb-1", "subaccount": "binance/a", "why": "w"}), "A live subaccount for bot arb-1"),
        (
            json!({"kind": "override", "bot": "arb-1", "symbol": "btc/usdt", "most": "2000", "until": until, "why": "w"}),
            "A larger position in BTC/USDT of bot arb-1",
        ),
        (
            json!({"kind": "policy", "about": "limits", "seats": [["risk"], ["lead", "risk"]], "delay_s": 60, "why": "w"}),
            "Another policy for looser limits of a bot",
        ),
    ] {
        let asked = program.post(REQUESTS, body.clone()).await;
        assert_eq!((asked.status, asked.json["title"].as_str()), (201, Some(title)), "{asked:?}");
        let id = id_of(&asked.json);
        assert_eq!(asked.headers["location"].to_str().unwrap(), format!("{REQUESTS}/{id}"));
        assert_eq!(program.get(&format!("{REQUESTS}/{id}")).await.json["requester"], test.people["lead"].id.as_str());
        assert_eq!(asked.json["can_vote"], false);
        assert!(asked.json["why_not"].as_str().unwrap().contains("own request"), "{}", asked.json);
        assert!(why(prepare(&test, "lead", &id).await).contains("own request"));
        // Asked anew: one's own is superseded.
        let again = program.post(REQUESTS, body).await;
        assert_eq!((again.status, state(&test, &id).await), (201, RequestState::Superseded), "{again:?}");
        let taken = program.post(&format!("{REQUESTS}/{}/withdraw", id_of(&again.json)), json!({})).await;
        assert_eq!((taken.status, taken.json["state"].as_str()), (200, Some("withdrawn")), "{taken:?}");
    }
    // What takes a limit away is null.
    let away = json!({"kind": "limits", "level": "bot:arb-1", "set": {"max_order_notional": null}, "why": "w"});
    let asked = program.post(REQUESTS, away).await;
    assert_eq!((asked.status, asked.json["changes"][0]["after"].as_str()), (201, Some("not set")), "{asked:?}");
    approve(&test, "risk", &id_of(&asked.json)).await.unwrap();
    assert_eq!(state(&test, &id_of(&asked.json)).await, RequestState::Executed);
    test.log_is_good().await;
});

on_both!(what_a_token_may_not_ask_for_is_refused_and_what_cannot_be_is_said_by_its_field, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let grid = test.bot("grid-1", "grid").await;
    test.app.tighten_limits(&test.actor("grid operator"), &grid.id, &order("2000"), "").await.unwrap();
    let operate = program(&test, "lead", "operate", Some("arb")).await;
    for (by, scope, team) in [("admin", "read", None), ("admin", "stop-only", None), ("lead", "read", Some("arb"))] {
        let reply = program(&test, by, scope, team).await.post(REQUESTS, larger(&bot, "3000")).await;
        assert_eq!(reply.status, 403, "{scope}: {reply:?}");
    }
    assert_eq!(operate.post(REQUESTS, larger(&grid, "3000")).await.status, 403, "of another team");
    let wide = json!({"kind": "limits", "level": "installation", "set": {"max_leverage": "3"}, "why": "w"});
    let first = [("max_leverage".to_owned(), "2".to_owned())];
    test.app.tighten(&test.actor("risk"), &andon::domain::limits::Node::Installation, &first, "").await.unwrap();
    let refused = operate.post(REQUESTS, wide).await;
    assert_eq!(refused.status, 403, "its maker holds no risk: {refused:?}");
    let long = "x".repeat(501);
    let with = |field: &str, value: Value| {
        let mut body = larger(&bot, "3000");
        body[field] = value;
        body
    };
    for (body, status, said) in [
        (json!({}), 422, "kind"),
        (with("kind", json!("gold")), 422, "kind must be one of"),
        (with("kind", json!("keys")), 422, "level"),
        (with("kind", json!("roles")), 422, "No token asks"),
        (with("kind", json!("assign")), 422, "level"),
        (with("level", json!("bot:nobody")), 404, "no such bot"),
        (with("level", json!("planet")), 404, "level of limits"),
        (with("level", json!("symbol:arb-1:?")), 422, "symbol"),
        (with("set", json!({"colour": "red"})), 400, "colour is no setting"),
        (with("set", json!({"max_order_notional": "much"})), 422, "Largest order"),
        (with("set", json!({"max_order_notional": 3000})), 422, "set.max_order_notional"),
        (with("set", json!({"max_order_notional": "1000"})), 409, "looser"),
        (with("set", json!({})), 409, "looser"),
        (with("why", json!("")), 422, "Say why"),
        (with("why", json!(long)), 422, "500"),
        (with("why", json!("a\u{0}b")), 422, "control"),
        (with("extra", json!(1)), 422, "extra"),
        (json!({"kind": "assign", "bot": "arb-1", "subaccount": "none", "why": "w"}), 422, "subaccount"),
        (json!({"kind": "assign", "bot": "nobody", "subaccount": "none", "why": "w"}), 404, "bot"),
        (json!({"kind": "keys", "bot": "arb-1", "purpose": "execution", "ips": [], "why": "w"}), 422, "Name the addresses"),
        (json!({"kind": "keys", "bot": "arb-1", "purpose": "trade", "ips": ["203.0.113.7"], "why": "w"}), 422, "Say what it is for"),
        (json!({"kind": "withdrawals", "bot": "arb-1", "purpose": "execution", "ips": ["203.0.113.7"], "why": "w"}), 422, "withdrawals"),
        (json!({"kind": "keys", "bot": "arb-1", "purpose": "execution", "ips": ["203.0.113.7"], "why": "w"}), 409, "no subaccount"),
        (json!({"kind": "policy", "about": "limits", "seats": [["king"]], "delay_s": 0, "why": "w"}), 422, "seats[0][0] must be one of"),
        (json!({"kind": "policy", "about": "limits", "seats": [[]], "delay_s": 0, "why": "w"}), 422, "seat"),
        (json!({"kind": "policy", "about": "limits", "seats": [["risk"]], "delay_s": 604_801, "why": "w"}), 422, "168"),
        (json!({"kind": "override", "bot": "arb-1", "symbol": "BTC/USDT", "most": "-1", "until": "soon", "why": "w"}), 422, "72 hours"),
    ] {
        let reply = operate.post(REQUESTS, body.clone()).await;
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        assert!(reply.text.contains(said), "{body}: {}", reply.text);
    }
    // Somebody else's stands in the way, and is named.
    ask(&test, "operator", &bot.id, "3000").await.unwrap();
    let reply = operate.post(REQUESTS, larger(&bot, "3000")).await;
    assert!(reply.status == 409 && reply.text.contains("/requests/"), "{reply:?}");
    let (all, _) = test.app.requests(&test.actor("auditor"), &Default::default(), None, 100).await.unwrap();
    assert_eq!(all.len(), 1, "nothing was asked by what was refused");
});

on_both!(whoever_asked_changes_it_and_nobody_else_does, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, other) = (limited(&test, "arb-1").await, limited(&test, "arb-2").await);
    let program_of_lead = program(&test, "lead", "operate", Some("arb")).await;
    let asked = program_of_lead.post(REQUESTS, larger(&bot, "3000")).await.json;
    let revise = format!("{REQUESTS}/{}/revise", asked["id"].as_str().unwrap());
    let changed = program_of_lead.post(&revise, larger(&bot, "4000")).await;
    assert_eq!((changed.status, changed.json["revision"].as_i64()), (200, Some(2)), "{changed:?}");
    assert_eq!(changed.json["revisions"].as_array().unwrap().len(), 2);
    assert_ne!(changed.json["digest"], asked["digest"]);
    let assign = json!({"kind": "assign", "bot": "arb-1", "subaccount": "binance/a", "why": "w"});
    for (body, status, said) in [
        (larger(&bot, "4000"), 409, "already"),
        (larger(&other, "4000"), 422, "ask anew"),
        (assign, 422, "ask anew"),
        (larger(&bot, "1000"), 409, "looser"),
    ] {
        let reply = program_of_lead.post(&revise, body).await;
        assert!(reply.status == status && reply.text.contains(said), "{reply:?}");
    }
    let theirs = ask(&test, "operator", &other.id, "3000").await.unwrap();
    let reply = program_of_lead.post(&format!("{REQUESTS}/{theirs}/revise"), larger(&other, "4000")).await;
    assert!(reply.status == 403 && reply.text.contains("whoever asked"), "{reply:?}");
    let of_grid = program(&test, "grid lead", "operate", Some("grid")).await;
    assert_eq!(of_grid.post(&revise, larger(&bot, "5000")).await.status, 404);
    program_of_lead.post(&format!("{REQUESTS}/{}/withdraw", asked["id"].as_str().unwrap()), json!({})).await;
    assert_eq!(program_of_lead.post(&revise, larger(&bot, "5000")).await.status, 409, "it is over");
    test.log_is_good().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_one_key_a_thing_is_asked_for_once() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let bot = limited(&test, "arb-1").await;
    let program = program(&test, "lead", "operate", Some("arb")).await;
    let headers = [("content-type", "application/json"), ("idempotency-key", "k-1")];
    let send = async |body: Value| program.send("POST", REQUESTS, &headers, body.to_string().into_bytes()).await;
    let first = send(larger(&bot, "3000")).await;
    let again = send(larger(&bot, "3000")).await;
    assert_eq!((first.status, again.status, &first.json["id"]), (201, 201, &again.json["id"]), "{again:?}");
    assert_eq!(
        (&again.headers["location"], &again.headers["idempotency-replayed"]),
        (&first.headers["location"], &"true".parse().unwrap())
    );
    assert_eq!(state(&test, &id_of(&first.json)).await, RequestState::Pending, "nothing superseded it");
    assert_eq!(send(larger(&bot, "4000")).await.status, 422, "the key was for something else");
}
