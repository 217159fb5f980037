//! Orders of both markets of Binance, read from their lists.

use crate::venues::{
    error::VenueError,
    order::{OpenOrder, Side, entry, exit_side},
    read,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Types that wait for a price.
fn is_conditional(kind: &str) -> bool {
    ["STOP", "TAKE_PROFIT", "TRAILING"].iter().any(|start| kind.starts_with(start))
}

/// `GET /api/v3/openOrders`. Spot has no mark for what only reduces: nothing is known to be an entry.
///
/// # Errors
/// `Unknown` when it cannot be read whole.
pub(in crate::venues) fn spot(answer: &Value) -> Result<Vec<OpenOrder>, VenueError> {
    let rows = read::rows(Some(answer), "openOrders")?;
    rows.into_iter()
        .map(|row| {
            Ok(OpenOrder {
                id: read::need(row, "orderId")?,
                symbol: read::need(row, "symbol")?,
                market: String::new(),
                side: side(row),
                is_entry: None,
                is_conditional: is_conditional(&kind(row, "type")),
                quantity: left(row),
                price: price(row, "stopPrice"),
            })
        })
        .collect()
}

/// `GET /fapi/v1/openOrders`.
///
/// # Errors
/// As `spot`.
pub(in crate::venues) fn futures(answer: &Value) -> Result<Vec<OpenOrder>, VenueError> {
    let rows = read::rows(Some(answer), "openOrders")?;
    rows.into_iter().map(|row| future(row, "orderId", is_conditional(&kind(row, "type")), "stopPrice")).collect()
}

/// `GET /fapi/v1/openAlgoOrders`: what waits for a price.
///
/// # Errors
/// As `spot`.
pub(in crate::venues) fn algos(answer: &Value) -> Result<Vec<OpenOrder>, VenueError> {
    // Some readers of this call found the list under `orders`.
    let list = answer.get("orders").unwrap_or(answer);
    read::rows(Some(list), "openAlgoOrders")?.into_iter().map(|row| future(row, "algoId", true, "triggerPrice")).collect()
}

fn future(row: &Value, id: &str, is_conditional: bool, trigger: &str) -> Result<OpenOrder, VenueError> {
    let side = side(row);
    let reduces = match (read::flag(row.get("reduceOnly")), read::flag(row.get("closePosition"))) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (reduces, _) => reduces,
    };
    let position = read::text(row.get("positionSide"));
    Ok(OpenOrder {
        id: read::need(row, id)?,
        symbol: read::need(row, "symbol")?,
        market: if id == "algoId" { "algo".to_owned() } else { String::new() },
        is_entry: entry(reduces, exit_side(position.as_deref(), side), is_conditional),
        side,
        is_conditional,
        quantity: left(row),
        price: price(row, trigger),
    })
}

fn side(row: &Value) -> Option<Side> {
    row.get("side").and_then(Value::as_str).and_then(Side::read)
}

fn kind(row: &Value, name: &str) -> String {
    row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
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
