//! How long to wait before the next try: full jitter, so that ten thousand agents do not come back in step.

use std::time::Duration;

const FIRST_MS: i64 = 500;
const LONGEST_MS: i64 = 15_000;

/// Counts failures running.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait before the next try: a random part of 0.5 s doubled per failure, at most 15 s and at most half of `stale_after` (ruling H22).
    pub fn next(&mut self, stale_after_ms: i64) -> Duration {
        let cap = LONGEST_MS.min(stale_after_ms / 2).max(1);
        let most = FIRST_MS.saturating_mul(1_i64.checked_shl(self.failures.min(20)).unwrap_or(i64::MAX)).min(cap);
        self.failures = self.failures.saturating_add(1);
        random_below(most)
    }
    /// The last try went well.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random wait below so many milliseconds.
pub fn random_below(ms: i64) -> Duration {
    let most = u64::try_from(ms).unwrap_or(0).max(1);
    // Without randomness every agent waits the longest: slow, and still in bounds.
    let drawn = getrandom::u64().map_or(most - 1, |n| n % most);
    Duration::from_millis(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_cap_and_no_further() {
        for stale_after_ms in [1_000, 10_000, 60_000] {
            let mut backoff = Backoff::default();
            let cap = Duration::from_millis(15_000.min(stale_after_ms as u64 / 2));
            let mut longest = Duration::ZERO;
            for n in 0..200 {
                let wait = backoff.next(stale_after_ms);
                assert!(wait <= cap.min(Duration::from_millis(500 << n.min(20))), "{n}: {wait:?}");
                longest = longest.max(wait);
            }
            assert!(longest > cap / 2);
            backoff.reset();
            assert!(backoff.next(stale_after_ms) <= Duration::from_millis(500));
        }
    }
}
