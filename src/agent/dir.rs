//! The agent's directory: where its files lie, how they are written so that a crash leaves the old or the new one, and the lock that keeps a
//! second agent out of it.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The directory of one agent.
#[derive(Debug, Clone)]
pub struct AgentDir(PathBuf);

impl AgentDir {
    /// Names a directory; touches nothing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
    /// Makes it, closed to others, when it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }
    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// Server, token and ids; mode 0600.
    pub fn credential(&self) -> PathBuf {
        self.0.join("credential.json")
    }
    /// The age identity that exchange keys are sealed to; mode 0600.
    pub fn identity(&self) -> PathBuf {
        self.0.join("identity")
    }
    /// The certificates that alone vouch for the server, where the system's do not.
    pub fn authority(&self) -> PathBuf {
        self.0.join("ca.pem")
    }
    /// What the agent must not forget.
    pub fn memory(&self) -> PathBuf {
        self.0.join("memory")
    }
    /// Exchange keys, sealed.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }
    /// Where they are given to the bot, unless the settings name another folder.
    pub fn given(&self) -> PathBuf {
        self.0.join("given")
    }
    /// The bot's settings.
    pub fn settings(&self) -> PathBuf {
        self.0.join("agent.toml")
    }
    /// Held by the minder, or by whoever changes these files, for its life.
    pub fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }
    /// Held by the agent proper: one whose minder was killed may still be halting its bot.
    pub fn agent_lock_file(&self) -> PathBuf {
        self.0.join("agent.lock")
    }
}

/// A held lock; dropping it, or dying, lets go.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Takes an exclusive lock; `None` when another process has it.
///
/// # Errors
/// When the file cannot be made.
pub fn try_lock(path: &Path) -> io::Result<Option<Lock>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Lock(file))),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes a file whole or not at all: a temporary file beside it, fsync, rename, fsync of the directory.
///
/// # Errors
/// When any of these fails; the old file then still stands.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(&temporary)?;
    // A file left over by a crash keeps its old mode through `open`.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    failpoint!("agent:before_rename");
    std::fs::rename(&temporary, path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_of_a_lock_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = try_lock(&path).unwrap();
        assert!(held.is_some());
        assert!(try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(try_lock(&path).unwrap().is_some());
    }

    #[test]
    fn a_written_file_is_closed_to_others_even_over_a_leftover() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credential.json");
        std::fs::write(dir.path().join("credential.json.new"), "half").unwrap();
        write_durably(&path, b"whole", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
