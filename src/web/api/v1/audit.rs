//! `GET /api/v1/audit/checkpoint`: the newest signed checkpoint, for whoever keeps one elsewhere.

use crate::app::AppError;
use crate::audit::Note;
use crate::authz::Action;
use crate::web::{
    Answer, Shared,
    api::{ByToken, openapi::Problem},
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// A signed checkpoint of the audit log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Checkpoint)]
pub struct CheckpointShape {
    /// The log's name.
    origin: String,
    /// How many entries it covers.
    size: u64,
    /// The root of the tree over them, base64.
    root: String,
    /// When it was signed, RFC 3339.
    at: String,
    /// The signed note itself (C2SP tlog-checkpoint): keep this.
    note: String,
}

/// Shows the newest signed checkpoint. For tokens of the whole installation.
///
/// # Errors
/// 403 for a token that may not read or is bound to a team; 404 before the first checkpoint.
#[utoipa::path(get, path = "/api/v1/audit/checkpoint", tag = "audit", security(("token" = [])),
    responses((status = 200, body = CheckpointShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn checkpoint(State(app): Shared, caller: ByToken) -> Answer {
    let stored = app.checkpoint(caller.may(Action::SeeCheckpoint)?).await?;
    let read = Note::parse(&stored.note).map_err(AppError::internal)?.checkpoint;
    let shape = CheckpointShape {
        origin: read.origin,
        size: read.size,
        root: data_encoding::BASE64.encode(&read.root),
        at: stored.at.rfc3339(),
        note: stored.note,
    };
    Ok(Json(shape).into_response())
}
