//! The open streams: one live line per bot, so that a newer one closes the older, and a revoked credential ends its line at once. The fan-out
//! goes over all of them in one pass, so that no stream's stop waits behind what other agents answer meanwhile; what cannot be said at once is
//! left to the stream itself.

use super::{Pass, View};
use crate::domain::{AgentId, BotId};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::{Notify, futures::Notified, watch};

/// What passing by one stream came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing was to be said.
    Nothing,
    /// A stop was said.
    Stop,
    /// The stream is to look for itself.
    Left,
}

/// The mouth of one stream.
pub trait Mouth: Send + Sync {
    /// Says what the view makes stricter, if that can be done without waiting; else lets the stream do it.
    fn tell(&self, pass: &mut Pass<'_>) -> Told;
    /// Lets the stream look for itself.
    fn nudge(&self);
}

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
    mouth: Arc<dyn Mouth>,
}

/// Every open stream.
#[derive(Default)]
pub struct Lines {
    open: Mutex<HashMap<BotId, Line>>,
    count: AtomicU64,
    closing: watch::Sender<bool>,
    is_passing: AtomicBool,
    passed: Notify,
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

/// A pass that is under way, until it is dropped.
struct Passing<'a>(&'a Lines);

impl<'a> Passing<'a> {
    fn begin(lines: &'a Lines) -> Self {
        lines.is_passing.store(true, Ordering::SeqCst);
        Self(lines)
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.is_passing.store(false, Ordering::SeqCst);
        self.0.passed.notify_waiters();
    }
}

impl Lines {
    /// Opens the line of a bot's agent; an older one is told to end. From here on every change of the view reaches this mouth and no longer
    /// the older one. Whoever opens it looks at the view once more afterwards.
    pub fn open(&self, bot: &BotId, agent: &AgentId, mouth: Arc<dyn Mouth>) -> LineGuard<'_> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock: a stream that opens while the server stops is told so like every other.
        let (end, told) = watch::channel(if *self.closing.borrow() { Ended::Restart } else { Ended::Not });
        let line = Line { number, agent: agent.clone(), end, mouth };
        let older = open.insert(bot.clone(), line);
        drop(open);
        if let Some(older) = older {
            older.end.send_replace(Ended::Replaced);
        }
        LineGuard { lines: self, bot: bot.clone(), number, end: told }
    }
    /// One pass: every line that is open now. Blocks its thread for as long as that takes: with ten thousand lines some hundred milliseconds.
    /// From the first stop on whoever asks `passing` waits for its end; a pass that stops nobody keeps nobody waiting.
    pub fn tell_all(&self, view: &Arc<View>) {
        let (mut pass, mut passing) = (Pass::new(view), None);
        for mouth in self.mouths() {
            if mouth.tell(&mut pass) == Told::Stop {
                passing.get_or_insert_with(|| Passing::begin(self));
            }
        }
    }
    /// Lets every stream look for itself.
    pub fn nudge_all(&self) {
        self.mouths().iter().for_each(|mouth| mouth.nudge());
    }
    // Copied, so that streams come and go while a pass is under way.
    fn mouths(&self) -> Vec<Arc<dyn Mouth>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().map(|line| line.mouth.clone()).collect()
    }
    /// Whatever can wait for a stop waits here for the end of the pass that is under way; none: there is none.
    pub fn passing(&self) -> Option<Notified<'_>> {
        if !self.is_passing.load(Ordering::SeqCst) {
            return None;
        }
        // From its making on it hears of the end; one that came between is seen by the second look.
        let passed = self.passed.notified();
        self.is_passing.load(Ordering::SeqCst).then_some(passed)
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
    /// The bots whose lines are open.
    pub fn bots(&self) -> Vec<BotId> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
    /// How many lines are open.
    pub fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests;
