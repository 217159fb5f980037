//! OKX: three words, a list of addresses, and no call that cancels everything.

use super::{at, but, fake, key, key_with_passphrase, live, rights, sample, sub_key};
use andon::domain::{Environment, Timestamp};
use andon::venues::{CancelScope, Expiry, FindingKind, IpRule, Right, Tri, VenueError};
use serde_json::json;

const OWN: &str = "GET /api/v5/account/config";
const SUB: &str = "GET /api/v5/users/subaccount/apikey";
const ORDERS: &str = "GET /api/v5/trade/orders-pending";
const ALGOS: &str = "GET /api/v5/trade/orders-algo-pending";
const CANCEL: &str = "POST /api/v5/trade/cancel-batch-orders";
const CANCEL_ALGOS: &str = "POST /api/v5/trade/cancel-algos";
const NONE: &str = r#"{"code":"0","msg":"","data":[]}"#;

#[tokio::test]
async fn a_key_tells_its_rights_and_trading_moves_funds_too() {
    let (venue, okx) = live("okx", fake::okx).await;
    venue.on(OWN, sample::OKX_CONFIG);
    let found = okx.inspect_key(&key_with_passphrase()).await.unwrap();
    let yes = vec![Right::Read, Right::Trade, Right::Cancel, Right::InternalTransfer, Right::SubaccountTransfer];
    assert_eq!(rights(&found), (yes, vec![Right::Withdraw]));
    assert!(okx.capability().comes_with_trade.contains(&Right::InternalTransfer), "a limit of the venue, no defect of the key");
    let nets = ["203.0.113.0/28", "203.0.113.7/32"].map(|net| net.parse().unwrap()).to_vec();
    assert_eq!((found.facts.ips, found.facts.expiry), (IpRule::Only(nets), Expiry::Unknown));
    assert_eq!((found.facts.subaccount.as_deref(), found.facts.is_main), (Some("2"), Tri::No));
    assert_eq!(venue.seen()[0].head("x-simulated-trading"), "");
}

#[tokio::test]
async fn the_demo_is_asked_with_its_header() {
    let (venue, okx) = at("okx", Environment::Test, fake::okx).await;
    venue.on(OWN, sample::OKX_CONFIG);
    okx.inspect_key(&key_with_passphrase()).await.unwrap();
    assert_eq!(venue.seen()[0].head("x-simulated-trading"), "1");
    assert!(matches!(okx.inspect_key(&key()).await, Err(VenueError::Cannot(_))), "without a passphrase nobody is asked");
    assert!(venue.seen().is_empty());
}

#[tokio::test]
async fn blanks_new_words_and_missing_fields_are_what_they_are() {
    let (venue, okx) = live("okx", fake::okx).await;
    let measure = async |this: &str, that: &str| {
        venue.only(OWN, but(sample::OKX_CONFIG, this, that));
        okx.inspect_key(&key_with_passphrase()).await.unwrap().facts
    };
    let list = "\"203.0.113.7,203.0.113.0/28\"";
    assert_eq!(measure(list, "\"\"").await.ips, IpRule::Unrestricted);
    assert_eq!(measure(list, "\"203.0.113.7,\"").await.ips, IpRule::Unknown, "a blank beside an address");
    assert_eq!(measure(list, "null").await.ips, IpRule::Unknown);
    assert_eq!(measure(list, "\"203.0.113.1-203.0.113.9\"").await.ips, IpRule::Unknown);
    let facts = measure("read_only,trade", "read_only, trade,levitate").await;
    assert_eq!((facts.unknown_words, facts.rights.has(Right::Withdraw)), (vec!["levitate".to_owned()], Tri::Unknown));
    for none in ["\"\"", "null", "7"] {
        let facts = measure("\"read_only,trade\"", none).await;
        assert_eq!((facts.right(Right::Trade), facts.right(Right::Withdraw)), (Tri::Unknown, Tri::Unknown), "{none}");
    }
    assert_eq!(measure("\"mainUid\":\"1\",", "").await.is_main, Tri::Unknown);
    venue.only(OWN, NONE);
    assert!(matches!(okx.inspect_key(&key_with_passphrase()).await, Err(VenueError::Unknown { .. })));
}

#[tokio::test]
async fn codes_are_findings_or_say_nothing() {
    let (venue, okx) = live("okx", fake::okx).await;
    let refuse = async |code: &str| {
        venue.only(OWN, fake::Answer::of(401, format!("{{\"code\":\"{code}\",\"msg\":\"Said.\",\"data\":[]}}")));
        okx.inspect_key(&key_with_passphrase()).await.unwrap_err()
    };
    for (code, finding) in [
        ("50110", FindingKind::IpRefused),
        ("50111", FindingKind::KeyRefused),
        ("50119", FindingKind::KeyRefused),
        ("50113", FindingKind::SignatureWrong),
        ("50120", FindingKind::PermissionMissing),
        ("50100", FindingKind::Frozen),
        ("50101", FindingKind::EnvironmentMismatch),
        ("50102", FindingKind::ClockWrong),
        ("50035", FindingKind::NeedsIpBound),
    ] {
        assert_eq!(refuse(code).await.finding(), Some(finding), "{code}");
    }
    for code in ["50011", "50004", "1", "99999"] {
        assert!(matches!(refuse(code).await, VenueError::Unknown { .. }), "{code}");
    }
}

