//! Every answer about a key that the documents show, beside what a key for trading is to be: the exact differences. Whatever a venue shows of a
//! good key must be agreement or a question for a person; no sample may end in a riddle that nobody can solve.

use super::{but, fake, key, key_in_base64, key_with_passphrase, live, sample, sub_key};
use andon::domain::{KeyPurpose, KeySheet, Timestamp};
use andon::venues::{Capability, Inspection, Weight, compare};

fn sheet(purpose: KeyPurpose, ips: &str) -> KeySheet {
    KeySheet::new(purpose, ips, None).unwrap()
}

/// What must be mended or asked again, in words, and what is left to a person, by the last words of its line.
fn found(sheet: &KeySheet, of: &Inspection, can: &Capability) -> (Vec<String>, Vec<String>) {
    let all = compare(sheet, &of.facts, of.measured_by, can);
    let (attest, hard): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.weight == Weight::Attest);
    let right = |what: &str| what.strip_prefix("the venue never says whether a key may ").unwrap_or(what).to_owned();
    (hard.iter().map(|one| format!("{} {}", one.weight, one.what)).collect(), attest.iter().map(|one| right(&one.what)).collect())
}

const NOTHING: [&str; 0] = [];
/// What no venue but Bybit and Kraken speaks of.
const OTHER: [&str; 10] = ["earn", "p2p", "pay", "card", "convert", "copy trade", "social", "affiliate", "nft", ""];
const END: &str = "when it ends was not said; it is to end never";
const FROM: &str = "from which addresses it works was not said; it is to from 203.0.113.7/32 alone";

fn attested(first: &[&str], last: &[&str]) -> Vec<String> {
    let other = OTHER.iter().filter(|word| !word.is_empty());
    first.iter().chain(other).chain(last).map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn binance_leaves_its_addresses_to_a_person_and_names_the_market() {
    let (venue, binance) = live("binance", fake::binance).await;
    venue.on("GET /sapi/v1/account/apiRestrictions", sample::BINANCE_OWN);
    venue.on("GET /sapi/v1/sub-account/subAccountApi", sample::BINANCE_SUB);
    venue.on("GET /sapi/v1/sub-account/subAccountApi/ipRestriction", sample::BINANCE_SUB_IP);
    let trades = sheet(KeyPurpose::Execution, "203.0.113.7");
    let (own, can) = (binance.inspect_key(&key()).await.unwrap(), binance.capability());
    let never = ["deposit", "withdraw addresses", "key admin", "export"];
    assert_eq!(found(&trades, &own, &can), (NOTHING.map(str::to_owned).to_vec(), attested(&never, &[FROM, END])));
    let listed = binance.inspect_key_by_master(&key(), &sub_key("..")).await.unwrap();
    let (hard, attest) = found(&trades, &listed, &can);
    assert_eq!(hard, NOTHING);
    let by_master = ["read", "withdraw", "subaccount transfer", "deposit", "withdraw addresses", "key admin", "export"];
    assert_eq!(attest, attested(&by_master, &[END]), "the list does not speak of three rights, and tells the addresses");
    let (_, usdm) = live("binance-usdm", fake::binance).await;
    let futures = usdm.capability();
    let wrong = "wrong it has no enableFutures or canFuturesTrade, which execution takes here";
    let besides = |word: &str| format!("wrong it has {word}, which execution does not take here");
    assert_eq!(found(&trades, &own, &futures).0, [wrong.to_owned(), besides("enableSpotAndMarginTrading")]);
    assert_eq!(found(&trades, &listed, &futures).0, [wrong.to_owned(), besides("canTrade")]);
    venue.only("GET /sapi/v1/account/apiRestrictions", but(sample::BINANCE_OWN, "\"enableFutures\":false", "\"enableFutures\":true"));
    let both = binance.inspect_key(&key()).await.unwrap();
    assert_eq!(found(&trades, &both, &can).0, [besides("enableFutures")]);
}

#[tokio::test]
async fn bybit_says_nearly_everything() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    let can = bybit.capability();
    let own = "GET /v5/user/query-api";
    let never: Vec<String> = ["borrow", "deposit", "withdraw addresses", "export"].map(str::to_owned).to_vec();
    venue.on(own, sample::BYBIT_OWN);
    let ends = Timestamp::parse("2026-01-01T00:00:00Z");
    let trades = KeySheet::new(KeyPurpose::Execution, "203.0.113.7", ends).unwrap();
    let measured = bybit.inspect_key(&key()).await.unwrap();
    assert_eq!(found(&trades, &measured, &can), (Vec::new(), never.clone()));
    let another = trades.clone().of_account(Some("1".to_owned()));
    assert_eq!(found(&another, &measured, &can).0, ["wrong it belongs to the account 24617703, and is to belong to 1"]);
    venue.only(own, but(sample::BYBIT_OWN, "\"isMaster\":false", "\"isMaster\":true"));
    let main = bybit.inspect_key(&key()).await.unwrap();
    assert_eq!(found(&trades, &main, &can).0, ["wrong it belongs to a main account; one bot, one subaccount"]);
    venue.on("GET /v5/user/sub-apikeys", sample::BYBIT_SUB);
    let mut key_of = sub_key("100400345");
    key_of.key_id = "XXXXXX".to_owned();
    let listed = bybit.inspect_key_by_master(&key(), &key_of).await.unwrap();
    let trades = KeySheet::new(KeyPurpose::Execution, "203.0.113.7", Timestamp::parse("2023-12-01T02:36:06Z")).unwrap();
    let (hard, attest) = found(&trades, &listed, &can);
    assert_eq!(
        hard,
        [
            "wrong it may internal transfer, which execution does not take",
            "wrong it may subaccount transfer, which execution does not take",
            "wrong it may key admin, which execution does not take",
            "wrong it may convert, which execution does not take",
            "wrong it has Options:OptionsTrade, which execution does not take here",
            "wrong it works from anywhere, and is to from 203.0.113.7/32 alone",
        ],
        "groups of main accounts are no question"
    );
    assert_eq!(attest, never);
}

