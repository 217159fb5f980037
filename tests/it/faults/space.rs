//! A database that cannot take a press: a disk that is full, a database server that lets nobody in. Agents stop all the same; the press is
//! answered at once and says how it is kept; it is recorded late, as the same hold.

use super::{
    ground::Ground,
    model::STANDS_WITHIN_MS,
    now_ms,
    press::{Press, Way, api},
    scene::Scene,
    server::Server,
    trouble::Trouble,
    until,
};
use crate::harness::db::{Kind, fresh};
use serde_json::{Value, json};
use std::io::Write;

/// The answer comes within the 250 ms that a press waits for the database, and what a busy machine adds.
const ANSWERED_WITHIN_MS: i64 = 250 + 1_500;

/// Presses while the database takes nothing, ends the trouble, and sees the hold recorded under the same id.
async fn pressed_and_recorded_late(scene: &mut Scene, trouble: Trouble) {
    let mut press = Press::new(Way::Token, "venue outage");
    let pressed_ms = now_ms();
    let pressed = press.once(&scene.ground, &mut scene.crew).await.expect("a press is answered");
    let answered_ms = now_ms();
    assert!(answered_ms - pressed_ms < ANSWERED_WITHIN_MS, "answered after {} ms", answered_ms - pressed_ms);
    assert_eq!(pressed.kept, "spooled", "and it says so");
    scene.host().until_standing(answered_ms + STANDS_WITHIN_MS).await;
    let ready = api(&scene.ground, "", "GET", "/readyz", None).await.unwrap();
    assert_eq!((ready.0, ready.1["can_stop"].as_bool()), (200, Some(true)), "{ready:?}");
    assert!(ready.1["degraded"].as_array().unwrap().contains(&json!("unrecorded_holds")), "{ready:?}");
    trouble.end().await;
    let (ground, path) = (&scene.ground, format!("/api/v1/holds/{}", pressed.hold));
    until("the hold in database and log", async || {
        let (_, hold) = api(ground, &ground.read_token, "GET", &path, None).await.unwrap();
        hold["late"] == true && hold["entry"].is_i64()
    })
    .await;
    scene.release().await;
    scene.start().await;
    scene.host().shut_down().await;
    scene.server.stop().await;
    // Whatever the full disk left behind in tide mark and sink was mended, and nothing contradicts the database.
    let verified = scene.ground.verify();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && said.contains("in the tide mark") && said.contains("are the database's, byte for byte"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_no_stop() {
    let (ground, hosts) = Ground::new(fresh(Kind::Sqlite).await, 1).await;
    // Room for the spool, which is reserved, and not for one byte more in any file: neither in the server's own log nor in the database's,
    // which grows until it meets that.
    let room = 1024 * 1024;
    ground.log("server").write_all(&vec![b'\n'; room as usize]).unwrap();
    let server = Server::start(&ground).await;
    let mut scene = Scene::with(ground, hosts, server).await;
    scene.host().run();
    scene.start().await;
    assert_eq!(std::fs::metadata(scene.ground.state_dir().join("spool")).unwrap().len(), room);
    let disk = Trouble::full(scene.server.pid(), room);
    let credential = std::fs::read_to_string(scene.ground.path().join("arb-1/credential.json")).unwrap();
    let credential: Value = serde_json::from_str(&credential).unwrap();
    let ground = &scene.ground;
    for at_once in [256, 1] {
        until("a database that takes nothing any more", async || {
            let event = || json!({"kind": "noise", "severity": "info", "message": "x".repeat(500)});
            let events: Vec<Value> = std::iter::repeat_with(event).take(at_once).collect();
            let sent = api(ground, credential["token"].as_str().unwrap(), "POST", "/agent/v1/events", Some(json!(events))).await;
            sent.unwrap().0 == 503
        })
        .await;
    }
    pressed_and_recorded_late(&mut scene, disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_server_that_is_gone_refuses_no_stop() {
    let mut scene = Scene::trading_on(fresh(Kind::Postgres).await).await;
    let gone = Trouble::failing(&scene.ground, scene.server.pid()).await;
    pressed_and_recorded_late(&mut scene, gone).await;
}
