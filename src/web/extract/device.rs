//! A phone that is a stop device: known by its cookie, from memory alone, so that it stops with the database gone. Its forms carry a token that
//! is made of the cookie and lives as long: a page that stood open for weeks still stops. Nothing here looks at a session.

use super::{csrf, form};
use crate::app::{App, stop_devices::Pressing};
use crate::web::{WebError, cookie};
use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The cookie that makes a browser a stop device.
pub fn device_cookie(is_secure: bool) -> &'static str {
    if is_secure { "__Host-andon-stop" } else { "andon-stop-local" }
}

/// A phone.
#[derive(Debug, Clone)]
pub struct ByDevice {
    /// Which, and what it may do.
    pub pressing: Pressing,
    // The token of its forms, without a mask.
    token: String,
}

impl ByDevice {
    /// The token as a form carries it.
    pub fn csrf(&self) -> String {
        csrf::masked(&self.token)
    }
}

impl FromRequestParts<Arc<App>> for ByDevice {
    type Rejection = WebError;

    /// # Errors
    /// 401 for a browser that is no stop device, or none any more.
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, WebError> {
        let sent = cookie::sent(&parts.headers, device_cookie(app.is_https()));
        let found = sent.and_then(|sent| Some(Self { pressing: app.by_device(&sent)?, token: csrf::of_secret(&sent) }));
        found.ok_or_else(|| {
            let said = "This browser is no stop device: it was never enrolled, it has ended after 90 days, or somebody ended it. \
                        Nothing was stopped. Sign in on any device to pause bots; on the server's host: andon stop --all. \
                        A phone is enrolled from My account.";
            WebError::new(StatusCode::UNAUTHORIZED, "no-stop-device", "Not a stop device", said)
        })
    }
}

/// A form that a phone sent, checked and read.
pub struct FromDevice<T>(pub ByDevice, pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for FromDevice<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, WebError> {
        let (mut parts, body) = request.into_parts();
        let by = ByDevice::from_request_parts(&mut parts, app).await?;
        let bytes = form::checked(Request::from_parts(parts, body), app, form::Vouches::Token(Some(&by.token))).await?;
        Ok(Self(by, form::fields(&bytes)?))
    }
}
