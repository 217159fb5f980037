//! The heart: what a bot may do, as a pure function of facts. Nothing here reads a clock, a database or a network.
//! The rules are those of the model's section "What a bot may do" as corrected by rulings C1 and C10.

use super::{BotFacts, Epoch, Exits, Hold, HoldId, Level, Scope, Stage, StopFact, Symbol, Timestamp, VenueId, text::text_enum};
use std::hash::{Hash, Hasher};

text_enum! {
    /// What a bot may do; later is freer.
    State {
        /// Not trading; see `Exits` for what may go on.
        Halted = "halted",
        /// May cancel and reduce, never add.
        Reducing = "reducing",
        /// Trading within its limits.
        Active = "active",
    }
}

text_enum! {
    /// What becomes of resting orders.
    Orders {
        /// They stay.
        Keep = "keep",
        /// Entry orders are cancelled, protective ones stay.
        CancelEntries = "cancel_entries",
        /// Every order is cancelled.
        CancelAll = "cancel_all",
    }
}

/// One reason why a bot is not active.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reason {
    /// `hold` or a word of `StopKind`.
    pub kind: &'static str,
    /// The hold, when it is one.
    pub hold: Option<HoldId>,
    /// Its level.
    pub level: Option<Level>,
    /// Its scope's kind.
    pub scope: Option<&'static str>,
    /// Who placed it.
    pub by: Option<String>,
    /// In words.
    pub why: String,
    /// Since when.
    pub at: Option<Timestamp>,
}

/// A symbol in which a bot adds nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blocked {
    /// The symbol.
    pub symbol: Symbol,
    /// The venue; none: wherever it is traded.
    pub venue: Option<VenueId>,
}

/// What holds mean for one bot.
#[derive(Debug, Clone, Default)]
pub struct Cover<'a> {
    /// The unreleased holds that cover it.
    pub open: Vec<&'a Hold>,
    /// The latest epoch, of placing or release, of any pause or kill that ever covered it.
    pub latched: Epoch,
    /// The latest epoch, of placing or release, of any hold that ever covered it.
    pub touched: Epoch,
}

/// What the server tells one agent now. Computed, never stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Directive {
    /// The epoch of the latest fact that ever touched the bot.
    pub epoch: Epoch,
    /// What it may do.
    pub state: State,
    /// What becomes of resting orders.
    pub orders: Orders,
    /// What it may do while not active.
    pub exits: Exits,
    /// Forget the exchange keys.
    pub drop_keys: bool,
    /// Why it is not active; empty when it is.
    pub reasons: Vec<Reason>,
    /// The unreleased holds that cover it.
    pub holds: Vec<HoldId>,
    /// The symbols in which it adds nothing and cancels its entries, whatever it may do elsewhere. Each once, in order.
    pub blocked: Vec<Blocked>,
}

/// The epoch of the latest stop of any kind: what a start must be newer than.
pub fn latest_stop(bot: &BotFacts, cover: &Cover<'_>) -> Epoch {
    cover.latched.max(bot.stop.as_ref().map_or(Epoch(0), |stop| stop.epoch))
}

/// The bot's epoch: that of its latest fact.
pub fn epoch(bot: &BotFacts, cover: &Cover<'_>) -> Epoch {
    cover.touched.max(bot.fact_epoch).max(bot.start_epoch).max(latest_stop(bot, cover))
}

/// Computes the directive of one bot.
pub fn directive(bot: &BotFacts, cover: &Cover<'_>) -> Directive {
    Posture::of(bot, cover).directive()
}

/// Everything that a directive depends on: bots of one posture are told the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posture<'a> {
    epoch: Epoch,
    stage: Stage,
    exits: Exits,
    limits_waiting: bool,
    // Nothing started it after it was last stopped.
    is_stopped: bool,
    // The stop that is no hold, while no start came after it.
    stop: Option<Same<'a, StopFact>>,
    open: Vec<Same<'a, Hold>>,
}

// The epochs tell nearly all postures apart.
impl Hash for Posture<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.epoch, self.stage, self.exits, self.limits_waiting, self.is_stopped).hash(state);
        self.stop.map(|stop| stop.0.epoch).hash(state);
        self.open.len().hash(state);
        self.open.iter().for_each(|hold| hold.0.epoch.hash(state));
    }
}

