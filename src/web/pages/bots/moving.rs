//! `/bots/{id}/move`: to another team. A stop; the holds it is under come along.

use super::{form_of, id_of, new::Choice, new::teams};
use crate::app::App;
use crate::domain::TeamId;
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::extract::State;

#[derive(Template)]
#[template(path = "bot_move.html")]
pub(super) struct Move {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) team: String,
    pub(super) teams: Vec<Choice>,
}

/// The form.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw(&app, &person, &id, "", Problems::none()).await
}

async fn draw(app: &App, person: &Person, id: &str, chosen: &str, problems: Problems) -> Answer {
    let (row, frame, status) = form_of(app, person, id, |name| format!("Move {name}"), &problems).await?;
    let bot = &row.bot;
    let mut teams = teams(app, &person.actor, chosen);
    teams.retain(|team| team.value != bot.team.as_str());
    let team = app.people().team_name(&bot.team).unwrap_or_default();
    frame::page_with(status, &Move { frame, problems, id: bot.id.to_string(), name: bot.name.clone(), team, teams })
}

/// The team to move to.
#[derive(Debug, serde::Deserialize)]
pub struct Wanted {
    #[serde(default)]
    team: String,
}

/// Moves the bot.
pub async fn go(State(app): Shared, Named(id): Named, ByTouch(person, wanted): ByTouch<Wanted>) -> Answer {
    let Ok(team) = TeamId::parse(&wanted.team) else {
        return draw(&app, &person, &id, "", Problems::one("team", "Choose a team.")).await;
    };
    match app.move_bot(&person.actor, &id_of(&id)?, &team).await {
        Ok(()) => Ok(frame::see(&format!("/bots/{id}"))),
        Err(error) => draw(&app, &person, &id, &wanted.team, Problems::of_error(error)?).await,
    }
}
