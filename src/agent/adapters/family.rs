//! Who descends from whom, read from `/proc`: so that no child of a bot is overlooked, wherever it went. Linux only, as the agent is.

use rustix::process::{Pid, PidfdFlags, Signal, getpgid, getpid, kill_process, kill_process_group, pidfd_open, pidfd_send_signal};
use std::fs;

/// The variable that marks a bot and everything it starts; its value is the agent's id.
pub const MARK: &str = "ANDON_BOT_MARK";
/// The variable that marks the process between agent and bot.
pub const LAUNCHER: &str = "ANDON_LAUNCHER";

struct Process {
    pid: i32,
    parent: i32,
    group: i32,
}

/// Every process; those that ended and wait to be reaped are left out.
fn everybody() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?)).collect()
}

fn process(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, parentheses included.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (state != "Z" && state != "X").then_some(Process { pid, parent, group })
}

/// The living children of this process. Under a subreaper those are also the orphans of its descendants.
pub fn children() -> Vec<Pid> {
    let me = getpid().as_raw_nonzero().get();
    everybody().into_iter().filter(|one| one.parent == me).filter_map(|one| Pid::from_raw(one.pid)).collect()
}

/// True while a process of this group lives.
pub fn group_lives(group: Pid) -> bool {
    let group = group.as_raw_nonzero().get();
    everybody().iter().any(|one| one.group == group)
}

/// True for the processes of a `process` bot: the one that holds it, it, and whatever it started.
pub fn is_of_bot(pid: Pid) -> bool {
    [MARK, LAUNCHER].iter().any(|name| has_entry(pid.as_raw_nonzero().get(), |entry| entry.starts_with(format!("{name}=").as_bytes())))
}

/// Kills a child of this process, and all of its group where it leads one. Its pid cannot pass to another process before this one has reaped it.
pub fn kill_child(pid: Pid) {
    // Each fails only when it has ended.
    if getpgid(Some(pid)) == Ok(pid) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    signal_child(pid, Signal::KILL);
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
    while let Some(one) = line.last().and_then(|last| everybody.iter().find(|one| one.pid == *last)) {
        if line.contains(&one.parent) {
            break;
        }
        line.push(one.parent);
    }
    let fits = |pid: &i32| !line.contains(pid) && is_marked(*pid, name, value);
    everybody.iter().map(|one| one.pid).filter(fits).filter_map(Pid::from_raw).collect()
}

fn is_marked(pid: i32, name: &str, value: &str) -> bool {
    let mark = format!("{name}={value}");
    has_entry(pid, |entry| entry == mark.as_bytes())
}

fn has_entry(pid: i32, fits: impl Fn(&[u8]) -> bool) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| environ.split(|byte| *byte == 0).any(fits))
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
