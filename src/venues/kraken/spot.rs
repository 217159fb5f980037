//! Kraken spot. The one venue with a key that can cancel and do nothing else, and none through whose API a key can be changed.

use super::{
    nonce::{Nonces, next},
    spot_read,
};
use crate::venues::{
    ArmScope, Armed, Arming, Balance, CancelScope, Cancelled, Capability, Credential, Inspection, Kind, MeasuredBy, OpenOrder, OwnWords,
    Position, Right, Seen, Venue, VenueError,
    error::{Code, FindingKind, Means, judge},
    evidence,
    http::{Call, Http, encode, lost},
    read::{self, Listed},
    sign,
};
use async_trait::async_trait;
use http::Method;
use serde_json::Value;

/// The switch takes whole seconds; the calls beside it need some.
const WINDOW_MS: i64 = 5_000;

/// Errors that say something.
const CODES: [Code; 14] = [
    ("EAPI:Invalid key", Means::Finding(FindingKind::KeyDead)),
    ("EAPI:Invalid signature", Means::Finding(FindingKind::SignatureWrong)),
    ("EAPI:Invalid nonce", Means::Finding(FindingKind::NonceWrong)),
    ("EGeneral:Permission denied", Means::Finding(FindingKind::PermissionMissing)),
    ("EAPI:Feature disabled", Means::Finding(FindingKind::PermissionMissing)),
    ("EAPI:Rate limit exceeded", Means::Busy),
    ("EOrder:Rate limit exceeded", Means::Busy),
    ("EGeneral:Temporary lockout", Means::Busy),
    ("EGeneral:Too many requests", Means::Busy),
    ("EService:Unavailable", Means::Lost),
    ("EService:Busy", Means::Lost),
    ("EService:Timeout", Means::Lost),
    ("EService:Deadline elapsed", Means::Lost),
    ("EGeneral:Internal error", Means::Lost),
];

/// Kraken spot. There is no test environment.
#[derive(Debug)]
pub(in crate::venues) struct Spot {
    http: Http,
    nonces: Nonces,
}

fn signature(secret: &str, path: &str, nonce: u64, body: &str) -> Result<String, VenueError> {
    let digest = sign::sha256(&[nonce.to_string().as_bytes(), body.as_bytes()]);
    sign::hmac_sha512_base64(secret, &[path.as_bytes(), &digest])
}

impl Spot {
    /// At this host.
    pub(in crate::venues) fn new(http: Http) -> Self {
        Self { http, nonces: Nonces::default() }
    }

    /// Reads `result`.
    async fn read(&self, with: &Credential, name: &str) -> Result<Value, VenueError> {
        self.call(with, name, &[], false).await.map_err(|error| error.scrubbed(with))
    }

    async fn write(&self, with: &Credential, name: &str, pairs: &[(&str, &str)]) -> Result<Value, VenueError> {
        self.call(with, name, pairs, true).await.map_err(|error| error.scrubbed(with))
    }

    async fn call(&self, with: &Credential, name: &str, pairs: &[(&str, &str)], is_write: bool) -> Result<Value, VenueError> {
        let turn = self.nonces.of(&with.key_id);
        let mut last = turn.lock().await;
        let nonce = next(&mut last, self.http.now());
        let mut call = Call::new(Method::POST, &format!("/0/private/{name}"), &[]);
        if name == "OpenOrders" {
            call = call.long();
        }
        call.is_write = is_write;
        let number = nonce.to_string();
        call.body = encode(&[&[("nonce", number.as_str())][..], pairs].concat());
        call.head("api-key", &with.key_id)?;
        call.head("api-sign", &signature(with.secret(), &call.path, nonce, &call.body)?)?;
        let reply = self.http.send(call).await?;
        let mut answer = reply.value()?;
        let errors = read::texts(answer.get("error"))
            .ok_or_else(|| lost(is_write, format!("HTTP {} without its list of errors", reply.status.as_u16())))?;
        // Warnings begin with a W and come with a result.
        if let Some(error) = errors.iter().find(|error| !error.starts_with('W')) {
            return Err(judge(&CODES, error, "", is_write, reply.wait));
        }
        answer.get_mut("result").map(Value::take).ok_or_else(|| lost(is_write, "an answer without a result".to_owned()))
    }
}

