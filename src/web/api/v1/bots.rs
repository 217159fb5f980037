//! `/api/v1/bots`: listed, looked at, made, edited, given a subaccount of a test venue, moved between stages. Starting one is a person's act and has no route here.

mod shape;

pub use shape::BotShape;

use crate::app::{
    App, Invalid,
    bots::NewBot,
    register::{board::BotFilter, bots::BotEdit},
};
use crate::authz::Action;
use crate::domain::{BotId, Scope, Stage};
use crate::web::{
    Answer, Shared, WebError,
    api::{
        ByToken, Listing,
        listing::Piece,
        once::{Key, Write},
        openapi::Problem,
    },
    json,
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
    /// What it is for.
    #[serde(default)]
    objective: String,
    /// Who stands in for its owner, by id or sign-in name; empty: nobody.
    #[serde(default)]
    deputy: String,
}

/// What the register is to say otherwise; what is left out stays.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[schema(as = BotEdit)]
#[serde(deny_unknown_fields)]
pub struct Edited {
    /// Another name.
    name: Option<String>,
    /// Another strategy, which is a stop.
    strategy: Option<String>,
    /// What it is for.
    objective: Option<String>,
    /// Who answers for it, by id or sign-in name.
    owner: Option<String>,
    /// Who stands in, by id or sign-in name; empty: nobody.
    deputy: Option<String>,
}

/// The subaccount that a bot is to have.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[schema(as = BotSubaccount)]
#[serde(deny_unknown_fields)]
pub struct ToSubaccount {
    /// Of a test venue, by id or as `VENUE/NAME`; null: none.
    subaccount: Option<String>,
}

/// Another stage.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToStage {
    /// `draft`, `sandbox` or `retired`; `limited` and `live` only on the way down.
    #[schema(value_type = String)]
    stage: Stage,
}

