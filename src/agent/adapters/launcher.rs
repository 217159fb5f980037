//! The process between agent and bot. It starts the bot's command, holds its whole family, and ends all of it when the agent says so, when the
//! agent's pipe ends, or when no lease comes in time. So a bot dies with its agent however the agent dies, its children included, and also when
//! agent and minder are stopped or killed at once. It is this same program, called as `andon agent launch`.
//!
//! On standard input: first the [`Launch`] as one line of JSON, then `lease MS`; the end of the pipe means halt. On standard output:
//! `started PID`, `exited WORDS`, and `gone` when no child is left.

use super::family;
use crate::agent::{BootClock, keys::Handing};
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getppid, kill_process_group, set_child_subreaper, set_parent_process_death_signal,
    setsid, wait,
};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::unix::pipe,
    signal::unix::{SignalKind, signal},
};

/// The agent halts at the end of its lease; this process only when the agent did not.
const GRACE_MS: i64 = 500;
const LOOK: Duration = Duration::from_millis(200);
const STEP: Duration = Duration::from_millis(10);
/// Carries the [`Become`] to the second stage.
const BECOME: &str = "ANDON_BECOME_BOT";

/// What to start and how to end it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launch {
    /// The bot's command and its arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub working_dir: Option<PathBuf>,
    /// The signal that asks it to end, by number.
    pub stop_signal: i32,
    /// How long it may take to. Milliseconds.
    pub stop_within_ms: i64,
    /// Until when it may run without another lease. Boot-clock milliseconds.
    pub lease_until_ms: i64,
    /// The agent's id: marks the bot and everything it starts.
    pub mark: String,
    /// How this program calls itself for the second stage.
    pub again: Vec<OsString>,
    /// Keys that the bot is given; none: it gets them elsewhere. Opened in the second stage, which becomes the bot, and nowhere before.
    #[serde(default)]
    pub keys: Option<Handing>,
}

#[derive(Serialize, Deserialize)]
struct Become {
    parent: i32,
    command: Vec<String>,
    #[serde(default)]
    keys: Option<Handing>,
}

/// Runs the stage that the environment names: the second, which becomes the bot, or the first, which stays. Returns when there is nothing left to
/// hold, or in words why it could not begin.
///
/// # Errors
/// When standard input holds no [`Launch`], or the operating system refuses.
pub fn launch() -> io::Result<()> {
    match std::env::var(BECOME) {
        Ok(text) => become_bot(&text),
        Err(_) => stay(),
    }
}

/// Becomes the bot, tied to the process that holds it: when that one dies, the kernel kills the bot.
fn become_bot(text: &str) -> io::Result<()> {
    let Become { parent, command, keys } = serde_json::from_str(text)?;
    // The signal comes when the *thread* that spawned this process dies: the launcher's only one. Set first, looked after: a parent that died in
    // between would never be noticed.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return Err(io::Error::other("the launcher is gone"));
    }
    let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("no command"))?;
    let mut bot = Command::new(program);
    bot.args(arguments).env_remove(BECOME);
    let given = keys.map(|keys| keys.hand_over(&mut bot)).transpose();
    let _open = given.map_err(|error| io::Error::other(format!("the bot's keys cannot be given to it: {error}")))?;
    Err(bot.exec())
}

fn stay() -> io::Result<()> {
    // Whatever prints to standard output from here on, the bot included, reaches standard error; the pipe is for our words.
    let to = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdout(io::stderr())?;
    // A session of its own: neither a terminal's signals nor its end reach the bot.
    let _ = setsid();
    set_child_subreaper(Some(getpid()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let from = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
        let mut lines = BufReader::new(from).lines();
        let first = lines.next_line().await?.ok_or_else(|| io::Error::other("nothing to launch"))?;
        let launch: Launch = serde_json::from_str(&first)?;
        hold(launch, lines, to).await
    })
}

