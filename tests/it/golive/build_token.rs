//! What a pipeline files: only what runs, only over a whole list, as whoever made the token, who approves none of it; and nothing else with that token.

use crate::{
    harness::{
        app::TestApp,
        browser::Browser,
        db::{Fresh, Kind, fresh, on_both},
        golive::{BUILD, CONFIG, execute, mark, measured, now, whole},
    },
    requests::{api::program, approve, state, view, why},
};
use andon::{
    app::AppError,
    domain::{ActKind, Grant, RequestId, RequestState, Role, Stage, request::Content},
    web::router::{Access, ROUTES},
};
use serde_json::{Value, json};

const AT: &str = "/api/v1/bots/arb-1/golive";
const FROM: &str = "https://ci.example/runs/7";

fn filed() -> Value {
    json!({"build": BUILD, "config": CONFIG, "provenance": FROM, "why": "release 1.5"})
}

fn with(field: &str, value: Value) -> Value {
    let mut body = filed();
    body[field] = value;
    body
}

fn id_of(reply: &Value) -> RequestId {
    RequestId::parse(reply["id"].as_str().unwrap()).unwrap()
}

on_both!(a_pipeline_files_what_runs_and_people_do_the_rest, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = measured(&test, "arb-1").await;
    let bot = ready.bot.id.clone();
    let pipeline = program(&test, "operator", "build", Some("arb")).await;
    // The list is not whole: every item that is open is said, and nothing is asked.
    let refused = pipeline.post(AT, filed()).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    for open in ["A rollback plan is written down for this build: nobody has answered for it", "duplicate orders was rehearsed"] {
        assert!(refused.text.contains(open), "{refused:?}");
    }
    mark(&test, "operator", &bot, Stage::Limited).await;
    // Something else than runs: both are said, by the beginnings of their digests.
    let other = pipeline.post(AT, with("build", json!("sha256:dddddddddddddddddddd"))).await;
    assert_eq!(other.status, 409, "{other:?}");
    assert!(other.text.contains("sha256:dddddddddddd…") && other.text.contains("sha256:b0b0b0b0b0b0…"), "{other:?}");
    assert_eq!(pipeline.post(AT, with("config", json!("sha256:dd"))).await.status, 409);
    let (asked, _) = test.app.requests(&test.actor("auditor"), &Default::default(), None, 100).await.unwrap();
    assert!(asked.iter().all(|row| row.kind != andon::domain::RequestKind::Limited), "nothing was asked for");

    let key = [("content-type", "application/json"), ("idempotency-key", "run-7")];
    let done = pipeline.send("POST", AT, &key, filed().to_string().into_bytes()).await;
    assert_eq!(done.status, 201, "{done:?}");
    let id = id_of(&done.json);
    assert_eq!(done.json["link"].as_str().unwrap(), format!("{}requests/{id}", test.app.origin));
    assert_eq!(done.headers["location"].to_str().unwrap(), format!("/api/v1/requests/{id}"));
    let again = pipeline.send("POST", AT, &key, filed().to_string().into_bytes()).await;
    assert_eq!((again.status, &again.json, again.headers.contains_key("idempotency-replayed")), (201, &done.json, true));

    let asked = view(&test, &id).await;
    assert_eq!((&asked.row.requester, asked.row.state), (&test.people["operator"].id, RequestState::Pending));
    assert_eq!(asked.why(), "release 1.5");
    let Content::GoLive { dossier, to, .. } = asked.content() else { panic!("a step up was filed") };
    assert_eq!((dossier.provenance.as_deref(), *to), (Some(FROM), Stage::Limited));
    assert!(asked.content().lines().iter().any(|line| line.after == FROM), "whoever approves sees where it comes from");
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get(&format!("/requests/{id}")).await;
    assert!(lead.page.contains(FROM), "{}", lead.page);

    assert!(why(approve(&test, "operator", &id).await).contains("your own request"));
    approve(&test, "lead", &id).await.unwrap();
    assert!(why(execute(&test, "lead", &id).await).contains("only whoever asked"));
    execute(&test, "operator", &id).await.unwrap();
    let up = now(&test, &bot);
    assert_eq!((up.stage, state(&test, &id).await), (Stage::Limited, RequestState::Executed));
    assert_eq!(up.run.unwrap().dossier.provenance.as_deref(), Some(FROM));
    test.log_is_good().await;
});

