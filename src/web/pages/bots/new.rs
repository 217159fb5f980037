//! `/bots/new`: a bot is written down, in stage `draft`: it may do nothing yet.

use crate::app::{App, AppError, bots::NewBot};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::TeamId;
use crate::web::{
    Answer, Shared, WebError,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

/// Something to choose: value, words, chosen.
pub(in super::super) struct Choice {
    pub(in super::super) value: String,
    pub(in super::super) words: String,
    pub(in super::super) is_chosen: bool,
}

#[derive(Template)]
#[template(path = "bot_new.html")]
pub(super) struct New {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) typed: NewBot,
    pub(super) teams: Vec<Choice>,
    pub(super) owners: Vec<Choice>,
}

/// Teams in which somebody may make and edit bots.
pub(in super::super) fn teams(app: &App, actor: &Actor, chosen: &str) -> Vec<Choice> {
    let may = |id: &TeamId| authz::check(actor, Action::EditBot, &Resource::Team(id.clone())).is_ok();
    let teams = app.people().teams().into_iter().filter(|team| may(&team.id));
    teams.map(|team| Choice { is_chosen: team.id.as_str() == chosen, value: team.id.to_string(), words: team.name }).collect()
}

/// The form.
pub async fn show(State(app): Shared, person: Person) -> Answer {
    let typed = NewBot { owner: person.user.to_string(), ..NewBot::default() };
    draw(&app, &person, typed, Problems::none()).await
}

async fn draw(app: &App, person: &Person, typed: NewBot, problems: Problems) -> Answer {
    let teams = teams(app, &person.actor, &typed.team);
    if person.actor.has_few_keys() || person.actor.is_frozen() {
        authz::check(&person.actor, Action::EditBot, &Resource::Installation).map_err(AppError::from)?;
    }
    if teams.is_empty() {
        let said = "You trade in no team, so you cannot make a bot. An operator or lead of its team does.";
        return Err(WebError::new(StatusCode::FORBIDDEN, "not-allowed", "Not allowed", said));
    }
    let users = app.people().users();
    let owners = users.iter().filter(|user| user.enabled).map(|user| Choice {
        value: user.id.to_string(),
        words: user.display_name.clone(),
        is_chosen: user.id.as_str() == typed.owner,
    });
    let mut frame = frame::of(app, &person.visitor, "New bot").await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    frame::page_with(status, &New { frame, owners: owners.collect(), teams, typed, problems })
}

/// Makes the bot.
pub async fn create(State(app): Shared, ByTouch(person, typed): ByTouch<NewBot>) -> Answer {
    match app.create_bot(&person.actor, &typed).await {
        Ok(bot) => Ok(frame::see(&format!("/bots/{}", bot.id))),
        Err(error) => draw(&app, &person, typed, Problems::of_error(error)?).await,
    }
}