#[tokio::test]
async fn okx_and_kraken_leave_what_they_never_say() {
    let (venue, okx) = live("okx", fake::okx).await;
    venue.on("GET /api/v5/account/config", sample::OKX_CONFIG).on("GET /api/v5/users/subaccount/apikey", sample::OKX_SUB);
    let never = ["borrow", "deposit", "withdraw addresses", "key admin", "export"];
    let own = okx.inspect_key(&key_with_passphrase()).await.unwrap();
    let trades = sheet(KeyPurpose::Execution, "203.0.113.7, 203.0.113.0/28");
    assert_eq!(found(&trades, &own, &okx.capability()), (Vec::new(), attested(&never, &[END])));
    let listed = okx.inspect_key_by_master(&key_with_passphrase(), &sub_key("grid-1")).await.unwrap();
    let trades = sheet(KeyPurpose::Execution, "203.0.113.7").of_account(Some("grid-1".to_owned()));
    assert_eq!(found(&trades, &listed, &okx.capability()), (Vec::new(), attested(&never, &[END])));

    let (venue, futures) = live("kraken-futures", fake::kraken_futures).await;
    venue.on("GET /api/auth/v1/api-keys/v3/check", sample::FUTURES_OWN);
    let own = futures.inspect_key(&key_in_base64()).await.unwrap();
    let trades = sheet(KeyPurpose::Execution, "203.0.113.0/24");
    assert_eq!(found(&trades, &own, &futures.capability()), (Vec::new(), attested(&never, &[END])));

    let (venue, kraken) = live("kraken", fake::kraken).await;
    let at = "POST /0/private/GetApiKeyInfo";
    venue.on(at, sample::KRAKEN_OWN).on(at, sample::KRAKEN_OWN_SNAKE);
    let never = ["internal transfer", "subaccount transfer", "borrow", "key admin"];
    let never = attested(&never, &[]).into_iter().filter(|right| right != "earn").collect::<Vec<_>>();
    for _ in 0..2 {
        let own = kraken.inspect_key(&key_in_base64()).await.unwrap();
        for purpose in [KeyPurpose::Execution, KeyPurpose::Guard] {
            assert_eq!(found(&sheet(purpose, "203.0.113.0/24"), &own, &kraken.capability()), (Vec::new(), never.clone()));
        }
    }
    venue.only(at, but(sample::KRAKEN_OWN, "\"query-open-trades\",", ""));
    let blind = kraken.inspect_key(&key_in_base64()).await.unwrap();
    let guards = sheet(KeyPurpose::Guard, "203.0.113.0/24");
    assert_eq!(found(&guards, &blind, &kraken.capability()).0, ["wrong it has no query-open-trades, which guard takes here"]);
}
