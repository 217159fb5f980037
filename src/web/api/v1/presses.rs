//! `/api/v1/presses`: several scopes stopped by one press. Each gets a hold of its own; what is refused keeps none of the others from standing.

use super::holds::PlacedShape;
use crate::app::holds::{Press, Terms};
use crate::authz::Action;
use crate::domain::{Level, Scope, Timestamp};
use crate::web::{
    Answer, Shared, WebError,
    api::{ByToken, openapi::Problem},
    frame,
    json::{self, Raw},
};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::Serialize;

/// Scopes in one press, at most.
const AT_MOST: usize = 100;

/// One thing to stop.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `fleet`, `team`, `venue`, `subaccount`, `strategy`, `bot` or `symbol`.
    scope: String,
    /// Its name or id as `POST /api/v1/holds` takes it; nothing with scope `fleet`.
    #[serde(default)]
    name: String,
}

/// A press of several scopes.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskedPress {
    /// What to stop, at most 100.
    scopes: Vec<Wanted>,
    /// `pause` (the usual) or `reduce`.
    #[serde(default = "super::holds::pause")]
    #[schema(value_type = String)]
    level: Level,
    /// Why; never demanded. What is too long is cut.
    #[serde(default)]
    why: String,
    /// The same press sent again carries the same key.
    #[serde(default)]
    idempotency_key: String,
    /// Nobody may release it before this moment, at most seven days ahead; what cannot be read is left aside.
    not_before: Option<String>,
}

/// What became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PressShape {
    /// The holds that stand.
    holds: Vec<PlacedShape>,
    /// What was refused; empty: nothing.
    refused: Vec<RefusedShape>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Refused)]
struct RefusedShape {
    /// The scope as it was asked for.
    scope: String,
    /// The name as it was asked for.
    name: String,
    /// Why.
    why: String,
}

/// Stops several scopes at once: 201 when at least one hold stands, with what was refused beside it.
///
/// # Errors
/// 403, 404 or 422, the first of them, when none stands.
#[utoipa::path(post, path = "/api/v1/presses", tag = "holds", security(("token" = [])), request_body = AskedPress,
    responses((status = 201, body = PressShape), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): Shared, caller: ByToken, Raw(body): Raw) -> Answer {
    let actor = caller.may(Action::PlaceHold)?.clone();
    let asked: AskedPress = json::read(&body)?;
    if asked.scopes.is_empty() || asked.scopes.len() > AT_MOST {
        let said = format!("scopes must name 1 to {AT_MOST} things to stop.");
        return Err(WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Something needs a change", said));
    }
    let (mut scopes, mut refused, mut first) = (Vec::new(), Vec::new(), None);
    for wanted in asked.scopes {
        match app.scope_named(&wanted.scope, &wanted.name) {
            Ok(scope) => scopes.push(scope),
            Err(error) => {
                let error = WebError::from(error);
                refused.push(RefusedShape { scope: wanted.scope, name: wanted.name, why: error.reasons.join(" ") });
                first.get_or_insert(error);
            }
        }
    }
    let terms = Terms { not_before: asked.not_before.as_deref().and_then(Timestamp::parse), with: None };
    let press = Press { scope: Scope::Fleet, level: asked.level, why: asked.why, idempotency_key: asked.idempotency_key, terms };
    let mut holds = Vec::new();
    for (scope, outcome) in app.place_several(&actor, scopes, &press).await {
        match outcome {
            Ok(placed) => holds.push(super::holds::shape(&app, &placed, app.fleet.view().under(&placed.hold).len())),
            Err(error) => {
                let error = WebError::from(error);
                refused.push(RefusedShape {
                    scope: scope.kind().into(),
                    name: frame::scope_words(&app, &scope),
                    why: error.reasons.join(" "),
                });
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) if holds.is_empty() => Err(error),
        _ => Ok((StatusCode::CREATED, Json(PressShape { holds, refused })).into_response()),
    }
}
