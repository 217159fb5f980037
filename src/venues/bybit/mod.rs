//! Bybit, v5. Orders lie in categories, each with a list and a way to cancel of its own. Its disconnect protection is for institutions and hangs
//! on a websocket of the bot: no lever for a server.

mod call;
mod cancel;
mod inspect;
mod lists;

#[cfg(test)]
pub(super) use inspect::{master_facts, own_facts};
#[cfg(test)]
pub(super) use lists::{balances, orders, positions};

use super::{
    AdminKey, Balance, CancelScope, Cancelled, Capability, Credential, Inspection, Kind, OpenOrder, OwnWords, Position, Right, Seen,
    SubKey, Venue, VenueError,
    http::{Call, Http},
};
use async_trait::async_trait;
use call::call;
use serde_json::json;

/// Bybit, live, test or demo.
#[derive(Debug)]
pub(super) struct Bybit {
    http: Http,
    admin: Http,
}

impl Bybit {
    /// Orders and own keys at `http`; the main account administers keys at `admin`.
    pub(super) fn new(http: Http, admin: Http) -> Self {
        Self { http, admin }
    }
}

#[async_trait]
impl Venue for Bybit {
    fn kind(&self) -> Kind {
        Kind::Bybit
    }
    fn capability(&self) -> Capability {
        Capability {
            measures_keys: true,
            has_measuring_test: true,
            inspects_by_master: true,
            shows_rights: Seen::ByKey,
            shows_ips: Seen::ByKey,
            shows_expiry: Seen::ByKey,
            shows_subaccount: Seen::ByKey,
            cannot_tell: &[Right::Borrow, Right::Deposit, Right::WithdrawAddresses, Right::Export],
            cannot_tell_by_master: &[],
            words: OwnWords { trade_refuses: &["Options:OptionsTrade", "BlockTrade:BlockTrade"], ..OwnWords::ANY },
            comes_with_trade: &[],
            tells_entries: true,
            cancels_all: true,
            cancels_conditional: true,
            arms: None,
            demotes: true,
            deletes: true,
            has_cancel_only_key: false,
            admin_needs: "a key of the main account with Account Transfer or Subaccount Transfer, one of them; it moves money between accounts",
            admin: Some(AdminKey {
                takes: &[Right::KeyAdmin],
                comes_with: &[Right::InternalTransfer, Right::SubaccountTransfer],
                one_of: &["Wallet:AccountTransfer", "Wallet:SubMemberTransfer"],
                refuses: &[],
                calls_by: "its UID",
            }),
            notes: &[
                "A key without addresses ends after 90 days, and 7 days after a change of the password.",
                "A subaccount's key that may transfer can change or delete itself, and so take away its own addresses.",
                "Spot orders do not tell whether they would add; only those of derivatives do.",
            ],
        }
    }
    async fn inspect_key(&self, with: &Credential) -> Result<Inspection, VenueError> {
        inspect::own(&self.http, with).await
    }
    async fn inspect_key_by_master(&self, master: &Credential, key: &SubKey) -> Result<Inspection, VenueError> {
        inspect::by_master(&self.admin, master, key).await
    }
    async fn sub_keys(&self, master: &Credential, subaccount: &str) -> Result<Vec<String>, VenueError> {
        inspect::listed(&self.admin, master, subaccount).await
    }
    async fn open_orders(&self, with: &Credential) -> Result<Vec<OpenOrder>, VenueError> {
        lists::read_orders(&self.http, with).await
    }
    async fn positions(&self, with: &Credential) -> Result<Vec<Position>, VenueError> {
        lists::read_positions(&self.http, with).await
    }
    async fn balances(&self, with: &Credential) -> Result<Vec<Balance>, VenueError> {
        lists::balances(&call(&self.http, with, Call::get("/v5/account/wallet-balance", &[("accountType", "UNIFIED")])).await?)
    }
    async fn cancel_all(&self, with: &Credential, scope: CancelScope) -> Result<Cancelled, VenueError> {
        match scope {
            CancelScope::All => cancel::all(&self.http, with).await,
            CancelScope::Entries => cancel::entries(&self.http, with).await,
        }
    }
    async fn demote_key(&self, admin: &Credential, key: &SubKey) -> Result<(), VenueError> {
        let body = json!({"apikey": key.key_id, "readOnly": 1});
        call(&self.admin, admin, Call::json("/v5/user/update-sub-api", &body)).await.map(drop)
    }
    async fn delete_key(&self, admin: &Credential, key: &SubKey) -> Result<(), VenueError> {
        call(&self.admin, admin, Call::json("/v5/user/delete-sub-api", &json!({"apikey": key.key_id}))).await.map(drop)
    }
}
