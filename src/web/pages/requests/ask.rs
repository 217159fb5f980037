//! `/limits/ask` and `/bots/{id}/limits/ask`: asking for looser limits of a level. The same form changes such a request.

use crate::app::{App, AppError};
use crate::domain::{BotId, limits::Node};
use crate::web::{
    Answer, Shared, WebError,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    pages::limits::{self, Choice, Field, Typed, typed_as},
    problems::Problems,
    query::{Named, Params},
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

#[derive(Template)]
#[template(path = "request_limits.html")]
struct Ask {
    frame: Frame,
    problems: Problems,
    action: String,
    limits: String,
    of: String,
    name: String,
    is_edit: bool,
    may_ask: bool,
    rule: String,
    fields: Vec<Field>,
    choices: Vec<Choice>,
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

fn node_of_bot(text: &str) -> Result<Node, WebError> {
    BotId::parse(text).map(Node::Bot).map_err(|_| AppError::NotFound("bot").into())
}

async fn form_of(app: &App, person: &Person, node: &Node, typed: Typed) -> Form {
    Form {
        action: if let Node::Bot(bot) = node { format!("/bots/{bot}/limits/ask") } else { "/limits/ask".to_owned() },
        is_edit: false,
        typed,
        open: limits::open_request(app, person, node).await,
    }
}

async fn show_on(app: &App, person: &Person, node: &Node) -> Answer {
    let form = form_of(app, person, node, Typed::new()).await;
    draw(app, person, node, (form, Problems::none(), StatusCode::OK)).await
}

async fn ask_on(app: &App, person: &Person, node: &Node, typed: Typed) -> Answer {
    match app.ask_level(&person.actor, node, &typed, &typed_as(&typed, "why")).await {
        Ok(request) => Ok(frame::see(&format!("/requests/{request}"))),
        Err(error) => {
            let form = form_of(app, person, node, typed).await;
            draw(app, person, node, (form, Problems::of_error(error)?, StatusCode::UNPROCESSABLE_ENTITY)).await
        }
    }
}

/// The form for a bot.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    show_on(&app, &person, &node_of_bot(&id)?).await
}

/// Asks for a bot.
pub async fn create(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    ask_on(&app, &person, &node_of_bot(&id)?, typed).await
}

/// The form for any level.
pub async fn show_level(State(app): Shared, person: Person, params: Params) -> Answer {
    show_on(&app, &person, &limits::node_of(&params.text("of").unwrap_or_default())?).await
}

/// Asks for any level.
pub async fn create_level(State(app): Shared, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    ask_on(&app, &person, &limits::node_of(&typed_as(&typed, "of"))?, typed).await
}

/// Draws the form for a level.
pub(super) async fn draw(app: &App, person: &Person, node: &Node, (form, problems, status): (Form, Problems, StatusCode)) -> Answer {
    let resource = app.limits_resource(node)?;
    let own = app.limit_tree().limits(node);
    let title = if form.is_edit { "Change a request for limits" } else { "Ask for looser limits" };
    let name = app.limits_words(node);
    let mut frame = frame::of(app, &person.visitor, format!("{title} of {name}")).await;
    frame.is_error = !problems.is_empty();
    let currency = node.bot().and_then(|bot| app.currency_of(bot)).unwrap_or_default();
    let page = Ask {
        frame,
        action: form.action.clone(),
        limits: limits::href(node),
        of: node.in_one(),
        name,
        is_edit: form.is_edit,
        may_ask: limits::may_ask(&person.actor, node, &resource),
        rule: app.rules().of(crate::domain::RequestKind::Limits).words(),
        fields: limits::fields((node, &own), &form.typed, (&problems, &currency)),
        choices: limits::choices((node, &own), &form.typed, &problems),
        why: typed_as(&form.typed, "why"),
        open: form.open.clone(),
        problems,
    };
    frame::page_with(status, &page)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::domain::limits::Limits;
    let page = |may_ask, is_edit, open: &str| {
        let (node, own) = (Node::Bot(BotId::from_stored(crate::web::samples::id(7))), Limits::default());
        let problems = Problems::one("why", "Say why.");
        Ask {
            frame: Frame::sample("Ask for looser limits of bot grid-07", "/bots/7/limits/ask"),
            action: "/bots/7/limits/ask".to_owned(),
            limits: limits::href(&node),
            of: node.in_one(),
            name: "bot grid-07".to_owned(),
            is_edit,
            may_ask,
            rule: "1 approval: a lead of the team or risk; carried out at once".to_owned(),
            fields: limits::fields((&node, &own), &Typed::new(), (&problems, "USDT")),
            choices: limits::choices((&node, &own), &Typed::new(), &problems),
            why: String::new(),
            open: open.to_owned(),
            problems,
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
