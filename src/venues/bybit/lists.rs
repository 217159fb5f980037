//! What Bybit lists page by page: orders and positions of each category, and balances.

use super::call::call;
use crate::domain::Decimal;
use crate::venues::{
    credential::Credential,
    error::VenueError,
    http::{Call, Http, encode},
    order::{Balance, OpenOrder, Position, Side, entry, exit_side, sure},
    read::{self, Listed},
};
use serde_json::Value;

/// Pages that are read at most: two thousand orders of a category.
const PAGES: usize = 40;

/// A category, and what narrows it down. Linear takes none without a coin.
pub(super) type Part = (&'static str, Option<&'static str>);
const ORDERS: [Part; 5] = [("linear", Some("USDT")), ("linear", Some("USDC")), ("inverse", None), ("spot", None), ("option", None)];
const POSITIONS: [Part; 4] = [("linear", Some("USDT")), ("linear", Some("USDC")), ("inverse", None), ("option", None)];

fn narrowed(part: Part, limit: &'static str) -> Vec<(&'static str, &'static str)> {
    let (category, coin) = part;
    let mut pairs = vec![("category", category)];
    pairs.extend(coin.map(|coin| ("settleCoin", coin)));
    pairs.push(("limit", limit));
    pairs
}

/// Every row of a list that comes in pages. A cursor comes encoded already and goes back as it came. It is not all of it also when there are more
/// pages than are read, or they go round.
pub(super) async fn pages(http: &Http, with: &Credential, path: &str, pairs: &[(&str, &str)], list: &str) -> Listed<Value> {
    let mut rows = Listed::from(Ok(Vec::new()));
    if let Err(error) = read_pages(http, with, (path, pairs, list), &mut rows).await {
        rows.extend(Listed::from(Err(error)));
    }
    rows
}

async fn read_pages(
    http: &Http,
    with: &Credential,
    (path, pairs, list): (&str, &[(&str, &str)], &str),
    rows: &mut Listed<Value>,
) -> Result<(), VenueError> {
    let mut cursor = String::new();
    for _ in 0..PAGES {
        let mut asked = Call::get(path, pairs).long();
        if !cursor.is_empty() {
            asked.query = format!("{}&cursor={cursor}", asked.query);
        }
        let result = call(http, with, asked).await?;
        let page = Listed::rows(result.get(list), list).each(|row| Ok(row.clone()));
        let is_empty = page.got.is_empty() && page.missed.is_none();
        rows.extend(page);
        let next = read::text(result.get("nextPageCursor")).unwrap_or_default();
        if next.is_empty() || is_empty {
            return Ok(());
        }
        let is_encoded = next.bytes().all(|b| b.is_ascii_alphanumeric() || b"%-._~".contains(&b));
        let next = if is_encoded { next } else { encode(&[("", next.as_str())]).trim_start_matches('=').to_owned() };
        if next == cursor {
            return Err(VenueError::unreadable("its pages go round"));
        }
        cursor = next;
    }
    Err(VenueError::unreadable("it has more pages than are read"))
}

/// Orders of one category.
pub(super) async fn orders_of(http: &Http, with: &Credential, part: Part) -> Listed<OpenOrder> {
    orders(part.0, pages(http, with, "/v5/order/realtime", &narrowed(part, "50"), "list").await)
}

/// Orders of every category.
///
/// # Errors
/// `Unknown` when they cannot be read whole; so of all here that may fail.
pub(super) async fn read_orders(http: &Http, with: &Credential) -> Result<Vec<OpenOrder>, VenueError> {
    let mut found = Vec::new();
    for part in ORDERS {
        found.extend(orders_of(http, with, part).await.whole()?);
    }
    Ok(found)
}

/// The categories of orders.
pub(super) fn parts() -> [Part; 5] {
    ORDERS
}

/// Positions of every category.
pub(super) async fn read_positions(http: &Http, with: &Credential) -> Result<Vec<Position>, VenueError> {
    let mut found = Vec::new();
    for part in POSITIONS {
        let rows = pages(http, with, "/v5/position/list", &narrowed(part, "200"), "list").await.whole()?;
        found.extend(positions(part.0, &rows)?);
    }
    Ok(found)
}

/// Orders out of their rows.
pub(in crate::venues) fn orders(category: &str, rows: Listed<Value>) -> Listed<OpenOrder> {
    rows.each(|row| order(category, &row))
}

fn order(category: &str, row: &Value) -> Result<OpenOrder, VenueError> {
    let side = row.get("side").and_then(Value::as_str).and_then(Side::read);
    let word = |name: &str| row.get(name).and_then(Value::as_str);
    let (stop, status, index) = (word("stopOrderType"), word("orderStatus"), row.get("positionIdx").and_then(Value::as_i64));
    let is_told = stop.is_some() && status.is_some() && matches!(index, Some(0..=2));
    let kind = stop.unwrap_or_default();
    let is_conditional = !matches!(kind, "" | "UNKNOWN") || status == Some("Untriggered");
    let is_protective =
        ["TakeProfit", "StopLoss", "Trailing", "PartialTakeProfit", "PartialStopLoss"].iter().any(|of| kind.starts_with(of));
    let reduces = match (read::flag(row.get("reduceOnly")), read::flag(row.get("closeOnTrigger"))) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        _ if is_protective => Some(true),
        (reduces, _) => reduces,
    };
    let position = match index {
        Some(1) => Some("long"),
        Some(2) => Some("short"),
        _ => None,
    };
    let is_spot = category == "spot";
    Ok(OpenOrder {
        id: read::need(row, "orderId")?,
        symbol: read::need(row, "symbol")?,
        market: category.to_owned(),
        is_entry: if is_spot { None } else { sure(entry(reduces, exit_side(position, side), is_conditional), is_told) },
        side,
        is_conditional,
        quantity: read::decimal(row.get("leavesQty")).or_else(|| read::decimal(row.get("qty"))),
        price: ["price", "triggerPrice"].iter().find_map(|name| read::decimal(row.get(*name)).filter(|price| *price != Decimal::default())),
    })
}

/// Positions out of their rows. A flat one is listed with an empty side.
pub(in crate::venues) fn positions(category: &str, rows: &[Value]) -> Result<Vec<Position>, VenueError> {
    let mut found = Vec::new();
    for row in rows {
        let size = read::need_decimal(row, "size")?;
        if size == Decimal::default() {
            continue;
        }
        let side = row.get("side").and_then(Value::as_str).and_then(Side::read).ok_or_else(|| VenueError::unreadable("side"))?;
        found.push(Position {
            symbol: read::need(row, "symbol")?,
            market: category.to_owned(),
            quantity: if side == Side::Sell { Decimal::default().minus(size) } else { size },
            entry_price: read::decimal(row.get("avgPrice")),
            unrealised: read::decimal(row.get("unrealisedPnl")),
        });
    }
    Ok(found)
}

/// `GET /v5/account/wallet-balance`.
pub(in crate::venues) fn balances(result: &Value) -> Result<Vec<Balance>, VenueError> {
    let mut found = Vec::new();
    for account in read::rows(result.get("list"), "list")? {
        let wallet = read::text(account.get("accountType")).unwrap_or_default();
        for row in read::rows(account.get("coin"), "coin")? {
            let total = read::need_decimal(row, "walletBalance")?;
            if total != Decimal::default() {
                found.push(Balance {
                    asset: read::need(row, "coin")?,
                    wallet: wallet.clone(),
                    total,
                    held: read::decimal(row.get("locked")),
                });
            }
        }
    }
    Ok(found)
}
