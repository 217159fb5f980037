//! `/api/v1/teams`: listed. Making one is an admin's and has no route here.

use crate::authz::{self, Action};
use crate::web::{
    Answer, Shared,
    api::{ByToken, Listing, listing::Piece, openapi::Problem, v1::Named},
    query::Params,
};
use axum::{Json, extract::State, response::IntoResponse};

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