/// A value of a snapshot: equal values are nearly always the very same one.
#[derive(Debug)]
struct Same<'a, T>(&'a T);

impl<T> Clone for Same<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Same<'_, T> {}
impl<T: PartialEq> PartialEq for Same<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0) || self.0 == other.0
    }
}
impl<T: Eq> Eq for Same<'_, T> {}

impl<'a> Posture<'a> {
    /// The posture of one bot.
    pub fn of(bot: &'a BotFacts, cover: &Cover<'a>) -> Self {
        Self {
            epoch: epoch(bot, cover),
            stage: bot.stage,
            exits: bot.exits,
            limits_waiting: bot.limits_waiting,
            is_stopped: bot.start_epoch <= latest_stop(bot, cover),
            stop: bot.stop.as_ref().filter(|stop| bot.start_epoch <= stop.epoch).map(Same),
            open: cover.open.iter().copied().map(Same).collect(),
        }
    }

    /// What bots of this posture are told.
    pub fn directive(&self) -> Directive {
        let level = self.whole().map(|hold| hold.level).max();
        let is_asleep = self.is_asleep();
        let state = if is_asleep || self.is_stopped || level.is_some_and(Level::latches) {
            State::Halted
        } else if level == Some(Level::Reduce) || self.limits_waiting {
            State::Reducing
        } else {
            State::Active
        };
        let is_killed = level == Some(Level::Kill);
        Directive {
            epoch: self.epoch,
            state,
            orders: match state {
                _ if is_killed => Orders::CancelAll,
                State::Active => Orders::Keep,
                State::Reducing | State::Halted => Orders::CancelEntries,
            },
            exits: if is_killed || is_asleep { Exits::None } else { self.exits },
            drop_keys: is_killed,
            reasons: if state == State::Active { Vec::new() } else { self.reasons() },
            holds: self.open.iter().map(|hold| hold.0.id.clone()).collect(),
            blocked: self.blocked(),
        }
    }

    /// The holds that are about all that the bot does.
    fn whole(&self) -> impl Iterator<Item = &'a Hold> {
        self.open.iter().map(|hold| hold.0).filter(|hold| !hold.scope.is_symbol())
    }

    fn blocked(&self) -> Vec<Blocked> {
        let symbol = |hold: &Same<'_, Hold>| match &hold.0.scope {
            Scope::Symbol(symbol, venue) => Some(Blocked { symbol: symbol.clone(), venue: venue.clone() }),
            _ => None,
        };
        let mut all: Vec<Blocked> = self.open.iter().filter_map(symbol).collect();
        all.sort();
        all.dedup();
        all
    }

    fn is_asleep(&self) -> bool {
        matches!(self.stage, Stage::Draft | Stage::Retired)
    }

    fn reasons(&self) -> Vec<Reason> {
        let plain = |kind, why: &str, at| Reason { kind, hold: None, level: None, scope: None, by: None, why: why.to_owned(), at };
        let mut all: Vec<Reason> = self.whole().map(Reason::of).collect();
        if self.is_asleep() {
            all.push(plain("stage", &format!("stage is {}", self.stage), None));
        }
        match self.stop {
            Some(Same(stop)) => all.push(plain(stop.kind.as_str(), &stop.why, Some(stop.at))),
            None if self.is_stopped => all.push(plain("not_started", "not started since it was last held", None)),
            None => {}
        }
        if self.limits_waiting && !self.is_stopped {
            all.push(plain("limits_not_acknowledged", "a tightening of its limits is not acknowledged yet", None));
        }
        all
    }
}

impl Reason {
    fn of(hold: &Hold) -> Self {
        Self {
            kind: "hold",
            hold: Some(hold.id.clone()),
            level: Some(hold.level),
            scope: Some(hold.scope.kind()),
            by: Some(hold.placed_by.name.clone()),
            why: hold.why.clone(),
            at: Some(hold.at),
        }
    }
}

#[cfg(test)]
mod tests;
