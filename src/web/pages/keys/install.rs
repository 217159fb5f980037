//! `/keys/{id}/install`: handing a secret in through a browser, once. What is typed is sealed to the agent, or encrypted under the master key, and
//! never shown again; it is carried over no page. On the agent's host it is better: there no browser sees it.

use super::{id_of, place};
use crate::app::{App, AppError, keys::list::KeyView};
use crate::domain::{ApiSecret, KeyPurpose, Secret, key::KeyState};
use crate::web::{
    Answer, Shared,
    extract::{ByFreshTouch, Person},
    frame,
    page::Frame,
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

#[derive(Template)]
#[template(path = "key_install.html")]
struct Install {
    frame: Frame,
    problems: Problems,
    id: String,
    bot: (String, String),
    purpose: KeyPurpose,
    place: String,
    /// The venue that is asked; empty: it cannot be, and somebody answers for the key.
    venue: String,
    rights: String,
    ips: String,
    until: Option<crate::domain::Timestamp>,
    is_server_held: bool,
    /// A version is in use, which goes on until this one is.
    replaces: Option<i64>,
}

/// What is typed.
#[derive(Debug, serde::Deserialize)]
pub struct Typed {
    #[serde(default = "empty")]
    api_key: Secret<String>,
    #[serde(default = "empty")]
    secret: Secret<String>,
    #[serde(default = "empty")]
    passphrase: Secret<String>,
}

fn empty() -> Secret<String> {
    Secret::new(String::new())
}

/// A part without the blanks that come with copying.
fn trimmed(part: &Secret<String>) -> Secret<String> {
    Secret::new(part.expose().trim().to_owned())
}

impl Typed {
    fn secret(&self) -> ApiSecret {
        let passphrase = trimmed(&self.passphrase);
        let passphrase = (!passphrase.expose().is_empty()).then_some(passphrase);
        ApiSecret { api_key: trimmed(&self.api_key), secret: trimmed(&self.secret), passphrase }
    }
}

/// The form.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    let view = app.key(&person.actor, &id_of(&id)?).await?;
    draw(&app, &person, &view, Problems::none()).await
}

/// Takes it.
pub async fn create(State(app): Shared, Named(id): Named, ByFreshTouch(person, typed): ByFreshTouch<Typed>) -> Answer {
    let id = id_of(&id)?;
    match app.install_key(&person.actor, &id, &typed.secret()).await {
        Ok(_) => Ok(frame::see(&format!("/keys/{id}"))),
        Err(error) => {
            let problems = Problems::of_error(error)?.renamed("secret", "api_key");
            let view = app.key(&person.actor, &id).await?;
            draw(&app, &person, &view, problems).await
        }
    }
}

async fn draw(app: &App, person: &Person, view: &KeyView, problems: Problems) -> Answer {
    let key = &view.key;
    if !key.is_open() {
        return Err(AppError::conflict("this key has ended: ask for another one").into());
    }
    let mut frame = frame::of(app, &person.visitor, format!("Hand in a key of {}", view.bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = Install {
        frame,
        problems,
        id: key.row.id.to_string(),
        bot: (format!("/bots/{}", view.bot.id), view.bot.name.clone()),
        purpose: key.row.purpose,
        place: place(app, key),
        venue: app.measuring_venue(&view.bot).unwrap_or_default(),
        rights: key.sheet.rights_words(),
        ips: key.sheet.ips.join(", "),
        until: key.sheet.until,
        is_server_held: key.row.purpose.is_server_held(),
        replaces: key.versions.iter().rev().find(|one| one.state == KeyState::Active).map(|one| one.version),
    };
    frame::page_with(status, &page)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let page = |is_server_held, venue: &str, problems| {
        Install {
            frame: Frame::sample("Hand in a key of grid-07", "/keys/7/install"),
            problems,
            id: samples::id(7),
            bot: ("/bots/7".to_owned(), "grid-07 <b>".to_owned()),
            purpose: if is_server_held { KeyPurpose::Monitor } else { KeyPurpose::Execution },
            place: "binance/grid-7".to_owned(),
            venue: venue.to_owned(),
            rights: "read, trade".to_owned(),
            ips: "203.0.113.7/32".to_owned(),
            until: (!is_server_held).then(|| samples::now().plus_ms(86_400_000)),
            is_server_held,
            replaces: is_server_held.then_some(2),
        }
        .render()
        .unwrap()
    };
    vec![
        ("key-install".to_owned(), page(false, "binance", Problems::one("api_key", "Both are needed."))),
        ("key-install-server".to_owned(), page(true, "", Problems::none())),
    ]
}
