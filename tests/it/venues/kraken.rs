//! Kraken spot: two spellings, blank addresses, a key that can only cancel, and nonces.

use super::{but, fake, key_in_base64 as key, live, rights, sample, sub_key};
use andon::domain::Timestamp;
use andon::venues::{CancelScope, Expiry, FindingKind, IpRule, Right, Tri, VenueError};

const OWN: &str = "POST /0/private/GetApiKeyInfo";

#[tokio::test]
async fn both_spellings_of_an_answer_say_the_same() {
    let (venue, kraken) = live("kraken", fake::kraken).await;
    venue.on(OWN, sample::KRAKEN_OWN).on(OWN, sample::KRAKEN_OWN_SNAKE);
    let found = kraken.inspect_key(&key()).await.unwrap();
    let no = vec![Right::Withdraw, Right::Deposit, Right::WithdrawAddresses, Right::Export, Right::Earn];
    assert_eq!(rights(&found), (vec![Right::Read, Right::Trade, Right::Cancel], no));
    assert_eq!(found.facts.ips, IpRule::Only(vec!["203.0.113.0/24".parse().unwrap()]));
    assert_eq!((found.facts.expiry, found.facts.changed_at), (Expiry::Never, Some(Timestamp(1_700_000_000_000_000))));
    assert_eq!(kraken.inspect_key(&key()).await.unwrap().facts, found.facts);
    venue.seen();
}

#[tokio::test]
async fn a_key_that_can_only_cancel_is_seen_as_one() {
    let (venue, kraken) = live("kraken", fake::kraken).await;
    venue.on(OWN, but(sample::KRAKEN_OWN, "\"modify-trades\",", ""));
    let facts = kraken.inspect_key(&key()).await.unwrap().facts;
    assert_eq!((facts.right(Right::Cancel), facts.right(Right::Trade)), (Tri::Yes, Tri::No));
    assert!(kraken.capability().has_cancel_only_key);
}

#[tokio::test]
async fn blanks_new_words_and_missing_fields_are_what_they_are() {
    let (venue, kraken) = live("kraken", fake::kraken).await;
    let measure = async |this: &str, that: &str| {
        venue.only(OWN, but(sample::KRAKEN_OWN, this, that));
        kraken.inspect_key(&key()).await.unwrap().facts
    };
    assert_eq!(measure("[\"203.0.113.0/24\"]", "[\"\"]").await.ips, IpRule::Unrestricted);
    assert_eq!(measure("[\"203.0.113.0/24\"]", "[]").await.ips, IpRule::Unrestricted);
    assert_eq!(measure("\"ipAllowlist\"", "\"allowed\"").await.ips, IpRule::Unknown);
    assert_eq!(measure("\"validUntil\":\"0\"", "\"validUntil\":\"1800000000\"").await.expiry, Expiry::At(Timestamp(1_800_000_000_000_000)));
    assert_eq!(measure("\"validUntil\":\"0\",", "").await.expiry, Expiry::Unknown);
    let facts = measure("\"query-funds\"", "\"query-funds\",\"beam-funds\"").await;
    assert_eq!((facts.unknown_words, facts.rights.has(Right::Withdraw)), (vec!["beam-funds".to_owned()], Tri::Unknown));
    let facts = measure("\"permissions\"", "\"rights\"").await;
    assert_eq!((facts.right(Right::Trade), facts.right(Right::Withdraw)), (Tri::Unknown, Tri::Unknown));
    let facts = measure("\"query-funds\"", "\"update-withdraw-address\"").await;
    assert_eq!(facts.right(Right::WithdrawAddresses), Tri::Yes);
}

