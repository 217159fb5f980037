//! `/api/v1/subaccounts`: the board, as programs see it: each subaccount with the bot that has it, its limits and what agents claim. And
//! `/api/v1/assignments`: who had what at any moment.

use super::{Named as Ref, venues::Retirement};
use crate::app::{
    App, AppError,
    assignments::Assignment,
    register::{
        Edit, Thing,
        board::{Claim, Held, SubaccountFilter, SubaccountRow},
    },
};
use crate::authz::{Action, Actor};
use crate::domain::{AssignmentId, SubaccountId};
use crate::web::{
    Answer, Shared, WebError,
    api::{
        ByToken, Listing,
        listing::Piece,
        once::{Key, Write},
        openapi::Problem,
    },
    json,
    pages::register::assignments::moment,
    query::{Named, Params},
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};

/// A subaccount, and who has it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Subaccount)]
pub struct SubaccountShape {
    /// Its id.
    id: String,
    /// `VENUE/NAME`.
    label: String,
    /// Its name, unique at the venue.
    name: String,
    /// Its venue.
    venue: Ref,
    /// `test` or `live`.
    environment: &'static str,
    /// Its account.
    account: Ref,
    /// `double` (two bots claim it), `free`, `assigned` or `retired` (and free).
    state: &'static str,
    /// The bot that has it; null: none, or one that this token may not see.
    bot: Option<Ref>,
    /// The bot's limits; null: it has no bot.
    #[schema(value_type = Option<Object>)]
    limits: Option<serde_json::Value>,
    /// `unknown` (no agent says where its bot trades), `agrees` or `double`.
    claim: &'static str,
    /// Who claims what, a sentence each.
    claims: Vec<String>,
    /// When it was written down.
    created_at: String,
    /// Since when no bot may have it anew; null: it is in use.
    retired_at: Option<String>,
}

/// A new subaccount.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewSubaccount)]
#[serde(deny_unknown_fields)]
pub struct NewSubaccount {
    /// Its venue, by id or name.
    venue: String,
    /// Its account, by id or name; empty: the only one of the venue, or `main`.
    #[serde(default)]
    account: String,
    /// Its name, unique at the venue.
    name: String,
}

/// Another name or account; what is left out stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = SubaccountEdit)]
#[serde(deny_unknown_fields)]
pub struct SubaccountEdit {
    /// Another name.
    name: Option<String>,
    /// Another account of its venue, by id or name.
    account: Option<String>,
}

/// That a bot has, or had, a subaccount.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Assignment)]
pub struct AssignmentShape {
    /// Its id.
    id: String,
    /// The bot, by its name of today.
    bot: Ref,
    /// The subaccount, by its label of today.
    subaccount: Ref,
    /// Since when.
    from: String,
    /// Who gave it, in words.
    by: String,
    /// The request that approved it; null: a test venue.
    request: Option<String>,
    /// Until when; null: it has it.
    until: Option<String>,
}

fn shape(app: &App, row: &SubaccountRow) -> SubaccountShape {
    let one = &row.subaccount;
    let bot = if let Held::By(bot) = &row.held { Some(bot) } else { None };
    SubaccountShape {
        id: one.id.to_string(),
        label: row.label.clone(),
        name: one.name.clone(),
        venue: Ref { id: one.venue_id.to_string(), name: app.venues().venue(&one.venue_id).map(|venue| venue.name).unwrap_or_default() },
        environment: row.environment.as_str(),
        account: Ref { id: one.account_id.to_string(), name: row.account.clone() },
        state: row.state(),
        bot: bot.map(|bot| Ref { id: bot.id.to_string(), name: bot.name.clone() }),
        limits: bot.map(|bot| serde_json::Value::Object(bot.limits.values.clone())),
        claim: match &row.claim {
            Claim::Unknown => "unknown",
            Claim::Agrees => "agrees",
            Claim::Double(_) => "double",
        },
        claims: if let Claim::Double(said) = &row.claim { said.clone() } else { Vec::new() },
        created_at: one.created_at.rfc3339(),
        retired_at: one.retired_at.map(|at| at.rfc3339()),
    }
}

fn found(app: &App, actor: &Actor, id: &SubaccountId) -> Result<SubaccountShape, WebError> {
    let one = app.venues().subaccount(id).ok_or(AppError::NotFound("subaccount"))?;
    let filter = SubaccountFilter { venue: one.venue_id.to_string(), account: one.account_id.to_string(), ..SubaccountFilter::default() };
    let rows = app.subaccount_rows(actor, &filter)?;
    let row = rows.iter().find(|row| row.subaccount.id == *id).ok_or(AppError::NotFound("subaccount"))?;
    Ok(shape(app, row))
}

fn id_of(app: &App, text: &str) -> Result<SubaccountId, WebError> {
    let id = SubaccountId::parse(text).ok().filter(|id| app.venues().subaccount(id).is_some());
    id.ok_or_else(|| AppError::NotFound("subaccount").into())
}

