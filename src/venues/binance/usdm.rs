//! Binance USD-margined futures. Orders that wait for a price are "algo" orders with calls of their own: whatever lists or cancels here does so
//! twice.

use super::{
    call::{call, gone},
    inspect, keys, orders,
    spot::capability,
};
use crate::domain::Decimal;
use crate::venues::{
    ArmScope, Armed, Arming, Balance, CancelScope, Cancelled, Capability, Credential, Inspection, Kind, OpenOrder, OwnWords, Position,
    SubKey, Venue, VenueError,
    effort::Effort,
    http::Http,
    read::{self, Listed},
};
use async_trait::async_trait;
use http::Method;
use serde_json::Value;

/// The switch checks every 10 ms and has no documented smallest window; the calls beside it need some time.
const WINDOW_MS: i64 = 5_000;

/// A key itself and the main account are told in different words.
const WORDS: OwnWords = OwnWords {
    to_trade: &[&["enableFutures", "canFuturesTrade"]],
    trade_refuses: &[
        "enableSpotAndMarginTrading",
        "canTrade",
        "enableVanillaOptions",
        "canVanillaOptions",
        "enablePortfolioMarginTrading",
        "enableFixApiTrade",
    ],
    ..OwnWords::ANY
};

const NOTES: &[&str] = &[
    "A key tells whether it is bound to addresses; only the main account tells to which.",
    "When a key ends was told by older answers only.",
    "The right to trade these futures is one for COIN-margined ones as well, whose orders are not read and not cancelled here.",
];

/// Binance USD-M futures, live or test.
#[derive(Debug)]
pub(in crate::venues) struct UsdM {
    http: Http,
    sapi: Option<Http>,
}

impl UsdM {
    /// Orders at `http`, keys at `sapi` where there is one.
    pub(in crate::venues) fn new(http: Http, sapi: Option<Http>) -> Self {
        Self { http, sapi }
    }
    fn sapi(&self) -> Result<&Http, VenueError> {
        self.sapi.as_ref().ok_or(keys::NO_SAPI)
    }
    async fn get(&self, with: &Credential, path: &str) -> Result<Value, VenueError> {
        call(&self.http, with, Method::GET, path, &[]).await
    }
    async fn plain_orders(&self, with: &Credential) -> Listed<OpenOrder> {
        Listed::of(self.get(with, "/fapi/v1/openOrders").await, orders::futures)
    }
    async fn algo_orders(&self, with: &Credential) -> Listed<OpenOrder> {
        Listed::of(self.get(with, "/fapi/v1/openAlgoOrders").await, orders::algos)
    }
    async fn delete(&self, with: &Credential, path: &str, pairs: &[(&str, &str)]) -> Result<u64, VenueError> {
        gone(call(&self.http, with, Method::DELETE, path, pairs).await.map(|_| 1))
    }
    async fn cancel_one(&self, with: &Credential, order: &OpenOrder) -> Result<u64, VenueError> {
        let (path, id) = if order.market == "algo" { ("/fapi/v1/algoOrder", "algoId") } else { ("/fapi/v1/order", "orderId") };
        self.delete(with, path, &[("symbol", &order.symbol), (id, &order.id)]).await
    }
    /// Both calls for one symbol. They count no orders.
    async fn cancel_symbol(&self, with: &Credential, symbol: &str, orders: u64) -> Result<u64, VenueError> {
        let pairs = [("symbol", symbol)];
        let mut both = Effort::default();
        both.take(self.delete(with, "/fapi/v1/allOpenOrders", &pairs).await);
        both.take(self.delete(with, "/fapi/v1/algoOpenOrders", &pairs).await);
        both.end().map(|_| orders)
    }
}

