//! Kraken futures. The signature leaves out the first part of the path, and the query counts as the body. The nonce may be left out and is: it is
//! counted for each key, and a bot's own key is not to be counted up by somebody who only asks what it is.

use super::futures_read;
use crate::venues::{
    ArmScope, Armed, Arming, Balance, CancelScope, Cancelled, Capability, Credential, Inspection, Kind, MeasuredBy, OpenOrder, OwnWords,
    Position, Right, Seen, Venue, VenueError,
    effort::Effort,
    error::{Code, FindingKind, Means, judge},
    evidence,
    http::{Call, Http, lost},
    read::{self, Listed},
    sign,
};
use async_trait::async_trait;
use http::StatusCode;
use serde_json::Value;

/// The switch takes whole seconds; the calls beside it need some.
const WINDOW_MS: i64 = 5_000;
/// Where keys are asked about.
const CHECK: &str = "/api/auth/v1/api-keys/v3/check";

/// Errors that say something. Of a 401 nobody says whether the key or the signature is meant.
const CODES: [Code; 9] = [
    ("HTTP 401", Means::Finding(FindingKind::KeyRefused)),
    ("authenticationError", Means::Finding(FindingKind::KeyRefused)),
    ("nonceBelowThreshold", Means::Finding(FindingKind::NonceWrong)),
    ("nonceDuplicate", Means::Finding(FindingKind::NonceWrong)),
    ("accountInactive", Means::Finding(FindingKind::Frozen)),
    ("HTTP 403", Means::Finding(FindingKind::PermissionMissing)),
    ("apiLimitExceeded", Means::Busy),
    ("Unavailable", Means::Lost),
    ("Server Error", Means::Lost),
];

/// Kraken futures, live or demo.
#[derive(Debug)]
pub(in crate::venues) struct Futures {
    http: Http,
}

/// The path as it is signed.
fn signed_path(path: &str) -> &str {
    path.strip_prefix("/derivatives").unwrap_or(path)
}

fn signature(secret: &str, path: &str, nonce: &str, data: &str) -> Result<String, VenueError> {
    let digest = sign::sha256(&[data.as_bytes(), nonce.as_bytes(), signed_path(path).as_bytes()]);
    sign::hmac_sha512_base64(secret, &[&digest])
}

impl Futures {
    /// At this host.
    pub(in crate::venues) fn new(http: Http) -> Self {
        Self { http }
    }

    async fn call(&self, with: &Credential, call: Call) -> Result<Value, VenueError> {
        self.signed(with, call).await.map_err(|error| error.scrubbed(with))
    }

    async fn signed(&self, with: &Credential, mut call: Call) -> Result<Value, VenueError> {
        let data = if call.body.is_empty() { &call.query } else { &call.body };
        let signature = signature(with.secret(), &call.path, "", data)?;
        call.head("apikey", &with.key_id)?;
        call.head("authent", &signature)?;
        let reply = self.http.send(call).await?;
        if reply.status == StatusCode::UNAUTHORIZED {
            return Err(judge(&CODES, "HTTP 401", "", reply.is_write, None));
        }
        let answer = reply.value()?;
        let is_error = answer.get("result").and_then(Value::as_str) == Some("error");
        // A gate before the venue says 403 as well, about whom it likes. Only the venue itself says why.
        if reply.status == StatusCode::FORBIDDEN {
            let is_said = is_error || ["error", "errors"].iter().any(|name| answer.get(*name).is_some_and(|said| !said.is_null()));
            return Err(if is_said {
                judge(&CODES, "HTTP 403", "", reply.is_write, None)
            } else {
                lost(reply.is_write, "HTTP 403 without a word of the venue".to_owned())
            });
        }
        if reply.status.is_success() && !is_error {
            return Ok(answer);
        }
        let code = read::text(answer.get("error")).unwrap_or_else(|| format!("HTTP {}", reply.status.as_u16()));
        Err(judge(&CODES, &code, "", reply.is_write, reply.wait))
    }

    async fn get(&self, with: &Credential, name: &str) -> Result<Value, VenueError> {
        self.call(with, Call::get(&format!("/derivatives/api/v3/{name}"), &[]).long()).await
    }

    async fn listed(&self, with: &Credential) -> Listed<OpenOrder> {
        Listed::of(self.get(with, "openorders").await, futures_read::orders)
    }

    async fn post(&self, with: &Credential, name: &str, pairs: &[(&str, &str)]) -> Result<Value, VenueError> {
        let answer = self.call(with, Call::form(&format!("/derivatives/api/v3/{name}"), pairs)).await?;
        match answer.get("result").and_then(Value::as_str) {
            Some("success") => Ok(answer),
            _ => Err(VenueError::ExecutionUnknown("an answer that confirms nothing".to_owned())),
        }
    }

