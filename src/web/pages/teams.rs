//! `/teams`: the desks that bots and people belong to.

use crate::app::App;
use crate::authz::{self, Action, Resource};
use crate::domain::Role;
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

struct Row {
    href: String,
    team: String,
    bots: usize,
    leads: Vec<String>,
    operators: Vec<String>,
}

#[derive(Template)]
#[template(path = "teams.html")]
struct Teams {
    frame: Frame,
    problems: Problems,
    typed: NewTeam,
    rows: Vec<Row>,
    may_create: bool,
}

/// A new team as typed.
#[derive(Debug, Default, serde::Deserialize)]
pub struct NewTeam {
    #[serde(default)]
    name: String,
}

/// Every team.
pub async fn index(State(app): Shared, person: Person) -> Answer {
    draw(&app, &person, NewTeam::default(), Problems::none()).await
}

/// Makes a team.
pub async fn create(State(app): Shared, ByTouch(person, typed): ByTouch<NewTeam>) -> Answer {
    match app.create_team(&person.actor, &typed.name).await {
        Ok(_) => Ok(frame::see("/teams")),
        Err(error) => draw(&app, &person, typed, Problems::of_error(error)?).await,
    }
}

async fn draw(app: &App, person: &Person, typed: NewTeam, problems: Problems) -> Answer {
    authz::check(&person.actor, Action::See, &Resource::Installation).map_err(crate::app::AppError::from)?;
    let view = app.fleet.view();
    let users = app.people().users();
    let row = |team: &crate::domain::TeamId, name: &str| {
        let who = |role: Role| {
            let holds =
                users.iter().filter(|user| user.enabled && user.grants.iter().any(|g| g.role == role && g.team.as_ref() == Some(team)));
            holds.map(|user| user.display_name.clone()).collect()
        };
        Row {
            href: format!("/teams/{team}"),
            team: name.to_owned(),
            bots: view.bots().filter(|bot| bot.team == *team).count(),
            leads: who(Role::Lead),
            operators: who(Role::Operator),
        }
    };
    let rows = app.people().teams().iter().map(|team| row(&team.id, &team.name)).collect();
    let mut frame = frame::of(app, &person.visitor, "Teams").await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let may_create = authz::check(&person.actor, Action::CreateTeam, &Resource::Installation).is_ok();
    frame::page_with(status, &Teams { frame, problems, typed, rows, may_create })
}
