//! Rate limits on sign-in, by name and by address, of this process alone: a few tries are free, then each waits twice as long as the one before. A browser that a
//! person has signed in from before has tries of its own, so that whoever guesses at a name does not keep its owner out. Stopping has no
//! limit: nothing on that path asks here.

use crate::domain::{Clock, Timestamp, UserId};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Tries of a name, or of a known browser, before it must wait.
const FREE_OF_NAME: u32 = 5;
/// Tries of a step after the password, by person and address.
const FREE_OF_STEP: u32 = 10;
/// Tries of an address: an office shares one.
const FREE_OF_ADDRESS: u32 = 40;
/// The first wait; it doubles with every try.
const FIRST_WAIT_MS: i64 = 1_000;
/// The longest wait.
const LONGEST_WAIT_MS: i64 = 15 * 60 * 1_000;
/// Tries are forgotten after so long without another.
const FORGOTTEN_MS: i64 = 60 * 60 * 1_000;
/// So many names and addresses are remembered; beyond it those that need not wait are forgotten.
const KEPT: usize = 20_000;

/// Tries in a row without success, and when the last one was.
#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    at: Timestamp,
    free: u32,
}

impl Tries {
    /// How long after the last try the next one may come.
    fn wait_ms(self) -> i64 {
        let over = self.count.saturating_sub(self.free);
        if self.count < self.free { 0 } else { FIRST_WAIT_MS.saturating_mul(1_i64 << over.min(20)).min(LONGEST_WAIT_MS) }
    }
    fn is_forgotten(self, now: Timestamp) -> bool {
        now.ms_since(self.at) >= FORGOTTEN_MS
    }
}

/// Who tries.
#[derive(Debug, Clone, Copy)]
pub struct Trying<'a> {
    /// The name as typed.
    pub name: &'a str,
    /// The address.
    pub from: &'a str,
    /// Digest of the browser's cookie, when the person of this name has signed in from it before.
    pub known_browser: Option<&'a str>,
}

/// A step that takes the right password first.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// The answer of a security key.
    Key,
    /// A recovery asked for or taken back.
    Lost,
}

impl Step {
    fn key(self, user: &UserId, from: &str) -> String {
        format!("{self:?}:{user}:{from}")
    }
}

impl Trying<'_> {
    fn keys(&self) -> Vec<(String, u32)> {
        let name = self.name.trim().to_lowercase();
        match self.known_browser {
            Some(browser) => vec![(format!("browser:{browser}:{name}"), FREE_OF_NAME)],
            None => vec![(format!("name:{name}"), FREE_OF_NAME), (format!("from:{}", self.from), FREE_OF_ADDRESS)],
        }
    }
}

/// Tries by name, browser and address.
pub struct Throttle {
    clock: Clock,
    tries: Mutex<HashMap<String, Tries>>,
}

impl Throttle {
    /// Nobody has tried yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, tries: Mutex::default() }
    }

    /// Takes one try, before it is known whether it is good: many at once gain nothing. Says which in a row it is for the name.
    ///
    /// # Errors
    /// The seconds to wait when name, browser or address must; that was no try.
    pub fn check(&self, who: Trying<'_>) -> Result<u32, u64> {
        self.take(who.keys())
    }

    /// Takes one try of a step after the right password, by person and address: whoever has it too, elsewhere, keeps nobody out.
    ///
    /// # Errors
    /// The seconds to wait; that was no try.
    pub fn check_step(&self, step: Step, user: &UserId, from: &str) -> Result<u32, u64> {
        self.take(vec![(step.key(user, from), FREE_OF_STEP)])
    }

    /// The step was good: its tries do not count.
    pub fn step_was_good(&self, step: Step, user: &UserId, from: &str) {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).remove(&step.key(user, from));
    }

    fn take(&self, keys: Vec<(String, u32)>) -> Result<u32, u64> {
        let now = self.clock.now();
        let mut all = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > KEPT {
            all.retain(|_, tries| !tries.is_forgotten(now) && now.ms_since(tries.at) < tries.wait_ms());
        }
        let known = |key: &str| all.get(key).copied().filter(|tries| !tries.is_forgotten(now));
        let left = |tries: Tries| tries.wait_ms() - now.ms_since(tries.at).max(0);
        let wait = keys.iter().filter_map(|(key, _)| known(key)).map(left).max().unwrap_or(0);
        if wait > 0 {
            return Err(u64::try_from(wait).unwrap_or(0).div_ceil(1_000));
        }
        let mut in_a_row = None;
        for (key, free) in keys {
            let count = known_count(&all, &key, now).saturating_add(1);
            in_a_row.get_or_insert(count);
            all.insert(key, Tries { count, at: now, free });
        }
        Ok(in_a_row.unwrap_or(1))
    }

    /// The try was good: it does not count, nor do those of the name before it. Of the address only this one.
    pub fn was_good(&self, who: Trying<'_>) {
        let mut all = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in who.keys() {
            if key.starts_with("from:") {
                if let Some(tries) = all.get_mut(&key) {
                    tries.count = tries.count.saturating_sub(1);
                }
            } else {
                all.remove(&key);
            }
        }
    }
}

