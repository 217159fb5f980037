//! Requests as programs see them: a server over a socket, and tokens that people made by signing.

use super::{HOUR_MS, approve, ask, limited, order, view, why};
use crate::{
    harness::{
        app::TestApp,
        db::{Fresh, on_both},
    },
    wire::client::Client,
};
use andon::{
    app::acts::Outcome,
    domain::{ActKind, BotFacts, RequestKind, RequestState, Rule, approval::Approver},
};
use serde_json::{Value, json};

pub const REQUESTS: &str = "/api/v1/requests";

/// A program with a token that somebody made.
pub async fn program(test: &TestApp, by: &str, scope: &str, team: Option<&str>) -> Client {
    let team = team.map(|team| test.team(team));
    let kind = ActKind::TokenCreate { name: format!("{scope} by {by}"), scope: scope.into(), team, days: 7 };
    let act = test.app.prepare_single(&test.actor(by), kind).await.unwrap();
    let Outcome::Secret { secret, .. } = test.sign(by, &act).await.unwrap() else { panic!("no token") };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(andon::web::server::serve(listener, test.app.clone(), std::future::pending()));
    Client { address, token: Some(secret.expose().clone()) }
}

/// Asks for a larger order of a bot.
pub fn larger(bot: &BotFacts, most: &str) -> Value {
    json!({"kind": "limits", "level": format!("bot:{}", bot.name), "set": {"max_order_notional": most}, "why": "the book is deeper now"})
}

fn ids(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

on_both!(one_request_says_who_can_approve_it_and_keeps_every_revision_and_vote, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let by_lead = program(&test, "lead", "operate", Some("arb")).await;
    let by_grid = program(&test, "grid lead", "read", Some("grid")).await;
    let by_admin = program(&test, "admin", "read", None).await;
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    let at = format!("{REQUESTS}/{id}");
    let one = by_lead.get(&at).await.json;
    assert_eq!((&one["can_vote"], &one["why_not"]), (&json!(true), &Value::Null), "{one}");
    assert_eq!((one["team"].as_str(), one["seats_now"].is_null()), (Some(test.team("arb").as_str()), true));
    assert!(one["ready_at"].is_null() && one["votes"] == json!([]));
    let other = by_admin.get(&at).await.json;
    assert_eq!(other["can_vote"], false);
    assert_eq!(other["why_not"], "Your roles are not asked for: it takes a lead of the team or risk.", "{other}");
    assert_eq!(by_grid.get(&at).await.status, 404);

    // Two seats, of which risk fills one; then another revision.
    let rule = Rule::new(&[&[Approver::Risk], &[Approver::Lead]], 0);
    test.app.ask_policy(&test.actor("admin"), RequestKind::Limits, rule, "two eyes are few").await.unwrap();
    let policy = ids(&by_admin.get(&format!("{REQUESTS}?kind=policy")).await.json).remove(0);
    let policy = andon::domain::RequestId::parse(&policy).unwrap();
    approve(&test, "risk", &policy).await.unwrap();
    approve(&test, "lead", &policy).await.unwrap();
    let ready = by_admin.get(&format!("{REQUESTS}/{policy}")).await.json;
    assert_eq!((ready["state"].as_str(), ready["ready_at"].is_string()), (Some("approved"), true), "{ready}");
    test.hand.forward_ms(23 * HOUR_MS);
    test.app.revise_limits(&test.actor("operator"), &id, &order("4000"), "deeper still").await.unwrap();
    test.hand.forward_ms(HOUR_MS + 1_000);
    test.app.tend_requests().await.unwrap();
    assert_eq!(test.app.rules().version, 1);
    approve(&test, "risk", &id).await.unwrap();
    test.app.take_back_approval(&test.actor("risk"), &id).await.unwrap();
    approve(&test, "risk", &id).await.unwrap();
    let one = by_lead.get(&at).await.json;
    let (risk, operator) = (test.people["risk"].id.as_str(), test.people["operator"].id.as_str());
    assert_eq!((one["state"].as_str(), one["can_vote"].as_bool()), (Some("pending"), Some(true)), "{one}");
    assert_eq!(one["seats_now"].as_array().unwrap().iter().filter(|seat| seat["taken_by"] == risk).count(), 1, "{one}");
    let votes = one["votes"].as_array().unwrap();
    assert_eq!((votes.len(), &votes[0]["by"]["id"], &votes[0]["revision"]), (2, &json!(risk), &json!(2)));
    assert!(votes[0]["taken_back_at"].is_string() && votes[1]["taken_back_at"].is_null() && votes[1]["digest"] == one["digest"]);
    let revisions = one["revisions"].as_array().unwrap();
    assert_eq!((revisions.len(), &revisions[0]["revision"], &revisions[1]["why"]), (2, &json!(2), &json!("the book is deeper now")));
    assert_eq!((&revisions[0]["author"]["id"], &revisions[0]["digest"]), (&json!(operator), &one["digest"]));
    assert_eq!((&revisions[1]["changes"][0]["after"], &revisions[0]["changes"][0]["after"]), (&json!("3000"), &json!("4000")));
    approve(&test, "lead", &id).await.unwrap();
    let over = by_lead.get(&at).await.json;
    assert_eq!((over["state"].as_str(), over["can_vote"].as_bool()), (Some("executed"), Some(false)));
    assert_eq!(over["why_not"], "This request is over: executed.");
    test.log_is_good().await;
});

