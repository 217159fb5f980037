//! Bybit: words in groups, read-only over all of them, pages, and calls that take five hundred.

use super::{at, but, fake, key, live, rights, sample, sub_key};
use andon::domain::{Environment, Timestamp};
use andon::venues::{CancelScope, Expiry, FindingKind, IpRule, Right, Tri, VenueError};
use serde_json::json;

const OWN: &str = "GET /v5/user/query-api";
const SUB: &str = "GET /v5/user/sub-apikeys";
const ORDERS: &str = "GET /v5/order/realtime";
const CANCEL: &str = "POST /v5/order/cancel-all";

#[tokio::test]
async fn a_key_tells_everything_of_itself() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    venue.on(OWN, sample::BYBIT_OWN);
    let found = bybit.inspect_key(&key()).await.unwrap();
    let (yes, no) = rights(&found);
    assert_eq!(yes, [Right::Read, Right::Trade, Right::Cancel]);
    for right in [Right::Withdraw, Right::InternalTransfer, Right::SubaccountTransfer, Right::P2p, Right::Card, Right::KeyAdmin] {
        assert!(no.contains(&right), "{right}");
    }
    assert_eq!(found.facts.ips, IpRule::Only(vec!["203.0.113.7/32".parse().unwrap()]));
    assert_eq!(found.facts.expiry, Expiry::At(Timestamp::parse("2026-01-01T00:00:00Z").unwrap()));
    assert_eq!((found.facts.subaccount.as_deref(), found.facts.is_main), (Some("24617703"), Tri::No));
    venue.only(OWN, but(sample::BYBIT_OWN, "LEVEL_1", "LEVEL_2"));
    assert_eq!(bybit.inspect_key(&key()).await.unwrap().answer_sha256, found.answer_sha256, "personal data is in no digest");
    venue.only(OWN, but(sample::BYBIT_OWN, "\"Order\",", ""));
    assert_ne!(bybit.inspect_key(&key()).await.unwrap().answer_sha256, found.answer_sha256);
}

#[tokio::test]
async fn a_transfer_right_is_one_over_the_key_itself_and_groups_that_are_missing_are_unknown() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    venue.on(OWN, sample::BYBIT_OWN_DOCS);
    let facts = bybit.inspect_key(&key()).await.unwrap().facts;
    assert_eq!((facts.right(Right::InternalTransfer), facts.right(Right::KeyAdmin)), (Tri::Yes, Tri::Yes));
    assert_eq!((facts.right(Right::Withdraw), facts.right(Right::Trade), facts.right(Right::P2p)), (Tri::No, Tri::No, Tri::Unknown));
    assert_eq!(facts.ips, IpRule::Unrestricted);
}

#[tokio::test]
async fn read_only_wins_over_filled_groups_and_nobody_assumes_it() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    for (said, trade) in [
        ("1", Tri::No),
        ("true", Tri::No),
        ("\"1\"", Tri::No),
        ("0", Tri::Yes),
        ("false", Tri::Yes),
        ("2", Tri::Unknown),
        ("null", Tri::Unknown),
    ] {
        venue.only(OWN, but(sample::BYBIT_OWN, "\"readOnly\":0", &format!("\"readOnly\":{said}")));
        let facts = bybit.inspect_key(&key()).await.unwrap().facts;
        assert_eq!((facts.right(Right::Trade), facts.right(Right::Read)), (trade, Tri::Yes), "{said}");
    }
}

#[tokio::test]
async fn new_words_and_new_groups_are_drift() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    for (this, that, word) in [
        ("\"Wallet\":[]", "\"Wallet\":[\"Beam\"]", "Wallet:Beam"),
        ("\"Wallet\":[]", "\"Wallet\":[],\"Orbit\":[\"Launch\"]", "Orbit:Launch"),
        ("\"Wallet\":[]", "\"Wallet\":\"Withdraw\"", "Wallet:"),
    ] {
        venue.only(OWN, but(sample::BYBIT_OWN, this, that));
        let facts = bybit.inspect_key(&key()).await.unwrap().facts;
        assert_eq!((facts.unknown_words, facts.rights.has(Right::Withdraw)), (vec![word.to_owned()], Tri::Unknown), "{that}");
    }
}

