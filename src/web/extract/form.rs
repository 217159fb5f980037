//! The only way to what a form holds: first that it came from a page of ours and carries the session's token, then its fields. A press of
//! somebody signed in is taken from any page of ours, also one that was loaded in a session before: a stop is not refused for the page's age.

use super::{Person, StopOnly, Visitor, csrf};
use crate::app::App;
use crate::web::WebError;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
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
        fields(&checked(Request::from_parts(parts, body), app, Vouches::Token(visitor.token())).await?).map(Self)
    }
}

/// A press, checked and read, by somebody signed in whose session may be one that only stops.
#[derive(Debug, Clone)]
pub struct Pressing<T>(pub Person, pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Pressing<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let StopOnly(person) = StopOnly::from_request_parts(&mut parts, app).await.map_err(IntoResponse::into_response)?;
        let bytes = checked(Request::from_parts(parts, body), app, Vouches::Origin).await.map_err(IntoResponse::into_response)?;
        Ok(Self(person, fields(&bytes).map_err(IntoResponse::into_response)?))
    }
}

/// What vouches for a form beside the word of the browser that it came from a page of ours.
#[derive(Clone, Copy)]
pub(super) enum Vouches<'a> {
    /// The token of the session that it was loaded in.
    Token(Option<&'a str>),
    /// Nothing.
    Origin,
}

/// The bytes of a form that came from a page of ours and has what vouches for it.
///
/// # Errors
/// 403 for another page's form or token; 415, 413, 400 for what is no form.
pub(super) async fn checked(request: Request, app: &Arc<App>, vouches: Vouches<'_>) -> Result<Bytes, WebError> {
    let (parts, body) = request.into_parts();
    is_from_here(&parts.headers, app)?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        let said = "A form is sent as application/x-www-form-urlencoded. Nothing was changed.";
        return Err(WebError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Not a form", said));
    }
    let bytes = Bytes::from_request(Request::from_parts(parts, body), app).await.map_err(|error| unreadable(error.status()))?;
    let carried = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == "csrf").map(|(_, value)| value);
    let is_right = match vouches {
        Vouches::Token(token) => carried.zip(token).is_some_and(|(carried, token)| csrf::is_right(&carried, token)),
        Vouches::Origin => true,
    };
    if !is_right {
        return Err(too_old());
    }
    Ok(bytes)
}

/// Goes on with what a page of ours sends.
///
/// # Errors
/// 403 for another page's form.
pub(super) fn is_from_here(headers: &HeaderMap, app: &App) -> Result<(), WebError> {
    if csrf::is_same_origin(headers, &app.origin) {
        return Ok(());
    }
    let said = format!("This request did not come from a page of {}. Nothing was changed.", app.origin.origin().ascii_serialization());
    Err(WebError::new(StatusCode::FORBIDDEN, "cross-site", "Not from a page of ours", said))
}

/// 403 for a form without the token of its session.
pub(super) fn too_old() -> WebError {
    let said = "The page with this form was loaded in another session, or the session has ended. Nothing was changed. Load the page again.";
    WebError::new(StatusCode::FORBIDDEN, "form-token", "This form is too old", said)
}

/// Reads the fields of a form.
///
/// # Errors
/// 422 for fields that do not fit.
pub(super) fn fields<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WebError> {
    serde_html_form::from_bytes(bytes).map_err(|error| {
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