on_both!(a_list_is_narrowed_in_the_database_and_a_teams_token_gets_full_pieces, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (read, of_arb) = (program(&test, "admin", "read", None).await, program(&test, "lead", "read", Some("arb")).await);
    let (mut arbs, mut grids) = (Vec::new(), Vec::new());
    for n in 0..3 {
        let bot = limited(&test, &format!("arb-{n}")).await;
        arbs.push(ask(&test, "operator", &bot.id, "3000").await.unwrap().to_string());
        for m in 0..2 {
            let bot = test.bot(&format!("grid-{n}-{m}"), "grid").await;
            test.app.tighten_limits(&test.actor("grid operator"), &bot.id, &order("2000"), "").await.unwrap();
            grids.push(ask(&test, "grid operator", &bot.id, "3000").await.unwrap().to_string());
        }
    }
    let rule = Rule::new(&[&[Approver::Risk]], 0);
    let policy = test.app.ask_policy(&test.actor("admin"), RequestKind::Limits, rule, "risk alone").await.unwrap().to_string();
    test.app.withdraw_request(&test.actor("operator"), &andon::domain::RequestId::parse(&arbs[0]).unwrap()).await.unwrap();

    // What concerns no team, and its own team's, two at a time; nothing of the other team takes a place.
    let (mut seen, mut after, mut pieces) = (Vec::new(), String::new(), Vec::new());
    loop {
        let piece = of_arb.get(&format!("{REQUESTS}?limit=2{after}")).await.json;
        pieces.push(ids(&piece).len());
        seen.extend(ids(&piece));
        match piece["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let newest_first = |ids: &[&String]| ids.iter().rev().map(|id| (*id).clone()).collect::<Vec<_>>();
    assert_eq!((pieces, seen), (vec![2, 2], newest_first(&[&arbs[0], &arbs[1], &arbs[2], &policy])));
    let found = async |query: &str| ids(&read.get(&format!("{REQUESTS}?{query}")).await.json);
    assert_eq!(found("").await.len(), 10);
    assert_eq!(found("team=arb&state=open").await, newest_first(&[&arbs[1], &arbs[2]]));
    assert_eq!(found("state=withdrawn").await, newest_first(&[&arbs[0]]));
    assert_eq!(found("kind=policy").await, newest_first(&[&policy]));
    assert_eq!(found("requester=grid%20operator").await.len(), 6);
    assert_eq!(found(&format!("requester={}&kind=limits&state=pending&limit=2", test.people["operator"].id)).await.len(), 2);
    assert_eq!(ids(&of_arb.get(&format!("{REQUESTS}?team=grid")).await.json), Vec::<String>::new());
    assert_eq!(of_arb.get(&format!("{REQUESTS}/{}", grids[0])).await.status, 404);
    for (query, status) in [("state=x", 400), ("kind=x", 400), ("team=x", 404), ("requester=x", 404), ("after=x", 404), ("limit=0", 400)] {
        assert_eq!(read.get(&format!("{REQUESTS}?{query}")).await.status, status, "{query}");
    }
});

on_both!(policies_are_shown_with_every_version_and_what_nobody_could_meet, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let read = program(&test, "lead", "read", Some("arb")).await;
    let now = read.get("/api/v1/policies").await.json;
    let of = |now: &Value, kind: &str| now["items"].as_array().unwrap().iter().find(|one| one["kind"] == kind).unwrap().clone();
    assert_eq!((now["version"].as_i64(), now["items"].as_array().unwrap().len()), (Some(0), RequestKind::ALL.len()));
    let limits = of(&now, "limits");
    assert_eq!((&limits["rule"]["seats"], &limits["rule"]["delay_s"]), (&json!([["lead", "risk"]]), &json!(0)));
    assert_eq!(limits["gaps"], json!([]));
    assert_eq!(read.get("/api/v1/policies/history").await.json, json!({"items": [], "next": null}));
    for approver in [Approver::Risk, Approver::Lead] {
        let rule = Rule::new(&[&[approver]], 0);
        let id = test.app.ask_policy(&test.actor("admin"), RequestKind::Limits, rule, "one of them").await.unwrap();
        approve(&test, "lead", &id).await.unwrap();
        approve(&test, "risk", &id).await.unwrap();
        test.hand.forward_ms(24 * HOUR_MS + 1_000);
        test.app.tend_requests().await.unwrap();
    }
    let piece = read.get("/api/v1/policies/history?limit=1").await.json;
    assert_eq!((&piece["items"][0]["version"], &piece["items"][0]["rule"]["seats"]), (&json!(2), &json!([["lead"]])), "{piece}");
    let rest = read.get(&format!("/api/v1/policies/history?limit=1&after={}", piece["next"].as_str().unwrap())).await.json;
    assert_eq!((&rest["items"][0]["version"], &rest["next"]), (&json!(1), &Value::Null));
    assert_eq!(read.get("/api/v1/policies/history?after=x").await.status, 400);
    // The only other lead is gone: whoever asks cannot approve it themselves.
    let lead = test.people["grid lead"].id.clone();
    test.app.disable(&test.actor("admin"), &lead).await.unwrap();
    let of_arb = of(&read.get("/api/v1/policies").await.json, "limits")["gaps"].clone();
    assert_eq!(of_arb, json!([]), "a token of a team hears of no other");
    let of_all = program(&test, "admin", "read", None).await.get("/api/v1/policies").await.json;
    let gap = of(&of_all, "limits")["gaps"].clone();
    assert!(gap[0].as_str().unwrap().contains("in team grid"), "{gap}");
});

