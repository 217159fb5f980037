//! `/api/v1/emergency-changes`: what bots ran that was not approved, because two people let them, and what a review found; to read. Making one,
//! and reviewing it, is a person's.

use super::Named as NamedShape;
use crate::app::{App, AppError, golive::emergency::EmergencyRow};
use crate::authz::Action;
use crate::domain::{EmergencyId, Timestamp, UserId, golive::Ran};
use crate::web::{
    Answer, Shared, WebError,
    api::{ByToken, Listing, listing::Piece, openapi::Problem},
    query::Params,
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// The items of a piece when none are asked for, and the most of them.
const USUAL: i64 = 100;
const MOST: i64 = 1_000;

/// A build and its configuration.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = BuildAndConfig)]
struct RanShape {
    /// Digest of the build.
    build: String,
    /// Digest of the configuration.
    config: String,
}

/// What a review found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = EmergencyReview)]
struct ReviewShape {
    /// When.
    at: String,
    /// Who: neither of those who signed it.
    by: NamedShape,
    /// `justified` or `not_justified`.
    verdict: &'static str,
    /// In their words.
    words: String,
}

/// An emergency change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = EmergencyChange)]
pub struct EmergencyShape {
    /// Its id.
    id: String,
    /// The bot.
    bot: NamedShape,
    /// The stage that it was made in.
    stage: &'static str,
    /// The request that approved what it departs from.
    request: String,
    /// What was approved.
    from: RanShape,
    /// What it lets run.
    to: RanShape,
    /// Why.
    why: String,
    /// The two people who signed it, in order.
    signers: Vec<NamedShape>,
    /// When it was made.
    made_at: String,
    /// Until when it lets it run.
    until: String,
    /// True while it lets it run.
    in_force: bool,
    /// When it ended; null: its end is not written down yet.
    ended_at: Option<String>,
    /// Why it ended.
    ended_why: Option<String>,
    /// Until when somebody must review it.
    review_by: String,
    /// True when nobody has by then: a finding.
    review_overdue: bool,
    /// What a review found; null: there was none.
    review: Option<ReviewShape>,
}

fn person(app: &App, id: &UserId) -> NamedShape {
    NamedShape { id: id.to_string(), name: app.people().who(id) }
}

fn ran(ran: Ran) -> RanShape {
    RanShape { build: ran.build, config: ran.config }
}

fn shape(app: &App, row: &EmergencyRow, now: Timestamp) -> EmergencyShape {
    let review = row.reviewed_at.zip(row.reviewed_by.as_ref()).zip(row.verdict);
    EmergencyShape {
        id: row.id.to_string(),
        bot: NamedShape {
            id: row.bot_id.to_string(),
            name: app.fleet.view().bot(&row.bot_id).map_or_else(String::new, |bot| bot.name.clone()),
        },
        stage: row.stage.as_str(),
        request: row.request_id.to_string(),
        from: ran(row.approved()),
        to: ran(row.lets_run()),
        why: row.why.clone(),
        signers: vec![person(app, &row.asked_by), person(app, &row.seconded_by)],
        made_at: row.made_at.rfc3339(),
        until: row.until_at.rfc3339(),
        in_force: row.is_in_force(now),
        ended_at: row.ended_at.map(Timestamp::rfc3339),
        ended_why: row.ended_why.clone(),
        review_by: row.review_by.rfc3339(),
        review_overdue: row.is_overdue(now),
        review: review.map(|((at, by), verdict)| ReviewShape {
            at: at.rfc3339(),
            by: person(app, by),
            verdict: verdict.as_str(),
            words: row.review_words.clone().unwrap_or_default(),
        }),
    }
}

fn id_of(text: &str) -> Result<EmergencyId, WebError> {
    EmergencyId::parse(text).map_err(|_| AppError::NotFound("emergency change").into())
}

/// Lists emergency changes, newest first.
///
/// # Errors
/// 403 for a token that may not read.
#[utoipa::path(get, path = "/api/v1/emergency-changes", tag = "emergency changes", security(("token" = [])), params(Piece),
    responses((status = 200, body = Listing<EmergencyShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn index(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let limit = params.number("limit", 1..=MOST, USUAL)?;
    let after = params.text("after").map(|id| id_of(&id)).transpose()?;
    let (rows, next) = app.emergencies(actor, after.as_ref(), limit).await?;
    let now = app.clock.now();
    let items: Vec<EmergencyShape> = rows.iter().map(|row| shape(&app, row, now)).collect();
    Ok(Json(Listing { items, next: next.map(|id| id.to_string()) }).into_response())
}
