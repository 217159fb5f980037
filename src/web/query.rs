//! What programs put into addresses: parameters and names. What cannot be read is 400 with the parameter's name.

use crate::web::WebError;
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use std::{borrow::Cow, convert::Infallible, ops::RangeInclusive};
use url::form_urlencoded;

/// The parameters of an address. The first of a name counts, unless every one is asked for.
pub struct Params(String);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.uri.query().unwrap_or_default().to_owned()))
    }
}

impl Params {
    /// The text of a parameter.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        form_urlencoded::parse(self.0.as_bytes()).find(|(given, _)| given == name).map(|(_, value)| value)
    }

    /// Every text of a parameter that may come several times.
    pub fn every(&self, name: &str) -> Vec<String> {
        form_urlencoded::parse(self.0.as_bytes()).filter(|(given, _)| given == name).map(|(_, value)| value.into_owned()).collect()
    }

    /// A whole number within bounds; `absent` when it is not given.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn number(&self, name: &str, bounds: RangeInclusive<i64>, absent: i64) -> Result<i64, WebError> {
        let Some(text) = self.text(name) else { return Ok(absent) };
        text.parse()
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| WebError::bad_request(format!("{name} must be a whole number from {} to {}.", bounds.start(), bounds.end())))
    }
}

/// The two ids in a path: of a thing, and of what belongs to it.
pub struct NamedOf(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for NamedOf {
    type Rejection = WebError;

    /// # Errors
    /// 404: what cannot be read names nothing.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, WebError> {
        let Path((thing, of)) = Path::<(String, String)>::from_request_parts(parts, state).await.map_err(|_| WebError::not_found())?;
        Ok(Self(thing, of))
    }
}

/// The one name or id in a path.
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = WebError;

    /// # Errors
    /// 404: what cannot be read names nothing.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, WebError> {
        let Path(name) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| WebError::not_found())?;
        Ok(Self(name))
    }
}
