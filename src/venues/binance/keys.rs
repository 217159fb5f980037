//! What a main account may do to a subaccount's key at Binance. These calls are of 2026-07-14 and listed for VIP and institutional customers.

use crate::venues::{
    credential::{Credential, SubKey},
    error::{Finding, FindingKind, VenueError},
    http::Http,
};
use http::Method;

const AT: &str = "/sapi/v1/sub-account/subAccountApi";
/// Everything that can be taken away.
const ALL_OFF: [(&str, &str); 5] = [
    ("canTrade", "false"),
    ("canMarginLoanRepay", "false"),
    ("canFuturesTrade", "false"),
    ("canUniversalTransfer", "false"),
    ("canVanillaOptions", "false"),
];

/// No test environment has `/sapi`.
pub(super) const NO_SAPI: VenueError =
    VenueError::Cannot("Binance's test environments have no /sapi: no key can be measured or changed there");

/// The main account lists its keys, and this is none of them.
pub(super) fn not_listed() -> VenueError {
    let said = "the main account does not list this key".to_owned();
    VenueError::Finding(Finding { kind: FindingKind::NotListed, code: "not listed".to_owned(), said })
}

fn named(key: &SubKey) -> Vec<(&str, &str)> {
    vec![("email", key.subaccount.as_str()), ("subAccountApiKey", key.key_id.as_str())]
}

/// Takes everything but reading.
pub(super) async fn demote(http: &Http, admin: &Credential, key: &SubKey) -> Result<(), VenueError> {
    let mut pairs = named(key);
    pairs.extend(ALL_OFF);
    super::call::call(http, admin, Method::POST, "/sapi/v1/sub-account/subAccountApiPermission", &pairs).await.map(drop)
}

/// Deletes it.
pub(super) async fn delete(http: &Http, admin: &Credential, key: &SubKey) -> Result<(), VenueError> {
    super::call::call(http, admin, Method::DELETE, AT, &named(key)).await.map(drop)
}
