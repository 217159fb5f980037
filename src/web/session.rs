//! What a browser session holds: who is signed in, since when, when they last acted and last touched a key, the token of their forms, and
//! ceremonies under way. The cookie names the session and nothing else. The id changes with answers to what a person sends, which are carried
//! through when the browser goes away: at sign-in, when a key is touched after a while, and when its person may do something else than before.

use super::WebError;
use crate::app::{App, AppError, sign_in::LINK_SESSION_MS};
use crate::authn::{
    KeyError, SessionStore,
    keys::CEREMONY_MS,
    sessions::{DEVICE, HANDLE, KEY, PLACE, SEEN, SINCE, UNTIL, USER},
};
use crate::authz::Actor;
use crate::crypto::token;
use crate::domain::{CredentialId, Timestamp, UserId};
use serde::{Serialize, de::DeserializeOwned};
use tower_sessions::Session;

/// How long a signed-in session lives, whatever happens in it.
pub const LIVES_MS: i64 = 12 * 60 * 60 * 1_000;
/// How long a session lives between the password and the key.
const ARRIVING_MS: i64 = 30 * 60 * 1_000;
/// After so long without an act of the person the session may only stop.
pub const IDLE_MS: i64 = 15 * 60 * 1_000;
/// So long after a touch of a key changes are taken that no signature goes with (ruling C15).
pub const TOUCH_COUNTS_MS: i64 = 10 * 60 * 1_000;
/// An act of the person is written down at most so often.
const SEEN_EVERY_MS: i64 = 60 * 1_000;
/// How many ceremonies of one session are remembered: one for each tab that a person may have open.
const CEREMONIES: usize = 8;

const CSRF: &str = "csrf";
const TOUCHED: &str = "touched";
const RIGHTS: &str = "rights";
const UNRECORDED: &str = "unrecorded";
const PENDING: &str = "pending";
const LINK: &str = "link";
const UNDER_WAY: &str = "ceremonies";

/// A session as read at the beginning of a request.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Who is signed in.
    pub user: Option<UserId>,
    /// Who has given the right password and not yet touched a key.
    pub pending: Option<UserId>,
    /// Digest of the invitation in hand.
    pub link: Option<String>,
    /// The token of the session's forms.
    pub csrf: Option<String>,
    /// When the person last acted.
    pub seen: Timestamp,
    /// When the person last touched a key.
    pub touched: Timestamp,
    /// The sign-in could not be recorded: the session may only stop.
    pub unrecorded: bool,
    /// The session's name outside of the cookie.
    pub handle: Option<String>,
    /// What its person might do when its id was last changed.
    pub rights: Option<String>,
    /// The browser has a session, and neither database nor memory can say whose.
    pub is_unknown: bool,
}

/// How somebody came in.
#[derive(Debug, Clone, Default)]
pub struct CameIn {
    /// False when the log could not take it: the session may then only stop.
    pub recorded: bool,
    /// With which security key: the session ends when it is removed.
    pub key: Option<CredentialId>,
    /// Browser and system in words.
    pub device: String,
    /// From which address.
    pub place: String,
    /// What the person may do, as [`rights_of`] says.
    pub rights: String,
}

/// What a person may do, as a text to compare: the session's id changes when it does.
pub fn rights_of(actor: &Actor) -> String {
    let Actor::User { grants, few_keys, frozen, .. } = actor else { return String::new() };
    let mut rights: Vec<String> =
        grants.iter().map(|grant| format!("{}:{}", grant.role, grant.team.as_ref().map_or("", |team| team.as_str()))).collect();
    rights.sort();
    format!("{}{}{}", rights.join(" "), if *few_keys { " few keys" } else { "" }, if *frozen { " frozen" } else { "" })
}

impl Held {
    /// True when the person has not acted for so long that the session may only stop.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        now.ms_since(self.seen) > IDLE_MS
    }

    /// True while a touch of a key still counts for changes that are not signed.
    pub fn is_touched(&self, now: Timestamp) -> bool {
        now.ms_since(self.touched) <= TOUCH_COUNTS_MS
    }
}