#[tokio::test]
async fn a_main_account_lists_demotes_and_deletes() {
    let (venue, okx) = live("okx", fake::okx).await;
    venue.on(SUB, sample::OKX_SUB);
    assert_eq!(okx.sub_keys(&key_with_passphrase(), "grid-1").await.unwrap(), [".."]);
    let facts = okx.inspect_key_by_master(&key_with_passphrase(), &sub_key("grid-1")).await.unwrap().facts;
    assert_eq!((facts.right(Right::Trade), facts.is_main), (Tri::Yes, Tri::No));
    venue.only(SUB, NONE);
    let error = okx.inspect_key_by_master(&key_with_passphrase(), &sub_key("grid-1")).await.unwrap_err();
    assert_eq!(error.finding(), Some(FindingKind::NotListed));
    venue.seen();
    venue.on("POST /api/v5/users/subaccount/modify-apikey", NONE).on("POST /api/v5/users/subaccount/delete-apikey", NONE);
    okx.demote_key(&key_with_passphrase(), &sub_key("grid-1")).await.unwrap();
    okx.delete_key(&key_with_passphrase(), &sub_key("grid-1")).await.unwrap();
    let bodies: Vec<_> = venue.seen().iter().map(fake::Seen::json).collect();
    assert_eq!(
        bodies,
        [json!({"subAcct": "grid-1", "apiKey": "..", "perm": "read_only"}), json!({"subAcct": "grid-1", "apiKey": ".."})],
        "the addresses stay as they are"
    );
    for body in [r#"{"code":"0"}"#, r#"{"code":"0","data":null}"#] {
        venue.only("POST /api/v5/users/subaccount/delete-apikey", body);
        let error = okx.delete_key(&key_with_passphrase(), &sub_key("grid-1")).await.unwrap_err();
        assert!(matches!(error, VenueError::ExecutionUnknown(_)), "good, and no word of what: {error}");
    }
}

#[tokio::test]
async fn spot_orders_are_not_told_and_every_conditional_kind_is_asked_for() {
    let (venue, okx) = live("okx", fake::okx).await;
    venue.on(ORDERS, sample::OKX_ORDERS).on(ALGOS, sample::OKX_ALGOS).on(ALGOS, NONE);
    let orders = okx.open_orders(&key_with_passphrase()).await.unwrap();
    let told: Vec<_> = orders.iter().map(|order| (order.market.as_str(), order.is_entry)).collect();
    assert_eq!(told, [("SPOT", None), ("SWAP", Some(true)), ("SWAP", Some(false)), ("algo SWAP", Some(false))]);
    assert_eq!(orders[1].quantity.unwrap().shortest(), "2");
    let kinds: Vec<_> = venue.seen().iter().filter_map(|seen| seen.value("ordType")).collect();
    assert_eq!(kinds, ["conditional", "oco", "trigger", "move_order_stop", "iceberg", "smart_iceberg", "twap", "chase"]);
    for market in ["SPOT", "OPTION"] {
        venue.only(ORDERS, sample::OKX_ORDERS.replace("\"SWAP\"", &format!("\"{market}\"")));
        assert_eq!(okx.open_orders(&key_with_passphrase()).await.unwrap()[1].is_entry, None, "{market} has no mark");
    }
}