#[tokio::test]
async fn what_is_filed_fits_or_is_said_by_its_field() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let ready = whole(&test, "arb-1").await;
    test.bot("grid-1", "grid").await;
    let pipeline = program(&test, "lead", "build", Some("arb")).await;
    let long = "x".repeat(501);
    for (body, status, said) in [
        (json!({}), 422, "build"),
        (with("extra", json!(1)), 422, "extra"),
        (with("build", json!("two words")), 422, "build"),
        (with("config", json!("")), 422, "config"),
        (with("provenance", json!("http://ci.example/7")), 422, "https://"),
        (with("provenance", json!("https://u:p@ci.example/7")), 422, "https://"),
        (with("provenance", json!("javascript:alert(1)")), 422, "https://"),
        (with("why", json!("")), 422, "Say why"),
        (with("why", json!(long)), 422, "500"),
        (with("on_drift", json!("ignore")), 422, "on_drift"),
        (with("stage", json!("space")), 422, "stage"),
        (with("stage", json!("live")), 409, "it does not go to stage live"),
    ] {
        let refused = pipeline.post(AT, body.clone()).await;
        assert_eq!(refused.status, status, "{body}: {refused:?}");
        assert!(refused.text.contains(said), "{body}: {refused:?}");
    }
    assert_eq!(pipeline.post("/api/v1/bots/grid-1/golive", filed()).await.status, 404, "of another team");
    assert_eq!(pipeline.post("/api/v1/bots/nobody/golive", filed()).await.status, 404);
    // Filed twice, the second supersedes the first; while somebody else's is open, none is filed.
    let first = pipeline.post(AT, with("on_drift", json!("reduce"))).await;
    let second = pipeline.post(AT, filed()).await;
    assert_eq!((first.status, second.status), (201, 201), "{second:?}");
    assert_eq!(state(&test, &id_of(&first.json)).await, RequestState::Superseded);
    let other = program(&test, "operator", "build", Some("arb")).await;
    assert_eq!(other.post(AT, filed()).await.status, 409, "the lead's is open");
    let mut agent = ready.agent;
    agent.config = Some("sha256:another".into());
    agent.check_in(&test.app).await.unwrap();
    assert!(pipeline.post(AT, filed()).await.text.contains("its agent says that it runs"));
    test.log_is_good().await;
}

#[tokio::test]
async fn it_does_nothing_else() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let pipeline = program(&test, "lead", "build", Some("arb")).await;
    for route in ROUTES.iter().filter(|route| matches!(route.access, Access::Token(_)) && !route.path.ends_with("/golive")) {
        let path = route.path.replace("{id}", "x");
        let reply = if route.method == "GET" { pipeline.get(&path).await } else { pipeline.post(&path, json!({})).await };
        assert_eq!(reply.status, 403, "{} {path}: {reply:?}", route.method);
    }
    for (by, scope, team) in [("admin", "read", None), ("admin", "stop-only", None), ("lead", "operate", Some("arb"))] {
        assert_eq!(program(&test, by, scope, team).await.post(AT, filed()).await.status, 403, "{scope}");
    }
}

#[tokio::test]
async fn it_is_made_by_whoever_asks_themselves_and_ends_with_that() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let (arb, grid) = (test.team("arb"), test.team("grid"));
    let asked = |team: Option<&andon::domain::TeamId>| ActKind::TokenCreate {
        name: "pipeline".into(),
        scope: "build".into(),
        team: team.cloned(),
        days: 30,
    };
    let refused = async |by: &str, kind: ActKind| test.app.prepare_single(&test.actor(by), kind).await.unwrap_err();
    assert!(matches!(refused("operator", asked(Some(&grid))).await, AppError::Denied(_)));
    assert!(matches!(refused("admin", asked(Some(&arb))).await, AppError::Denied(_)), "an admin asks for no step up");
    assert!(matches!(refused("auditor", asked(Some(&arb))).await, AppError::Denied(_)));
    assert!(matches!(refused("lead", asked(None)).await, AppError::Invalid(_)), "it is of one team");
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/tokens").await;
    assert!(operator.page.contains("value=\"build\"") && !operator.page.contains("value=\"read\""), "{}", operator.page);

    let pipeline = program(&test, "operator", "build", Some("arb")).await;
    let token = pipeline.token.clone().unwrap();
    assert!(token.starts_with("andon_build_"));
    assert!(test.app.actor_by_token(&token, "192.0.2.9").is_some());
    test.give(&test.people["operator"].id, vec![Grant { role: Role::Operator, team: Some(grid) }]).await;
    assert_eq!(pipeline.post(AT, filed()).await.status, 401);
    test.give(&test.people["operator"].id, vec![Grant { role: Role::Operator, team: Some(arb) }]).await;
    let own = test.app.tokens(&test.actor("operator")).await.unwrap().remove(0);
    assert!(test.app.may_end_token(&test.actor("lead"), &own).is_ok(), "its lead looks after it as well");
    assert!(matches!(test.app.revoke_token(&test.actor("grid operator"), &own.id).await, Err(AppError::Denied(_))));
    test.app.revoke_token(&test.actor("operator"), &own.id).await.unwrap();
    assert_eq!(pipeline.post(AT, filed()).await.status, 401);
}
