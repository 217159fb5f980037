//! `/api/v1/requests`: requests to read; asking, changing what one asked for, denying, taking back and commenting, each as the token's maker
//! may. Approving takes a security key and so a browser: no token does it.

mod ask;
mod shapes;

use crate::app::{
    App, AppError,
    requests::{RequestFilter, Stands},
};
use crate::authz::Action;
use crate::domain::{RequestId, RequestKind, RequestState, Scope, TeamId, UserId, text::UnknownWord};
use crate::web::{
    Answer, Shared, WebError,
    api::{
        ByToken, Listing, listing,
        listing::Piece,
        once::{Bare, Key, Write},
        openapi::Problem,
    },
    json,
    query::{Named, Params},
};
use ask::Ask;
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use shapes::{RequestShape, WholeShape};

/// Why a request is denied.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = DenyRequest)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// At most 500 characters; whoever asked reads it.
    why: String,
}

/// Who else is to approve a request.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = RaiseRequest)]
#[serde(deny_unknown_fields)]
pub struct More {
    /// `risk`, `lead` (of its team), `any_lead` or `admin`.
    more: String,
}

/// Something to say.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = CommentRequest)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// At most 500 characters.
    text: String,
}

fn id_of(text: &str) -> Result<RequestId, WebError> {
    RequestId::parse(text).map_err(|_| AppError::NotFound("request").into())
}

async fn found(app: &App, caller: &ByToken, id: &RequestId) -> Result<WholeShape, WebError> {
    let view = app.request(&caller.0, id).await?;
    let comments = app.request_comments(&caller.0, id).await?;
    let obstacle = app.obstacle_to_vote(&caller.0, &view).await?;
    Ok(shapes::whole(app, &view, (comments, obstacle)))
}

async fn answer(app: &App, caller: &ByToken, id: &RequestId) -> Answer {
    Ok((StatusCode::OK, Json(found(app, caller, id).await?)).into_response())
}

fn team_of(app: &App, name: &str) -> Result<TeamId, WebError> {
    match app.scope_named("team", name)? {
        Scope::Team(team) => Ok(team),
        _ => Err(WebError::not_found()),
    }
}

/// People who are disabled by now asked for things as well.
fn person_of(app: &App, name: &str) -> Result<UserId, WebError> {
    let users = app.people().users();
    let found = users.iter().find(|user| user.id.as_str() == name || user.name.eq_ignore_ascii_case(name));
    found.map(|user| user.id.clone()).ok_or_else(|| AppError::NotFound("person").into())
}

fn filter_of(app: &App, params: &Params) -> Result<RequestFilter, WebError> {
    let bad =
        |name: &str, more: &str, error: &UnknownWord| WebError::bad_request(format!("{name} must be one of {more}{}.", error.allowed));
    let stands = |word: &str| match word {
        "open" => Ok(Stands::Open),
        word => word.parse::<RequestState>().map(Stands::As).map_err(|error| bad("state", "open, ", &error)),
    };
    let state = params.text("state").map(|word| stands(&word)).transpose()?;
    let kind = params.text("kind").map(|word| word.parse::<RequestKind>().map_err(|error| bad("kind", "", &error))).transpose()?;
    let team = params.text("team").map(|name| team_of(app, &name)).transpose()?;
    let requester = params.text("requester").map(|name| person_of(app, &name)).transpose()?;
    Ok(RequestFilter { state, kind, team, requester })
}

