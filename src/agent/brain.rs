//! What an agent may believe: a pure state machine. No I/O, no clock; every moment is an argument in boot-clock milliseconds.
//! The rules are those of the protocol's "When an agent may believe `active`" as corrected by rulings H1, H2, H9 to H11 and H20: whatever it
//! hears or forgets may stop the bot, and only a start newer than every stop, under a running lease, may free it.

use super::memory::Memory;
use crate::domain::{Epoch, Exits, Level, Orders, State, text};
use crate::protocol::{BlockedFrame, CarriedHold, DirectiveFrame, MAX_CARRIED};

/// What the bot's adapter can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Powers {
    /// It can let the bot reduce without adding. Without this every order to reduce is a halt (ruling H20).
    pub can_reduce: bool,
    /// It can tell entries from exits, and so let a halted bot manage its exits (ruling C1).
    pub can_manage_exits: bool,
    /// How long it needs at most to leave out one symbol with proof, while the bot goes on elsewhere; none: it cannot. Milliseconds.
    pub leaves_out_within_ms: Option<i64>,
}

/// How long silence is borne. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Patience {
    /// Without a renewal for this long the bot adds nothing.
    pub stale_after_ms: i64,
    /// Without a renewal for this long the bot is halted.
    pub lapse_after_ms: i64,
}

/// What the bot is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// What it may do.
    pub state: State,
    /// What becomes of resting orders.
    pub orders: Orders,
    /// What it may do while it is not active.
    pub exits: Exits,
}

impl Wanted {
    /// True when a bot that is being told `other` must hear this instead, at once: it may do less, or has more to cancel or to leave. Of an
    /// active bot neither orders nor exits are wanted.
    pub fn is_stricter_than(&self, other: &Self) -> bool {
        let leaves_less = self.orders > other.orders || self.exits > other.exits;
        self.state < other.state || (self.state == other.state && self.state != State::Active && leaves_less)
    }
}

/// The strictest thing to want: what holds before anything was heard.
pub const STANDSTILL: Wanted = Wanted { state: State::Halted, orders: Orders::CancelEntries, exits: Exits::None };

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Told {
    state: State,
    orders: Orders,
    exits: Exits,
}

// Symbols in which the bot adds nothing (ruling M3). What is not proved to be left out by the bot has the whole bot reduced; while it trades, only
// after the time that its adapter needs to prove it, as with any other stop.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct LeftOut {
    // Those that a server which is behind named beside.
    behind: Vec<BlockedFrame>,
    // What the adapter has proved.
    proved: Vec<BlockedFrame>,
    // Since when one is not proved.
    open_since_ms: Option<i64>,
    // The adapter says that it could not.
    failed: bool,
    // It was proved before, of the same symbols: a look that fails is borne for as long as a proof takes.
    slipped: bool,
    // The whole bot is reduced for one.
    reduces: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Lease {
    sent_at_ms: i64,
    until_ms: i64,
}

/// The state machine of one boot of one agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Brain {
    memory: Memory,
    powers: Powers,
    patience: Patience,
    // The last directive at the highest epoch.
    told: Option<Told>,
    // The last directive, when its epoch was below the highest: such a server may only stop the bot.
    behind: Option<Told>,
    left_out: LeftOut,
    // The newest start heard since the last stop.
    start: Option<Epoch>,
    lease: Option<Lease>,
    lapses: u64,
    lapse_untold: bool,
    limits_version: Option<i64>,
    state: State,
    because: &'static str,
}

impl Brain {
    /// A new boot: halted, and nothing heard before counts as a start. `None` when the memory is missing or broken.
    pub fn boot(memory: Option<Memory>, powers: Powers, patience: Patience) -> Self {
        let mut memory = memory.unwrap_or_default();
        memory.start_after = memory.start_after.map(|after| after.max(memory.highest));
        Self {
            memory,
            powers,
            patience,
            told: None,
            behind: None,
            left_out: LeftOut::default(),
            start: None,
            lease: None,
            lapses: 0,
            lapse_untold: false,
            limits_version: None,
            state: State::Halted,
            because: "the agent has just started",
        }
    }

