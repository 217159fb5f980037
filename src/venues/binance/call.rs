//! A signed call to Binance. The payload is the query, percent-encoded before it is signed; the signature follows it. Parameters of writes go
//! into the query too, so that there is one payload.

use crate::venues::{
    credential::Credential,
    error::{Code, FindingKind, Means, VenueError, judge},
    http::{Call, Http, encode},
    sign,
};
use http::Method;
use serde_json::Value;

/// How old a call may be when it arrives, milliseconds.
const WINDOW_MS: &str = "5000";

/// Codes that say something. -2015 is "invalid key, IP, or permissions", and nobody says which; -2014 is about how a key is written.
const CODES: [Code; 11] = [
    ("-2015", Means::Finding(FindingKind::KeyRefused)),
    ("-2014", Means::Finding(FindingKind::KeyRefused)),
    ("-2008", Means::Finding(FindingKind::KeyRefused)),
    ("-1022", Means::Finding(FindingKind::SignatureWrong)),
    ("-1021", Means::Finding(FindingKind::ClockWrong)),
    ("-1002", Means::Finding(FindingKind::PermissionMissing)),
    ("-1003", Means::Busy),
    ("-1015", Means::Busy),
    ("-1007", Means::Lost),
    ("-1006", Means::Lost),
    ("-1001", Means::Lost),
];

/// Cancelling is refused. Only with these words it is because the order, or every order of the symbol, is gone already.
const REFUSED: &str = "-2011";
const GONE: &str = "Unknown order sent.";
/// Lists of orders, which may be long.
const LONG: [&str; 3] = ["/api/v3/openOrders", "/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"];

/// A cancel that found nothing is done.
pub(super) fn gone(brought: Result<u64, VenueError>) -> Result<u64, VenueError> {
    match brought {
        Err(VenueError::Unknown { why, code: Some(code), .. }) if code == REFUSED && why.ends_with(GONE) => Ok(0),
        other => other,
    }
}

/// The signature of a payload: Ed25519 where the secret is such a key, else HMAC.
fn signature(secret: &str, payload: &str) -> Result<String, VenueError> {
    if sign::is_private_key(secret) { sign::ed25519_base64(secret, payload) } else { sign::hmac_sha256_hex(secret, payload) }
}

/// Signs, sends, and reads.
///
/// # Errors
/// As `VenueError` says; without anything of the credential.
pub(super) async fn call(http: &Http, with: &Credential, method: Method, path: &str, pairs: &[(&str, &str)]) -> Result<Value, VenueError> {
    let brought = signed(http, with, method, path, pairs).await;
    brought.map_err(|error| error.scrubbed(with))
}

async fn signed(http: &Http, with: &Credential, method: Method, path: &str, pairs: &[(&str, &str)]) -> Result<Value, VenueError> {
    let is_list = method == Method::GET && LONG.contains(&path);
    let mut call = Call::new(method, path, pairs);
    if is_list {
        call = call.long();
    }
    let stamp = encode(&[("recvWindow", WINDOW_MS), ("timestamp", &(http.now().0 / 1_000).to_string())]);
    let payload = if call.query.is_empty() { stamp } else { format!("{}&{stamp}", call.query) };
    let signature = encode(&[("signature", &signature(with.secret(), &payload)?)]);
    call.query = format!("{payload}&{signature}");
    call.head("x-mbx-apikey", &with.key_id)?;
    let reply = http.send(call).await?;
    let value = reply.value()?;
    let code = value.get("code").and_then(Value::as_i64).filter(|code| *code < 0);
    if reply.status.is_success() && code.is_none() {
        return Ok(value);
    }
    let said = value.get("msg").and_then(Value::as_str).unwrap_or_default();
    let code = code.map_or_else(|| format!("HTTP {}", reply.status.as_u16()), |code| code.to_string());
    Err(judge(&CODES, &code, said, reply.is_write, reply.wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_vectors() {
        // rest-api.md of binance-spot-api-docs.
        let payload = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";
        let secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
        let signed = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
        assert_eq!(signature(secret, payload).unwrap(), signed);
        // Computed with OpenSSL.
        let payload = "timestamp=1700000000000&recvWindow=5000";
        let signed = "073585b479366bae4ef912e42aa06e2b5a713b23318e7486b6f1ed8cfa420241";
        assert_eq!(signature("test-secret-0123456789", payload).unwrap(), signed);
        let key = "MC4CAQAwBQYDK2VwBCIEIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";
        let signed = "uHa34emixxN4MSKAZrm/RX2l29fz/uQS0yl/VYoakIi5RfMwpfTBKCfNHUgJ/XQumwI2t4lvM30QCn/Gll9IAQ==";
        assert_eq!(signature(key, payload).unwrap(), signed);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n");
        assert_eq!(signature(&pem, payload).unwrap(), signed);
    }
}
