//! Kraken futures: levels instead of words, numbers instead of text.

use super::{but, fake, key_in_base64 as key, live, rights, sample};
use andon::domain::Timestamp;
use andon::venues::{CancelScope, FindingKind, IpRule, Right, Tri, VenueError};

const OWN: &str = "GET /api/auth/v1/api-keys/v3/check";
const ORDERS: &str = "GET /derivatives/api/v3/openorders";

#[tokio::test]
async fn a_key_tells_its_levels() {
    let (venue, futures) = live("kraken futures", fake::kraken_futures).await;
    venue.on(OWN, sample::FUTURES_OWN);
    let found = futures.inspect_key(&key()).await.unwrap();
    let yes = vec![Right::Read, Right::Trade, Right::Cancel, Right::InternalTransfer, Right::SubaccountTransfer];
    assert_eq!(rights(&found), (yes, vec![Right::Withdraw]));
    assert_eq!(found.facts.subaccount.as_deref(), Some("3c90c3cc-0d44-4b50-8888-8dd25736052a"));
    let measure = async |this: &str, that: &str| {
        venue.only(OWN, but(sample::FUTURES_OWN, this, that));
        futures.inspect_key(&key()).await.unwrap().facts
    };
    let facts = measure("FULL_ACCESS", "READ_ONLY").await;
    assert_eq!((facts.right(Right::Read), facts.right(Right::Trade)), (Tri::Yes, Tri::No));
    assert_eq!(measure("NO_ACCESS", "FULL_ACCESS").await.right(Right::Withdraw), Tri::Yes);
    let facts = measure("NO_ACCESS", "SOME_ACCESS").await;
    assert_eq!((facts.right(Right::Withdraw), facts.unknown_words), (Tri::Unknown, vec!["transfer:SOME_ACCESS".to_owned()]));
    assert_eq!(measure("\"transfer\"", "\"earn\"").await.right(Right::Withdraw), Tri::Unknown);
    let (one, list) = ("\"allowedCidrBlock\":\"203.0.113.0/24\"", ",\"allowedCidrBlocks\":[\"203.0.113.0/24\"]");
    assert_eq!(measure(list, "").await.ips, IpRule::Only(vec!["203.0.113.0/24".parse().unwrap()]), "as older answers have it");
    assert_eq!(measure(&format!("{one}{list}"), "\"allowedCidrBlock\":null").await.ips, IpRule::Unrestricted);
    assert_eq!(measure(&format!(",{one}{list}"), "").await.ips, IpRule::Unknown);
}

