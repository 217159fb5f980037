//! `/agent/v1/keys`: what a bot's host may hand in, and taking what it has sealed there. The server sees no secret of a bot this way.

use super::ByAgent;
use crate::app::keys::install::{Sealed, Waiting};
use crate::domain::InstallationId;
use crate::web::{Answer, Shared, json::Body};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};

/// The answer to whoever asks what may be handed in.
#[derive(Debug, serde::Serialize)]
struct Asked {
    installation: InstallationId,
    agent: crate::domain::AgentId,
    bot: crate::domain::BotId,
    keys: Vec<Waiting>,
}

/// What may be handed in now.
///
/// # Errors
/// 401.
pub async fn index(State(app): Shared, ByAgent(agent): ByAgent) -> Answer {
    let keys = app.waiting_keys(&agent);
    let asked = Asked { installation: app.installation.id.clone(), agent: agent.id.clone(), bot: agent.bot.clone(), keys };
    Ok(Json(asked).into_response())
}

/// Takes a secret that was sealed to this agent on its own host.
///
/// # Errors
/// 401; 404 for another bot's key; 409 for what is not awaited, or is another key than was approved; 422 for what is no sealed key.
pub async fn create(State(app): Shared, ByAgent(agent): ByAgent, Body(sealed): Body<Sealed>) -> Answer {
    app.install_sealed(&agent, sealed).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
