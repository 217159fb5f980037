//! `/bots/{id}/limits/ask`: asking for looser limits of a bot. The same form changes such a request.

use crate::app::{App, AppError};
use crate::authz::{self, Action};
use crate::domain::{
    BotFacts, BotId,
    limits::{Kind, NUMBERS},
};
use crate::web::{
    Answer, Shared, WebError,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

/// What was typed: names and texts of the numbers, and the reason.
pub(super) type Typed = Vec<(String, String)>;

struct Field {
    name: &'static str,
    words: &'static str,
    hint: String,
    typed: String,
    problem: String,
}

#[derive(Template)]
#[template(path = "request_limits.html")]
struct Ask {
    frame: Frame,
    problems: Problems,
    action: String,
    bot: String,
    name: String,
    is_edit: bool,
    may_ask: bool,
    rule: String,
    fields: Vec<Field>,
    why: String,
    /// Another request that is open: its page.
    open: String,
}

/// Where the form goes, and what stands in it.
pub(super) struct Form {
    pub(super) action: String,
    pub(super) is_edit: bool,
    pub(super) typed: Typed,
    pub(super) open: String,
}

fn bot_id(text: &str) -> Result<BotId, WebError> {
    BotId::parse(text).map_err(|_| AppError::NotFound("bot").into())
}

async fn form_of(app: &App, person: &Person, bot: &BotId, typed: Typed) -> Form {
    let open = app.limits_request_of(&person.actor, bot).await.ok().flatten();
    Form {
        action: format!("/bots/{bot}/limits/ask"),
        is_edit: false,
        typed,
        open: open.map(|row| format!("/requests/{}", row.id)).unwrap_or_default(),
    }
}

/// The form.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    let bot = app.bot(&person.actor, &bot_id(&id)?)?.bot;
    let form = form_of(&app, &person, &bot.id, Typed::new()).await;
    draw(&app, &person, &bot, (form, Problems::none(), StatusCode::OK)).await
}

/// Asks.
pub async fn create(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    let bot = app.bot(&person.actor, &bot_id(&id)?)?.bot;
    match app.ask_limits(&person.actor, &bot.id, &typed, &why_of(&typed)).await {
        Ok(request) => Ok(frame::see(&format!("/requests/{request}"))),
        Err(error) => {
            let form = form_of(&app, &person, &bot.id, typed).await;
            draw(&app, &person, &bot, (form, Problems::of_error(error)?, StatusCode::UNPROCESSABLE_ENTITY)).await
        }
    }
}

/// The reason among what was typed.
pub(super) fn why_of(typed: &Typed) -> String {
    typed.iter().find(|(name, _)| name == "why").map(|(_, why)| why.clone()).unwrap_or_default()
}

/// Draws the form for a bot.
pub(super) async fn draw(app: &App, person: &Person, bot: &BotFacts, (form, problems, status): (Form, Problems, StatusCode)) -> Answer {
    let typed = |name: &str| form.typed.iter().find(|(given, _)| given == name).map(|(_, text)| text.clone()).unwrap_or_default();
    let fields = NUMBERS.iter().map(|named| Field {
        name: named.name,
        words: named.words,
        hint: match (bot.limits.number(named), named.kind) {
            (Some(stands), _) => format!("Now {stands}. A larger one raises."),
            (None, Kind::Amount) => "Not set.".to_owned(),
            (None, Kind::Count) => "Not set. A whole number.".to_owned(),
        },
        typed: typed(named.name),
        problem: problems.of(named.name).to_owned(),
    });
    let title = if form.is_edit { "Change a request for limits" } else { "Ask for looser limits" };
    let mut frame = frame::of(app, &person.visitor, format!("{title} of {}", bot.name)).await;
    frame.is_error = !problems.is_empty();
    let page = Ask {
        frame,
        action: form.action.clone(),
        bot: bot.id.to_string(),
        name: bot.name.clone(),
        is_edit: form.is_edit,
        may_ask: authz::check(&person.actor, Action::AskRequest, &App::bot_resource(bot)).is_ok(),
        rule: app.rules().of(crate::domain::RequestKind::Limits).words(),
        fields: fields.collect(),
        why: typed("why"),
        open: form.open.clone(),
        problems,
    };
    frame::page_with(status, &page)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let page = |may_ask, is_edit, open: &str| {
        let fields = NUMBERS.iter().map(|named| Field {
            name: named.name,
            words: named.words,
            hint: "Now 2000. A larger one raises.".to_owned(),
            typed: String::new(),
            problem: String::new(),
        });
        Ask {
            frame: Frame::sample("Ask for looser limits of grid-07", "/bots/7/limits/ask"),
            problems: Problems::one("why", "Say why."),
            action: "/bots/7/limits/ask".to_owned(),
            bot: samples::id(7),
            name: "grid-07".to_owned(),
            is_edit,
            may_ask,
            rule: "1 approval: a lead of the team or risk; carried out at once".to_owned(),
            fields: fields.collect(),
            why: String::new(),
            open: open.to_owned(),
        }
        .render()
        .unwrap()
    };
    vec![
        ("request-limits".to_owned(), page(true, false, "")),
        ("request-limits-open".to_owned(), page(true, false, "/requests/7")),
        ("request-limits-edit".to_owned(), page(true, true, "")),
        ("request-limits-read".to_owned(), page(false, false, "")),
    ]
}
