//! A bot that is a command on this host: it runs or it does not (rulings C12, H20). Halted means that the configured signal was sent and that no
//! process of it is left. What orders rest at the venue only the configured report command can tell. It is never restarted by itself.

use super::{Adapter, AdapterError, Finding, Printed, ReadBack, Runs, Told, Traits, Wanted, digest::Digests, family, launcher::Launch};
use crate::agent::{BootClock, keys::Handing, words::Words};
use crate::domain::State;
use crate::protocol::{FillFrame, MAX_BODY, Report};
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    ffi::OsString,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    sync::watch,
};

/// What the launcher may take beyond the bot's own time before it counts as stuck.
const RESERVE: Duration = Duration::from_millis(500);
/// How long a command that cannot be run takes at most to fail.
const SETTLE: Duration = Duration::from_millis(150);
const START: Duration = Duration::from_secs(5);
const SWEEP_STEP: Duration = Duration::from_millis(20);
/// After a KILL the kernel needs no longer than this, unless the process hangs in it.
const SWEEP_KILL_MS: i64 = 2_000;

/// A bot's command and how to end, read and recognise it.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Where it and the report command run.
    pub working_dir: Option<PathBuf>,
    /// The signal that asks it to end.
    pub stop_signal: Signal,
    /// How long it may take to; then it is killed. Milliseconds.
    pub stop_within_ms: i64,
    /// A command that prints a `Report` as JSON, and `fills` beside it where the bot tells them.
    pub report: Option<Vec<String>>,
    /// How long that may take. Milliseconds.
    pub report_timeout_ms: i64,
    /// Files whose digest is the build.
    pub build: Vec<PathBuf>,
    /// Files whose digest is the configuration.
    pub config: Vec<PathBuf>,
    /// The strategy's name.
    pub strategy: Option<String>,
    /// Where it trades: `VENUE/SUBACCOUNT`.
    pub subaccount: Option<String>,
    /// The agent's id: marks the bot and everything it starts, so that a survivor is found.
    pub mark: String,
    /// How this program is called to launch a bot.
    pub launcher: Vec<OsString>,
    /// Keys that it is given at its start.
    pub keys: Option<Handing>,
}

/// How this very program, even when its file was replaced meanwhile, is called to launch a bot.
pub fn own_launcher() -> Vec<OsString> {
    ["/proc/self/exe", "agent", "launch"].map(OsString::from).to_vec()
}

/// The adapter.
pub struct ProcessAdapter {
    config: ProcessConfig,
    boot_clock: BootClock,
    lease_until_ms: AtomicI64,
    running: Mutex<Option<Running>>,
    changes: watch::Sender<u64>,
    digests: Digests,
    // What the report command printed.
    fills: Told,
}

/// What the launcher said last.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Nothing,
    Started(String),
    Exited(String),
    /// It has ended and was reaped. True when it said that nothing of the bot is left.
    Ended(bool),
}

#[derive(Clone)]
struct Running {
    launcher: Option<Pid>,
    // Its end is the order to halt.
    to: Option<Arc<Words>>,
    said: watch::Receiver<Said>,
}

impl ProcessAdapter {
    /// An adapter for one bot; starts nothing.
    pub fn new(config: ProcessConfig, boot_clock: BootClock) -> Self {
        let digests = Digests::new(config.build.clone(), config.config.clone());
        Self {
            config,
            boot_clock,
            lease_until_ms: AtomicI64::new(0),
            running: Mutex::new(None),
            changes: watch::Sender::new(0),
            digests,
            fills: Told::default(),
        }
    }

