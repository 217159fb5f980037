//! `/api/v1/policies`: who must approve what, now and in every version there was. A rule changes by a request (`/api/v1/requests`).

use crate::app::approvals::PolicyRow;
use crate::authz::Action;
use crate::domain::{RequestKind, Rule};
use crate::web::{
    Answer, Shared, WebError,
    api::{ByToken, Listing, listing, listing::Piece, openapi::Problem},
    query::Params,
};
use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

/// Who must approve what now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Policies)]
pub struct PoliciesShape {
    /// Grows by one at every change; 0: nothing was ever changed.
    version: i64,
    /// Nobody but one person has two security keys here: where another one would approve, whoever asked signs again.
    alone: bool,
    /// One of each kind of request.
    items: Vec<PolicyShape>,
}

/// The rule of a kind of request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Policy)]
struct PolicyShape {
    /// `limits`, `policy`, `override`, `assign` or `roles`.
    kind: &'static str,
    /// Its rule.
    rule: RuleShape,
    /// A sentence for each team, or for the installation, where nobody could get such a request approved now.
    gaps: Vec<String>,
}

/// Who must approve, and how long it then waits.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PolicyRule)]
struct RuleShape {
    /// For each seat who may fill it: `operator`, `lead`, `any_lead`, `risk`, `admin`. Each takes one person.
    seats: Vec<Vec<&'static str>>,
    /// How long it waits between the last approval and its execution, seconds.
    delay_s: u64,
    /// In words.
    words: String,
}

/// One version of the policies: the rule that it changed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PolicyVersion)]
pub struct VersionShape {
    /// From 1.
    version: i64,
    /// Whose rule.
    kind: &'static str,
    /// The rule; null: it cannot be read.
    rule: Option<RuleShape>,
    /// The id of the request that was carried out.
    request: String,
    /// When.
    at: String,
}

impl From<&Rule> for RuleShape {
    fn from(rule: &Rule) -> Self {
        let seats = rule.seats.iter().map(|seat| seat.iter().map(|one| one.as_str()).collect()).collect();
        Self { seats, delay_s: rule.delay_s, words: rule.words() }
    }
}

fn version(row: &PolicyRow) -> VersionShape {
    VersionShape {
        version: row.version,
        kind: row.kind.as_str(),
        rule: serde_json::from_str::<Rule>(&row.rule).ok().as_ref().map(RuleShape::from),
        request: row.request_id.to_string(),
        at: row.set_at.rfc3339(),
    }
}

/// Shows who must approve what now.
///
/// # Errors
/// 403 for a token that may not read.
#[utoipa::path(get, path = "/api/v1/policies", tag = "requests", security(("token" = [])),
    responses((status = 200, body = PoliciesShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): Shared, caller: ByToken) -> Answer {
    let actor = caller.may(Action::See)?;
    let (rules, gaps) = (app.rules(), app.policy_gaps(actor));
    let of = |kind: &RequestKind| PolicyShape {
        kind: kind.as_str(),
        rule: rules.of(*kind).into(),
        gaps: gaps.iter().filter(|(of, _)| of == kind).map(|(_, said)| said.clone()).collect(),
    };
    let items = RequestKind::ALL.iter().map(of).collect();
    Ok(Json(PoliciesShape { version: rules.version, alone: app.people().is_alone(), items }).into_response())
}

/// Lists the versions of the policies, newest first.
///
/// # Errors
/// 403 for a token that may not read; 400 for an `after` that is no version.
#[utoipa::path(get, path = "/api/v1/policies/history", tag = "requests", security(("token" = [])), params(Piece),
    responses((status = 200, body = Listing<VersionShape>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn history(State(app): Shared, caller: ByToken, params: Params) -> Answer {
    let actor = caller.may(Action::See)?;
    let number = |text: &str| text.parse::<i64>().map_err(|_| WebError::bad_request("after must be `next` of the piece before."));
    let (after, limit) = listing::asked(&params, number)?;
    let (rows, next) = app.policy_versions(actor, after, limit).await?;
    Ok(Json(Listing::of(rows.iter().map(version).collect::<Vec<_>>(), next)).into_response())
}
