//! An agent changes its token every 30 days. It may be killed between any two steps of that: it comes back with a token that holds, the bot's
//! only stop is the new boot, and in the end one token holds and the other opens nothing.

use super::{scene::Scene, until};
use crate::harness::browser::exchange;
use axum::{body::Body, http::Request};
use std::{fs, path::PathBuf};

/// The steps of a change at which an agent can die, and whether the new token is on its disk by then.
pub const STEPS: [(&str, bool); 4] =
    [("agent:token_received", false), ("agent:before_token", false), ("agent:token_written", true), ("agent:token_used", true)];

fn credential(scene: &mut Scene) -> PathBuf {
    scene.ground.path().join(scene.hosts[0].name.clone()).join("credential.json")
}

fn read(file: &PathBuf) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn token(file: &PathBuf) -> String {
    read(file)["token"].as_str().unwrap().to_owned()
}

/// Makes the token as old as one that is due.
fn make_due(file: &PathBuf) {
    let mut credential = read(file);
    credential["token_since"] = "2020-01-01T00:00:00.000Z".into();
    fs::write(file, credential.to_string()).unwrap();
}

/// True when the server knows a token.
async fn holds(scene: &Scene, token: &str) -> bool {
    let request = Request::get("/agent/v1/directive?after=1000000&wait_ms=0").header("host", "localhost");
    let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    exchange(scene.ground.address, request).await.unwrap().status() != 401
}

/// Ends the agent in order, makes its token due, and starts it again, to die at a point (empty: it lives).
async fn run_when_due(scene: &mut Scene, point: &str) -> String {
    let file = credential(scene);
    scene.host().shut_down().await;
    make_due(&file);
    if !point.is_empty() {
        scene.host().arm.set(point, 1);
    }
    let old = token(&file);
    scene.host().run();
    old
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_old_is_changed_and_the_bot_trades_under_the_new_one() {
    let mut scene = Scene::trading().await;
    let file = credential(&mut scene);
    let letters = read(&file);
    let old = run_when_due(&mut scene, "").await;
    until("another token", async || token(&file) != old).await;
    let new = token(&file);
    until("the end of the old token", async || !holds(&scene, &old).await).await;
    assert!(holds(&scene, &new).await);
    assert!(read(&file)["token_since"].as_str().unwrap() > "2026", "it is young again");
    scene.start().await;
    assert!(scene.host().trades() && token(&file) == new, "it trades under the new one");
    assert_eq!(read(&file)["agent_id"], letters["agent_id"]);
    // The letters that a person compared stay, though they were made of the first token.
    assert!(read(&file)["fingerprint"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_killed_at_any_step_of_the_change_comes_back_with_a_token_that_holds() {
    let mut scene = Scene::trading().await;
    let file = credential(&mut scene);
    for (point, is_changed) in STEPS {
        let old = run_when_due(&mut scene, point).await;
        let arm = scene.host().arm.clone();
        until(point, async || arm.fired_ms().is_some()).await;
        // Whichever token lies on disk at that moment holds; the minder starts the agent again with it.
        assert_eq!(token(&file) != old, is_changed, "{point}");
        until("another token", async || token(&file) != old).await;
        scene.start().await;
        until("the end of the old token", async || !holds(&scene, &old).await).await;
        let new = token(&file);
        assert!(holds(&scene, &new).await, "{point}");
    }
}
