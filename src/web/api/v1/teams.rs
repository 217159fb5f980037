//! `/api/v1/teams`.

use crate::authz::{self, Action};
use crate::web::{
    Answer, Shared,
    api::{ByToken, Listing, listing::Piece, openapi::Problem, v1::Named},
    json::{self, Raw},
    query::Params,
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

/// A new team.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTeam {
    /// Its name, unique.
    name: String,
}

/// Lists the teams by name.
///
/// # Errors
/// 403 for a token that may not read.
#[utoipa::path(get, path = "/api/v1/teams", tag = "teams", security(("token" = [])),
    params(Piece),
    responses((status = 200, body = Listing<Named>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let teams = app.people().teams().into_iter().filter(|team| authz::sees_team(actor, &team.id));
    let teams = teams.map(|team| Named { id: team.id.to_string(), name: team.name }).collect();
    Ok(Json(Listing::cut(teams, |team: &Named| &team.name, &params)?).into_response())
}

/// Makes a team.
///
/// # Errors
/// 403; 422 for a name that does not fit or is taken.
#[utoipa::path(post, path = "/api/v1/teams", tag = "teams", security(("token" = [])), request_body = NewTeam,
    responses((status = 201, body = Named), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): Shared, caller: ByToken, Raw(body): Raw) -> Answer {
    let actor = caller.may(Action::CreateTeam)?;
    let asked: NewTeam = json::read(&body)?;
    let team = app.create_team(actor, &asked.name).await?;
    let at = [(header::LOCATION, "/api/v1/teams".to_owned())];
    Ok((StatusCode::CREATED, at, Json(Named { id: team.id.to_string(), name: team.name })).into_response())
}
