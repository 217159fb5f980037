//! The machine: its clocks, and how many files a process may have open.

use super::Line;
use crate::agent::BootClock;
use crate::cli::files;
use crate::domain::{Clock, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;

/// No server of this program ran before this moment, so a clock that says so is wrong: 2025-01-01.
const BEFORE_US: i64 = 1_735_689_600_000_000;
/// systemd's own NTP client makes this file once it has synchronised.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

/// The boot clock, the time of day, and who keeps it.
pub fn clocks(clock: &Clock) -> Vec<Line> {
    let boot_ms = BootClock::system().now_ms();
    let monotonic = clock_gettime(ClockId::Monotonic);
    let boot = if boot_ms > 0 && boot_ms / 1_000 >= monotonic.tv_sec {
        Line::ok("boot clock", "counts, suspension included")
    } else {
        Line::bad("boot clock", "CLOCK_BOOTTIME does not count as it should", "leases cannot be trusted on this kernel: use another")
    };
    let now = clock.now();
    let day = if now < Timestamp(BEFORE_US) {
        Line::bad("time of day", format!("the clock says {}", now.plain()), "set it; signatures and certificates depend on it")
    } else {
        Line::ok("time of day", now.plain())
    };
    let kept = if Path::new(SYNCHRONISED).exists() {
        Line::ok("NTP", "systemd-timesyncd says that the clock is synchronised")
    } else {
        Line::skip(
            "NTP",
            "not checked: whether somebody keeps the clock synchronised cannot be read here; `timedatectl` or `chronyc tracking` can",
        )
    };
    vec![boot, day, kept]
}

/// Room for every agent's connection.
pub fn files(agents: Option<u64>) -> Line {
    let (soft, hard) = files::limits();
    let Some(most) = hard else { return Line::ok("open files", "no limit") };
    let needed = agents.unwrap_or_default().saturating_mul(2).saturating_add(files::OWN);
    let soft = soft.map_or("no limit".to_owned(), |soft| soft.to_string());
    let known = agents.map_or("it is not known how many agents there are".to_owned(), |agents| format!("{agents} agents are enrolled"));
    let said = format!("{soft}, which `andon serve` raises to {most}; {known}");
    if most < needed {
        let todo = format!("allow at least {needed}: LimitNOFILE= in a systemd unit, --ulimit nofile= of a container");
        return Line::bad("open files", said, todo);
    }
    Line::ok("open files", said)
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn a_clock_that_was_never_set_is_told() {
        let of = |lines: Vec<Line>| lines.into_iter().map(|line| (line.what, line.verdict)).collect::<Vec<_>>();
        let unset = of(clocks(&Clock::from_fn(|| Timestamp(1_000_000))));
        assert!(unset.contains(&("time of day", Verdict::Bad)) && unset.contains(&("boot clock", Verdict::Ok)), "{unset:?}");
        assert!(of(clocks(&Clock::system())).contains(&("time of day", Verdict::Ok)));
    }
}
