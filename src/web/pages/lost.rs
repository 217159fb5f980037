//! `/sign-in/lost`: whoever gave the right password and has no key asks here to have the account recovered, sees how that stands, and takes it
//! back. It signs nobody in and shows nothing of anybody else.

use super::sign_in::Nothing;
use crate::app::{App, AppError, recoveries::RecoveryView};
use crate::authn::Step;
use crate::domain::{
    UserId,
    recovery::{APPROVALS_NEEDED, delay_ms},
};
use crate::web::{
    Answer, Shared, WebError,
    extract::{CameFrom, Posted, Visitor},
    format::{self, OutOf},
    frame,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

#[derive(Template)]
#[template(path = "lost.html")]
struct Lost {
    frame: Frame,
    problems: Problems,
    name: String,
    why: String,
    found: Option<RecoveryView>,
    approvals: OutOf,
    may_withdraw: bool,
    waits_a_day: bool,
}

/// Who has given the right password and not yet touched a key.
fn who(visitor: &Visitor) -> Option<UserId> {
    visitor.held.pending.clone()
}

fn nobody() -> WebError {
    WebError::unauthorized("Give name and password first. Nothing was changed.")
}

/// The form, or how it stands.
pub async fn show(State(app): Shared, visitor: Visitor) -> Answer {
    match who(&visitor) {
        Some(user) => draw(&app, &visitor, &user, String::new(), Problems::none()).await,
        None => Ok(frame::see("/sign-in")),
    }
}

async fn draw(app: &App, visitor: &Visitor, user: &UserId, why: String, problems: Problems) -> Answer {
    let found = app.own_recovery(user).await?;
    let row = app.people().user(user);
    let mut frame = frame::bare(app, "Lost security keys", "/sign-in/lost");
    frame.csrf = visitor.csrf();
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = Lost {
        frame,
        problems,
        name: row.as_ref().map(|row| row.display_name.clone()).unwrap_or_default(),
        why,
        approvals: OutOf { n: found.as_ref().map_or(0, |view| view.approvals.len()), of: APPROVALS_NEEDED },
        // A password alone takes back what nobody approved yet.
        may_withdraw: found.as_ref().is_some_and(|view| !view.is_by_host() && view.approvals.is_empty()),
        found,
        waits_a_day: row.is_some_and(|row| delay_ms(&row.grants) > 0),
    };
    frame::page_with(status, &page)
}

/// What happened.
#[derive(Debug, serde::Deserialize)]
pub struct Said {
    #[serde(default)]
    why: String,
}

fn not_too_often(app: &App, user: &UserId, from: &CameFrom) -> Result<(), WebError> {
    app.throttle.check_step(Step::Lost, user, &from.whence.place).map_err(AppError::TooMany)?;
    Ok(())
}

/// Asks for the recovery.
pub async fn ask(State(app): Shared, visitor: Visitor, from: CameFrom, Posted(said): Posted<Said>) -> Answer {
    let user = who(&visitor).ok_or_else(nobody)?;
    not_too_often(&app, &user, &from)?;
    match app.ask_own_recovery(&user, &said.why).await {
        Ok(_) => Ok(frame::see("/sign-in/lost")),
        Err(error) => draw(&app, &visitor, &user, said.why, Problems::of_error(error)?).await,
    }
}

/// Takes it back.
pub async fn withdraw(State(app): Shared, visitor: Visitor, from: CameFrom, _: Posted<Nothing>) -> Answer {
    let user = who(&visitor).ok_or_else(nobody)?;
    not_too_often(&app, &user, &from)?;
    match app.withdraw_own_recovery(&user).await {
        Ok(()) => Ok(frame::see("/sign-in/lost")),
        Err(error) => draw(&app, &visitor, &user, String::new(), Problems::of_error(error)?).await,
    }
}
