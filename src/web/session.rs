//! What a browser session holds: who is signed in, since when, when they last acted, the token of their forms, and ceremonies under way.
//! The cookie names the session and nothing else. The id changes at sign-in and at every change of what the session may do.

use super::WebError;
use crate::app::{AppError, sign_in::LINK_SESSION_MS};
use crate::authn::{
    KeyError,
    keys::CEREMONY_MS,
    sessions::{KEY, UNTIL, USER},
};
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
/// An act of the person is written down at most so often.
const SEEN_EVERY_MS: i64 = 60 * 1_000;
/// How many ceremonies of one session are remembered: one for each tab that a person may have open.
const CEREMONIES: usize = 8;

const CSRF: &str = "csrf";
const SEEN: &str = "seen";
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
    /// The sign-in could not be recorded: the session may only stop.
    pub unrecorded: bool,
}

impl Held {
    /// True when the person has not acted for so long that the session may only stop.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        now.ms_since(self.seen) > IDLE_MS
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

/// Reads a session. One that cannot be read is nobody's.
pub async fn read(session: &Session) -> Held {
    Held {
        user: get(session, USER).await,
        pending: get(session, PENDING).await,
        link: get(session, LINK).await,
        csrf: get(session, CSRF).await,
        seen: Timestamp(get(session, SEEN).await.unwrap_or_default()),
        unrecorded: get(session, UNRECORDED).await.unwrap_or_default(),
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

/// Signs a person in. `recorded` is false when the log could not take it: the session may then only stop.
///
/// # Errors
/// When the session cannot be written.
pub async fn sign_in(session: &Session, user: &UserId, recorded: bool, now: Timestamp) -> Result<(), WebError> {
    anew(session, now.plus_ms(LIVES_MS)).await?;
    set(session, USER, user).await?;
    set(session, SEEN, now.0).await?;
    if recorded { Ok(()) } else { set(session, UNRECORDED, true).await }
}

/// Wakes a session that only stops, after a key was touched. When it ends stays as it was.
///
/// # Errors
/// When the session cannot be written.
pub async fn wake(session: &Session, user: &UserId, recorded: bool, now: Timestamp) -> Result<(), WebError> {
    let until: Option<i64> = get(session, UNTIL).await;
    sign_in(session, user, recorded, now).await?;
    set(session, UNTIL, until.unwrap_or(now.0)).await
}

/// Notes with which key a session was signed in: it ends when the key is removed.
///
/// # Errors
/// When the session cannot be written.
pub async fn note_key(session: &Session, key: &CredentialId) -> Result<(), WebError> {
    set(session, KEY, key).await
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