    fn with_running<T>(&self, look: impl FnOnce(&mut Option<Running>) -> T) -> T {
        look(&mut self.running.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn start(&self) -> Result<ReadBack, AdapterError> {
        let running = match self.with_running(|running| running.clone()) {
            Some(running) => running,
            None => self.spawn()?,
        };
        let mut said = running.said.clone();
        let started = said.wait_for(|said| *said != Said::Nothing);
        match tokio::time::timeout(START, started).await {
            Ok(Ok(_)) => {}
            _ => return Err(AdapterError::new("the launcher does not answer")),
        }
        // A command that cannot be run fails within moments, and a bot that ends at once has not started.
        let ended = said.wait_for(|said| !matches!(said, Said::Nothing | Said::Started(_)));
        if let Ok(Ok(said)) = tokio::time::timeout(SETTLE, ended).await {
            return Err(AdapterError(match &*said {
                Said::Exited(how) => format!("the bot's command ended at once, {how}"),
                _ => "the bot's command could not be launched".to_owned(),
            }));
        }
        self.look_now().ok_or_else(|| AdapterError::new("the bot ended while it was started"))
    }

    fn spawn(&self) -> Result<Running, AdapterError> {
        let launch = Launch {
            command: self.config.command.clone(),
            working_dir: self.config.working_dir.clone(),
            stop_signal: self.config.stop_signal.as_raw(),
            stop_within_ms: self.config.stop_within_ms,
            lease_until_ms: self.lease_until_ms.load(Ordering::SeqCst),
            mark: self.config.mark.clone(),
            again: self.config.launcher.clone(),
            keys: self.config.keys.clone(),
        };
        let line = serde_json::to_string(&launch).map_err(AdapterError::new)?;
        let (program, arguments) = self.config.launcher.split_first().ok_or_else(|| AdapterError::new("no launcher"))?;
        let mut child = Command::new(program)
            .arg0("andon")
            .args(arguments)
            .env(family::LAUNCHER, &self.config.mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| AdapterError(format!("the launcher cannot be started: {error}")))?;
        let launcher = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(AdapterError::new("the launcher has no pipes"));
        };
        let to = stdin.into_owned_fd().and_then(Words::into).map_err(AdapterError::new)?;
        to.say(&line).map_err(AdapterError::new)?;
        let (tell, said) = watch::channel(Said::Nothing);
        tokio::spawn(follow(child, stdout, tell, self.changes.clone()));
        let running = Running { launcher, to: Some(Arc::new(to)), said };
        self.with_running(|known| *known = Some(running.clone()));
        Ok(running)
    }

    async fn halt(&self) -> Result<ReadBack, AdapterError> {
        let running = self.with_running(|running| {
            // Dropping the pipe is the order.
            running.as_mut().map(|running| {
                running.to = None;
                running.clone()
            })
        });
        if let Some(running) = running {
            self.end_launcher(&running).await?;
            self.with_running(|known| *known = None);
        }
        // Read back: nothing that carries the bot's mark is left, be it of this boot or of an earlier one.
        let sweep = Sweep { config: self.config.clone(), boot_clock: self.boot_clock.clone() };
        tokio::task::spawn_blocking(move || sweep.run()).await.map_err(AdapterError::new)??;
        Ok(ReadBack::of(State::Halted))
    }

    async fn end_launcher(&self, running: &Running) -> Result<(), AdapterError> {
        let mut said = running.said.clone();
        let within = Duration::from_millis(u64::try_from(self.config.stop_within_ms).unwrap_or(0)) + RESERVE;
        if matches!(tokio::time::timeout(within, said.wait_for(|said| matches!(said, Said::Ended(_)))).await, Ok(Ok(_))) {
            return Ok(());
        }
        // It stands still or hangs. With it the kernel kills the bot; the sweep finds whoever that orphans.
        if let Some(launcher) = running.launcher {
            let _ = kill_process(launcher, Signal::KILL);
        }
        let ended = tokio::time::timeout(START, said.wait_for(|said| matches!(said, Said::Ended(_)))).await;
        if matches!(ended, Ok(Ok(_))) { Ok(()) } else { Err(AdapterError::new("the launcher cannot be killed")) }
    }

    /// The bot as it runs now, if it does.
    fn look_now(&self) -> Option<ReadBack> {
        let said = self.with_running(|running| running.as_ref().map(|running| running.said.borrow().clone()))?;
        match said {
            Said::Started(pid) => Some(ReadBack { instance: Some(pid), ..ReadBack::of(State::Active) }),
            _ => None,
        }
    }
}

/// Follows the launcher's words until it has ended, and reaps it.
async fn follow(mut child: Child, stdout: ChildStdout, tell: watch::Sender<Said>, changes: watch::Sender<u64>) {
    let mut lines = BufReader::new(stdout).lines();
    let mut nothing_left = false;
    while let Ok(Some(line)) = lines.next_line().await {
        match line.split_once(' ') {
            Some(("started", pid)) => drop(tell.send_replace(Said::Started(pid.to_owned()))),
            Some(("exited", how)) => drop(tell.send_replace(Said::Exited(how.to_owned()))),
            None if line == "gone" => nothing_left = true,
            _ => {}
        }
        changes.send_modify(|count| *count += 1);
    }
    if let Err(error) = child.wait().await {
        tracing::warn!("the launcher could not be waited for: {error}");
    }
    tell.send_replace(Said::Ended(nothing_left));
    changes.send_modify(|count| *count += 1);
}

#[async_trait]
impl Adapter for ProcessAdapter {
    fn name(&self) -> &'static str {
        "process"
    }
    fn traits(&self) -> Traits {
        Traits {
            can_reduce: false,
            can_tell_orders: self.config.report.is_some(),
            can_cancel: false,
            can_manage_exits: false,
            dies_with_agent: true,
            leaves_out_within_ms: None,
        }
    }
    fn apply_within_ms(&self) -> i64 {
        self.config.stop_within_ms.saturating_add(1_000)
    }

    async fn apply(&self, wanted: &Wanted) -> Result<ReadBack, AdapterError> {
        if wanted.state == State::Active { self.start().await } else { self.halt().await }
    }

    async fn look(&self) -> Result<ReadBack, AdapterError> {
        Ok(self.look_now().unwrap_or(ReadBack::of(State::Halted)))
    }

    async fn changed(&self) {
        let mut changes = self.changes.subscribe();
        let _ = tokio::time::timeout(Duration::from_secs(1), changes.changed()).await;
    }

