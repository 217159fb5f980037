//! Answers of Kraken futures. Numbers are numbers of JSON here.

use crate::domain::Decimal;
use crate::venues::{
    error::VenueError,
    fact::{IpRule, KeyFacts, Right, Tri},
    order::{Balance, OpenOrder, Position, Side, entry, sure},
    read::{self, Listed},
    words::{Word, tell, word},
};
use serde_json::Value;

/// `permissions` of the check as `group:LEVEL`. Full access is everything but withdrawals.
const WORDS: [Word; 6] = [
    word("general:FULL_ACCESS", &[Right::Read, Right::Trade, Right::Cancel, Right::InternalTransfer, Right::SubaccountTransfer]),
    word("general:READ_ONLY", &[Right::Read]),
    word("general:NO_ACCESS", &[]),
    word("transfer:FULL_ACCESS", &[Right::Withdraw]),
    word("transfer:READ_ONLY", &[]),
    word("transfer:NO_ACCESS", &[]),
];

/// The facts in the answer of the check.
///
/// # Errors
/// `Unknown` when it is no such answer.
pub(in crate::venues) fn facts(answer: &Value) -> Result<KeyFacts, VenueError> {
    if !answer.is_object() {
        return Err(VenueError::unreadable("api-keys check"));
    }
    let levels = answer.get("permissions").and_then(Value::as_object);
    let level = |group: &str| levels?.get(group)?.as_str();
    let holds = |word: &str| {
        let (group, wanted) = word.split_once(':').unwrap_or_default();
        level(group).map_or(Tri::Unknown, |said| (said == wanted).into())
    };
    let said = levels.into_iter().flatten().map(|(group, level)| format!("{group}:{}", level.as_str().unwrap_or_default()));
    let strange = said.filter(|said| WORDS.iter().all(|known| known.word != *said)).collect();
    let mut facts = KeyFacts::default();
    tell(&mut facts, &WORDS, holds, strange);
    facts.bind(ips(answer));
    facts.subaccount = read::text(answer.get("accountUid"));
    Ok(facts)
}

/// The list, or where there is none the one entry of older answers. `null` is written for no restriction.
fn ips(answer: &Value) -> IpRule {
    match (answer.get("allowedCidrBlocks"), answer.get("allowedCidrBlock")) {
        (Some(Value::Array(_)), _) => {
            let listed = read::texts(answer.get("allowedCidrBlocks"));
            listed.map_or(IpRule::Unknown, |listed| IpRule::read(listed.iter().map(String::as_str)))
        }
        (None | Some(Value::Null), Some(Value::String(one))) => IpRule::read([one.as_str()]),
        (Some(Value::Null), _) | (None, Some(Value::Null)) => IpRule::Unrestricted,
        _ => IpRule::Unknown,
    }
}

/// `openorders`, those that wait for a price among them.
pub(in crate::venues) fn orders(answer: &Value) -> Listed<OpenOrder> {
    Listed::rows(answer.get("openOrders"), "openOrders").each(order)
}

fn order(row: &Value) -> Result<OpenOrder, VenueError> {
    let kind = read::text(row.get("orderType"));
    let is_told = kind.is_some();
    let kind = kind.unwrap_or_default();
    let is_conditional = ["stop", "stp", "take_profit", "trailing"].iter().any(|of| kind.contains(of));
    Ok(OpenOrder {
        id: read::need(row, "order_id")?,
        symbol: read::need(row, "symbol")?,
        market: String::new(),
        side: row.get("side").and_then(Value::as_str).and_then(Side::read),
        is_entry: sure(entry(read::flag(row.get("reduceOnly")), None, is_conditional), is_told),
        is_conditional,
        quantity: read::decimal(row.get("unfilledSize")),
        price: read::decimal(row.get("limitPrice")).or_else(|| read::decimal(row.get("stopPrice"))),
    })
}

/// `openpositions`.
///
/// # Errors
/// `Unknown` when it cannot be read whole; so of all here.
pub(in crate::venues) fn positions(answer: &Value) -> Result<Vec<Position>, VenueError> {
    let mut found = Vec::new();
    for row in read::rows(answer.get("openPositions"), "openPositions")? {
        let size = read::need_decimal(row, "size")?;
        let is_short = match row.get("side").and_then(Value::as_str) {
            Some("long") => false,
            Some("short") => true,
            _ => return Err(VenueError::unreadable("side")),
        };
        found.push(Position {
            symbol: read::need(row, "symbol")?,
            market: String::new(),
            quantity: if is_short { Decimal::default().minus(size) } else { size },
            entry_price: read::decimal(row.get("price")),
            unrealised: read::decimal(row.get("pnl")),
        });
    }
    Ok(found)
}

/// `accounts`: currencies of every account, by its name.
pub(in crate::venues) fn balances(answer: &Value) -> Result<Vec<Balance>, VenueError> {
    let accounts = answer.get("accounts").and_then(Value::as_object).ok_or_else(|| VenueError::unreadable("accounts"))?;
    let mut found = Vec::new();
    for (wallet, account) in accounts {
        let simple = account.get("balances").and_then(Value::as_object);
        let several = account.get("currencies").and_then(Value::as_object);
        if simple.is_none() && several.is_none() {
            return Err(VenueError::unreadable("an account without balances"));
        }
        let amounts = simple.into_iter().flatten().map(|(asset, amount)| (asset, Some(amount)));
        let amounts = amounts.chain(several.into_iter().flatten().map(|(asset, row)| (asset, row.get("quantity"))));
        for (asset, amount) in amounts {
            let total = read::decimal(amount).ok_or_else(|| VenueError::unreadable("a balance"))?;
            if total != Decimal::default() {
                found.push(Balance { asset: asset.clone(), wallet: wallet.clone(), total, held: None });
            }
        }
    }
    Ok(found)
}
