//! Nothing stands before a stop: not a stuck socket, not a check-in that waits for the database, not a dead database.

use super::{client::Line, stage::Stage};
use andon::app::holds::Kept;
use andon::domain::{Level, Limits, Scope};
use andon::storage::{Conn, Lane};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// What a stop may take here at most: the 250 ms that a press waits for its database, and a slow machine.
const SOON: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_passes_a_check_in_that_waits_for_the_database() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, epoch) = Line::trading(&stage, &agent, "boot-1").await;
    let busy = stage.fresh.db.write(Lane::Normal).await.unwrap();
    // Its lapse has to be recorded before it is answered, and the one writer is taken.
    line.check_in_with("active", epoch, json!({"lapsed": true})).await;
    assert!(line.is_quiet(Duration::from_millis(200)).await);
    let began = Instant::now();
    let placed = stage.place(Scope::Fleet, Level::Pause).await;
    assert_eq!(placed.kept, Kept::Spooled);
    let halted = line.expect("directive").await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(halted["state"], "halted");
    assert_eq!(halted["unrecorded"][0]["id"], placed.hold.id.as_str(), "the agent has to carry it");
    drop(busy);
    // The check-in gets its answer after all, and no freer one than the stop.
    assert_eq!(line.expect("directive").await["state"], "halted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_reaches_an_agent_that_comes_back_while_the_database_hangs() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (line, epoch) = Line::trading(&stage, &agent, "boot-1").await;
    drop(line);
    let busy = stage.fresh.db.write(Lane::Normal).await.unwrap();
    let mut line = Line::connect(&stage, &agent).await;
    line.boot = "boot-1".into();
    // A carried hold that nobody knows has to be imported before the hello is answered.
    let carried = json!([{"id": andon::domain::HoldId::new(), "level": "pause"}]);
    line.send(
        json!({"type": "hello", "boot": "boot-1", "agent": {}, "epoch": epoch, "state": "active", "limits_version": 0, "holds": carried}),
    )
    .await;
    assert!(line.is_quiet(Duration::from_millis(200)).await);
    let began = Instant::now();
    stage.place(Scope::Bot(agent.bot.clone()), Level::Pause).await;
    assert_eq!(line.expect("welcome").await["directive"]["state"], "halted");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    drop(busy);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stands_still_delays_nobody_and_is_given_up() {
    let stage = Stage::new().await;
    // A text that a level may hold: what it cannot is taken away within a second, and the answers would be small.
    let values = json!({"currency": "x".repeat(200_000)});
    let limits = Limits { version: 1, values: values.as_object().unwrap().clone() };
    let stuck = stage.enrol(&stage.bot_with("stuck", &stage.team, limits).await).await;
    let agent = stage.agent("grid-btc").await;
    let (mut still, _) = Line::hello(&stage, &stuck, "boot-1", "halted", 0).await;
    let (mut line, _) = Line::trading(&stage, &agent, "boot-1").await;
    // It never says that it has the limits, so each answer carries them, and it reads none. What comes faster than it is answered is answered
    // as one, so its check-ins come one by one.
    let said = std::cell::Cell::new(0);
    let filling = async {
        loop {
            said.set(still.check_in("halted", 0).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let watching = async {
        let is_stuck = || said.get() > stage.app.book.seen(&stuck.bot).map_or(0, |seen| seen.seq) + 20;
        until(is_stuck).await;
        assert_eq!(stage.app.lines.count(), 2);
        let began = Instant::now();
        stage.place(Scope::Fleet, Level::Pause).await;
        assert_eq!(line.expect("directive").await["state"], "halted");
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        until(|| stage.app.lines.count() == 1).await;
    };
    tokio::select! {
        () = watching => {}
        () = filling => unreachable!("it goes on saying"),
    }
}

/// Waits for what has to come; a stream that is silent for longer than this ends by itself.
async fn until(is_so: impl Fn() -> bool) {
    let comes = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), comes).await.expect("it does not come");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_hold_is_one_text_for_every_stream() {
    let stage = Stage::new().await;
    let mut lines = Vec::new();
    for n in 0..20 {
        let agent = stage.agent(&format!("grid-{n}")).await;
        lines.push(Line::trading(&stage, &agent, "boot-1").await.0);
    }
    stage.place(Scope::Fleet, Level::Pause).await;
    let mut told = Vec::new();
    for line in &mut lines {
        told.push(line.expect("directive").await);
    }
    assert_eq!(told[0]["state"], "halted");
    assert!(told.iter().all(|one| *one == told[0]), "also the moment of sending is the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_stops_go_out_and_nothing_goes_up() {
    let stage = Stage::new().await;
    let (agent, waits) = (stage.agent("grid-btc").await, stage.agent("grid-eth").await);
    let (mut line, epoch) = Line::trading(&stage, &agent, "boot-1").await;
    let (mut beside, started) = Line::trading(&stage, &waits, "boot-1").await;
    stage.fresh.db.close().await;
    // Who goes on as before is renewed; who would go up is told neither way.
    let seq = line.check_in("active", epoch).await;
    assert_eq!(line.expect("renew").await["seq"], seq);
    beside.check_in("halted", started).await;
    assert_eq!(beside.expect("error").await["title"], "view too old");
    let said = json!({"boot": "boot-1", "seq": 9, "epoch": started, "state": "halted", "limits_version": 0});
    let polled = stage.poller(&waits).post("/agent/v1/check-in", said.clone()).await;
    assert_eq!((polled.status, polled.json["type"].as_str()), (503, Some("/problems/view-too-old")));
    let long = stage.poller(&waits).get(&format!("/agent/v1/directive?after={}&wait_ms=0", started - 1)).await;
    assert_eq!(long.status, 204, "a start is not told from memory");
    // A boot that cannot be recorded is heard, halted and not renewed.
    let fresh = json!({"boot": "boot-2", "seq": 1, "epoch": 0, "state": "halted"});
    let unknown = stage.poller(&waits).post("/agent/v1/check-in", fresh).await;
    assert!(unknown.status == 503 || unknown.json["renew"].is_null(), "{unknown:?}");
    let placed = stage.program("stop").post("/api/v1/holds", json!({"scope": "fleet"})).await;
    assert_eq!((placed.status, placed.json["kept"].as_str(), placed.json["bots"].as_u64()), (201, Some("spooled"), Some(2)));
    for line in [&mut line, &mut beside] {
        assert_eq!(line.expect("directive").await["state"], "halted");
    }
    let polled = stage.poller(&waits).post("/agent/v1/check-in", said).await;
    assert_eq!((polled.status, polled.json["directive"]["state"].as_str()), (200, Some("halted")));
    let receipt = stage.program("stop").get(placed.json["receipt"].as_str().unwrap()).await;
    assert_eq!((receipt.status, receipt.json["total"].as_u64()), (200, Some(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_outlives_a_database_that_does_not_take_it() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, _) = Line::trading(&stage, &agent, "boot-1").await;
    let placed = stage.place(Scope::Fleet, Level::Pause).await;
    let epoch = line.expect("directive").await["epoch"].as_i64().unwrap();
    let execute = async |sql: &'static str| {
        let mut tx = stage.fresh.db.write(Lane::Normal).await.unwrap();
        let Conn::Sqlite(conn) = &mut *tx else { panic!() };
        sqlx::query(sql).execute(&mut **conn).await.unwrap();
        tx.commit().await.unwrap();
    };
    execute("ALTER TABLE ack RENAME TO gone").await;
    let ack = |step: &str| json!({"epoch": epoch, "step": step, "state": "halted"});
    assert_eq!(stage.poller(&agent).post("/agent/v1/acks", ack("applied")).await.status, 503);
    execute("ALTER TABLE gone RENAME TO ack").await;
    assert_eq!(stage.poller(&agent).post("/agent/v1/acks", ack("idle")).await.status, 202);
    let all_there = async {
        loop {
            let mut tx = stage.fresh.db.read().await.unwrap();
            if andon::storage::acks::ack_of_bots(&mut tx, &[&agent.bot], placed.hold.epoch).await.unwrap().len() == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all_there).await.expect("the refused one is written with the next");
}

/// What this process holds in memory, bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_never_reads_costs_no_memory_and_its_bot_is_stopped_by_its_silence() {
    let stage = Stage::new().await;
    let values = json!({"currency": "x".repeat(600_000)});
    let limits = Limits { version: 1, values: values.as_object().unwrap().clone() };
    let deaf = stage.enrol(&stage.bot_with("deaf", &stage.team, limits).await).await;
    let mut tx = stage.fresh.db.write(Lane::Normal).await.unwrap();
    let mut facts = andon::storage::bots::bot_by_id(&mut tx, &deaf.bot).await.unwrap().unwrap();
    facts.fact_epoch = andon::storage::epoch::epoch_take(&mut tx).await.unwrap();
    facts.timings = andon::domain::Timings { check_in_ms: 200, stale_after_ms: 1_000, lapse_after_ms: 2_000, apply_within_ms: 500 };
    andon::storage::bots::bot_edit(&mut tx, &facts).await.unwrap();
    tx.commit().await.unwrap();
    stage.app.refresh().await.unwrap();
    let (mut line, _) = Line::hello(&stage, &deaf, "boot-1", "halted", 0).await;
    let start = stage.start(&deaf.bot).await;
    assert_eq!(line.expect("directive").await["state"], "active");
    let (before, said) = (resident(), line.sent);
    // From here on it only talks: 40 MB of answers that nobody reads, if the server kept them.
    let talking = async {
        for _ in 0..200 {
            line.check_in("active", start.0).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), talking).await;
    assert_eq!(line.sent - said, 200, "it did not say what would be answered");
    let grown = resident().saturating_sub(before);
    assert!(grown < 24 * 1024 * 1024, "{grown} bytes more");
    let given_up = async {
        while stage.app.lines.count() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), given_up).await.expect("its write times out");
    let lapsed = async {
        loop {
            andon::workers::lapses::round(&stage.app).await;
            let view = stage.app.fleet.view();
            let stop = view.bot(&deaf.bot).unwrap().stop.clone();
            if stop.is_some_and(|stop| stop.kind == andon::domain::StopKind::Lapse) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), lapsed).await.expect("its lease ends");
    drop(line);
}
