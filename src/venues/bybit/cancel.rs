//! Cancelling at Bybit. A call for derivatives takes at most 500 orders, of its own choice, so it is repeated while it takes as many; spot has a
//! call for each kind of order. The venue takes the wish and cancels afterwards: read back.

use super::{call::call, lists};
use crate::venues::{
    credential::Credential,
    effort::{Effort, gone},
    error::VenueError,
    http::{Call, Http},
    order::{Cancelled, OpenOrder},
    read,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// As many as one call takes.
const BATCH: u64 = 500;
/// Calls for one symbol or coin at most.
const ROUNDS: usize = 20;
/// The order is gone: derivatives, spot.
const GONE: [&str; 2] = ["110001", "170213"];
/// Kinds of spot orders. Without one of these words only the first would go.
const SPOT: [&str; 5] = ["Order", "tpslOrder", "StopOrder", "OcoOrder", "BidirectionalTpslOrder"];

/// Cancels everything in every category.
pub(super) async fn all(http: &Http, with: &Credential) -> Result<Cancelled, VenueError> {
    let mut effort = Effort::default();
    let inverse = effort.read(lists::orders_of(http, with, ("inverse", None)).await);
    let symbols: BTreeSet<String> = inverse.into_iter().map(|order| order.symbol).collect();
    let mut wishes: Vec<Value> = ["USDT", "USDC"].iter().map(|coin| json!({"category": "linear", "settleCoin": coin})).collect();
    wishes.extend(symbols.into_iter().map(|symbol| json!({"category": "inverse", "symbol": symbol})));
    wishes.extend(SPOT.iter().map(|kind| json!({"category": "spot", "orderFilter": kind})));
    wishes.push(json!({"category": "option"}));
    effort.each(wishes, |wish| async move { again_and_again(http, with, &wish).await }).await;
    effort.end()
}

/// One wish, until it takes fewer than it could.
async fn again_and_again(http: &Http, with: &Credential, wish: &Value) -> Result<u64, VenueError> {
    let is_bounded = matches!(wish.get("category").and_then(Value::as_str), Some("linear" | "inverse"));
    let mut told = 0;
    for _ in 0..ROUNDS {
        let result = call(http, with, Call::json("/v5/order/cancel-all", wish)).await?;
        if read::text(result.get("success")).is_some_and(|success| success == "0") {
            return Err(VenueError::unknown("the venue took the call and says that it cancelled nothing"));
        }
        // Without a list nobody knows whether there are more: what reads back will see them.
        let some = result.get("list").and_then(Value::as_array).map_or(0, Vec::len) as u64;
        told += some;
        if !is_bounded || some < BATCH {
            return Ok(told);
        }
    }
    Err(VenueError::unknown("orders come as fast as they are cancelled"))
}

/// Cancels what is known to open or add, one by one.
pub(super) async fn entries(http: &Http, with: &Credential) -> Result<Cancelled, VenueError> {
    let mut effort = Effort::default();
    let mut orders = Vec::new();
    for part in lists::parts() {
        orders.extend(effort.read(lists::orders_of(http, with, part).await));
    }
    let all = orders.len();
    orders.retain(|order| order.is_entry == Some(true));
    effort.done.left = (all - orders.len()) as u64;
    effort.each(orders, |order| async move { one(http, with, &order).await }).await;
    effort.end()
}

async fn one(http: &Http, with: &Credential, order: &OpenOrder) -> Result<u64, VenueError> {
    let body = json!({"category": order.market, "symbol": order.symbol, "orderId": order.id});
    gone(call(http, with, Call::json("/v5/order/cancel", &body)).await.map(|_| 1), &GONE)
}
