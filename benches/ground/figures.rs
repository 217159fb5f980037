//! Figures as printed: medians, spreads, ratios, and one line per target.

use rustix::time::{ClockId, clock_gettime};
use std::process::ExitCode;

/// The boot clock, microseconds.
pub fn now_us() -> u64 {
    read_us(ClockId::Boottime)
}

/// The wall clock, microseconds since 1970, to compare with what other programs wrote down.
pub fn wall_us() -> u64 {
    read_us(ClockId::Realtime)
}

fn read_us(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000 + u64::try_from(now.tv_nsec / 1_000).unwrap()
}

/// Several measurements of one thing.
#[derive(Debug, Clone, Default)]
pub struct Figures(Vec<f64>);

impl Figures {
    pub fn add(&mut self, figure: f64) {
        self.0.push(figure);
        self.0.sort_by(f64::total_cmp);
    }
    pub fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        if self.0.len() % 2 == 1 { self.0[middle] } else { f64::midpoint(self.0[middle - 1], self.0[middle]) }
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The greatest of the lower share; 1: the greatest.
    pub fn share(&self, share: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * share).ceil() as usize]
    }
    /// Median, least and greatest.
    pub fn spread(&self, unit: &str) -> String {
        format!("{:.1} {unit} (least {:.1}, greatest {:.1}, {} rounds)", self.median(), self.0[0], self.0[self.0.len() - 1], self.0.len())
    }
}

/// What a bench was asked to reach: one line each, and how it ends.
#[derive(Default)]
pub struct Targets {
    lines: Vec<String>,
    missed: bool,
}

impl Targets {
    /// Holds a figure against its bound.
    pub fn hold(&mut self, name: &str, value: f64, bound: f64) {
        let is_met = value <= bound;
        self.lines.push(format!("TARGET {name} {value:.2} <= {bound} {}", if is_met { "met" } else { "missed" }));
        self.missed |= !is_met;
    }
    /// The closing lines.
    pub fn close(self) -> ExitCode {
        self.lines.iter().for_each(|line| println!("{line}"));
        if self.missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// The closing line of a bench with one target, and how it ends.
pub fn target(name: &str, value: f64, bound: f64) -> ExitCode {
    let mut targets = Targets::default();
    targets.hold(name, value, bound);
    targets.close()
}

/// The number that an argument gives, or the usual one.
pub fn option(name: &str, usual: usize) -> usize {
    let mut arguments = std::env::args();
    arguments.find(|argument| argument == name).and_then(|_| arguments.next()).map_or(usual, |value| value.parse().unwrap())
}

/// What the machine is, so that a figure can be read later.
pub fn machine() {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown").trim_start_matches(['\t', ' ', ':']);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("machine: {cpus} cores, {model}; load before: {}", load.split(' ').next().unwrap_or_default());
}
