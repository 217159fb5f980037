//! What people call a scope: from words to it, and back. A name that fits several is refused with all of them, since a stop that takes one of
//! them by itself misses the other.

use super::{App, AppError, Invalid};
use crate::domain::{Scope, Symbol, VenueId, limits::Node};

/// Finds what has this id, else what has this name, else the only one that has it in another case.
///
/// # Errors
/// `NotFound`; `Invalid` with every spelling, when several have it in another case.
pub(super) fn named<'a, T>(what: &'static str, all: impl Iterator<Item = (&'a str, &'a str, T)>, name: &str) -> Result<T, AppError> {
    let (name, lower) = (name.trim(), name.trim().to_lowercase());
    let mut found = Vec::new();
    for (id, called, one) in all {
        if id == name || called == name {
            return Ok(one);
        }
        if called.to_lowercase() == lower {
            found.push((called, one));
        }
    }
    match found.len() {
        0 | 1 => found.pop().map(|(_, one)| one).ok_or(AppError::NotFound(what)),
        n => {
            let spelt: Vec<&str> = found.iter().map(|(called, _)| *called).collect();
            let said = format!("{n} have that name in another case: {}; write it as the {what} that is meant is written", spelt.join(", "));
            Err(Invalid::one(what, said).into())
        }
    }
}

impl App {
    /// The scope that words describe: `fleet`, or a kind with a name (whatever its case, where only one has it) or an id. A subaccount may be
    /// written `VENUE/NAME`, a symbol `SYMBOL` or `SYMBOL@VENUE`.
    ///
    /// # Errors
    /// `Invalid` for an unknown kind, or a name that several have; `NotFound` for what is not there.
    pub fn scope_named(&self, kind: &str, name: &str) -> Result<Scope, AppError> {
        let view = self.fleet.view();
        match kind {
            "fleet" => Ok(Scope::Fleet),
            "team" => {
                let teams = self.people_book.teams();
                named("team", teams.iter().map(|team| (team.id.as_str(), team.name.as_str(), Scope::Team(team.id.clone()))), name)
            }
            "venue" => self.venues().named(name).map(|venue| Scope::Venue(venue.id)),
            "subaccount" => self.venues().subaccount_named(name).map(|subaccount| Scope::Subaccount(subaccount.id)),
            "strategy" => {
                // Its name is its id.
                let mut all: Vec<&str> = view.bots().map(|bot| bot.strategy.as_str()).collect();
                all.sort_unstable();
                all.dedup();
                named("strategy", all.iter().map(|one| (*one, *one, Scope::Strategy((*one).to_owned()))), name)
            }
            "bot" => {
                named("bot", view.bots().map(|bot| (bot.id.as_str(), bot.name.as_str(), &bot.id)), name).map(|id| Scope::Bot(id.clone()))
            }
            "symbol" => {
                let (symbol, venue) = name.split_once('@').map_or((name, None), |(symbol, venue)| (symbol, Some(venue)));
                let symbol = Symbol::parse(symbol).map_err(|bad| Invalid::one("symbol", format!("{symbol} {bad}")))?;
                let venue = venue.map(|venue| self.venues().named(venue)).transpose()?;
                Ok(Scope::Symbol(symbol, venue.map(|venue| venue.id)))
            }
            _ => Err(Invalid::one("scope", format!("scope must be one of {}", Scope::KINDS.join(", "))).into()),
        }
    }

    /// The level of limits that words describe: `installation`, `team:TEAM`, `bot:BOT` or `symbol:BOT:SYMBOL`, each by name or id.
    ///
    /// # Errors
    /// `Invalid` for a name that several have, or what is no symbol; `NotFound` for what is not there.
    pub fn level_named(&self, text: &str) -> Result<Node, AppError> {
        let missing = || AppError::NotFound("level of limits");
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let bot = |name: &str| match self.scope_named("bot", name)? {
            Scope::Bot(bot) => Ok(bot),
            _ => Err(missing()),
        };
        match kind {
            "installation" if kind == text => Ok(Node::Installation),
            "team" => match self.scope_named("team", rest)? {
                Scope::Team(team) => Ok(Node::Team(team)),
                _ => Err(missing()),
            },
            "bot" => bot(rest).map(Node::Bot),
            "symbol" => {
                let (name, symbol) = rest.split_once(':').ok_or_else(missing)?;
                let symbol = Symbol::parse(symbol).map_err(|bad| Invalid::one("level", format!("The symbol {bad}")))?;
                Ok(Node::Symbol(bot(name)?, symbol))
            }
            _ => Err(missing()),
        }
    }

    /// A scope in words: `the whole fleet`, `team trend`, `venue binance`, `bot grid-btc`, `BTC/USDT everywhere`.
    pub fn scope_words(&self, scope: &Scope) -> String {
        match scope {
            Scope::Fleet => "the whole fleet".to_owned(),
            Scope::Team(id) => format!("team {}", self.people().team_name(id).unwrap_or_else(|| id.to_string())),
            Scope::Venue(id) => format!("venue {}", self.venue_name(id)),
            Scope::Subaccount(id) => {
                let found = self.venues().subaccount(id);
                format!("subaccount {}", found.map_or_else(|| id.to_string(), |subaccount| self.venues().label(&subaccount)))
            }
            Scope::Strategy(name) => format!("strategy {name}"),
            Scope::Bot(id) => format!("bot {}", self.fleet.view().bot(id).map_or_else(|| id.to_string(), |bot| bot.name.clone())),
            Scope::Symbol(symbol, None) => format!("{symbol} everywhere"),
            Scope::Symbol(symbol, Some(venue)) => format!("{symbol} at venue {}", self.venue_name(venue)),
        }
    }

    fn venue_name(&self, id: &VenueId) -> String {
        self.venues().venue(id).map_or_else(|| id.to_string(), |venue| venue.name)
    }
}
