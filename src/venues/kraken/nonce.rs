//! Nonces of Kraken spot: milliseconds of the clock, never twice and never lower than the last, whatever the clock does. Milliseconds are what
//! bots count in: a nonce is kept for each key, so that one in finer units would lock a bot out of its own key for good. Calls of one key go out
//! one at a time, since one that overtakes another makes that other's nonce too low. Another program on the same key that counts higher breaks
//! this: a guard key is the server's own.

use crate::domain::Timestamp;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The last nonce of a key, held while a call is under way.
pub(super) type Turn = Arc<tokio::sync::Mutex<u64>>;

/// The last nonce of every key.
#[derive(Default)]
pub(super) struct Nonces(Mutex<HashMap<String, Turn>>);

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces")
    }
}

impl Nonces {
    /// The turn of this key, to be locked for the time of a call.
    pub(super) fn of(&self, key: &str) -> Turn {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_default().clone()
    }
}

/// The next one.
pub(super) fn next(last: &mut u64, now: Timestamp) -> u64 {
    *last = u64::try_from(now.0 / 1_000).unwrap_or_default().max(last.saturating_add(1));
    *last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_rises_even_when_the_clock_stands_or_goes_back() {
        let mut last = 0;
        let at: Vec<u64> = [7_000_000, 7_000_999, 6_000_000, 7_001_000, 9_000_000].map(|us| next(&mut last, Timestamp(us))).to_vec();
        assert_eq!(at, [7_000, 7_001, 7_002, 7_003, 9_000], "milliseconds, as bots count");
    }

    #[test]
    fn every_key_counts_for_itself() {
        let nonces = Nonces::default();
        assert!(Arc::ptr_eq(&nonces.of("a"), &nonces.of("a")) && !Arc::ptr_eq(&nonces.of("a"), &nonces.of("b")));
    }
}
