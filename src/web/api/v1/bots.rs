//! `/api/v1/bots`: listed, looked at, made, moved between stages. Starting one is a person's act and has no route here.

mod shape;

pub use shape::BotShape;

use crate::app::{App, bots::NewBot};
use crate::authz::Action;
use crate::domain::{BotId, Scope, Stage};
use crate::web::{
    Answer, Shared, WebError,
    api::{ByToken, Listing, listing::Piece, openapi::Problem},
    json::{self, Raw},
    query::{Named, Params},
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

/// A new bot.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Its name, unique.
    name: String,
    /// Its team, by id or name.
    team: String,
    /// The strategy it runs.
    strategy: String,
    /// The accountable person, by id or sign-in name.
    owner: String,
    /// What it may do while halted: `managed` (the usual) or `none`.
    #[serde(default)]
    exits: String,
}

/// Another stage.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToStage {
    /// `draft`, `sandbox` or `retired`; `limited` and `live` only on the way down.
    #[schema(value_type = String)]
    stage: Stage,
}

/// Lists the bots by name.
///
/// # Errors
/// 403 for a token that may not read.
#[utoipa::path(get, path = "/api/v1/bots", tag = "bots", security(("token" = [])),
    params(Piece),
    responses((status = 200, body = Listing<BotShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let rows = app.bot_rows(caller.may(Action::See)?)?;
    let bots = rows.into_iter().map(|row| BotShape::of(&app, row)).collect();
    Ok(Json(Listing::cut(bots, BotShape::name, &params)?).into_response())
}

/// Shows one bot, by id or name.
///
/// # Errors
/// 403, 404.
#[utoipa::path(get, path = "/api/v1/bots/{id}", tag = "bots", security(("token" = [])), params(("id" = String, Path, description = "id or name")),
    responses((status = 200, body = BotShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, Named(name): Named) -> Answer {
    let actor = caller.may(Action::See)?;
    let row = app.bot(actor, &named(&app, &name)?)?;
    Ok(Json(BotShape::of(&app, row)).into_response())
}

/// Makes a bot, in stage `draft`.
///
/// # Errors
/// 403; 422 for fields that do not fit.
#[utoipa::path(post, path = "/api/v1/bots", tag = "bots", security(("token" = [])), request_body = Asked,
    responses((status = 201, body = BotShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): Shared, caller: ByToken, Raw(body): Raw) -> Answer {
    let actor = caller.may(Action::EditBot)?;
    let asked: Asked = json::read(&body)?;
    let team = match app.scope_named("team", &asked.team) {
        Ok(Scope::Team(team)) => team.to_string(),
        _ => asked.team,
    };
    let owner =
        app.people().users().into_iter().find(|user| user.id.as_str() == asked.owner || user.name.eq_ignore_ascii_case(&asked.owner));
    let owner = owner.map_or(asked.owner, |user| user.id.to_string());
    let new = NewBot { name: asked.name, team, strategy: asked.strategy, owner, exits: asked.exits };
    let bot = app.create_bot(actor, &new).await?;
    let at = [(header::LOCATION, format!("/api/v1/bots/{}", bot.id))];
    let row = app.bot(actor, &bot.id)?;
    Ok((StatusCode::CREATED, at, Json(BotShape::of(&app, row))).into_response())
}

/// Moves a bot to another stage. Down is a stop.
///
/// # Errors
/// 403, 404; 409 for a step up that needs an approval, and for the stage that it has.
#[utoipa::path(post, path = "/api/v1/bots/{id}/stage", tag = "bots", security(("token" = [])), request_body = ToStage,
    params(("id" = String, Path, description = "id or name")),
    responses((status = 200, body = BotShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn set_stage(State(app): Shared, caller: ByToken, Named(name): Named, Raw(body): Raw) -> Answer {
    let actor = caller.may(Action::SetStage)?;
    let asked: ToStage = json::read(&body)?;
    let id = named(&app, &name)?;
    app.set_stage(actor, &id, asked.stage).await?;
    Ok(Json(BotShape::of(&app, app.bot(actor, &id)?)).into_response())
}

fn named(app: &App, name: &str) -> Result<BotId, WebError> {
    match app.scope_named("bot", name)? {
        Scope::Bot(id) => Ok(id),
        _ => Err(WebError::not_found()),
    }
}
