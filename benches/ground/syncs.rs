//! How often a process makes the disk keep what it wrote, counted by strace: a count that no busy machine changes.

use super::server::Process;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A process that is being watched.
pub struct Syncs {
    strace: Child,
    seen: PathBuf,
}

impl Syncs {
    /// Watches a process; none when strace is not installed or may not.
    pub fn watch(server: &Process, dir: &Path) -> Option<Self> {
        let seen = dir.join("syncs");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-ttt", "-e", "trace=fsync,fdatasync", "-p", &server.id().to_string(), "-o"]).arg(&seen);
        let mut strace = strace.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok()?;
        let mut said = BufReader::new(strace.stderr.take()?);
        let mut line = String::new();
        said.read_line(&mut line).ok()?;
        // Keeps reading, so that it never waits for somebody to read.
        std::thread::spawn(move || said.lines().map_while(Result::ok).for_each(drop));
        if line.contains("attached") {
            return Some(Self { strace, seen });
        }
        let _ = strace.kill();
        let _ = strace.wait();
        None
    }

    /// Ends the watch: when each sync began, microseconds since 1970.
    pub fn end(mut self) -> Vec<u64> {
        let _ = Command::new("kill").args(["-INT", &self.strace.id().to_string()]).status();
        let _ = self.strace.wait();
        let text = fs::read_to_string(&self.seen).unwrap_or_default();
        let began = |line: &str| line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok());
        text.lines().filter(|line| line.contains("sync(")).filter_map(began).map(|seconds| (seconds * 1e6) as u64).collect()
    }
}
