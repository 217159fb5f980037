//! `/api/v1/overrides`: exceptions, each a larger position of one bot in one symbol for a while: those in force, those that were, and ending one
//! before its time, as one person may. One is asked for by a request (`/api/v1/requests`), whose id is its name.

use crate::app::{App, AppError, limit_overrides::PastOverride};
use crate::authz::Action;
use crate::domain::RequestId;
use crate::web::{
    Answer, Shared, WebError,
    api::{
        ByToken, Listing, listing,
        listing::Piece,
        once::{Bare, Key},
        openapi::Problem,
        v1::{Named as Ref, bots},
    },
    query::{Named, Params},
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// A larger position of a bot in one symbol for a while.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Override)]
pub struct OverrideShape {
    /// Its id: that of the request by which it holds.
    id: String,
    /// The bot.
    bot: Ref,
    /// The symbol.
    symbol: String,
    /// The largest position, a decimal. It never passes what stands above the bot.
    most: String,
    /// Since when.
    from: String,
    /// Until when.
    until: String,
    /// Why.
    why: String,
    /// It is in force.
    running: bool,
    /// When it ended; null: it is in force.
    ended_at: Option<String>,
    /// Who ended it, in words.
    ended_by: Option<String>,
}

fn shape(app: &App, row: &PastOverride) -> OverrideShape {
    let name = app.fleet.view().bot(&row.bot_id).map(|bot| bot.name.clone()).unwrap_or_default();
    OverrideShape {
        id: row.request_id.to_string(),
        bot: Ref { id: row.bot_id.to_string(), name },
        symbol: row.symbol.clone(),
        most: row.most.clone(),
        from: row.set_at.rfc3339(),
        until: row.until_at.rfc3339(),
        why: row.why.clone(),
        running: row.ended_at.is_none(),
        ended_at: row.ended_at.map(|at| at.rfc3339()),
        ended_by: row.ended_by.as_deref().map(|by| app.said_of(by)),
    }
}

fn id_of(text: &str) -> Result<RequestId, WebError> {
    RequestId::parse(text).map_err(|_| AppError::NotFound("exception").into())
}

/// Lists exceptions, newest first, narrowed by what is given. A token of a team sees those of its bots.
///
/// # Errors
/// 403 for a token that may not read; 400 for another state; 404 for a bot that is not there.
#[utoipa::path(get, path = "/api/v1/overrides", tag = "limits", security(("token" = [])),
    params(("bot" = Option<String>, Query, description = "a bot, by id or name"),
        ("state" = Option<String>, Query, description = "`running` or `ended`; both, when left out"), Piece),
    responses((status = 200, body = Listing<OverrideShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let running = match params.text("state").as_deref() {
        None => None,
        Some("running") => Some(true),
        Some("ended") => Some(false),
        Some(_) => return Err(WebError::bad_request("state must be running or ended.")),
    };
    let bot = params.text("bot").map(|name| bots::named(&app, &name)).transpose()?;
    if let Some(bot) = &bot {
        app.bot(actor, bot)?;
    }
    let (after, limit) = listing::asked(&params, id_of)?;
    let (rows, next) = app.overrides(actor, (bot.as_ref(), running), after.as_ref(), limit).await?;
    Ok(Json(Listing::of(rows.iter().map(|row| shape(&app, row)).collect::<Vec<_>>(), next)).into_response())
}

/// Shows one exception, in force or over.
///
/// # Errors
/// 404.
#[utoipa::path(get, path = "/api/v1/overrides/{id}", tag = "limits", security(("token" = [])), params(("id" = String, Path)),
    responses((status = 200, body = OverrideShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, Named(id): Named) -> Answer {
    let actor = caller.may(Action::See)?;
    let row = app.override_by_id(actor, &id_of(&id)?).await?;
    Ok(Json(shape(&app, &row)).into_response())
}

/// Ends an exception before its time, at once: what stood before holds again.
///
/// # Errors
/// 403; 404 for one that is not in force.
#[utoipa::path(post, path = "/api/v1/overrides/{id}/end", tag = "limits", security(("token" = [])), params(("id" = String, Path), Key),
    responses((status = 200, body = OverrideShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn end(State(app): Shared, caller: ByToken, Named(id): Named, Bare(write): Bare) -> Answer {
    let actor = caller.may(Action::TightenLimits)?;
    let id = id_of(&id)?;
    let work = async {
        app.end_override(actor, &id).await?;
        let row = app.override_by_id(actor, &id).await?;
        Ok(Json(shape(&app, &row)).into_response())
    };
    write.once(&app, actor, work).await
}
