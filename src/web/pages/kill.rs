//! `/kill`: the strictest stop, in two steps: what, then a page that says what it does and has the button. No key and no second person is asked for;
//! to come back takes two people, new keys and a new approval.

use super::pause::Choice;
use crate::app::{App, AppError};
use crate::authz::{self, Action, Actor, Resource};
use crate::crypto::token;
use crate::domain::Scope;
use crate::web::{
    Answer, Shared, WebError,
    extract::Person,
    frame,
    page::{Frame, Scripts},
    query::Params,
    roster::bots,
};
use askama::Template;
use axum::extract::State;

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
    let choices = if check.is_some() { Vec::new() } else { choices(&app, &person.actor) };
    frame::page(&Kill { frame, key: token::random::<16>().map_err(AppError::from)?, choices, check })
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

/// Everything that this person may kill and that has bots; single bots are reached from their own pages.
fn choices(app: &App, actor: &Actor) -> Vec<Choice> {
    let view = app.fleet.view();
    let mut strategies: Vec<String> = view.bots().map(|bot| bot.strategy.clone()).collect();
    strategies.sort();
    strategies.dedup();
    let all = [Scope::Fleet]
        .into_iter()
        .chain(app.people().teams().into_iter().map(|team| Scope::Team(team.id)))
        .chain(app.venues().venues().into_iter().map(|venue| Scope::Venue(venue.id)))
        .chain(app.venues().subaccounts().into_iter().map(|one| Scope::Subaccount(one.id)))
        .chain(strategies.into_iter().map(Scope::Strategy));
    let choice = |scope: Scope| {
        let may = app.scope_resource(&scope).is_ok_and(|resource| authz::check(actor, Action::PlaceKill, &resource).is_ok());
        let n = view.in_scope(&scope).len();
        let words = frame::scope_words(app, &scope);
        (may && n > 0).then(|| Choice { scope: scope.in_one(), words, note: bots(n) })
    };
    all.filter_map(choice).collect()
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    let draw = |choices, check| {
        let frame = Frame { held: None, scripts: Scripts::None, ..Frame::sample("Kill bots", "/kill") };
        Kill { frame, key: "key".to_owned(), choices, check }.render().unwrap()
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
