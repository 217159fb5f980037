//! `/bots/{id}/limits`: a bot's own limits, and halving them. The page is that of every level (`pages/limits`).

use super::id_of;
use crate::app::limit_overrides::{Asked, Lasts};
use crate::domain::limits::Node;
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person, Posted},
    frame,
    pages::limits::{Drawn, Typed, draw, tighten_on},
    problems::Problems,
    query::{Named, Params},
};
use axum::extract::State;

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named, params: Params) -> Answer {
    let as_of = params.text("as_of").unwrap_or_default().into_owned();
    draw(&app, &person, &Node::Bot(id_of(&id)?), Drawn { as_of, ..Drawn::default() }).await
}

/// Tightens.
pub async fn tighten(State(app): Shared, person: Person, Named(id): Named, Posted(typed): Posted<Typed>) -> Answer {
    tighten_on(&app, &person, &Node::Bot(id_of(&id)?), typed).await
}

/// Which version somebody saw who halves.
#[derive(Debug, serde::Deserialize)]
pub struct Halving {
    #[serde(default)]
    version: i64,
}

/// Halves, and leads to the versions, of which the newest says so.
pub async fn halve(State(app): Shared, person: Person, Named(id): Named, Posted(halving): Posted<Halving>) -> Answer {
    let bot = id_of(&id)?;
    match app.halve_limits(&person.actor, &bot, halving.version).await {
        Ok(()) => Ok(frame::see(&format!("/bots/{id}/limits#versions"))),
        Err(error) => draw(&app, &person, &Node::Bot(bot), Drawn { problems: Problems::of_error(error)?, ..Drawn::default() }).await,
    }
}

/// A larger position for a while.
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(default)]
pub struct Larger {
    symbol: String,
    most: String,
    hours: String,
    why: String,
}

/// Asks for a larger position in one symbol for a while.
pub async fn ask_override(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<Larger>) -> Answer {
    let bot = id_of(&id)?;
    let asked = Asked { symbol: &typed.symbol, most: &typed.most, lasts: Lasts::Hours(&typed.hours), why: &typed.why };
    match app.ask_override(&person.actor, &bot, asked).await {
        Ok(request) => Ok(frame::see(&format!("/requests/{request}"))),
        Err(error) => draw(&app, &person, &Node::Bot(bot), Drawn { problems: Problems::of_error(error)?, ..Drawn::default() }).await,
    }
}
