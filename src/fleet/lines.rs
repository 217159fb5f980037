//! The open streams: one live line per bot, so that a newer one closes the older, and a revoked credential ends its line at once.

use crate::domain::{AgentId, BotId};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError, atomic::AtomicU64, atomic::Ordering},
};
use tokio::sync::watch;

/// Why a line is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It goes on.
    Not,
    /// A newer stream of the same agent took its place.
    Replaced,
    /// The agent's credential ended.
    CredentialEnded,
    /// The server stops.
    Restart,
}

struct Line {
    number: u64,
    agent: AgentId,
    end: watch::Sender<Ended>,
}

/// Every open stream.
#[derive(Default)]
pub struct Lines {
    open: Mutex<HashMap<BotId, Line>>,
    count: AtomicU64,
    closing: watch::Sender<bool>,
}

/// Held by a stream while it lives.
pub struct LineGuard<'a> {
    lines: &'a Lines,
    bot: BotId,
    number: u64,
    /// Tells the stream to end.
    pub end: watch::Receiver<Ended>,
}

impl Drop for LineGuard<'_> {
    fn drop(&mut self) {
        let mut open = self.lines.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(&self.bot).is_some_and(|line| line.number == self.number) {
            open.remove(&self.bot);
        }
    }
}

impl Lines {
    /// Opens the line of a bot's agent; an older one is told to end.
    pub fn open(&self, bot: &BotId, agent: &AgentId) -> LineGuard<'_> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock: a stream that opens while the server stops is told so like every other.
        let (end, told) = watch::channel(if *self.closing.borrow() { Ended::Restart } else { Ended::Not });
        let line = Line { number, agent: agent.clone(), end };
        let older = open.insert(bot.clone(), line);
        drop(open);
        if let Some(older) = older {
            older.end.send_replace(Ended::Replaced);
        }
        LineGuard { lines: self, bot: bot.clone(), number, end: told }
    }
    /// Ends the line of an agent whose credential ended.
    pub fn end_agent(&self, bot: &BotId, agent: &AgentId) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = open.get(bot).filter(|line| line.agent == *agent) {
            line.end.send_replace(Ended::CredentialEnded);
        }
    }
    /// Becomes true when the server stops: whoever waits for news answers without them.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }
    /// Ends every line: the server stops.
    pub fn end_all(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.closing.send_replace(true);
        for line in open.values() {
            line.end.send_replace(Ended::Restart);
        }
    }
    /// How many lines are open.
    pub fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
