//! A signed call to OKX: over the time, the method, the path with its query, and the body.

use crate::venues::{
    credential::Credential,
    error::{Code, FindingKind, Means, VenueError, judge},
    http::{Call, Http, lost},
    sign,
};
use serde_json::Value;

/// Codes that say something. 50111 and 50119 ("the key does not exist") are also what a live key of another of OKX's hosts gets.
pub(super) const CODES: [Code; 17] = [
    ("50110", Means::Finding(FindingKind::IpRefused)),
    ("50111", Means::Finding(FindingKind::KeyRefused)),
    ("50119", Means::Finding(FindingKind::KeyRefused)),
    ("50105", Means::Finding(FindingKind::SignatureWrong)),
    ("50113", Means::Finding(FindingKind::SignatureWrong)),
    ("50120", Means::Finding(FindingKind::PermissionMissing)),
    ("50100", Means::Finding(FindingKind::Frozen)),
    ("50101", Means::Finding(FindingKind::EnvironmentMismatch)),
    ("50102", Means::Finding(FindingKind::ClockWrong)),
    ("50112", Means::Finding(FindingKind::ClockWrong)),
    ("50035", Means::Finding(FindingKind::NeedsIpBound)),
    ("50011", Means::Busy),
    ("50061", Means::Busy),
    ("50001", Means::Lost),
    ("50004", Means::Lost),
    ("50013", Means::Lost),
    ("50026", Means::Lost),
];

/// Some of a batch were refused: the parts say which.
const IN_PARTS: [&str; 2] = ["1", "2"];

/// One host, and whether it is asked as the demo.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) http: Http,
    pub(super) is_demo: bool,
}

fn signature(secret: &str, time: &str, call: &Call) -> Result<String, VenueError> {
    if sign::is_private_key(secret) {
        return Err(VenueError::Cannot("OKX signs with a secret, and this is a private key"));
    }
    sign::hmac_sha256_base64(secret, &format!("{time}{}{}{}", call.method, call.target(), call.body))
}

impl Line {
    /// Signs, sends, and reads `data`.
    ///
    /// # Errors
    /// As `VenueError` says; without anything of the credential.
    pub(super) async fn call(&self, with: &Credential, call: Call) -> Result<Value, VenueError> {
        self.signed(with, call, &[]).await.map_err(|error| error.scrubbed(with))
    }

    /// The same for a batch, whose parts may be refused each.
    pub(super) async fn batch(&self, with: &Credential, call: Call) -> Result<Value, VenueError> {
        self.signed(with, call, &IN_PARTS).await.map_err(|error| error.scrubbed(with))
    }

    async fn signed(&self, with: &Credential, mut call: Call, in_parts: &[&str]) -> Result<Value, VenueError> {
        let passphrase = with.passphrase().ok_or(VenueError::Cannot("a key of OKX has a passphrase, and none is given"))?;
        let time = self.http.now().rfc3339();
        let signature = signature(with.secret(), &time, &call)?;
        call.head("ok-access-key", &with.key_id)?;
        call.head("ok-access-passphrase", passphrase)?;
        call.head("ok-access-timestamp", &time)?;
        call.head("ok-access-sign", &signature)?;
        if self.is_demo {
            call.head("x-simulated-trading", "1")?;
        }
        let reply = self.http.send(call).await?;
        let mut answer = reply.value()?;
        let code = answer.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
        let said = answer.get("msg").and_then(Value::as_str).unwrap_or_default().to_owned();
        let data = answer.get_mut("data").map(Value::take).filter(Value::is_array);
        let has_parts = data.as_ref().and_then(Value::as_array).is_some_and(|parts| !parts.is_empty());
        // Good, and no word of what: a write may have been done.
        let data = data.ok_or_else(|| lost(reply.is_write, "an answer without data".to_owned()));
        match code.as_str() {
            "0" if reply.status.is_success() => data,
            code if in_parts.contains(&code) && has_parts => data,
            "" | "0" => Err(lost(reply.is_write, format!("HTTP {} without a code", reply.status.as_u16()))),
            code => Err(judge(&CODES, code, &said, reply.is_write, reply.wait)),
        }
    }
}

/// The one thing in `data`.
///
/// # Errors
/// `Unknown` when there is none.
pub(super) fn only(data: &Value) -> Result<&Value, VenueError> {
    data.as_array().and_then(|data| data.first()).filter(|one| one.is_object()).ok_or_else(|| VenueError::unreadable("data is empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_vectors() {
        // The venue's documents, as a test of a public library has them.
        let published = signature(
            "chNOOS4KvNXR_Xq4k4c9qsfoKWvnDecLATCRlcBwyKDYnWgO",
            "2020-12-08T09:08:57.715Z",
            &Call::get("/api/v5/account/balance", &[]),
        );
        assert_eq!(published.unwrap(), "PJ61e1nb2F2Qd7D8SPiaIcx2gjdELc+o0ygzre9z33k=");
        // Computed with OpenSSL.
        let time = crate::domain::Timestamp(1_700_000_000_000_000).rfc3339();
        let sign = |call: Call| signature("test-secret-0123456789", &time, &call).unwrap();
        assert_eq!(sign(Call::get("/api/v5/account/config", &[])), "cOJnIVA/X83TiHRgoXfT8YTvQ4ekPt8D7/R8K1iy1UQ=");
        let arm = Call::json("/api/v5/trade/cancel-all-after", &serde_json::json!({"timeOut": "10"}));
        assert_eq!(sign(arm), "sYsDUQm6O+pMuDg8xCXmUvw/eQ6cFnS9iK3T7oUChng=");
    }
}