/// A ceremony that was begun and not finished.
#[derive(serde::Serialize, serde::Deserialize)]
struct UnderWay {
    purpose: String,
    state: String,
    at: i64,
}

fn broken(error: tower_sessions::session::Error) -> WebError {
    AppError::internal(error).into()
}

async fn get<T: DeserializeOwned>(session: &Session, key: &str) -> Option<T> {
    match session.get(key).await {
        Ok(value) => value,
        Err(error) => {
            tracing::warn!(%error, key, "a session could not be read; it counts as empty");
            None
        }
    }
}

async fn set<T: Serialize>(session: &Session, key: &str, value: T) -> Result<(), WebError> {
    session.insert(key, value).await.map_err(broken)
}

/// Reads a session. One that cannot be read is nobody's, which it says.
pub async fn read(session: &Session) -> Held {
    let user = match session.get(USER).await {
        Ok(user) => user,
        Err(error) => {
            tracing::warn!(%error, "a session could not be read");
            return Held { is_unknown: matches!(error, tower_sessions::session::Error::Store(_)), ..Held::default() };
        }
    };
    Held {
        user,
        pending: get(session, PENDING).await,
        link: get(session, LINK).await,
        csrf: get(session, CSRF).await,
        seen: Timestamp(get(session, SEEN).await.unwrap_or_default()),
        touched: Timestamp(get(session, TOUCHED).await.unwrap_or_default()),
        unrecorded: get(session, UNRECORDED).await.unwrap_or_default(),
        handle: get(session, HANDLE).await,
        rights: get(session, RIGHTS).await,
        is_unknown: false,
    }
}

/// Begins anew under another id: nothing of what the session held stays.
async fn anew(session: &Session, until: Timestamp) -> Result<(), WebError> {
    session.clear().await;
    if session.id().is_some() {
        session.cycle_id().await.map_err(broken)?;
    }
    set(session, UNTIL, until.0).await?;
    set(session, CSRF, token::random::<16>().map_err(AppError::from)?).await
}

/// Remembers that a person gave the right password.
///
/// # Errors
/// When the session cannot be written.
pub async fn arrive(session: &Session, user: &UserId, now: Timestamp) -> Result<(), WebError> {
    anew(session, now.plus_ms(ARRIVING_MS)).await?;
    set(session, PENDING, user).await
}

/// Remembers an invitation by its digest, so that the link can leave the address bar.
///
/// # Errors
/// When the session cannot be written.
pub async fn hold_link(session: &Session, digest: &str, now: Timestamp) -> Result<(), WebError> {
    anew(session, now.plus_ms(LINK_SESSION_MS)).await?;
    set(session, LINK, digest).await
}

/// Signs a person in.
///
/// # Errors
/// When the session cannot be written.
pub async fn sign_in(session: &Session, user: &UserId, came: &CameIn, now: Timestamp) -> Result<(), WebError> {
    anew(session, now.plus_ms(LIVES_MS)).await?;
    set(session, USER, user).await?;
    set(session, SINCE, now.0).await?;
    note(session, came, now).await
}

/// Wakes a session after a key was touched, under another id: one that only stops, or one whose last touch is long ago. When it ends stays as it was, and so does the token of its
/// forms: a page that is open in another tab goes on.
///
/// # Errors
/// When the session cannot be written.
pub async fn wake(store: &SessionStore, session: &Session, came: &CameIn, now: Timestamp) -> Result<(), WebError> {
    turn(store, session).await?;
    session.remove::<bool>(UNRECORDED).await.map_err(broken)?;
    session.remove::<Vec<UnderWay>>(UNDER_WAY).await.map_err(broken)?;
    note(session, came, now).await
}

/// Notes that the person touched a key. One whose last touch no longer counted may do more from now on, under another id.
///
/// # Errors
/// When the session cannot be written.
pub async fn touched(store: &SessionStore, session: &Session, held: &Held, now: Timestamp) -> Result<(), WebError> {
    if !held.is_touched(now) {
        turn(store, session).await?;
    }
    set(session, TOUCHED, now.0).await
}

