//! `/agent/v1/keys`: what a bot's host may hand in and should measure, and taking both. The server sees no secret of a bot this way.

use super::ByAgent;
use crate::protocol::{HandedKey, MeasuredKey};
use crate::web::{Answer, Shared, json::Body};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};

/// What may be handed in now, and what was not measured for a day.
///
/// # Errors
/// 401.
pub async fn index(State(app): Shared, ByAgent(agent): ByAgent) -> Answer {
    Ok(Json(app.keys_answer(&agent)).into_response())
}

/// Takes a secret that was sealed to this agent on its own host.
///
/// # Errors
/// 401; 404 for another bot's key; 409 for what is not awaited, or is another key than was approved; 422 for what is no sealed key.
pub async fn create(State(app): Shared, ByAgent(agent): ByAgent, Body(handed): Body<HandedKey>) -> Answer {
    app.install_sealed(&agent, handed).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes what a venue said of a key on this host.
///
/// # Errors
/// 401; 404 for what is not this agent's; 422 for what are no facts of a key.
pub async fn measured(State(app): Shared, ByAgent(agent): ByAgent, Body(measured): Body<MeasuredKey>) -> Answer {
    app.measured_elsewhere(&agent, measured).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