#[async_trait]
impl Venue for UsdM {
    fn kind(&self) -> Kind {
        Kind::BinanceUsdM
    }
    fn capability(&self) -> Capability {
        let arms = Some(Arming { window_ms: WINDOW_MS, scope: ArmScope::Symbol, covers_conditional: false });
        Capability { tells_entries: true, arms, words: WORDS, notes: NOTES, ..capability(self.sapi.is_some()) }
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
        let mut orders = self.plain_orders(with).await;
        orders.extend(self.algo_orders(with).await);
        orders.whole()
    }
    async fn positions(&self, with: &Credential) -> Result<Vec<Position>, VenueError> {
        positions(&self.get(with, "/fapi/v3/positionRisk").await?)
    }
    async fn balances(&self, with: &Credential) -> Result<Vec<Balance>, VenueError> {
        balances(&self.get(with, "/fapi/v3/balance").await?)
    }
    async fn cancel_all(&self, with: &Credential, scope: CancelScope) -> Result<Cancelled, VenueError> {
        let mut effort = Effort::default();
        let mut orders = effort.read(self.plain_orders(with).await);
        orders.extend(effort.read(self.algo_orders(with).await));
        if scope == CancelScope::Entries {
            let all = orders.len();
            orders.retain(|order| order.is_entry == Some(true));
            effort.done.left = (all - orders.len()) as u64;
            effort.each(orders, |order| async move { self.cancel_one(with, &order).await }).await;
            return effort.end();
        }
        let symbols = orders::symbols(&orders);
        let counted: Vec<(String, u64)> = symbols
            .into_iter()
            .map(|symbol| {
                let some = orders.iter().filter(|order| order.symbol == symbol).count() as u64;
                (symbol, some)
            })
            .collect();
        effort.each(counted, |(symbol, some)| async move { self.cancel_symbol(with, &symbol, some).await }).await;
        effort.end()
    }
    async fn arm_cancel(&self, with: &Credential) -> Result<Armed, VenueError> {
        let mut effort = Effort::default();
        let symbols = orders::symbols(&effort.read(self.plain_orders(with).await));
        let window = WINDOW_MS.to_string();
        let one = |symbol: String| {
            let window = window.clone();
            async move {
                let pairs = [("symbol", symbol.as_str()), ("countdownTime", window.as_str())];
                call(&self.http, with, Method::POST, "/fapi/v1/countdownCancelAll", &pairs).await.map(|_| 1)
            }
        };
        effort.each(symbols.clone(), one).await;
        effort.end()?;
        let fires_at = (!symbols.is_empty()).then(|| self.http.now().plus_ms(WINDOW_MS));
        Ok(Armed { fires_at, symbols })
    }
    async fn demote_key(&self, admin: &Credential, key: &SubKey) -> Result<(), VenueError> {
        keys::demote(self.sapi()?, admin, key).await
    }
    async fn delete_key(&self, admin: &Credential, key: &SubKey) -> Result<(), VenueError> {
        keys::delete(self.sapi()?, admin, key).await
    }
}

/// `GET /fapi/v3/positionRisk`.
pub(in crate::venues) fn positions(answer: &Value) -> Result<Vec<Position>, VenueError> {
    let mut found = Vec::new();
    for row in read::rows(Some(answer), "positionRisk")? {
        let quantity = read::need_decimal(row, "positionAmt")?;
        if quantity != Decimal::default() {
            found.push(Position {
                symbol: read::need(row, "symbol")?,
                market: String::new(),
                quantity,
                entry_price: read::decimal(row.get("entryPrice")),
                unrealised: read::decimal(read::either(row, "unRealizedProfit", "unrealizedProfit")),
            });
        }
    }
    Ok(found)
}

/// `GET /fapi/v3/balance`.
pub(in crate::venues) fn balances(answer: &Value) -> Result<Vec<Balance>, VenueError> {
    let mut found = Vec::new();
    for row in read::rows(Some(answer), "balance")? {
        let total = read::need_decimal(row, "balance")?;
        if total != Decimal::default() {
            found.push(Balance { asset: read::need(row, "asset")?, wallet: String::new(), total, held: None });
        }
    }
    Ok(found)
}
