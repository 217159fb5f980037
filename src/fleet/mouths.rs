//! Every open stream as something that can be told a stop without waiting. The fan-out goes over all of them in one pass, so that no stream's
//! stop waits behind what other agents answer meanwhile. What cannot be said at once is left to the stream itself.

use super::{Pass, View};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::{Notify, futures::Notified};

/// The mouth of one stream.
pub trait Mouth: Send + Sync {
    /// Says what the view makes stricter, if that can be done without waiting; else lets the stream do it.
    fn tell(&self, pass: &mut Pass<'_>);
    /// Lets the stream look for itself.
    fn nudge(&self);
}

/// The mouths of all streams.
#[derive(Default)]
pub struct Mouths {
    open: Mutex<HashMap<u64, Arc<dyn Mouth>>>,
    count: AtomicU64,
    is_passing: AtomicBool,
    passed: Notify,
}

/// Held by a stream while it can be told.
pub struct MouthGuard<'a> {
    mouths: &'a Mouths,
    number: u64,
}

impl Drop for MouthGuard<'_> {
    fn drop(&mut self) {
        self.mouths.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// A pass that is under way, until it is dropped.
struct Passing<'a>(&'a Mouths);

impl<'a> Passing<'a> {
    fn begin(mouths: &'a Mouths) -> Self {
        mouths.is_passing.store(true, Ordering::SeqCst);
        Self(mouths)
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.is_passing.store(false, Ordering::SeqCst);
        self.0.passed.notify_waiters();
    }
}

impl Mouths {
    /// From here on every change of the view reaches this one. Whoever opens it looks at the view once more afterwards.
    pub fn open(&self, mouth: Arc<dyn Mouth>) -> MouthGuard<'_> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(number, mouth);
        MouthGuard { mouths: self, number }
    }
    /// One pass: every stream that is open now. Blocks its thread for as long as that takes.
    pub fn tell_all(&self, view: &Arc<View>) {
        let _passing = Passing::begin(self);
        let mut pass = Pass::new(view);
        self.all().iter().for_each(|mouth| mouth.tell(&mut pass));
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
    /// Lets every stream look for itself.
    pub fn nudge_all(&self) {
        self.all().iter().for_each(|mouth| mouth.nudge());
    }
    // Copied, so that streams come and go while a pass is under way.
    fn all(&self) -> Vec<Arc<dyn Mouth>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