#[tokio::test]
async fn a_year_1970_with_a_negative_count_of_days_is_no_end() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    let with = |days: &str, at: &str| {
        but(&but(sample::BYBIT_OWN, "\"deadlineDay\":83", &format!("\"deadlineDay\":{days}")), "2026-01-01T00:00:00Z", at)
    };
    for (days, at, is) in [
        ("-20000", "1970-01-01T00:00:00Z", Expiry::Never),
        ("83", "1970-01-01T00:00:00Z", Expiry::Unknown),
        ("-3", "2026-01-01T00:00:00Z", Expiry::At(Timestamp::parse("2026-01-01T00:00:00Z").unwrap())),
        ("-3", "", Expiry::Unknown),
    ] {
        venue.only(OWN, with(days, at));
        assert_eq!(bybit.inspect_key(&key()).await.unwrap().facts.expiry, is, "{days} {at}");
    }
}

#[tokio::test]
async fn codes_are_findings_or_say_nothing() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    let refuse = async |code: i64| {
        venue.only(OWN, format!("{{\"retCode\":{code},\"retMsg\":\"Said.\",\"result\":{{}}}}"));
        bybit.inspect_key(&key()).await.unwrap_err()
    };
    for (code, finding) in [
        (10003, FindingKind::KeyRefused),
        (10005, FindingKind::PermissionMissing),
        (10010, FindingKind::IpRefused),
        (33004, FindingKind::Expired),
        (10004, FindingKind::SignatureWrong),
        (10002, FindingKind::ClockWrong),
    ] {
        assert_eq!(refuse(code).await.finding(), Some(finding), "{code}");
    }
    for code in [10006, 10016, 170_001] {
        assert!(matches!(refuse(code).await, VenueError::Unknown { .. }), "{code}");
    }
}

#[tokio::test]
async fn a_main_account_lists_keys_and_says_which_are_not_there() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    venue.on(SUB, sample::BYBIT_SUB);
    assert_eq!(bybit.sub_keys(&key(), "100400345").await.unwrap(), ["XXXXXX"]);
    let mut key_of = sub_key("100400345");
    assert_eq!(bybit.inspect_key_by_master(&key(), &key_of).await.unwrap_err().finding(), Some(FindingKind::NotListed));
    key_of.key_id = "XXXXXX".to_owned();
    let facts = bybit.inspect_key_by_master(&key(), &key_of).await.unwrap().facts;
    assert_eq!((facts.right(Right::Trade), facts.right(Right::SubaccountTransfer), facts.ips), (Tri::Yes, Tri::Yes, IpRule::Unrestricted));
    venue.only(SUB, but(sample::BYBIT_SUB, "\"status\": 3", "\"status\": 2"));
    assert_eq!(bybit.inspect_key_by_master(&key(), &key_of).await.unwrap_err().finding(), Some(FindingKind::Expired));
    venue.seen();
    venue
        .on("POST /v5/user/update-sub-api", r#"{"retCode":0,"result":{}}"#)
        .on("POST /v5/user/delete-sub-api", r#"{"retCode":0,"result":{}}"#);
    bybit.demote_key(&key(), &key_of).await.unwrap();
    bybit.delete_key(&key(), &key_of).await.unwrap();
    let bodies: Vec<_> = venue.seen().iter().map(fake::Seen::json).collect();
    assert_eq!(bodies, [json!({"apikey": "XXXXXX", "readOnly": 1}), json!({"apikey": "XXXXXX"})]);
    for body in [r#"{"retCode":0}"#, r#"{"retCode":0,"result":null}"#] {
        venue.only("POST /v5/user/delete-sub-api", body);
        let error = bybit.delete_key(&key(), &key_of).await.unwrap_err();
        assert!(matches!(error, VenueError::ExecutionUnknown(_)), "good, and no word of what: {error}");
    }
}

#[tokio::test]
async fn groups_of_main_accounts_are_no_riddle_at_a_subaccounts_key() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    let gone = "\"FiatP2P\":[],\"FiatBitPay\":[],\"FiatConvertBroker\":[],\"BitCard\":[],\"ByXPost\":[],";
    let body = but(sample::BYBIT_OWN, gone, "");
    venue.only(OWN, body.clone());
    let facts = bybit.inspect_key(&key()).await.unwrap().facts;
    for right in [Right::P2p, Right::Pay, Right::Convert, Right::Card, Right::Social] {
        assert_eq!(facts.right(right), Tri::No, "{right}");
    }
    for (this, that) in [("\"isMaster\":false", "\"isMaster\":true"), ("\"isMaster\":false,", "")] {
        venue.only(OWN, but(&body, this, that));
        assert_eq!(bybit.inspect_key(&key()).await.unwrap().facts.right(Right::P2p), Tri::Unknown, "{that}");
    }
    venue.only(OWN, but(sample::BYBIT_OWN, "\"Earn\":[],", ""));
    assert_eq!(bybit.inspect_key(&key()).await.unwrap().facts.right(Right::Earn), Tri::Unknown, "a group that it should have");
}

