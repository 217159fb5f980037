//! Keys of programs: a write is done once, another body under the same key is refused, two at once have one outcome, and a server that ended in
//! between does nothing twice.

use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
};
use crate::wire::{client::Reply, stage::Stage};
use andon::app::{idempotency::Known, requests::RequestFilter};
use andon::web::api::once::Write;
use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, Request},
    response::IntoResponse,
};
use serde_json::{Value, json};

async fn post(stage: &Stage, path: &str, key: &str, body: &Value) -> Reply {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    stage.program("operate").send("POST", path, &headers, body.to_string().into_bytes()).await
}

const VENUES: &str = "/api/v1/venues";

on_both!(a_write_that_is_sent_again_is_done_once_and_answered_alike, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let body = json!({"name": "binance testnet", "environment": "test"});
    let first = post(&stage, VENUES, "k-1", &body).await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = post(&stage, VENUES, "k-1", &body).await;
    assert_eq!((again.status, &again.json), (201, &first.json));
    assert_eq!(again.headers["location"], first.headers["location"]);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(stage.app.venues().venues().len(), 1);
    let other = post(&stage, VENUES, "k-1", &json!({"name": "kraken", "environment": "test"})).await;
    assert_eq!((other.status, other.json["type"].as_str()), (422, Some("/problems/idempotency-key-reused")), "{other:?}");
    let elsewhere = post(&stage, "/api/v1/subaccounts", "k-1", &body).await;
    assert_eq!(elsewhere.status, 422, "another address is another request");
    // What was refused changed nothing and may be tried again under its key.
    let sub = json!({"venue": "kraken", "name": "a"});
    assert_eq!(post(&stage, "/api/v1/subaccounts", "k-2", &sub).await.status, 422);
    assert_eq!(post(&stage, VENUES, "k-3", &json!({"name": "kraken", "environment": "test"})).await.status, 201);
    assert_eq!(post(&stage, "/api/v1/subaccounts", "k-2", &sub).await.status, 201);
    for bad in ["", " ", "a b", &"x".repeat(201)] {
        let headers = [("content-type", "application/json"), ("idempotency-key", bad)];
        let reply = stage.program("operate").send("POST", VENUES, &headers, body.to_string().into_bytes()).await;
        assert_eq!(reply.status, 400, "{bad:?}: {reply:?}");
    }
    // Writes of before have it too.
    let bot = json!({"name": "grid-1", "team": "arb", "strategy": "grid", "owner": "sato"});
    let (one, two) = (post(&stage, "/api/v1/bots", "k-4", &bot).await, post(&stage, "/api/v1/bots", "k-4", &bot).await);
    assert_eq!((one.status, two.status, &one.json["id"]), (201, 201, &two.json["id"]));
});

on_both!(two_of_one_key_at_once_have_one_outcome, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    for race in 0..10 {
        let body = json!({"name": format!("venue-{race}"), "environment": "test"});
        let key = format!("race-{race}");
        let replies = futures_util::future::join_all((0..4).map(|_| post(&stage, VENUES, &key, &body))).await;
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert!(statuses.iter().all(|status| matches!(status, 201 | 409 | 422)), "{statuses:?}");
        assert!(statuses.contains(&201), "{statuses:?}");
        assert_eq!(stage.app.venues().venues().len(), race + 1);
        assert_eq!(post(&stage, VENUES, &key, &body).await.status, 201);
    }
});

on_both!(what_was_done_is_not_done_again_though_its_answer_was_lost, |fresh: Fresh| async move {
    let stage = Stage::on(fresh).await;
    let lead = stage.app.actor_of(&stage.lead, false).unwrap();
    let Known::New(claim) = stage.app.known_key("user:x", "k", &[b"body"]).await.unwrap() else { panic!("it is new") };
    // The server ends after the commit and before the answer: nothing is kept.
    stage.app.under(claim, stage.app.create_venue(&lead, "binance", "test")).await.unwrap();
    assert!(matches!(stage.app.known_key("user:x", "k", &[b"body"]).await.unwrap(), Known::Unanswered));
    assert!(matches!(stage.app.known_key("user:x", "k", &[b"other"]).await.unwrap(), Known::Other));
    assert!(matches!(stage.app.known_key("user:y", "k", &[b"body"]).await.unwrap(), Known::New(_)), "somebody else's key");
});

on_both!(what_is_done_and_cannot_be_read_back_is_not_called_undone, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let lead = test.actor("lead");
    let request = Request::post(VENUES).header("content-type", "application/json").body(Body::from("{}")).unwrap();
    let write = Write::from_request(request, &()).await.unwrap();
    let work = async {
        test.app.create_venue(&lead, "kraken", "test").await?;
        test.fresh.db.close().await;
        test.app.requests(&lead, &RequestFilter::default(), None, 1).await?;
        unreachable!("there is no database")
    };
    let Err(error) = write.once(&test.app, &lead, work).await else { panic!("it was not read") };
    let response = error.into_response();
    assert_eq!(response.status(), 503);
    let said = String::from_utf8(to_bytes(response.into_body(), 10_000).await.unwrap().to_vec()).unwrap();
    assert!(said.starts_with("It was done") && !said.contains("othing was changed"), "{said}");
});
