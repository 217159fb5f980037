//! What OKX says of a key: three words and a list of addresses, parted by commas. Nothing tells when it ends.

use super::call::{Line, only};
use crate::venues::{
    credential::{Credential, SubKey},
    error::{Finding, FindingKind, VenueError},
    evidence,
    fact::{Inspection, IpRule, KeyFacts, MeasuredBy, Right, Tri},
    http::Call,
    read,
    words::{Word, tell, tell_listed, word},
};
use serde_json::Value;

/// `perm`. Trading includes funding transfers, and those between an account and its subaccounts.
const WORDS: [Word; 3] = [
    word("read_only", &[Right::Read]),
    word("trade", &[Right::Trade, Right::Cancel, Right::InternalTransfer, Right::SubaccountTransfer]),
    word("withdraw", &[Right::Withdraw]),
];

fn shared(row: &Value) -> KeyFacts {
    let mut facts = KeyFacts::default();
    match row.get("perm").and_then(Value::as_str) {
        Some(perm) if !perm.trim().is_empty() => tell_listed(&mut facts, &WORDS, &read::parts(perm)),
        // A key without any right is none that OKX gives out.
        _ => tell(&mut facts, &WORDS, |_| Tri::Unknown, Vec::new()),
    }
    // A blank beside an address is nothing that the documents show; nothing at all is no restriction.
    facts.bind(row.get("ip").and_then(Value::as_str).map_or(IpRule::Unknown, |ip| IpRule::read(ip.split(','))));
    facts
}

/// The facts in `data` of `account/config`.
///
/// # Errors
/// `Unknown` when it is no such answer.
pub(in crate::venues) fn own_facts(data: &Value) -> Result<KeyFacts, VenueError> {
    let row = only(data)?;
    let mut facts = shared(row);
    let (uid, main) = (read::text(row.get("uid")), read::text(row.get("mainUid")));
    if let (Some(uid), Some(main)) = (&uid, &main) {
        facts.is_main = (uid == main).into();
    }
    facts.subaccount = uid;
    Ok(facts)
}

/// The facts of one key in `data` of `subaccount/apikey`, which lists them all.
///
/// # Errors
/// `Unknown` when it is no list; `NotListed` when the key is not in it.
pub(in crate::venues) fn master_facts(data: &Value, key: &SubKey) -> Result<KeyFacts, VenueError> {
    let rows = read::rows(Some(data), "subaccount/apikey")?;
    let said = "the main account does not list this key".to_owned();
    let dead = || VenueError::Finding(Finding { kind: FindingKind::NotListed, code: "not listed".to_owned(), said });
    let row = rows.into_iter().find(|row| read::text(row.get("apiKey")).is_some_and(|id| id == key.key_id)).ok_or_else(dead)?;
    let mut facts = shared(row);
    facts.subaccount = Some(key.subaccount.clone());
    facts.is_main = Tri::No;
    Ok(facts)
}

/// Measures the key that asks.
pub(super) async fn own(line: &Line, with: &Credential) -> Result<Inspection, VenueError> {
    let data = line.call(with, Call::get("/api/v5/account/config", &[])).await?;
    Ok(evidence::inspection(own_facts(&data)?, MeasuredBy::Own, line.http.now(), &data))
}

const LIST: &str = "/api/v5/users/subaccount/apikey";

/// The names of all keys of a subaccount.
pub(super) async fn listed(line: &Line, master: &Credential, subaccount: &str) -> Result<Vec<String>, VenueError> {
    let data = line.call(master, Call::get(LIST, &[("subAcct", subaccount)])).await?;
    read::names(read::rows(Some(&data), "subaccount/apikey")?, &["apiKey"])
}

/// Measures a subaccount's key.
pub(super) async fn by_master(line: &Line, master: &Credential, key: &SubKey) -> Result<Inspection, VenueError> {
    let data = line.call(master, Call::get(LIST, &[("subAcct", &key.subaccount)])).await?;
    Ok(evidence::inspection(master_facts(&data, key)?, MeasuredBy::Master, line.http.now(), &data))
}
