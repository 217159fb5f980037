//! Turns the agent's standing into the frames it sends, and remembers which check-in was sent when: the lease runs from there.

use super::super::standing::Standing;
use crate::domain::{BootId, Timestamp};
use crate::protocol::{CheckIn, FromAgent, Hello, HelloAgent, HelloBot, MAX_FRAME};
use std::{collections::VecDeque, sync::Mutex, sync::PoisonError};

/// How many check-ins may be unanswered before the oldest are forgotten.
const MOST_UNANSWERED: usize = 64;

/// A check-in that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its number.
    pub seq: u64,
    /// When, by the boot clock; taken before the first byte went out.
    pub at_ms: i64,
    /// How many lapses it spoke of.
    pub lapses: u64,
    /// Everything in the outbox up to here went before it on the same line.
    pub outbox: u64,
}

/// The counter of one boot's check-ins, shared by poll and stream.
#[derive(Debug, Default)]
pub struct Counter(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    seq: u64,
    report: u64,
}

impl Counter {
    /// Composes the next check-in. A report goes out once: a repeated one would look fresh.
    pub fn check_in(&self, standing: &Standing, boot: &BootId, at: Timestamp) -> CheckIn {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.seq += 1;
        let report = standing.report.as_ref().filter(|(number, _)| *number > counted.report);
        if let Some((number, _)) = report {
            counted.report = *number;
        }
        CheckIn {
            boot: Some(boot.clone()),
            seq: counted.seq,
            at: Some(at),
            epoch: Some(standing.epoch),
            state: Some(standing.state),
            limits_version: standing.limits_version,
            start_after: standing.start_after,
            holds: standing.holds.clone(),
            lapsed: standing.lapsed,
            server_behind: standing.server_behind,
            build: standing.runs.build.clone(),
            config: standing.runs.config.clone(),
            key_versions: Default::default(),
            adapter: Some(standing.adapter.clone()),
            report: report.map(|(_, report)| report.as_ref().clone()),
        }
    }
}

/// Composes the first frame of a stream.
pub fn hello(standing: &Standing, boot: &BootId, apply_within_ms: i64) -> Hello {
    Hello {
        boot: boot.clone(),
        agent: HelloAgent { version: env!("CARGO_PKG_VERSION").to_owned() },
        bot: HelloBot {
            build: standing.runs.build.clone(),
            config: standing.runs.config.clone(),
            strategy: standing.runs.strategy.clone(),
        },
        epoch: standing.epoch,
        state: standing.state,
        limits_version: standing.limits_version,
        start_after: standing.start_after,
        holds: standing.holds.clone(),
        key_versions: Default::default(),
        apply_within_ms: Some(apply_within_ms),
        adapter: Some(standing.adapter.clone()),
    }
}

/// A frame as text of at most `MAX_FRAME` bytes. What does not fit is left out, from the least needed on: positions are then unknown, and a
/// carried hold goes by id and level.
pub fn to_text(mut frame: FromAgent) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(&frame)?;
    if text.len() <= MAX_FRAME {
        return Ok(text);
    }
    if let FromAgent::CheckIn(check_in) = &mut frame
        && let Some(report) = &mut check_in.report
    {
        report.positions = None;
    }
    let text = serde_json::to_string(&frame)?;
    if text.len() <= MAX_FRAME {
        return Ok(text);
    }
    let holds = match &mut frame {
        FromAgent::CheckIn(check_in) => &mut check_in.holds,
        FromAgent::Hello(hello) => &mut hello.holds,
        _ => return Ok(text),
    };
    for hold in holds {
        hold.by.clear();
        hold.why.clear();
    }
    serde_json::to_string(&frame)
}

/// The check-ins of one line that are not answered yet.
#[derive(Debug, Default)]
pub struct Unanswered(VecDeque<Sent>);

impl Unanswered {
    /// Notes a check-in.
    pub fn sent(&mut self, sent: Sent) {
        if self.0.len() >= MOST_UNANSWERED {
            self.0.pop_front();
        }
        self.0.push_back(sent);
    }
    /// The check-in that a renewal answers, once; older ones will not be answered any more.
    pub fn answered(&mut self, seq: u64) -> Option<Sent> {
        while let Some(sent) = self.0.front().copied() {
            if sent.seq > seq {
                return None;
            }
            self.0.pop_front();
            if sent.seq == seq {
                return Some(sent);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{brain::Patience, standing::Runs};
    use crate::domain::{Epoch, HoldId, Level, State};
    use crate::protocol::{CarriedHold, MAX_CARRIED, Position, Report};
    use std::sync::Arc;

    fn standing() -> Standing {
        Standing {
            epoch: Epoch(1),
            state: State::Halted,
            limits_version: None,
            start_after: None,
            holds: Vec::new(),
            lapsed: false,
            lapses: 0,
            server_behind: false,
            runs: Runs::default(),
            adapter: crate::protocol::AdapterSaid { name: "process".into(), dies_with_agent: true },
            check_in_ms: 2_000,
            patience: Patience { stale_after_ms: 10_000, lapse_after_ms: 30_000 },
            report: None,
        }
    }

    #[test]
    fn an_answer_counts_once_and_only_for_its_own_check_in() {
        let mut line = Unanswered::default();
        (1..=5).for_each(|seq| line.sent(Sent { seq, at_ms: 10 * seq as i64, lapses: 0, outbox: 0 }));
        assert_eq!(line.answered(3).map(|s| s.at_ms), Some(30));
        assert_eq!(line.answered(3), None);
        assert_eq!(line.answered(2), None);
        assert_eq!(line.answered(9), None, "never sent");
    }

    #[test]
    fn a_report_is_sent_once() {
        let counter = Counter::default();
        let boot = BootId::try_from("b".to_owned()).unwrap();
        let standing = Standing { report: Some((1, Arc::new(Report { open_orders: Some(3), ..Report::default() }))), ..standing() };
        assert!(counter.check_in(&standing, &boot, Timestamp(0)).report.is_some());
        let second = counter.check_in(&standing, &boot, Timestamp(0));
        assert_eq!((second.seq, second.report), (2, None));
    }

    #[test]
    fn every_frame_fits_the_wire_and_keeps_every_hold() {
        let hold =
            |_| CarriedHold { id: HoldId::new(), level: Level::Pause, by: "n".repeat(100), why: "w".repeat(500), at: Some(Timestamp(0)) };
        let position = |n| Position { symbol: format!("SYMBOL-{n}"), quantity: Some("1".repeat(300)), ..Position::default() };
        let report = Report { open_orders: Some(3), positions: Some((0..200).map(position).collect()), ..Report::default() };
        let full = Standing { holds: (0..MAX_CARRIED).map(hold).collect(), report: Some((1, Arc::new(report))), ..standing() };
        let boot = BootId::try_from("b".to_owned()).unwrap();
        let check_in = Counter::default().check_in(&full, &boot, Timestamp(0));
        let text = to_text(FromAgent::CheckIn(Box::new(check_in))).unwrap();
        assert!(text.len() <= MAX_FRAME);
        let back: CheckIn = serde_json::from_str(&text).unwrap();
        assert_eq!((back.holds.len(), back.report.and_then(|r| r.open_orders)), (MAX_CARRIED, Some(3)));
        assert!(to_text(FromAgent::Hello(hello(&full, &boot, 1))).unwrap().len() <= MAX_FRAME);
    }
}
