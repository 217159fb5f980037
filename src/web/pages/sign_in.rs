//! Signing in: name and password, then a security key. The same second page wakes a session that was idle, and asks for a touch before a change
//! that is not signed; what was typed then goes on with it. Signing out.

use crate::app::AppError;
use crate::authn::KeyError;
use crate::domain::Secret;
use crate::web::{
    Answer, Shared, WebError,
    extract::{CameFrom, Next, Posted, Visitor, visitor::Asleep, visitor::unknown_session},
    frame,
    page::{Frame, Scripts},
    problems::Problems,
    session,
};
use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

/// What the session keeps a sign-in's ceremony under.
const PURPOSE: &str = "sign-in";

/// Where to go on, in the address or in a form.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Onwards {
    #[serde(default)]
    next: Next,
    // The two keys of an invitation are there.
    #[serde(default)]
    welcome: Option<String>,
    // A change waits for the touch, on another page.
    #[serde(default)]
    touch: Option<String>,
}

/// A form that waits for a touch of the key.
#[derive(Debug, Clone, Default)]
pub struct Then {
    /// Where it goes.
    pub path: String,
    /// What it holds, without its token.
    pub carried: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    problems: Problems,
    given_name: String,
    next: Next,
    is_welcome: bool,
}

#[derive(Template)]
#[template(path = "sign_in_key.html")]
struct SignInKey {
    frame: Frame,
    problems: Problems,
    options: String,
    next: Next,
    asleep: Option<Asleep>,
    name: String,
    then: Then,
    again: &'static str,
}

/// `/`: the fleet, or the door.
pub async fn home(visitor: Visitor) -> Response {
    frame::see(if visitor.actor.is_some() { "/fleet" } else { "/sign-in" })
}

/// The first page: name and password.
pub async fn show(State(app): Shared, mut visitor: Visitor, Query(asked): Query<Onwards>) -> Answer {
    if visitor.actor.is_some() && visitor.asleep.is_none() {
        return Ok(frame::see(asked.next.path()));
    }
    if visitor.held.is_unknown {
        return Err(unknown_session());
    }
    let cookie = visitor.early_token(&app)?;
    let page = SignIn {
        frame: frame::of(&app, &visitor, "Sign in").await,
        problems: Problems::none(),
        given_name: String::new(),
        next: asked.next,
        is_welcome: asked.welcome.is_some(),
    };
    let mut response = frame::page(&page)?;
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Name and password as typed.
#[derive(Debug, serde::Deserialize)]
pub struct Given {
    name: String,
    password: Secret<String>,
    #[serde(default)]
    next: Next,
}

/// Takes name and password.
pub async fn password(State(app): Shared, visitor: Visitor, from: CameFrom, Posted(given): Posted<Given>) -> Answer {
    let error = match app.sign_in_password(&given.name, given.password, &from.whence).await {
        // Whose session is asleep keeps it, and with it the right to stop, until the key is touched.
        Ok(user) if visitor.actor.is_some() && visitor.held.user.as_ref() == Some(&user) => {
            return Ok(frame::see(&given.next.on("/sign-in/key")));
        }
        Ok(user) => {
            session::arrive(&visitor.session, &user, app.clock.now()).await?;
            return Ok(frame::see(&given.next.on("/sign-in/key")));
        }
        Err(error) => error,
    };
    let wait = match &error {
        crate::app::AppError::TooMany(wait) => Some(*wait),
        _ => None,
    };
    let mut frame = frame::of(&app, &visitor, "Sign in").await;
    frame.is_error = true;
    let problems = Problems::of_error(error)?;
    let page = SignIn { frame, problems, given_name: given.name, next: given.next, is_welcome: false };
    let Some(wait) = wait else { return frame::page_with(StatusCode::UNPROCESSABLE_ENTITY, &page) };
    let mut response = frame::page_with(StatusCode::TOO_MANY_REQUESTS, &page)?;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
    Ok(response)
}

/// Whose key is asked for: of who just gave the password, or of who is signed in.
fn who(visitor: &Visitor) -> Option<crate::domain::UserId> {
    visitor.held.pending.clone().or_else(|| visitor.held.user.clone().filter(|_| visitor.actor.is_some()))
}

/// The second page: the key.
pub async fn show_key(State(app): Shared, visitor: Visitor, Query(asked): Query<Onwards>) -> Answer {
    let is_awake = visitor.held.pending.is_none() && visitor.actor.is_some() && visitor.asleep.is_none();
    match who(&visitor) {
        // What waits there stands on the page that asks; this one only gives it another challenge.
        Some(_) if !is_awake || asked.touch.is_some() => key_page(&app, &visitor, asked.next, Then::default(), Problems::none()).await,
        Some(_) => Ok(frame::see(asked.next.path())),
        None => Ok(frame::see(&asked.next.on("/sign-in"))),
    }
}

/// Asks for a touch of the key before a change that is not signed. Nothing was done yet; it is done with the touch.
pub async fn ask_for_touch(app: &crate::app::App, visitor: &Visitor, then: Then) -> Answer {
    key_page(app, visitor, Next::default(), then, Problems::none()).await
}

async fn key_page(app: &crate::app::App, visitor: &Visitor, next: Next, then: Then, problems: Problems) -> Answer {
    let user = who(visitor).ok_or_else(|| WebError::unauthorized("Give name and password first."))?;
    let ceremony = match app.sign_in_key_options(&user).await {
        // Who has none left has one way: their recovery.
        Err(AppError::Key(KeyError::NoKey)) if visitor.held.pending.is_some() => return Ok(frame::see("/sign-in/lost")),
        other => other?,
    };
    session::keep_ceremony(&visitor.session, PURPOSE, ceremony.state, app.clock.now()).await?;
    let mut frame = frame::of(app, visitor, "Security key").await;
    frame.scripts = Scripts::Keys;
    frame.csrf = visitor.csrf();
    frame.is_error = !problems.is_empty();
    let waits = !then.path.is_empty();
    let status = match (problems.is_empty(), waits) {
        (false, _) => StatusCode::UNPROCESSABLE_ENTITY,
        (true, true) => StatusCode::UNAUTHORIZED,
        (true, false) => StatusCode::OK,
    };
    let name = app.people().who(&user);
    let asleep = visitor.asleep.filter(|_| visitor.actor.is_some());
    let again = if visitor.held.pending.is_none() && asleep.is_none() { "/sign-in/key?touch=1" } else { "/sign-in/key" };
    frame::page_with(status, &SignInKey { frame, problems, options: ceremony.options, next, asleep, name, then, again })
}

/// The key's answer, and the form that waits for it.
#[derive(Debug, Default)]
struct Touched {
    response: String,
    next: Next,
    then: Then,
}

impl From<Vec<(String, String)>> for Touched {
    fn from(fields: Vec<(String, String)>) -> Self {
        let mut this = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "csrf" => {}
                "response" => this.response = value,
                "next" => this.next = Next::of(&value),
                "then" => this.then.path = Next::of(&value).path().to_owned(),
                _ => this.then.carried.push((name, value)),
            }
        }
        this
    }
}

