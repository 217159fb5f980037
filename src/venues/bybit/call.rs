//! A signed call to Bybit: over the time, the key, the window, and the query or the body exactly as they go out.

use crate::venues::{
    credential::Credential,
    error::{Code, FindingKind, Means, VenueError, judge},
    http::{Call, Http, lost},
    sign,
};
use serde_json::Value;

/// How old a call may be when it arrives, milliseconds.
const WINDOW_MS: &str = "5000";

/// Codes that say something. 10003 is also what a live key gets at another host ("key and domain do not match"): it proves no end.
const CODES: [Code; 13] = [
    ("10003", Means::Finding(FindingKind::KeyRefused)),
    ("10005", Means::Finding(FindingKind::PermissionMissing)),
    ("10007", Means::Finding(FindingKind::KeyRefused)),
    ("10010", Means::Finding(FindingKind::IpRefused)),
    ("33004", Means::Finding(FindingKind::Expired)),
    ("10004", Means::Finding(FindingKind::SignatureWrong)),
    ("10002", Means::Finding(FindingKind::ClockWrong)),
    ("10006", Means::Busy),
    ("10018", Means::Busy),
    ("10429", Means::Busy),
    ("10000", Means::Lost),
    ("10016", Means::Lost),
    ("10019", Means::Lost),
];

fn signature(secret: &str, time: &str, key: &str, payload: &str) -> Result<String, VenueError> {
    if sign::is_private_key(secret) {
        return Err(VenueError::Cannot("RSA keys of Bybit are not used; make one with a secret"));
    }
    sign::hmac_sha256_hex(secret, &format!("{time}{key}{WINDOW_MS}{payload}"))
}

/// Signs, sends, and reads `result`.
///
/// # Errors
/// As `VenueError` says; without anything of the credential.
pub(super) async fn call(http: &Http, with: &Credential, call: Call) -> Result<Value, VenueError> {
    whole(http, with, call).await.map_err(|error| error.scrubbed(with))
}

async fn whole(http: &Http, with: &Credential, mut call: Call) -> Result<Value, VenueError> {
    let time = (http.now().0 / 1_000).to_string();
    let payload = if call.body.is_empty() { &call.query } else { &call.body };
    let signature = signature(with.secret(), &time, &with.key_id, payload)?;
    call.head("x-bapi-api-key", &with.key_id)?;
    call.head("x-bapi-timestamp", &time)?;
    call.head("x-bapi-recv-window", WINDOW_MS)?;
    call.head("x-bapi-sign", &signature)?;
    let reply = http.send(call).await?;
    let mut answer = reply.value()?;
    match answer.get("retCode").and_then(Value::as_i64) {
        // Good, and no word of what: a write may have been done.
        Some(0) if reply.status.is_success() => {
            let result = answer.get_mut("result").map(Value::take).filter(|result| !result.is_null());
            result.ok_or_else(|| lost(reply.is_write, "an answer without a result".to_owned()))
        }
        Some(code) if code != 0 => {
            let said = answer.get("retMsg").and_then(Value::as_str).unwrap_or_default();
            Err(judge(&CODES, &code.to_string(), said, reply.is_write, reply.wait))
        }
        _ => Err(lost(reply.is_write, format!("HTTP {} without a code", reply.status.as_u16()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_vectors() {
        let sign = |payload| signature("test-secret-0123456789", "1700000000000", "test-key", payload).unwrap();
        assert_eq!(sign(""), "6c0ff9dc6dee90b337274c8e16b9d0be679f07418a6a81d05eb1cc344d757f1b");
        let body = r#"{"category":"linear","settleCoin":"USDT"}"#;
        assert_eq!(sign(body), "7e6c9c6d1399ef705a97629721159a2912baf3a27611f0f2908b9509cfa72ade");
        assert_eq!(Call::json("/", &serde_json::json!({"category": "linear", "settleCoin": "USDT"})).body, body);
    }
}