    async fn cancel_one(&self, with: &Credential, order: &OpenOrder) -> Result<u64, VenueError> {
        let answer = self.post(with, "cancelorder", &[("order_id", &order.id)]).await?;
        match answer.get("cancelStatus").and_then(|status| status.get("status")).and_then(Value::as_str) {
            Some("cancelled") => Ok(1),
            Some("notFound" | "filled") => Ok(0),
            _ => Err(VenueError::ExecutionUnknown("an order without its status".to_owned())),
        }
    }
}

#[async_trait]
impl Venue for Futures {
    fn kind(&self) -> Kind {
        Kind::KrakenFutures
    }
    fn capability(&self) -> Capability {
        Capability {
            measures_keys: true,
            has_measuring_test: true,
            inspects_by_master: false,
            shows_rights: Seen::ByKey,
            shows_ips: Seen::ByKey,
            shows_expiry: Seen::Never,
            shows_subaccount: Seen::ByKey,
            cannot_tell: crate::venues::capability::SELDOM_SAID,
            cannot_tell_by_master: &[],
            words: OwnWords::ANY,
            comes_with_trade: &[Right::InternalTransfer, Right::SubaccountTransfer],
            tells_entries: true,
            cancels_all: true,
            cancels_conditional: true,
            arms: Some(Arming { window_ms: WINDOW_MS, scope: ArmScope::Account, covers_conditional: true }),
            demotes: false,
            deletes: false,
            has_cancel_only_key: false,
            admin_needs: "",
            admin: None,
            notes: &[
                "Full access is everything but withdrawals.",
                "No key can be changed through the API: revoking is a task for a person.",
                "The demo was reported closed on 2026-07-14.",
            ],
        }
    }
    async fn inspect_key(&self, with: &Credential) -> Result<Inspection, VenueError> {
        let answer = self.call(with, Call::get(CHECK, &[])).await?;
        Ok(evidence::inspection(futures_read::facts(&answer)?, MeasuredBy::Own, self.http.now(), &answer))
    }
    async fn open_orders(&self, with: &Credential) -> Result<Vec<OpenOrder>, VenueError> {
        self.listed(with).await.whole()
    }
    async fn positions(&self, with: &Credential) -> Result<Vec<Position>, VenueError> {
        futures_read::positions(&self.get(with, "openpositions").await?)
    }
    async fn balances(&self, with: &Credential) -> Result<Vec<Balance>, VenueError> {
        futures_read::balances(&self.get(with, "accounts").await?)
    }
    async fn cancel_all(&self, with: &Credential, scope: CancelScope) -> Result<Cancelled, VenueError> {
        if scope == CancelScope::All {
            let answer = self.post(with, "cancelallorders", &[]).await?;
            let status = answer.get("cancelStatus");
            let word = status.and_then(|status| status.get("status")).and_then(Value::as_str);
            if !matches!(word, Some("cancelled" | "noOrdersToCancel")) {
                return Err(VenueError::ExecutionUnknown("an answer without what became of the orders".to_owned()));
            }
            let gone = status.and_then(|status| status.get("cancelledOrders")).and_then(Value::as_array);
            return Ok(Cancelled { told: gone.map_or(0, Vec::len) as u64, left: 0 });
        }
        let mut effort = Effort::default();
        let mut orders = effort.read(self.listed(with).await);
        let all = orders.len();
        orders.retain(|order| order.is_entry == Some(true));
        effort.done.left = (all - orders.len()) as u64;
        effort.each(orders, |order| async move { self.cancel_one(with, &order).await }).await;
        effort.end()
    }
    async fn arm_cancel(&self, with: &Credential) -> Result<Armed, VenueError> {
        let answer = self.post(with, "cancelallordersafter", &[("timeout", &(WINDOW_MS / 1_000).to_string())]).await?;
        super::armed(answer.get("status").and_then(|status| status.get("triggerTime")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_vectors() {
        let sign = |path, data| signature("dGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ==", path, "1700000000000", data).unwrap();
        let check = "TjIuCpsl4drlpZxGWeNlrx9CzsSRxW/x6G0ZDkA7i+cIOJi0xxA6tDxeNS51QPR8m7T/V4qQ0TsRZPQ2YrM6zw==";
        assert_eq!(sign(CHECK, ""), check);
        let arm = "nFce8xGMpRgIjPGDvomRqxUA2ZZo6qo2ZlA6d/Be/eLR6br7QncxUKOlyRNVAPfDhl5zSjD+SvM72IqLDcJg7g==";
        assert_eq!(sign("/derivatives/api/v3/cancelallordersafter", "timeout=60"), arm);
    }
}
