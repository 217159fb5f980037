//! `/api/v1/requests`: requests to read; denying, taking back and commenting, each as the token's maker may. Approving takes a security key and so a
//! browser: no token does it.

use crate::app::{
    App, AppError,
    requests::{CommentRow, RequestRow, RequestView},
};
use crate::authz::Action;
use crate::domain::{RequestId, approval::seat_words};
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
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::{Deserialize, Serialize};

/// A request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Request)]
pub struct RequestShape {
    /// Its id.
    id: String,
    /// `limits`, `policy`, `override`, `assign` or `roles`.
    kind: &'static str,
    /// What it is about: a bot's id, or the kind whose policy it is.
    target: String,
    /// In words.
    title: String,
    /// `pending`, `approved`, `executing`, `executed`, `denied`, `withdrawn`, `expired`, `stale`, `failed` or `superseded`.
    state: &'static str,
    /// Its newest revision, from 1.
    revision: i64,
    /// The id of whoever asked.
    requester: String,
    /// When it was asked.
    asked_at: String,
    /// When it ended; null: it is open.
    closed_at: Option<String>,
    /// What came of it, in words.
    outcome: Option<String>,
}

/// A request with what it asks for and how far it is approved.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = WholeRequest)]
pub struct WholeShape {
    #[serde(flatten)]
    request: RequestShape,
    /// Why, as the newest revision says.
    why: String,
    /// What is approved, RFC 8785.
    content: String,
    /// SHA-256 of it, hex.
    digest: String,
    /// The difference.
    changes: Vec<ChangeShape>,
    /// The seats of the policy under which it was asked.
    seats: Vec<SeatShape>,
    /// Ids of those who can approve it now.
    eligible: Vec<String>,
    /// When it expires while it is open.
    expires_at: Option<String>,
    /// What was said.
    comments: Vec<CommentShape>,
}

/// One value as it is and as it is to be.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RequestChange)]
struct ChangeShape {
    /// What.
    setting: String,
    /// As it was when this was asked.
    now: String,
    /// As it is to be.
    after: String,
    /// It raises risk.
    raises: bool,
}

/// A seat.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RequestSeat)]
struct SeatShape {
    /// Who may fill it, in words.
    may: String,
    /// The id of whoever does; null: it is open.
    taken_by: Option<String>,
}

/// A remark.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RequestComment)]
struct CommentShape {
    /// The name of whoever said it.
    by: String,
    /// What.
    text: String,
    /// When.
    at: String,
}

/// Why a request is denied.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = DenyRequest)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// At most 500 characters; whoever asked reads it.
    why: String,
}

/// Something to say.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = CommentRequest)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// At most 500 characters.
    text: String,
}

fn shape(app: &App, row: &RequestRow) -> RequestShape {
    RequestShape {
        id: row.id.to_string(),
        kind: row.kind.as_str(),
        target: row.target.clone(),
        title: app.request_title(row.kind, &row.target),
        state: row.state.as_str(),
        revision: row.revision,
        requester: row.requester.to_string(),
        asked_at: row.asked_at.rfc3339(),
        closed_at: row.closed_at.map(|at| at.rfc3339()),
        outcome: row.outcome.clone(),
    }
}

fn whole(app: &App, view: &RequestView, comments: Vec<CommentRow>) -> WholeShape {
    let company = app.company();
    let moment = company.moment(view.row.kind);
    let newest = view.revisions.iter().find(|one| one.revision == view.row.revision);
    let until = view.case.execute_until(moment.rule).unwrap_or_else(|| view.case.pending_until());
    let change =
        |line: crate::domain::request::Line| ChangeShape { setting: line.setting, now: line.now, after: line.after, raises: line.raises };
    let seat =
        |seat: crate::domain::request::Seat| SeatShape { may: seat_words(&seat.of), taken_by: seat.taken_by.map(|id| id.to_string()) };
    WholeShape {
        request: shape(app, &view.row),
        why: view.why().to_owned(),
        content: newest.map(|one| one.content.clone()).unwrap_or_default(),
        digest: view.case.request.digest.clone(),
        changes: view
            .content()
            .lines_with(&|id| app.people().team_name(id).unwrap_or_else(|| id.to_string()))
            .into_iter()
            .map(change)
            .collect(),
        seats: view.case.quorum(&moment).seats.into_iter().map(seat).collect(),
        eligible: view.case.eligible(&moment).iter().map(|voter| voter.id.to_string()).collect(),
        expires_at: view.row.state.is_open().then(|| until.rfc3339()),
        comments: comments.into_iter().map(|one| CommentShape { by: one.by_name, text: one.text, at: one.at.rfc3339() }).collect(),
    }
}

fn id_of(text: &str) -> Result<RequestId, WebError> {
    RequestId::parse(text).map_err(|_| AppError::NotFound("request").into())
}

async fn answer(app: &App, caller: &ByToken, id: &RequestId) -> Answer {
    let view = app.request(&caller.0, id).await?;
    let comments = app.request_comments(&caller.0, id).await?;
    Ok((StatusCode::OK, Json(whole(app, &view, comments))).into_response())
}

/// Lists requests, newest first. A token of a team sees those of its team.
///
/// # Errors
/// 403 for a token that may not read.
#[utoipa::path(get, path = "/api/v1/requests", tag = "requests", security(("token" = [])), params(Piece),
    responses((status = 200, body = Listing<RequestShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let (after, limit) = listing::asked(&params, id_of)?;
    let (rows, next) = app.requests(actor, after.as_ref(), limit).await?;
    Ok(Json(Listing::of(rows.iter().map(|row| shape(&app, row)).collect::<Vec<_>>(), next)).into_response())
}

/// Shows one request with what it asks for, its seats and what was said.
///
/// # Errors
/// 404.
#[utoipa::path(get, path = "/api/v1/requests/{id}", tag = "requests", security(("token" = [])), params(("id" = String, Path)),
    responses((status = 200, body = WholeShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken, Named(id): Named) -> Answer {
    caller.may(Action::See)?;
    answer(&app, &caller, &id_of(&id)?).await
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
