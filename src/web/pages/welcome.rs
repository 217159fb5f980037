//! A one-time link leads to a password and two keys. Opening it uses nothing up: the session keeps the link's digest, so that the secret
//! leaves the address bar at once, and the second key ends the link.

use crate::app::{
    App, AppError,
    sign_in::{self, Welcomed},
};
use crate::domain::{KEYS_NEEDED, Secret};
use crate::web::{
    Answer, Shared, WebError,
    extract::{CameFrom, Posted, Visitor},
    frame,
    page::{Frame, Scripts},
    problems::Problems,
    session,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};

/// What the session keeps a registration's ceremony under.
const PURPOSE: &str = "welcome";

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    frame: Frame,
    problems: Problems,
    welcomed: Welcomed,
    display_name: String,
    address: String,
    // Empty until the password is set.
    options: String,
    nickname: String,
    needed: usize,
    must_be_bound: bool,
}

#[derive(Template)]
#[template(path = "welcome_ask.html")]
struct Ask {
    frame: Frame,
    whose: String,
    here: String,
    action: String,
}

/// Takes the link into the session and its secret out of the address bar. Whoever is signed in is asked first: a link that somebody sent them
/// ends nobody's session.
pub async fn open(State(app): Shared, visitor: Visitor, Path(link): Path<String>) -> Answer {
    let welcomed = app.welcome(&link).await?;
    let Some(user) = visitor.held.user.as_ref().filter(|_| visitor.actor.is_some()) else {
        return hold(&app, &visitor, &welcomed).await;
    };
    let here = app.people().who(user);
    let frame = frame::of(&app, &visitor, "Leave this session?").await;
    frame::page(&Ask { frame, whose: welcomed.user.display_name, here, action: format!("/welcome/{link}") })
}

/// Leaves the session of whoever is signed in and opens the link.
pub async fn leave_and_open(State(app): Shared, visitor: Visitor, Path(link): Path<String>, _: Posted<super::sign_in::Nothing>) -> Answer {
    let welcomed = app.welcome(&link).await?;
    let answer = hold(&app, &visitor, &welcomed).await?;
    if let Some(user) = &visitor.held.user {
        app.signed_out(user).await;
    }
    Ok(answer)
}

async fn hold(app: &App, visitor: &Visitor, welcomed: &Welcomed) -> Answer {
    session::hold_link(&visitor.session, &welcomed.link, app.clock.now()).await?;
    Ok(frame::see("/welcome"))
}

fn link_of(visitor: &Visitor) -> Result<&str, WebError> {
    let said = "There is no invitation here, or it is over. Open the link that you were given once more, or ask for a new one.";
    visitor.held.link.as_deref().ok_or_else(|| WebError { reasons: vec![said.to_owned()], ..WebError::not_found() })
}

/// The next step: the password, the first key, the second key.
pub async fn show(State(app): Shared, visitor: Visitor) -> Answer {
    let welcomed = app.welcome_by_digest(link_of(&visitor)?).await?;
    draw(&app, &visitor, welcomed, Typed::default(), Problems::none()).await
}

/// What somebody typed before they were asked again. A password is typed again.
#[derive(Default)]
struct Typed {
    display_name: String,
    address: String,
    nickname: String,
}

async fn draw(app: &App, visitor: &Visitor, welcomed: Welcomed, typed: Typed, problems: Problems) -> Answer {
    let Typed { display_name, address, nickname } = typed;
    let mut frame = frame::of(app, visitor, "Welcome").await;
    frame.is_error = !problems.is_empty();
    let mut options = String::new();
    if welcomed.has_password {
        let ceremony = app.welcome_key_options(&welcomed.link).await?;
        session::keep_ceremony(&visitor.session, PURPOSE, ceremony.state, app.clock.now()).await?;
        options = ceremony.options;
        frame.scripts = Scripts::Keys;
    }
    let display_name = if display_name.is_empty() { welcomed.user.display_name.clone() } else { display_name };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let must_be_bound = app.must_be_bound(&welcomed.user.id);
    let page = Welcome { frame, problems, welcomed, display_name, address, options, nickname, needed: KEYS_NEEDED, must_be_bound };
    frame::page_with(status, &page)
}

/// A name to be shown, a password, twice, and where notices go.
#[derive(Debug, serde::Deserialize)]
pub struct Chosen {
    display_name: String,
    password: Secret<String>,
    again: Secret<String>,
    #[serde(default)]
    address: String,
}

/// Takes the password.
pub async fn password(State(app): Shared, visitor: Visitor, Posted(chosen): Posted<Chosen>) -> Answer {
    let link = link_of(&visitor)?;
    let welcomed = app.welcome_by_digest(link).await?;
    let typed = Typed { display_name: chosen.display_name.clone(), address: chosen.address.clone(), nickname: String::new() };
    if chosen.password.expose() != chosen.again.expose() {
        let problems = Problems::one("again", "The two passwords differ. Type the same one twice.");
        return draw(&app, &visitor, welcomed, typed, problems).await;
    }
    let chosen = sign_in::Chosen { display_name: chosen.display_name, password: chosen.password, address: chosen.address };
    match app.welcome_password(link, chosen).await {
        Ok(_) => Ok(frame::see("/welcome")),
        Err(error) => draw(&app, &visitor, welcomed, typed, Problems::of_error(error)?).await,
    }
}

/// A new key's answer and what the person calls it.
#[derive(Debug, serde::Deserialize)]
pub struct Made {
    nickname: String,
    response: String,
}

/// Takes a key; after the second the door is open.
pub async fn key(State(app): Shared, visitor: Visitor, Posted(made): Posted<Made>) -> Answer {
    let link = link_of(&visitor)?;
    let done: Result<Welcomed, AppError> = async {
        let state = session::take_ceremony(&visitor.session, PURPOSE, app.clock.now()).await?;
        app.welcome_key(link, &state, &made.response, &made.nickname).await
    }
    .await;
    match done {
        Ok(welcomed) if welcomed.keys >= KEYS_NEEDED => {
            session::end(&visitor.session).await?;
            Ok(frame::see("/sign-in?welcome=1"))
        }
        Ok(_) => Ok(frame::see("/welcome")),
        Err(error) => {
            let problems = Problems::of_error(error)?;
            let welcomed = app.welcome_by_digest(link).await?;
            draw(&app, &visitor, welcomed, Typed { nickname: made.nickname, ..Typed::default() }, problems).await
        }
    }
}

/// A demo's sign-in link.
pub async fn demo(State(app): Shared, visitor: Visitor, from: CameFrom, Path(link): Path<String>) -> Answer {
    let user = app.demo_sign_in(&link).await?;
    let came = session::CameIn {
        recorded: true,
        key: None,
        device: from.whence.device,
        place: from.whence.place,
        rights: app.actor_of(&user, false).as_ref().map(session::rights_of).unwrap_or_default(),
    };
    session::sign_in(&visitor.session, &user, &came, app.clock.now()).await?;
    Ok(frame::see("/fleet"))
}