on_both!(exceptions_are_listed_and_ended_before_their_time, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let program_of_arb = program(&test, "lead", "operate", Some("arb")).await;
    let program_of_grid = program(&test, "grid lead", "operate", Some("grid")).await;
    let read = program(&test, "admin", "read", None).await;
    let bot = test.bot("arb-1", "arb").await;
    let limit = [("max_position_notional".to_owned(), "1000".to_owned())];
    test.app.tighten_limits(&test.actor("operator"), &bot.id, &limit, "").await.unwrap();
    let until = test.app.clock.now().plus_ms(2 * HOUR_MS).rfc3339();
    let mut made = Vec::new();
    for symbol in ["BTC/USDT", "ETH/USDT"] {
        let body = json!({"kind": "override", "bot": "arb-1", "symbol": symbol, "most": "2000", "until": until, "why": "a hedge"});
        let asked = program_of_arb.post(REQUESTS, body).await;
        assert_eq!(asked.status, 201, "{asked:?}");
        let id = andon::domain::RequestId::parse(asked.json["id"].as_str().unwrap()).unwrap();
        assert!(why(approve(&test, "lead", &id).await).contains("own request"), "its token asked");
        approve(&test, "risk", &id).await.unwrap();
        made.push(id.to_string());
    }
    let listed = read.get("/api/v1/overrides?bot=arb-1&state=running&limit=1").await.json;
    assert_eq!((&listed["items"][0]["id"], &listed["next"]), (&json!(made[1]), &json!(made[1])), "{listed}");
    assert_eq!((&listed["items"][0]["most"], &listed["items"][0]["until"]), (&json!("2000"), &json!(until)));
    assert_eq!(ids(&program_of_grid.get("/api/v1/overrides").await.json), Vec::<String>::new());
    let end = format!("/api/v1/overrides/{}/end", made[0]);
    for (who, status) in [(&read, 403), (&program_of_grid, 404), (&program_of_arb, 200), (&program_of_arb, 404)] {
        let reply = who.post(&end, json!({})).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    let over = read.get("/api/v1/overrides?state=ended").await.json;
    assert_eq!((ids(&over), &over["items"][0]["ended_by"]), (vec![made[0].clone()], &json!("an API token")), "{over}");
    assert_eq!(ids(&read.get("/api/v1/overrides").await.json).len(), 2);
    assert_eq!(program_of_grid.get(&format!("/api/v1/overrides/{}", made[1])).await.status, 404);
    assert_eq!(read.get(&format!("/api/v1/overrides/{}", made[1])).await.json["running"], true);
    assert_eq!((read.get("/api/v1/overrides?state=x").await.status, read.get("/api/v1/overrides?bot=x").await.status), (400, 404));
    test.log_is_good().await;
});

on_both!(whoever_the_token_is_of_denies_and_no_token_approves, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let program = program(&test, "lead", "operate", Some("arb")).await;
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    assert_eq!(program.post(&format!("{REQUESTS}/{id}/approve"), json!({})).await.status, 404);
    let denied = program.post(&format!("{REQUESTS}/{id}/deny"), json!({"why": "not now"})).await.json;
    assert_eq!((denied["state"].as_str(), denied["can_vote"].as_bool()), (Some("denied"), Some(false)), "{denied}");
    assert_eq!(view(&test, &id).await.row.state, RequestState::Denied);
});