#[async_trait]
impl Venue for Spot {
    fn kind(&self) -> Kind {
        Kind::KrakenSpot
    }
    fn capability(&self) -> Capability {
        Capability {
            measures_keys: true,
            has_measuring_test: false,
            inspects_by_master: false,
            shows_rights: Seen::ByKey,
            shows_ips: Seen::ByKey,
            shows_expiry: Seen::ByKey,
            shows_subaccount: Seen::Never,
            cannot_tell: &[
                Right::InternalTransfer,
                Right::SubaccountTransfer,
                Right::Borrow,
                Right::KeyAdmin,
                Right::P2p,
                Right::Pay,
                Right::Card,
                Right::Convert,
                Right::CopyTrade,
                Right::Social,
                Right::Affiliate,
                Right::Nft,
            ],
            cannot_tell_by_master: &[],
            comes_with_trade: &[],
            words: OwnWords { to_read: &[&["query-open-trades"], &["query-funds"]], ..OwnWords::ANY },
            tells_entries: false,
            cancels_all: true,
            cancels_conditional: true,
            arms: Some(Arming { window_ms: WINDOW_MS, scope: ArmScope::Account, covers_conditional: true }),
            demotes: false,
            deletes: false,
            has_cancel_only_key: true,
            admin_needs: "",
            admin: None,
            notes: &[
                "A key that two programs use breaks: nonces must rise for each key. Measure a bot's key by its agent, or give it a nonce window.",
                "A guard key needs to query funds and open orders and to cancel and close orders, and nothing else.",
                "No key can be changed through the API: revoking is a task for a person.",
            ],
        }
    }
    async fn inspect_key(&self, with: &Credential) -> Result<Inspection, VenueError> {
        let result = self.read(with, "GetApiKeyInfo").await?;
        Ok(evidence::inspection(spot_read::facts(&result)?, MeasuredBy::Own, self.http.now(), &result))
    }
    async fn open_orders(&self, with: &Credential) -> Result<Vec<OpenOrder>, VenueError> {
        Listed::of(self.read(with, "OpenOrders").await, spot_read::orders).whole()
    }
    async fn positions(&self, with: &Credential) -> Result<Vec<Position>, VenueError> {
        spot_read::positions(&self.read(with, "OpenPositions").await?)
    }
    async fn balances(&self, with: &Credential) -> Result<Vec<Balance>, VenueError> {
        spot_read::balances(&self.read(with, "BalanceEx").await?)
    }
    async fn cancel_all(&self, with: &Credential, scope: CancelScope) -> Result<Cancelled, VenueError> {
        if scope == CancelScope::Entries {
            return Err(VenueError::Cannot("orders of Kraken spot do not tell whether they would add"));
        }
        let result = self.write(with, "CancelAll", &[]).await?;
        let told = result.get("count").and_then(Value::as_u64);
        let told = told.ok_or_else(|| VenueError::ExecutionUnknown("an answer without the count of what it cancelled".to_owned()))?;
        Ok(Cancelled { told, left: 0 })
    }
    async fn arm_cancel(&self, with: &Credential) -> Result<Armed, VenueError> {
        let seconds = (WINDOW_MS / 1_000).to_string();
        let result = self.write(with, "CancelAllOrdersAfter", &[("timeout", &seconds)]).await?;
        super::armed(result.get("triggerTime"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_vectors() {
        // The guide to authentication of docs.kraken.com.
        let secret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==";
        let body = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25";
        let signed = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==";
        assert_eq!(signature(secret, "/0/private/AddOrder", 1_616_492_376_594, body).unwrap(), signed);
        // Computed with OpenSSL.
        let signed = "kEi9mDUJXN9rapJ8khMObtk/tD5nDcvakjVuwUOXwJJi17LSwYoCAtqd9TUvW5sRCjs5n+BC7WNgNwM+ozrvbw==";
        let ours = signature("dGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ==", "/0/private/GetApiKeyInfo", 1_700_000_000_000, "nonce=1700000000000");
        assert_eq!(ours.unwrap(), signed);
    }
}
