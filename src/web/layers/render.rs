//! Gives errors their body: a page in the frame of whoever asked, a line for a fragment, RFC 9457 problem details for programs. Bodies that
//! axum itself made for what it refused come by here as well, so that nobody ever sees bare text.

use super::RequestId;
use crate::app::App;
use crate::web::{WebError, extract::Visitor, frame, html, page::Frame};
use askama::Template;
use axum::{
    Json,
    body::Body,
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// Words of axum's own are taken over up to this length.
const WORDS: usize = 600;

/// True where programs ask, who get problem details.
pub fn is_machine(uri: &Uri) -> bool {
    let under = |root: &str| uri.path().strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    under("/api") || under("/agent")
}

fn is_health(uri: &Uri) -> bool {
    matches!(uri.path(), "/healthz" | "/readyz")
}

/// What an error's body depends on.
#[derive(Debug, Clone)]
pub struct Asked {
    is_machine: bool,
    is_fragment: bool,
    is_press: bool,
    /// The page of the thing that was asked about; empty: none.
    back: String,
    id: Arc<str>,
}

impl Asked {
    /// Reads it from the head of a request.
    pub fn of(method: &Method, uri: &Uri, headers: &HeaderMap, id: Option<RequestId>) -> Self {
        Self {
            is_machine: is_machine(uri),
            is_fragment: headers.contains_key("hx-request"),
            is_press: method == Method::POST && matches!(uri.path(), "/holds" | "/stop-device/holds"),
            back: if method == Method::POST { page_of(uri.path()) } else { String::new() },
            id: id.map(|id| id.0).unwrap_or_default(),
        }
    }
}

/// The page of what a form was about: `/bots/ID` of `/bots/ID/stage`. Empty: it was about nothing that has a page of its own.
fn page_of(path: &str) -> String {
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(room @ ("bots" | "teams" | "alerts" | "holds" | "acts" | "agents")), Some(id), Some(_)) => format!("/{room}/{id}"),
        _ => String::new(),
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    error: &'a WebError,
    heading: String,
    is_press: bool,
    back: &'a str,
    id: &'a str,
}

/// Replaces the bodies of errors.
pub async fn bodies(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let asked = Asked::of(&parts.method, &parts.uri, &parts.headers, parts.extensions.get::<RequestId>().cloned());
    let response = next.run(Request::from_parts(parts.clone(), body)).await;
    // That the server is unwell is no error of the request: the answer stays as health made it.
    let is_unwell = response.status() == StatusCode::SERVICE_UNAVAILABLE && is_health(&parts.uri);
    if is_unwell || !(response.status().is_client_error() || response.status().is_server_error()) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let error = match head.extensions.remove::<WebError>() {
        Some(error) => error,
        None if is_bare(&head.headers) => refused(head.status, body).await,
        None => return Response::from_parts(head, body),
    };
    let frame = if asked.is_machine || asked.is_fragment {
        frame::bare(&app, error.title, "/")
    } else {
        let Ok(visitor) = Visitor::from_request_parts(&mut parts, &app).await;
        frame::of(&app, &visitor, error.title).await
    };
    let (mut answered, body) = answer(&error, &asked, frame).into_parts();
    // What the refusal said beside its body stays: Allow, Retry-After, cookies.
    for (name, value) in &head.headers {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
            answered.headers.append(name, value.clone());
        }
    }
    Response::from_parts(answered, body)
}

/// The body of an error, for whoever asked.
pub fn answer(error: &WebError, asked: &Asked, mut frame: Frame) -> Response {
    if asked.is_machine {
        return problem(error, &asked.id);
    }
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if asked.is_fragment {
        return (error.status, [kind], html::escape(&format!("{}: {}", error.title, error.reasons.join(" ")))).into_response();
    }
    frame.is_error = true;
    let heading = match error.kind {
        "partly" => format!("PARTLY PAUSED: {}", error.title),
        "not-killed" => format!("NOT KILLED: {}", error.title),
        _ if asked.is_press => format!("NOT PAUSED: {}", error.title),
        _ => error.title.to_owned(),
    };
    let page = ErrorPage { frame, error, heading, is_press: asked.is_press, back: &asked.back, id: &asked.id };
    match page.render() {
        Ok(page) => (error.status, [kind], page).into_response(),
        Err(fault) => {
            tracing::error!(error = &fault as &dyn std::error::Error, "an error page could not be drawn");
            (error.status, error.title).into_response()
        }
    }
}

fn problem(error: &WebError, id: &str) -> Response {
    #[derive(serde::Serialize)]
    struct Problem<'a> {
        r#type: String,
        title: &'a str,
        status: u16,
        detail: String,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        reasons: &'a [String],
        #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
        fields: serde_json::Map<String, serde_json::Value>,
        instance: &'a str,
    }
    let fields = error.fields.iter().map(|(field, said)| ((*field).to_owned(), said.as_str().into())).collect();
    let body = Problem {
        r#type: format!("/problems/{}", error.kind),
        title: error.title,
        status: error.status.as_u16(),
        detail: error.reasons.join(" "),
        reasons: if error.reasons.len() > 1 { &error.reasons } else { &[] },
        fields,
        instance: id,
    };
    let kind = HeaderValue::from_static("application/problem+json");
    let mut response = (error.status, [(header::CONTENT_TYPE, kind)], Json(body).into_response().into_body()).into_response();
    if error.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn is_bare(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

/// What axum refused, in the words of an error of ours.
async fn refused(status: StatusCode, body: Body) -> WebError {
    let words = axum::body::to_bytes(body, WORDS).await.ok().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).unwrap_or_default();
    let (kind, title, said) = match status {
        StatusCode::NOT_FOUND => return WebError::not_found(),
        StatusCode::PAYLOAD_TOO_LARGE => return WebError::too_large(),
        StatusCode::METHOD_NOT_ALLOWED => ("method", "Not done like this", "This address does not take that method."),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("media-type", "Not understood", "The body is not of a kind that is taken here."),
        StatusCode::UNPROCESSABLE_ENTITY => ("invalid", "Something needs a change", "The body does not have the fields that are needed."),
        status if status.is_server_error() => ("internal", "Something went wrong here", "This could not be done. Nothing was changed."),
        _ => ("bad-request", "Not understood", "The request could not be read."),
    };
    let mut error = WebError::new(status, kind, title, said);
    // An axum rejection names the field or the line; a 5xx says nothing about our inside.
    if !words.is_empty() && status.is_client_error() {
        error.reasons.push(words);
    }
    error
}
