//! Runs one command to its end, or ends it and everything it started: at its timeout, or when nobody waits for it any more. Blocks and needs no
//! runtime, since the minder calls it too.

use crate::agent::{
    BootClock,
    adapters::{AdapterError, family},
};
use crate::protocol::MAX_BODY;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io::{Read, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

const STEP: Duration = Duration::from_millis(10);
/// After a KILL the kernel needs no longer than this, unless a process hangs in it.
pub(super) const GONE_MS: i64 = 2_000;
/// What a command left behind may hold its output open; it is not waited for longer than this.
const OUTPUT: Duration = Duration::from_millis(500);

/// Tells a running command that nobody waits for it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Tells it when dropped.
    pub fn guard(self) -> Guard {
        Guard(self)
    }
}

/// See [`Cancel::guard`].
pub struct Guard(Cancel);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::SeqCst);
    }
}

/// One call of a command.
pub struct Call {
    /// What it is for: `halt`.
    pub name: &'static str,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub dir: Option<PathBuf>,
    /// What it finds in its environment, beside what this process has there.
    pub env: Vec<(&'static str, String)>,
    /// What it reads on standard input; empty: nothing.
    pub input: Vec<u8>,
    /// How long it may take. Milliseconds.
    pub timeout_ms: i64,
    /// Held while it runs, for one that changes the bot: the next waits until this one and all it started is gone.
    pub turn: Option<Arc<Mutex<()>>>,
}

impl Call {
    /// Runs it, and answers with what it printed on standard output.
    ///
    /// # Errors
    /// In words: it cannot be run, took too long, or ended with another status than 0.
    pub fn run(&self, cancel: &Cancel) -> Result<Vec<u8>, AdapterError> {
        let failed = |why: String| AdapterError(format!("the {} command {why}", self.name));
        let _turn = self.turn.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        if cancel.0.load(Ordering::SeqCst) {
            return Err(failed("was not waited for".to_owned()));
        }
        let mut child = self.spawn().map_err(|error| failed(format!("cannot be run: {error}")))?;
        let group = Pid::from_child(&child);
        let output = read(&mut child);
        self.write(&mut child);
        let boot_clock = BootClock::system();
        let until = boot_clock.now_ms().saturating_add(self.timeout_ms);
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => {}
                Err(error) => return Err(failed(format!("cannot be waited for: {error}"))),
            }
            let cancelled = cancel.0.load(Ordering::SeqCst);
            if cancelled || boot_clock.now_ms() >= until {
                end(&mut child, group, &boot_clock);
                return Err(failed(if cancelled {
                    "was not waited for".to_owned()
                } else {
                    format!("took longer than {} ms", self.timeout_ms)
                }));
            }
            thread::sleep(STEP);
        };
        if !status.success() {
            return Err(failed(format!("ended with {status}")));
        }
        match output.recv_timeout(OUTPUT) {
            Ok(printed) if printed.len() > MAX_BODY => Err(failed("printed more than 1 MiB".into())),
            Ok(printed) => Ok(printed),
            Err(_) => Err(failed("left something behind that holds its output open; let that write elsewhere".into())),
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let (program, arguments) = self.command.split_first().ok_or_else(|| std::io::Error::other("it is empty"))?;
        let mut command = Command::new(program);
        let stdin = if self.input.is_empty() { Stdio::null() } else { Stdio::piped() };
        command.args(arguments).stdin(stdin).stdout(Stdio::piped()).process_group(0);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command.spawn()
    }

    /// Writes what it reads, beside: one that does not read is not waited for.
    fn write(&self, child: &mut Child) {
        if let Some(mut stdin) = child.stdin.take() {
            let input = self.input.clone();
            thread::spawn(move || {
                // One that ends without having read it said so by its status.
                let _ = stdin.write_all(&input);
            });
        }
    }
}

/// Ends a command and everything it started, and returns when that is gone: nothing of it may take effect after the next one.
fn end(child: &mut Child, group: Pid, boot_clock: &BootClock) {
    // It has not been reaped, so its number is its group's still.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
    let until = boot_clock.now_ms().saturating_add(GONE_MS);
    while family::group_lives(group) && boot_clock.now_ms() < until {
        thread::sleep(STEP);
    }
}

/// Reads what it prints, so that a full pipe never holds it up.
fn read(child: &mut Child) -> mpsc::Receiver<Vec<u8>> {
    let (tell, printed) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut text = Vec::new();
            let mut stdout = stdout.take(MAX_BODY as u64 + 1);
            if stdout.read_to_end(&mut text).is_ok() {
                // Fails only when nobody waits any more.
                let _ = tell.send(text);
            }
        });
    }
    printed
}
