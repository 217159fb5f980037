//! What Binance says of a key: booleans by name. An unlisted boolean is a word that we do not know. Account-level flags such as `canTrade` of
//! `GET /api/v3/account` say nothing of the key and are not read.

use crate::venues::{
    credential::{Credential, SubKey},
    error::VenueError,
    evidence,
    fact::{Expiry, Inspection, IpRule, KeyFacts, MeasuredBy, Right, TRADE, Tri},
    http::Http,
    read,
    words::{Word, tell, word},
};
use http::Method;
use serde_json::{Value, json};

/// `GET /sapi/v1/account/apiRestrictions`. Trading through FIX is trading, which is easy to overlook.
const OWN: [Word; 11] = [
    word("enableReading", &[Right::Read]),
    word("enableFixReadOnly", &[Right::Read]),
    word("enableSpotAndMarginTrading", TRADE),
    word("enableFutures", TRADE),
    word("enableVanillaOptions", TRADE),
    word("enablePortfolioMarginTrading", TRADE),
    word("enableFixApiTrade", TRADE),
    word("enableMargin", &[Right::Borrow]),
    word("enableWithdrawals", &[Right::Withdraw]),
    word("enableInternalTransfer", &[Right::SubaccountTransfer]),
    word("permitsUniversalTransfer", &[Right::InternalTransfer]),
];
/// Fields of that answer that are no rights.
const OWN_OTHER: [&str; 3] = ["ipRestrict", "createTime", "tradingAuthorityExpirationTime"];

/// `GET /sapi/v1/sub-account/subAccountApi`. It does not speak of withdrawals.
const SUB: [Word; 5] = [
    word("canTrade", TRADE),
    word("canFuturesTrade", TRADE),
    word("canVanillaOptions", TRADE),
    word("canMarginLoanRepay", &[Right::Borrow]),
    word("canUniversalTransfer", &[Right::InternalTransfer]),
];
const SUB_OTHER: [&str; 4] = ["email", "apiName", "apikey", "timestamp"];

/// Fields that neither list has and that are booleans, written either way.
fn strange(answer: &Value, known: &[Word], other: &[&str]) -> Vec<String> {
    let fields = answer.as_object().into_iter().flatten();
    let is_known = |name: &str| other.contains(&name) || known.iter().any(|known| known.word == name);
    let is_right = |name: &str, value: &Value| {
        let is_number = value.is_number();
        (!is_number && read::truth(Some(value)) != Tri::Unknown) || ["enable", "permit", "can"].iter().any(|start| name.starts_with(start))
    };
    fields.filter(|(name, value)| !is_known(name) && is_right(name, value)).map(|(name, _)| name.clone()).collect()
}

/// The facts in the answer about the key that asked.
///
/// # Errors
/// `Unknown` when it is no such answer.
pub(in crate::venues) fn own_facts(answer: &Value) -> Result<KeyFacts, VenueError> {
    if !answer.is_object() {
        return Err(VenueError::unreadable("apiRestrictions"));
    }
    let mut facts = KeyFacts::default();
    tell(&mut facts, &OWN, |word| read::truth(answer.get(word)), strange(answer, &OWN, &OWN_OTHER));
    let is_bound = read::truth(answer.get("ipRestrict"));
    facts.bind(if is_bound == Tri::No { IpRule::Unrestricted } else { IpRule::Unknown });
    facts.is_ip_bound = is_bound;
    facts.expiry = match answer.get("tradingAuthorityExpirationTime") {
        Some(Value::Null) => Expiry::Never,
        at => read::moment(at).map_or(Expiry::Unknown, Expiry::At),
    };
    Ok(facts)
}