#[tokio::test]
async fn errors_are_findings_or_say_nothing() {
    let (venue, kraken) = live("kraken", fake::kraken).await;
    let refuse = async |error: &str| {
        venue.only(OWN, format!("{{\"error\":[\"WGeneral:Danger\",\"{error}\"]}}"));
        kraken.inspect_key(&key()).await.unwrap_err()
    };
    for (error, finding) in [
        ("EAPI:Invalid key", FindingKind::KeyDead),
        ("EAPI:Invalid signature", FindingKind::SignatureWrong),
        ("EAPI:Invalid nonce", FindingKind::NonceWrong),
        ("EGeneral:Permission denied", FindingKind::PermissionMissing),
    ] {
        assert_eq!(refuse(error).await.finding(), Some(finding), "{error}");
    }
    for error in ["EService:Unavailable", "EAPI:Rate limit exceeded", "EWhatever:New"] {
        assert!(matches!(refuse(error).await, VenueError::Unknown { .. }), "{error}");
    }
    venue.only("POST /0/private/CancelAll", r#"{"error":["EService:Timeout"]}"#);
    assert!(matches!(kraken.cancel_all(&key(), CancelScope::All).await, Err(VenueError::ExecutionUnknown(_))));
}

#[tokio::test]
async fn nonces_rise_under_a_clock_that_stands_and_calls_that_race() {
    let (venue, kraken) = live("kraken", fake::kraken).await;
    venue.on(OWN, sample::KRAKEN_OWN).on("POST /0/private/OpenOrders", sample::KRAKEN_ORDERS);
    let calls = (0..12).map(|_| {
        let kraken = kraken.clone();
        tokio::spawn(async move { (kraken.inspect_key(&key()).await.is_ok(), kraken.open_orders(&key()).await.is_ok()) })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), (true, true));
    }
    let seen = venue.seen();
    assert_eq!(seen.len(), 24, "each with a nonce above the last, or the fake says so");
    let nonces: Vec<u64> = seen.iter().map(|seen| seen.value("nonce").unwrap().parse().unwrap()).collect();
    let first = 1_700_000_000_000;
    assert_eq!(nonces, (first..first + 24).collect::<Vec<_>>(), "milliseconds: a bot that counts so is not locked out of its key");
}

#[tokio::test]
async fn everything_is_cancelled_and_the_switch_is_armed_for_the_account() {
    let (venue, kraken) = live("kraken", fake::kraken).await;
    venue.on("POST /0/private/CancelAll", sample::KRAKEN_CANCELLED).on("POST /0/private/CancelAllOrdersAfter", sample::KRAKEN_ARMED);
    assert_eq!(kraken.cancel_all(&key(), CancelScope::All).await.unwrap().told, 4);
    let armed = kraken.arm_cancel(&key()).await.unwrap();
    assert_eq!(armed.fires_at, Timestamp::parse("2023-03-24T17:42:56Z"));
    assert_eq!(venue.seen()[1].value("timeout").as_deref(), Some("5"));
    for (what, body) in [("CancelAll", "{}"), ("CancelAllOrdersAfter", r#"{"triggerTime":0}"#)] {
        venue.only(&format!("POST /0/private/{what}"), format!("{{\"error\":[],\"result\":{body}}}"));
    }
    for error in [kraken.cancel_all(&key(), CancelScope::All).await.unwrap_err(), kraken.arm_cancel(&key()).await.unwrap_err()] {
        assert!(matches!(error, VenueError::ExecutionUnknown(_)), "nothing was confirmed: {error}");
    }
    venue.seen();
    for cannot in [
        kraken.cancel_all(&key(), CancelScope::Entries).await.unwrap_err(),
        kraken.demote_key(&key(), &sub_key("a")).await.unwrap_err(),
        kraken.delete_key(&key(), &sub_key("a")).await.unwrap_err(),
        kraken.inspect_key_by_master(&key(), &sub_key("a")).await.unwrap_err(),
    ] {
        assert!(matches!(cannot, VenueError::Cannot(_)), "{cannot}");
    }
    assert!(venue.seen().is_empty());
}

#[tokio::test]
async fn orders_positions_and_balances_are_read() {
    let (venue, kraken) = live("kraken", fake::kraken).await;
    venue.on("POST /0/private/OpenOrders", sample::KRAKEN_ORDERS).on("POST /0/private/OpenPositions", sample::KRAKEN_POSITIONS);
    venue.on("POST /0/private/BalanceEx", sample::KRAKEN_BALANCE);
    let orders = kraken.open_orders(&key()).await.unwrap();
    let told: Vec<_> = orders.iter().map(|order| (order.symbol.as_str(), order.is_conditional, order.is_entry)).collect();
    assert_eq!(told, [("XBTUSD", false, None), ("XBTUSD", true, None)]);
    assert_eq!(orders[0].quantity.unwrap().shortest(), "0.875");
    assert_eq!(kraken.positions(&key()).await.unwrap()[0].quantity.shortest(), "-8.62212861");
    assert_eq!(kraken.balances(&key()).await.unwrap().len(), 2);
    venue.only("POST /0/private/OpenPositions", r#"{"error":[],"result":[]}"#);
    assert_eq!(kraken.positions(&key()).await.unwrap(), []);
    venue.only("POST /0/private/OpenOrders", but(sample::KRAKEN_ORDERS, "\"descr\"", "\"gone\""));
    assert!(matches!(kraken.open_orders(&key()).await, Err(VenueError::Unknown { .. })), "a list is whole or not known");
}
