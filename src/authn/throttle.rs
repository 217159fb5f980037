//! Rate limits on sign-in, by name and by address. Stopping has none: nothing on that path asks here.

use crate::domain::{Clock, Timestamp};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Tries a name has before it must wait.
const PER_NAME: i64 = 8;
/// Tries an address has: an office shares one.
const PER_ADDRESS: i64 = 40;
/// One try comes back after so long.
const COMES_BACK_MS: i64 = 10_000;
/// So many names and addresses are remembered; beyond it those that have all their tries back are forgotten.
const KEPT: usize = 20_000;

struct Bucket {
    left: i64,
    at: Timestamp,
}

/// Buckets of tries that fill up again with time.
pub struct Throttle {
    clock: Clock,
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Throttle {
    /// Nobody has tried yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, buckets: Mutex::default() }
    }

    /// Takes one try of a name and of an address.
    ///
    /// # Errors
    /// The seconds to wait when either has none left.
    pub fn check(&self, name: &str, from: &str) -> Result<(), u64> {
        let now = self.clock.now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > KEPT {
            buckets.retain(|_, bucket| now.ms_since(bucket.at) < PER_ADDRESS * COMES_BACK_MS);
        }
        let name = name.trim().to_lowercase();
        for (key, most) in [(format!("name:{name}"), PER_NAME), (format!("from:{from}"), PER_ADDRESS)] {
            let bucket = buckets.entry(key).or_insert(Bucket { left: most, at: now });
            let back = now.ms_since(bucket.at).max(0) / COMES_BACK_MS;
            if back > 0 {
                bucket.left = (bucket.left + back).min(most);
                bucket.at = now;
            }
            if bucket.left <= 0 {
                let waited = now.ms_since(bucket.at).max(0);
                return Err(((COMES_BACK_MS - waited).max(0) / 1_000 + 1).unsigned_abs());
            }
            bucket.left -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    };

    #[test]
    fn tries_run_out_by_name_and_come_back_with_time() {
        let now = Arc::new(AtomicI64::new(1_000_000_000));
        let read = now.clone();
        let throttle = Throttle::new(Clock::from_fn(move || Timestamp(read.load(Ordering::SeqCst))));
        for _ in 0..PER_NAME {
            assert_eq!(throttle.check("Sato", "10.0.0.1"), Ok(()));
        }
        assert_eq!(throttle.check(" sato ", "10.0.0.2"), Err(11), "the name counts, whatever its case and wherever it comes from");
        assert_eq!(throttle.check("okafor", "10.0.0.1"), Ok(()), "another person is not locked out");
        now.fetch_add(COMES_BACK_MS * 1_000, Ordering::SeqCst);
        assert_eq!(throttle.check("sato", "10.0.0.1"), Ok(()));
        assert!(throttle.check("sato", "10.0.0.1").is_err());
    }
}
