//! A bot that is told by commands of its owner's, under a real minder, agent and server: it runs outside of them, obeys a file, and says in
//! another one what it does.

use super::{
    crew::{Crew, Tried},
    ground::Ground,
    host::Host,
    press::{Press, Way, api, bot_seen},
    proc,
    server::{self, Server},
    until, within,
};
use crate::harness::db::{Kind, fresh};
use rustix::process::Signal;
use std::{fs, path::PathBuf, process::Child, time::Duration};

/// A start that has not shown by then was overtaken by a stop.
const AGAIN: Duration = Duration::from_secs(15);
/// The bot: does what `told` says, and says so in `doing`.
const BOT: &str =
    "cd \"$1\"; while :; do s=$(cat told); [ \"$s\" = \"$(cat doing)\" ] || { echo $s >doing.new; mv doing.new doing; }; sleep 0.05; done";
/// Its owner's command: tells it, and waits until it says so.
const CTL: &str = "cd \"$1\"; case $2 in halt) s=halted;; start) s=active;; esac\n\
     [ -z \"$s\" ] || { echo $s >told.new; mv told.new told; until [ \"$(cat doing)\" = $s ] || [ ! -e doing ]; do sleep 0.05; done; }\n\
     echo \"{\\\"state\\\":\\\"$(cat doing)\\\",\\\"entry_orders\\\":0}\"";

struct Scene {
    host: Host,
    crew: Crew,
    dir: PathBuf,
    bot: Child,
    _server: Server,
    ground: Ground,
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
        let (ground, mut hosts) = Ground::new(fresh(Kind::Sqlite).await, 1).await;
        let host = hosts.remove(0);
        let dir = ground.path().join("bot");
        fs::create_dir(&dir).unwrap();
        for (name, text) in [("told", "halted\n"), ("doing", "halted\n"), ("bot.sh", BOT), ("ctl.sh", CTL)] {
            fs::write(dir.join(name), text).unwrap();
        }
        let bot = server::command("sh").arg(dir.join("bot.sh")).arg(&dir).spawn().unwrap();
        let ctl = |word: &str| format!("{word} = [\"sh\", {:?}, {:?}, \"{word}\"]\n", dir.join("ctl.sh"), dir);
        let commands = ["halt", "start", "report"].map(ctl).concat();
        host.configure(&format!("[bot]\nadapter = \"command\"\n[command]\n{commands}"), "");
        let server = Server::start(&ground).await;
        let crew = Crew::signed_in(&ground).await;
        let mut scene = Self { host, crew, dir, bot, _server: server, ground };
        scene.host.run();
        scene.start().await;
        scene
    }

    fn does(&self, state: &str) -> bool {
        fs::read_to_string(self.dir.join("doing")).is_ok_and(|doing| doing.trim() == state)
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
        self.does("active") && bot_seen(&self.ground, &self.host.bot).await.is_some_and(|seen| seen["seen"]["state"] == "active")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_halts_it_and_a_start_brings_it_back() {
    let mut scene = Scene::trading().await;
    let hold = Press::new(Way::Token, "venue outage").once(&scene.ground, &mut scene.crew).await.unwrap().hold;
    until("idle", async || {
        let path = format!("/api/v1/holds/{hold}/receipt");
        let (_, receipt) = api(&scene.ground, &scene.ground.read_token, "GET", &path, None).await.unwrap();
        receipt["bots"][0]["step"] == "idle"
    })
    .await;
    assert!(scene.does("halted"));
    until("the release", async || scene.crew.release(&hold).await == Tried::Done).await;
    scene.start().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_minder_halts_it_when_the_agent_is_killed_or_stands_still() {
    for signal in [Signal::KILL, Signal::STOP] {
        let mut scene = Scene::trading().await;
        proc::signal(scene.host.agent().unwrap(), signal);
        until("it is halted", async || scene.does("halted")).await;
        // Another agent is there, and a start brings the bot back.
        scene.start().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_agent_halts_it_when_the_minder_is_killed_or_stands_still() {
    for signal in [Signal::KILL, Signal::STOP] {
        let mut scene = Scene::trading().await;
        let minder = scene.host.minder().unwrap();
        proc::signal(minder, signal);
        until("it is halted", async || scene.does("halted")).await;
        proc::signal(minder, Signal::CONT);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_both_killed_it_trades_on_until_another_agent_comes() {
    let mut scene = Scene::trading().await;
    let (minder, agent) = (scene.host.minder().unwrap(), scene.host.agent().unwrap());
    proc::signal(minder, Signal::KILL);
    proc::signal(agent, Signal::KILL);
    until("a lapse", async || {
        let Some(seen) = bot_seen(&scene.ground, &scene.host.bot).await else { return false };
        seen["directive"]["reasons"].as_array().unwrap().iter().any(|reason| reason["kind"] == "lapse")
    })
    .await;
    assert!(scene.does("active"), "nobody on the host is left to halt it");
    scene.host.run();
    until("it is halted", async || scene.does("halted")).await;
}
