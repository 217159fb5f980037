//! `/requests/{id}/edit`: changing what a request asks for, which drops what was approved. The forms are those it was asked with.

use super::{
    ask::{self, Form},
    assign, id_of, key, roles,
};
use crate::app::{App, AppError, requests::RequestView};
use crate::domain::{
    RequestState,
    limits::{Setting, setting::NONE},
    request::{Change, Content},
};
use crate::web::{
    Answer, Shared,
    extract::{ByTouch, Person},
    frame,
    pages::{
        limits::{Typed, typed_as},
        policies,
    },
    problems::Problems,
    query::Named,
};
use axum::{extract::State, http::StatusCode};

/// A position for a while is asked for anew, since its end is.
const ANEW: &str = "what this asks for is not changed: take it back and ask anew";

/// A value as it is typed.
fn text_of(name: &str, change: &Change) -> String {
    match Setting::of(name) {
        _ if change.after.is_null() => NONE.to_owned(),
        Some(setting) => setting.plain(&change.after),
        None => String::new(),
    }
}

/// What stands in the form: what is asked for now.
fn typed_of(view: &RequestView) -> Typed {
    let mut typed = match view.content() {
        Content::Limits { set, .. } => set.iter().map(|(name, change)| (name.clone(), text_of(name, change))).collect(),
        Content::Policy { after, .. } => policies::typed_of(after),
        Content::Override { .. } | Content::GoLive { .. } | Content::Checklist { .. } => return Vec::new(),
        Content::Assign { after, .. } => vec![("subaccount".to_owned(), after.name.clone())],
        Content::Roles { after, .. } => roles::typed_of(&after.grants),
        Content::Keys { after, .. } => key::typed_of(after),
    };
    typed.push(("why".to_owned(), view.why().to_owned()));
    typed
}

async fn draw(app: &App, person: &Person, view: &RequestView, (typed, problems): (Typed, Problems)) -> Answer {
    let action = format!("/requests/{}/edit", view.row.id);
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    match view.content() {
        Content::Limits { of, .. } => {
            let form = Form { action, is_edit: true, typed, open: String::new() };
            ask::draw(app, person, &of.node(), (form, problems, status)).await
        }
        Content::Override { .. } | Content::GoLive { .. } | Content::Checklist { .. } => Err(AppError::conflict(ANEW).into()),
        Content::Assign { bot, .. } => {
            let bot = app.bot(&person.actor, bot)?.bot;
            assign::draw(app, person, &bot, (Some(action), typed, problems)).await
        }
        Content::Keys { bot, .. } => {
            let bot = app.bot(&person.actor, bot)?.bot;
            key::draw(app, person, &bot, (Some(action), typed, problems)).await
        }
        Content::Roles { user, name, .. } => roles::draw(app, person, (user, name, action), (typed, problems)).await,
        Content::Policy { about, .. } => policies::draw_edit(app, person, (*about, action), (typed, problems, status)).await,
    }
}

/// The form; whoever could not send it, and of what is over everybody, is led to the request.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    let view = app.request(&person.actor, &id_of(&id)?).await?;
    let is_before = matches!(view.row.state, RequestState::Pending | RequestState::Approved);
    if !is_before || view.row.requester != person.user {
        return Ok(frame::see(&format!("/requests/{}", view.row.id)));
    }
    let typed = typed_of(&view);
    draw(&app, &person, &view, (typed, Problems::none())).await
}

/// Makes another revision.
pub async fn revise(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    let view = app.request(&person.actor, &id_of(&id)?).await?;
    let why = typed_as(&typed, "why");
    let done = match view.content() {
        Content::Limits { .. } => app.revise_limits(&person.actor, &view.row.id, &typed, &why).await,
        Content::Override { .. } | Content::GoLive { .. } | Content::Checklist { .. } => return Err(AppError::conflict(ANEW).into()),
        Content::Policy { .. } => match policies::rule_of(&typed) {
            Ok(rule) => app.revise_policy(&person.actor, &view.row.id, rule, &why).await,
            Err(invalid) => Err(invalid.into()),
        },
        Content::Roles { user, .. } => match roles::wanted(&app, user, &typed) {
            Ok(grants) => app.revise_roles(&person.actor, &view.row.id, &grants, &why).await,
            Err(problems) => return draw(&app, &person, &view, (typed, problems)).await,
        },
        Content::Keys { .. } => app.revise_key(&person.actor, &view.row.id, key::wanted_of(&typed), &why).await,
        Content::Assign { .. } => match assign::wanted(&app, &typed) {
            Ok(to) => app.revise_assign(&person.actor, &view.row.id, &to, &why).await,
            Err(error) => Err(error),
        },
    };
    match done {
        Ok(()) => Ok(frame::see(&format!("/requests/{}", view.row.id))),
        Err(error) => draw(&app, &person, &view, (typed, Problems::of_error(error)?)).await,
    }
}