/// Lists the bots by name, narrowed by what is given.
///
/// # Errors
/// 403 for a token that may not read; 404 for a team or venue that is not there.
#[utoipa::path(get, path = "/api/v1/bots", tag = "bots", security(("token" = [])),
    params(("q" = Option<String>, Query, description = "part of its name, strategy or objective"),
        ("team" = Option<String>, Query, description = "a team, by id or name"),
        ("venue" = Option<String>, Query, description = "a venue, by id or name"),
        ("stage" = Option<String>, Query, description = "a stage"),
        ("state" = Option<String>, Query, description = "`attention`, `running`, `halted` or `no-data`"),
        ("owner" = Option<String>, Query, description = "owner or deputy, by id or sign-in name"),
        ("strategy" = Option<String>, Query, description = "a strategy"), Piece),
    responses((status = 200, body = Listing<BotShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let text = |name: &str| params.text(name).map(|text| text.into_owned()).unwrap_or_default();
    let team = match (params.text("team"), text("team")) {
        (None, _) => String::new(),
        (Some(_), name) => match app.scope_named("team", &name)? {
            Scope::Team(team) => team.to_string(),
            _ => name,
        },
    };
    let venue = params.text("venue").map(|venue| app.venues().named(&venue)).transpose()?.map(|venue| venue.id.to_string());
    let owner = text("owner");
    let owner = app.people().users().iter().find(|user| user.name.eq_ignore_ascii_case(&owner)).map_or(owner, |user| user.id.to_string());
    let (q, stage, state, strategy) = (text("q"), text("stage"), text("state"), text("strategy"));
    let filter = BotFilter { q, team, venue: venue.unwrap_or_default(), stage, state, owner, strategy, page: 0 };
    let Listing { items, next } = Listing::cut(app.registered_bots(actor, &filter)?, |row| row.bot.name.as_str(), &params)?;
    Ok(Json(Listing { items: items.into_iter().map(|row| BotShape::of(&app, row)).collect::<Vec<_>>(), next }).into_response())
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
#[utoipa::path(post, path = "/api/v1/bots", tag = "bots", security(("token" = [])), request_body = Asked, params(Key),
    responses((status = 201, body = BotShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): Shared, caller: ByToken, write: Write) -> Answer {
    let actor = caller.may(Action::EditBot)?;
    let asked: Asked = json::read(&write.body)?;
    let team = match app.scope_named("team", &asked.team) {
        Ok(Scope::Team(team)) => team.to_string(),
        _ => asked.team,
    };
    let owner =
        app.people().users().into_iter().find(|user| user.id.as_str() == asked.owner || user.name.eq_ignore_ascii_case(&asked.owner));
    let owner = owner.map_or(asked.owner, |user| user.id.to_string());
    let Asked { name, strategy, exits, objective, deputy, .. } = asked;
    let new = NewBot { name, team, strategy, owner, exits, objective, deputy };
    let work = async {
        let bot = app.create_bot(actor, &new).await?;
        let at = [(header::LOCATION, format!("/api/v1/bots/{}", bot.id))];
        let row = app.bot(actor, &bot.id)?;
        Ok((StatusCode::CREATED, at, Json(BotShape::of(&app, row))).into_response())
    };
    write.once(&app, actor, work).await
}

/// Writes down otherwise what the register says of a bot. Another strategy is a stop.
///
/// # Errors
/// 403, 404; 409 when nothing would change; 422 for fields that do not fit.
#[utoipa::path(post, path = "/api/v1/bots/{id}", tag = "bots", security(("token" = [])), request_body = Edited,
    params(("id" = String, Path, description = "id or name"), Key),
    responses((status = 200, body = BotShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn edit(State(app): Shared, caller: ByToken, Named(name): Named, write: Write) -> Answer {
    let actor = caller.may(Action::EditBot)?;
    let asked: Edited = json::read(&write.body)?;
    let id = named(&app, &name)?;
    let Edited { name, strategy, objective, owner, deputy } = asked;
    let work = async {
        app.edit_bot(actor, &id, &BotEdit { name, strategy, objective, owner, deputy }).await?;
        Ok(Json(BotShape::of(&app, app.bot(actor, &id)?)).into_response())
    };
    write.once(&app, actor, work).await
}

/// Gives a bot a subaccount of a test venue, or takes its own away: a stop. One of a live venue is asked for by a person.
///
/// # Errors
/// 403, 404; 409 for one that it cannot have; 422 for one that is not there.
#[utoipa::path(post, path = "/api/v1/bots/{id}/subaccount", tag = "bots", security(("token" = [])), request_body = ToSubaccount,
    params(("id" = String, Path, description = "id or name"), Key),
    responses((status = 200, body = BotShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn assign(State(app): Shared, caller: ByToken, Named(name): Named, write: Write) -> Answer {
    let actor = caller.may(Action::EditBot)?;
    let asked: ToSubaccount = json::read(&write.body)?;
    let id = named(&app, &name)?;
    let work = async {
        let missing = |_| crate::app::AppError::from(Invalid::one("subaccount", "there is no such subaccount; write VENUE/NAME"));
        let to = asked.subaccount.as_deref().map(|one| app.venues().subaccount_named(one).map_err(missing)).transpose()?;
        app.seat_bot(actor, &id, to.as_ref().map(|one| &one.id)).await?;
        Ok(Json(BotShape::of(&app, app.bot(actor, &id)?)).into_response())
    };
    // Taking it away is a stop, which waits for no key.
    if asked.subaccount.is_none() { work.await } else { write.once(&app, actor, work).await }
}

/// Moves a bot to another stage. Down is a stop.
///
/// # Errors
/// 403, 404; 409 for a step up that needs an approval, and for the stage that it has.
#[utoipa::path(post, path = "/api/v1/bots/{id}/stage", tag = "bots", security(("token" = [])), request_body = ToStage,
    params(("id" = String, Path, description = "id or name"), Key),
    responses((status = 200, body = BotShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn set_stage(State(app): Shared, caller: ByToken, Named(name): Named, write: Write) -> Answer {
    let actor = caller.may(Action::SetStage)?;
    let asked: ToStage = json::read(&write.body)?;
    let id = named(&app, &name)?;
    let work = async {
        app.set_stage(actor, &id, asked.stage).await?;
        Ok(Json(BotShape::of(&app, app.bot(actor, &id)?)).into_response())
    };
    // Down is a stop, which waits for no key.
    let is_down = app.fleet.view().bot(&id).is_some_and(|bot| asked.stage < bot.stage || asked.stage == Stage::Retired);
    if is_down { work.await } else { write.once(&app, actor, work).await }
}

/// A bot by id or name.
pub(super) fn named(app: &App, name: &str) -> Result<BotId, WebError> {
    match app.scope_named("bot", name)? {
        Scope::Bot(id) => Ok(id),
        _ => Err(WebError::not_found()),
    }
}
