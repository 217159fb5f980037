//! The agent's parent (ruling H7). It starts the agent, watches its life and the leases it tells of, halts the bot by itself when the agent ends
//! or falls silent, and starts a new agent then. It knows no server and holds no credential.

use super::{
    BootClock,
    adapters::{Adapter, STANDSTILL, Wanted, family},
    words::Words,
};
use crate::domain::Exits;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, set_child_subreaper, wait};
use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::unix::pipe,
    signal::unix::{Signal as Incoming, SignalKind, signal},
};

/// Exit status of an agent that no restart can help: its directory or settings are unusable.
pub const UNUSABLE: u8 = 78;

/// The agent halts at the end of its lease; the minder only when the agent did not even begin to.
const GRACE_MS: i64 = 500;
const LOOK: Duration = Duration::from_millis(200);
/// Looks further apart than this mean that this process did not run.
const STOOD_STILL_MS: i64 = 2_000;
/// How long beyond the adapter's own time an agent may take to end when it was asked to.
const RESERVE_MS: i64 = 10_000;
/// A bot that cannot be halted for so long is left to the next agent, which begins with the same and can tell the server. Where no other agent
/// follows there is nobody to leave it to, and the halt is tried for ever.
const HALT_PATIENCE_MS: i64 = 30_000;
/// A restart waits for this long doubled per restart running, up to the most.
const AGAIN_MS: u64 = 500;
const AGAIN_MOST_MS: u64 = 30_000;
/// An agent that lived for this long was no failed start.
const SETTLED_MS: i64 = 60_000;

/// What a minder needs.
pub struct Minder {
    /// How this program is called to be the agent proper.
    pub agent: Vec<OsString>,
    /// The bot, for when nobody else halts it.
    pub adapter: Arc<dyn Adapter>,
    /// What leases run on.
    pub boot_clock: BootClock,
    /// What the bot may do while halted, as far as it is known before an agent says so.
    pub exits: Exits,
    /// An agent that says nothing at all for this long stands still. Milliseconds.
    pub silent_after_ms: i64,
}