/// The facts in what the main account says of one key: its row in the list, and its addresses.
///
/// # Errors
/// `Unknown` when these are no such answers; `NotListed` when the list is whole and the key is not in it.
pub(in crate::venues) fn master_facts(list: &Value, addresses: Option<&Value>, key: &SubKey) -> Result<KeyFacts, VenueError> {
    // `rows` was called `list` before 2026-07-30.
    let rows = read::rows(read::either(list, "rows", "list"), "subAccountApi")?;
    let is_it = |row: &&&Value| read::text(read::either(row, "apikey", "apiKey")).is_some_and(|id| id == key.key_id);
    let Some(row) = rows.iter().find(is_it) else {
        let is_whole = list.get("total").and_then(Value::as_u64).is_some_and(|total| total == rows.len() as u64);
        return Err(if is_whole { super::keys::not_listed() } else { VenueError::unreadable("subAccountApi without the key") });
    };
    let mut facts = KeyFacts::default();
    tell(&mut facts, &SUB, |word| read::truth(row.get(word)), strange(row, &SUB, &SUB_OTHER));
    facts.subaccount = read::text(row.get("email"));
    facts.is_main = Tri::No;
    facts.changed_at = addresses.and_then(|addresses| read::moment(addresses.get("updateTime")));
    let is_bound = addresses.map_or(Tri::Unknown, |addresses| read::truth(addresses.get("ipRestrict")));
    let listed = addresses.and_then(|addresses| read::texts(addresses.get("ipList")));
    facts.bind(match (is_bound, listed) {
        (Tri::No, _) => IpRule::Unrestricted,
        // Restricted to a list without an entry is a contradiction.
        (Tri::Yes, Some(list)) if !list.is_empty() => match IpRule::read(list.iter().map(String::as_str)) {
            IpRule::Unrestricted => IpRule::Unknown,
            rule => rule,
        },
        _ => IpRule::Unknown,
    });
    facts.is_ip_bound = is_bound;
    Ok(facts)
}

/// Measures the key that asks.
pub(super) async fn own(http: &Http, with: &Credential) -> Result<Inspection, VenueError> {
    let answer = super::call::call(http, with, Method::GET, "/sapi/v1/account/apiRestrictions", &[]).await?;
    Ok(evidence::inspection(own_facts(&answer)?, MeasuredBy::Own, http.now(), &answer))
}

const LIST: &str = "/sapi/v1/sub-account/subAccountApi";
/// Pages of a list of keys that are read at most.
const PAGES: u64 = 20;

/// The names of all keys of a subaccount, as many as the venue says that there are.
pub(super) async fn listed(http: &Http, master: &Credential, subaccount: &str) -> Result<Vec<String>, VenueError> {
    let mut names: Vec<String> = Vec::new();
    for page in 1..=PAGES {
        let page = page.to_string();
        let pairs = [("email", subaccount), ("page", page.as_str())];
        let list = super::call::call(http, master, Method::GET, LIST, &pairs).await?;
        let rows = read::rows(read::either(&list, "rows", "list"), "subAccountApi")?;
        names.extend(read::names(rows.iter().copied(), &["apikey", "apiKey"])?);
        // A page that repeats the one before, where the venue knows no pages, adds nothing.
        names.sort();
        names.dedup();
        let total = list.get("total").and_then(Value::as_u64).ok_or_else(|| VenueError::unreadable("subAccountApi without a total"))?;
        match (names.len() as u64).cmp(&total) {
            std::cmp::Ordering::Equal => return Ok(names),
            std::cmp::Ordering::Less if !rows.is_empty() => {}
            _ => break,
        }
    }
    Err(VenueError::unreadable("subAccountApi lists other than all keys"))
}

/// Measures a subaccount's key. When its addresses cannot be read they are unknown, and the rest is what it is.
pub(super) async fn by_master(http: &Http, master: &Credential, key: &SubKey) -> Result<Inspection, VenueError> {
    let pairs = [("email", key.subaccount.as_str()), ("subAccountApiKey", key.key_id.as_str())];
    let list = super::call::call(http, master, Method::GET, LIST, &pairs).await?;
    let addresses = super::call::call(http, master, Method::GET, &format!("{LIST}/ipRestriction"), &pairs).await.ok();
    let facts = master_facts(&list, addresses.as_ref(), key)?;
    Ok(evidence::inspection(facts, MeasuredBy::Master, http.now(), &json!([list, addresses])))
}
