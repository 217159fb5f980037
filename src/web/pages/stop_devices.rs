//! `/stop-devices`: whether phones may be stop devices, and which are, for admins. `/me/stop-devices`: one's own.

use crate::app::{
    App, AppError,
    stop_devices::{LINK_LIVES_MS, StoredDevice},
};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{ActKind, DeviceId, Secret, Timestamp};
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::{ByTouch, Person, Posted},
    format, frame,
    html::Html,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};
use qrcode::{EcLevel, QrCode, render::svg};

/// A device as listed.
pub struct Row {
    /// Its id.
    pub id: DeviceId,
    /// What its owner calls it.
    pub name: String,
    /// Whose it is.
    pub owner: String,
    /// How it stands.
    pub chip: Chip,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When it ends or ended.
    pub until: Timestamp,
    /// Its last use, and from where.
    pub last_used: Option<(Timestamp, String)>,
    /// Its browser has a key that vouches for its presses.
    pub has_key: bool,
    /// It can be ended.
    pub is_live: bool,
}

impl Row {
    fn of(app: &App, device: StoredDevice) -> Self {
        let now = app.clock.now();
        let chip = match device.ended_at {
            Some(_) => Chip::new(Tone::Plain, "Ended"),
            None if device.expires_at <= now => Chip::new(Tone::Plain, "Expired"),
            None => Chip::new(Tone::Plain, "Valid"),
        };
        Self {
            owner: app.people().who(&device.user_id),
            is_live: device.ended_at.is_none() && device.expires_at > now,
            until: device.ended_at.unwrap_or(device.expires_at),
            last_used: device.last_used_at.map(|at| (at, device.last_used_from.unwrap_or_default())),
            has_key: device.public_key.is_some(),
            id: device.id,
            name: device.name,
            enrolled_at: device.enrolled_at,
            chip,
        }
    }
}

#[derive(Template)]
#[template(path = "my_stop_devices.html")]
struct Mine {
    frame: Frame,
    problems: Problems,
    is_allowed: bool,
    may_stop: bool,
    rows: Vec<Row>,
    typed: String,
}

/// One's own, and the form for another.
pub async fn mine(State(app): Shared, person: Person) -> Answer {
    draw_mine(&app, &person, String::new(), Problems::none()).await
}

async fn draw_mine(app: &App, person: &Person, typed: String, problems: Problems) -> Answer {
    let rows = app.stop_devices_of(&person.actor, &person.user).await?.into_iter().map(|device| Row::of(app, device)).collect();
    let may_stop = authz::check(&person.actor, Action::PlaceHold, &Resource::Installation).is_ok();
    let mut frame = frame::of(app, &person.visitor, "My stop devices").await;
    frame.path = "/me/stop-devices".to_owned();
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    frame::page_with(status, &Mine { frame, problems, is_allowed: app.allows_stop_devices(), may_stop, rows, typed })
}

#[derive(Template)]
#[template(path = "stop_devices.html")]
struct Index {
    frame: Frame,
    problems: Problems,
    is_allowed: bool,
    may_manage: bool,
    live: usize,
    rows: Vec<Row>,
}

/// Every device, and whether there may be any.
pub async fn index(State(app): Shared, person: Person) -> Answer {
    draw(&app, &person, Problems::none()).await
}

async fn draw(app: &App, person: &Person, problems: Problems) -> Answer {
    let rows: Vec<Row> = app.stop_devices(&person.actor).await?.into_iter().map(|device| Row::of(app, device)).collect();
    let mut frame = frame::of(app, &person.visitor, "Stop devices").await;
    frame.path = "/stop-devices".to_owned();
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let live = rows.iter().filter(|row| row.is_live).count();
    frame::page_with(
        status,
        &Index { frame, problems, is_allowed: app.allows_stop_devices(), may_manage: manages(&person.actor), live, rows },
    )
}

/// What the admin chose.
#[derive(Debug, serde::Deserialize)]
pub struct Allow {
    #[serde(default)]
    allowed: String,
}

/// Prepares the change, which is then signed.
pub async fn allow(State(app): Shared, person: Person, Posted(form): Posted<Allow>) -> Answer {
    let allowed = match form.allowed.as_str() {
        "yes" => true,
        "no" => false,
        _ => return draw(&app, &person, Problems::one("", "Choose whether stop devices are allowed.")).await,
    };
    match app.prepare_single(&person.actor, ActKind::StopDevices { allowed }).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw(&app, &person, Problems::of_error(error)?).await,
    }
}

/// Ends a device at once: one's own, or as an admin anybody's.
pub async fn end(
    State(app): Shared,
    crate::web::query::Named(id): crate::web::query::Named,
    ByTouch(person, _): ByTouch<super::sign_in::Nothing>,
) -> Answer {
    let id = DeviceId::parse(&id).map_err(|_| AppError::NotFound("stop device"))?;
    app.end_device(&person.actor, &id).await?;
    Ok(frame::see(if manages(&person.actor) { "/stop-devices" } else { "/me/stop-devices" }))
}

fn manages(actor: &Actor) -> bool {
    authz::check(actor, Action::ManageDevices, &Resource::Installation).is_ok()
}

#[derive(Template)]
#[template(path = "stop_device_link.html")]
struct Link {
    frame: Frame,
    name: String,
    link: Secret<String>,
    qr: Html,
    minutes: i64,
}

/// What a phone is to be called.
#[derive(Debug, serde::Deserialize)]
pub struct NewPhone {
    #[serde(default)]
    name: String,
}

/// Prepares the link, which is then signed for.
pub async fn ask_link(State(app): Shared, person: Person, Posted(new): Posted<NewPhone>) -> Answer {
    match app.prepare_device_link(&person.actor, &new.name).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw_mine(&app, &person, new.name, Problems::of_error(error)?).await,
    }
}

/// Shows the link, once, with its picture for the phone's camera.
pub async fn show_link(app: &App, person: &Person, name: &str, link: Secret<String>) -> Answer {
    let mut frame = frame::of(app, &person.visitor, "Link for 1 phone").await;
    frame.path = "/me/stop-devices".to_owned();
    let qr = picture(link.expose());
    frame::page(&Link { frame, name: name.to_owned(), link, qr, minutes: LINK_LIVES_MS / 60_000 })
}

/// A QR code in black on white, whatever the theme: cameras expect that. Empty when the text does not fit; the link stands below all the same.
fn picture(text: &str) -> Html {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::M) else { return Html::default() };
    let drawn = code.render::<svg::Color<'_>>().min_dimensions(264, 264).build();
    let svg = drawn.find("<svg").and_then(|at| drawn.get(at..)).unwrap_or_default();
    Html::markup(svg.replacen("<svg ", "<svg role=\"img\" aria-label=\"QR code of the link below\" ", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_becomes_a_picture_without_style_or_script() {
        let link = format!("https://andon.example/stop-device/enrol/{}", crate::crypto::token::new_token("phone").unwrap().expose());
        let picture = picture(&link);
        assert!(picture.as_str().starts_with("<svg role=\"img\"") && picture.as_str().ends_with("</svg>"), "{picture}");
        assert!(!picture.as_str().contains("style") && !picture.as_str().contains(&link));
        assert_eq!(super::picture(&"x".repeat(9_000)), Html::default());
    }
}