#[tokio::test]
async fn a_kind_that_a_host_does_not_know_has_no_orders_there_and_no_other_kind_is_spared() {
    let (venue, okx) = live("okx", fake::okx).await;
    let unknown = fake::Answer::of(400, r#"{"code":"51000","msg":"Parameter ordType error","data":[]}"#);
    venue.on(ORDERS, NONE);
    for _ in 0..5 {
        venue.on(ALGOS, NONE);
    }
    venue.on(ALGOS, unknown.clone()).on(ALGOS, NONE);
    assert_eq!(okx.open_orders(&key_with_passphrase()).await.unwrap(), [], "the sixth is new");
    venue.only(ALGOS, unknown);
    assert!(matches!(okx.open_orders(&key_with_passphrase()).await, Err(VenueError::Unknown { .. })));
}

#[tokio::test]
async fn batches_are_of_twenty_and_of_ten_and_pages_of_a_hundred() {
    let (venue, okx) = live("okx", fake::okx).await;
    let rows = |id: &str, from: usize, to: usize| {
        let rows: Vec<_> = (from..to)
            .map(|n| json!({id: n.to_string(), "instId": "BTC-USDT-SWAP", "instType": "SWAP", "ordType": "conditional"}))
            .collect();
        json!({"code": "0", "data": rows}).to_string()
    };
    venue.on(ORDERS, rows("ordId", 0, 100)).on(ORDERS, rows("ordId", 100, 130)).on(ALGOS, rows("algoId", 0, 25)).on(ALGOS, NONE);
    let taken = |count: usize| json!({"code": "0", "data": vec![json!({"sCode": "0"}); count]}).to_string();
    venue.on(CANCEL, taken(20)).on(CANCEL_ALGOS, taken(10));
    assert_eq!(okx.cancel_all(&key_with_passphrase(), CancelScope::All).await.unwrap().told, 7 * 20 + 3 * 10, "what the venue counts");
    let seen = venue.seen();
    assert_eq!(seen[1].value("after").as_deref(), Some("99"));
    let sizes =
        |what: &str| seen.iter().filter(|seen| seen.what == what).map(|seen| seen.json().as_array().unwrap().len()).collect::<Vec<_>>();
    assert_eq!((sizes(CANCEL), sizes(CANCEL_ALGOS)), (vec![20, 20, 20, 20, 20, 20, 10], vec![10, 10, 5]));
}

#[tokio::test]
async fn a_batch_that_is_refused_in_parts_says_so_unless_the_order_is_gone() {
    let (venue, okx) = live("okx", fake::okx).await;
    let batch = but(sample::OKX_BATCH, "\"data\":[", "\"data\":[{\"ordId\":\"1752588852617379842\",\"sCode\":\"0\",\"sMsg\":\"\"},");
    venue.on(ORDERS, sample::OKX_ORDERS).on(ALGOS, NONE).on(CANCEL, batch.as_str());
    assert_eq!(okx.cancel_all(&key_with_passphrase(), CancelScope::All).await.unwrap().told, 2, "51400 is gone");
    venue.only(CANCEL, but(&batch, "51400", "51999"));
    let error = okx.cancel_all(&key_with_passphrase(), CancelScope::All).await.unwrap_err();
    assert_eq!(error.code(), Some("51999"));
    for lost in [but(&batch, "51400", "50004"), sample::OKX_BATCH.to_owned(), r#"{"code":"0","data":{}}"#.into(), r#"{"code":"0"}"#.into()]
    {
        venue.only(CANCEL, lost.as_str());
        let error = okx.cancel_all(&key_with_passphrase(), CancelScope::All).await.unwrap_err();
        assert!(matches!(error, VenueError::ExecutionUnknown(_)), "{lost}: {error}");
    }
    venue.seen();
    venue.only(CANCEL, sample::OKX_BATCH);
    let done = okx.cancel_all(&key_with_passphrase(), CancelScope::Entries).await.unwrap();
    assert_eq!(done.left, 2, "the spot order and the exit");
    let told = venue.seen().into_iter().find(|seen| seen.what == CANCEL).unwrap().json();
    assert_eq!(told, json!([{"instId": "BTC-USDT-SWAP", "ordId": "1752588852617379841"}]));
}

#[tokio::test]
async fn the_switch_fires_at_seconds_or_milliseconds() {
    let (venue, okx) = live("okx", fake::okx).await;
    for body in [sample::OKX_ARMED.to_owned(), but(sample::OKX_ARMED, "\"1700000010\"", "\"1700000010000\"")] {
        venue.only("POST /api/v5/trade/cancel-all-after", body);
        let armed = okx.arm_cancel(&key_with_passphrase()).await.unwrap();
        assert_eq!(armed.fires_at, Some(Timestamp(1_700_000_010_000_000)));
    }
    assert_eq!(venue.seen()[0].body, r#"{"timeOut":"10"}"#);
}

#[tokio::test]
async fn positions_have_their_sign_and_both_wallets_are_read() {
    let (venue, okx) = live("okx", fake::okx).await;
    venue.on("GET /api/v5/account/positions", sample::OKX_POSITIONS);
    venue.on("GET /api/v5/account/balance", sample::OKX_BALANCE).on("GET /api/v5/asset/balances", sample::OKX_FUNDING);
    let positions = okx.positions(&key_with_passphrase()).await.unwrap();
    assert_eq!((positions.len(), positions[0].quantity.shortest().as_str()), (1, "-2"));
    for (held, is) in [("ETH", Some("2")), ("USDT", Some("-2")), ("", None), ("BTC", None)] {
        let row = json!({"instId": "ETH-USDT", "instType": "MARGIN", "pos": "2", "posSide": "net", "posCcy": held});
        venue.only("GET /api/v5/account/positions", json!({"code": "0", "data": [row]}).to_string());
        let found = okx.positions(&key_with_passphrase()).await;
        assert_eq!(found.ok().map(|found| found[0].quantity.shortest()).as_deref(), is, "what is held tells the side: {held}");
    }
    let balances = okx.balances(&key_with_passphrase()).await.unwrap();
    assert_eq!(balances.iter().map(|one| one.wallet.as_str()).collect::<Vec<_>>(), ["trading", "funding"]);
}