    /// What a bot may do while it is halted, as far as it is known before its agent has heard anything: what a minder halts it by.
    pub fn exits_at_boot(memory: Option<Memory>, powers: Powers) -> Exits {
        Self::boot(memory, powers, Patience { stale_after_ms: 0, lapse_after_ms: 0 }).wanted().exits
    }

    /// Takes a directive from the server, in whatever order it comes and however often.
    pub fn hear(&mut self, frame: &DirectiveFrame, now_ms: i64) {
        self.tick(now_ms);
        let known = self.memory.start_after;
        self.memory.start_after = Some(known.unwrap_or_else(|| frame.epoch.max(self.memory.highest)));
        let told = Told { state: frame.state, orders: frame.orders, exits: frame.exits };
        let mut blocked = frame.blocked.clone();
        blocked.sort();
        blocked.dedup();
        if frame.epoch >= self.memory.highest {
            self.memory.highest = frame.epoch;
            self.memory.exits = Some(frame.exits);
            self.told = Some(told);
            self.behind = None;
            self.left_out.slipped &= self.memory.blocked.as_ref() == Some(&blocked);
            self.memory.blocked = Some(blocked);
            self.left_out.behind = Vec::new();
            self.limits_version = Some(frame.limits.version);
            // A start is a fact of the bot, so its epoch is at most the bot's; anything else would outlive the stops to come.
            let start = frame.start.as_ref().map(|start| start.epoch).filter(|start| *start <= frame.epoch);
            self.start = self.start.max(start);
        } else {
            self.behind = Some(told);
            self.left_out.slipped &= self.left_out.behind == blocked;
            self.left_out.behind = blocked;
        }
        self.carry(frame);
        self.settle(now_ms);
    }

    fn carry(&mut self, frame: &DirectiveFrame) {
        for hold in &frame.unrecorded {
            if let Some(known) = self.memory.carried.iter_mut().find(|known| known.id == hold.id) {
                known.level = known.level.max(hold.level);
            } else if self.memory.carried.len() >= MAX_CARRIED {
                self.memory.overflowed = true;
            } else {
                self.memory.carried.push(CarriedHold {
                    id: hold.id.clone(),
                    level: hold.level,
                    by: hold.by.chars().take(100).collect(),
                    why: text::why_lenient(&hold.why),
                    at: Some(hold.at),
                });
            }
        }
        self.memory.carried.retain(|hold| !frame.recorded.contains(&hold.id) && !frame.released.contains(&hold.id));
        if self.memory.carried.is_empty() {
            self.memory.overflowed = false;
        }
    }

    /// Takes a renewal: it answers the check-in sent at `sent_at_ms`, and the lease runs from there, however late the answer comes.
    /// `lapses_told` is the number of lapses that check-in spoke of.
    pub fn renewed(&mut self, sent_at_ms: i64, lease_ms: i64, lapses_told: u64, now_ms: i64) {
        self.tick(now_ms);
        if lease_ms > 0 && sent_at_ms <= now_ms && self.lease.is_none_or(|lease| lease.sent_at_ms <= sent_at_ms) {
            let until_ms = sent_at_ms.saturating_add(lease_ms.min(self.patience.lapse_after_ms));
            self.lease = Some(Lease { sent_at_ms, until_ms });
        }
        if lapses_told >= self.lapses {
            self.lapse_untold = false;
        }
        self.settle(now_ms);
    }

    /// Lets time pass: without a renewal the bot goes stale, then lapses.
    pub fn tick(&mut self, now_ms: i64) {
        self.settle(now_ms);
    }

    /// The credential has ended, another boot took over, or the server is not the one enrolled at: a stop, and no lease.
    pub fn cut_off(&mut self, because: &'static str, now_ms: i64) {
        self.tick(now_ms);
        self.lease = None;
        self.latch(because);
    }

