//! Writes the memory beside the loop, one write at a time, and knows what is on disk.

use super::memory::{Memory, MemoryStore};
use std::io;
use tokio::task::JoinHandle;

/// A memory that could not be written is tried again after this long.
const AGAIN_MS: i64 = 500;

/// The writer.
pub struct Scribe {
    store: MemoryStore,
    on_disk: Option<Memory>,
    writing: Option<JoinHandle<(Memory, io::Result<()>)>>,
    not_before_ms: i64,
    failing: bool,
}

/// How a write went, where that is news.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// As before.
    AsBefore,
    /// The disk refuses: nothing frees the bot until it takes the memory again.
    Refused(String),
    /// The disk takes it again.
    Again,
}

impl Scribe {
    /// `on_disk` is what was read at the start, if it was whole.
    pub fn new(store: MemoryStore, on_disk: Option<Memory>) -> Self {
        Self { store, on_disk, writing: None, not_before_ms: i64::MIN, failing: false }
    }

    /// True when this very memory is on disk.
    pub fn has(&self, memory: &Memory) -> bool {
        self.on_disk.as_ref() == Some(memory)
    }

    /// Begins to write, unless it is there or another write is under way. Before the first word of the server there is nothing to remember.
    pub fn write(&mut self, memory: &Memory, now_ms: i64) {
        if self.has(memory) || memory.start_after.is_none() || self.writing.is_some() || now_ms < self.not_before_ms {
            return;
        }
        let (store, memory) = (self.store.clone(), memory.clone());
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let result = store.save(&memory);
            (memory, result)
        }));
    }

    /// The moment before which a failed write is not tried again.
    pub fn not_before_ms(&self) -> Option<i64> {
        self.failing.then_some(self.not_before_ms)
    }

    /// Waits for the write that is under way; for ever when there is none. Dropping the future loses nothing.
    pub async fn written(&mut self) -> (Memory, io::Result<()>) {
        match &mut self.writing {
            Some(writing) => match writing.await {
                Ok(result) => result,
                Err(gone) => (Memory::default(), Err(io::Error::other(gone))),
            },
            None => std::future::pending().await,
        }
    }

    /// Takes note of how it went.
    pub fn note(&mut self, (memory, result): (Memory, io::Result<()>), now_ms: i64) -> Written {
        self.writing = None;
        match result {
            Ok(()) => {
                self.on_disk = Some(memory);
                if std::mem::take(&mut self.failing) { Written::Again } else { Written::AsBefore }
            }
            Err(error) => {
                self.not_before_ms = now_ms.saturating_add(AGAIN_MS);
                if std::mem::replace(&mut self.failing, true) { Written::AsBefore } else { Written::Refused(error.to_string()) }
            }
        }
    }
}
