//! The heart: what a bot may do, as a pure function of facts. Nothing here reads a clock, a database or a network.
//! The rules are those of the model's section "What a bot may do" as corrected by rulings C1 and C10.

use super::{BotFacts, Epoch, Exits, Hold, HoldId, Level, Stage, Timestamp, text::text_enum};

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
    let level = cover.open.iter().map(|hold| hold.level).max();
    let stopped = bot.start_epoch <= latest_stop(bot, cover);
    let asleep = matches!(bot.stage, Stage::Draft | Stage::Retired);
    let state = if asleep || stopped || level.is_some_and(Level::latches) {
        State::Halted
    } else if level == Some(Level::Reduce) || bot.limits_waiting {
        State::Reducing
    } else {
        State::Active
    };
    let killed = level == Some(Level::Kill);
    Directive {
        epoch: epoch(bot, cover),
        state,
        orders: match state {
            _ if killed => Orders::CancelAll,
            State::Active => Orders::Keep,
            State::Reducing | State::Halted => Orders::CancelEntries,
        },
        exits: if killed || asleep { Exits::None } else { bot.exits },
        drop_keys: killed,
        reasons: if state == State::Active { Vec::new() } else { reasons(bot, cover, stopped, asleep) },
        holds: cover.open.iter().map(|hold| hold.id.clone()).collect(),
    }
}

fn reasons(bot: &BotFacts, cover: &Cover<'_>, stopped: bool, asleep: bool) -> Vec<Reason> {
    let plain = |kind, why: &str, at| Reason { kind, hold: None, level: None, scope: None, by: None, why: why.to_owned(), at };
    let mut all: Vec<Reason> = cover
        .open
        .iter()
        .map(|hold| Reason {
            kind: "hold",
            hold: Some(hold.id.clone()),
            level: Some(hold.level),
            scope: Some(hold.scope.kind()),
            by: Some(hold.placed_by.name.clone()),
            why: hold.why.clone(),
            at: Some(hold.at),
        })
        .collect();
    if asleep {
        all.push(plain("stage", &format!("stage is {}", bot.stage), None));
    }
    match &bot.stop {
        Some(stop) if bot.start_epoch <= stop.epoch => all.push(plain(stop.kind.as_str(), &stop.why, Some(stop.at))),
        _ if stopped => all.push(plain("not_started", "not started since it was last held", None)),
        _ => {}
    }
    if bot.limits_waiting && !stopped {
        all.push(plain("limits_not_acknowledged", "a tightening of its limits is not acknowledged yet", None));
    }
    all
}

#[cfg(test)]
mod tests;
