//! Binance spot, and what both of its markets share: keys.

use super::{at, but, fake, key, live, rights, sample, sub_key};
use andon::domain::{Environment, Secret, Timestamp};
use andon::venues::{CancelScope, Credential, Expiry, FindingKind, IpRule, MeasuredBy, Right, Tri, VenueError};

const OWN: &str = "GET /sapi/v1/account/apiRestrictions";
const SUB: &str = "GET /sapi/v1/sub-account/subAccountApi";
const SUB_IP: &str = "GET /sapi/v1/sub-account/subAccountApi/ipRestriction";

#[tokio::test]
async fn a_key_tells_its_rights_and_that_its_addresses_are_restricted() {
    let (venue, binance) = live("binance", fake::binance).await;
    venue.on(OWN, sample::BINANCE_OWN);
    let found = binance.inspect_key(&key()).await.unwrap();
    let no = vec![Right::Withdraw, Right::InternalTransfer, Right::SubaccountTransfer, Right::Borrow];
    assert_eq!(rights(&found), (vec![Right::Read, Right::Trade, Right::Cancel], no));
    assert_eq!((&found.facts.ips, found.facts.is_ip_bound), (&IpRule::Unknown, Tri::Yes), "restricted, and to what it does not say");
    assert_eq!((found.facts.expiry, found.measured_by), (Expiry::Unknown, MeasuredBy::Own));
    assert_eq!(found.facts.words, ["enableFixReadOnly", "enableReading", "enableSpotAndMarginTrading"]);
    assert!(!found.facts.has_unknown_words() && found.answer_sha256.len() == 64);
    let seen = venue.seen();
    assert!(seen[0].query.contains("recvWindow=5000") && seen[0].body.is_empty());
}

#[tokio::test]
async fn an_ed25519_key_signs_as_its_public_key_verifies() {
    let (venue, binance) = live("binance", fake::binance_ed25519).await;
    venue.on(OWN, sample::BINANCE_OWN);
    let secret = "MC4CAQAwBQYDK2VwBCIEIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n");
    for secret in [secret.to_owned(), pem] {
        binance.inspect_key(&Credential::new(fake::KEY, Secret::new(secret))).await.unwrap();
    }
    assert_eq!(venue.seen().len(), 2);
}

#[tokio::test]
async fn what_is_missing_strange_or_new_is_unknown_and_never_no() {
    let (venue, binance) = live("binance", fake::binance).await;
    let own = sample::BINANCE_OWN;
    let measure = async |body: String| {
        venue.only(OWN, body);
        binance.inspect_key(&key()).await.unwrap().facts
    };
    let facts = measure(but(own, "\"enableWithdrawals\":false", "\"enableWithdrawals\":\"false\"")).await;
    assert_eq!(facts.right(Right::Withdraw), Tri::No, "a boolean that is text");
    let facts = measure(but(own, "\"enableWithdrawals\":false", "\"enableWithdrawals\":\"true\"")).await;
    assert_eq!(facts.right(Right::Withdraw), Tri::Yes);
    for gone in ["\"x\":false", "\"enableWithdrawals\":null", "\"enableWithdrawals\":\"no\"", "\"enableWithdrawals\":[]"] {
        let facts = measure(but(own, "\"enableWithdrawals\":false", gone)).await;
        assert_eq!(facts.right(Right::Withdraw), Tri::Unknown, "{gone}");
    }
    let facts = measure(but(own, "\"enableFixApiTrade\":false", "\"enableFixApiTrade\":true")).await;
    assert!(facts.words.contains(&"enableFixApiTrade".to_owned()), "a way to trade that is easy to overlook");
    let facts = measure(but(own, "{\"ipRestrict\"", "{\"enableTeleport\":true,\"ipRestrict\"")).await;
    assert_eq!(facts.unknown_words, ["enableTeleport"]);
    assert_eq!((facts.right(Right::Withdraw), facts.right(Right::Trade)), (Tri::Unknown, Tri::Yes), "who knows what it grants");
    let facts = measure(but(own, "\"ipRestrict\":true", "\"ipRestrict\":false")).await;
    assert_eq!((facts.ips, facts.is_ip_bound), (IpRule::Unrestricted, Tri::No));
    let facts = measure(but(own, "\"ipRestrict\":true,", "")).await;
    assert_eq!((facts.ips, facts.is_ip_bound), (IpRule::Unknown, Tri::Unknown));
}

#[tokio::test]
async fn the_end_of_a_key_is_told_by_some_answers_only() {
    let (venue, binance) = live("binance", fake::binance).await;
    for (said, is) in [
        ("1800000000000", Expiry::At(Timestamp(1_800_000_000_000_000))),
        ("null", Expiry::Never),
        ("\"soon\"", Expiry::Unknown),
        ("0", Expiry::Unknown),
    ] {
        venue.only(OWN, but(sample::BINANCE_OWN, "{\"ip", &format!("{{\"tradingAuthorityExpirationTime\":{said},\"ip")));
        assert_eq!(binance.inspect_key(&key()).await.unwrap().facts.expiry, is, "{said}");
    }
}

