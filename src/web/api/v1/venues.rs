//! `/api/v1/venues` and `/api/v1/accounts`: listed, written down, changed, retired. Nothing is deleted.

use super::Named as Ref;
use crate::app::{
    App, AppError,
    register::{Edit, Thing},
    venues::{Account, Venue},
};
use crate::authz::Action;
use crate::domain::AccountId;
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
use serde::{Deserialize, Serialize};

/// A venue: an exchange in one environment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Venue)]
pub struct VenueShape {
    /// Its id.
    id: String,
    /// Its name, unique.
    name: String,
    /// The exchange.
    exchange: String,
    /// `test` or `live`.
    environment: &'static str,
    /// When it was written down.
    created_at: String,
    /// Since when nothing new begins there; null: it is in use.
    retired_at: Option<String>,
}

/// A main account at a venue.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Account)]
pub struct AccountShape {
    /// Its id.
    id: String,
    /// Its name, unique at the venue.
    name: String,
    /// Its venue.
    venue: Ref,
    /// When it was written down.
    created_at: String,
    /// Since when nothing new begins there; null: it is in use.
    retired_at: Option<String>,
}

/// A new venue.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewVenue)]
#[serde(deny_unknown_fields)]
pub struct NewVenue {
    /// Its name, unique.
    name: String,
    /// The exchange; empty: as the name.
    #[serde(default)]
    exchange: String,
    /// `test` or `live`; it stays.
    environment: String,
}

/// A new account.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewAccount)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// Its venue, by id or name.
    venue: String,
    /// Its name, unique at the venue.
    name: String,
}

/// Another name or exchange; what is left out stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = VenueEdit)]
#[serde(deny_unknown_fields)]
pub struct VenueEdit {
    /// Another name.
    name: Option<String>,
    /// Another exchange.
    exchange: Option<String>,
}

/// Another name.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = AccountEdit)]
#[serde(deny_unknown_fields)]
pub struct AccountEdit {
    /// The name.
    name: String,
}

/// Whether something is retired.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = Retirement)]
#[serde(deny_unknown_fields)]
pub struct Retirement {
    /// True: nothing new begins there. False: it is taken back into use.
    pub(super) retired: bool,
}

fn venue_shape(venue: &Venue) -> VenueShape {
    VenueShape {
        id: venue.id.to_string(),
        name: venue.name.clone(),
        exchange: venue.exchange.clone(),
        environment: venue.environment.as_str(),
        created_at: venue.created_at.rfc3339(),
        retired_at: venue.retired_at.map(|at| at.rfc3339()),
    }
}

fn account_shape(app: &App, account: &Account) -> AccountShape {
    let venue = app.venues().venue(&account.venue_id).map(|venue| venue.name).unwrap_or_default();
    AccountShape {
        id: account.id.to_string(),
        name: account.name.clone(),
        venue: Ref { id: account.venue_id.to_string(), name: venue },
        created_at: account.created_at.rfc3339(),
        retired_at: account.retired_at.map(|at| at.rfc3339()),
    }
}

/// An id that names nothing known is 404 as well.
fn account_of(app: &App, id: &str) -> Result<Account, WebError> {
    let found = AccountId::parse(id).ok().and_then(|id| app.venues().account(&id));
    found.ok_or_else(|| AppError::NotFound("account").into())
}

fn made(at: String, body: impl Serialize) -> Answer {
    Ok((StatusCode::CREATED, [(header::LOCATION, at)], Json(body)).into_response())
}

