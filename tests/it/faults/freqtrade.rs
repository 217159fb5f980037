//! A Freqtrade bot, as its API and its loop behave, under a real minder, agent and server: pressed, proved, released, started, and what becomes of
//! it when agent, minder or both die or stand still. Unlike a `process` it lives outside of them.

use super::{
    PATIENCE,
    crew::{Crew, Tried},
    ground::{Ground, TIMINGS},
    host::Host,
    now_ms,
    press::{Press, Way, api, bot_seen},
    proc,
    server::Server,
    until, within,
};
use crate::{
    freqtrade::fake::{Fake, PASSWORD},
    harness::db::{Kind, fresh},
};
use rustix::process::Signal;
use std::time::Duration;

/// A start that has not shown by then was overtaken by a stop.
const AGAIN: Duration = Duration::from_secs(15);

struct Scene {
    fake: Fake,
    host: Host,
    crew: Crew,
    _server: Server,
    ground: Ground,
}

impl Scene {
    /// A bot that was started through Andon and runs.
    async fn running() -> Self {
        let fake = Fake::new("stopped").await;
        let (ground, mut hosts) = Ground::new(fresh(Kind::Sqlite).await, 1).await;
        let host = hosts.remove(0);
        host.configure(
            &format!(
                "[bot]\nadapter = \"freqtrade\"\n[freqtrade]\nurl = \"http://{}\"\nusername = \"rig\"\npassword_file = \"PASSWORD\"\n\
                 throttle_ms = 2_000\ntimeout_ms = 2_000\n",
                fake.address
            ),
            PASSWORD,
        );
        let server = Server::start(&ground).await;
        let crew = Crew::signed_in(&ground).await;
        let mut scene = Self { fake, host, crew, _server: server, ground };
        scene.host.run();
        scene.start().await;
        scene
    }

    /// Starts it, again where a machine that is busy with other things let it lapse meanwhile.
    async fn start(&mut self) {
        let bots = [self.host.bot.clone()];
        until("it is started and runs", async || {
            self.crew.start(&bots, &mut 0).await == Tried::Done && within(AGAIN, async || self.runs().await).await
        })
        .await;
    }

    /// True when it does, and the server heard so.
    async fn runs(&self) -> bool {
        self.fake.at().mode == Some("running")
            && bot_seen(&self.ground, &self.host.bot).await.is_some_and(|seen| seen["seen"]["state"] == "active")
    }

    async fn until_mode(&self, mode: &str) {
        until(&format!("the bot is {mode}"), async || self.fake.at().mode == Some(mode)).await;
    }

    /// Waits until the server heard the agent say this.
    async fn until_says(&self, state: &str) {
        until(&format!("the agent says {state}"), async || {
            bot_seen(&self.ground, &self.host.bot).await.is_some_and(|seen| seen["seen"]["state"] == state)
        })
        .await;
    }

    /// Waits until the server knows that it may not trade, and why.
    async fn until_stopped_for(&self, kind: &str) {
        until(kind, async || {
            let Some(seen) = bot_seen(&self.ground, &self.host.bot).await else { return false };
            seen["directive"]["reasons"].as_array().unwrap().iter().any(|reason| reason["kind"] == kind)
        })
        .await;
    }

    async fn pressed(&mut self) -> String {
        Press::new(Way::Token, "venue outage").once(&self.ground, &mut self.crew).await.unwrap().hold
    }