#[tokio::test]
async fn codes_are_findings_or_say_nothing() {
    let (venue, binance) = live("binance", fake::binance).await;
    let refuse = async |code: i64| {
        venue.only(OWN, fake::Answer::of(400, format!("{{\"code\":{code},\"msg\":\"Said.\"}}")));
        binance.inspect_key(&key()).await.unwrap_err()
    };
    for (code, finding) in [
        (-2015, FindingKind::KeyRefused),
        (-2014, FindingKind::KeyRefused),
        (-2008, FindingKind::KeyRefused),
        (-1022, FindingKind::SignatureWrong),
        (-1021, FindingKind::ClockWrong),
    ] {
        assert_eq!(refuse(code).await.finding(), Some(finding), "{code}");
    }
    for code in [-1007, -1003, -9999] {
        let error = refuse(code).await;
        assert!(matches!(error, VenueError::Unknown { .. }), "{code}: {error}");
    }
    assert!(!FindingKind::KeyRefused.proves_dead() && !FindingKind::NotListed.proves_dead(), "it may be our address, or our name for it");
}

#[tokio::test]
async fn a_main_account_tells_the_addresses_of_a_subaccounts_key() {
    let (venue, binance) = live("binance", fake::binance).await;
    venue.on(SUB, sample::BINANCE_SUB).on(SUB_IP, sample::BINANCE_SUB_IP);
    let key_of = sub_key("grid+1@example.com");
    let found = binance.inspect_key_by_master(&key(), &key_of).await.unwrap();
    assert_eq!(found.facts.ips, IpRule::Only(vec!["203.0.113.7/32".parse().unwrap()]), "\"true\" is true");
    assert_eq!((found.measured_by, found.facts.right(Right::Trade)), (MeasuredBy::Master, Tri::Yes));
    assert_eq!(found.facts.right(Right::Withdraw), Tri::Unknown, "that list does not speak of it");
    assert!(venue.seen()[0].query.contains("email=grid%2B1%40example.com"), "encoded before it is signed");
    venue.only(SUB, sample::BINANCE_SUB.replace("\"rows\"", "\"list\""));
    assert!(binance.inspect_key_by_master(&key(), &key_of).await.is_ok(), "as it was called before");
    venue.only(SUB_IP, fake::Answer::of(500, ""));
    let facts = binance.inspect_key_by_master(&key(), &key_of).await.unwrap().facts;
    assert_eq!((facts.ips, facts.is_ip_bound), (IpRule::Unknown, Tri::Unknown));
    venue.only(SUB_IP, but(sample::BINANCE_SUB_IP, "[\"203.0.113.7\"]", "[]"));
    assert_eq!(binance.inspect_key_by_master(&key(), &key_of).await.unwrap().facts.ips, IpRule::Unknown, "a contradiction");
    venue.only(SUB, r#"{"total":0,"rows":[]}"#);
    let error = binance.inspect_key_by_master(&key(), &key_of).await.unwrap_err();
    assert_eq!(error.finding(), Some(FindingKind::NotListed));
    venue.only(SUB, r#"{"total":7,"rows":[]}"#);
    let error = binance.inspect_key_by_master(&key(), &key_of).await.unwrap_err();
    assert_eq!(error.finding(), None, "seven that are not shown");
}

#[tokio::test]
async fn a_key_is_demoted_or_deleted_by_the_main_account() {
    let (venue, binance) = live("binance", fake::binance).await;
    venue.on("POST /sapi/v1/sub-account/subAccountApiPermission", "{}").on("DELETE /sapi/v1/sub-account/subAccountApi", "{}");
    binance.demote_key(&key(), &sub_key("a@b.c")).await.unwrap();
    binance.delete_key(&key(), &sub_key("a@b.c")).await.unwrap();
    let seen = venue.seen();
    for flag in ["canTrade", "canFuturesTrade", "canMarginLoanRepay", "canUniversalTransfer", "canVanillaOptions"] {
        assert_eq!(seen[0].value(flag).as_deref(), Some("false"), "{flag}");
    }
    assert_eq!((seen[1].value("subAccountApiKey").as_deref(), seen.len()), (Some(".."), 2));
}

#[tokio::test]
async fn the_names_of_a_subaccounts_keys_are_all_of_them_or_none() {
    let (venue, binance) = live("binance", fake::binance).await;
    let page =
        |total: u8, name: &str| but(&but(sample::BINANCE_SUB, "\"total\":1", &format!("\"total\":{total}")), "\"apikey\":\"..\"", name);
    venue.on(SUB, page(2, r#""apikey":"a""#)).on(SUB, page(2, r#""apiKey":"b""#));
    assert_eq!(binance.sub_keys(&key(), "a@b.c").await.unwrap(), ["a", "b"]);
    let pages: Vec<_> = venue.seen().iter().filter_map(|seen| seen.value("page")).collect();
    assert_eq!(pages, ["1", "2"]);
    for short in [page(3, r#""apikey":"a""#), page(0, r#""apikey":"a""#), page(1, r#""strange":"a""#), r#"{"rows":[]}"#.to_owned()] {
        venue.only(SUB, short.as_str());
        assert!(matches!(binance.sub_keys(&key(), "a@b.c").await, Err(VenueError::Unknown { .. })), "{short}");
    }
    venue.only(SUB, r#"{"total":0,"rows":[]}"#);
    assert!(binance.sub_keys(&key(), "a@b.c").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_testnet_measures_no_key_and_asks_nobody() {
    let (venue, binance) = at("binance", Environment::Test, fake::binance).await;
    for error in [binance.inspect_key(&key()).await.unwrap_err(), binance.delete_key(&key(), &sub_key("a")).await.unwrap_err()] {
        assert!(matches!(error, VenueError::Cannot(_)));
    }
    assert!(venue.seen().is_empty());
}

#[tokio::test]
async fn spot_cancels_symbol_by_symbol_and_finds_nothing_to_cancel_in_order() {
    let (venue, binance) = live("binance", fake::binance).await;
    venue.on("GET /api/v3/openOrders", sample::BINANCE_SPOT_ORDERS).on("DELETE /api/v3/openOrders", sample::BINANCE_SPOT_ORDERS);
    let orders = binance.open_orders(&key()).await.unwrap();
    assert_eq!((orders[0].id.as_str(), orders[0].is_entry, orders[0].is_conditional), ("1", None, false));
    assert_eq!(binance.cancel_all(&key(), CancelScope::All).await.unwrap().told, 1);
    assert_eq!(venue.seen()[2].value("symbol").as_deref(), Some("LTCBTC"));
    venue.only("DELETE /api/v3/openOrders", fake::Answer::of(400, r#"{"code":-2011,"msg":"Unknown order sent."}"#));
    assert_eq!(binance.cancel_all(&key(), CancelScope::All).await.unwrap().told, 0);
    venue.only("DELETE /api/v3/openOrders", fake::Answer::of(400, r#"{"code":-2011,"msg":"Order cancel was rejected."}"#));
    assert_eq!(binance.cancel_all(&key(), CancelScope::All).await.unwrap_err().code(), Some("-2011"), "refused, and not gone");
    let refused = binance.cancel_all(&key(), CancelScope::Entries).await.unwrap_err();
    assert!(matches!(refused, VenueError::Cannot(_)), "spot does not tell: {refused}");
    assert!(matches!(binance.arm_cancel(&key()).await, Err(VenueError::Cannot(_))));
}

#[tokio::test]
async fn what_can_be_read_is_cancelled_and_the_rest_is_an_error() {
    let (venue, binance) = live("binance", fake::binance).await;
    let torn = but(sample::BINANCE_SPOT_ORDERS, "[", r#"[{"symbol":"ETHBTC"},7,"#);
    venue.on("GET /api/v3/openOrders", torn).on("DELETE /api/v3/openOrders", sample::BINANCE_SPOT_ORDERS);
    assert!(matches!(binance.open_orders(&key()).await, Err(VenueError::Unknown { .. })), "shown whole or not at all");
    assert!(matches!(binance.cancel_all(&key(), CancelScope::All).await, Err(VenueError::Unknown { .. })));
    let told: Vec<_> = venue.seen().iter().filter(|seen| seen.what.starts_with("DELETE")).filter_map(|seen| seen.value("symbol")).collect();
    assert_eq!(told, ["LTCBTC"]);
    let long = but(sample::BINANCE_SPOT_ORDERS, "[", &format!("[{}", " ".repeat(2 << 20)));
    venue.only("GET /api/v3/openOrders", long);
    assert_eq!(binance.cancel_all(&key(), CancelScope::All).await.unwrap().told, 1, "a list may be longer than another answer");
}

#[tokio::test]
async fn balances_are_whole_or_unknown() {
    let (venue, binance) = live("binance", fake::binance).await;
    venue.on("GET /api/v3/account", sample::BINANCE_ACCOUNT);
    let balances = binance.balances(&key()).await.unwrap();
    assert_eq!(
        balances.iter().map(|one| (one.asset.as_str(), one.total.shortest())).collect::<Vec<_>>(),
        [("BTC", "4723846.89208129".to_owned()), ("LTC", "4.5".to_owned())]
    );
    assert_eq!(binance.positions(&key()).await.unwrap(), []);
    venue.only("GET /api/v3/account", but(sample::BINANCE_ACCOUNT, "\"4.50000000\"", "\"many\""));
    assert!(matches!(binance.balances(&key()).await, Err(VenueError::Unknown { .. })));
}
