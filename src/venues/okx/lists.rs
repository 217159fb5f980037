//! What OKX lists: orders, conditional orders kind by kind, positions, and what lies in its two wallets.

use super::call::Line;
use crate::domain::Decimal;
use crate::venues::{
    credential::Credential,
    error::VenueError,
    http::Call,
    order::{Balance, OpenOrder, Position, Side, entry, exit_side},
    read,
};
use serde_json::Value;

/// Rows of a page.
const PAGE: usize = 100;
/// Pages that are read at most.
const PAGES: usize = 50;
/// Kinds of conditional and split orders; each has to be asked for.
pub(super) const ALGOS: [&str; 7] = ["conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase"];
/// Those that split an order instead of waiting for a price.
const SPLIT: [&str; 3] = ["iceberg", "twap", "chase"];

async fn pages(line: &Line, with: &Credential, path: &str, pairs: &[(&str, &str)], id: &str) -> Result<Vec<Value>, VenueError> {
    let (mut rows, mut after) = (Vec::<Value>::new(), None::<String>);
    for _ in 0..PAGES {
        let mut asked = pairs.to_vec();
        asked.push(("limit", "100"));
        asked.extend(after.as_deref().map(|after| ("after", after)));
        let data = line.call(with, Call::get(path, &asked)).await?;
        let page = read::rows(Some(&data), path)?;
        let last = page.last().map(|row| read::need(row, id)).transpose()?;
        let is_last = page.len() < PAGE;
        rows.extend(page.into_iter().cloned());
        if is_last {
            return Ok(rows);
        }
        if last == after {
            return Err(VenueError::unreadable("its pages go round"));
        }
        after = last;
    }
    Err(VenueError::unreadable("it has more pages than are read"))
}

/// Orders that rest in the book.
pub(super) async fn plain(line: &Line, with: &Credential) -> Result<Vec<OpenOrder>, VenueError> {
    orders(&pages(line, with, "/api/v5/trade/orders-pending", &[], "ordId").await?)
}

/// Orders of one conditional kind.
pub(super) async fn algos_of(line: &Line, with: &Credential, kind: &str) -> Result<Vec<OpenOrder>, VenueError> {
    algos(&pages(line, with, "/api/v5/trade/orders-algo-pending", &[("ordType", kind)], "algoId").await?)
}

/// Orders of every conditional kind.
pub(super) async fn every_algo(line: &Line, with: &Credential) -> Result<Vec<OpenOrder>, VenueError> {
    let mut found = Vec::new();
    for kind in ALGOS {
        found.extend(algos_of(line, with, kind).await?);
    }
    Ok(found)
}

/// Orders out of their rows.
///
/// # Errors
/// `Unknown` when one cannot be read; so of all here.
pub(in crate::venues) fn orders(rows: &[Value]) -> Result<Vec<OpenOrder>, VenueError> {
    rows.iter().map(|row| order(row, "ordId", false)).collect()
}

/// Conditional orders out of their rows.
pub(in crate::venues) fn algos(rows: &[Value]) -> Result<Vec<OpenOrder>, VenueError> {
    let is_conditional = |row: &Value| row.get("ordType").and_then(Value::as_str).is_none_or(|kind| !SPLIT.contains(&kind));
    rows.iter().map(|row| order(row, "algoId", is_conditional(row))).collect()
}

/// What an algo order's market begins with, so that it is cancelled by the call for algo orders.
pub(super) const ALGO: &str = "algo ";

fn order(row: &Value, id: &str, is_conditional: bool) -> Result<OpenOrder, VenueError> {
    let side = row.get("side").and_then(Value::as_str).and_then(Side::read);
    let market = row.get("instType").and_then(Value::as_str).unwrap_or_default();
    let closes_share = read::decimal(row.get("closeFraction")).is_some_and(|share| share > Decimal::default());
    let reduces = if closes_share { Some(true) } else { read::flag(row.get("reduceOnly")) };
    let position = read::text(row.get("posSide"));
    // Of a market that is not named nothing is known.
    let is_told = !matches!(market, "SPOT" | "");
    let filled = read::decimal(row.get("accFillSz")).unwrap_or_default();
    Ok(OpenOrder {
        id: read::need(row, id)?,
        symbol: read::need(row, "instId")?,
        market: if id == "algoId" { format!("{ALGO}{market}") } else { market.to_owned() },
        is_entry: if is_told { entry(reduces, exit_side(position.as_deref(), side), is_conditional) } else { None },
        side,
        is_conditional,
        quantity: read::decimal(row.get("sz")).map(|size| size.minus(filled)),
        price: ["px", "triggerPx", "slTriggerPx", "tpTriggerPx"].iter().find_map(|name| read::decimal(row.get(*name))),
    })
}

/// `GET /api/v5/account/positions`.
pub(in crate::venues) fn positions(data: &Value) -> Result<Vec<Position>, VenueError> {
    let mut found = Vec::new();
    for row in read::rows(Some(data), "positions")? {
        let size = read::need_decimal(row, "pos")?;
        if size == Decimal::default() {
            continue;
        }
        let is_short = row.get("posSide").and_then(Value::as_str) == Some("short");
        found.push(Position {
            symbol: read::need(row, "instId")?,
            market: read::text(row.get("instType")).unwrap_or_default(),
            quantity: if is_short { Decimal::default().minus(size.abs()) } else { size },
            entry_price: read::decimal(row.get("avgPx")),
            unrealised: read::decimal(row.get("upl")),
        });
    }
    Ok(found)
}

fn wallet(rows: Vec<&Value>, wallet: &str, total: &str) -> Result<Vec<Balance>, VenueError> {
    let mut found = Vec::new();
    for row in rows {
        let total = read::need_decimal(row, total)?;
        if total != Decimal::default() {
            let held = read::decimal(row.get("frozenBal"));
            found.push(Balance { asset: read::need(row, "ccy")?, wallet: wallet.to_owned(), total, held });
        }
    }
    Ok(found)
}

/// `GET /api/v5/account/balance`: what it trades with.
pub(in crate::venues) fn balances(data: &Value) -> Result<Vec<Balance>, VenueError> {
    wallet(read::rows(super::call::only(data)?.get("details"), "details")?, "trading", "cashBal")
}

/// `GET /api/v5/asset/balances`: the funding wallet.
pub(in crate::venues) fn funding(data: &Value) -> Result<Vec<Balance>, VenueError> {
    wallet(read::rows(Some(data), "balances")?, "funding", "bal")
}