    /// The bot's line on the receipt.
    async fn receipt(&self, hold: &str) -> serde_json::Value {
        let (status, body) =
            api(&self.ground, &self.ground.read_token, "GET", &format!("/api/v1/holds/{hold}/receipt"), None).await.unwrap();
        assert_eq!(status, 200, "{body}");
        body["bots"][0].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_pauses_it_with_proof_and_a_start_brings_it_back() {
    let mut scene = Scene::running().await;
    until("it has entered", async || scene.fake.at().entered >= 2).await;
    let hold = scene.pressed().await;
    until("idle", async || scene.receipt(&hold).await["step"] == "idle").await;
    assert_eq!(scene.fake.works(), (Some("paused"), 0), "managed exits: paused, not stopped");
    assert!(scene.host.check_reload().contains("at work"), "no reload behind an agent's back");
    assert_eq!(scene.receipt(&hold).await["entry_orders"], 0);
    until("the release", async || scene.crew.release(&hold).await == Tried::Done).await;
    assert_eq!(scene.fake.at().mode, Some("paused"), "released is not started");
    let entered = scene.fake.at().entered;
    scene.start().await;
    until("it enters again", async || scene.fake.at().entered > entered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_by_itself_is_a_stop_and_it_is_quiet_again_at_once() {
    let scene = Scene::running().await;
    scene.fake.at().initial_state = "running";
    scene.fake.restart();
    scene.until_mode("paused").await;
    scene.until_stopped_for("stopped").await;
    // Again, halted as it is now: it comes back running and is paused anew.
    until("the agent has it halted", async || scene.fake.works() == (Some("paused"), 0)).await;
    scene.until_says("halted").await;
    let pauses = || scene.fake.at().calls.iter().filter(|call| *call == "pause").count();
    let before = pauses();
    scene.fake.restart();
    until("it is paused anew", async || pauses() > before).await;
    until("nothing rests", async || scene.fake.works() == (Some("paused"), 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_retried_until_it_is_proved() {
    let mut scene = Scene::running().await;
    scene.fake.at().is_down = true;
    let hold = scene.pressed().await;
    until("unconfirmed", async || scene.receipt(&hold).await["unconfirmed"] == true).await;
    let step = scene.receipt(&hold).await["step"].clone();
    assert!(step == "received" || step == "requested", "nothing is claimed that was not read back: {step}");
    assert_eq!(scene.fake.at().mode, Some("running"));
    scene.fake.at().is_down = false;
    until("idle", async || scene.receipt(&hold).await["step"] == "idle").await;
    assert_eq!(scene.fake.works(), (Some("paused"), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_minder_halts_it_when_the_agent_is_killed() {
    let scene = Scene::running().await;
    proc::signal(scene.host.agent().unwrap(), Signal::KILL);
    scene.until_mode("paused").await;
    assert!(!scene.fake.at().calls.contains(&"stop".to_owned()), "its exits go on: the minder knows that they are managed");
    scene.until_stopped_for("boot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_minder_halts_it_when_the_agent_stands_still() {
    let scene = Scene::running().await;
    proc::signal(scene.host.agent().unwrap(), Signal::STOP);
    scene.until_mode("paused").await;
    scene.until_stopped_for("boot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_agent_halts_it_when_the_minder_is_killed() {
    let mut scene = Scene::running().await;
    let agent = scene.host.agent().unwrap();
    proc::signal(scene.host.minder().unwrap(), Signal::KILL);
    scene.until_mode("paused").await;
    until("the agent's own end", async || !proc::is_alive(agent)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_agent_halts_it_when_the_minder_stands_still() {
    let mut scene = Scene::running().await;
    let minder = scene.host.minder().unwrap();
    proc::signal(minder, Signal::STOP);
    scene.until_mode("paused").await;
    proc::signal(minder, Signal::CONT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_agent_and_minder_killed_it_trades_on_and_the_server_says_so() {
    let mut scene = Scene::running().await;
    let (minder, agent) = (scene.host.minder().unwrap(), scene.host.agent().unwrap());
    let rounds = scene.fake.at().rounds;
    proc::signal(minder, Signal::KILL);
    proc::signal(agent, Signal::KILL);
    scene.until_stopped_for("lapse").await;
    // Nobody on the host is left to stop it: this is what the bot's page calls unbounded.
    until("it goes on", async || scene.fake.at().rounds > rounds + 3).await;
    assert_eq!(scene.fake.at().mode, Some("running"));
    let hold = scene.pressed().await;
    until("unconfirmed", async || scene.receipt(&hold).await["unconfirmed"] == true).await;
    // Whoever starts an agent again stops it first.
    let since = now_ms();
    scene.host.run();
    scene.until_mode("paused").await;
    until("idle", async || scene.receipt(&hold).await["step"] == "idle").await;
    assert!(now_ms() - since < i64::try_from(PATIENCE.as_millis()).unwrap() + TIMINGS.lapse_after_ms);
}
