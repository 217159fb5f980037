//! The session cookie. `__Host-` ties it to this very host over TLS; on `http://localhost`, where browsers refuse that, it has another name.

use crate::app::App;
use crate::authn::SessionStore;
use crate::web::session::LIVES_MS;
use tower_sessions::{Expiry, SessionManagerLayer, cookie::SameSite};

/// The cookie's name.
pub fn cookie_name(origin: &url::Url) -> &'static str {
    if origin.scheme() == "https" { "__Host-andon" } else { "andon-local" }
}

/// Sessions over the store that both databases and memory keep. When a session ends is written in it; the cookie only must not outlive it.
pub fn layer(app: &App) -> SessionManagerLayer<SessionStore> {
    SessionManagerLayer::new(app.sessions.clone())
        .with_name(cookie_name(&app.origin))
        .with_secure(app.origin.scheme() == "https")
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(time::Duration::milliseconds(LIVES_MS)))
}
