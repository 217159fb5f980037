//! The live part of an enrolment: says when the agent is there and which letters it has. The form that confirms it is on the page itself.

use super::{enrol::Beside, id_of};
use crate::app::{App, AppError};
use crate::authz::Actor;
use crate::domain::BotId;
use crate::web::{
    Answer, Shared,
    extract::Person,
    live::{self, Door, Feed, Sent},
    query::Named,
};
use askama::Template;
use axum::{extract::State, response::sse::Event};
use std::sync::Arc;

/// Streams who is beside the bot.
pub async fn stream(State(app): Shared, person: Person, Named(id): Named, door: Door) -> Answer {
    let bot = app.bot(&person.actor, &id_of(&id)?)?.bot.id.clone();
    Ok(door.open(&app, &person.visitor, EnrolFeed { bot, loaded: None, sent: Sent::default() }))
}

struct EnrolFeed {
    bot: BotId,
    // Who was beside it when the page was loaded.
    loaded: Option<Beside>,
    sent: Sent,
}

#[derive(Template)]
#[template(path = "live/enrol.html")]
struct Arrived {
    beside: Beside,
    // Where the form is that confirms it.
    page: String,
}

impl Feed for EnrolFeed {
    async fn news(&mut self, app: &Arc<App>, actor: &Actor) -> Result<Vec<Event>, AppError> {
        let row = app.bot(actor, &self.bot)?;
        let beside = Beside::of(app, actor, &row.bot).await?;
        let loaded = self.loaded.get_or_insert_with(|| beside.clone());
        let text = if *loaded == beside {
            String::new()
        } else {
            Arrived { beside, page: format!("/bots/{}/enrol", self.bot) }.render().map_err(AppError::internal)?
        };
        let is_news = self.sent.is_news("arrived", &text) && !text.is_empty();
        Ok(if is_news { vec![live::swap(&text)] } else { Vec::new() })
    }
}