fn known_count(all: &HashMap<String, Tries>, key: &str, now: Timestamp) -> u32 {
    all.get(key).filter(|tries| !tries.is_forgotten(now)).map_or(0, |tries| tries.count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    };

    fn throttle() -> (Throttle, impl Fn(i64)) {
        let now = Arc::new(AtomicI64::new(1_000_000_000));
        let read = now.clone();
        (Throttle::new(Clock::from_fn(move || Timestamp(read.load(Ordering::SeqCst)))), move |ms| {
            now.fetch_add(ms * 1_000, Ordering::SeqCst);
        })
    }

    fn by<'a>(name: &'a str, from: &'a str) -> Trying<'a> {
        Trying { name, from, known_browser: None }
    }

    #[test]
    fn each_try_of_a_name_waits_twice_as_long_wherever_it_comes_from() {
        let (throttle, pass) = throttle();
        for n in 1..=FREE_OF_NAME {
            assert_eq!(throttle.check(by("Sato", "10.0.0.1")), Ok(n));
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            assert_eq!(throttle.check(by(" sato ", "10.0.0.2")), Err(wait), "whatever its case and wherever it comes from");
            pass(wait as i64 * 1_000 - 1);
            assert_eq!(throttle.check(by("sato", "10.0.0.3")), Err(1), "what is refused does not make the wait longer");
            pass(1);
            assert!(throttle.check(by("sato", "10.0.0.4")).is_ok());
        }
        assert_eq!(throttle.check(by("okafor", "10.0.0.1")), Ok(1), "another person is not locked out");
        pass(FORGOTTEN_MS);
        assert_eq!(throttle.check(by("sato", "10.0.0.1")), Ok(1), "an hour of quiet");
    }

    #[test]
    fn a_good_try_gives_the_name_its_tries_back_and_a_known_browser_has_its_own() {
        let (throttle, _) = throttle();
        for _ in 0..FREE_OF_NAME - 1 {
            throttle.check(by("sato", "10.0.0.1")).unwrap();
        }
        throttle.check(by("sato", "10.0.0.1")).unwrap();
        throttle.was_good(by("sato", "10.0.0.1"));
        for _ in 0..FREE_OF_NAME {
            throttle.check(by("sato", "10.0.0.1")).unwrap();
        }
        assert_eq!(throttle.check(by("sato", "10.0.0.1")), Err(1));
        let home = Trying { name: "sato", from: "10.0.0.1", known_browser: Some("d1") };
        assert_eq!(throttle.check(home), Ok(1), "guesses from elsewhere keep nobody out of their own browser");
        for _ in 1..FREE_OF_NAME {
            throttle.check(home).unwrap();
        }
        assert_eq!(throttle.check(home), Err(1));
        assert_eq!(throttle.check(Trying { name: "okafor", ..home }), Ok(1));
    }

    #[test]
    fn a_step_after_the_password_waits_by_person_and_address() {
        let (throttle, pass) = throttle();
        let (sato, okafor) = (UserId::new(), UserId::new());
        for _ in 0..FREE_OF_STEP {
            throttle.check_step(Step::Key, &sato, "10.0.0.1").unwrap();
        }
        assert_eq!(throttle.check_step(Step::Key, &sato, "10.0.0.1"), Err(1));
        for (step, who, from) in [(Step::Lost, &sato, "10.0.0.1"), (Step::Key, &okafor, "10.0.0.1"), (Step::Key, &sato, "10.0.0.2")] {
            assert_eq!(throttle.check_step(step, who, from), Ok(1));
        }
        pass(1_000);
        assert_eq!(throttle.check_step(Step::Key, &sato, "10.0.0.1"), Ok(FREE_OF_STEP + 1));
        throttle.step_was_good(Step::Key, &sato, "10.0.0.1");
        assert_eq!(throttle.check_step(Step::Key, &sato, "10.0.0.1"), Ok(1));
    }

    #[test]
    fn an_address_that_tries_many_names_waits_too() {
        let (throttle, pass) = throttle();
        for n in 0..FREE_OF_ADDRESS {
            throttle.check(by(&format!("name-{n}"), "10.0.0.1")).unwrap();
        }
        assert_eq!(throttle.check(by("another", "10.0.0.1")), Err(1));
        assert_eq!(throttle.check(by("another", "10.0.0.2")), Ok(1));
        throttle.was_good(by("another", "10.0.0.1"));
        assert_eq!(throttle.check(by("one-more", "10.0.0.1")), Ok(1), "a good try is given back");
        pass(1);
        assert!(throttle.check(by("and-more", "10.0.0.1")).is_err());
    }
}