    /// The bot ended, restarted or could not be started: a stop.
    pub fn bot_stopped(&mut self, because: &'static str, now_ms: i64) {
        self.tick(now_ms);
        self.latch(because);
        // Another instance of it knows of no symbol.
        self.left_out.proved = Vec::new();
        self.settle(now_ms);
    }

    /// The adapter has proved that the bot leaves these symbols out.
    pub fn leaves_out(&mut self, symbols: &[BlockedFrame], now_ms: i64) {
        self.tick(now_ms);
        self.left_out.proved = symbols.to_vec();
        (self.left_out.failed, self.left_out.slipped) = (false, false);
        self.settle(now_ms);
    }

    /// The adapter could not prove it: until it can the whole bot is reduced. One that had proved it before gets the time of a proof.
    pub fn leaves_nothing_out(&mut self, now_ms: i64) {
        self.tick(now_ms);
        self.left_out.slipped |= self.left_out.open_since_ms.is_none();
        self.left_out.failed = !self.left_out.slipped;
        self.left_out.proved = Vec::new();
        self.settle(now_ms);
    }

    /// The server says how long silence is borne. A running lease is cut to it, never stretched.
    pub fn set_patience(&mut self, patience: Patience, now_ms: i64) {
        self.tick(now_ms);
        self.patience = patience;
        if let Some(lease) = &mut self.lease {
            lease.until_ms = lease.until_ms.min(lease.sent_at_ms.saturating_add(patience.lapse_after_ms));
        }
        self.settle(now_ms);
    }

    fn settle(&mut self, now_ms: i64) {
        let leased = self.lease.is_some_and(|lease| now_ms < lease.until_ms);
        if !leased && self.state != State::Halted {
            self.lapses += 1;
            self.lapse_untold = true;
            self.latch("the lease ran out");
        }
        self.left_out.reduces = self.is_reduced_for_a_symbol(now_ms);
        let heard = |state: State| [self.told, self.behind].iter().flatten().any(|told| told.state == state);
        let carried = self.carried_level();
        let reduce = heard(State::Reducing) || self.behind.is_some() || self.left_out.reduces || carried == Some(Level::Reduce);
        if heard(State::Halted) {
            self.latch("the server says halted");
        } else if carried.is_some_and(Level::latches) {
            self.latch("a hold that no database has yet");
        } else if reduce && !self.powers.can_reduce {
            self.latch("told to reduce, which this kind of bot cannot");
        } else if self.start.is_none() || self.start <= self.memory.start_after || !leased {
            self.state = State::Halted;
        } else if reduce || (self.powers.can_reduce && self.is_stale(now_ms)) {
            self.state = State::Reducing;
            self.because = match reduce {
                _ if self.left_out.reduces => "a symbol is held, and nothing proves that the bot leaves out that one alone",
                true => "the server says reducing",
                false => "no renewal lately",
            };
        } else {
            self.state = State::Active;
            self.because = "started";
        }
    }

    // Only a start above what has been heard so far counts from here on. Before the first directive that is left open: its epoch will do.
    fn latch(&mut self, because: &'static str) {
        if self.state != State::Halted {
            self.because = because;
        }
        self.memory.start_after = self.memory.start_after.map(|after| after.max(self.memory.highest));
        self.start = None;
        self.state = State::Halted;
    }

    fn is_reduced_for_a_symbol(&mut self, now_ms: i64) -> bool {
        let out = &mut self.left_out;
        let mut all = self.memory.blocked.iter().flatten().chain(&out.behind);
        if all.all(|one| out.proved.contains(one)) {
            out.open_since_ms = None;
            return false;
        }
        let since_ms = *out.open_since_ms.get_or_insert(now_ms);
        let is_borne = |within_ms: i64| !out.failed && self.state == State::Active && now_ms < since_ms.saturating_add(within_ms);
        !self.powers.leaves_out_within_ms.is_some_and(is_borne)
    }

