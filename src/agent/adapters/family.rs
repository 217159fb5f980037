//! Who descends from whom, read from `/proc`: so that no child of a bot is overlooked, wherever it went. Linux only, as the agent is.

use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal};
use std::fs;

/// The variable that marks a bot and everything it starts; its value is the agent's id.
pub const MARK: &str = "ANDON_BOT_MARK";
/// The variable that marks the process between agent and bot.
pub const LAUNCHER: &str = "ANDON_LAUNCHER";

/// Every process as (pid, parent's pid); those that ended and wait to be reaped are left out.
fn everybody() -> Vec<(i32, i32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| parent_of(pid).map(|parent| (pid, parent))).collect()
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, parentheses included.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z" && state != "X").then_some(parent)
}

/// The living children of this process. Under a subreaper those are also the orphans of its descendants.
pub fn children() -> Vec<Pid> {
    let me = getpid().as_raw_nonzero().get();
    everybody().into_iter().filter(|(_, parent)| *parent == me).filter_map(|(pid, _)| Pid::from_raw(pid)).collect()
}

/// Signals a child of this process. Its pid cannot pass to another process before this one has reaped it.
pub fn signal_child(pid: Pid, signal: Signal) {
    // Fails only when it has ended.
    let _ = kill_process(pid, signal);
}

/// The living processes with `NAME=VALUE` in the environment they began with, this process and its ancestors aside: an agent started from
/// within its own bot must not end itself. Only processes of the same user can be read.
pub fn marked(name: &str, value: &str) -> Vec<Pid> {
    let everybody = everybody();
    let mut line = vec![getpid().as_raw_nonzero().get()];
    while let Some((_, parent)) = line.last().and_then(|last| everybody.iter().find(|(pid, _)| pid == last)) {
        if line.contains(parent) {
            break;
        }
        line.push(*parent);
    }
    let fits = |pid: &i32| !line.contains(pid) && is_marked(*pid, name, value);
    everybody.iter().map(|(pid, _)| *pid).filter(fits).filter_map(Pid::from_raw).collect()
}

fn is_marked(pid: i32, name: &str, value: &str) -> bool {
    let mark = format!("{name}={value}");
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()))
}

/// Signals a marked process. It is looked at again through a handle that cannot pass to another process.
pub fn signal_marked(pid: Pid, name: &str, value: &str, signal: Signal) {
    if let Ok(handle) = pidfd_open(pid, PidfdFlags::empty())
        && is_marked(pid.as_raw_nonzero().get(), name, value)
    {
        // Fails only when it has ended.
        let _ = pidfd_send_signal(&handle, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_marked_process_is_found_and_can_be_signalled() {
        let value = format!("test-{}", getpid().as_raw_nonzero());
        let mut child = Command::new("sleep").arg("60").env("ANDON_TEST_MARK", &value).stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        // The environment is the child's own only after its exec.
        while marked("ANDON_TEST_MARK", &value) != [pid] {
            std::thread::yield_now();
        }
        assert!(children().contains(&pid));
        signal_marked(pid, "ANDON_TEST_MARK", "another", Signal::KILL);
        assert!(child.try_wait().unwrap().is_none());
        signal_marked(pid, "ANDON_TEST_MARK", &value, Signal::KILL);
        assert!(!child.wait().unwrap().success());
        assert!(marked("ANDON_TEST_MARK", &value).is_empty());
    }
}
