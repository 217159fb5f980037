//! Sessions of a person on My account and on a person's page: where they are, with which key, when they last acted; one or all others end
//! with one press, which takes nothing but a session that is awake.

use crate::app::{
    App, AppError,
    sessions::{Ended, Which},
};
use crate::domain::UserId;
use crate::web::{
    Answer, Shared, WebError,
    extract::{ByTouch, MayNeedTouch, Person, Posted},
    format, frame,
    html::Html,
    page::Frame,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};

/// A session as pages show it.
pub struct Line {
    pub(super) handle: String,
    pub(super) device: String,
    pub(super) place: String,
    /// Nickname of the key; empty for a demo's link.
    pub(super) key: String,
    pub(super) since: Html,
    pub(super) seen: Html,
    pub(super) until: Html,
    /// The one that looks at the page.
    pub(super) is_this: bool,
}

/// The sessions of a person as pages show them; none when they cannot be read now.
///
/// # Errors
/// When whoever asks is neither the person nor an admin.
pub async fn lines(app: &App, person: &Person, user: &UserId) -> Result<Option<Vec<Line>>, WebError> {
    let all = match app.sessions_of(&person.actor, user).await {
        Ok(all) => all,
        Err(AppError::Unavailable(error)) => {
            tracing::warn!(%error, "sessions could not be read");
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let keys = app.keys_of(&person.actor, user).await?;
    let this = person.visitor.held.handle.as_deref();
    let now = app.clock.now();
    let unknown = || "not noted".to_owned();
    let line = |one: crate::app::sessions::Standing| Line {
        is_this: this == Some(&one.handle),
        device: one.device.filter(|words| !words.is_empty()).unwrap_or_else(unknown),
        place: one.place.filter(|words| !words.is_empty()).unwrap_or_else(unknown),
        key: one.key.and_then(|id| keys.iter().find(|key| key.id == id)).map(|key| key.nickname.clone()).unwrap_or_default(),
        handle: one.handle,
        since: one.since.map_or_else(|| Html::text("not noted"), format::time),
        seen: format::time_ago(one.seen, now),
        until: format::time_until(one.until, now),
    };
    Ok(Some(all.into_iter().map(line).collect()))
}

/// Which sessions are to end: a session's name, `others` or `all`.
#[derive(Debug, serde::Deserialize)]
pub struct Chosen {
    which: String,
}

impl Chosen {
    /// `this` is the session that asks.
    fn which<'a>(&'a self, this: &'a str) -> Which<'a> {
        match self.which.as_str() {
            "others" => Which::AllBut(this),
            "all" => Which::All,
            one => Which::One(one),
        }
    }
}

/// Ends some of one's own sessions. No touch of a key is asked for: whoever finds a stranger there ends them at once.
pub async fn end_own(State(app): Shared, person: Person, Posted(chosen): Posted<Chosen>) -> Answer {
    let this = person.visitor.held.handle.as_deref().unwrap_or_default();
    let ended = app.end_sessions(&person.actor, &person.user, chosen.which(this)).await?;
    after(&app, &person, ended, "/me#sessions").await
}

/// Ends some of somebody's sessions, as an admin.
pub async fn end_of(State(app): Shared, Path(id): Path<String>, asked: MayNeedTouch<Chosen>) -> Answer {
    let id = UserId::parse(&id).map_err(|_| AppError::NotFound("person"))?;
    app.people().user(&id).ok_or(AppError::NotFound("person"))?;
    let (person, chosen) = match asked.person.user == id {
        true => (asked.person, asked.fields),
        false => match asked.touched(&app).await {
            Ok(ByTouch(person, chosen)) => (person, chosen),
            Err(page) => return Ok(page),
        },
    };
    let this = person.visitor.held.handle.as_deref().unwrap_or_default();
    let ended = app.end_sessions(&person.actor, &id, chosen.which(this)).await?;
    after(&app, &person, ended, &format!("/people/{id}#sessions")).await
}

#[derive(Template)]
#[template(path = "sessions_ended.html")]
struct EndedHere {
    frame: Frame,
    back: String,
}

async fn after(app: &App, person: &Person, ended: Ended, back: &str) -> Answer {
    match ended {
        Ended::Everywhere(_) => Ok(frame::see(back)),
        Ended::HereFirst => {
            let frame = frame::of(app, &person.visitor, "Ended on this server").await;
            frame::page_with(StatusCode::ACCEPTED, &EndedHere { frame, back: back.to_owned() })
        }
    }
}

#[cfg(test)]
pub(super) fn samples(now: crate::domain::Timestamp) -> Vec<Line> {
    let line = |device: &str, place: &str, is_this: bool| Line {
        handle: format!("handle-{device}"),
        device: device.to_owned(),
        place: place.to_owned(),
        key: "blue".to_owned(),
        since: format::time(now.plus_ms(-3_600_000)),
        seen: format::time_ago(now.plus_ms(if is_this { -1_000 } else { -1_200_000 }), now),
        until: format::time_until(now.plus_ms(39_600_000), now),
        is_this,
    };
    vec![line("Firefox on Linux", "203.0.113.7", true), line("Chrome on Android", "198.51.100.23", false)]
}