    fn is_stale(&self, now_ms: i64) -> bool {
        self.lease.is_none_or(|lease| now_ms >= lease.sent_at_ms.saturating_add(self.patience.stale_after_ms))
    }

    fn carried_level(&self) -> Option<Level> {
        let level = self.memory.carried.iter().map(|hold| hold.level).max();
        if self.memory.overflowed { level.max(Some(Level::Pause)) } else { level }
    }

    /// What the bot is to do. Call `tick` first.
    pub fn wanted(&self) -> Wanted {
        let heard = || [self.told, self.behind].into_iter().flatten();
        let carried = self.carried_level();
        let said = heard().map(|told| told.orders).max().unwrap_or(Orders::Keep);
        let orders = match self.state {
            State::Active => Orders::Keep,
            _ if carried == Some(Level::Kill) => Orders::CancelAll,
            State::Halted => said.max(Orders::CancelEntries),
            // Staleness alone refuses what is new and leaves what rests: ten seconds of silence must not empty the book (ruling H11).
            State::Reducing if self.behind.is_some() || carried.is_some() || self.left_out.reduces => said.max(Orders::CancelEntries),
            State::Reducing => said,
        };
        let managed = self.powers.can_manage_exits
            && carried != Some(Level::Kill)
            && (self.told.is_some() || self.memory.exits == Some(Exits::Managed))
            && heard().all(|told| told.exits == Exits::Managed);
        Wanted { state: self.state, orders, exits: if managed { Exits::Managed } else { Exits::None } }
    }

    /// The symbols in which the bot adds nothing, sorted. None before a server was heard in this boot: what an earlier one had the bot leave out
    /// stays so until then.
    pub fn blocked(&self) -> Option<Vec<BlockedFrame>> {
        self.told.or(self.behind)?;
        let mut all: Vec<BlockedFrame> = self.memory.blocked.iter().flatten().chain(&self.left_out.behind).cloned().collect();
        all.sort();
        all.dedup();
        Some(all)
    }
    /// A symbol is to be left out and that is not proved yet: what the bot does meanwhile is not what it was told.
    pub fn waits_for_proof(&self) -> bool {
        self.left_out.open_since_ms.is_some()
    }
    /// What must be on disk before the bot may be freed.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }
    /// Why the bot is in this state.
    pub fn because(&self) -> &'static str {
        self.because
    }
    /// The limits version last heard.
    pub fn limits_version(&self) -> Option<i64> {
        self.limits_version
    }
    /// The lease ran out while the bot was not halted, and the server has not answered a check-in that says so.
    pub fn lapsed(&self) -> bool {
        self.lapse_untold
    }
    /// How often that has happened in this boot.
    pub fn lapses(&self) -> u64 {
        self.lapses
    }
    /// The server knows less than this agent, and no hold that it carries explains it.
    pub fn server_behind(&self) -> bool {
        self.behind.is_some() && self.memory.carried.is_empty()
    }
    /// Until when the bot may go on without another renewal; `None` without a lease.
    pub fn lease_until_ms(&self) -> Option<i64> {
        self.lease.map(|lease| lease.until_ms)
    }
    /// The next moment at which time alone changes something.
    pub fn next_change_ms(&self) -> Option<i64> {
        let lease = self.lease.filter(|_| self.state != State::Halted)?;
        let stale_at = lease.sent_at_ms.saturating_add(self.patience.stale_after_ms);
        let is_active = self.state == State::Active;
        let proof = self.left_out.open_since_ms.zip(self.powers.leaves_out_within_ms).filter(|_| is_active);
        let next = if is_active && self.powers.can_reduce { lease.until_ms.min(stale_at) } else { lease.until_ms };
        Some(proof.map_or(next, |(since_ms, within_ms)| next.min(since_ms.saturating_add(within_ms))))
    }
}

#[cfg(test)]
mod tests;
