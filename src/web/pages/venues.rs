//! `/venues`: exchanges, each in one environment, with their accounts; the forms that write another one down. Subaccounts have a page of their own,
//! since there may be thousands.

use crate::app::{App, AppError};
use crate::authz::{self, Action, Resource};
use crate::domain::Environment;
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

/// Venues of a page, at most.
const ROWS: usize = 100;

/// A venue.
struct Row {
    id: String,
    name: String,
    exchange: String,
    environment: Environment,
    is_retired: bool,
    accounts: Vec<String>,
    subaccounts: usize,
    bots: usize,
}

#[derive(Template)]
#[template(path = "venues.html")]
struct Venues {
    frame: Frame,
    problems: Problems,
    typed: Typed,
    rows: Vec<Row>,
    more: usize,
    may_edit: bool,
}

/// What was typed into any of the forms.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Typed {
    #[serde(default)]
    name: String,
    #[serde(default)]
    exchange: String,
    #[serde(default)]
    environment: String,
    #[serde(default)]
    venue: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    subaccount: String,
}

/// Every venue.
pub async fn index(State(app): Shared, person: Person) -> Answer {
    draw(&app, &person, Typed::default(), Problems::none()).await
}

/// Writes a venue down.
pub async fn create(State(app): Shared, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    match app.create_venue_of(&person.actor, (&typed.exchange, &typed.name), &typed.environment).await {
        Ok(_) => Ok(frame::see("/venues")),
        Err(error) => draw(&app, &person, typed, Problems::of_error(error)?).await,
    }
}

/// Writes an account down.
pub async fn create_account(State(app): Shared, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    match app.create_account(&person.actor, &typed.venue, &typed.account).await {
        Ok(_) => Ok(frame::see("/venues")),
        Err(error) => draw(&app, &person, typed, named(error, "account")?).await,
    }
}

/// Writes a subaccount down.
pub async fn create_subaccount(State(app): Shared, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    match app.create_subaccount_of(&person.actor, (&typed.venue, &typed.account), &typed.subaccount).await {
        Ok(one) => Ok(frame::see(&format!("/subaccounts?venue={}", one.venue_id))),
        Err(error) => draw(&app, &person, typed, named(error, "subaccount")?).await,
    }
}

/// What is wrong, with the field of the name as this form calls it.
fn named(error: AppError, field: &'static str) -> Result<Problems, crate::web::WebError> {
    let mut problems = Problems::none();
    for problem in Problems::of_error(error)?.all() {
        problems.add(if problem.field == "name" { field } else { problem.field }, problem.words.clone());
    }
    Ok(problems)
}

async fn draw(app: &App, person: &Person, typed: Typed, problems: Problems) -> Answer {
    authz::check(&person.actor, Action::See, &Resource::Installation).map_err(AppError::from)?;
    let (book, view) = (app.venues(), app.fleet.view());
    let (venues, subaccounts) = (book.venues(), book.subaccounts());
    let row = |venue: &crate::app::venues::Venue| {
        let thing = crate::app::register::Thing::Venue(venue.id.clone());
        Row {
            accounts: book.accounts_of(&venue.id).into_iter().filter(|one| one.retired_at.is_none()).map(|one| one.name).collect(),
            subaccounts: subaccounts.iter().filter(|one| one.venue_id == venue.id).count(),
            bots: app.users_of(&view, &thing).len(),
            id: venue.id.to_string(),
            name: venue.name.clone(),
            exchange: venue.exchange.clone(),
            environment: venue.environment,
            is_retired: venue.retired_at.is_some(),
        }
    };
    let rows: Vec<Row> = venues.iter().take(ROWS).map(row).collect();
    let mut frame = frame::of(app, &person.visitor, "Venues").await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let may_edit = authz::check(&person.actor, Action::EditVenues, &Resource::Installation).is_ok();
    frame::page_with(status, &Venues { frame, problems, typed, more: venues.len() - rows.len(), rows, may_edit })
}

#[cfg(test)]
pub(in crate::web) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let draw = |rows, may_edit, problems| {
        let frame = Frame { held: None, ..Frame::sample("Venues", "/venues") };
        Venues { frame, problems, typed: Typed { venue: samples::id(60), ..Typed::default() }, rows, more: 0, may_edit }.render().unwrap()
    };
    let row = |n: usize, name: &str, environment| Row {
        id: samples::id(n),
        name: name.to_owned(),
        exchange: "binance".to_owned(),
        environment,
        is_retired: n == 61,
        accounts: vec!["main".to_owned(), "fund <2>".to_owned()],
        subaccounts: 14,
        bots: 12,
    };
    let rows = vec![row(60, "binance", Environment::Live), row(61, "binance testnet", Environment::Test)];
    vec![
        ("venues".to_owned(), draw(rows, true, Problems::one("name", "There is a venue of that name."))),
        ("venues-none".to_owned(), draw(Vec::new(), false, Problems::none())),
    ]
}
