//! Binance spot. Cancelling goes by symbol; order lists and stops are ordinary orders there and go with it.

use super::{
    call::{call, gone},
    inspect, keys, orders,
};
use crate::domain::Decimal;
use crate::venues::{
    AdminKey, Armed, Balance, CancelScope, Cancelled, Capability, Credential, Inspection, Kind, OpenOrder, OwnWords, Position, Right, Seen,
    SubKey, Venue, VenueError,
    effort::Effort,
    http::Http,
    read::{self, Listed},
};
use async_trait::async_trait;
use http::Method;
use serde_json::Value;

/// Binance spot, live or test.
#[derive(Debug)]
pub(in crate::venues) struct Spot {
    http: Http,
    sapi: Option<Http>,
}

impl Spot {
    /// Orders at `http`, keys at `sapi` where there is one.
    pub(in crate::venues) fn new(http: Http, sapi: Option<Http>) -> Self {
        Self { http, sapi }
    }
    fn sapi(&self) -> Result<&Http, VenueError> {
        self.sapi.as_ref().ok_or(keys::NO_SAPI)
    }
    async fn listed(&self, with: &Credential) -> Listed<OpenOrder> {
        Listed::of(call(&self.http, with, Method::GET, "/api/v3/openOrders", &[]).await, orders::spot)
    }
}

/// A key itself and the main account are told in different words. Trading in any other market is none of a spot bot's business.
const WORDS: OwnWords = OwnWords {
    to_trade: &[&["enableSpotAndMarginTrading", "canTrade"]],
    trade_refuses: &[
        "enableFutures",
        "canFuturesTrade",
        "enableVanillaOptions",
        "canVanillaOptions",
        "enablePortfolioMarginTrading",
        "enableFixApiTrade",
    ],
    ..OwnWords::ANY
};

/// The documents name the right for the calls about addresses; for the others they name none, and whoever hands a key in sees whether it lists.
const ADMIN: AdminKey = AdminKey {
    takes: &[Right::Trade, Right::Cancel],
    comes_with: &[Right::KeyAdmin],
    one_of: &["enableSpotAndMarginTrading"],
    refuses: &["enableFutures", "enableVanillaOptions", "enablePortfolioMarginTrading", "enableFixApiTrade"],
    calls_by: "its e-mail address",
};

/// What both markets share.
pub(super) fn capability(has_sapi: bool) -> Capability {
    let seen = |seen| if has_sapi { seen } else { Seen::Never };
    Capability {
        measures_keys: has_sapi,
        has_measuring_test: false,
        inspects_by_master: has_sapi,
        shows_rights: seen(Seen::ByKey),
        shows_ips: seen(Seen::ByMaster),
        shows_expiry: Seen::Never,
        shows_subaccount: seen(Seen::ByMaster),
        cannot_tell: &[
            Right::Deposit,
            Right::WithdrawAddresses,
            Right::KeyAdmin,
            Right::Export,
            Right::Earn,
            Right::P2p,
            Right::Pay,
            Right::Card,
            Right::Convert,
            Right::CopyTrade,
            Right::Social,
            Right::Affiliate,
            Right::Nft,
        ],
        cannot_tell_by_master: &[Right::Read, Right::Withdraw, Right::SubaccountTransfer],
        words: WORDS,
        comes_with_trade: &[],
        tells_entries: false,
        cancels_all: true,
        cancels_conditional: true,
        arms: None,
        demotes: has_sapi,
        deletes: has_sapi,
        has_cancel_only_key: false,
        admin: if has_sapi { Some(ADMIN) } else { None },
        admin_needs: "a key of the main account that may manage subaccounts' keys; the venue lists these calls for VIP and institutional customers",
        notes: &[
            "A key tells whether it is bound to addresses; only the main account tells to which.",
            "When a key ends was told by older answers only.",
            "Orders on margin are not read and not cancelled: a bot that trades on margin is not covered here.",
        ],
    }
}

#[async_trait]
impl Venue for Spot {
    fn kind(&self) -> Kind {
        Kind::BinanceSpot
    }
    fn capability(&self) -> Capability {
        capability(self.sapi.is_some())
    }
    async fn inspect_key(&self, with: &Credential) -> Result<Inspection, VenueError> {
        inspect::own(self.sapi()?, with).await
    }
    async fn inspect_key_by_master(&self, master: &Credential, key: &SubKey) -> Result<Inspection, VenueError> {
        inspect::by_master(self.sapi()?, master, key).await
    }
    async fn sub_keys(&self, master: &Credential, subaccount: &str) -> Result<Vec<String>, VenueError> {
        inspect::listed(self.sapi()?, master, subaccount).await
    }
    async fn open_orders(&self, with: &Credential) -> Result<Vec<OpenOrder>, VenueError> {
        self.listed(with).await.whole()
    }
    async fn positions(&self, _with: &Credential) -> Result<Vec<Position>, VenueError> {
        Ok(Vec::new())
    }
    async fn balances(&self, with: &Credential) -> Result<Vec<Balance>, VenueError> {
        balances(&call(&self.http, with, Method::GET, "/api/v3/account", &[("omitZeroBalances", "true")]).await?)
    }
    async fn cancel_all(&self, with: &Credential, scope: CancelScope) -> Result<Cancelled, VenueError> {
        if scope == CancelScope::Entries {
            return Err(VenueError::Cannot("spot orders of Binance do not tell whether they would add"));
        }
        let mut effort = Effort::default();
        let symbols = orders::symbols(&effort.read(self.listed(with).await));
        let one = |symbol: String| async move {
            let pairs = [("symbol", symbol.as_str())];
            let brought = call(&self.http, with, Method::DELETE, "/api/v3/openOrders", &pairs).await;
            gone(brought.map(|told| told.as_array().map_or(0, Vec::len) as u64))
        };
        effort.each(symbols, one).await;
        effort.end()
    }
    async fn arm_cancel(&self, _with: &Credential) -> Result<Armed, VenueError> {
        Err(VenueError::Cannot("Binance spot has no dead man's switch"))
    }
    async fn demote_key(&self, admin: &Credential, key: &SubKey) -> Result<(), VenueError> {
        keys::demote(self.sapi()?, admin, key).await
    }
    async fn delete_key(&self, admin: &Credential, key: &SubKey) -> Result<(), VenueError> {
        keys::delete(self.sapi()?, admin, key).await
    }
}

/// `GET /api/v3/account`.
pub(in crate::venues) fn balances(answer: &Value) -> Result<Vec<Balance>, VenueError> {
    let mut found = Vec::new();
    for row in read::rows(answer.get("balances"), "balances")? {
        let (free, held) = (read::need_decimal(row, "free")?, read::need_decimal(row, "locked")?);
        let total = free.plus(held);
        if total != Decimal::default() {
            found.push(Balance { asset: read::need(row, "asset")?, wallet: String::new(), total, held: Some(held) });
        }
    }
    Ok(found)
}
