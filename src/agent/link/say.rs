//! Turns the agent's standing into the frames it sends, and remembers which check-in was sent when: the lease runs from there.

use super::super::standing::Standing;
use crate::domain::{BootId, Decimal, Timestamp, largest::keep_largest};
use crate::protocol::{CheckIn, FromAgent, Hello, HelloAgent, HelloBot, MAX_FRAME, MAX_POSITIONS, Position, PositionsRest, Report};
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
    /// Composes a check-in that says who speaks and nothing else.
    pub fn contact(&self, boot: &BootId) -> CheckIn {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.seq += 1;
        CheckIn { boot: Some(boot.clone()), seq: counted.seq, ..CheckIn::default() }
    }

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
            key_versions: standing.key_versions.as_ref().clone(),
            subaccount: standing.runs.subaccount.clone(),
            adapter: Some(standing.adapter.clone()),
            instances: None,
            report: report.map(|(_, report)| bounded(report.as_ref().clone())),
        }
    }
}

/// What is left of a check-in for a report that goes beside the stream: it renews nothing and says nothing of what the bot does, whenever it comes.
pub fn facts_alone(check_in: &CheckIn) -> CheckIn {
    CheckIn { boot: check_in.boot.clone(), seq: check_in.seq, report: check_in.report.clone(), ..CheckIn::default() }
}

/// A report with the 200 largest positions, the rest summed (ruling C13).
fn bounded(mut report: Report) -> Report {
    let Some(positions) = &mut report.positions else { return report };
    let worth = |one: &Position| Decimal::parse(one.notional.as_deref()?);
    let Some(rest) = keep_largest(positions, MAX_POSITIONS, worth) else { return report };
    let before = report.positions_rest.take().unwrap_or_else(|| PositionsRest { count: 0, notional: Some("0".to_owned()) });
    let known = before.notional.as_deref().and_then(Decimal::parse).map(Decimal::abs);
    report.positions_rest = Some(PositionsRest {
        count: before.count.saturating_add(rest.count),
        notional: rest.worth.zip(known).map(|(worth, known)| worth.plus(known).shortest()),
    });
    report
}

/// True when a check-in does not go through a stream as it is: its report then goes by POST.
pub fn is_too_long(check_in: &CheckIn) -> bool {
    // The frame adds its `type`.
    serde_json::to_string(check_in).is_ok_and(|text| text.len() + 32 > MAX_FRAME)
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
            subaccount: standing.runs.subaccount.clone(),
        },
        epoch: standing.epoch,
        state: standing.state,
        limits_version: standing.limits_version,
        start_after: standing.start_after,
        holds: standing.holds.clone(),
        key_versions: standing.key_versions.as_ref().clone(),
        apply_within_ms: Some(apply_within_ms),
        adapter: Some(standing.adapter.clone()),
    }
}

/// A frame as text of at most `MAX_FRAME` bytes. A report that does not fit was taken out before, by [`is_too_long`]; what still does not is
/// left out from the least needed on: a carried hold goes by id and level.
pub fn to_text(mut frame: FromAgent) -> Result<String, serde_json::Error> {
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
    use crate::protocol::{CarriedHold, MAX_CARRIED};
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
            key_versions: Default::default(),
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
    fn the_two_hundred_largest_positions_go_out_and_the_rest_is_summed() {
        let position = |n: i64| Position { symbol: format!("S{n}"), notional: Some(format!("{n}.25")), ..Position::default() };
        let report = Report { positions: Some((1..=202).map(position).collect()), ..Report::default() };
        let standing = Standing { report: Some((1, Arc::new(report))), ..standing() };
        let check_in = Counter::default().check_in(&standing, &BootId::try_from("b".to_owned()).unwrap(), Timestamp(0));
        assert!(!is_too_long(&check_in));
        let report = check_in.report.unwrap();
        assert_eq!(report.positions.unwrap().len(), 200);
        assert_eq!(report.positions_rest, Some(PositionsRest { count: 2, notional: Some("3.5".to_owned()) }));
    }

    #[test]
    fn every_frame_fits_the_wire_and_keeps_every_hold() {
        let hold =
            |_| CarriedHold { id: HoldId::new(), level: Level::Pause, by: "n".repeat(100), why: "w".repeat(500), at: Some(Timestamp(0)) };
        let position = |n| Position { symbol: format!("SYMBOL-{n}"), quantity: Some("1".repeat(300)), ..Position::default() };
        let report = Report { open_orders: Some(3), positions: Some((0..200).map(position).collect()), ..Report::default() };
        let full = Standing { holds: (0..MAX_CARRIED).map(hold).collect(), report: Some((1, Arc::new(report))), ..standing() };
        let boot = BootId::try_from("b".to_owned()).unwrap();
        let mut check_in = Counter::default().check_in(&full, &boot, Timestamp(0));
        assert!(is_too_long(&check_in), "its report goes by POST");
        let beside = facts_alone(&check_in);
        assert!(beside.report.is_some() && beside.boot == check_in.boot && beside.seq == check_in.seq);
        assert!(beside.state.is_none() && beside.epoch.is_none() && beside.holds.is_empty() && !beside.lapsed);
        check_in.report = None;
        let text = to_text(FromAgent::CheckIn(Box::new(check_in))).unwrap();
        assert!(text.len() <= MAX_FRAME);
        let back: CheckIn = serde_json::from_str(&text).unwrap();
        assert_eq!(back.holds.len(), MAX_CARRIED);
        assert!(to_text(FromAgent::Hello(hello(&full, &boot, 1))).unwrap().len() <= MAX_FRAME);
    }
}
