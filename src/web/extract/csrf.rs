//! The token that every writing form carries, and the check that a request comes from a page of ours. Each page gets the token under a mask
//! of its own, so that a compressed page gives nothing away about it.

use crate::crypto::token;
use axum::http::{HeaderMap, header};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Bytes of a token.
const LEN: usize = 16;

/// A token under a fresh mask, as a form carries it. Empty when the operating system gives no random bytes: the form then does not work.
pub fn masked(token: &str) -> String {
    let (Some(token), Ok(mask)) = (bytes::<LEN>(token), token::random::<LEN>()) else { return String::new() };
    let Some(mask) = bytes::<LEN>(&mask) else { return String::new() };
    let hidden = token.iter().zip(mask).map(|(a, b)| a ^ b);
    BASE64URL_NOPAD.encode(&mask.into_iter().chain(hidden).collect::<Vec<u8>>())
}

/// The token of forms of a browser that has no session but a secret of its own: nothing but that secret makes it, and it does not tell it.
pub fn of_secret(secret: &str) -> String {
    let hash = Sha256::new().chain_update(b"andon form token 1\n").chain_update(secret.as_bytes()).finalize();
    BASE64URL_NOPAD.encode(hash.get(..LEN).unwrap_or_default())
}

/// Compares what a form carried with the session's token, in constant time.
pub fn is_right(carried: &str, token: &str) -> bool {
    let (Some(carried), Some(token)) = (bytes::<{ 2 * LEN }>(carried), bytes::<LEN>(token)) else { return false };
    let (mask, hidden) = carried.split_at(LEN);
    let shown: Vec<u8> = mask.iter().zip(hidden).map(|(a, b)| a ^ b).collect();
    shown.ct_eq(&token).into()
}

/// True for a text that has the form of a token.
pub fn is_token(text: &str) -> bool {
    bytes::<LEN>(text).is_some()
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// True when a browser says that the request was made by a page of this origin. Without `Origin`, or where something made it `null` on
/// the way, `Sec-Fetch-Site` decides, which no script can set; without both the answer is no.
pub fn is_same_origin(headers: &HeaderMap, origin: &url::Url) -> bool {
    match headers.get(header::ORIGIN).filter(|said| said.as_bytes() != b"null") {
        Some(said) => said.as_bytes() == origin.origin().ascii_serialization().as_bytes(),
        None => headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() == b"same-origin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_origin_is_never_ours_and_an_unknown_one_only_when_the_browser_vouches() {
        let ours = url::Url::parse("https://andon.example/").unwrap();
        let said = |origin: Option<&str>, site: Option<&str>| {
            let mut headers = HeaderMap::new();
            origin.map(|origin| headers.insert(header::ORIGIN, origin.parse().unwrap()));
            site.map(|site| headers.insert("sec-fetch-site", site.parse().unwrap()));
            is_same_origin(&headers, &ours)
        };
        assert!(said(Some("https://andon.example"), None));
        assert!(said(None, Some("same-origin")) && said(Some("null"), Some("same-origin")));
        assert!(!said(Some("https://evil.example"), Some("same-origin")));
        assert!(!said(Some("http://andon.example"), None));
        assert!(!said(Some("null"), None) && !said(None, Some("same-site")) && !said(None, None));
    }

    #[test]
    fn a_token_is_known_under_every_mask_and_another_is_not() {
        let (token, other) = (token::random::<LEN>().unwrap(), token::random::<LEN>().unwrap());
        let (first, second) = (masked(&token), masked(&token));
        assert_ne!(first, second);
        assert!(is_right(&first, &token) && is_right(&second, &token));
        assert!(!is_right(&first, &other));
        assert!(!is_right(&token, &token), "the token itself, without a mask, is not what forms carry");
        assert!(!is_right("", &token) && !is_right("%%", &token));
    }
}