/// Gives a session another id when its person may do something else than when it was given: once, whatever comes beside it.
pub async fn keep_to_rights(app: &App, session: &Session) {
    // Without an id it has just ended, or gets another one anyway.
    if session.id().is_none() {
        return;
    }
    let held = read(session).await;
    let (Some(user), Some(handle)) = (&held.user, &held.handle) else { return };
    if held.unrecorded || held.is_idle(app.clock.now()) {
        return;
    }
    let Some(actor) = app.actor_of(user, false) else { return };
    let rights = rights_of(&actor);
    let given = app.sessions.now_under(handle, RIGHTS);
    if held.rights.as_deref() == Some(&rights) || given.as_ref().and_then(serde_json::Value::as_str) == Some(&rights) {
        return;
    }
    let turned = async {
        turn(&app.sessions, session).await?;
        set(session, RIGHTS, rights).await
    };
    if let Err(error) = turned.await {
        tracing::warn!(?error, "a session kept its id though its person's rights changed");
    }
}

/// Another id for the same session. The one before only stops from now on, and is over once the new one has come back from the browser.
async fn turn(store: &SessionStore, session: &Session) -> Result<(), WebError> {
    let (Some(id), Some(handle)) = (session.id(), get::<String>(session, HANDLE).await) else { return Ok(()) };
    store.turns(&id, &handle);
    let turned = session.cycle_id().await;
    store.turns_not(&id);
    turned.map_err(broken)
}

async fn note(session: &Session, came: &CameIn, now: Timestamp) -> Result<(), WebError> {
    set(session, SEEN, now.0).await?;
    set(session, TOUCHED, now.0).await?;
    set(session, RIGHTS, &came.rights).await?;
    set(session, DEVICE, &came.device).await?;
    set(session, PLACE, &came.place).await?;
    if let Some(key) = &came.key {
        set(session, KEY, key).await?;
    }
    if came.recorded { Ok(()) } else { set(session, UNRECORDED, true).await }
}

/// Notes that the person acted. An idle session stays idle: only a key wakes it.
pub async fn note_act(session: &Session, held: &Held, now: Timestamp) {
    if held.is_idle(now) || now.ms_since(held.seen) < SEEN_EVERY_MS {
        return;
    }
    if let Err(error) = session.insert(SEEN, now.0).await {
        tracing::warn!(%error, "a session could not be written");
    }
}

/// Ends a session.
///
/// # Errors
/// When it cannot be written.
pub async fn end(session: &Session) -> Result<(), WebError> {
    session.flush().await.map_err(broken)
}

/// Keeps the server's half of a ceremony until the browser answers.
///
/// # Errors
/// When the session cannot be written.
pub async fn keep_ceremony(session: &Session, purpose: &str, state: String, now: Timestamp) -> Result<(), WebError> {
    let mut all: Vec<UnderWay> = get(session, UNDER_WAY).await.unwrap_or_default();
    all.retain(|one| one.purpose != purpose && now.ms_since(Timestamp(one.at)) <= CEREMONY_MS);
    let over = (all.len() + 1).saturating_sub(CEREMONIES);
    all.drain(..over);
    all.push(UnderWay { purpose: purpose.to_owned(), state, at: now.0 });
    set(session, UNDER_WAY, all).await
}

/// Takes the server's half of a ceremony, once.
///
/// # Errors
/// `Over` when there is none of this purpose, or it began too long ago.
pub async fn take_ceremony(session: &Session, purpose: &str, now: Timestamp) -> Result<String, AppError> {
    let mut all: Vec<UnderWay> = get(session, UNDER_WAY).await.unwrap_or_default();
    let over = || AppError::Key(KeyError::Over);
    let at = all.iter().position(|one| one.purpose == purpose).ok_or_else(over)?;
    let one = all.remove(at);
    session.insert(UNDER_WAY, all).await.map_err(AppError::internal)?;
    if now.ms_since(Timestamp(one.at)) > CEREMONY_MS { Err(over()) } else { Ok(one.state) }
}
