//! What an agent must not forget, in one small file with a checksum. What it remembers may only stop it: a missing or broken file frees
//! nothing, since the first directive's epoch then stands for `start_after`, and a halted bot then manages no exits.

use super::dir::{AgentDir, write_durably};
use crate::domain::{AgentId, Epoch, Exits};
use crate::protocol::{BlockedFrame, CarriedHold};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{io, path::PathBuf};

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The highest epoch ever heard.
    pub highest: Epoch,
    /// Only a start above this counts. None: nothing was heard yet, and the first directive's epoch becomes it.
    pub start_after: Option<Epoch>,
    /// Holds that no database had when they were heard; at most `MAX_CARRIED`.
    pub carried: Vec<CarriedHold>,
    /// There were more: the bot stays stopped until the list has emptied.
    pub overflowed: bool,
    /// What the bot may do while halted, as last heard: an agent that starts anew must not take a bot's own stop-losses from it.
    #[serde(default)]
    pub exits: Option<Exits>,
    /// Symbols in which the bot adds nothing, as last heard; none: nothing was ever heard of it.
    #[serde(default)]
    pub blocked: Option<Vec<BlockedFrame>>,
}

/// What the file said.
#[derive(Debug)]
pub enum Loaded {
    /// It is whole and this agent's.
    Whole(Memory),
    /// There is none.
    Missing,
    /// It cannot be trusted, and why.
    Broken(String),
}

/// Where the memory lies.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    path: PathBuf,
    agent: AgentId,
}

#[derive(Serialize, Deserialize)]
struct Page {
    version: u32,
    agent: AgentId,
    memory: Memory,
}

const VERSION: u32 = 1;

impl MemoryStore {
    /// The memory of one agent in its directory. A file that another agent left there is not read.
    pub fn new(dir: &AgentDir, agent: AgentId) -> Self {
        Self { path: dir.memory(), agent }
    }

    /// Reads it.
    pub fn load(&self) -> Loaded {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Memory::from_text(&text, &self.agent).map_or_else(Loaded::Broken, Loaded::Whole),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Loaded::Missing,
            Err(error) => Loaded::Broken(error.to_string()),
        }
    }

    /// Writes it; on disk when this returns. Blocks.
    ///
    /// # Errors
    /// When the disk refuses; the old memory then still stands.
    pub fn save(&self, memory: &Memory) -> io::Result<()> {
        failpoint!("agent:before_memory");
        write_durably(&self.path, memory.to_text(&self.agent)?.as_bytes(), 0o600)?;
        failpoint!("agent:memory");
        Ok(())
    }
}

impl Memory {
    /// The file's text.
    ///
    /// # Errors
    /// None that is known: what is remembered can be written as JSON.
    pub fn to_text(&self, agent: &AgentId) -> io::Result<String> {
        let page = Page { version: VERSION, agent: agent.clone(), memory: self.clone() };
        let line = serde_json::to_string(&page)?;
        Ok(format!("{line}\nsha256:{}\n", checksum(&line)))
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// Why it cannot be trusted.
    pub fn from_text(text: &str, agent: &AgentId) -> Result<Self, String> {
        let mut lines = text.lines();
        let (Some(line), Some(sum)) = (lines.next(), lines.next()) else { return Err("it is cut short".into()) };
        if sum.strip_prefix("sha256:") != Some(checksum(line).as_str()) {
            return Err("its checksum does not fit".into());
        }
        let page: Page = serde_json::from_str(line).map_err(|error| format!("it cannot be read: {error}"))?;
        if page.version != VERSION {
            return Err(format!("it is of version {}, not {VERSION}", page.version));
        }
        if page.agent != *agent {
            return Err("it is another agent's".into());
        }
        Ok(page.memory)
    }
}

fn checksum(line: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(line.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{HoldId, Level};

    fn sample() -> Memory {
        let hold = CarriedHold { id: HoldId::new(), level: Level::Pause, by: "M. Okafor".into(), why: "venue outage".into(), at: None };
        Memory {
            highest: Epoch(412),
            start_after: Some(Epoch(410)),
            carried: vec![hold],
            overflowed: false,
            exits: Some(Exits::Managed),
            blocked: Some(vec![BlockedFrame { venue: None, symbol: "BTC/USDT".into() }]),
        }
    }

    #[test]
    fn what_was_saved_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::new(&AgentDir::new(dir.path()), AgentId::new());
        assert!(matches!(store.load(), Loaded::Missing));
        store.save(&sample()).unwrap();
        let Loaded::Whole(read) = store.load() else { panic!("not whole") };
        assert_eq!((read.highest, read.start_after), (Epoch(412), Some(Epoch(410))));
        assert_eq!(read.carried.len(), 1);
        assert_eq!(read.blocked, sample().blocked);
    }

    #[test]
    fn a_cut_or_changed_file_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = AgentDir::new(dir.path());
        let store = MemoryStore::new(&dir, AgentId::new());
        store.save(&sample()).unwrap();
        let text = std::fs::read_to_string(dir.memory()).unwrap();
        for cut in 0..text.len() - 1 {
            std::fs::write(dir.memory(), &text[..cut]).unwrap();
            assert!(matches!(store.load(), Loaded::Broken(_)), "cut at {cut}");
        }
        std::fs::write(dir.memory(), text.replace("\"start_after\":410", "\"start_after\":400")).unwrap();
        assert!(matches!(store.load(), Loaded::Broken(_)));
    }

    #[test]
    fn another_agents_memory_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = AgentDir::new(dir.path());
        MemoryStore::new(&dir, AgentId::new()).save(&sample()).unwrap();
        assert!(matches!(MemoryStore::new(&dir, AgentId::new()).load(), Loaded::Broken(_)));
    }
}
