//! Up to which epoch holds changed anything, by where they reach: what the directive of a bot needs of holds that are over as well. Looked up for
//! every bot in every pass, so that nothing here is copied to ask.

use crate::domain::{BotFacts, BotId, Epoch, Hold, Scope, SubaccountId, TeamId, VenueId};
use std::{borrow::Borrow, collections::HashMap, hash::Hash};

/// The latest epochs at which holds of one scope, or one hold, changed anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Of those that stop a bot until it is started anew.
    pub latched: Epoch,
    /// Of all.
    pub touched: Epoch,
}

impl Marks {
    /// Takes a hold in.
    pub fn add(&mut self, hold: &Hold) {
        self.touched = self.touched.max(hold.touched());
        if hold.latches() {
            self.latched = self.latched.max(hold.touched());
        }
    }
    /// Takes in what is marked elsewhere.
    pub fn join(&mut self, other: Self) {
        self.touched = self.touched.max(other.touched);
        self.latched = self.latched.max(other.latched);
    }
}

/// Marks by the scopes that could cover a bot. One symbol's hold reaches wherever it is traded: the fleet, or its venue.
#[derive(Debug, Clone, Default)]
pub(super) struct ScopeMarks {
    fleet: Marks,
    teams: HashMap<TeamId, Marks>,
    venues: HashMap<VenueId, Marks>,
    subaccounts: HashMap<SubaccountId, Marks>,
    strategies: HashMap<String, Marks>,
    bots: HashMap<BotId, Marks>,
    highest: Epoch,
}

impl ScopeMarks {
    /// Takes a hold in.
    pub fn add(&mut self, hold: &Hold) {
        self.highest = self.highest.max(hold.touched());
        let marks = match &hold.scope {
            Scope::Fleet | Scope::Symbol(_, None) => &mut self.fleet,
            Scope::Team(team) => self.teams.entry(team.clone()).or_default(),
            Scope::Venue(venue) | Scope::Symbol(_, Some(venue)) => self.venues.entry(venue.clone()).or_default(),
            Scope::Subaccount(subaccount) => self.subaccounts.entry(subaccount.clone()).or_default(),
            Scope::Strategy(name) => self.strategies.entry(name.clone()).or_default(),
            Scope::Bot(bot) => self.bots.entry(bot.clone()).or_default(),
        };
        marks.add(hold);
    }
    /// What is marked for a bot as it is now.
    pub fn around(&self, bot: &BotFacts) -> Marks {
        let mut marks = self.fleet;
        marks.join(at(&self.teams, &bot.team));
        marks.join(at(&self.strategies, &bot.strategy));
        marks.join(at(&self.bots, &bot.id));
        if let Some(seat) = &bot.seat {
            marks.join(at(&self.venues, &seat.venue));
            marks.join(at(&self.subaccounts, &seat.subaccount));
        }
        marks
    }
    /// The highest epoch of all.
    pub fn highest(&self) -> Epoch {
        self.highest
    }
}

fn at<K: Eq + Hash + Borrow<Q>, Q: Eq + Hash + ?Sized>(marks: &HashMap<K, Marks>, key: &Q) -> Marks {
    // Nearly always nothing is there.
    if marks.is_empty() { Marks::default() } else { marks.get(key).copied().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Level, Seat, Symbol, samples};

    #[test]
    fn a_bot_is_marked_by_exactly_the_holds_that_cover_it() {
        let (venue, subaccount) = (VenueId::new(), SubaccountId::new());
        let seated =
            |venue: &VenueId| BotFacts { seat: Some(Seat { subaccount: subaccount.clone(), venue: venue.clone() }), ..samples::bot() };
        let here = seated(&venue);
        let (elsewhere, nowhere) = (seated(&VenueId::new()), samples::bot());
        let btc = Symbol::parse("BTC/USDT").unwrap();
        for scope in [
            Scope::Fleet,
            Scope::Team(here.team.clone()),
            Scope::Venue(venue.clone()),
            Scope::Subaccount(subaccount.clone()),
            Scope::Strategy(here.strategy.clone()),
            Scope::Bot(here.id.clone()),
            Scope::Symbol(btc.clone(), None),
            Scope::Symbol(btc, Some(venue.clone())),
        ] {
            let mut marks = ScopeMarks::default();
            marks.add(&samples::hold(scope.clone(), Level::Pause, 7));
            assert_eq!(marks.highest(), Epoch(7));
            for bot in [&here, &elsewhere, &nowhere] {
                assert_eq!(marks.around(bot).touched, if scope.covers(bot) { Epoch(7) } else { Epoch(0) }, "{scope:?}");
            }
            assert_eq!(marks.around(&here).latched, if scope.is_symbol() { Epoch(0) } else { Epoch(7) }, "{scope:?}");
        }
    }
}