    async fn report(&self) -> Result<Option<Report>, AdapterError> {
        let Some(command) = &self.config.report else { return Ok(None) };
        let within = Duration::from_millis(u64::try_from(self.config.report_timeout_ms).unwrap_or(0));
        let mut printed = read_report(command, self.config.working_dir.as_ref(), within).await?;
        self.fills.add(printed.take_fills());
        Ok(Some(printed.report))
    }

    async fn fills(&self) -> Vec<FillFrame> {
        self.fills.take()
    }

    async fn runs(&self) -> Runs {
        let running = self.look_now().is_some();
        let (build, config) = self.digests.read(running).await;
        Runs { build, config, strategy: self.config.strategy.clone(), subaccount: self.config.subaccount.clone() }
    }

    fn renewed(&self, until_boot_ms: i64) {
        self.lease_until_ms.store(until_boot_ms, Ordering::SeqCst);
        if let Some(to) = self.with_running(|running| running.as_ref().and_then(|running| running.to.clone())) {
            // A full pipe means a launcher that stands still; it hears of no lease, and the bot's end comes with the next halt.
            let _ = to.say(&format!("lease {until_boot_ms}"));
        }
    }

    fn halt_now(&self, _wanted: &Wanted) -> Result<(), AdapterError> {
        Sweep { config: self.config.clone(), boot_clock: self.boot_clock.clone() }.run()
    }

    async fn examine(&self, _restart: bool) -> Vec<Finding> {
        let report = match self.report().await {
            Ok(Some(Report { entry_orders: Some(n), .. })) => Finding::good(format!("the report command says {n} entry orders")),
            Ok(Some(_)) => {
                Finding::bad("the report command says nothing of entry_orders: a stop will be shown as \"applied, orders unknown\"")
            }
            Ok(None) => Finding::bad("there is no report command: a stop will be shown as \"applied, orders unknown\""),
            Err(error) => Finding::bad(error.to_string()),
        };
        vec![Finding::good(format!("the bot's command is {}", self.config.command.join(" "))), report]
    }
}

/// Ends the report command and whatever it started when it is not waited for any more.
struct EndGroup(Option<Pid>);

impl Drop for EndGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Fails only when it has ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn read_report(command: &[String], dir: Option<&PathBuf>, within: Duration) -> Result<Printed, AdapterError> {
    let failed = |why: String| AdapterError(format!("the report command {why}"));
    let (program, arguments) = command.split_first().ok_or_else(|| failed("is empty".into()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let mut child = command.spawn().map_err(|error| failed(format!("cannot be run: {error}")))?;
    let mut group = EndGroup(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let stdout = child.stdout.take();
    let read = async {
        let mut text = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(MAX_BODY as u64 + 1).read_to_end(&mut text).await?;
        }
        Ok::<_, std::io::Error>((text, child.wait().await?))
    };
    let (text, status) = match tokio::time::timeout(within, read).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => return Err(failed(format!("cannot be read: {error}"))),
        Err(_) => return Err(failed(format!("took longer than {} ms", within.as_millis()))),
    };
    // Reaped: its number may pass on.
    group.0 = None;
    if !status.success() {
        return Err(failed(format!("ended with {status}")));
    }
    if text.len() > MAX_BODY {
        return Err(failed("printed more than 1 MiB".into()));
    }
    serde_json::from_slice(&text).map_err(|error| failed(format!("printed no report: {error}")))
}

/// Ends every process that carries the bot's mark, from whichever process and boot.
struct Sweep {
    config: ProcessConfig,
    boot_clock: BootClock,
}

impl Sweep {
    fn bots(&self) -> Vec<Pid> {
        family::marked(family::MARK, &self.config.mark)
    }
    fn launchers(&self) -> Vec<Pid> {
        family::marked(family::LAUNCHER, &self.config.mark)
    }

    fn run(&self) -> Result<(), AdapterError> {
        let begun = self.boot_clock.now_ms();
        let kill_at = begun.saturating_add(self.config.stop_within_ms).saturating_add(500);
        let mut asked = false;
        loop {
            let (bots, launchers) = (self.bots(), self.launchers());
            if bots.is_empty() && launchers.is_empty() {
                return Ok(());
            }
            let now = self.boot_clock.now_ms();
            if now >= kill_at.saturating_add(SWEEP_KILL_MS) {
                return Err(AdapterError(format!("{} processes of the bot cannot be killed", bots.len() + launchers.len())));
            }
            if now >= kill_at {
                let kill = |pids: Vec<Pid>, name| {
                    pids.into_iter().for_each(|pid| family::signal_marked(pid, name, &self.config.mark, Signal::KILL))
                };
                kill(launchers, family::LAUNCHER);
                kill(bots, family::MARK);
            } else if launchers.is_empty() && !asked {
                // A living launcher does this itself, as its pipe has ended.
                asked = true;
                for signal in [self.config.stop_signal, Signal::CONT] {
                    bots.iter().for_each(|pid| family::signal_marked(*pid, family::MARK, &self.config.mark, signal));
                }
            }
            std::thread::sleep(SWEEP_STEP);
        }
    }
}

#[cfg(test)]
mod tests;
