//! The press. It takes effect on arrival; the answer leads to its receipt. Works in a session that may only stop.

use super::super::pause;
use crate::app::{App, holds::Press};
use crate::authz::Actor;
use crate::domain::{Level, Scope};
use crate::web::{Answer, Shared, WebError, extract::Pressing, frame};
use axum::{extract::State, http::StatusCode};
use futures_util::future::join_all;
use std::sync::Arc;

/// What a pause button sends.
#[derive(Debug, serde::Deserialize)]
pub struct Pressed {
    /// `fleet`, `team:ID`, `bot:ID` or `bots`.
    #[serde(default)]
    scope: String,
    /// `pause` or `reduce`; anything else is a pause, since a stop is not refused over a word.
    #[serde(default)]
    level: String,
    /// The same rendering of a page sends the same key.
    #[serde(default)]
    key: String,
    #[serde(default)]
    why: String,
    /// The marked bots.
    #[serde(default)]
    bot: Vec<String>,
}

/// Takes the press and leads to its receipt.
pub async fn place(State(app): Shared, Pressing(person, pressed): Pressing<Pressed>) -> Answer {
    let scopes = pause::scopes(&pressed.scope, &pressed.bot)?;
    let level = if pressed.level == "reduce" { Level::Reduce } else { Level::Pause };
    let presses = scopes.into_iter().map(|scope| one(&app, &person.actor, &pressed, scope, level));
    let outcomes = join_all(presses).await;
    if let [one] = outcomes.as_slice() {
        return match one {
            Ok(href) => Ok(frame::see(href)),
            Err((_, error)) => Err(error.clone()),
        };
    }
    let failed: Vec<String> =
        outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).map(|(name, e)| format!("{name}: {}", e.reasons.join(" "))).collect();
    if failed.is_empty() {
        return Ok(frame::see("/holds"));
    }
    let mut error = WebError::new(StatusCode::CONFLICT, "partly", "Some bots were not stopped", "");
    error.reasons = failed;
    error.reasons.push(format!("The other {} are stopped; their receipts are under Holds.", outcomes.len() + 1 - error.reasons.len()));
    Err(error)
}

/// Places one hold. The path of its receipt, or the scope's name and why not.
async fn one(app: &Arc<App>, actor: &Actor, pressed: &Pressed, scope: Scope, level: Level) -> Result<String, (String, WebError)> {
    let name = frame::scope_words(app, &scope);
    let press = Press { scope, level, why: pressed.why.clone(), idempotency_key: pressed.key.clone() };
    match app.place(actor.clone(), press).await {
        Ok(placed) => Ok(format!("/holds/{}", placed.hold.id)),
        Err(error) => Err((name, error.into())),
    }
}