/// How one agent ended.
enum End {
    /// By itself or by others.
    Ended(WaitStatus),
    /// It stands still, and why that is said.
    Silent(&'static str),
    /// The minder was asked to end.
    Asked,
    /// The minder was asked again, or the agent did not end in time.
    Pressed,
}

struct Signals {
    ask: [Incoming; 3],
    child: Incoming,
}

impl Minder {
    /// Minds one agent after the other until it is asked to end. Call it on the thread that lives as long as the process: the kernel tells the
    /// agent of its parent's death when the thread dies that started it.
    ///
    /// # Errors
    /// When the operating system refuses what it needs, or the agent says that no restart can help; the bot is then halted.
    pub async fn mind(mut self) -> io::Result<()> {
        set_child_subreaper(Some(getpid()))?;
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [terminate, interrupt, hangup] = kinds.map(signal);
        let mut signals = Signals { ask: [terminate?, interrupt?, hangup?], child: signal(SignalKind::child())? };
        let mut failures = 0_u32;
        loop {
            let begun = self.boot_clock.now_ms();
            let why = match self.one_agent(&mut signals).await.map(follows) {
                Ok(Follows::Another(why)) => why,
                Ok(Follows::Nobody(end)) => {
                    self.halt(None).await;
                    return end;
                }
                Err(error) => {
                    self.halt(None).await;
                    return Err(error);
                }
            };
            let is_halted = self.halt(Some(HALT_PATIENCE_MS)).await;
            failures = if self.boot_clock.now_ms() - begun > SETTLED_MS { 0 } else { failures };
            let wait = AGAIN_MS.saturating_mul(1_u64.checked_shl(failures).unwrap_or(u64::MAX)).min(AGAIN_MOST_MS);
            failures = failures.saturating_add(1).min(16);
            let its_bot =
                if is_halted { "is halted and needs a start" } else { "COULD NOT BE HALTED and may trade: the next agent tries on" };
            tracing::error!(again_in_ms = wait, "the agent is started anew: {why}; its bot {its_bot}");
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                () = asked(&mut signals.ask) => {
                    if !is_halted {
                        self.halt(None).await;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Halts the bot whoever started it, and ends what the agent orphaned. Answers whether it is halted: false only when that was not to be had
    /// within `patience_ms`; without a patience it is tried for ever.
    async fn halt(&self, patience_ms: Option<i64>) -> bool {
        failpoint!("minder:before_halt");
        let wanted = Wanted { exits: self.exits, ..STANDSTILL };
        let end = patience_ms.map(|ms| self.boot_clock.now_ms().saturating_add(ms));
        let is_halted = loop {
            end_commands().await;
            let adapter = self.adapter.clone();
            match tokio::task::spawn_blocking(move || adapter.halt_now(&wanted)).await {
                Ok(Ok(())) => break true,
                Ok(Err(error)) => tracing::error!("the bot could not be halted: {error}; trying again"),
                Err(error) => tracing::error!("the bot could not be halted: {error}; trying again"),
            }
            if end.is_some_and(|end| self.boot_clock.now_ms() >= end) {
                break false;
            }
            tokio::time::sleep(LOOK).await;
        };
        end_orphans(None);
        reap(None);
        failpoint!("minder:halted");
        is_halted
    }

    async fn one_agent(&mut self, signals: &mut Signals) -> io::Result<End> {
        let (pid, to, from) = self.start()?;
        let now = self.boot_clock.now_ms();
        let mut watch = Watch::new(now, self.silent_after_ms);
        let mut lines = BufReader::new(pipe::Receiver::from_owned_fd(from)?).lines();
        let mut end = None;
        let mut asked_at = None;
        let mut looked_ms = 0;
        loop {
            // Whatever the agent said while this process stood still is heard before it is judged.
            let line = tokio::select! {
                biased;
                line = next(&mut lines) => Some(line),
                () = asked(&mut signals.ask) => {
                    if asked_at.is_some() {
                        end = Some(End::Pressed);
                    }
                    asked_at = asked_at.or(Some(self.boot_clock.now_ms()));
                    // An agent that does not read any more is ended below.
                    let _ = to.say("end");
                    None
                }
                _ = signals.child.recv() => None,
                () = tokio::time::sleep(LOOK) => None,
            };
            let now = self.boot_clock.now_ms();
            if let Some(line) = line {
                if let Some(exits) = line.strip_prefix("exits ").and_then(|word| word.parse().ok()) {
                    self.exits = exits;
                }
                if let Some(beat) = watch.hear(&line, now) {
                    // A full pipe is an agent that does not read: it will notice.
                    let _ = to.say(&beat);
                }
                continue;
            }
            if let Some(status) = reap(Some(pid)) {
                return Ok(if asked_at.is_some() { End::Asked } else { End::Ended(status) });
            }
            if now - looked_ms > 1_000 {
                looked_ms = now;
                end_orphans(Some(pid));
            }
            let late = asked_at.is_some_and(|at| now - at > self.adapter.apply_within_ms().saturating_add(RESERVE_MS));
            end = end.or(late.then_some(End::Pressed)).or(watch.overdue(now).map(End::Silent));
            if let Some(end) = end {
                family::signal_child(pid, Signal::KILL);
                while reap(Some(pid)).is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                return Ok(end);
            }
        }
    }

    fn start(&self) -> io::Result<(Pid, Words, OwnedFd)> {
        let (program, arguments) = self.agent.split_first().ok_or_else(|| io::Error::other("no agent to start"))?;
        // Reaped by `reap`, which also reaps what this process adopts.
        let mut child = Command::new(program)
            .arg0("andon")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A terminal's signals reach the minder alone, which then asks the agent to end.
            .process_group(0)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the agent has no pipes"));
        };
        Ok((Pid::from_child(&child), Words::into(stdin.into())?, stdout.into()))
    }
}

/// The next line; for ever waited for once the pipe has ended, as the agent's own end is then noticed.
async fn next(lines: &mut Lines<BufReader<pipe::Receiver>>) -> String {
    match lines.next_line().await {
        Ok(Some(line)) => line,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

async fn asked([terminate, interrupt, hangup]: &mut [Incoming; 3]) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// Reaps whatever has ended, what this process adopted included. Answers how the agent ended, when it did.
fn reap(agent: Option<Pid>) -> Option<WaitStatus> {
    let mut ended = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if Some(pid) == agent => ended = Some(status),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(_) => return ended,
        }
    }
}

/// This process is a subreaper: whoever below it loses its parent becomes its child. Nobody waits for those any more.
fn end_orphans(agent: Option<Pid>) {
    for pid in family::children().into_iter().filter(|pid| Some(*pid) != agent) {
        tracing::warn!(pid = pid.as_raw_nonzero(), "an orphan of the bot is ended");
        family::signal_child(pid, Signal::KILL);
    }
}

/// Ends what the agent left half done: a command that starts the bot must not take effect after the halt. A `process` bot and what holds it are left
/// to the halt, which ends them in order.
async fn end_commands() {
    // What each one orphans is found in the next round; one that hangs in the kernel holds the halt up no longer.
    for _ in 0..50 {
        let left: Vec<Pid> = family::children().into_iter().filter(|pid| !family::is_of_bot(*pid)).collect();
        if left.is_empty() {
            return;
        }
        for pid in left {
            tracing::warn!(pid = pid.as_raw_nonzero(), "what the agent left half done is ended");
            family::kill_child(pid);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        reap(None);
    }
}

/// Who minds the bot after an agent.
enum Follows {
    /// Another agent, and why.
    Another(String),
    /// Nobody: the minder ends so, once the bot is halted.
    Nobody(io::Result<()>),
}

fn follows(end: End) -> Follows {
    match end {
        End::Asked | End::Pressed => Follows::Nobody(Ok(())),
        End::Silent(why) => Follows::Another(why.to_owned()),
        End::Ended(status) if status.exit_status() == Some(i32::from(UNUSABLE)) => {
            Follows::Nobody(Err(io::Error::other("the agent cannot run with this directory and these settings")))
        }
        End::Ended(status) => Follows::Another(format!("it ended, {}", in_words(status))),
    }
}

fn in_words(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("with status {code}"),
        (None, Some(number)) => format!("by signal {number}"),
        (None, None) => "for an unknown reason".to_owned(),
    }
}

/// What the agent's words allow. Pure.
struct Watch {
    /// Until when the bot may go on; none while it is halted or being halted.
    lease_until_ms: Option<i64>,
    heard_ms: i64,
    silent_after_ms: i64,
    looked_ms: i64,
    /// Since when this process looks without a gap.
    awake_since_ms: i64,
}

impl Watch {
    fn new(now_ms: i64, silent_after_ms: i64) -> Self {
        Self { lease_until_ms: None, heard_ms: now_ms, silent_after_ms, looked_ms: now_ms, awake_since_ms: now_ms }
    }

    /// Takes a line; answers what to say to it.
    fn hear(&mut self, line: &str, now_ms: i64) -> Option<String> {
        self.heard_ms = now_ms;
        match line.split_once(' ') {
            Some(("lease", ms)) => self.lease_until_ms = ms.parse().ok().or(self.lease_until_ms),
            Some(("beat", _)) => return Some(line.to_owned()),
            None if line == "halting" || line == "halted" => self.lease_until_ms = None,
            _ => {}
        }
        None
    }

    /// Why the agent is not to be waited for any longer.
    fn overdue(&mut self, now_ms: i64) -> Option<&'static str> {
        // A machine that slept, or a minder that stood still: the agent gets a moment to say that it halts the bot itself.
        if now_ms - self.looked_ms > STOOD_STILL_MS {
            self.awake_since_ms = now_ms;
        }
        self.looked_ms = now_ms;
        let past = |moment_ms: i64| now_ms > moment_ms.max(self.awake_since_ms).saturating_add(GRACE_MS);
        if self.lease_until_ms.is_some_and(past) {
            return Some("no lease came in time");
        }
        past(self.heard_ms.saturating_add(self.silent_after_ms)).then_some("it gives no sign of life")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::adapters::{AdapterError, Finding, ReadBack, Traits},
        protocol::Report,
    };
    use std::sync::atomic::{AtomicI64, Ordering};

    /// A bot that cannot be halted the first `fails` times; with it, the clock goes 40 s further each time.
    struct Stubborn {
        fails: i64,
        tried: AtomicI64,
    }

    #[async_trait::async_trait]
    impl Adapter for Stubborn {
        fn name(&self) -> &'static str {
            "stubborn"
        }
        fn traits(&self) -> Traits {
            Traits {
                can_reduce: false,
                can_tell_orders: false,
                can_cancel: false,
                can_manage_exits: false,
                dies_with_agent: false,
                leaves_out_within_ms: None,
            }
        }
        fn apply_within_ms(&self) -> i64 {
            1_000
        }
        async fn apply(&self, _: &Wanted) -> Result<ReadBack, AdapterError> {
            Err(AdapterError::new("not asked for"))
        }
        async fn look(&self) -> Result<ReadBack, AdapterError> {
            Err(AdapterError::new("not asked for"))
        }
        async fn report(&self) -> Result<Option<Report>, AdapterError> {
            Ok(None)
        }
        fn halt_now(&self, _: &Wanted) -> Result<(), AdapterError> {
            if self.tried.fetch_add(1, Ordering::SeqCst) < self.fails { Err(AdapterError::new("stubborn")) } else { Ok(()) }
        }
        async fn examine(&self, _: bool) -> Vec<Finding> {
            Vec::new()
        }
    }

    /// Minds agents that are shell scripts, and answers how that ended and how often the bot was told to halt.
    async fn mind(agent: &str, fails: i64) -> (io::Result<()>, i64) {
        let bot = Arc::new(Stubborn { fails, tried: AtomicI64::new(0) });
        let (told, system) = (bot.clone(), BootClock::system());
        let boot_clock = BootClock::from_fn(move || system.now_ms() + 40_000 * told.tried.load(Ordering::SeqCst));
        let agent = ["/bin/sh", "-c", agent].map(OsString::from).to_vec();
        let minder = Minder { agent, adapter: bot.clone(), boot_clock, exits: Exits::None, silent_after_ms: 600_000 };
        let ended = tokio::time::timeout(Duration::from_secs(60), minder.mind()).await.expect("it ends");
        (ended, bot.tried.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn a_halt_that_fails_is_tried_for_ever_where_no_other_agent_follows() {
        let (ended, tried) = mind("exit 78", 4).await;
        assert_eq!((ended.is_err(), tried), (true, 5), "unusable, and it did not end before the bot stood");
        let (ended, tried) = mind(&format!("kill -TERM {}; read end", std::process::id()), 4).await;
        assert_eq!((ended.is_ok(), tried), (true, 5), "asked to end");
    }

    #[tokio::test]
    async fn a_halt_that_fails_is_left_to_the_next_agent_where_one_follows_and_never_left_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let once = dir.path().join("once");
        // The first agent fails and its bot is not halted; the second one is asked to end.
        let agent = format!("[ -e {0} ] || {{ : >{0}; exit 1; }}; kill -TERM {1}; read end", once.display(), std::process::id());
        let (ended, tried) = mind(&agent, 3).await;
        assert_eq!((ended.is_ok(), tried), (true, 4), "once after the first one, for ever after the second");
    }

    #[tokio::test]
    async fn a_command_of_a_dead_agent_ends_before_the_halt_and_a_bot_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let script = |name: &str| format!("sleep 600 & echo $! >{0}.new; mv {0}.new {0}; wait", dir.path().join(name).display());
        let spawn = |name: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &script(name)]).stdin(Stdio::null()).process_group(0);
            command
        };
        // Reaped by what is tested.
        #[expect(clippy::zombie_processes, reason = "end_commands reaps it")]
        let _start = spawn("start").spawn().unwrap();
        let mut bot = spawn("bot").env(family::MARK, "agent").spawn().unwrap();
        for name in ["start", "bot"] {
            while !dir.path().join(name).exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        end_commands().await;
        let child = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap().trim().parse().unwrap();
        assert_eq!(family::children(), [Pid::from_child(&bot)], "what started the bot is gone");
        let lives = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
        assert!(!lives(child("start")), "with what it had started");
        assert!(lives(child("bot")));
        family::kill_child(Pid::from_child(&bot));
        bot.wait().unwrap();
    }

