//! `POST /agent/v1/token`: a new token, shown once. The old one ends when the agent checks in or says hello with the new.

use super::ByAgent;
use crate::web::{Answer, Shared};
use axum::{Json, extract::State, http::header, response::IntoResponse};

/// Answers 200 with the new token.
///
/// # Errors
/// 409 `conflict` while the agent is pending; 503 without the database.
pub async fn create(State(app): Shared, ByAgent(agent): ByAgent) -> Answer {
    let token = app.new_agent_token(&agent).await?;
    let body = serde_json::json!({ "token": token.expose() });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
