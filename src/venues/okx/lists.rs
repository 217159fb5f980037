//! What OKX lists: orders, conditional orders kind by kind, positions, and what lies in its two wallets.

use super::call::Line;
use crate::domain::Decimal;
use crate::venues::{
    credential::Credential,
    error::VenueError,
    http::Call,
    order::{Balance, OpenOrder, Position, Side, entry, exit_side, sure},
    read::{self, Listed},
};
use serde_json::Value;

/// Rows of a page.
const PAGE: usize = 100;
/// Pages that are read at most.
const PAGES: usize = 50;
/// Kinds of conditional and split orders; each has to be asked for.
pub(super) const ALGOS: [&str; 8] = ["conditional", "oco", "trigger", "move_order_stop", "iceberg", "smart_iceberg", "twap", "chase"];
/// Those that split an order instead of waiting for a price.
const SPLIT: [&str; 4] = ["iceberg", "smart_iceberg", "twap", "chase"];
/// A kind that not every host knows, and what one answers that does not: then there is none.
const NEW: &str = "smart_iceberg";
const NO_SUCH_KIND: &str = "51000";

async fn pages(line: &Line, with: &Credential, path: &str, pairs: &[(&str, &str)], id: &str) -> Listed<Value> {
    let mut rows = Listed::from(Ok(Vec::new()));
    if let Err(error) = read_pages(line, with, (path, pairs, id), &mut rows).await {
        rows.extend(Listed::from(Err(error)));
    }
    rows
}

async fn read_pages(
    line: &Line,
    with: &Credential,
    (path, pairs, id): (&str, &[(&str, &str)], &str),
    rows: &mut Listed<Value>,
) -> Result<(), VenueError> {
    let mut after = None::<String>;
    for _ in 0..PAGES {
        let mut asked = pairs.to_vec();
        asked.push(("limit", "100"));
        asked.extend(after.as_deref().map(|after| ("after", after)));
        let data = line.call(with, Call::get(path, &asked).long()).await?;
        let is_last = data.as_array().is_none_or(|page| page.len() < PAGE);
        let page = Listed::rows(Some(&data), path).each(|row| Ok(row.clone()));
        let last = page.got.last().map(|row| read::need(row, id));
        rows.extend(page);
        if is_last {
            return Ok(());
        }
        let last = last.transpose()?;
        if last == after {
            return Err(VenueError::unreadable("its pages go round"));
        }
        after = last;
    }
    Err(VenueError::unreadable("it has more pages than are read"))
}

/// Orders that rest in the book.
pub(super) async fn plain(line: &Line, with: &Credential) -> Listed<OpenOrder> {
    orders(pages(line, with, "/api/v5/trade/orders-pending", &[], "ordId").await)
}

/// Orders of one conditional kind.
pub(super) async fn algos_of(line: &Line, with: &Credential, kind: &str) -> Listed<OpenOrder> {
    let rows = pages(line, with, "/api/v5/trade/orders-algo-pending", &[("ordType", kind)], "algoId").await;
    let is_unknown = rows.missed.as_ref().and_then(VenueError::code) == Some(NO_SUCH_KIND);
    if kind == NEW && is_unknown && rows.got.is_empty() {
        return Listed::from(Ok(Vec::new()));
    }
    algos(rows)
}

/// Orders of every conditional kind.
///
/// # Errors
/// `Unknown` when they cannot be read whole; so of all here that may fail.
pub(super) async fn every_algo(line: &Line, with: &Credential) -> Result<Vec<OpenOrder>, VenueError> {
    let mut found = Vec::new();
    for kind in ALGOS {
        found.extend(algos_of(line, with, kind).await.whole()?);
    }
    Ok(found)
}

/// Orders out of their rows.
pub(in crate::venues) fn orders(rows: Listed<Value>) -> Listed<OpenOrder> {
    rows.each(|row| order(&row, "ordId", false))
}

/// Conditional orders out of their rows.
pub(in crate::venues) fn algos(rows: Listed<Value>) -> Listed<OpenOrder> {
    let is_conditional = |row: &Value| row.get("ordType").and_then(Value::as_str).is_none_or(|kind| !SPLIT.contains(&kind));
    rows.each(|row| order(&row, "algoId", is_conditional(&row)))
}

/// What an algo order's market begins with, so that it is cancelled by the call for algo orders.
pub(super) const ALGO: &str = "algo ";

fn order(row: &Value, id: &str, is_conditional: bool) -> Result<OpenOrder, VenueError> {
    let side = row.get("side").and_then(Value::as_str).and_then(Side::read);
    let market = row.get("instType").and_then(Value::as_str).unwrap_or_default();
    let closes_share = read::decimal(row.get("closeFraction")).is_some_and(|share| share > Decimal::default());
    let reduces = if closes_share { Some(true) } else { read::flag(row.get("reduceOnly")) };
    let position = read::text(row.get("posSide"));
    // Of a market that is not named nothing is known, and of spot and options OKX does not keep the mark.
    let is_told = !matches!(market, "SPOT" | "OPTION" | "");
    let filled = read::decimal(row.get("accFillSz")).unwrap_or_default();
    Ok(OpenOrder {
        id: read::need(row, id)?,
        symbol: read::need(row, "instId")?,
        market: if id == "algoId" { format!("{ALGO}{market}") } else { market.to_owned() },
        is_entry: if is_told {
            sure(entry(reduces, exit_side(position.as_deref(), side), is_conditional), position.is_some())
        } else {
            None
        },
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
        let (symbol, market) = (read::need(row, "instId")?, read::text(row.get("instType")).unwrap_or_default());
        let is_short = match row.get("posSide").and_then(Value::as_str) {
            Some("short") => true,
            Some("long") => false,
            _ if market == "MARGIN" => is_short_margin(row, &symbol)?,
            _ => false,
        };
        found.push(Position {
            symbol,
            market,
            quantity: if is_short { Decimal::default().minus(size.abs()) } else { size },
            entry_price: read::decimal(row.get("avgPx")),
            unrealised: read::decimal(row.get("upl")),
        });
    }
    Ok(found)
}

/// On margin the amount has no sign in net mode: what is held tells the side. Holding what it is priced in is being short.
fn is_short_margin(row: &Value, symbol: &str) -> Result<bool, VenueError> {
    let held = read::need(row, "posCcy")?;
    match symbol.split_once('-') {
        Some((_, quote)) if quote == held => Ok(true),
        Some((base, _)) if base == held => Ok(false),
        _ => Err(VenueError::unreadable("posCcy")),
    }
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