    /// Looks every 200 ms up to a moment; answers when the agent was first found overdue.
    fn look_until(watch: &mut Watch, until_ms: i64) -> Option<i64> {
        while watch.looked_ms < until_ms {
            let now = (watch.looked_ms + 200).min(until_ms);
            if watch.overdue(now).is_some() {
                return Some(now);
            }
        }
        None
    }

    #[test]
    fn a_bot_outlives_its_lease_only_while_it_is_being_halted() {
        let mut watch = Watch::new(0, 30_000);
        assert_eq!(watch.hear("lease 20000", 1_000), None);
        assert_eq!(watch.hear("beat 7", 19_000), Some("beat 7".into()));
        assert_eq!(look_until(&mut watch, 20_500), None);
        watch.hear("lease 40000", 20_500);
        assert_eq!(look_until(&mut watch, 40_400), None);
        watch.hear("halting", 40_400);
        assert_eq!(look_until(&mut watch, 60_000), None, "the agent lives and is at it");
        watch.hear("lease 70000", 61_000);
        assert_eq!(look_until(&mut watch, 99_000), Some(70_600));
    }

    #[test]
    fn an_agent_that_says_nothing_stands_still() {
        let mut watch = Watch::new(0, 30_000);
        watch.hear("garbage", 1_000);
        assert_eq!(look_until(&mut watch, 99_000), Some(31_600));
    }

    #[test]
    fn after_a_sleep_of_the_machine_the_agent_gets_a_moment() {
        let mut watch = Watch::new(0, 30_000);
        watch.hear("lease 20000", 1_000);
        assert!(watch.overdue(900_000).is_none());
        assert_eq!(look_until(&mut watch, 999_000), Some(900_600));
    }
}
