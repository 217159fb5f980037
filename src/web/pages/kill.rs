//! `/kill`: the strictest stop, in two steps: what, then a page that says what it does and has the button. No key and no second person is asked for;
//! to come back takes two people, new keys and a new approval.

use super::pause::Choice;
use crate::app::{App, AppError};
use crate::authz::{self, Action, Actor, Resource};
use crate::crypto::token;
use crate::domain::{BotFacts, Scope, Stage};
use crate::web::{
    Answer, Shared, WebError,
    extract::Person,
    format, frame,
    page::{Frame, Scripts},
    query::Params,
    roster::bots,
};
use askama::Template;
use axum::extract::State;
use std::collections::HashMap;

/// Bots named on the page that has the button, at most.
const NAMED: usize = 12;

/// What is about to be killed.
struct Check {
    scope: String,
    words: String,
    bots: usize,
    names: String,
    /// Names of bots that are bound to those and are not among them.
    bound: String,
}

#[derive(Template)]
#[template(path = "kill.html")]
struct Kill {
    frame: Frame,
    key: String,
    /// What can be killed; empty on the second page.
    choices: Vec<Choice>,
    /// How many more there are than are offered; empty: none.
    more: String,
    check: Option<Check>,
}

/// The page: without a scope the choice, with one the button.
pub async fn show(State(app): Shared, person: Person, params: Params) -> Answer {
    authz::check(&person.actor, Action::PlaceKill, &Resource::Installation).map_err(AppError::from)?;
    let check = match params.text("scope") {
        None => None,
        Some(text) => Some(check(&app, &person.actor, &text)?),
    };
    let mut frame = frame::of(&app, &person.visitor, "Kill bots").await;
    frame.scripts = Scripts::None;
    let (choices, more) = if check.is_some() { (Vec::new(), 0) } else { choices(&app, &person.actor) };
    frame::page(&Kill {
        frame,
        key: token::random::<16>().map_err(AppError::from)?,
        choices,
        more: if more == 0 { String::new() } else { format::count(more as i128) },
        check,
    })
}

fn check(app: &App, actor: &Actor, text: &str) -> Result<Check, WebError> {
    let scope = Scope::from_one(text).filter(|scope| !scope.is_symbol()).ok_or_else(WebError::not_found)?;
    authz::check(actor, Action::PlaceKill, &app.scope_resource(&scope)?).map_err(AppError::from)?;
    let covered = app.fleet.view().in_scope(&scope);
    let more = covered.len().saturating_sub(NAMED);
    let names = covered.iter().take(NAMED).map(|bot| bot.name.as_str()).collect::<Vec<_>>().join(", ");
    let names = if more == 0 { names } else { format!("{names} and {more} more") };
    let mut bound: Vec<String> = covered
        .iter()
        .flat_map(|bot| app.venues().linked(&bot.id))
        .filter_map(|id| app.fleet.view().bot(&id).filter(|bot| !scope.covers(bot)).map(|bot| bot.name.clone()))
        .collect();
    bound.sort();
    bound.dedup();
    Ok(Check { scope: scope.in_one(), words: frame::scope_words(app, &scope), bots: covered.len(), names, bound: bound.join(", ") })
}

/// Scopes offered, at most: the widest first. What is beyond is reached by its own page or the command line.
const OFFERED: usize = 200;

/// How many bots each scope has, in one pass over them; retired ones trade nowhere.
fn counted<'a>(bots: impl Iterator<Item = &'a BotFacts>) -> HashMap<Scope, usize> {
    let mut counts = HashMap::new();
    for bot in bots.filter(|bot| bot.stage != Stage::Retired) {
        let seat = bot.seat.iter().flat_map(|seat| [Scope::Venue(seat.venue.clone()), Scope::Subaccount(seat.subaccount.clone())]);
        for scope in [Scope::Fleet, Scope::Team(bot.team.clone()), Scope::Strategy(bot.strategy.clone())].into_iter().chain(seat) {
            *counts.entry(scope).or_default() += 1;
        }
    }
    counts
}

/// Everything that this person may kill and that has bots, and how many more there are; single bots are reached from their own pages.
fn choices(app: &App, actor: &Actor) -> (Vec<Choice>, usize) {
    let view = app.fleet.view();
    let counts = counted(view.bots().map(AsRef::as_ref));
    let mut strategies: Vec<&String> =
        counts.keys().filter_map(|scope| if let Scope::Strategy(name) = scope { Some(name) } else { None }).collect();
    strategies.sort();
    let all = [Scope::Fleet]
        .into_iter()
        .chain(app.people().teams().into_iter().map(|team| Scope::Team(team.id)))
        .chain(app.venues().venues().into_iter().map(|venue| Scope::Venue(venue.id)))
        .chain(app.venues().subaccounts().into_iter().map(|one| Scope::Subaccount(one.id)))
        .chain(strategies.into_iter().cloned().map(Scope::Strategy))
        .filter(|scope| counts.contains_key(scope));
    let may = |scope: &Scope| app.scope_resource(scope).is_ok_and(|resource| authz::check(actor, Action::PlaceKill, &resource).is_ok());
    let mut all = all.filter(may);
    let choice = |scope: Scope| {
        let n = counts.get(&scope).copied().unwrap_or_default();
        Choice { words: frame::scope_words(app, &scope), scope: scope.in_one(), note: bots(n) }
    };
    let offered = all.by_ref().take(OFFERED).map(choice).collect();
    (offered, all.count())
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    let draw = |choices, check| {
        let frame = Frame { held: None, scripts: Scripts::None, ..Frame::sample("Kill bots", "/kill") };
        Kill { frame, key: "key".to_owned(), choices, more: "3".to_owned(), check }.render().unwrap()
    };
    let choice = |scope: &str, words: &str| Choice { scope: scope.to_owned(), words: words.to_owned(), note: "13 bots".to_owned() };
    let check = Check {
        scope: "team:1".to_owned(),
        words: "team grid".to_owned(),
        bots: 2,
        names: "grid-01, grid-02".to_owned(),
        bound: "grid-01 hedge".to_owned(),
    };
    vec![
        ("kill".to_owned(), draw(vec![choice("fleet", "the whole fleet"), choice("team:1", "team grid")], None)),
        ("kill-nothing".to_owned(), draw(Vec::new(), None)),
        ("kill-check".to_owned(), draw(Vec::new(), Some(check))),
    ]
}
