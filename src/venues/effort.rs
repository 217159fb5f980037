//! Cancelling many things: one that fails keeps none of the others from being told. The worst of what went wrong is what is answered.

use super::{error::VenueError, order::Cancelled, read::Listed};
use futures_util::future::join_all;

/// Calls that go out together. Venues count by the second.
const TOGETHER: usize = 5;

/// What was reached so far.
#[derive(Debug, Default)]
pub(super) struct Effort {
    /// What was told.
    pub(super) done: Cancelled,
    worst: Option<VenueError>,
}

/// A write that may have been done is worst, since somebody must read; then what nobody knows; then a refusal that says something.
fn weight(error: &VenueError) -> u8 {
    match error {
        VenueError::ExecutionUnknown(_) => 3,
        VenueError::Finding(_) => 2,
        VenueError::Unknown { .. } => 1,
        VenueError::Cannot(_) => 0,
    }
}

impl Effort {
    /// Takes what one call brought: how many it told.
    pub(super) fn take(&mut self, brought: Result<u64, VenueError>) {
        match brought {
            Ok(told) => self.done.told = self.done.told.saturating_add(told),
            Err(error) => {
                if self.worst.as_ref().is_none_or(|worst| weight(worst) < weight(&error)) {
                    self.worst = Some(error);
                }
            }
        }
    }
    /// Takes what could be read, and keeps why that is not all.
    pub(super) fn read<T>(&mut self, read: Listed<T>) -> Vec<T> {
        if let Some(error) = read.missed {
            self.take(Err(error));
        }
        read.got
    }
    /// Tells all of them, a few at a time.
    pub(super) async fn each<T, F: Future<Output = Result<u64, VenueError>>>(&mut self, things: Vec<T>, tell: impl Fn(T) -> F) {
        let mut things = things.into_iter();
        loop {
            let calls: Vec<F> = things.by_ref().take(TOGETHER).map(&tell).collect();
            if calls.is_empty() {
                return;
            }
            for brought in join_all(calls).await {
                self.take(brought);
            }
        }
    }
    /// What came of it.
    ///
    /// # Errors
    /// The worst of what went wrong, although everything else was told.
    pub(super) fn end(self) -> Result<Cancelled, VenueError> {
        self.worst.map_or(Ok(self.done), Err)
    }
}

/// A cancel that found nothing is done: with one of these codes.
pub(super) fn gone(brought: Result<u64, VenueError>, codes: &[&str]) -> Result<u64, VenueError> {
    match brought {
        Err(error) if error.finding().is_none() && error.code().is_some_and(|code| codes.contains(&code)) => Ok(0),
        other => other,
    }
}
