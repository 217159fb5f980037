//! `/venues`: exchanges, each in one environment, and the subaccounts at them; which bot has which.

use crate::app::App;
use crate::authz::{self, Action, Resource};
use crate::domain::{Environment, Stage};
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

/// A subaccount, and the bot that has it.
struct Sub {
    name: String,
    /// Path and name; none: it is free.
    bot: Option<(String, String)>,
}

/// A venue.
struct Row {
    id: String,
    name: String,
    environment: Environment,
    subaccounts: Vec<Sub>,
}

#[derive(Template)]
#[template(path = "venues.html")]
struct Venues {
    frame: Frame,
    problems: Problems,
    typed: Typed,
    rows: Vec<Row>,
    may_edit: bool,
}

/// What was typed into either form.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Typed {
    #[serde(default)]
    name: String,
    #[serde(default)]
    environment: String,
    #[serde(default)]
    venue: String,
    #[serde(default)]
    subaccount: String,
}

/// Every venue.
pub async fn index(State(app): Shared, person: Person) -> Answer {
    draw(&app, &person, Typed::default(), Problems::none()).await
}

/// Writes a venue down.
pub async fn create(State(app): Shared, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    match app.create_venue(&person.actor, &typed.name, &typed.environment).await {
        Ok(_) => Ok(frame::see("/venues")),
        Err(error) => draw(&app, &person, typed, Problems::of_error(error)?).await,
    }
}

/// Writes a subaccount down.
pub async fn create_subaccount(State(app): Shared, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    match app.create_subaccount(&person.actor, &typed.venue, &typed.subaccount).await {
        Ok(_) => Ok(frame::see("/venues")),
        Err(error) => {
            let mut problems = Problems::none();
            for problem in Problems::of_error(error)?.all() {
                problems.add(if problem.field == "name" { "subaccount" } else { problem.field }, problem.words.clone());
            }
            draw(&app, &person, typed, problems).await
        }
    }
}

async fn draw(app: &App, person: &Person, typed: Typed, problems: Problems) -> Answer {
    authz::check(&person.actor, Action::See, &Resource::Installation).map_err(crate::app::AppError::from)?;
    let view = app.fleet.view();
    let subaccounts = app.venues().subaccounts();
    let bot_of = |id: &crate::domain::SubaccountId| {
        let has = |bot: &&std::sync::Arc<crate::domain::BotFacts>| {
            bot.stage != Stage::Retired && bot.seat.as_ref().is_some_and(|seat| seat.subaccount == *id)
        };
        view.bots().find(has).map(|bot| (format!("/bots/{}", bot.id), bot.name.clone()))
    };
    let rows = app.venues().venues().into_iter().map(|venue| Row {
        subaccounts: subaccounts
            .iter()
            .filter(|one| one.venue_id == venue.id)
            .map(|one| Sub { name: one.name.clone(), bot: bot_of(&one.id) })
            .collect(),
        id: venue.id.to_string(),
        name: venue.name,
        environment: venue.environment,
    });
    let rows = rows.collect();
    let mut frame = frame::of(app, &person.visitor, "Venues").await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let may_edit = authz::check(&person.actor, Action::EditVenues, &Resource::Installation).is_ok();
    frame::page_with(status, &Venues { frame, problems, typed, rows, may_edit })
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let draw = |rows, may_edit, problems| {
        let frame = Frame { held: None, ..Frame::sample("Venues", "/venues") };
        Venues { frame, problems, typed: Typed { venue: samples::id(60), ..Typed::default() }, rows, may_edit }.render().unwrap()
    };
    let row = |n: usize, name: &str, environment| Row {
        id: samples::id(n),
        name: name.to_owned(),
        environment,
        subaccounts: vec![
            Sub { name: "grid-7".to_owned(), bot: Some(("/bots/7".to_owned(), "grid-07".to_owned())) },
            Sub { name: "spare".to_owned(), bot: None },
        ],
    };
    let rows = vec![row(60, "binance", Environment::Live), row(61, "binance testnet", Environment::Test)];
    vec![
        ("venues".to_owned(), draw(rows, true, Problems::one("name", "There is a venue of that name."))),
        ("venues-none".to_owned(), draw(Vec::new(), false, Problems::none())),
    ]
}
