//! OKX, v5. No call cancels everything: orders are listed and cancelled in batches, conditional ones apart, and a switch covers the account. The
//! test environment is the same host with a header and keys of its own.

mod call;
mod cancel;
mod inspect;
mod lists;

#[cfg(test)]
pub(super) use inspect::{master_facts, own_facts};
#[cfg(test)]
pub(super) use lists::{algos, balances, funding, orders, positions};

use super::{
    AdminKey, ArmScope, Armed, Arming, Balance, CancelScope, Cancelled, Capability, Credential, Inspection, Kind, OpenOrder, OwnWords,
    Position, Right, Seen, SubKey, Venue, VenueError,
    http::{Call, Http},
    read,
};
use async_trait::async_trait;
use call::{Line, only};
use serde_json::json;

/// The smallest window that the switch takes.
const WINDOW_MS: i64 = 10_000;

/// OKX, live or demo.
#[derive(Debug)]
pub(super) struct Okx {
    line: Line,
}

impl Okx {
    /// At this host; `is_demo` adds the header.
    pub(super) fn new(http: Http, is_demo: bool) -> Self {
        Self { line: Line { http, is_demo } }
    }
    async fn change(&self, admin: &Credential, key: &SubKey, what: &str, perm: Option<&str>) -> Result<(), VenueError> {
        let mut body = json!({"subAcct": key.subaccount, "apiKey": key.key_id});
        if let (Some(fields), Some(perm)) = (body.as_object_mut(), perm) {
            fields.insert("perm".to_owned(), perm.into());
        }
        self.line.call(admin, Call::json(&format!("/api/v5/users/subaccount/{what}"), &body)).await.map(drop)
    }
}

#[async_trait]
impl Venue for Okx {
    fn kind(&self) -> Kind {
        Kind::Okx
    }
    fn capability(&self) -> Capability {
        Capability {
            measures_keys: true,
            has_measuring_test: true,
            inspects_by_master: true,
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
            arms: Some(Arming { window_ms: WINDOW_MS, scope: ArmScope::Account, covers_conditional: false }),
            demotes: true,
            deletes: true,
            has_cancel_only_key: false,
            admin_needs: "a key of the main account with Trade that is bound to addresses",
            admin: Some(AdminKey {
                takes: &[Right::Trade, Right::Cancel],
                comes_with: &[Right::InternalTransfer, Right::SubaccountTransfer, Right::KeyAdmin],
                one_of: &[],
                refuses: &[],
                calls_by: "its name",
            }),
            notes: &[
                "A key without addresses that may trade ends after 14 days in which nobody used it; measuring it is use.",
                "Orders of spot and options do not tell whether they would add; only those of margin, swaps and futures do.",
                "Spread orders and block trades are not covered.",
            ],
        }
    }
    async fn inspect_key(&self, with: &Credential) -> Result<Inspection, VenueError> {
        inspect::own(&self.line, with).await
    }
    async fn inspect_key_by_master(&self, master: &Credential, key: &SubKey) -> Result<Inspection, VenueError> {
        inspect::by_master(&self.line, master, key).await
    }
    async fn sub_keys(&self, master: &Credential, subaccount: &str) -> Result<Vec<String>, VenueError> {
        inspect::listed(&self.line, master, subaccount).await
    }
    async fn open_orders(&self, with: &Credential) -> Result<Vec<OpenOrder>, VenueError> {
        let mut found = lists::plain(&self.line, with).await.whole()?;
        found.extend(lists::every_algo(&self.line, with).await?);
        Ok(found)
    }
    async fn positions(&self, with: &Credential) -> Result<Vec<Position>, VenueError> {
        lists::positions(&self.line.call(with, Call::get("/api/v5/account/positions", &[])).await?)
    }
    async fn balances(&self, with: &Credential) -> Result<Vec<Balance>, VenueError> {
        let mut found = lists::balances(&self.line.call(with, Call::get("/api/v5/account/balance", &[])).await?)?;
        found.extend(lists::funding(&self.line.call(with, Call::get("/api/v5/asset/balances", &[])).await?)?);
        Ok(found)
    }
    async fn cancel_all(&self, with: &Credential, scope: CancelScope) -> Result<Cancelled, VenueError> {
        cancel::all(&self.line, with, scope).await
    }
    async fn arm_cancel(&self, with: &Credential) -> Result<Armed, VenueError> {
        let body = json!({"timeOut": (WINDOW_MS / 1_000).to_string()});
        let data = self.line.call(with, Call::json("/api/v5/trade/cancel-all-after", &body)).await?;
        // The documents show seconds, libraries milliseconds.
        Ok(Armed { fires_at: read::moment(only(&data)?.get("triggerTime")), symbols: Vec::new() })
    }
    async fn demote_key(&self, admin: &Credential, key: &SubKey) -> Result<(), VenueError> {
        self.change(admin, key, "modify-apikey", Some("read_only")).await
    }
    async fn delete_key(&self, admin: &Credential, key: &SubKey) -> Result<(), VenueError> {
        self.change(admin, key, "delete-apikey", None).await
    }
}
