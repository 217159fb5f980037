//! What a bot may have done, from what people and the test did: the rule that every beat of every bot is held against.

use super::{MARGIN_MS, ground::TIMINGS, host::Beat};

/// A bot stands at the latest so long after a stop that was answered, or after the end of its agent or minder. Milliseconds.
pub const STANDS_WITHIN_MS: i64 = TIMINGS.lapse_after_ms + TIMINGS.apply_within_ms + MARGIN_MS;
/// The boot clock as a bot reads it has steps of this size.
const STEP_MS: i64 = 20;

/// The history of one bot.
#[derive(Debug, Default)]
pub struct Model {
    /// When the last signature of a start that may have been carried out left.
    starts: Vec<i64>,
    /// When a stop was answered, or agent, minder or bot were killed.
    stops: Vec<i64>,
}

impl Model {
    pub fn start_sent(&mut self, at_ms: i64) {
        self.starts.push(at_ms);
    }
    /// The server says that it did not carry the last one out.
    pub fn start_refused(&mut self, at_ms: i64) {
        self.starts.retain(|start| *start != at_ms);
    }
    pub fn stopped(&mut self, at_ms: i64) {
        self.stops.push(at_ms);
    }

    /// Holds every beat against the rule. Each process of the bot stands on a start of its own that was sent before its first beat, and is gone
    /// soon after every stop that came after that start.
    pub fn check(&self, beats: &[Beat]) -> Result<(), String> {
        let mut used: Option<i64> = None;
        for run in beats.chunk_by(|a, b| a.pid == b.pid) {
            let (first, last) = (run[0], run[run.len() - 1]);
            let start = self.starts.iter().filter(|start| **start <= first.at_ms + STEP_MS).max();
            let Some(start) = start else { return Err(format!("process {} began at {} without any start", first.pid, first.at_ms)) };
            if used.is_some_and(|used| used >= *start) {
                return Err(format!("process {} began at {} on the start of {start}, which another had used", first.pid, first.at_ms));
            }
            used = Some(*start);
            let stop = self.stops.iter().filter(|stop| *stop > start).min();
            if let Some(stop) = stop.filter(|stop| last.at_ms > **stop + STANDS_WITHIN_MS) {
                return Err(format!("process {} traded until {}, started at {start}, stopped at {stop}", last.pid, last.at_ms));
            }
        }
        Ok(())
    }
}

#[test]
fn the_model_finds_what_must_not_be() {
    let mut model = Model::default();
    let beats = |runs: &[(i32, i64, i64)]| -> Vec<Beat> {
        runs.iter().flat_map(|(pid, from, to)| (*from..=*to).step_by(100).map(|at_ms| Beat { at_ms, pid: *pid })).collect()
    };
    assert!(model.check(&[]).is_ok());
    assert!(model.check(&beats(&[(7, 1_000, 2_000)])).is_err(), "nobody started it");
    model.start_sent(900);
    assert!(model.check(&beats(&[(7, 1_000, 2_000)])).is_ok());
    assert!(model.check(&beats(&[(7, 1_000, 2_000), (8, 2_500, 3_000)])).is_err(), "it came back by itself");
    model.stopped(2_000);
    assert!(model.check(&beats(&[(7, 1_000, 2_000 + STANDS_WITHIN_MS)])).is_ok());
    model.start_sent(2_100);
    assert!(model.check(&beats(&[(7, 1_000, 2_100 + STANDS_WITHIN_MS)])).is_err(), "another start does not excuse the process before it");
    assert!(model.check(&beats(&[(7, 1_000, 2_050), (8, 2_200, 90_000)])).is_ok());
    model.start_refused(2_100);
    assert!(model.check(&beats(&[(7, 1_000, 2_050), (8, 2_200, 2_300)])).is_err());
}
