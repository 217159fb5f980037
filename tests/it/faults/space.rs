//! A database that cannot take a press: a disk that is full, a database server that lets nobody in. Agents stop all the same; the press is
//! answered at once and says how it is kept; it is recorded late, as the same hold.

use super::{
    ground::Ground,
    model::STANDS_WITHIN_MS,
    now_ms,
    press::{Press, Way, api},
    proc,
    scene::Scene,
    server::Server,
    until,
};
use crate::harness::db::{Kind, Place, fresh};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The answer comes within the 250 ms that a press waits for the database, and what a busy machine adds.
const ANSWERED_WITHIN_MS: i64 = 250 + 1_500;

/// Presses while the database takes nothing, lets `back` bring it back, and sees the hold recorded under the same id.
async fn pressed_and_recorded_late(scene: &mut Scene, back: impl AsyncFnOnce()) {
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
    back().await;
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
}

/// Sets how large a file of a process may become.
fn limit_files(pid: i32, bytes: Option<u64>) {
    let pid = Pid::from_raw(pid);
    let maximum = rustix::process::getrlimit(Resource::Fsize).maximum;
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_no_stop() {
    let (ground, hosts) = Ground::new(fresh(Kind::Sqlite).await, 1).await;
    let server = Server::start_without_sigxfsz(&ground).await;
    let mut scene = Scene::with(ground, hosts, server).await;
    scene.host().run();
    scene.start().await;
    // Room for the spool, which is reserved, and not for one byte more in any file: the database's log grows until it meets that.
    let pid = scene.server.pid();
    let spool = std::fs::metadata(scene.ground.state_dir().join("spool")).unwrap().len();
    limit_files(pid, Some(spool));
    let agent_token: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(scene.ground.path().join("arb-1/credential.json")).unwrap()).unwrap();
    let events: Vec<_> = (0..256).map(|n| json!({"kind": format!("noise {n}"), "severity": "info", "message": "x".repeat(500)})).collect();
    let ground = &scene.ground;
    until("a database that takes nothing any more", async || {
        let sent = api(ground, agent_token["token"].as_str().unwrap(), "POST", "/agent/v1/events", Some(json!(events))).await;
        assert!(proc::is_alive(pid));
        sent.is_some_and(|(status, _)| status == 503)
    })
    .await;
    pressed_and_recorded_late(&mut scene, async || limit_files(pid, None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_server_that_is_gone_refuses_no_stop() {
    let mut scene = Scene::trading_on(fresh(Kind::Postgres).await).await;
    let Place::Url(url) = &scene.ground.place else { panic!("no address") };
    // postgres://USER@HOST/NAME?QUERY
    let mut address = url::Url::parse(url).unwrap();
    let name = address.path().trim_start_matches('/').to_owned();
    address.set_path("/postgres");
    let mut admin = PgConnection::connect(address.as_str()).await.unwrap();
    let allow = |allowed: bool| AssertSqlSafe(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}"));
    let end = AssertSqlSafe(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
    sqlx::query(allow(false)).execute(&mut admin).await.unwrap();
    sqlx::query(end).execute(&mut admin).await.unwrap();
    pressed_and_recorded_late(&mut scene, async || {
        sqlx::query(allow(true)).execute(&mut admin).await.unwrap();
    })
    .await;
}