/// Lists venues by name.
///
/// # Errors
/// 403 for a token that may not read.
#[utoipa::path(get, path = "/api/v1/venues", tag = "register", security(("token" = [])), params(Piece),
    responses((status = 200, body = Listing<VenueShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn venues(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    caller.may(Action::See)?;
    let all = app.venues().venues().iter().map(venue_shape).collect();
    Ok(Json(Listing::cut(all, |venue: &VenueShape| &venue.name, &params)?).into_response())
}

/// Shows one venue, by id or name.
///
/// # Errors
/// 404.
#[utoipa::path(get, path = "/api/v1/venues/{id}", tag = "register", security(("token" = [])), params(("id" = String, Path, description = "id or name")),
    responses((status = 200, body = VenueShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn venue(State(app): Shared, caller: ByToken, Named(id): Named) -> Answer {
    caller.may(Action::See)?;
    Ok(Json(venue_shape(&app.venues().named(&id)?)).into_response())
}

/// Writes a venue down, with its account `main`.
///
/// # Errors
/// 403; 422 for fields that do not fit.
#[utoipa::path(post, path = "/api/v1/venues", tag = "register", security(("token" = [])), request_body = NewVenue, params(Key),
    responses((status = 201, body = VenueShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create_venue(State(app): Shared, caller: ByToken, write: Write) -> Answer {
    let actor = caller.may(Action::EditVenues)?;
    let asked: NewVenue = json::read(&write.body)?;
    let work = async {
        let venue = app.create_venue_of(actor, (&asked.exchange, &asked.name), &asked.environment).await?;
        made(format!("/api/v1/venues/{}", venue.id), venue_shape(&venue))
    };
    write.once(&app, actor, work).await
}

/// Writes a venue down otherwise.
///
/// # Errors
/// 403, 404; 409 when nothing would change; 422 for fields that do not fit.
#[utoipa::path(post, path = "/api/v1/venues/{id}", tag = "register", security(("token" = [])), request_body = VenueEdit,
    params(("id" = String, Path, description = "id or name"), Key),
    responses((status = 200, body = VenueShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn edit_venue(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    let actor = caller.may(Action::EditVenues)?;
    let venue = app.venues().named(&id)?.id;
    let asked: VenueEdit = json::read(&write.body)?;
    let work = async {
        let edit = Edit { name: asked.name, exchange: asked.exchange, account: None };
        app.edit_thing(actor, &Thing::Venue(venue.clone()), &edit).await?;
        Ok(Json(venue_shape(&app.venues().named(venue.as_str())?)).into_response())
    };
    write.once(&app, actor, work).await
}

/// Retires a venue, or takes it back into use.
///
/// # Errors
/// 403, 404; 409 with the bots that use it.
#[utoipa::path(post, path = "/api/v1/venues/{id}/retire", tag = "register", security(("token" = [])), request_body = Retirement,
    params(("id" = String, Path, description = "id or name"), Key),
    responses((status = 200, body = VenueShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn retire_venue(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    let actor = caller.may(Action::EditVenues)?;
    let venue = app.venues().named(&id)?.id;
    let asked: Retirement = json::read(&write.body)?;
    let work = async {
        app.retire_thing(actor, &Thing::Venue(venue.clone()), asked.retired).await?;
        Ok(Json(venue_shape(&app.venues().named(venue.as_str())?)).into_response())
    };
    write.once(&app, actor, work).await
}

/// Lists accounts by id; with `venue` those of one.
///
/// # Errors
/// 403 for a token that may not read; 404 for a venue that is not there.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "register", security(("token" = [])),
    params(("venue" = Option<String>, Query, description = "a venue, by id or name"), Piece),
    responses((status = 200, body = Listing<AccountShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn accounts(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    caller.may(Action::See)?;
    let of = match params.text("venue") {
        Some(venue) => vec![app.venues().named(&venue)?],
        None => app.venues().venues(),
    };
    let all = of.iter().flat_map(|venue| app.venues().accounts_of(&venue.id)).map(|one| account_shape(&app, &one)).collect();
    Ok(Json(Listing::cut(all, |account: &AccountShape| &account.id, &params)?).into_response())
}

/// Writes an account down.
///
/// # Errors
/// 403; 422 for fields that do not fit.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "register", security(("token" = [])), request_body = NewAccount, params(Key),
    responses((status = 201, body = AccountShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create_account(State(app): Shared, caller: ByToken, write: Write) -> Answer {
    let actor = caller.may(Action::EditVenues)?;
    let asked: NewAccount = json::read(&write.body)?;
    let work = async {
        let account = app.create_account(actor, &asked.venue, &asked.name).await?;
        made(format!("/api/v1/accounts?venue={}", account.venue_id), account_shape(&app, &account))
    };
    write.once(&app, actor, work).await
}

/// Renames an account.
///
/// # Errors
/// 403, 404; 409 when nothing would change; 422 for fields that do not fit.
#[utoipa::path(post, path = "/api/v1/accounts/{id}", tag = "register", security(("token" = [])), request_body = AccountEdit,
    params(("id" = String, Path), Key),
    responses((status = 200, body = AccountShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn edit_account(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    let actor = caller.may(Action::EditVenues)?;
    let account = account_of(&app, &id)?;
    let asked: AccountEdit = json::read(&write.body)?;
    let work = async {
        let edit = Edit { name: Some(asked.name), ..Edit::default() };
        app.edit_thing(actor, &Thing::Account(account.id.clone()), &edit).await?;
        Ok(Json(account_shape(&app, &account_of(&app, account.id.as_str())?)).into_response())
    };
    write.once(&app, actor, work).await
}

/// Retires an account, or takes it back into use.
///
/// # Errors
/// 403, 404; 409 with the bots that use it.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/retire", tag = "register", security(("token" = [])), request_body = Retirement,
    params(("id" = String, Path), Key),
    responses((status = 200, body = AccountShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn retire_account(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    let actor = caller.may(Action::EditVenues)?;
    let account = account_of(&app, &id)?;
    let asked: Retirement = json::read(&write.body)?;
    let work = async {
        app.retire_thing(actor, &Thing::Account(account.id.clone()), asked.retired).await?;
        Ok(Json(account_shape(&app, &account_of(&app, account.id.as_str())?)).into_response())
    };
    write.once(&app, actor, work).await
}
