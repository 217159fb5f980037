//! `GET /api/v1/agents`: every agent, ended ones included.

use crate::authz::Action;
use crate::web::{
    Answer, Shared,
    api::{ByToken, Listing, listing::Piece, openapi::Problem},
    query::Params,
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// An agent. Nothing of its token is here.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AgentShape {
    /// Its id.
    id: String,
    /// Its bot's id.
    bot: String,
    /// Its name, usually the host's.
    name: String,
    /// Its version.
    version: String,
    /// Operating system and architecture.
    platform: String,
    /// What it prints and a person compares.
    fingerprint: String,
    /// `pending`, `confirmed`, `revoked` or `replaced`.
    state: String,
    /// When it enrolled, RFC 3339.
    enrolled_at: String,
    /// When it ended.
    ended_at: Option<String>,
    /// When it was last heard; null: never, or another one was.
    seen_at: Option<String>,
}

/// Lists the agents, oldest first.
///
/// # Errors
/// 403 for a token that may not read; 503 without the database.
#[utoipa::path(get, path = "/api/v1/agents", tag = "agents", security(("token" = [])),
    params(Piece),
    responses((status = 200, body = Listing<AgentShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let agents = app.agent_rows(actor).await?.into_iter().map(|agent| {
        let seen = app.book.seen(&agent.bot_id).filter(|seen| seen.agent == agent.id);
        AgentShape {
            id: agent.id.to_string(),
            bot: agent.bot_id.to_string(),
            name: agent.name,
            version: agent.version,
            platform: agent.platform,
            fingerprint: agent.fingerprint,
            state: agent.state,
            enrolled_at: agent.enrolled_at.rfc3339(),
            ended_at: agent.ended_at.map(|at| at.rfc3339()),
            seen_at: seen.map(|seen| seen.at.rfc3339()),
        }
    });
    Ok(Json(Listing::cut(agents.collect(), |agent: &AgentShape| &agent.id, &params)?).into_response())
}
