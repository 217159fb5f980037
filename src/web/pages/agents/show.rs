//! `/agents/{id}`: one agent, what a person compares, and how it is ended.

use super::{Clock, Token, channel, state_chip};
use crate::app::{App, AppError};
use crate::authz::{self, Action};
use crate::domain::{ActKind, AgentId, Timestamp, text};
use crate::web::{
    Answer, Shared, WebError,
    chip::Chip,
    extract::{Person, Posted},
    format::Age,
    frame,
    page::Frame,
    problems::Problems,
    query::Named,
    roster::sentence,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

#[derive(Template)]
#[template(path = "agent.html")]
pub(in super::super) struct Agent {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) bot: (String, String),
    pub(super) chip: Chip,
    pub(super) fingerprint: String,
    pub(super) recipient: String,
    pub(super) version: String,
    pub(super) platform: String,
    pub(super) enrolled_at: Timestamp,
    pub(super) confirmed_by: String,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) channel: &'static str,
    pub(super) age: Age,
    pub(super) clock: Clock,
    pub(super) token: Token,
    pub(super) boot: String,
    pub(super) waits: bool,
    pub(super) may: bool,
    pub(super) who: &'static str,
    pub(super) typed: String,
}

fn id_of(id: &str) -> Result<AgentId, WebError> {
    AgentId::parse(id).map_err(|_| AppError::NotFound("agent").into())
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw(&app, &person, &id_of(&id)?, String::new(), Problems::none()).await
}

async fn draw(app: &App, person: &Person, id: &AgentId, typed: String, problems: Problems) -> Answer {
    let row = app.agent(&person.actor, id).await?;
    let view = app.fleet.view();
    let bot = view.bot(&row.bot_id).ok_or(AppError::NotFound("bot"))?;
    let seen = app.book.seen(&row.bot_id).filter(|seen| seen.agent == row.id);
    let mut frame = frame::of(app, &person.visitor, format!("Agent {}", row.name)).await;
    frame.is_error = !problems.is_empty();
    let denied = authz::check(&person.actor, Action::EnrolAgent, &App::bot_resource(bot)).err();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = Agent {
        id: row.id.to_string(),
        bot: (bot.name.clone(), format!("/bots/{}", bot.id)),
        chip: state_chip(&row.state),
        channel: channel(seen.as_ref()),
        age: Age::new(seen.as_ref().map(|seen| seen.at), frame.now, bot.timings),
        clock: Clock::of(seen.as_ref()),
        token: Token::of(row.token_since, frame.now),
        boot: seen.as_ref().and_then(|seen| seen.boot.as_ref()).map_or_else(|| "not known".to_owned(), |boot| boot.as_str().to_owned()),
        waits: row.state == "pending",
        may: denied.is_none(),
        who: denied.map_or("", |denied| denied.who),
        confirmed_by: row.confirmed_by.as_ref().and_then(|user| app.people().name(user)).unwrap_or_else(|| "nobody".to_owned()),
        name: row.name,
        fingerprint: row.fingerprint,
        recipient: row.recipient,
        version: row.version,
        platform: row.platform,
        enrolled_at: row.enrolled_at,
        ended_at: row.ended_at,
        frame,
        typed,
        problems,
    };
    frame::page_with(status, &page)
}

/// Why it ends.
#[derive(Debug, serde::Deserialize)]
pub struct Why {
    #[serde(default)]
    why: String,
}

/// Prepares the agent's end, which waits for a signature and stops its bot.
pub async fn revoke(State(app): Shared, person: Person, Named(id): Named, Posted(form): Posted<Why>) -> Answer {
    let id = id_of(&id)?;
    let why = match text::why(&form.why) {
        Ok(why) if !why.is_empty() => why,
        Ok(_) => return draw(&app, &person, &id, form.why, Problems::one("why", "Give the reason why it ends.")).await,
        Err(error) => return draw(&app, &person, &id, form.why, Problems::one("why", sentence(&format!("the reason {error}.")))).await,
    };
    let row = app.agent(&person.actor, &id).await?;
    match app.prepare_single(&person.actor, ActKind::AgentRevoke { agent: row.id, bot: row.bot_id, why }).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw(&app, &person, &id, form.why, Problems::of_error(error)?).await,
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let now = samples::now();
    let draw = |state: &str, ended_at, problems: Problems, may| {
        let page = Agent {
            frame: Frame { held: None, ..Frame::sample("Agent host-7", "/agents/7") },
            problems,
            id: samples::id(500),
            name: "host-7".to_owned(),
            bot: ("grid-07".to_owned(), "/bots/7".to_owned()),
            chip: state_chip(state),
            fingerprint: "QK7M-2XWD".to_owned(),
            recipient: "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p".to_owned(),
            version: "0.1.0".to_owned(),
            platform: "linux-x86_64".to_owned(),
            enrolled_at: now,
            confirmed_by: "L. Sato".to_owned(),
            ended_at,
            channel: "push",
            age: Age::new(Some(now), now, crate::domain::Timings::default()),
            clock: Clock { words: "3.1 s behind".to_owned(), is_wrong: true },
            token: Token::of(now.plus_ms(-40 * 24 * 60 * 60 * 1_000), now),
            boot: "0193f0a0-77aa".to_owned(),
            waits: state == "pending",
            may,
            who: "an operator (to sandbox) or a lead of the bot's team",
            typed: String::new(),
        };
        page.render().unwrap()
    };
    vec![
        ("agent".to_owned(), draw("pending", None, Problems::one("why", "Give the reason why it ends."), true)),
        ("agent-other".to_owned(), draw("confirmed", None, Problems::none(), false)),
        ("agent-ended".to_owned(), draw("revoked", Some(now), Problems::none(), true)),
    ]
}
