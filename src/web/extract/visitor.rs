//! Who is there. `Visitor`: anybody. `Person`: somebody signed in whose session is awake. `StopOnly`: somebody signed in, idle sessions
//! included; what those may do is little, and `authz` says so again.

use super::{Next, csrf, device::device_cookie};
use crate::app::App;
use crate::authz::Actor;
use crate::domain::UserId;
use crate::web::{
    WebError, cookie,
    layers::render::is_machine,
    session::{self, Held},
};
use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use std::{convert::Infallible, sync::Arc};
use tower_sessions::Session;

/// Why a session may only stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asleep {
    /// It was idle.
    Idle,
    /// Its sign-in could not be recorded.
    Unrecorded,
}

/// Anybody.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The browser session.
    pub session: Session,
    /// What it held when the request came.
    pub held: Held,
    /// Whoever is signed in, with the roles they have now.
    pub actor: Option<Actor>,
    /// Why the session may only stop; none while it is awake.
    pub asleep: Option<Asleep>,
    /// This browser is a stop device, whoever is signed in.
    pub is_stop_device: bool,
    /// Path and query of the request.
    pub path: String,
    // The token of forms shown before there is a session; its cookie is set when it is new.
    early: Option<String>,
}

/// The cookie that carries the form token of somebody who has no session yet.
pub fn early_cookie(is_secure: bool) -> &'static str {
    if is_secure { "__Host-andon-form" } else { "andon-form-local" }
}

impl Visitor {
    /// Reads who is there.
    pub async fn load(app: &App, session: Session, headers: &HeaderMap, uri: &Uri) -> Self {
        let held = session::read(&session).await;
        let asleep = match &held {
            held if held.unrecorded => Some(Asleep::Unrecorded),
            held if held.is_idle(app.clock.now()) => Some(Asleep::Idle),
            _ => None,
        };
        let actor = held.user.as_ref().and_then(|user| app.actor_of(user, asleep.is_some()));
        let early = cookie::sent(headers, early_cookie(app.is_https())).filter(|text| csrf::is_token(text));
        let phone = cookie::sent(headers, device_cookie(app.is_https()));
        let is_stop_device = phone.is_some_and(|phone| app.by_device(&phone).is_some());
        let path = shown_path(uri.path_and_query().map_or("/", |path| path.as_str()));
        Self { session, held, actor, asleep, is_stop_device, path, early }
    }

    /// The token of this visitor's forms; none before the first page.
    pub(super) fn token(&self) -> Option<&str> {
        self.held.csrf.as_deref().or(self.early.as_deref())
    }
    /// The token as a form carries it.
    pub fn csrf(&self) -> String {
        self.token().map(csrf::masked).unwrap_or_default()
    }
    /// Gives a visitor without a session a token for the sign-in form. Returns the cookie to set, when there is none yet.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn early_token(&mut self, app: &App) -> Result<Option<HeaderValue>, WebError> {
        if self.token().is_some() {
            return Ok(None);
        }
        let token = crate::crypto::token::random::<16>().map_err(crate::app::AppError::from)?;
        let set = cookie::set(early_cookie(app.is_https()), &token, None, app.is_https()).map_err(crate::app::AppError::internal)?;
        self.early = Some(token);
        Ok(Some(set))
    }
}

/// True for what a person does with the browser, false for what a page does by itself: live figures must not keep a session awake.
fn is_act(parts: &Parts) -> bool {
    let accepts_events = parts.headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes() == b"text/event-stream");
    let navigates = parts.headers.get("sec-fetch-mode").is_none_or(|mode| mode.as_bytes() == b"navigate");
    navigates && !accepts_events && !parts.headers.contains_key("hx-request")
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        // Outside the session layer nobody is signed in.
        let session = parts.extensions.get::<Session>().cloned();
        let session = session.unwrap_or_else(|| Session::new(None, Arc::new(app.sessions.clone()), None));
        let visitor = Self::load(app, session, &parts.headers, &parts.uri).await;
        if visitor.actor.is_some() && is_act(parts) {
            session::note_act(&visitor.session, &visitor.held, app.clock.now()).await;
        }
        parts.extensions.insert(visitor.clone());
        Ok(visitor)
    }
}

