//! Keys on the agent's disk: sealed, as they were delivered, one file per key and version in a folder that only its owner enters. They are opened
//! with the agent's own identity, in memory, only to be checked and to be given to the bot.

use crate::agent::{
    credential::Credential,
    dir::{AgentDir, write_durably},
};
use crate::crypto::seal::{self, Binding, Identity, MAX_SEALED, SealError};
use crate::domain::{AgentId, ApiSecret, BotId, InstallationId, KeyId, Secret};
use crate::protocol::KeyFrame;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// The most keys and versions that an agent keeps.
pub const MOST_KEYS: usize = 64;
/// Says that all keys are to be dropped, for an agent that dies before it has.
const DROPPING: &str = "dropping";
const ENDING: &str = ".json";

/// Why a key is not kept, or cannot be given. Nothing here tells any of it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is none that an agent gets.
    #[error("{0}")]
    Unfit(&'static str),
    /// A newer version is held.
    #[error("version {0} is held, which is newer")]
    Older(i64),
    /// It does not open, or is not what it says.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The disk refuses.
    #[error("the agent's disk does not take it: {0}")]
    Disk(#[from] io::Error),
}

/// Where the keys of one agent lie, and whose they are. Holds no secret, and can be handed to another process of this agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStore {
    dir: PathBuf,
    identity: PathBuf,
    installation: InstallationId,
    agent: AgentId,
    bot: BotId,
}

/// What lies in the folder.
#[derive(Debug, Default)]
pub struct Found {
    /// The keys, ordered by id and version. Not opened yet.
    pub keys: Vec<KeyFrame>,
    /// Files that hold none, by name.
    pub spoilt: Vec<String>,
    /// All of them were to be dropped when the agent died.
    pub is_dropping: bool,
}

/// The newest version of each key.
pub fn newest(keys: &[KeyFrame]) -> BTreeMap<String, i64> {
    // Ordered by version, so that the highest comes last.
    keys.iter().map(|key| (key.key_id.to_string(), key.version)).collect()
}

/// True for an id in its usual form: it becomes the name of a file.
fn is_plain(id: &KeyId) -> bool {
    KeyId::parse(id.as_str()).is_ok_and(|read| read == *id)
}

impl KeyStore {
    /// The store in an agent's directory; touches nothing. A bot that opens it may run in another folder than its agent.
    pub fn new(dir: &AgentDir, who: &Credential) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Self {
            dir: absolute(dir.keys()),
            identity: absolute(dir.identity()),
            installation: who.installation.clone(),
            agent: who.agent.clone(),
            bot: who.bot.clone(),
        }
    }

    fn path(&self, key: &KeyId, version: i64) -> PathBuf {
        self.dir.join(format!("{key}.{version}{ENDING}"))
    }

    /// Reads what is there. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be read; one that is not there is empty.
    pub fn find(&self) -> io::Result<Found> {
        let mut found = Found::default();
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name == DROPPING {
                found.is_dropping = true;
            } else if name.ends_with(ENDING) {
                match self.read(&name) {
                    Some(key) => found.keys.push(key),
                    None => found.spoilt.push(name),
                }
            }
        }
        found.keys.sort_by(|one, other| (&one.key_id, one.version).cmp(&(&other.key_id, other.version)));
        found.spoilt.sort();
        Ok(found)
    }

    fn read(&self, name: &str) -> Option<KeyFrame> {
        let path = self.dir.join(name);
        let size = fs::metadata(&path).ok()?.len();
        let is_bounded = usize::try_from(size).is_ok_and(|size| size <= 2 * MAX_SEALED);
        let key: KeyFrame = serde_json::from_slice(&is_bounded.then(|| fs::read(&path).ok())??).ok()?;
        // A file that was given another name is none of ours.
        (is_plain(&key.key_id) && self.path(&key.key_id, key.version) == path).then_some(key)
    }

    /// Opens one key, when it is bound to this agent and is what it says. Blocks.
    ///
    /// # Errors
    /// `Seal`, or `Disk` when the identity cannot be read.
    pub fn open(&self, key: &KeyFrame) -> Result<ApiSecret, KeyError> {
        let text = Secret::new(fs::read_to_string(&self.identity)?);
        let expected = Binding {
            installation: self.installation.clone(),
            agent: self.agent.clone(),
            bot: self.bot.clone(),
            key: key.key_id.clone(),
            version: key.version,
            purpose: key.purpose,
            venue: key.venue.clone(),
        };
        Ok(seal::open(&key.sealed, &Identity::parse(&text)?, &expected)?)
    }

    /// Keeps a key that opens and is what it says; on disk when this returns. Kept again, it changes nothing. Blocks.
    ///
    /// # Errors
    /// Why it is not kept; what was there before then still is.
    pub fn keep(&self, key: &KeyFrame) -> Result<(), KeyError> {
        if !is_plain(&key.key_id) {
            return Err(KeyError::Unfit("its id is none"));
        }
        if key.purpose.is_server_held() {
            return Err(KeyError::Unfit("keys of this purpose are the server's own, and no agent takes them"));
        }
        let held = self.find()?.keys;
        if let Some(newest) = newest(&held).get(key.key_id.as_str()).filter(|newest| **newest > key.version) {
            return Err(KeyError::Older(*newest));
        }
        let is_new = !held.iter().any(|one| (&one.key_id, one.version) == (&key.key_id, key.version));
        if is_new && held.len() >= MOST_KEYS {
            return Err(KeyError::Unfit("as many keys are held as an agent keeps: drop some"));
        }
        drop(self.open(key)?);
        if held.contains(key) {
            return Ok(());
        }
        self.make_dir()?;
        let text = serde_json::to_vec(key).map_err(io::Error::other)?;
        failpoint!("agent:before_key");
        write_durably(&self.path(&key.key_id, key.version), &text, 0o600)?;
        failpoint!("agent:key");
        Ok(())
    }

    fn make_dir(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)
    }

    /// Forgets one version; true when it was there. Blocks.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget(&self, key: &KeyId, version: i64) -> io::Result<bool> {
        if !is_plain(key) || !remove(&self.path(key, version))? {
            return Ok(false);
        }
        fs::File::open(&self.dir)?.sync_all()?;
        Ok(true)
    }

    /// Notes, on disk, that all keys are to be dropped: an agent that dies before it has done so does it when it starts again. Blocks.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn note_dropping(&self) -> io::Result<()> {
        if !self.dir.exists() {
            return Ok(());
        }
        write_durably(&self.dir.join(DROPPING), b"", 0o600)
    }

    /// Forgets every key, and the note last. Blocks.
    ///
    /// # Errors
    /// When the disk refuses; some may then be left, and the note is.
    pub fn forget_all(&self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name() != DROPPING {
                remove(&entry.path())?;
            }
        }
        let dir = fs::File::open(&self.dir)?;
        dir.sync_all()?;
        failpoint!("agent:keys_dropped");
        remove(&self.dir.join(DROPPING))?;
        dir.sync_all()
    }
}

/// Removes a file; true when it was there.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
