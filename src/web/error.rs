//! One error type for every handler. It carries status and sentences only; `layers/render.rs` gives it a body afterwards, a page or RFC 9457
//! problem details, since only there the visitor and the path are known. The chain of causes goes to the log once and to nobody else.

use crate::app::AppError;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Not done: the status and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebError {
    /// The status.
    pub status: StatusCode,
    /// A short word for programs, the last part of the problem's `type`.
    pub kind: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// One sentence per reason.
    pub reasons: Vec<String>,
    /// Fields that cannot be taken, with a sentence each.
    pub fields: Vec<(&'static str, String)>,
    /// Seconds to wait.
    pub retry_after: Option<u64>,
}

impl WebError {
    /// An error of this status with one sentence.
    pub fn new(status: StatusCode, kind: &'static str, title: &'static str, reason: impl Into<String>) -> Self {
        Self { status, kind, title, reasons: vec![reason.into()], fields: Vec::new(), retry_after: None }
    }
    /// 400: it cannot be read.
    pub fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "Not understood", reason)
    }
    /// 404.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", "There is nothing at this address.")
    }
    /// 413.
    pub fn too_large() -> Self {
        let said = "What was sent is larger than is taken here: 64 KiB for a form, 1 MiB for a program. Nothing was changed.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", said)
    }
    /// 401: who is there is not known.
    pub fn unauthorized(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not signed in", reason)
    }
}

/// A sentence begins with a capital and ends with a full stop, whatever the error said.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

impl From<AppError> for WebError {
    fn from(error: AppError) -> Self {
        let said = sentence(&error.to_string());
        match error {
            AppError::Denied(_) => Self::new(StatusCode::FORBIDDEN, "not-allowed", "Not allowed", said),
            AppError::NotYours(_) => Self::new(StatusCode::FORBIDDEN, "not-allowed", "Not allowed", said),
            AppError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", said),
            AppError::Invalid(invalid) => {
                let fields: Vec<_> = invalid.0.into_iter().map(|(field, message)| (field, sentence(&message))).collect();
                let reasons = fields.iter().map(|(_, message)| message.clone()).collect();
                Self { fields, reasons, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Something needs a change", "") }
            }
            AppError::Conflict(reasons) => {
                let reasons = reasons.iter().map(|reason| sentence(reason)).collect();
                Self { reasons, ..Self::new(StatusCode::CONFLICT, "conflict", "Not done", "") }
            }
            AppError::Key(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "security-key", "The security key did not do", said),
            AppError::TooMany(wait) => {
                Self { retry_after: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many tries", said) }
            }
            AppError::Unavailable(cause) => {
                tracing::error!(error = &cause as &dyn std::error::Error, "the database or the log did not take it");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Nothing was changed", said)
            }
            AppError::Frozen(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "log-frozen", "The audit log is frozen", said),
            AppError::Shut(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "vault-shut", "Kept keys cannot be used", said),
            AppError::Internal(cause) => {
                tracing::error!(error = &*cause as &dyn std::error::Error, "a fault of ours");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here", said)
            }
        }
    }
}

impl IntoResponse for WebError {
    /// Status and a plain text body; the render layer replaces the body.
    fn into_response(self) -> Response {
        let mut response = (self.status, self.reasons.join("\n")).into_response();
        if let Some(wait) = self.retry_after.and_then(|wait| HeaderValue::from_str(&wait.to_string()).ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response.extensions_mut().insert(self);
        response
    }
}
