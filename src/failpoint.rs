//! Where tests kill the process: before and after each durable write. In release builds nothing of this exists.
//! `ANDON_FAILPOINT=NAME:N` ends the process as `kill -9` does, at the N-th time that it passes NAME. `ANDON_FAILPOINT=@FILE` looks for
//! `NAME:N` in a file at every pass, so that a test arms a process that runs; whoever fires renames the file to `FILE.fired`: it fires once.

/// Passes a named point.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::failpoint::pass($name);
    };
}

#[cfg(debug_assertions)]
pub(crate) fn pass(name: &str) {
    use std::sync::{Mutex, OnceLock, PoisonError};
    static PLACE: OnceLock<Option<String>> = OnceLock::new();
    // What was armed when a point was last passed, and how often that was.
    static PASSED: Mutex<(String, u64)> = Mutex::new((String::new(), 0));
    let Some(place) = PLACE.get_or_init(|| std::env::var("ANDON_FAILPOINT").ok()) else { return };
    let file = place.strip_prefix('@');
    // No file: nothing is armed at the moment.
    let armed = file.map_or_else(|| place.clone(), |file| std::fs::read_to_string(file).unwrap_or_default());
    let Some((wanted, times)) = armed.trim().rsplit_once(':') else { return };
    if wanted != name {
        return;
    }
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    if passed.0 != armed {
        *passed = (armed.clone(), 0);
    }
    passed.1 += 1;
    let fires = times.parse() == Ok(passed.1);
    if fires && file.is_none_or(|file| std::fs::rename(file, format!("{file}.fired")).is_ok()) {
        // Fails only when the process is gone already.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
