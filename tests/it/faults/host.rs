//! The host of one bot: `andon agent run` with its minder, agent, launcher and a bot that writes down every tenth of a second at which it
//! trades. Whatever runs there is ended when the host is dropped.

use super::{arm::Arm, now_ms, proc, server, until};
use andon::domain::BotId;
use rustix::process::Signal;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

/// A bot's own time to end; the adapter declares a second more.
pub const STOP_WITHIN_MS: i64 = 500;

/// One moment at which a bot traded, and which process it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    pub at_ms: i64,
    pub pid: i32,
}

/// The host of one bot.
pub struct Host {
    dir: PathBuf,
    pub name: String,
    pub bot: BotId,
    agent_id: String,
    minder: Option<Child>,
    pub arm: Arm,
}

impl Host {
    /// A host with an enrolled agent in its folder; writes bot and settings there.
    pub fn new(dir: &Path, name: &str, bot: &BotId) -> Self {
        let credential: serde_json::Value = serde_json::from_str(&fs::read_to_string(dir.join("credential.json")).unwrap()).unwrap();
        let agent_id = credential["agent_id"].as_str().unwrap().to_owned();
        // The first field of /proc/uptime is the boot clock.
        let script = "#!/bin/sh\nwhile read -r now rest </proc/uptime; do echo \"$now $$\" >>\"$1\"; sleep 0.1; done\n";
        fs::write(dir.join("bot.sh"), script).unwrap();
        let at = |file: &str| dir.join(file).display().to_string();
        let settings = format!(
            "[bot]\ncommand = [\"/bin/sh\", \"{}\", \"{}\"]\nstop_within_ms = {STOP_WITHIN_MS}\n\
             report = [\"/bin/echo\", '{{\"entry_orders\":0,\"open_orders\":1}}']\n",
            at("bot.sh"),
            at("beats")
        );
        fs::write(dir.join("agent.toml"), settings).unwrap();
        let arm = Arm::new(dir.join("failpoint"));
        Self { dir: dir.to_owned(), name: name.to_owned(), bot: bot.clone(), agent_id, minder: None, arm }
    }

    /// Gives the agent other settings, in which `PASSWORD` names a file with this password.
    pub fn configure(&self, settings: &str, password: &str) {
        let file = self.dir.join("password");
        fs::write(&file, password).unwrap();
        fs::write(self.dir.join("agent.toml"), settings.replace("PASSWORD", &file.display().to_string())).unwrap();
    }

    /// Lets the agent reach the server at another port.
    pub fn reaches(&self, port: u16) {
        let file = self.dir.join("credential.json");
        let mut credential: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        credential["server"] = format!("http://localhost:{port}/").into();
        fs::write(file, credential.to_string()).unwrap();
    }

    /// Starts the minder, and with it the agent.
    pub fn run(&mut self) {
        self.run_with(&[]);
    }

    /// The same with more in their environment.
    pub fn run_with(&mut self, environment: &[(&str, String)]) {
        let log = File::options().create(true).append(true).open(self.dir.join("log")).unwrap();
        let mut command = server::command(server::andon());
        command.args(["agent", "run", "--dir"]).arg(&self.dir);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.env("ANDON_FAILPOINT", self.arm.variable()).stdout(Stdio::null()).stderr(log);
        self.minder = Some(command.spawn().unwrap());
    }

    /// What `andon agent check --reload` says while it does.
    pub fn check_reload(&self) -> String {
        let output = server::command(server::andon()).args(["agent", "check", "--reload", "--dir"]).arg(&self.dir).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub fn agent_id(&self) -> &str {
        &self.agent_id
    }

    pub fn minder(&mut self) -> Option<i32> {
        let minder = self.minder.as_mut()?;
        if minder.try_wait().unwrap().is_some() {
            self.minder = None;
            return None;
        }
        Some(i32::try_from(minder.id()).unwrap())
    }

    /// The agent proper. Its successor waits until it has ended.
    pub fn agent(&self) -> Option<i32> {
        proc::called_with(&["--inner", &self.dir.display().to_string()]).into_iter().min()
    }
    /// The process between agent and bot; its first stage, which stays.
    pub fn launcher(&self) -> Option<i32> {
        proc::marked("ANDON_LAUNCHER", &self.agent_id).first().copied()
    }
    /// The bot and whatever it started, the bot first.
    pub fn bots(&self) -> Vec<i32> {
        let mut all = proc::marked("ANDON_BOT_MARK", &self.agent_id);
        let leader = self.beats().last().map(|beat| beat.pid);
        all.sort_by_key(|pid| Some(*pid) != leader);
        all
    }

    /// What the agent must not forget, as it lies on disk.
    pub fn memory(&self) -> String {
        fs::read_to_string(self.dir.join("memory")).unwrap_or_default()
    }

    /// Every moment at which the bot traded.
    pub fn beats(&self) -> Vec<Beat> {
        let text = fs::read_to_string(self.dir.join("beats")).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().filter_map(beat).collect()
    }

    /// True when it trades now: its last beat is fresh.
    pub fn trades(&self) -> bool {
        self.beats().last().is_some_and(|beat| now_ms() - beat.at_ms < 400)
    }
    /// True when no process of the bot is left.
    pub fn stands(&self) -> bool {
        self.bots().is_empty()
    }
    /// True when it has traded after this moment: a beat of before it was stopped may be fresh still.
    pub fn trades_since(&self, since_ms: i64) -> bool {
        self.beats().last().is_some_and(|beat| beat.at_ms > since_ms)
    }
    /// Waits until no process of the bot is left, for as long as it may take; answers with the last beat.
    pub async fn until_standing(&self, deadline_ms: i64) -> i64 {
        until("the bot stands", async || self.stands()).await;
        let last = self.beats().last().map_or(0, |beat| beat.at_ms);
        assert!(last <= deadline_ms, "{} traded {} ms beyond what it may", self.name, last - deadline_ms);
        last
    }

    /// Ends the whole host in order.
    pub async fn shut_down(&mut self) {
        let Some(minder) = self.minder() else { return };
        proc::signal(minder, Signal::TERM);
        until("the agent's orderly end", async || self.minder().is_none()).await;
        assert!(self.stands());
    }
}

fn beat(line: &str) -> Option<Beat> {
    let (now, pid) = line.split_once(' ')?;
    let (seconds, hundredths) = now.split_once('.')?;
    Some(Beat { at_ms: seconds.parse::<i64>().ok()? * 1_000 + hundredths.parse::<i64>().ok()? * 10, pid: pid.parse().ok()? })
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut minder) = self.minder.take() {
            let _ = minder.kill();
            let _ = minder.wait();
        }
        for pid in self.agent().into_iter().chain(self.launcher()).chain(self.bots()) {
            proc::signal(pid, Signal::KILL);
        }
    }
}
