//! Answers of Kraken spot. Documents write fields in one way and libraries saw them in another: both are read.

use crate::domain::Decimal;
use crate::venues::{
    error::VenueError,
    fact::{Expiry, IpRule, KeyFacts, Right, TRADE, Tri},
    order::{Balance, OpenOrder, Position, Side},
    read::{self, Listed},
    words::{Word, tell, tell_listed, word},
};
use serde_json::Value;

/// `permissions` of `GetApiKeyInfo`. A token for websockets can do what its key can.
const WORDS: [Word; 13] = [
    word("query-funds", &[Right::Read]),
    word("query-open-trades", &[Right::Read]),
    word("query-closed-trades", &[Right::Read]),
    word("query-ledger", &[Right::Read]),
    word("create-ws-token", &[]),
    word("modify-trades", TRADE),
    word("close-trades", &[Right::Cancel]),
    word("add-funds", &[Right::Deposit]),
    word("withdraw-funds", &[Right::Withdraw]),
    word("add-withdraw-address", &[Right::WithdrawAddresses]),
    word("update-withdraw-address", &[Right::WithdrawAddresses]),
    word("earn-funds", &[Right::Earn]),
    word("export-data", &[Right::Export]),
];

/// The facts in `result` of `GetApiKeyInfo`.
///
/// # Errors
/// `Unknown` when it is no such answer.
pub(in crate::venues) fn facts(result: &Value) -> Result<KeyFacts, VenueError> {
    if !result.is_object() {
        return Err(VenueError::unreadable("GetApiKeyInfo"));
    }
    let mut facts = KeyFacts::default();
    match read::texts(result.get("permissions")) {
        Some(said) => tell_listed(&mut facts, &WORDS, &said),
        None => tell(&mut facts, &WORDS, |_| Tri::Unknown, Vec::new()),
    }
    let ips = read::texts(read::either(result, "ipAllowlist", "ip_allowlist"));
    facts.bind(ips.map_or(IpRule::Unknown, |ips| IpRule::read(ips.iter().map(String::as_str))));
    let until = read::either(result, "validUntil", "valid_until");
    facts.expiry = match read::moment(until) {
        Some(at) => Expiry::At(at),
        None if read::text(until).is_some_and(|until| until == "0") => Expiry::Never,
        None => Expiry::Unknown,
    };
    facts.changed_at = read::moment(read::either(result, "modifiedTime", "modified_time"));
    Ok(facts)
}

/// The entries of an object by name. An empty list is what some servers write for an empty object.
fn entries<'a>(value: Option<&'a Value>, what: &str) -> Result<Vec<(&'a String, &'a Value)>, VenueError> {
    match value {
        Some(Value::Object(entries)) if entries.values().all(Value::is_object) => Ok(entries.iter().collect()),
        Some(Value::Array(items)) if items.is_empty() => Ok(Vec::new()),
        _ => Err(VenueError::unreadable(what)),
    }
}

/// `OpenOrders`. Spot has no mark for what only reduces.
pub(in crate::venues) fn orders(result: &Value) -> Listed<OpenOrder> {
    Listed::from(entries(result.get("open"), "open")).each(order)
}

fn order((id, row): (&String, &Value)) -> Result<OpenOrder, VenueError> {
    let said = row.get("descr").ok_or_else(|| VenueError::unreadable("descr"))?;
    let kind = said.get("ordertype").and_then(Value::as_str).unwrap_or_default();
    let volume = read::decimal(row.get("vol"));
    Ok(OpenOrder {
        id: id.clone(),
        symbol: read::need(said, "pair")?,
        market: String::new(),
        side: said.get("type").and_then(Value::as_str).and_then(Side::read),
        is_entry: None,
        is_conditional: ["stop", "take-profit", "trailing"].iter().any(|of| kind.contains(of)),
        quantity: volume.map(|volume| volume.minus(read::decimal(row.get("vol_exec")).unwrap_or_default())),
        price: read::decimal(said.get("price")).filter(|price| *price != Decimal::default()),
    })
}

/// `OpenPositions`: what is held on margin.
///
/// # Errors
/// `Unknown` when it cannot be read whole; so of all here.
pub(in crate::venues) fn positions(result: &Value) -> Result<Vec<Position>, VenueError> {
    let mut found = Vec::new();
    for (_, row) in entries(Some(result), "OpenPositions")? {
        let open = read::need_decimal(row, "vol")?.minus(read::decimal(row.get("vol_closed")).unwrap_or_default());
        let side = row.get("type").and_then(Value::as_str).and_then(Side::read).ok_or_else(|| VenueError::unreadable("type"))?;
        if open != Decimal::default() {
            found.push(Position {
                symbol: read::need(row, "pair")?,
                market: "margin".to_owned(),
                quantity: if side == Side::Sell { Decimal::default().minus(open) } else { open },
                entry_price: None,
                unrealised: read::decimal(row.get("net")),
            });
        }
    }
    Ok(found)
}

/// `BalanceEx`.
pub(in crate::venues) fn balances(result: &Value) -> Result<Vec<Balance>, VenueError> {
    let mut found = Vec::new();
    for (asset, row) in entries(Some(result), "BalanceEx")? {
        let total = read::need_decimal(row, "balance")?;
        if total != Decimal::default() {
            found.push(Balance { asset: asset.clone(), wallet: String::new(), total, held: read::decimal(row.get("hold_trade")) });
        }
    }
    Ok(found)
}
