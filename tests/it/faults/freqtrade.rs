//! A Freqtrade bot, as its API and its loop behave, under a real minder, agent and server: pressed, proved, released, started, and what becomes of
//! it when agent, minder or both die or stand still. Unlike a `process` it lives outside of them.

use super::{PATIENCE, ground::TIMINGS, now_ms, outside::Outside, proc, until};
use crate::freqtrade::fake::{Fake, PASSWORD};
use rustix::process::Signal;

struct Scene {
    fake: Fake,
    outside: Outside,
}

impl Scene {
    /// A bot that was started through Andon and runs.
    async fn running() -> Self {
        let fake = Fake::new("stopped").await;
        let mut outside = Outside::new().await;
        outside.host.configure(
            &format!(
                "[bot]\nadapter = \"freqtrade\"\n[freqtrade]\nurl = \"http://{}\"\nusername = \"rig\"\npassword_file = \"PASSWORD\"\n\
                 throttle_ms = 2_000\ntimeout_ms = 2_000\n",
                fake.address
            ),
            PASSWORD,
        );
        outside.host.run();
        let mut scene = Self { fake, outside };
        scene.start().await;
        scene
    }

    async fn start(&mut self) {
        self.outside.start(|| self.fake.at().mode == Some("running")).await;
    }

    async fn until_mode(&self, mode: &str) {
        until(&format!("the bot is {mode}"), async || self.fake.at().mode == Some(mode)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_pauses_it_with_proof_and_a_start_brings_it_back() {
    let mut scene = Scene::running().await;
    until("it has entered", async || scene.fake.at().entered >= 2).await;
    let hold = scene.outside.press().await;
    scene.outside.until_idle(&hold).await;
    assert_eq!(scene.fake.works(), (Some("paused"), 0), "managed exits: paused, not stopped");
    assert!(scene.outside.host.check_reload().contains("at work"), "no reload behind an agent's back");
    assert_eq!(scene.outside.receipt(&hold).await["entry_orders"], 0);
    scene.outside.release(&hold).await;
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
    scene.outside.until_stopped_for("stopped").await;
    // Again, halted as it is now: it comes back running and is paused anew.
    until("the agent has it halted", async || scene.fake.works() == (Some("paused"), 0)).await;
    scene.outside.until_says("halted").await;
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
    let hold = scene.outside.press().await;
    until("unconfirmed", async || scene.outside.receipt(&hold).await["unconfirmed"] == true).await;
    let step = scene.outside.receipt(&hold).await["step"].clone();
    assert!(step == "received" || step == "requested", "nothing is claimed that was not read back: {step}");
    assert_eq!(scene.fake.at().mode, Some("running"));
    scene.fake.at().is_down = false;
    scene.outside.until_idle(&hold).await;
    assert_eq!(scene.fake.works(), (Some("paused"), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_minder_halts_it_when_the_agent_is_killed() {
    let scene = Scene::running().await;
    proc::signal(scene.outside.host.agent().unwrap(), Signal::KILL);
    scene.until_mode("paused").await;
    assert!(!scene.fake.at().calls.contains(&"stop".to_owned()), "its exits go on: the minder knows that they are managed");
    scene.outside.until_stopped_for("boot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_minder_halts_it_when_the_agent_stands_still() {
    let scene = Scene::running().await;
    proc::signal(scene.outside.host.agent().unwrap(), Signal::STOP);
    scene.until_mode("paused").await;
    scene.outside.until_stopped_for("boot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_agent_halts_it_when_the_minder_is_killed() {
    let mut scene = Scene::running().await;
    let agent = scene.outside.host.agent().unwrap();
    proc::signal(scene.outside.host.minder().unwrap(), Signal::KILL);
    scene.until_mode("paused").await;
    until("the agent's own end", async || !proc::is_alive(agent)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_agent_halts_it_when_the_minder_stands_still() {
    let mut scene = Scene::running().await;
    let minder = scene.outside.host.minder().unwrap();
    proc::signal(minder, Signal::STOP);
    scene.until_mode("paused").await;
    proc::signal(minder, Signal::CONT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_agent_and_minder_killed_it_trades_on_and_the_server_says_so() {
    let mut scene = Scene::running().await;
    let (minder, agent) = (scene.outside.host.minder().unwrap(), scene.outside.host.agent().unwrap());
    let rounds = scene.fake.at().rounds;
    proc::signal(minder, Signal::KILL);
    proc::signal(agent, Signal::KILL);
    scene.outside.until_stopped_for("lapse").await;
    // Nobody on the host is left to stop it: this is what the bot's page calls unbounded.
    until("it goes on", async || scene.fake.at().rounds > rounds + 3).await;
    assert_eq!(scene.fake.at().mode, Some("running"));
    let hold = scene.outside.press().await;
    until("unconfirmed", async || scene.outside.receipt(&hold).await["unconfirmed"] == true).await;
    // Whoever starts an agent again stops it first.
    let since = now_ms();
    scene.outside.host.run();
    scene.until_mode("paused").await;
    scene.outside.until_idle(&hold).await;
    assert!(now_ms() - since < i64::try_from(PATIENCE.as_millis()).unwrap() + TIMINGS.lapse_after_ms);
}
