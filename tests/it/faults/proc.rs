//! Processes as `/proc` shows them.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// Every living process; those that ended and wait to be reaped are left out.
fn living() -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_alive(*pid)).collect()
}

pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !matches!(rest.trim_start().chars().next(), Some('Z' | 'X') | None))
}

fn parts(pid: i32, file: &str) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    bytes.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// Those that were called with all of these arguments.
pub fn called_with(arguments: &[&str]) -> Vec<i32> {
    let fits = |pid: &i32| {
        let given = parts(*pid, "cmdline");
        arguments.iter().all(|argument| given.iter().any(|g| g == argument))
    };
    living().into_iter().filter(fits).collect()
}

/// Those that carry `NAME=VALUE` in their environment.
pub fn marked(name: &str, value: &str) -> Vec<i32> {
    let mark = format!("{name}={value}");
    living().into_iter().filter(|pid| parts(*pid, "environ").contains(&mark)).collect()
}

/// Signals a process; nothing happens when it has ended.
pub fn signal(pid: i32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
}
