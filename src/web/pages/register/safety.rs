//! `/accounts/{id}/safety`: how a main account is kept safe at its venue: looked over by a person, again every three months.

use super::Choice;
use crate::app::{
    App, AppError,
    safety::{Safety, TypedSafety},
    venues::Account,
};
use crate::authz::{self, Action, Resource};
use crate::domain::{
    AccountId, Timestamp,
    safety::{Holds, REVIEW_DAYS, SecondFactor},
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

#[derive(Template)]
#[template(path = "account_safety.html")]
struct SafetyPage {
    frame: Frame,
    problems: Problems,
    id: String,
    name: String,
    venue: (String, String),
    gaps: Vec<&'static str>,
    reviewed: Option<(Timestamp, String)>,
    is_due: bool,
    review_days: i64,
    may_edit: bool,
    factors: Vec<Choice>,
    holds: Vec<Choice>,
    typed: TypedSafety,
}

fn account_of(app: &App, id: &str) -> Result<Account, WebError> {
    let found = AccountId::parse(id).ok().and_then(|id| app.venues().account(&id));
    found.ok_or_else(|| AppError::NotFound("account").into())
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    let account = account_of(&app, &id)?;
    draw(&app, &person, &account, (None, Problems::none())).await
}

/// Writes a review down.
pub async fn review(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<TypedSafety>) -> Answer {
    let account = account_of(&app, &id)?;
    match app.review_safety(&person.actor, &account.id, &typed).await {
        Ok(()) => Ok(frame::see(&format!("/accounts/{}/safety", account.id))),
        Err(error) => draw(&app, &person, &account, (Some(typed), Problems::of_error(error)?)).await,
    }
}

fn factors(chosen: &str) -> Vec<Choice> {
    let words = |one: SecondFactor| match one {
        SecondFactor::SecurityKey => "A security key or passkey",
        SecondFactor::App => "A code of an app",
        SecondFactor::Message => "A code by message or mail",
        SecondFactor::None => "Nothing",
        SecondFactor::Unknown => "Nobody has looked",
    };
    SecondFactor::ALL.iter().map(|one| Choice::new(one, words(*one), chosen)).collect()
}

fn holds(chosen: &str) -> Vec<Choice> {
    let words = |one: Holds| match one {
        Holds::Yes => "Yes, and the list is locked",
        Holds::No => "No",
        Holds::Unknown => "Nobody has looked",
    };
    Holds::ALL.iter().map(|one| Choice::new(one, words(*one), chosen)).collect()
}

async fn draw(app: &App, person: &Person, account: &Account, (typed, problems): (Option<TypedSafety>, Problems)) -> Answer {
    let safety: Safety = app.safety_of(&person.actor, &account.id).await?;
    let venue = app.venues().venue(&account.venue_id).ok_or(AppError::NotFound("venue"))?;
    let mut frame = frame::of(app, &person.visitor, format!("Safety of {}", account.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let is_due = safety.is_due(frame.now);
    let typed = typed.unwrap_or_else(|| safety.sheet.clone().into());
    let page = SafetyPage {
        frame,
        problems,
        id: account.id.to_string(),
        name: account.name.clone(),
        venue: (format!("/venues/{}", venue.id), venue.name),
        gaps: safety.sheet.gaps(),
        reviewed: safety.reviewed.map(|(at, by)| (at, app.people().who(&by))),
        is_due,
        review_days: REVIEW_DAYS,
        may_edit: authz::check(&person.actor, Action::EditVenues, &Resource::Installation).is_ok(),
        factors: factors(&typed.second_factor),
        holds: holds(&typed.whitelist_locked),
        typed,
    };
    frame::page_with(status, &page)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::{domain::safety::SafetySheet, web::samples};
    let page = |gaps: Vec<&'static str>, reviewed: bool, problems| {
        SafetyPage {
            frame: Frame::sample("Safety of main", "/accounts/7/safety"),
            problems,
            id: samples::id(7),
            name: "main <x>".to_owned(),
            venue: ("/venues/7".to_owned(), "binance".to_owned()),
            gaps,
            reviewed: reviewed.then(|| (samples::now(), "L. Sato".to_owned())),
            is_due: !reviewed,
            review_days: REVIEW_DAYS,
            may_edit: true,
            factors: factors("unknown"),
            holds: holds("yes"),
            typed: SafetySheet::default().into(),
        }
        .render()
        .unwrap()
    };
    vec![
        ("account-safety".to_owned(), page(Vec::new(), true, Problems::none())),
        ("account-safety-gaps".to_owned(), page(vec!["a password alone opens it"], false, Problems::one("recovery", "Too long."))),
    ]
}
