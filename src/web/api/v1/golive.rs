//! `POST /api/v1/bots/{id}/golive`: the one thing that a token with scope `build` does. A pipeline files that what it built, and what runs already,
//! goes live; people approve it and carry it out.

use super::bots::named;
use crate::app::golive::builds::Filed;
use crate::authz::Action;
use crate::web::{
    Answer, Shared,
    api::{
        ByToken,
        once::{Key, Write},
        openapi::Problem,
    },
    json,
    query::Named,
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};

/// A build that is to go live.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = FileBuild)]
#[serde(deny_unknown_fields)]
pub struct FileShape {
    /// Digest of the build, as the bot's agent tells it.
    build: String,
    /// Digest of the configuration, as the bot's agent tells it.
    config: String,
    /// Where it comes from: an address that begins with `https://`. It is approved with the rest.
    provenance: String,
    /// Why; at most 500 characters. Whoever approves reads it.
    why: String,
    /// What becomes of the bot when it is no longer so: `pause`, which is usual, or `reduce`.
    #[serde(default)]
    on_drift: String,
    /// `limited` or `live`; left out: the next stage, and of a bot that is live its own.
    #[serde(default)]
    stage: String,
}

/// What was filed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = FiledBuild)]
pub struct FiledShape {
    /// The request.
    id: String,
    /// Its page, where people approve it and carry it out.
    link: String,
}

/// Files a build for going live, in the name of whoever made the token: they carry it out once it is approved, and approve none of it.
///
/// # Errors
/// 403 for a token of another scope; 404 for a bot that is not there, or of another team; 409 when the bot's agent says that it runs something else,
/// with every item of the checklist that is open, and while somebody else's request for the same is open; 422 for fields that do not fit.
#[utoipa::path(post, path = "/api/v1/bots/{id}/golive", tag = "bots", security(("token" = [])), request_body = FileShape,
    params(("id" = String, Path, description = "id or name"), Key),
    responses((status = 201, body = FiledShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): Shared, caller: ByToken, Named(name): Named, write: Write) -> Answer {
    let actor = caller.may(Action::FileBuild)?;
    let FileShape { build, config, provenance, why, on_drift, stage } = json::read(&write.body)?;
    let bot = named(&app, &name)?;
    let filed = Filed { build, config, provenance, why, on_drift, stage };
    let work = async {
        let id = app.file_build(actor, &bot, &filed).await?;
        let at = [(header::LOCATION, format!("/api/v1/requests/{id}"))];
        let link = format!("{}requests/{id}", app.origin);
        Ok((StatusCode::CREATED, at, Json(FiledShape { id: id.to_string(), link })).into_response())
    };
    write.once(&app, actor, work).await
}
