//! Writes that may be sent twice: with the header `Idempotency-Key` a write is done once in 24 hours, and sent again it is answered as it was. The
//! same key with another body is 422; one that is being answered, or whose answer was lost, is 409. What was refused changed nothing and is not
//! kept. Presses have keys of their own in `holds` and `presses`, which ask no database.

use crate::app::{
    App, AppError,
    idempotency::{KEY, Known, telling},
};
use crate::authz::Actor;
use crate::protocol::MAX_BODY;
use crate::web::{Answer, WebError, json::Raw};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Says that an answer is one that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A write: its body, JSON of at most 1 MiB, and its key.
pub struct Write {
    /// The bytes of the body.
    pub body: Bytes,
    key: Option<String>,
    method: Method,
    path: String,
}

/// A write whose body, if it has one, says nothing.
pub struct Bare(pub Write);

fn key_of(headers: &HeaderMap) -> Result<Option<String>, WebError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()));
    let bad = || WebError::bad_request(format!("Idempotency-Key must be 1 to {KEY} visible ASCII characters."));
    key.map(|key| Some(key.to_owned())).ok_or_else(bad)
}

impl<S: Send + Sync> FromRequest<S> for Write {
    type Rejection = WebError;

    /// # Errors
    /// As `Raw`; 400 for a key that cannot be one.
    async fn from_request(request: Request, state: &S) -> Result<Self, WebError> {
        let (key, method, path) = (key_of(request.headers())?, request.method().clone(), request.uri().path().to_owned());
        let Raw(body) = Raw::from_request(request, state).await?;
        Ok(Self { body, key, method, path })
    }
}

impl<S: Send + Sync> FromRequest<S> for Bare {
    type Rejection = WebError;

    /// # Errors
    /// 400 for a key that cannot be one, or a body that broke off.
    async fn from_request(request: Request, _: &S) -> Result<Self, WebError> {
        let (key, method, path) = (key_of(request.headers())?, request.method().clone(), request.uri().path().to_owned());
        let body = to_bytes(request.into_body(), MAX_BODY)
            .await
            .map_err(|_| WebError::bad_request("The body broke off before its end, or is too large."))?;
        Ok(Self(Write { body, key, method, path }))
    }
}

impl Write {
    /// Does the work, once per key.
    ///
    /// # Errors
    /// Those of the work; 409 and 422 for a key that is in use.
    pub async fn once(self, app: &App, actor: &Actor, work: impl Future<Output = Answer>) -> Answer {
        let work = told(work);
        let Some(key) = self.key else { return work.await };
        let who = crate::audit::Actor::from(actor).text();
        let claim = match app.known_key(&who, &key, &[self.method.as_str().as_bytes(), self.path.as_bytes(), &self.body]).await? {
            Known::New(claim) => claim,
            Known::Done(kept) => {
                let status = kept.status.and_then(|status| u16::try_from(status).ok()).and_then(|status| StatusCode::from_u16(status).ok());
                return Ok(replayed(status.unwrap_or(StatusCode::OK), kept.location, kept.body.unwrap_or_default()));
            }
            Known::Unanswered => {
                let said = "This key is being answered, or the server ended before its answer was kept. Look at what it was for before you send it under another key.";
                return Err(WebError::new(StatusCode::CONFLICT, "idempotency-key-in-use", "Key in use", said));
            }
            Known::Other => {
                let said = "This key was sent with another body or to another address within 24 hours. Nothing was changed.";
                return Err(WebError::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "idempotency-key-reused",
                    "Another request had this key",
                    said,
                ));
            }
        };
        let response = app.under(claim.clone(), work).await?;
        if !response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.map_err(AppError::internal)?;
        let location = parts.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Err(error) = app.keep_answer(&claim, (parts.status.as_u16(), location, text)).await {
            // What was done is done; sent again the key is answered with 409.
            tracing::warn!(error = &error as &dyn std::error::Error, "an answer under a key could not be kept");
        }
        Ok(Response::from_parts(parts, Body::from(bytes)))
    }
}

/// The work's answer. Where it failed after something was committed, the caller is told so: whoever believes that nothing happened does it twice.
async fn told(work: impl Future<Output = Answer>) -> Answer {
    match telling(work).await {
        // What is done may also have taken the caller's sight of it away; a refusal of a second step says itself what was refused.
        (Err(error), true) if error.status.is_server_error() || matches!(error.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN) => {
            let said = "It was done. What stands now could not be read back: read it again before you send anything else.";
            Err(WebError::new(StatusCode::SERVICE_UNAVAILABLE, "done-not-read", "Done, and not read back", said))
        }
        (answer, _) => answer,
    }
}

fn replayed(status: StatusCode, location: Option<String>, body: String) -> Response {
    let mut response = (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    if let Some(location) = location.and_then(|at| HeaderValue::from_str(&at).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The key of a write, described.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Key {
    /// Sent again within 24 hours with the same body, the write is not done again and the answer is the same. 1 to 200 visible ASCII characters.
    #[param(rename = "Idempotency-Key")]
    pub idempotency_key: Option<String>,
}
