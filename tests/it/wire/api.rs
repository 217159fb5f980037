//! The API for programs: scopes, presses, lists, receipts, and what is refused.

use super::{
    client::{Client, Line},
    stage::Stage,
};
use crate::harness::db::{Fresh, on_both};
use andon::domain::{HoldId, Level, Scope};
use andon::web::router::{Access, ROUTES};
use serde_json::{Value, json};

const HOLDS: &str = "/api/v1/holds";

fn press(scope: &str, name: &str) -> Value {
    let mut press = json!({"scope": scope, "why": "venue outage"});
    if !name.is_empty() {
        press[scope] = name.into();
    }
    press
}

on_both!(a_press_stops_and_its_receipt_says_how_far_it_came, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let agent = stage.agent("grid-btc").await;
    stage.agent("silent").await;
    let (mut line, _) = Line::trading(&stage, &agent, "boot-1").await;
    let program = stage.program("stop");
    let placed = program.post(HOLDS, press("fleet", "")).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    assert_eq!(
        (placed.json["kept"].as_str(), placed.json["bots"].as_u64(), placed.json["level"].as_str()),
        (Some("recorded"), Some(2), Some("pause"))
    );
    assert_eq!(placed.json["by"]["name"], "token stop");
    let epoch = line.expect("directive").await["epoch"].clone();
    let at = placed.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(program.get(&at).await.json["id"], placed.json["id"]);
    for step in ["received", "applied", "idle"] {
        line.send(json!({"type": "ack", "epoch": epoch, "step": step, "state": "halted", "entry_orders": 0})).await;
    }
    line.check_in("halted", epoch.as_i64().unwrap()).await;
    line.expect("renew").await;
    let receipt = program.get(placed.json["receipt"].as_str().unwrap()).await.json;
    let counts = ["total", "received", "applied", "idle"].map(|word| receipt[word].as_u64().unwrap());
    assert_eq!((counts, receipt["complete"].as_bool()), ([2, 1, 1, 1], Some(false)));
    assert_eq!((receipt["bots"][0]["name"].as_str(), receipt["bots"][0]["step"].as_str()), (Some("silent"), Some("requested")));
    assert!(receipt["bots"][0]["applied_ms"].is_null() && receipt["bots"][1]["idle_ms"].is_i64());
    let short = program.get(&format!("{}?limit=1", placed.json["receipt"].as_str().unwrap())).await.json;
    assert_eq!((short["bots"].as_array().unwrap().len(), short["omitted"].as_u64()), (1, Some(1)));
});