#[tokio::test]
async fn what_is_refused_is_a_finding_where_it_says_something() {
    let (venue, futures) = live("kraken futures", fake::kraken_futures).await;
    venue.on(OWN, fake::Answer::of(401, "not authorised"));
    assert_eq!(futures.inspect_key(&key()).await.unwrap_err().finding(), Some(FindingKind::KeyRefused), "key or signature");
    assert_eq!(venue.seen()[0].headers.get("nonce"), None, "a bot's own count is left alone");
    for (body, finding) in [
        ("<html>denied</html>", None),
        ("{}", None),
        (r#"{"result":"error","error":"permissionDenied"}"#, Some(FindingKind::PermissionMissing)),
    ] {
        venue.only(OWN, fake::Answer::of(403, body));
        assert_eq!(futures.inspect_key(&key()).await.unwrap_err().finding(), finding, "a gate says 403 to anybody: {body}");
    }
    let refuse = async |error: &str| {
        venue.only(ORDERS, format!("{{\"result\":\"error\",\"error\":\"{error}\",\"serverTime\":\"\"}}"));
        futures.open_orders(&key()).await.unwrap_err()
    };
    assert_eq!(refuse("authenticationError").await.finding(), Some(FindingKind::KeyRefused));
    assert_eq!(refuse("nonceBelowThreshold").await.finding(), Some(FindingKind::NonceWrong));
    for error in ["apiLimitExceeded", "Unavailable", "somethingNew"] {
        assert!(matches!(refuse(error).await, VenueError::Unknown { .. }), "{error}");
    }
}

#[tokio::test]
async fn entries_go_one_by_one_and_everything_at_once() {
    let (venue, futures) = live("kraken futures", fake::kraken_futures).await;
    venue.on(ORDERS, sample::FUTURES_ORDERS).on("POST /derivatives/api/v3/cancelorder", sample::FUTURES_CANCELLED_ONE);
    venue.on("POST /derivatives/api/v3/cancelallorders", sample::FUTURES_CANCELLED);
    venue.on("POST /derivatives/api/v3/cancelallordersafter", sample::FUTURES_ARMED);
    let orders = futures.open_orders(&key()).await.unwrap();
    assert_eq!(orders.iter().map(|order| order.is_entry).collect::<Vec<_>>(), [Some(false), Some(true), None]);
    let done = futures.cancel_all(&key(), CancelScope::Entries).await.unwrap();
    assert_eq!((done.told, done.left), (1, 2));
    assert_eq!(venue.seen()[2].body, "order_id=022774bc-2c4a-4f26-9317-436c8d85746d");
    assert_eq!(futures.cancel_all(&key(), CancelScope::All).await.unwrap().told, 2);
    assert_eq!(futures.arm_cancel(&key()).await.unwrap().fires_at, Timestamp::parse("2018-06-19T16:52:23.839Z"));
    assert_eq!(venue.seen()[1].body, "timeout=5");
}

#[tokio::test]
async fn what_is_not_confirmed_may_have_been_done() {
    let (venue, futures) = live("kraken futures", fake::kraken_futures).await;
    let (all, arm) = ("POST /derivatives/api/v3/cancelallorders", "POST /derivatives/api/v3/cancelallordersafter");
    for body in ["{}", r#"{"result":"success"}"#, r#"{"result":"success","cancelStatus":{"status":"pending"}}"#] {
        venue.only(all, body);
        let error = futures.cancel_all(&key(), CancelScope::All).await.unwrap_err();
        assert!(matches!(error, VenueError::ExecutionUnknown(_)), "{body}: {error}");
    }
    venue.only(all, r#"{"result":"success","cancelStatus":{"status":"noOrdersToCancel"}}"#);
    assert_eq!(futures.cancel_all(&key(), CancelScope::All).await.unwrap().told, 0);
    for body in [but(sample::FUTURES_ARMED, "triggerTime", "gone"), but(sample::FUTURES_ARMED, "\"result\":\"success\",", "")] {
        venue.only(arm, body);
        assert!(matches!(futures.arm_cancel(&key()).await, Err(VenueError::ExecutionUnknown(_))));
    }
}

#[tokio::test]
async fn an_order_that_cannot_be_read_keeps_no_other_from_being_cancelled() {
    let (venue, futures) = live("kraken futures", fake::kraken_futures).await;
    venue.on(ORDERS, but(sample::FUTURES_ORDERS, "\"order_id\":\"59302619", "\"id\":\"59302619"));
    venue.on("POST /derivatives/api/v3/cancelorder", sample::FUTURES_CANCELLED_ONE);
    assert!(matches!(futures.cancel_all(&key(), CancelScope::Entries).await, Err(VenueError::Unknown { .. })));
    assert_eq!(venue.asked().len(), 2, "the list, and the one entry");
    venue.only(ORDERS, sample::FUTURES_ORDERS.replace("\"orderType\":\"lmt\",", ""));
    let orders = futures.open_orders(&key()).await.unwrap();
    assert_eq!(orders[1].is_entry, None, "of an order whose kind was not said nothing is known");
}

#[tokio::test]
async fn positions_and_balances_are_numbers_with_their_sign() {
    let (venue, futures) = live("kraken futures", fake::kraken_futures).await;
    venue.on("GET /derivatives/api/v3/openpositions", sample::FUTURES_POSITIONS);
    venue.on("GET /derivatives/api/v3/accounts", sample::FUTURES_ACCOUNTS);
    assert_eq!(futures.positions(&key()).await.unwrap()[0].quantity.shortest(), "-10000");
    let balances = futures.balances(&key()).await.unwrap();
    let told: Vec<_> = balances.iter().map(|one| format!("{} {} {}", one.wallet, one.asset, one.total.shortest())).collect();
    assert_eq!(told, ["cash xbt 141.31756797", "fi_xbtusd fi_xbtusd_171215 50000", "fi_xbtusd xbt 0.00000015", "flex USDT 4.5"]);
    venue.seen();
}
