//! Orders of both markets of Binance, read from their lists.

use crate::venues::{
    error::VenueError,
    order::{OpenOrder, Side, entry, exit_side, sure},
    read::{self, Listed},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Types that wait for a price.
fn is_conditional(kind: &str) -> bool {
    ["STOP", "TAKE_PROFIT", "TRAILING"].iter().any(|start| kind.starts_with(start))
}

/// `GET /api/v3/openOrders`. Spot has no mark for what only reduces: nothing is known to be an entry.
pub(in crate::venues) fn spot(answer: &Value) -> Listed<OpenOrder> {
    Listed::rows(Some(answer), "openOrders").each(|row| {
        Ok(OpenOrder {
            id: read::need(row, "orderId")?,
            symbol: read::need(row, "symbol")?,
            market: String::new(),
            side: side(row),
            is_entry: None,
            is_conditional: kind(row).is_some_and(is_conditional),
            quantity: left(row),
            price: price(row, "stopPrice"),
        })
    })
}

/// `GET /fapi/v1/openOrders`.
pub(in crate::venues) fn futures(answer: &Value) -> Listed<OpenOrder> {
    Listed::rows(Some(answer), "openOrders").each(|row| future(row, "orderId", kind(row).map(is_conditional), "stopPrice"))
}

/// `GET /fapi/v1/openAlgoOrders`: what waits for a price.
pub(in crate::venues) fn algos(answer: &Value) -> Listed<OpenOrder> {
    // Some readers of this call found the list under `orders`.
    let list = answer.get("orders").unwrap_or(answer);
    Listed::rows(Some(list), "openAlgoOrders").each(|row| future(row, "algoId", Some(true), "triggerPrice"))
}

/// An order of either list. `is_conditional`: none where its kind was not said.
fn future(row: &Value, id: &str, is_conditional: Option<bool>, trigger: &str) -> Result<OpenOrder, VenueError> {
    let side = side(row);
    let reduces = match (read::flag(row.get("reduceOnly")), read::flag(row.get("closePosition"))) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (reduces, _) => reduces,
    };
    let position = read::text(row.get("positionSide"));
    let is_told = is_conditional.is_some() && position.is_some();
    let is_conditional = is_conditional.unwrap_or_default();
    Ok(OpenOrder {
        id: read::need(row, id)?,
        symbol: read::need(row, "symbol")?,
        market: if id == "algoId" { "algo".to_owned() } else { String::new() },
        is_entry: sure(entry(reduces, exit_side(position.as_deref(), side), is_conditional), is_told),
        side,
        is_conditional,
        quantity: left(row),
        price: price(row, trigger),
    })
}

fn side(row: &Value) -> Option<Side> {
    row.get("side").and_then(Value::as_str).and_then(Side::read)
}

fn kind(row: &Value) -> Option<&str> {
    row.get("type").and_then(Value::as_str)
}

fn left(row: &Value) -> Option<crate::domain::Decimal> {
    let all = read::decimal(row.get("origQty").or_else(|| row.get("quantity")))?;
    Some(read::decimal(row.get("executedQty")).map_or(all, |done| all.minus(done)))
}

fn price(row: &Value, trigger: &str) -> Option<crate::domain::Decimal> {
    let some = |name: &str| read::decimal(row.get(name)).filter(|price| *price != crate::domain::Decimal::default());
    some("price").or_else(|| some(trigger))
}

/// The symbols of these orders, each once.
pub(super) fn symbols<'a>(orders: impl IntoIterator<Item = &'a OpenOrder>) -> Vec<String> {
    orders.into_iter().map(|order| order.symbol.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}
