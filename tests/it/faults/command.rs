//! A bot that is told by commands of its owner's, under a real minder, agent and server: it runs outside of them, obeys a file, and says in
//! another one what it does.

use super::{outside::Outside, proc, server, until};
use rustix::process::Signal;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Child,
};

/// The bot: does what `told` says, and says so in `doing`.
const BOT: &str =
    "cd \"$1\"; while :; do s=$(cat told); [ \"$s\" = \"$(cat doing)\" ] || { echo $s >doing.new; mv doing.new doing; }; sleep 0.05; done";
/// Its owner's command: tells it, and waits until it says so.
const CTL: &str = "cd \"$1\"; case $2 in halt) s=halted;; start) s=active;; esac\n\
     [ -z \"$s\" ] || { echo $s >told.new; mv told.new told; until [ \"$(cat doing)\" = $s ] || [ ! -e doing ]; do sleep 0.05; done; }\n\
     echo \"{\\\"state\\\":\\\"$(cat doing)\\\",\\\"entry_orders\\\":0}\"";

struct Scene {
    outside: Outside,
    dir: PathBuf,
    bot: Child,
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.bot.kill();
        let _ = self.bot.wait();
    }
}

impl Scene {
    /// A bot that was started through Andon and trades.
    async fn trading() -> Self {
        let outside = Outside::new().await;
        let dir = outside.ground.path().join("bot");
        fs::create_dir(&dir).unwrap();
        for (name, text) in [("told", "halted\n"), ("doing", "halted\n"), ("bot.sh", BOT), ("ctl.sh", CTL)] {
            fs::write(dir.join(name), text).unwrap();
        }
        let bot = server::command("sh").arg(dir.join("bot.sh")).arg(&dir).spawn().unwrap();
        let ctl = |word: &str| format!("{word} = [\"sh\", {:?}, {:?}, \"{word}\"]\n", dir.join("ctl.sh"), dir);
        let commands = ["halt", "start", "report"].map(ctl).concat();
        outside.host.configure(&format!("[bot]\nadapter = \"command\"\n[command]\n{commands}"), "");
        let mut scene = Self { outside, dir, bot };
        scene.outside.host.run();
        scene.start().await;
        scene
    }

    async fn start(&mut self) {
        let dir = self.dir.clone();
        self.outside.start(|| does(&dir, "active")).await;
    }

    fn does(&self, state: &str) -> bool {
        does(&self.dir, state)
    }
}

fn does(dir: &Path, state: &str) -> bool {
    fs::read_to_string(dir.join("doing")).is_ok_and(|doing| doing.trim() == state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_halts_it_and_a_start_brings_it_back() {
    let mut scene = Scene::trading().await;
    let hold = scene.outside.press().await;
    scene.outside.until_idle(&hold).await;
    assert!(scene.does("halted"));
    scene.outside.release(&hold).await;
    scene.start().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_minder_halts_it_when_the_agent_is_killed_or_stands_still() {
    for signal in [Signal::KILL, Signal::STOP] {
        let mut scene = Scene::trading().await;
        proc::signal(scene.outside.host.agent().unwrap(), signal);
        until("it is halted", async || scene.does("halted")).await;
        // Another agent is there, and a start brings the bot back.
        scene.start().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_agent_halts_it_when_the_minder_is_killed_or_stands_still() {
    for signal in [Signal::KILL, Signal::STOP] {
        let mut scene = Scene::trading().await;
        let minder = scene.outside.host.minder().unwrap();
        proc::signal(minder, signal);
        until("it is halted", async || scene.does("halted")).await;
        proc::signal(minder, Signal::CONT);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_both_killed_it_trades_on_until_another_agent_comes() {
    let mut scene = Scene::trading().await;
    let (minder, agent) = (scene.outside.host.minder().unwrap(), scene.outside.host.agent().unwrap());
    proc::signal(minder, Signal::KILL);
    proc::signal(agent, Signal::KILL);
    scene.outside.until_stopped_for("lapse").await;
    assert!(scene.does("active"), "nobody on the host is left to halt it");
    scene.outside.host.run();
    until("it is halted", async || scene.does("halted")).await;
}
