//! The receipt of a hold: how far each covered bot has come, from acknowledgements and from nothing else.

use super::{AckSeen, AgentSeen, View, worst_case_stop_ms};
use crate::domain::{BotFacts, BotId, Hold, State, Step, Timestamp};
use std::sync::Arc;

/// One bot on a receipt.
#[derive(Debug, Clone)]
pub struct BotReceipt {
    /// The bot.
    pub bot: Arc<BotFacts>,
    /// When its agent had it; none: not yet.
    pub received_ms: Option<i64>,
    /// When the bot had applied it.
    pub applied_ms: Option<i64>,
    /// When it had no entry orders.
    pub idle_ms: Option<i64>,
    /// When its venue was read back and showed nothing that the hold does away with; none: it was not. The venue's word, beside the agent's.
    pub verified_ms: Option<i64>,
    /// Entry orders as last read back.
    pub entry_orders: Option<i64>,
    /// What the bot did when it had applied it, as last said.
    pub doing: Option<State>,
    /// It should have been applied by now and was not.
    pub unconfirmed: bool,
    /// When its agent was last heard.
    pub seen_at: Option<Timestamp>,
    /// The longest it can go on after a press, agent and machine alive.
    pub worst_case_ms: i64,
}

impl BotReceipt {
    /// The highest step reached.
    pub fn step(&self) -> Step {
        if self.idle_ms.is_some() {
            Step::Idle
        } else if self.applied_ms.is_some() {
            Step::Applied
        } else if self.received_ms.is_some() {
            Step::Received
        } else {
            Step::Requested
        }
    }
}

/// The receipt of a hold.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The hold.
    pub hold: Hold,
    /// Every covered bot, stragglers first.
    pub bots: Vec<BotReceipt>,
    /// When it was computed.
    pub at: Timestamp,
}

impl Receipt {
    /// How many bots it covers.
    pub fn total(&self) -> usize {
        self.bots.len()
    }
    /// How many have reached a step.
    pub fn reached(&self, step: Step) -> usize {
        self.bots.iter().filter(|bot| bot.step() >= step).count()
    }
    /// How many were read back at their venues.
    pub fn verified(&self) -> usize {
        self.bots.iter().filter(|bot| bot.verified_ms.is_some()).count()
    }
    /// The longest any covered bot can go on after the press, agents and machines alive.
    pub fn worst_case_ms(&self) -> i64 {
        self.bots.iter().filter(|b| b.step() < Step::Applied).map(|b| b.worst_case_ms).max().unwrap_or(0)
    }
    /// True when every bot is idle.
    pub fn is_complete(&self) -> bool {
        self.bots.iter().all(|bot| bot.step() >= Step::Idle)
    }
}

/// What an acknowledgement proves for a stop at `since`: `applied` and `idle` only when the bot was not trading; `received` always.
fn proves(ack: &AckSeen, hold: &Hold) -> bool {
    ack.epoch >= hold.epoch && (ack.step == Step::Received || ack.state.is_some_and(|state| stops(state, hold)))
}

fn stops(state: State, hold: &Hold) -> bool {
    match hold.level.latches() {
        // What a bot does elsewhere says nothing of one symbol: having applied the directive that names it does.
        _ if hold.scope.is_symbol() => true,
        true => state == State::Halted,
        false => state != State::Active,
    }
}

/// One bot under a hold, from its acknowledgements since the hold's epoch.
pub fn of_bot(bot: Arc<BotFacts>, hold: &Hold, now: Timestamp, acks: Vec<AckSeen>, seen: Option<Arc<AgentSeen>>) -> BotReceipt {
    let acks: Vec<AckSeen> = acks.into_iter().filter(|ack| proves(ack, hold)).collect();
    let first = |step: Step| acks.iter().filter(|a| a.step >= step).map(|a| a.at.ms_since(hold.at).max(0)).min();
    let applied_ms = first(Step::Applied);
    let unconfirmed = applied_ms.is_none() && now.ms_since(hold.at) > bot.timings.apply_within_ms;
    BotReceipt {
        received_ms: first(Step::Received),
        applied_ms,
        idle_ms: first(Step::Idle),
        // Agents know nothing of it: whoever reads venues fills it in.
        verified_ms: None,
        entry_orders: acks.iter().rev().find_map(|a| a.entry_orders),
        doing: acks.iter().filter(|a| a.step >= Step::Applied).max_by_key(|a| (a.at, a.step)).and_then(|a| a.state),
        unconfirmed,
        seen_at: seen.as_ref().map(|seen| seen.at),
        worst_case_ms: worst_case_stop_ms(bot.timings, seen.as_deref()),
        bot,
    }
}

/// Computes a receipt. `acks` gives what is known of a bot since the hold's epoch, `seen` what its agent said last.
pub fn receipt(
    view: &View,
    hold: &Hold,
    now: Timestamp,
    acks: impl Fn(&BotId) -> Vec<AckSeen>,
    seen: impl Fn(&BotId) -> Option<Arc<AgentSeen>>,
) -> Receipt {
    let bots = view.under(hold).into_iter().map(|bot| {
        let (acks, seen) = (acks(&bot.id), seen(&bot.id));
        of_bot(bot, hold, now, acks, seen)
    });
    let mut bots: Vec<BotReceipt> = bots.collect();
    bots.sort_by(|a, b| a.step().cmp(&b.step()).then_with(|| a.bot.name.cmp(&b.bot.name)));
    Receipt { hold: hold.clone(), bots, at: now }
}
