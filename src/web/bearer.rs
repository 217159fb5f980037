//! Bearer tokens of programs. They come in the `Authorization` header and nowhere else: an address ends up in logs, histories and proxies.

use crate::domain::Secret;
use crate::web::WebError;
use axum::http::{StatusCode, header, request::Parts};
use url::form_urlencoded;

/// Query parameters that would carry a token.
const NAMES: &[&str] = &["token", "access_token", "auth", "authorization", "bearer", "api_key", "apikey", "key"];
/// How every token of ours begins.
const PREFIX: &str = "andon_";

/// The token that a request carries.
///
/// # Errors
/// 400 for a token in the address, for two of them, and for another scheme; 401 for none.
pub fn token(parts: &Parts) -> Result<Secret<String>, WebError> {
    refuse_in_address(parts.uri.query().unwrap_or_default())?;
    let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        return Err(unauthorized("Send the token as `Authorization: Bearer …`."));
    };
    if given.next().is_some() {
        return Err(WebError::bad_request("Two Authorization headers were sent; send one."));
    }
    let text = value.to_str().map_err(|_| WebError::bad_request("The Authorization header holds characters that no token has."))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(Secret::new(token.trim().to_owned()))
        }
        _ => Err(WebError::bad_request("The Authorization header must read `Bearer` and then the token.")),
    }
}

/// 401 with its sentence.
pub fn unauthorized(reason: &str) -> WebError {
    WebError::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not known", reason)
}

fn refuse_in_address(query: &str) -> Result<(), WebError> {
    let is_token = |name: &str, value: &str| NAMES.iter().any(|word| word.eq_ignore_ascii_case(name)) || value.starts_with(PREFIX);
    if form_urlencoded::parse(query.as_bytes()).any(|(name, value)| is_token(&name, &value)) {
        return Err(WebError::new(
            StatusCode::BAD_REQUEST,
            "token-in-address",
            "Not taken",
            "A token in an address is refused: it ends up in logs. Send it as `Authorization: Bearer …`, and make a new one.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn asked(address: &str, headers: &[&str]) -> Result<String, u16> {
        let mut request = Request::get(address);
        for value in headers {
            request = request.header("authorization", *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        token(&parts).map(|token| token.expose().clone()).map_err(|error| error.status.as_u16())
    }

    #[test]
    fn a_token_comes_in_one_header_and_nowhere_else() {
        assert_eq!(asked("/x", &["Bearer andon_stop_1"]), Ok("andon_stop_1".into()));
        assert_eq!(asked("/x?limit=3", &["bEaReR  t "]), Ok("t".into()));
        assert_eq!(asked("/x", &[]), Err(401));
        assert_eq!(asked("/x", &["Basic abc"]), Err(400));
        assert_eq!(asked("/x", &["Bearer"]), Err(400));
        assert_eq!(asked("/x", &["Bearer a", "Bearer b"]), Err(400));
        assert_eq!(asked("/x?token=1", &["Bearer a"]), Err(400));
        assert_eq!(asked("/x?Access_Token=1", &["Bearer a"]), Err(400));
        assert_eq!(asked("/x?q=andon%5Fagent_1", &["Bearer a"]), Err(400));
    }
}
