//! Cookies beside the session's own: the early form token, the browser's and the stop device's. All are for the server alone and for this very
//! host; over TLS the prefix `__Host-` holds browsers to that.

use axum::http::{HeaderMap, HeaderValue, header, header::InvalidHeaderValue};
use tower_sessions::cookie::{Cookie, SameSite};

/// The value of a cookie as it was sent.
pub fn sent(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut named = lines.flat_map(Cookie::split_parse).filter_map(Result::ok).filter(|cookie| cookie.name() == name);
    named.next().map(|cookie| cookie.value().to_owned())
}

/// What sets a cookie. `max_age_s`: how long it lives, seconds; none: as long as the browser runs.
///
/// # Errors
/// For a value that fits no header.
pub fn set(name: &'static str, value: &str, max_age_s: Option<i64>, is_secure: bool) -> Result<HeaderValue, InvalidHeaderValue> {
    let made = Cookie::build((name, value)).path("/").http_only(true).same_site(SameSite::Lax).secure(is_secure);
    let made = match max_age_s {
        Some(seconds) => made.max_age(time::Duration::seconds(seconds)),
        None => made,
    };
    let mut header = HeaderValue::try_from(made.build().to_string())?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_the_server_alone_and_for_this_host() {
        let set = set("__Host-andon-form", "abc", Some(60), true).unwrap();
        assert!(set.is_sensitive());
        let parts: Vec<_> = set.to_str().unwrap().split("; ").collect();
        assert_eq!(parts[0], "__Host-andon-form=abc");
        for part in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=60"] {
            assert!(parts.contains(&part), "{parts:?}");
        }
        assert!(!parts.iter().any(|part| part.starts_with("Domain")));
    }

    #[test]
    fn it_is_found_among_others_and_on_any_line() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; andon-form-local=first"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=2"));
        assert_eq!(sent(&headers, "andon-form-local").as_deref(), Some("first"));
        assert_eq!(sent(&headers, "b").as_deref(), Some("2"));
        assert_eq!(sent(&headers, "andon-form"), None);
    }
}