/// Somebody signed in.
#[derive(Debug, Clone)]
pub struct Person {
    /// As `app` knows them.
    pub actor: Actor,
    /// Their id.
    pub user: UserId,
    /// The request's visitor, for the frame.
    pub visitor: Visitor,
}

/// Somebody signed in whose session may be one that only stops.
#[derive(Debug, Clone)]
pub struct StopOnly(pub Person);

/// Turned away: to the sign-in page when a page was asked for, else with an error that says that nothing was done.
#[derive(Debug)]
pub enum TurnedAway {
    /// Go there.
    To(String),
    /// Nothing was done.
    Not(WebError),
}

impl IntoResponse for TurnedAway {
    fn into_response(self) -> Response {
        match self {
            Self::To(path) => Redirect::to(&path).into_response(),
            Self::Not(error) => error.into_response(),
        }
    }
}

/// Nothing was done: the browser has a session that nobody can look up now.
pub fn unknown_session() -> WebError {
    let said = "The database does not answer, and this server has not seen your session since it started, so it cannot say who you are. Nothing \
                was done. Bots can still be stopped: on the server's host by andon stop --all, with a stop token, or in a browser whose session \
                this server has seen. Then try again here: your session is not lost.";
    WebError::new(StatusCode::SERVICE_UNAVAILABLE, "session-unknown", "Who you are cannot be looked up now", said)
}

fn turned_away(parts: &Parts, visitor: &Visitor, to: &str, said: &str) -> TurnedAway {
    if visitor.held.is_unknown {
        return TurnedAway::Not(unknown_session());
    }
    let is_page = matches!(parts.method, Method::GET | Method::HEAD) && is_act(parts) && !is_machine(&parts.uri);
    if is_page {
        return TurnedAway::To(Next::of(&visitor.path).on(to));
    }
    let mut error = WebError::unauthorized(said);
    if visitor.asleep.is_some() && visitor.actor.is_some() {
        error = WebError::new(StatusCode::UNAUTHORIZED, "asleep", "Touch your security key first", said);
    }
    TurnedAway::Not(error)
}

impl FromRequestParts<Arc<App>> for StopOnly {
    type Rejection = TurnedAway;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, TurnedAway> {
        let Ok(visitor) = Visitor::from_request_parts(parts, app).await;
        match (visitor.actor.clone(), visitor.held.user.clone()) {
            (Some(actor), Some(user)) => Ok(Self(Person { actor, user, visitor })),
            _ => Err(turned_away(
                parts,
                &visitor,
                "/sign-in",
                "You are not signed in, or no longer. Nothing was done. Sign in and try again.",
            )),
        }
    }
}

impl FromRequestParts<Arc<App>> for Person {
    type Rejection = TurnedAway;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, TurnedAway> {
        let StopOnly(person) = StopOnly::from_request_parts(parts, app).await?;
        if person.visitor.asleep.is_none() {
            return Ok(person);
        }
        let said = "This session was idle and may only stop bots. Nothing was done. Touch your key, then try again.";
        Err(turned_away(parts, &person.visitor, "/sign-in/key", said))
    }
}

impl OptionalFromRequestParts<Arc<App>> for Person {
    type Rejection = Infallible;

    /// Somebody signed in and awake, or nobody: for what a token may do as well.
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Option<Self>, Infallible> {
        Ok(<Self as FromRequestParts<Arc<App>>>::from_request_parts(parts, app).await.ok())
    }
}
/// A path as a page may show and keep it: a one-time link's secret is left out.
fn shown_path(path: &str) -> String {
    let is_link = ["/welcome/", "/demo/", "/stop-device/enrol/"].iter().any(|root| path.starts_with(root));
    if is_link { "/".to_owned() } else { path.to_owned() }
}