const NONE: &str = r#"{"retCode":0,"retMsg":"OK","result":{"list":[],"nextPageCursor":""}}"#;

#[tokio::test]
async fn orders_of_every_category_are_read_to_the_last_page() {
    let (venue, bybit) = at("bybit", Environment::Test, fake::bybit).await;
    venue.on(ORDERS, sample::BYBIT_ORDERS).on(ORDERS, NONE);
    let orders = bybit.open_orders(&key()).await.unwrap();
    assert_eq!(
        (orders.len(), orders[0].is_entry, orders[0].market.as_str()),
        (1, Some(true), "linear"),
        "buying, in hedge mode, on the long side"
    );
    let seen = venue.seen();
    assert!(
        seen[1].query.ends_with("cursor=page_args%3Dfd4300ae-7847-404e-b947-b46980a4d140%26symbol%3D6%26"),
        "as it came: {}",
        seen[1].query
    );
    let asked: Vec<_> = seen.iter().map(|seen| (seen.value("category").unwrap(), seen.value("settleCoin"))).collect();
    assert_eq!(asked.len(), 6);
    assert!(asked.contains(&("linear".to_owned(), Some("USDC".to_owned()))) && asked.contains(&("option".to_owned(), None)));
    venue.only(ORDERS, sample::BYBIT_ORDERS);
    assert!(matches!(bybit.open_orders(&key()).await, Err(VenueError::Unknown { .. })), "pages that go round are no list");
}

#[tokio::test]
async fn a_stop_protects_and_an_unmarked_one_is_not_known() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    for (this, that, is) in [
        ("\"stopOrderType\": \"UNKNOWN\"", "\"stopOrderType\": \"StopLoss\"", Some(false)),
        ("\"stopOrderType\": \"UNKNOWN\"", "\"stopOrderType\": \"Stop\"", None),
        ("\"reduceOnly\": false", "\"reduceOnly\": true", Some(false)),
        ("\"reduceOnly\": false,", "", None),
        ("\"stopOrderType\": \"UNKNOWN\",", "", None),
        ("\"orderStatus\": \"New\",", "", None),
        ("\"positionIdx\": 0", "\"positionIdx\": \"0\"", None),
        ("\"positionIdx\": 0,", "", None),
        ("\"side\": \"Buy\"", "\"side\": \"Buy\"", Some(true)),
    ] {
        let body = but(sample::BYBIT_ORDERS, "\"positionIdx\": 1", "\"positionIdx\": 0")
            .replace("page_args%3Dfd4300ae-7847-404e-b947-b46980a4d140%26symbol%3D6%26", "");
        venue.only(ORDERS, but(&body, this, that));
        venue.on(ORDERS, NONE);
        assert_eq!(bybit.open_orders(&key()).await.unwrap()[0].is_entry, is, "{that}");
    }
}

