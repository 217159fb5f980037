//! What Bybit says of a key: words in groups, over which "read only" wins. A group that is missing leaves its rights unknown.

use super::call::call;
use crate::venues::{
    credential::{Credential, SubKey},
    error::{Finding, FindingKind, VenueError},
    evidence,
    fact::{Expiry, Inspection, IpRule, KeyFacts, MeasuredBy, Right, TRADE, Tri},
    http::{Call, Http},
    read,
    words::{Word, tell, word},
};
use serde_json::Value;

/// `permissions` of `query-api` and `sub-apikeys`. Of groups without a documented word the group's own name stands for all of it.
const WORDS: [Word; 20] = [
    word("ContractTrade:Order", TRADE),
    word("ContractTrade:Position", TRADE),
    word("Spot:SpotTrade", TRADE),
    word("Options:OptionsTrade", TRADE),
    word("Derivatives:DerivativesTrade", TRADE),
    word("BlockTrade:BlockTrade", TRADE),
    word("Wallet:AccountTransfer", &[Right::InternalTransfer, Right::KeyAdmin]),
    word("Wallet:SubMemberTransfer", &[Right::SubaccountTransfer, Right::KeyAdmin]),
    word("Wallet:SubMemberTransferList", &[Right::SubaccountTransfer, Right::KeyAdmin]),
    word("Wallet:Withdraw", &[Right::Withdraw, Right::KeyAdmin]),
    word("Exchange:ExchangeHistory", &[Right::Convert]),
    word("Earn:Earn", &[Right::Earn]),
    word("CopyTrading:CopyTrading", &[Right::CopyTrade]),
    word("Affiliate:Affiliate", &[Right::Affiliate]),
    word("NFT:NFTQueryProductList", &[Right::Nft]),
    word("FiatP2P:*", &[Right::P2p]),
    word("FiatBitPay:*", &[Right::Pay]),
    word("FiatConvertBroker:*", &[Right::Convert]),
    word("BitCard:*", &[Right::Card]),
    word("ByXPost:*", &[Right::Social]),
];

/// What the groups hold as `Group:Word`; none for a group that is no list of words.
fn group(permissions: Option<&Value>, name: &str) -> Option<Vec<String>> {
    read::texts(permissions?.get(name))
}

/// Groups that keys of main accounts alone have.
const OF_MAIN: [&str; 5] = ["FiatP2P", "FiatBitPay", "FiatConvertBroker", "BitCard", "ByXPost"];

fn holds(permissions: Option<&Value>, word: &str, is_main: Tri) -> Tri {
    let Some((name, word)) = word.split_once(':') else { return Tri::Unknown };
    // That a subaccount's key lacks such a group says that it has nothing of it; of any other group, and of a main account's key, nothing.
    let is_there = permissions.and_then(Value::as_object).is_none_or(|groups| groups.contains_key(name));
    if !is_there && is_main == Tri::No && OF_MAIN.contains(&name) {
        return Tri::No;
    }
    group(permissions, name)
        .map_or(Tri::Unknown, |said| (if word == "*" { !said.is_empty() } else { said.iter().any(|one| one == word) }).into())
}

/// Words and groups that the table has not.
fn strange(permissions: Option<&Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, said) in permissions.and_then(Value::as_object).into_iter().flatten() {
        let known = |word: &str| WORDS.iter().any(|known| known.word == format!("{name}:{word}"));
        match read::texts(Some(said)) {
            Some(words) if !known("*") => found.extend(words.iter().filter(|word| !known(word)).map(|word| format!("{name}:{word}"))),
            Some(_) => {}
            None => found.push(format!("{name}:")),
        }
    }
    found
}

/// When it ends. A key with addresses has no end, which Bybit writes as a negative number of days and a year 1970; `status` 1 is permanent.
fn expiry(row: &Value) -> Expiry {
    use crate::domain::Timestamp;
    let at = row.get("expiredAt").and_then(Value::as_str).and_then(Timestamp::parse);
    let days = row.get("deadlineDay").and_then(Value::as_i64);
    let is_permanent = row.get("status").and_then(Value::as_i64) == Some(1);
    match at {
        // A day after the beginning of time is none that a key ends at.
        Some(at) if at > Timestamp(crate::domain::time::DAY_MS * 1_000) => Expiry::At(at),
        _ if is_permanent => Expiry::Never,
        Some(_) if days.is_some_and(|days| days < 0) => Expiry::Never,
        _ => Expiry::Unknown,
    }
}

