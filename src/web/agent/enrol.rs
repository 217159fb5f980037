//! `POST /agent/v1/enrol`: a one-time code becomes an agent's token.

use crate::app::AppError;
use crate::protocol::EnrolRequest;
use crate::web::{Answer, Shared, WebError, json::Body};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

/// Answers 201 with the token, once. A code that is used, expired or wrong is refused alike.
///
/// # Errors
/// 403 `enrolment-refused`; 422 for names and keys that do not fit.
pub async fn create(State(app): Shared, Body(asked): Body<EnrolRequest>) -> Answer {
    let enrolled = app.enrol(asked).await.map_err(|error| match error {
        AppError::NotFound("enrolment code") => WebError::new(
            StatusCode::FORBIDDEN,
            "enrolment-refused",
            "Enrolment refused",
            "This code is used, expired or wrong. Make a new one on the bot's page.",
        ),
        other => other.into(),
    })?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(enrolled)).into_response())
}