/// Takes the key's answer. With the log unable to take the entry the session may only stop, which every page then says.
pub async fn key(State(app): Shared, visitor: Visitor, mut from: CameFrom, Posted(fields): Posted<Vec<(String, String)>>) -> Answer {
    let now = app.clock.now();
    let touched = Touched::from(fields);
    let user = who(&visitor).ok_or_else(|| WebError::unauthorized("Give name and password first. Nothing was changed."))?;
    from.known_from_now_on()?;
    let done = async {
        let state = session::take_ceremony(&visitor.session, PURPOSE, now).await?;
        app.sign_in_key(&user, &state, &touched.response, &from.whence).await
    };
    let done = match done.await {
        Ok(done) => done,
        Err(error @ AppError::TooMany(_)) => return Err(error.into()),
        Err(error) => return key_page(&app, &visitor, touched.next, touched.then, Problems::of_error(error)?).await,
    };
    let is_pending = visitor.held.pending.is_some();
    if !done.recorded && !is_pending && visitor.asleep.is_none() {
        // Whoever is awake stays so.
        let said = "The audit log could not record the touch. Nothing was changed; what stops works.";
        return key_page(&app, &visitor, touched.next, touched.then, Problems::one("", said)).await;
    }
    // Whoever is disabled gets no session that would be theirs once they are enabled again.
    let actor = app.actor_of(&user, false).ok_or_else(|| WebError::unauthorized("This account is disabled. Ask an admin."))?;
    let came = session::CameIn {
        recorded: done.recorded,
        key: Some(done.key),
        device: from.whence.device.clone(),
        place: from.whence.place.clone(),
        rights: session::rights_of(&actor),
    };
    if is_pending {
        session::sign_in(&visitor.session, &user, &came, now).await?;
    } else {
        session::wake(&app.sessions, &visitor.session, &came, now).await?;
    }
    let mut response = match touched.then.path.as_str() {
        "" => frame::see(touched.next.path()),
        // The browser sends the same form on, with everything that was typed.
        path => Redirect::temporary(path).into_response(),
    };
    from.remember(&mut response);
    Ok(response)
}

/// A form with nothing but its token.
#[derive(Debug, serde::Deserialize)]
pub struct Nothing {}

/// Ends the session.
pub async fn out(State(app): Shared, visitor: Visitor, _: Posted<Nothing>) -> Answer {
    session::end(&visitor.session).await?;
    if let Some(user) = &visitor.held.user {
        app.signed_out(user).await;
    }
    Ok(frame::see("/sign-in"))
}
