//! The session cookie. `__Host-` ties it to this very host over TLS; on `http://localhost`, where browsers refuse that, it has another name.
//! What happens to a session beside a request: nothing with a press, another id after a form that changed what its person may do.

use super::render;
use crate::app::App;
use crate::authn::SessionStore;
use crate::web::session::{self, LIVES_MS};
use axum::{
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use std::sync::Arc;
use tower_sessions::{Expiry, Session, SessionManagerLayer, cookie::SameSite};

/// The cookie's name.
pub fn cookie_name(origin: &url::Url) -> &'static str {
    if origin.scheme() == "https" { "__Host-andon" } else { "andon-local" }
}

/// Sessions over the store that both databases and memory keep. When a session ends is written in it; the cookie only must not outlive it.
pub fn layer(app: &App) -> SessionManagerLayer<SessionStore> {
    SessionManagerLayer::new(app.sessions.clone())
        .with_name(cookie_name(&app.origin))
        .with_secure(app.is_https())
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(time::Duration::milliseconds(LIVES_MS)))
}

/// A press sees whoever is remembered without waiting for the database, and writes nothing of their session. After any other form the session
/// gets another id when its person may do something else now.
pub async fn beside(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let is_form = request.method() == Method::POST && !render::is_machine(request.uri());
    let Some(session) = request.extensions().get::<Session>().cloned().filter(|_| is_form) else { return next.run(request).await };
    if request.uri().path() == "/holds" {
        request.extensions_mut().insert(Session::new(session.id(), Arc::new(app.sessions.for_press()), None));
        return next.run(request).await;
    }
    let response = next.run(request).await;
    // With an error of ours the cookie is not set.
    if !response.status().is_server_error() {
        session::keep_to_rights(&app, &session).await;
    }
    response
}
