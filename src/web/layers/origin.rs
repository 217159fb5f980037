//! One installation, one address. Cookies and security keys belong to it, so a page under any other name would only fail later and worse.
//! Programs have neither, and a stop is not refused for the name by which its server was reached.

use super::{RequestId, render};
use crate::app::App;
use crate::web::{WebError, frame, front::Arrival};
use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::Arc;
use url::{Host, Url};

/// Asked by load balancers and containers, by whatever name.
fn is_health(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// Lets through programs and what asks for our own address; sends `127.0.0.1` on to `localhost` when that is it; explains the rest.
pub async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<Authority>().ok());
    let asked = request.uri().authority().cloned().or(asked);
    if is_health(request.uri().path())
        || render::is_machine(request.uri())
        || asked.as_ref().is_some_and(|asked| is_ours(asked, &app.origin))
    {
        return match lost_its_tls(&request, &app.origin).then(|| sent_on(&request, &app.origin)).flatten() {
            Some(answer) => answer,
            None => next.run(request).await,
        };
    }
    if asked.is_some_and(|asked| is_loopback_of(&asked, &app.origin))
        && let Some(answer) = sent_on(&request, &app.origin)
    {
        return answer;
    }
    let ours = app.origin.origin().ascii_serialization();
    let said = format!("This server answers at {ours} only, since sign-ins and security keys belong to that address. Open {ours} instead.");
    let error = WebError::new(StatusCode::MISDIRECTED_REQUEST, "wrong-address", "Wrong address", said);
    let id = request.extensions().get::<RequestId>().cloned();
    let asked = render::Asked::of(request.method(), request.uri(), request.headers(), id);
    render::answer(&error, &asked, frame::bare(&app, error.title, "/"))
}

/// True for a page that somebody reads over plain HTTP, by the word of a named proxy: on the way to it, the cookie would be seen.
fn lost_its_tls(request: &Request, origin: &Url) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_page = is_read && !is_health(request.uri().path()) && !render::is_machine(request.uri());
    let arrival = request.extensions().get::<Arrival>();
    origin.scheme() == "https"
        && is_page
        && arrival.is_some_and(|arrival| arrival.front.proxies.says_plain(arrival.peer.ip(), request.headers()))
}

/// The same page at our own address. For now: what a browser kept for ever, nobody could take back by mending a proxy.
fn sent_on(request: &Request, origin: &Url) -> Option<Response> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let to = HeaderValue::from_str(&format!("{}{path}", origin.origin().ascii_serialization())).ok()?;
    Some((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response())
}

fn is_ours(asked: &Authority, origin: &Url) -> bool {
    let port = asked.port_u16().or_else(|| standard_port(origin));
    origin.host_str().is_some_and(|host| asked.host().eq_ignore_ascii_case(host)) && port == origin.port_or_known_default()
}

fn is_loopback_of(asked: &Authority, origin: &Url) -> bool {
    let is_local = matches!(origin.host(), Some(Host::Domain("localhost")));
    is_local
        && matches!(asked.host(), "127.0.0.1" | "[::1]")
        && asked.port_u16().or_else(|| standard_port(origin)) == origin.port_or_known_default()
}

fn standard_port(origin: &Url) -> Option<u16> {
    Some(if origin.scheme() == "https" { 443 } else { 80 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_name_and_port_is_ours() {
        let ours = |asked: &str, origin: &str| is_ours(&asked.parse().unwrap(), &origin.parse().unwrap());
        assert!(ours("andon.example", "https://andon.example"));
        assert!(ours("ANDON.example:443", "https://andon.example"));
        assert!(ours("localhost:8700", "http://localhost:8700"));
        assert!(!ours("localhost", "http://localhost:8700"));
        assert!(!ours("andon.example:8700", "https://andon.example"));
        assert!(!ours("evil.example", "https://andon.example"));
        assert!(is_loopback_of(&"127.0.0.1:8700".parse().unwrap(), &"http://localhost:8700".parse().unwrap()));
        assert!(!is_loopback_of(&"127.0.0.1:8700".parse().unwrap(), &"https://andon.example".parse().unwrap()));
    }
}
