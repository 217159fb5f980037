//! Where somebody who signs in comes from: address, browser and system in words, and the long-lived cookie by which a browser is known again.
//! The cookie opens nothing: it only keeps its person from being told of a new browser, and from waiting for somebody else's guesses.

use super::Caller;
use crate::app::{App, AppError, sign_in::Whence};
use crate::crypto::token::{self, TokenDigest};
use crate::web::{WebError, cookie};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
    response::Response,
};
use std::{convert::Infallible, sync::Arc};

/// How long a browser is known, seconds: as long as browsers keep a cookie at most.
const KNOWN_S: i64 = 400 * 24 * 60 * 60;
/// Letters of the cookie's value: 256 bits.
const LEN: usize = 43;

/// The name of a browser's long-lived cookie.
pub fn browser_cookie(is_secure: bool) -> &'static str {
    if is_secure { "__Host-andon-browser" } else { "andon-browser-local" }
}

/// Where a request comes from, for a sign-in.
#[derive(Debug, Clone)]
pub struct CameFrom {
    /// As `app` takes it.
    pub whence: Whence,
    // The cookie's value.
    token: Option<String>,
    is_secure: bool,
}

impl FromRequestParts<Arc<App>> for CameFrom {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let Ok(Caller(place)) = Caller::from_request_parts(parts, app).await;
        let is_secure = app.is_https();
        let token = cookie::sent(&parts.headers, browser_cookie(is_secure)).filter(|text| is_token(text));
        let browser = token.as_deref().map(|token| TokenDigest::of(token).hex());
        Ok(Self { whence: Whence { place, device: device(&parts.headers), browser }, token, is_secure })
    }
}

impl CameFrom {
    /// Gives a browser that has none its cookie.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn known_from_now_on(&mut self) -> Result<(), WebError> {
        if self.token.is_none() {
            let token = token::random::<32>().map_err(AppError::from)?;
            self.whence.browser = Some(TokenDigest::of(&token).hex());
            self.token = Some(token);
        }
        Ok(())
    }

    /// Sets the cookie with an answer, for another 400 days.
    pub fn remember(&self, response: &mut Response) {
        let Some(token) = &self.token else { return };
        if let Ok(set) = cookie::set(browser_cookie(self.is_secure), token, Some(KNOWN_S), self.is_secure) {
            response.headers_mut().append(header::SET_COOKIE, set);
        }
    }
}

fn is_token(text: &str) -> bool {
    text.len() == LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn device(headers: &HeaderMap) -> String {
    device_words(headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default())
}

/// Browser and system of a `User-Agent`, in words of ours: nothing of what was sent is repeated.
pub fn device_words(agent: &str) -> String {
    // The first that fits: browsers name those they descend from as well.
    let browsers = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("HeadlessChrome/", "Chrome without a screen"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    let systems = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Macintosh", "macOS"),
        ("Linux", "Linux"),
    ];
    let of = |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, word)| *word);
    match (of(&browsers), of(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("an unknown browser on {system}"),
        (None, None) => "an unknown browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_browsers_are_told_apart_and_nothing_else_is_repeated() {
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
        let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        for (agent, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(), "Firefox on Linux"),
            (format!("{windows} {chrome}"), "Chrome on Windows"),
            (format!("{windows} {chrome} Edg/140.0.0.0"), "Edge on Windows"),
            (format!("Mozilla/5.0 (Linux; Android 15; Pixel 9) {chrome}"), "Chrome on Android"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15".to_owned(),
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1"
                    .to_owned(),
                "Chrome on iPhone",
            ),
            ("curl/8.9.1".to_owned(), "curl"),
            ("<script>alert(1)</script> Linux".to_owned(), "an unknown browser on Linux"),
            (String::new(), "an unknown browser"),
        ] {
            assert_eq!(device_words(&agent), words, "{agent}");
        }
    }

    #[test]
    fn only_what_we_gave_out_is_a_browser_s_token() {
        assert!(is_token(&token::random::<32>().unwrap()));
        for wrong in ["", "x", &"x".repeat(44), &format!("{};", "x".repeat(42))] {
            assert!(!is_token(wrong), "{wrong}");
        }
    }
}