#[tokio::test]
async fn cancelling_goes_on_while_a_call_takes_as_many_as_it_can() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    let full = json!({"retCode": 0, "result": {"list": vec![json!({"orderId": "1"}); 500], "success": "1"}}).to_string();
    venue.on(ORDERS, NONE).on(CANCEL, full.as_str()).on(CANCEL, sample::BYBIT_CANCELLED);
    let done = bybit.cancel_all(&key(), CancelScope::All).await.unwrap();
    let wishes: Vec<_> = venue.seen().into_iter().filter(|seen| seen.what == CANCEL).map(|seen| seen.json()).collect();
    let count = |category: &str| wishes.iter().filter(|wish| wish["category"] == category).count();
    let (linear, spot, option) = (count("linear"), count("spot"), count("option"));
    assert_eq!(linear + spot + option, if linear == 3 { 9 } else { 8 }, "the full one again, where the call is bounded");
    assert_eq!((spot, option), (5, 1), "spot needs a call for each kind of order");
    assert!(done.told >= 500);
    venue.only(CANCEL, but(sample::BYBIT_CANCELLED, "\"success\": \"1\"", "\"success\": \"0\""));
    assert!(matches!(bybit.cancel_all(&key(), CancelScope::All).await, Err(VenueError::Unknown { .. })), "taken and not done");
}

#[tokio::test]
async fn a_page_that_fails_keeps_nothing_that_was_read_from_being_cancelled() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    venue.on(ORDERS, sample::BYBIT_ORDERS).on(ORDERS, fake::Answer::of(429, "{}")).on(ORDERS, NONE);
    venue.on("POST /v5/order/cancel", r#"{"retCode":0,"result":{}}"#);
    assert!(matches!(bybit.cancel_all(&key(), CancelScope::Entries).await, Err(VenueError::Unknown { .. })), "not all was read");
    assert_eq!(venue.asked().iter().filter(|what| *what == "POST /v5/order/cancel").count(), 1);
}

#[tokio::test]
async fn entries_are_cancelled_one_by_one_and_gone_is_done() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    venue
        .on(ORDERS, sample::BYBIT_ORDERS)
        .on(ORDERS, NONE)
        .on("POST /v5/order/cancel", r#"{"retCode":110001,"retMsg":"order not exists","result":{}}"#);
    assert_eq!(bybit.cancel_all(&key(), CancelScope::Entries).await.unwrap().told, 0);
    let told = venue.seen().into_iter().find(|seen| seen.what == "POST /v5/order/cancel").unwrap().json();
    assert_eq!(told, json!({"category": "linear", "symbol": "ETHUSDT", "orderId": "fd4300ae-7847-404e-b947-b46980a4d140"}));
    assert!(matches!(bybit.arm_cancel(&key()).await, Err(VenueError::Cannot(_))), "no lever for a server");
}

#[tokio::test]
async fn positions_and_balances_are_read_with_their_sign() {
    let (venue, bybit) = live("bybit", fake::bybit).await;
    venue.on("GET /v5/position/list", sample::BYBIT_POSITIONS).on("GET /v5/position/list", NONE);
    venue.on("GET /v5/account/wallet-balance", sample::BYBIT_WALLET);
    let positions = bybit.positions(&key()).await.unwrap();
    assert_eq!((positions.len(), positions[0].quantity.shortest().as_str()), (1, "-0.55"));
    let balances = bybit.balances(&key()).await.unwrap();
    assert_eq!((balances.len(), balances[0].total.shortest().as_str(), balances[0].wallet.as_str()), (1, "0.5", "UNIFIED"));
}
