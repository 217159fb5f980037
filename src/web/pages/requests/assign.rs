//! `/bots/{id}/seat/ask`: asking for a subaccount of a live venue. The same form changes such a request.

use crate::app::{
    App, AppError, Invalid,
    register::board::{Held, SubaccountFilter},
};
use crate::authz::{self, Action};
use crate::domain::{BotFacts, Environment, RequestKind, SubaccountId};
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    pages::{
        bots::id_of,
        limits::{Typed, typed_as},
    },
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

/// Free ones that are offered while one types.
const OFFERED: usize = 50;

#[derive(Template)]
#[template(path = "request_assign.html")]
struct Ask {
    frame: Frame,
    problems: Problems,
    action: String,
    bot: String,
    name: String,
    is_edit: bool,
    may_ask: bool,
    rule: String,
    now: String,
    subaccount: String,
    why: String,
    free: Vec<String>,
}

/// The subaccount among what was typed.
///
/// # Errors
/// `Invalid` for what names none.
pub(super) fn wanted(app: &App, typed: &Typed) -> Result<SubaccountId, AppError> {
    let named = typed.iter().find(|(name, _)| name == "subaccount").map_or("", |(_, text)| text.trim());
    if named.is_empty() {
        return Err(Invalid::one("subaccount", "Choose a subaccount: VENUE/NAME").into());
    }
    let unknown = || Invalid::one("subaccount", format!("There is no subaccount {named}; write VENUE/NAME"));
    app.venues()
        .subaccount_named(named)
        .map(|one| one.id)
        .map_err(|error| if matches!(error, AppError::NotFound(_)) { unknown().into() } else { error })
}

/// The form.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    let bot = app.bot(&person.actor, &id_of(&id)?)?.bot;
    draw(&app, &person, &bot, (None, Typed::new(), Problems::none())).await
}

/// Asks.
pub async fn create(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    let bot = app.bot(&person.actor, &id_of(&id)?)?.bot;
    let asked = match wanted(&app, &typed) {
        Ok(to) => app.ask_assign(&person.actor, &bot.id, &to, &typed_as(&typed, "why")).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(request) => Ok(frame::see(&format!("/requests/{request}"))),
        Err(error) => draw(&app, &person, &bot, (None, typed, Problems::of_error(error)?)).await,
    }
}

/// Draws the form for a bot; with an action it changes a request.
pub(super) async fn draw(app: &App, person: &Person, bot: &BotFacts, (edit, typed, problems): (Option<String>, Typed, Problems)) -> Answer {
    let text = |name: &str| typed.iter().find(|(given, _)| given == name).map(|(_, text)| text.clone()).unwrap_or_default();
    let filter = SubaccountFilter { state: "free".to_owned(), ..SubaccountFilter::default() };
    let mut free = app.subaccount_rows(&person.actor, &filter)?;
    free.retain(|row| row.environment == Environment::Live && matches!(row.held, Held::Free));
    let now = bot.seat.as_ref().and_then(|seat| app.venues().subaccount(&seat.subaccount)).map(|one| app.venues().label(&one));
    let mut frame = frame::of(app, &person.visitor, format!("Ask for a live subaccount for {}", bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = Ask {
        frame,
        is_edit: edit.is_some(),
        action: edit.unwrap_or_else(|| format!("/bots/{}/seat/ask", bot.id)),
        bot: bot.id.to_string(),
        name: bot.name.clone(),
        may_ask: authz::check(&person.actor, Action::AskRequest, &App::bot_resource(bot)).is_ok(),
        rule: app.rules().of(RequestKind::Assign).words(),
        now: now.unwrap_or_else(|| "none".to_owned()),
        subaccount: text("subaccount"),
        why: text("why"),
        free: free.into_iter().take(OFFERED).map(|row| row.label).collect(),
        problems,
    };
    frame::page_with(status, &page)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let page = |may_ask, is_edit, problems| {
        Ask {
            frame: Frame::sample("Ask for a live subaccount for grid-07", "/bots/7/seat/ask"),
            problems,
            action: "/bots/7/seat/ask".to_owned(),
            bot: samples::id(7),
            name: "grid-07".to_owned(),
            is_edit,
            may_ask,
            rule: "1 approval: a lead of the team or risk; carried out at once".to_owned(),
            now: "binance testnet/grid-7".to_owned(),
            subaccount: "binance/grid-7".to_owned(),
            why: String::new(),
            free: vec!["binance/grid-7".to_owned()],
        }
        .render()
        .unwrap()
    };
    vec![
        ("request-assign".to_owned(), page(true, false, Problems::one("why", "Say why."))),
        ("request-assign-edit".to_owned(), page(true, true, Problems::none())),
        ("request-assign-read".to_owned(), page(false, false, Problems::none())),
    ]
}
