//! The death and the standstill of each process beside a bot, one at a time. The bot stands in time, and only a start brings it back.

use super::{MARGIN_MS, ground::TIMINGS, host::STOP_WITHIN_MS, model::STANDS_WITHIN_MS, now_ms, proc, scene::Scene, until};
use rustix::process::Signal;

/// A process's end is noticed at once; the bot then has its own time to end.
const AT_ONCE_MS: i64 = STOP_WITHIN_MS + MARGIN_MS;

/// The bot has stood since `stood_ms`, its agent is heard again, and it goes on standing until somebody starts it.
async fn only_a_start_brings_it_back(scene: &mut Scene, kind: &str) {
    scene.until_stopped_for(kind).await;
    let beats = scene.host().beats();
    scene.start().await;
    let started = scene.host().beats();
    let first = started[beats.len()];
    assert_ne!(first.pid, beats.last().unwrap().pid, "a process of its own");
    assert_eq!(started[..beats.len()], beats, "not one beat between the stop and the start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_dies_with_its_agent() {
    let mut scene = Scene::trading().await;
    let killed_ms = now_ms();
    proc::signal(scene.host().agent().unwrap(), Signal::KILL);
    scene.host().until_standing(killed_ms + AT_ONCE_MS).await;
    only_a_start_brings_it_back(&mut scene, "boot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_halts_its_bot_when_its_minder_dies() {
    let mut scene = Scene::trading().await;
    let (minder, agent) = (scene.host().minder().unwrap(), scene.host().agent().unwrap());
    let killed_ms = now_ms();
    proc::signal(minder, Signal::KILL);
    scene.host().until_standing(killed_ms + AT_ONCE_MS).await;
    until("the agent's own end", async || !proc::is_alive(agent)).await;
    assert!(scene.host().minder().is_none());
    scene.host().run();
    only_a_start_brings_it_back(&mut scene, "boot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_dies_with_agent_and_minder() {
    let mut scene = Scene::trading().await;
    let (minder, agent) = (scene.host().minder().unwrap(), scene.host().agent().unwrap());
    let killed_ms = now_ms();
    proc::signal(minder, Signal::KILL);
    proc::signal(agent, Signal::KILL);
    scene.host().until_standing(killed_ms + AT_ONCE_MS).await;
    scene.until_stopped_for("lapse").await;
    assert!(scene.host().stands() && scene.host().agent().is_none(), "nobody is left to start anything");
    scene.host().run();
    only_a_start_brings_it_back(&mut scene, "boot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minder_halts_the_bot_of_an_agent_that_stands_still() {
    let mut scene = Scene::trading().await;
    let agent = scene.host().agent().unwrap();
    let stopped_ms = now_ms();
    proc::signal(agent, Signal::STOP);
    let last = scene.host().until_standing(stopped_ms + STANDS_WITHIN_MS).await;
    assert!(last > stopped_ms, "until the lease ran out it went on");
    until("the end of the agent that stood still", async || !proc::is_alive(agent)).await;
    only_a_start_brings_it_back(&mut scene, "boot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_halts_its_bot_when_its_minder_stands_still() {
    let mut scene = Scene::trading().await;
    let (minder, agent) = (scene.host().minder().unwrap(), scene.host().agent().unwrap());
    let stopped_ms = now_ms();
    proc::signal(minder, Signal::STOP);
    scene.host().until_standing(stopped_ms + STANDS_WITHIN_MS).await;
    until("the agent's own end", async || !proc::is_alive(agent)).await;
    assert!(now_ms() - stopped_ms >= TIMINGS.lapse_after_ms / 2);
    proc::signal(minder, Signal::CONT);
    only_a_start_brings_it_back(&mut scene, "boot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_dies_is_a_stop_and_is_not_started_again() {
    let mut scene = Scene::trading().await;
    let agent = scene.host().agent().unwrap();
    let killed_ms = now_ms();
    scene.host().bots().into_iter().for_each(|pid| proc::signal(pid, Signal::KILL));
    scene.host().until_standing(killed_ms + MARGIN_MS).await;
    only_a_start_brings_it_back(&mut scene, "stopped").await;
    assert_eq!(scene.host().agent(), Some(agent), "under the same agent");
}