/// Starts the bot and holds it until nothing of it is left.
async fn hold(launch: Launch, mut lines: Lines<BufReader<pipe::Receiver>>, mut to: File) -> io::Result<()> {
    // To be asked to end is the agent's to decide: a supervisor that signals every process of a unit at once must not cut the bot's own end short.
    let _heard = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()].map(signal);
    let mut child_ended = signal(SignalKind::child())?;
    let boot_clock = BootClock::system();
    let mut family = Family { leader: start(&launch)?, leader_ended: None };
    failpoint!("launcher:started");
    say(&mut to, &format!("started {}", family.leader.as_raw_nonzero()));
    let mut lease_until_ms = launch.lease_until_ms;
    loop {
        family.reap();
        if family.leader_ended.is_some() || boot_clock.now_ms() > lease_until_ms.saturating_add(GRACE_MS) {
            break;
        }
        tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) => {
                    if let Some(ms) = line.strip_prefix("lease ").and_then(|ms| ms.parse().ok()) {
                        lease_until_ms = ms;
                    }
                }
                Ok(None) | Err(_) => break,
            },
            _ = child_ended.recv() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    if let Some(how) = &family.leader_ended {
        say(&mut to, &format!("exited {how}"));
    }
    failpoint!("launcher:before_end");
    let stop_signal = Signal::from_named_raw(launch.stop_signal).unwrap_or(Signal::TERM);
    family.end(stop_signal, launch.stop_within_ms, &boot_clock).await;
    say(&mut to, "gone");
    Ok(())
}

/// Fails only when the agent is gone, and then nobody listens.
fn say(to: &mut File, word: &str) {
    let _ = to.write_all(format!("{word}\n").as_bytes());
}

fn start(launch: &Launch) -> io::Result<Pid> {
    let stage = Become { parent: getpid().as_raw_nonzero().get(), command: launch.command.clone(), keys: launch.keys.clone() };
    let (program, arguments) = launch.again.split_first().ok_or_else(|| io::Error::other("no second stage"))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env(BECOME, serde_json::to_string(&stage)?)
        .env(family::MARK, &launch.mark)
        .env_remove(family::LAUNCHER)
        .stdin(Stdio::null())
        .process_group(0);
    if let Some(dir) = &launch.working_dir {
        command.current_dir(dir);
    }
    // Reaped by `Family::reap`, which also reaps what this process adopts.
    let child = command.spawn()?;
    Ok(Pid::from_child(&child))
}

/// The bot and all its descendants. This process is their subreaper: whoever loses its parent becomes its child, and none can hide.
struct Family {
    leader: Pid,
    leader_ended: Option<String>,
}

impl Family {
    /// Reaps whatever has ended. False when no child is left: the kernel's own proof.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.leader => self.leader_ended = Some(in_words(status)),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Asks all of it to end, then ends it.
    async fn end(&mut self, stop_signal: Signal, within_ms: i64, boot_clock: &BootClock) {
        self.signal(stop_signal);
        // A bot that was stopped hears the signal only when it goes on.
        self.signal(Signal::CONT);
        let kill_at = boot_clock.now_ms().saturating_add(within_ms);
        while self.reap() {
            if boot_clock.now_ms() >= kill_at {
                // Children of those that end become ours, so every round reaches one generation further, whatever group they fled to.
                self.signal(Signal::KILL);
                family::children().into_iter().for_each(|pid| family::signal_child(pid, Signal::KILL));
            }
            tokio::time::sleep(STEP).await;
        }
    }

    fn signal(&self, signal: Signal) {
        if self.leader_ended.is_none() {
            // Its number is its group's, and cannot pass on before it was reaped. Fails only when it has ended.
            let _ = kill_process_group(self.leader, signal);
        } else {
            family::children().into_iter().for_each(|pid| family::signal_child(pid, signal));
        }
    }
}

fn in_words(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("with status {code}"),
        (None, Some(number)) => format!("by signal {number}"),
        (None, None) => "for an unknown reason".to_owned(),
    }
}
