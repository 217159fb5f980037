//! A start in waves whose server is killed between and within its waves: it goes on where it was, or is over for what happened meanwhile. Nothing
//! starts twice, and nothing without what was signed.

use super::{
    crew::{Crew, Tried},
    ground::{Ground, TIMINGS},
    host::Host,
    scene::Scene,
    server::Server,
    until,
};
use crate::harness::db::{self, Fresh, on_both};
use andon::{
    domain::{ActId, Timings},
    storage::{self, staged::StagedStart},
};
use std::collections::BTreeSet;

/// Three bots that stand, and a start in waves of them whose canary trades.
async fn begun(fresh: Fresh, timings: Timings) -> (Scene, ActId) {
    let (ground, mut hosts) = Ground::with_timings(fresh, 3, timings).await;
    let server = Server::start(&ground).await;
    hosts.iter_mut().for_each(Host::run);
    let mut scene = Scene::with(ground, hosts, server).await;
    let bots: Vec<_> = scene.hosts.iter().map(|host| host.bot.clone()).collect();
    let crew = &mut scene.crew;
    until("a start in waves", async || crew.start_in_waves(&bots).await == Tried::Done).await;
    until("the canary trades", async || scene.hosts[0].trades()).await;
    let db = db::reopen(&scene.ground.place).await;
    let act = storage::staged::staged_running(&mut db.read().await.unwrap()).await.unwrap().remove(0).act_id;
    db.close().await;
    (scene, act)
}

/// How far it has come, by the rows.
async fn staged(ground: &Ground, act: &ActId) -> (StagedStart, Vec<storage::staged::StagedBot>) {
    let db = db::reopen(&ground.place).await;
    let read = {
        let mut tx = db.read().await.unwrap();
        let row = storage::staged::staged_get(&mut tx, act).await.unwrap().unwrap();
        (row, storage::staged::staged_bots(&mut tx, act).await.unwrap())
    };
    db.close().await;
    read
}

/// No bot was started twice, and each under the act that two people signed.
async fn nothing_is_started_twice(scene: &Scene, act: &ActId) {
    let (_, bots) = staged(&scene.ground, act).await;
    let db = db::reopen(&scene.ground.place).await;
    {
        let mut tx = db.read().await.unwrap();
        assert_eq!(storage::acts::act_signatures(&mut tx, act).await.unwrap().len(), 2);
        for bot in bots {
            let facts = storage::bots::bot_by_id(&mut tx, &bot.bot_id).await.unwrap().unwrap();
            assert_eq!(facts.start_epoch, bot.epoch.unwrap_or_default(), "its only start is that of its wave");
            if let Some(epoch) = bot.epoch {
                let start = storage::starts::start_get(&mut tx, &bot.bot_id, epoch).await.unwrap().unwrap();
                assert_eq!((&start.act_id, start.leaf_index), (act, bot.leaf));
            }
        }
    }
    db.close().await;
    for host in &scene.hosts {
        let processes: BTreeSet<i32> = host.beats().iter().map(|beat| beat.pid).collect();
        assert!(processes.len() <= 1, "{} ran as {processes:?}", host.name);
    }
    let verified = scene.ground.verify();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

on_both!(a_server_killed_within_a_wave_goes_on_and_starts_each_bot_once, |fresh: Fresh| async move {
    // No lease runs out while a server starts, however busy the machine is.
    let (mut scene, act) = begun(fresh, Timings { stale_after_ms: 60_000, lapse_after_ms: 120_000, ..TIMINGS }).await;
    for (point, started) in [("staged:before_commit", 1), ("staged:committed", 2)] {
        scene.server.arm.set(point, 1);
        until("the server's end within a wave", async || scene.server.ended().is_some()).await;
        assert_eq!(staged(&scene.ground, &act).await.0.started, started, "{point}");
        scene.server = Server::start(&scene.ground).await;
    }
    until("every bot trades", async || scene.hosts.iter().all(Host::trades)).await;
    let (row, bots) = staged(&scene.ground, &act).await;
    assert_eq!((row.state.as_str(), row.started), ("done", 3));
    assert!(bots.iter().all(|bot| bot.epoch.is_some()));
    nothing_is_started_twice(&scene, &act).await;
});

on_both!(a_canary_that_lapses_while_the_server_is_gone_ends_it_and_nothing_else_starts, |fresh: Fresh| async move {
    let (mut scene, act) = begun(fresh, TIMINGS).await;
    scene.server.kill();
    until("the canary lapses", async || scene.hosts[0].stands()).await;
    scene.server = Server::start(&scene.ground).await;
    until("it is over", async || staged(&scene.ground, &act).await.0.state == "ended").await;
    let (row, bots) = staged(&scene.ground, &act).await;
    assert!(row.why.unwrap().contains("arb-1 was stopped"), "for what happened to its canary");
    assert_eq!((row.started, bots.iter().filter(|bot| bot.epoch.is_some()).count()), (1, 1));
    // Another whole settling time: nothing of it starts, by any server.
    scene.server.kill();
    scene.server = Server::start(&scene.ground).await;
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    assert_eq!(staged(&scene.ground, &act).await.0.started, 1);
    assert!(scene.hosts.iter().all(Host::stands) && scene.hosts[1..].iter().all(|host| host.beats().is_empty()));
    nothing_is_started_twice(&scene, &act).await;
    scene.crew = Crew::signed_in(&scene.ground).await;
    scene.start().await;
});