/// Lists subaccounts by label: the board. Narrow with `state=double` and `state=free` to what wants looking at.
///
/// # Errors
/// 403 for a token that may not read; 400 for another state; 404 for a venue that is not there.
#[utoipa::path(get, path = "/api/v1/subaccounts", tag = "register", security(("token" = [])),
    params(("q" = Option<String>, Query, description = "part of its label, its account's name or its bot's"),
        ("venue" = Option<String>, Query, description = "a venue, by id or name"),
        ("account" = Option<String>, Query, description = "an account's id"),
        ("state" = Option<String>, Query, description = "`double`, `free`, `assigned` or `retired`"), Piece),
    responses((status = 200, body = Listing<SubaccountShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let text = |name: &str| params.text(name).map(|text| text.into_owned()).unwrap_or_default();
    let venue = match params.text("venue") {
        Some(venue) => app.venues().named(&venue)?.id.to_string(),
        None => String::new(),
    };
    let filter = SubaccountFilter { q: text("q"), venue, account: text("account"), state: text("state"), page: 0 };
    if !["", "double", "free", "assigned", "retired"].contains(&filter.state.as_str()) {
        return Err(WebError::bad_request("state must be double, free, assigned or retired."));
    }
    let Listing { items, next } = Listing::cut(app.subaccount_rows(actor, &filter)?, |row: &SubaccountRow| &row.label, &params)?;
    Ok(Json(Listing { items: items.iter().map(|row| shape(&app, row)).collect::<Vec<_>>(), next }).into_response())
}

/// Shows one subaccount.
///
/// # Errors
/// 404.
#[utoipa::path(get, path = "/api/v1/subaccounts/{id}", tag = "register", security(("token" = [])), params(("id" = String, Path)),
    responses((status = 200, body = SubaccountShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, Named(id): Named) -> Answer {
    let actor = caller.may(Action::See)?;
    Ok(Json(found(&app, actor, &id_of(&app, &id)?)?).into_response())
}

/// Writes a subaccount down.
///
/// # Errors
/// 403; 422 for fields that do not fit.
#[utoipa::path(post, path = "/api/v1/subaccounts", tag = "register", security(("token" = [])), request_body = NewSubaccount, params(Key),
    responses((status = 201, body = SubaccountShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): Shared, caller: ByToken, write: Write) -> Answer {
    let actor = caller.may(Action::EditVenues)?;
    let asked: NewSubaccount = json::read(&write.body)?;
    let work = async {
        let one = app.create_subaccount_of(actor, (&asked.venue, &asked.account), &asked.name).await?;
        let at = [(header::LOCATION, format!("/api/v1/subaccounts/{}", one.id))];
        Ok((StatusCode::CREATED, at, Json(found(&app, actor, &one.id)?)).into_response())
    };
    write.once(&app, actor, work).await
}

/// Writes a subaccount down otherwise. A bot that has it goes on.
///
/// # Errors
/// 403, 404; 409 when nothing would change; 422 for fields that do not fit.
#[utoipa::path(post, path = "/api/v1/subaccounts/{id}", tag = "register", security(("token" = [])), request_body = SubaccountEdit,
    params(("id" = String, Path), Key),
    responses((status = 200, body = SubaccountShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn edit(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    let actor = caller.may(Action::EditVenues)?;
    let id = id_of(&app, &id)?;
    let asked: SubaccountEdit = json::read(&write.body)?;
    let work = async {
        let edit = Edit { name: asked.name, exchange: None, account: asked.account };
        app.edit_thing(actor, &Thing::Subaccount(id.clone()), &edit).await?;
        Ok(Json(found(&app, actor, &id)?).into_response())
    };
    write.once(&app, actor, work).await
}

/// Retires a subaccount, or takes it back into use.
///
/// # Errors
/// 403, 404; 409 with the bot that has it.
#[utoipa::path(post, path = "/api/v1/subaccounts/{id}/retire", tag = "register", security(("token" = [])), request_body = Retirement,
    params(("id" = String, Path), Key),
    responses((status = 200, body = SubaccountShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn retire(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    let actor = caller.may(Action::EditVenues)?;
    let id = id_of(&app, &id)?;
    let asked: Retirement = json::read(&write.body)?;
    let work = async {
        app.retire_thing(actor, &Thing::Subaccount(id.clone()), asked.retired).await?;
        Ok(Json(found(&app, actor, &id)?).into_response())
    };
    write.once(&app, actor, work).await
}

fn assignment(app: &App, row: &Assignment) -> AssignmentShape {
    let view = app.fleet.view();
    let bot = view.bot(&row.bot_id).map(|bot| bot.name.clone()).unwrap_or_default();
    let label = app.venues().subaccount(&row.subaccount_id).map(|one| app.venues().label(&one)).unwrap_or_default();
    AssignmentShape {
        id: row.id.to_string(),
        bot: Ref { id: row.bot_id.to_string(), name: bot },
        subaccount: Ref { id: row.subaccount_id.to_string(), name: label },
        from: row.from_at.rfc3339(),
        by: app.said_of(&row.from_by),
        request: row.request_id.as_ref().map(ToString::to_string),
        until: row.until_at.map(|at| at.rfc3339()),
    }
}

/// Lists who had which subaccount at a moment, now when none is named. A token of a team sees its own bots.
///
/// # Errors
/// 403 for a token that may not read; 400 for what is no moment.
#[utoipa::path(get, path = "/api/v1/assignments", tag = "register", security(("token" = [])),
    params(("as_of" = Option<String>, Query, description = "RFC 3339, or a day, which counts to its end in UTC"), Piece),
    responses((status = 200, body = Listing<AssignmentShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn assignments(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let limit = params.number("limit", 1..=1_000, 100)?;
    let at = match params.text("as_of") {
        None => app.clock.now(),
        Some(text) => moment(&text).ok_or_else(|| WebError::bad_request("as_of must be a moment as RFC 3339 writes it, or a day."))?,
    };
    let after = params
        .text("after")
        .map(|id| AssignmentId::parse(&id).map_err(|_| WebError::bad_request("after must be `next` of the piece before.")));
    let (rows, next) = app.assignments_as_of(actor, at, (after.transpose()?.as_ref(), limit)).await?;
    let items = rows.iter().map(|row| assignment(&app, row)).collect();
    Ok(Json(Listing::<AssignmentShape> { items, next: next.map(|id| id.to_string()) }).into_response())
}
