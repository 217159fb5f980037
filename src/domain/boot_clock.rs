//! The clock that leases and silence run on: milliseconds since the machine booted, suspension included (CLOCK_BOOTTIME). `std::time::Instant` and tokio's
//! timers stand still while the machine sleeps, so nothing that frees a bot may trust them: it asks this clock again first.

use rustix::time::{ClockId, clock_gettime};
use std::{fmt, sync::Arc};

/// Where boot-clock milliseconds come from; tests hold the other end.
#[derive(Clone)]
pub struct BootClock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl BootClock {
    /// The machine's own.
    pub fn system() -> Self {
        Self(Arc::new(|| {
            let time = clock_gettime(ClockId::Boottime);
            time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)
        }))
    }
    /// A clock that answers what `read` answers.
    pub fn from_fn(read: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
    /// Milliseconds since boot.
    pub fn now_ms(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for BootClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootClock")
    }
}