fn shared(row: &Value, is_main: Tri) -> KeyFacts {
    let permissions = row.get("permissions");
    let mut facts = KeyFacts { is_main, ..KeyFacts::default() };
    tell(&mut facts, &WORDS, |word| holds(permissions, word, is_main), strange(permissions));
    // Whatever the groups say: a key that only reads does nothing else, and one of which that is not known may.
    let only_reads = read::truth(row.get("readOnly"));
    let granted: Vec<Right> = facts.rights.iter().filter(|(_, has)| *has == Tri::Yes).map(|(right, _)| right).collect();
    for right in granted {
        facts.rights.set(right, only_reads.contrary());
    }
    // Every key may read.
    facts.rights.set(Right::Read, if permissions.is_some_and(Value::is_object) { Tri::Yes } else { Tri::Unknown });
    if only_reads == Tri::Yes {
        facts.words.insert(0, "readOnly".to_owned());
    }
    let ips = read::texts(row.get("ips"));
    facts.bind(ips.map_or(IpRule::Unknown, |ips| IpRule::read(ips.iter().map(String::as_str))));
    facts.expiry = expiry(row);
    facts
}

/// The facts in `result` of `query-api`.
///
/// # Errors
/// `Unknown` when it is no such answer.
pub(in crate::venues) fn own_facts(result: &Value) -> Result<KeyFacts, VenueError> {
    if !result.is_object() {
        return Err(VenueError::unreadable("query-api"));
    }
    let mut facts = shared(result, read::truth(result.get("isMaster")));
    facts.subaccount = read::text(result.get("userID"));
    Ok(facts)
}

/// The facts of one key in the rows of `sub-apikeys`.
///
/// # Errors
/// `NotListed` when the rows, which are all, do not have it.
pub(in crate::venues) fn master_facts(rows: &[Value], key: &SubKey) -> Result<KeyFacts, VenueError> {
    let said = "the main account does not list this key".to_owned();
    let dead = || VenueError::Finding(Finding { kind: FindingKind::NotListed, code: "not listed".to_owned(), said });
    let row = rows.iter().find(|row| read::text(row.get("apiKey")).is_some_and(|id| id == key.key_id)).ok_or_else(dead)?;
    if row.get("status").and_then(Value::as_i64) == Some(2) {
        let said = "the main account lists it as expired".to_owned();
        return Err(VenueError::Finding(Finding { kind: FindingKind::Expired, code: "status 2".to_owned(), said }));
    }
    let mut facts = shared(row, Tri::No);
    facts.subaccount = Some(key.subaccount.clone());
    Ok(facts)
}

/// Measures the key that asks.
pub(super) async fn own(http: &Http, with: &Credential) -> Result<Inspection, VenueError> {
    let result = call(http, with, Call::get("/v5/user/query-api", &[])).await?;
    Ok(evidence::inspection(own_facts(&result)?, MeasuredBy::Own, http.now(), &result))
}

async fn all(http: &Http, master: &Credential, subaccount: &str) -> Result<Vec<Value>, VenueError> {
    let pairs = [("subMemberId", subaccount), ("limit", "20")];
    super::lists::pages(http, master, "/v5/user/sub-apikeys", &pairs, "result").await.whole()
}

/// The names of all keys of a subaccount.
pub(super) async fn listed(http: &Http, master: &Credential, subaccount: &str) -> Result<Vec<String>, VenueError> {
    read::names(&all(http, master, subaccount).await?, &["apiKey"])
}

/// Measures a subaccount's key.
pub(super) async fn by_master(http: &Http, master: &Credential, key: &SubKey) -> Result<Inspection, VenueError> {
    let rows = all(http, master, &key.subaccount).await?;
    let facts = master_facts(&rows, key)?;
    Ok(evidence::inspection(facts, MeasuredBy::Master, http.now(), &Value::Array(rows)))
}
