//! `/requests/{id}/edit` of a request for more rights of a person: the boxes for roles that their page has.

use crate::app::App;
use crate::authz::{self, Action, Resource};
use crate::domain::{Grant, RequestKind, UserId};
use crate::web::{
    Answer,
    extract::Person,
    frame,
    page::Frame,
    pages::{
        limits::{Typed, typed_as},
        roles::{self, Choices},
    },
    problems::Problems,
};
use askama::Template;
use axum::http::StatusCode;

#[derive(Template)]
#[template(path = "request_roles.html")]
struct Edit {
    frame: Frame,
    problems: Problems,
    action: String,
    person: String,
    name: String,
    may_ask: bool,
    rule: String,
    choices: Choices,
    why: String,
}

/// What the form holds.
pub(super) fn typed_of(grants: &[Grant]) -> Typed {
    roles::ticked(grants).into_iter().map(|value| ("grant".to_owned(), value)).collect()
}

fn ticked(typed: &Typed) -> Vec<String> {
    typed.iter().filter(|(name, _)| name == "grant").map(|(_, value)| value.clone()).collect()
}

/// The roles that a form holds.
///
/// # Errors
/// What is wrong with them.
pub(super) fn wanted(app: &App, user: &UserId, typed: &Typed) -> Result<Vec<Grant>, Problems> {
    let joining = usize::from(app.people().user(user).is_some_and(|user| !user.enabled));
    let mut problems = Problems::none();
    let grants = roles::read(app, &ticked(typed), joining, &mut problems);
    if problems.is_empty() { Ok(grants) } else { Err(problems) }
}

/// Draws the form.
pub(super) async fn draw(
    app: &App,
    person: &Person,
    (user, name, action): (&UserId, &str, String),
    (typed, problems): (Typed, Problems),
) -> Answer {
    let mut frame = frame::of(app, &person.visitor, format!("Change a request for {name}")).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = Edit {
        frame,
        problems,
        action,
        person: format!("/people/{user}"),
        name: name.to_owned(),
        may_ask: authz::check(&person.actor, Action::ManagePeople, &Resource::Installation).is_ok(),
        rule: app.rules().of(RequestKind::Roles).words(),
        choices: Choices::new(app, &ticked(&typed)),
        why: typed_as(&typed, "why"),
    };
    frame::page_with(status, &page)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    let page = |may_ask, problems| {
        Edit {
            frame: Frame::sample("Change a request for M. Okafor", "/requests/7/edit"),
            problems,
            action: "/requests/7/edit".to_owned(),
            person: "/people/7".to_owned(),
            name: "M. Okafor".to_owned(),
            may_ask,
            rule: "1 approval: a lead of any team or risk or an admin; carried out after 24 h".to_owned(),
            choices: Choices { all: Vec::new(), teams: Vec::new() },
            why: String::new(),
        }
        .render()
        .unwrap()
    };
    vec![
        ("request-roles".to_owned(), page(true, Problems::one("grant", "Choose at least one role"))),
        ("request-roles-read".to_owned(), page(false, Problems::none())),
    ]
}
