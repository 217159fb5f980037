//! A failpoint of a process that runs: armed through a file, fires once, and leaves behind when it did.

use super::now_ms;
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The file through which one process, and whatever it starts, is armed.
#[derive(Clone)]
pub struct Arm(PathBuf);

impl Arm {
    pub fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// What the process has to carry in `ANDON_FAILPOINT`.
    pub fn variable(&self) -> String {
        format!("@{}", self.0.display())
    }

    /// Kills the process when it passes a point the n-th time.
    pub fn set(&self, point: &str, n: u64) {
        let _ = fs::remove_file(self.fired());
        let whole = self.0.with_extension("new");
        fs::write(&whole, format!("{point}:{n}")).unwrap();
        fs::rename(whole, &self.0).unwrap();
    }

    /// Lets it live. False when it has fired.
    pub fn clear(&self) -> bool {
        fs::remove_file(&self.0).is_ok()
    }

    fn fired(&self) -> PathBuf {
        Path::new(&format!("{}.fired", self.0.display())).to_path_buf()
    }

    /// When it fired, in boot-clock milliseconds.
    pub fn fired_ms(&self) -> Option<i64> {
        let changed = fs::metadata(self.fired()).ok()?;
        let wall = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let ago_ms = (wall.tv_sec - changed.ctime()) * 1_000 + (wall.tv_nsec - changed.ctime_nsec()) / 1_000_000;
        Some(now_ms() - ago_ms)
    }
}