#[tokio::test]
async fn a_press_names_its_team_or_bot_by_id_or_name() {
    let stage = Stage::new().await;
    let bot = stage.bot("Grid BTC").await;
    let program = stage.program("operate");
    for (scope, name, id) in [("bot", "grid btc", bot.as_str()), ("bot", bot.as_str(), bot.as_str()), ("team", "ARB", stage.team.as_str())]
    {
        let placed = program.post(HOLDS, press(scope, name)).await;
        assert!(matches!(placed.status, 200 | 201), "{placed:?}");
        assert_eq!((placed.json[scope].as_str(), placed.json["bots"].as_u64()), (Some(id), Some(1)));
    }
    assert_eq!(program.post(HOLDS, press("bot", "nobody")).await.status, 404);
    assert_eq!(program.post(HOLDS, press("team", "nobody")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_equal_presses_are_one_hold() {
    let stage = Stage::new().await;
    stage.bot("grid-btc").await;
    let program = stage.program("stop");
    let presses = (0..100).map(|_| {
        let program = program.clone();
        let headers = [("content-type", "application/json"), ("idempotency-key", "k-1")];
        tokio::spawn(async move { program.send("POST", HOLDS, &headers, press("fleet", "").to_string().into_bytes()).await })
    });
    let (mut ids, mut new) = (std::collections::BTreeSet::new(), 0);
    for press in presses.collect::<Vec<_>>() {
        let reply = press.await.unwrap();
        new += u32::from(reply.status == 201);
        ids.insert(reply.json["id"].as_str().unwrap().to_owned());
    }
    assert_eq!((ids.len(), new), (1, 1));
    assert_eq!(stage.app.fleet.view().open_holds().count(), 1);
}

on_both!(a_key_that_was_used_before_never_swallows_a_stop, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let (one, two) = (stage.bot("grid-btc").await, stage.bot("grid-eth").await);
    let program = stage.program("stop");
    let with_key = |name: &str, level: &str| {
        let mut press = press("bot", name);
        press["idempotency_key"] = "nightly".into();
        press["level"] = level.into();
        press
    };
    let first = program.post(HOLDS, with_key("grid-btc", "reduce")).await;
    // The same key for another bot, or another level, is another press.
    let other = program.post(HOLDS, with_key("grid-eth", "reduce")).await;
    let stricter = program.post(HOLDS, with_key("grid-btc", "pause")).await;
    assert_eq!((first.status, other.status, stricter.status), (201, 201, 201));
    let halted = |bot| stage.app.fleet.view().bot(bot).map(|facts| stage.app.fleet.view().cover(facts).open.len()).unwrap();
    assert_eq!((halted(&one), halted(&two)), (2, 1));
    assert_eq!(stricter.json["repeated"], false);
    // Released and pressed again with the same key: it stops again, every time.
    let mut ids = vec![stricter.json["id"].as_str().unwrap().to_owned()];
    for _ in 0..3 {
        stage.release(&HoldId::parse(ids.last().unwrap()).unwrap()).await;
        let again = program.post(HOLDS, with_key("grid-btc", "pause")).await;
        assert_eq!((again.status, again.json["released"].is_null()), (201, true), "{again:?}");
        let repeated = program.post(HOLDS, with_key("grid-btc", "pause")).await;
        assert_eq!((repeated.status, &repeated.json["id"]), (200, &again.json["id"]));
        ids.push(again.json["id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
});

#[tokio::test]
async fn a_press_that_is_not_clear_is_refused_by_field() {
    let stage = Stage::new().await;
    stage.bot("grid-btc").await;
    let program = stage.program("stop");
    let refused: [(Value, &str); 9] = [
        (json!({}), "scope"),
        (json!({"scope": "galaxy"}), "scope"),
        (json!({"scope": "bot"}), "bot"),
        (json!({"scope": "team"}), "team"),
        (json!({"scope": "team", "team": "arb", "bot": "grid-btc"}), "bot"),
        (json!({"scope": "fleet", "team": "arb"}), "team"),
        (json!({"scope": "bot", "bto": "grid-btc"}), "bto"),
        (json!({"scope": "fleet", "level": "hunter2"}), "level must be one of reduce, pause, kill"),
        (json!({"scope": "fleet", "why": 7}), "why"),
    ];
    for (body, field) in refused {
        let reply = program.post(HOLDS, body.clone()).await;
        assert_eq!(reply.status, 422, "{body}: {reply:?}");
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        let detail = reply.json["detail"].as_str().unwrap();
        assert!(detail.to_lowercase().contains(field) && !detail.contains("hunter2"), "{body}: {detail}");
    }
    let kill = program.post(HOLDS, json!({"scope": "fleet", "level": "kill"})).await;
    assert_eq!(kill.status, 403, "a token kills nothing: {kill:?}");
    assert_eq!(stage.app.fleet.view().open_holds().count(), 0);
    // A reason that is too long never stands in the way of a stop.
    let long = program.post(HOLDS, json!({"scope": "fleet", "why": "x".repeat(5_000)})).await;
    assert_eq!((long.status, long.json["why"].as_str().unwrap().len()), (201, 500));
}

#[tokio::test]
async fn a_token_keeps_to_its_scope_and_team() {
    let stage = Stage::new().await;
    let bot = stage.bot("grid-btc").await;
    let other = stage.bot_with("alien", &stage.other_team, andon::domain::Limits::default()).await;
    let new_bot = json!({"name": "n", "team": "arb", "strategy": "s", "owner": "sato"});
    let reads = ["/api/v1/bots", "/api/v1/teams", "/api/v1/agents", HOLDS, &format!("/api/v1/bots/{bot}")];
    for (word, may_read, may_stop, may_make) in [("stop", false, true, false), ("read", true, false, false), ("operate", true, true, true)]
    {
        let program = stage.program(word);
        for path in reads {
            assert_eq!(program.get(path).await.status, if may_read { 200 } else { 403 }, "{word} {path}");
        }
        let stop = program.post(HOLDS, press("bot", "grid-btc")).await;
        assert_eq!(stop.status, if may_stop { 201 } else { 403 }, "{word}: {stop:?}");
        let made = program.post("/api/v1/bots", new_bot.clone()).await;
        assert_eq!(made.status, if may_make { 201 } else { 403 }, "{word}: {made:?}");
        // Teams are made by an admin and have no route here.
        assert_eq!(program.post("/api/v1/teams", json!({"name": "third"})).await.status, 405);
        let staged = program.post(&format!("/api/v1/bots/{bot}/stage"), json!({"stage": "draft"})).await;
        assert_eq!(staged.status, if may_make { 200 } else { 403 }, "{word}: {staged:?}");
    }
    let bound = stage.program("stop-arb");
    for (body, status) in
        [(press("fleet", ""), 403), (press("team", "grid desk"), 403), (press("bot", other.as_str()), 403), (press("team", "arb"), 201)]
    {
        assert_eq!(bound.post(HOLDS, body.clone()).await.status, status, "{body}");
    }
    // It is shown its team's things and nobody else's.
    let mine = stage.place(Scope::Bot(bot.clone()), Level::Pause).await.hold.id;
    let theirs = stage.place(Scope::Bot(other.clone()), Level::Pause).await.hold.id;
    let fleet = stage.place(Scope::Fleet, Level::Reduce).await.hold.id;
    for (hold, status) in [(&mine, 200), (&fleet, 200), (&theirs, 404)] {
        assert_eq!(bound.get(&format!("{HOLDS}/{hold}")).await.status, status);
        assert_eq!(bound.get(&format!("{HOLDS}/{hold}/receipt")).await.status, status);
    }
    let read = stage.program("read-arb");
    let listed = |list: Value| list["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect::<Vec<_>>();
    assert!(!listed(read.get("/api/v1/bots").await.json).contains(&json!("alien")));
    assert_eq!(listed(read.get("/api/v1/teams").await.json), [json!("arb")]);
    assert_eq!(read.get(&format!("/api/v1/bots/{other}")).await.status, 404);
    let holds = read.get(HOLDS).await.text;
    assert!(holds.contains(mine.as_str()) && holds.contains(fleet.as_str()) && !holds.contains(theirs.as_str()));
    // What it may not do it is told before anything else: not whether a bot is there, not what is wrong with its body.
    assert_eq!(stage.program("read").post_text(HOLDS, "{").await.status, 403);
    assert_eq!(stage.program("stop").get("/api/v1/bots/nobody").await.status, 403);
    assert_eq!(stage.program("read").get("/api/v1/bots/nobody").await.status, 404);
}

#[tokio::test]
async fn every_route_of_the_api_asks_for_its_token() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let nobody = Client { token: Some("andon_api_nobody".into()), ..stage.stranger() };
    for route in ROUTES.iter().filter(|route| matches!(route.access, Access::Token(_))) {
        let path = route.path.replace("{id}", agent.bot.as_str());
        for client in [&stage.stranger(), &nobody, &stage.poller(&agent)] {
            let reply = client.send(route.method, &path, &[("content-type", "application/json")], b"{}".to_vec()).await;
            assert_eq!(reply.status, 401, "{path}: {reply:?}");
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
        }
        let cookie = [("content-type", "application/json"), ("cookie", "andon-local=abc")];
        assert_eq!(stage.stranger().send(route.method, &path, &cookie, b"{}".to_vec()).await.status, 401);
    }
}

#[tokio::test]
async fn lists_come_in_pieces_that_fit_together() {
    let stage = Stage::new().await;
    for n in 0..7 {
        stage.bot(&format!("bot-{n}")).await;
    }
    let program = stage.program("read");
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let piece = program.get(&format!("/api/v1/bots?limit=3{after}")).await.json;
        let items = piece["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        names.extend(items.iter().map(|bot| bot["name"].as_str().unwrap().to_owned()));
        match piece["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(names, (0..7).map(|n| format!("bot-{n}")).collect::<Vec<_>>());
    for wrong in ["0", "1001", "x", "-1"] {
        assert_eq!(program.get(&format!("/api/v1/bots?limit={wrong}")).await.status, 400);
    }
}

#[tokio::test]
async fn a_bot_is_shown_with_what_its_agent_said_and_nothing_is_invented() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let program = stage.program("read");
    let silent = program.get("/api/v1/bots/grid-btc").await.json;
    assert!(silent["seen"].is_null() && silent["agent"]["confirmed"] == false, "{silent}");
    let report = json!({"equity": "100.50", "cash": "a lot"});
    let said = json!({"boot": "b", "seq": 1, "epoch": 0, "state": "halted", "report": report});
    stage.poller(&agent).post("/agent/v1/check-in", said).await;
    let bot = program.get("/api/v1/bots/grid-btc").await.json;
    assert_eq!((bot["seen"]["state"].as_str(), bot["seen"]["channel"].as_str()), (Some("halted"), Some("poll")));
    assert_eq!(bot["seen"]["report"]["equity"], "100.50");
    assert!(bot["seen"]["report"]["cash"].is_null(), "what is no number is unknown");
    assert_eq!((bot["team"]["name"].as_str(), bot["owner"]["name"].as_str()), (Some("arb"), Some("L. Sato")));
    let agents = program.get("/api/v1/agents").await;
    assert_eq!(agents.json["items"][0]["state"], "pending");
    assert!(!agents.text.contains("token") && !agents.text.contains(&andon::crypto::token::TokenDigest::of(&agent.token).hex()));
}

#[tokio::test]
async fn bots_are_made_and_moved() {
    let stage = Stage::new().await;
    let program = stage.program("operate");
    let elsewhere = json!({"name": "n-1", "team": stage.other_team, "strategy": "s", "owner": "SATO"});
    assert_eq!(program.post("/api/v1/bots", elsewhere).await.status, 403, "it operates in its own team");
    let asked = json!({"name": "n-1", "team": stage.team, "strategy": "s", "owner": "SATO", "exits": "none"});
    let bot = program.post("/api/v1/bots", asked.clone()).await;
    assert_eq!((bot.status, bot.json["stage"].as_str(), bot.json["exits"].as_str()), (201, Some("draft"), Some("none")), "{bot:?}");
    let twice = program.post("/api/v1/bots", asked).await;
    assert_eq!((twice.status, twice.json["fields"]["name"].is_string()), (422, true), "{twice:?}");
    let to = format!("/api/v1/bots/{}/stage", bot.json["id"].as_str().unwrap());
    assert_eq!(program.post(&to, json!({"stage": "sandbox"})).await.json["stage"], "sandbox");
    assert_eq!(program.post(&to, json!({"stage": "live"})).await.status, 409);
    assert_eq!(program.post(&to, json!({"stage": "sandbox"})).await.status, 409);
    assert_eq!(program.post(&to, json!({"stage": "hunter2"})).await.status, 422);
    let wrong = program.post("/api/v1/bots", json!({"name": "", "team": "none such", "strategy": "", "owner": "nobody"})).await;
    assert_eq!((wrong.status, wrong.json["fields"].as_object().unwrap().len()), (422, 4), "{wrong:?}");
}

#[tokio::test]
async fn holds_are_listed_while_they_stand_and_after() {
    let stage = Stage::new().await;
    stage.bot("grid-btc").await;
    let program = stage.program("read");
    let placed = stage.place(Scope::Fleet, Level::Pause).await;
    let open = program.get(HOLDS).await.json;
    assert_eq!(open["items"][0]["id"], placed.hold.id.as_str());
    stage.release(&placed.hold.id).await;
    assert_eq!(program.get(HOLDS).await.json["items"], json!([]));
    let over = program.get("/api/v1/holds?state=released").await.json;
    assert_eq!(over["items"][0]["released"]["why"], "over", "{over}");
    assert_eq!(program.get("/api/v1/holds?state=x").await.status, 400);
    assert_eq!(program.get("/api/v1/holds/x").await.status, 404);
    assert_eq!(program.get(&format!("/api/v1/holds/{}/receipt", HoldId::new())).await.status, 404);
}

#[tokio::test]
async fn programs_reach_the_server_by_whatever_name() {
    let stage = Stage::new().await;
    stage.bot("grid-btc").await;
    let headers = [("content-type", "application/json"), ("host", "10.0.0.5:8080")];
    let reply = stage.program("stop").send("POST", HOLDS, &headers, press("fleet", "").to_string().into_bytes()).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

#[tokio::test]
async fn the_description_knows_every_route_and_no_other() {
    let stage = Stage::new().await;
    let description = stage.stranger().get("/api/v1/openapi.json").await.json;
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut described: Vec<(String, String)> = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        described.extend(methods.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase())));
    }
    let routes = ROUTES.iter().filter(|route| matches!(route.access, Access::Token(_)));
    let mut routes: Vec<(String, String)> = routes.map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
    routes.sort();
    described.sort();
    assert_eq!(described, routes);
    let text = description.to_string();
    for (at, _) in text.match_indices("\"$ref\":\"#") {
        let pointer: String = text[at + 9..].chars().take_while(|c| *c != '"').collect();
        assert!(description.pointer(&pointer).is_some(), "{pointer} leads nowhere");
    }
}
