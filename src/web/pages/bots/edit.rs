//! `/bots/{id}/edit`: what the register says of a bot, and who may start it.

use super::{form_of, id_of, new::Choice};
use crate::app::{App, register::bots::BotEdit};
use crate::authz::{self, Action};
use crate::domain::BotFacts;
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
#[template(path = "bot_edit.html")]
pub(super) struct EditPage {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) typed: BotEdit,
    pub(super) owners: Vec<Choice>,
    pub(super) deputies: Vec<Choice>,
    /// Who can be listed; chosen: who is.
    pub(super) operators: Vec<Choice>,
    /// Listed, and no operator or lead of the team any more.
    pub(super) lapsed: Vec<String>,
    pub(super) may_list: bool,
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw(&app, &person, &id, None, Problems::none()).await
}

/// What is written down now.
fn typed_of(app: &App, bot: &BotFacts) -> BotEdit {
    let sheet = app.venues().sheet(&bot.id);
    BotEdit {
        name: Some(bot.name.clone()),
        strategy: Some(bot.strategy.clone()),
        objective: Some(sheet.objective),
        owner: Some(bot.owner.to_string()),
        deputy: Some(sheet.deputy.map(|deputy| deputy.to_string()).unwrap_or_default()),
    }
}

async fn draw(app: &App, person: &Person, id: &str, typed: Option<BotEdit>, problems: Problems) -> Answer {
    let (row, frame, status) = form_of(app, person, id, |name| format!("What the register says of {name}"), &problems).await?;
    let bot = &row.bot;
    let typed = typed.unwrap_or_else(|| typed_of(app, bot));
    let sheet = app.venues().sheet(&bot.id);
    let people = |chosen: Option<&str>| -> Vec<Choice> {
        let users = app.people().users();
        let is_shown = |user: &&std::sync::Arc<crate::app::people::User>| user.enabled || chosen == Some(user.id.as_str());
        let choice = |user: &std::sync::Arc<crate::app::people::User>| Choice {
            is_chosen: chosen == Some(user.id.as_str()),
            value: user.id.to_string(),
            words: user.display_name.clone(),
        };
        users.iter().filter(is_shown).map(choice).collect()
    };
    let (owners, deputies) = (people(typed.owner.as_deref()), people(typed.deputy.as_deref()));
    let mut operators = people(None);
    operators.retain(|one| app.may_be_listed(&crate::domain::UserId::from_stored(one.value.clone()), bot));
    operators.iter_mut().for_each(|one| one.is_chosen = sheet.operators.iter().any(|user| user.as_str() == one.value));
    let lapsed = sheet.operators.iter().filter(|user| !app.may_be_listed(user, bot)).map(|user| app.people().who(user)).collect();
    let page = EditPage {
        frame,
        problems,
        id: bot.id.to_string(),
        name: bot.name.clone(),
        typed,
        owners,
        deputies,
        operators,
        lapsed,
        may_list: authz::check(&person.actor, Action::ListOperators, &App::bot_resource(bot)).is_ok(),
    };
    frame::page_with(status, &page)
}

/// Writes it down.
pub async fn set(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<BotEdit>) -> Answer {
    match app.edit_bot(&person.actor, &id_of(&id)?, &typed).await {
        Ok(()) => Ok(frame::see(&format!("/bots/{id}"))),
        Err(error) => draw(&app, &person, &id, Some(typed), Problems::of_error(error)?).await,
    }
}

/// Who is to be listed.
#[derive(Debug, serde::Deserialize)]
pub struct Listed {
    #[serde(default)]
    operator: Vec<String>,
}

/// Lists who may start it.
pub async fn list(State(app): Shared, Named(id): Named, ByTouch(person, listed): ByTouch<Listed>) -> Answer {
    match app.list_operators(&person.actor, &id_of(&id)?, &listed.operator).await {
        Ok(()) => Ok(frame::see(&format!("/bots/{id}"))),
        Err(error) => draw(&app, &person, &id, None, Problems::of_error(error)?).await,
    }
}
