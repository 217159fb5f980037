//! The phone's side of its enrolment: the one-time link opens a page that says what is about to happen; its button uses the link up. Opening
//! the page alone changes nothing, so that a messenger that looks ahead at links spoils none.

use crate::app::stop_devices::DEVICE_LIVES_MS;
use crate::domain::{Secret, Timestamp};
use crate::web::{
    Answer, Shared, cookie,
    extract::{Caller, Posted, Visitor, device::device_cookie},
    frame,
    page::Frame,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::header,
};

#[derive(Template)]
#[template(path = "stop_device_enrol.html")]
struct Enrol {
    frame: Frame,
    link: Secret<String>,
    name: String,
    owner: String,
    expires_at: Timestamp,
}

/// What the link leads to.
pub async fn show(State(app): Shared, mut visitor: Visitor, Path(link): Path<String>) -> Answer {
    let (row, owner) = app.device_link(&link).await?;
    let cookie = visitor.early_token(&app)?;
    let mut frame = frame::bare(&app, "Make this phone a stop device", "/stop-device");
    frame.csrf = visitor.csrf();
    let page = Enrol { frame, link: Secret::new(link), name: row.name, owner, expires_at: row.expires_at };
    let mut response = frame::page(&page)?;
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What the page sends.
#[derive(Debug, serde::Deserialize)]
pub struct Taken {
    link: Secret<String>,
    /// The public half of the key that the phone's browser made; empty when it made none.
    #[serde(default)]
    public_key: String,
}

/// Makes this browser a stop device. The cookie is all that it is known by; it lives as long as the device.
pub async fn take(State(app): Shared, Caller(from): Caller, Posted(taken): Posted<Taken>) -> Answer {
    let secret = app.enrol_device(taken.link.expose(), &taken.public_key, &from).await?;
    let (name, age_s) = (device_cookie(app.is_https()), DEVICE_LIVES_MS / 1_000);
    let set = cookie::set(name, secret.expose(), Some(age_s), app.is_https()).map_err(crate::app::AppError::internal)?;
    let mut response = frame::see("/stop-device");
    response.headers_mut().append(header::SET_COOKIE, set);
    Ok(response)
}