/// Lists requests, newest first, narrowed by what is given. A token of a team sees those of its team and those that concern no team.
///
/// # Errors
/// 403 for a token that may not read; 400 for a state or kind that is none; 404 for a team or person that is not there.
#[utoipa::path(get, path = "/api/v1/requests", tag = "requests", security(("token" = [])),
    params(("state" = Option<String>, Query, description = "`open`, or a state"),
        ("kind" = Option<String>, Query, description = "a kind"),
        ("team" = Option<String>, Query, description = "the team that they concern, by id or name"),
        ("requester" = Option<String>, Query, description = "who asked, by id or sign-in name"), Piece),
    responses((status = 200, body = Listing<RequestShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let (after, limit) = listing::asked(&params, id_of)?;
    let (rows, next) = app.requests(actor, &filter_of(&app, &params)?, after.as_ref(), limit).await?;
    Ok(Json(Listing::of(rows.iter().map(|row| shapes::line(&app, row)).collect::<Vec<_>>(), next)).into_response())
}

/// Asks for something, as the token's maker may. An open request of theirs for the same is superseded.
///
/// # Errors
/// 403; 404 for a bot or level that is not there; 409 when nothing would change or be looser, or somebody else's request for the same is open;
/// 422 for what cannot be, and without a reason.
#[utoipa::path(post, path = "/api/v1/requests", tag = "requests", security(("token" = [])), request_body = Ask, params(Key),
    responses((status = 201, body = WholeShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): Shared, caller: ByToken, write: Write) -> Answer {
    caller.may(Action::AskRequest)?;
    let ask = Ask::read(&write.body)?;
    let work = async {
        let id = ask.put(&app, &caller.0).await?;
        let at = [(header::LOCATION, format!("/api/v1/requests/{id}"))];
        Ok((StatusCode::CREATED, at, Json(found(&app, &caller, &id).await?)).into_response())
    };
    write.once(&app, &caller.0, work).await
}

/// Shows one request: what it asks for, its seats, whether the token's maker can approve it, and every revision, approval and remark.
///
/// # Errors
/// 404.
#[utoipa::path(get, path = "/api/v1/requests/{id}", tag = "requests", security(("token" = [])), params(("id" = String, Path)),
    responses((status = 200, body = WholeShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, Named(id): Named) -> Answer {
    caller.may(Action::See)?;
    answer(&app, &caller, &id_of(&id)?).await
}

/// Makes another revision of a request that the token's maker asked for: the same body as asking, about the same thing. What was approved of
/// the one before counts no more.
///
/// # Errors
/// 403, 404; 409 when it is over, asks for that already, or is for a larger position for a while; 422 for what cannot be.
#[utoipa::path(post, path = "/api/v1/requests/{id}/revise", tag = "requests", security(("token" = [])), params(("id" = String, Path), Key), request_body = Ask,
    responses((status = 200, body = WholeShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn revise(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    caller.may(Action::AskRequest)?;
    let id = id_of(&id)?;
    let ask = Ask::read(&write.body)?;
    let work = async {
        let view = app.request(&caller.0, &id).await?;
        ask.revise(&app, &caller.0, &view).await?;
        answer(&app, &caller, &id).await
    };
    write.once(&app, &caller.0, work).await
}

/// Denies a request as the token's maker may, which ends it.
///
/// # Errors
/// 403, 404; 409 when it is over; 422 without a reason.
#[utoipa::path(post, path = "/api/v1/requests/{id}/deny", tag = "requests", security(("token" = [])), params(("id" = String, Path), Key), request_body = Why,
    responses((status = 200, body = WholeShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn deny(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    caller.may(Action::VoteRequest)?;
    let id = id_of(&id)?;
    let typed: Why = json::read(&write.body)?;
    let work = async {
        app.deny_request(&caller.0, &id, &typed.why).await?;
        answer(&app, &caller, &id).await
    };
    write.once(&app, &caller.0, work).await
}

/// Asks for one approval more than the policy does, of a request that the token's maker asked for and that waits for approvals.
///
/// # Errors
/// 403, 404; 409 when it does not wait any more or has four seats; 422 for somebody who cannot be asked.
#[utoipa::path(post, path = "/api/v1/requests/{id}/raise", tag = "requests", security(("token" = [])), params(("id" = String, Path), Key), request_body = More,
    responses((status = 200, body = WholeShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn raise(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    caller.may(Action::DiscussRequest)?;
    let id = id_of(&id)?;
    let asked: More = json::read(&write.body)?;
    let work = async {
        app.raise_request(&caller.0, &id, &asked.more).await?;
        answer(&app, &caller, &id).await
    };
    write.once(&app, &caller.0, work).await
}

/// Takes a request back that the token's maker asked for.
///
/// # Errors
/// 403, 404; 409 when it is over.
#[utoipa::path(post, path = "/api/v1/requests/{id}/withdraw", tag = "requests", security(("token" = [])), params(("id" = String, Path), Key),
    responses((status = 200, body = WholeShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn withdraw(State(app): Shared, caller: ByToken, Named(id): Named, Bare(write): Bare) -> Answer {
    caller.may(Action::DiscussRequest)?;
    let id = id_of(&id)?;
    let work = async {
        app.withdraw_request(&caller.0, &id).await?;
        answer(&app, &caller, &id).await
    };
    write.once(&app, &caller.0, work).await
}

/// Says something about a request, before its end or after.
///
/// # Errors
/// 403, 404; 422 for nothing, or too much.
#[utoipa::path(post, path = "/api/v1/requests/{id}/comments", tag = "requests", security(("token" = [])), params(("id" = String, Path), Key), request_body = Remark,
    responses((status = 200, body = WholeShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn comment(State(app): Shared, caller: ByToken, Named(id): Named, write: Write) -> Answer {
    caller.may(Action::DiscussRequest)?;
    let id = id_of(&id)?;
    let typed: Remark = json::read(&write.body)?;
    let work = async {
        app.comment_request(&caller.0, &id, &typed.text).await?;
        answer(&app, &caller, &id).await
    };
    write.once(&app, &caller.0, work).await
}
