//! The only way to what a form holds: first that it came from a page of ours and carries the session's token, then its fields.

use super::{Visitor, csrf};
use crate::app::App;
use crate::web::WebError;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, header},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A form that was checked and read. Fields that `T` does not know are left aside; a field that may come several times is a `Vec`.
#[derive(Debug, Clone)]
pub struct Posted<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Posted<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, WebError> {
        let (mut parts, body) = request.into_parts();
        let Ok(visitor) = Visitor::from_request_parts(&mut parts, app).await;
        read(Request::from_parts(parts, body), app, visitor.token()).await.map(Self)
    }
}

/// Checks that a form came from a page of ours and carries this token, and reads it.
///
/// # Errors
/// 403 for another page's form or token; 415, 413, 400, 422 for what is no form.
pub(super) async fn read<T: DeserializeOwned>(request: Request, app: &Arc<App>, token: Option<&str>) -> Result<T, WebError> {
    let (parts, body) = request.into_parts();
    if !csrf::is_same_origin(&parts.headers, &app.origin) {
        let said = format!("This request did not come from a page of {}. Nothing was changed.", app.origin.origin().ascii_serialization());
        return Err(WebError::new(StatusCode::FORBIDDEN, "cross-site", "Not from a page of ours", said));
    }
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        let said = "A form is sent as application/x-www-form-urlencoded. Nothing was changed.";
        return Err(WebError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Not a form", said));
    }
    let bytes = Bytes::from_request(Request::from_parts(parts, body), app).await.map_err(|error| unreadable(error.status()))?;
    let carried = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == "csrf").map(|(_, value)| value);
    let is_right = carried.zip(token).is_some_and(|(carried, token)| csrf::is_right(&carried, token));
    if !is_right {
        let said =
            "The page with this form was loaded in another session, or the session has ended. Nothing was changed. Load the page again.";
        return Err(WebError::new(StatusCode::FORBIDDEN, "form-token", "This form is too old", said));
    }
    serde_html_form::from_bytes(&bytes).map_err(|error| {
        let said = format!("The form could not be read: {error}. Nothing was changed.");
        WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "form", "Something needs a change", said)
    })
}

fn unreadable(status: StatusCode) -> WebError {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => WebError::too_large(),
        _ => WebError::bad_request("The form did not arrive whole. Nothing was changed."),
    }
}
