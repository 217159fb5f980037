//! A form that changes something and is not signed: taken while a touch of a key still counts (ruling C15). Later the key is asked for first, and
//! the form goes on with what was typed. Never asked for a stop, for leaving, nor for ending one's own sessions.

use super::{Person, form};
use crate::app::App;
use crate::web::pages::sign_in::{self, Then};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A form of somebody whose touch of a key still counts, checked and read.
#[derive(Debug, Clone)]
pub struct ByTouch<T>(pub Person, pub T);

/// A form of somebody signed in, checked and read, before it is known whether it needs a touch.
#[derive(Clone)]
pub struct MayNeedTouch<T> {
    /// Who sent it.
    pub person: Person,
    /// What it holds.
    pub fields: T,
    path: String,
    bytes: Bytes,
}

impl<T> MayNeedTouch<T> {
    /// Goes on when a touch of the key still counts, and asks for one otherwise.
    ///
    /// # Errors
    /// The page that asks.
    pub async fn touched(self, app: &App) -> Result<ByTouch<T>, Response> {
        let Self { person, fields, path, bytes } = self;
        // A demo's keys lie in the server: a touch of them says nothing of who is there.
        if person.visitor.held.is_touched(app.clock.now()) || app.demo_can_sign(&person.user) {
            return Ok(ByTouch(person, fields));
        }
        let carried =
            url::form_urlencoded::parse(&bytes).filter(|(name, _)| name != "csrf").map(|(name, value)| (name.into(), value.into()));
        let then = Then { path, carried: carried.collect() };
        Err(sign_in::ask_for_touch(app, &person.visitor, then).await.into_response())
    }
}

/// The same for a form that holds a secret: where a touch is asked for first, nothing of it is carried over the page that asks, and it is typed
/// again.
pub struct ByFreshTouch<T>(pub Person, pub T);

impl<T: DeserializeOwned + Send> FromRequest<Arc<App>> for ByFreshTouch<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let MayNeedTouch { person, fields, path, bytes: _ } = MayNeedTouch::<T>::from_request(request, app).await?;
        let nothing = MayNeedTouch { person, fields, path, bytes: Bytes::new() };
        nothing.touched(app).await.map(|ByTouch(person, fields)| Self(person, fields))
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for MayNeedTouch<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let person = Person::from_request_parts(&mut parts, app).await.map_err(IntoResponse::into_response)?;
        let path = parts.uri.path().to_owned();
        let token = form::Vouches::Token(person.visitor.token());
        let bytes = form::checked(Request::from_parts(parts, body), app, token).await.map_err(IntoResponse::into_response)?;
        let fields = form::fields(&bytes).map_err(IntoResponse::into_response)?;
        Ok(Self { person, fields, path, bytes })
    }
}

impl<T: DeserializeOwned + Send> FromRequest<Arc<App>> for ByTouch<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        MayNeedTouch::from_request(request, app).await?.touched(app).await
    }
}
