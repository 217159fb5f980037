//! Binance USD-M: two lists and two ways to cancel.

use super::{but, fake, key, live, sample};
use andon::venues::{CancelScope, VenueError};

const ORDERS: &str = "GET /fapi/v1/openOrders";
const ALGOS: &str = "GET /fapi/v1/openAlgoOrders";

#[tokio::test]
async fn entries_are_told_from_what_protects() {
    let (venue, usdm) = live("binance usd-m", fake::binance).await;
    venue.on(ORDERS, sample::BINANCE_FUTURES_ORDERS).on(ALGOS, sample::BINANCE_ALGO_ORDERS);
    let orders = usdm.open_orders(&key()).await.unwrap();
    let told: Vec<_> = orders.iter().map(|order| (order.symbol.as_str(), order.is_entry, order.is_conditional)).collect();
    assert_eq!(told, [("BTCUSDT", Some(true), false), ("ETHUSDT", Some(false), false), ("SOLUSDT", Some(false), true)]);
    assert_eq!(orders[1].quantity.unwrap().shortest(), "0.3", "what is left");
    venue.only(ALGOS, but(sample::BINANCE_ALGO_ORDERS, "\"closePosition\":true", "\"closePosition\":false"));
    assert_eq!(usdm.open_orders(&key()).await.unwrap()[2].is_entry, None, "a stop that nobody marked may protect");
    venue.only(
        ORDERS,
        but(
            sample::BINANCE_FUTURES_ORDERS,
            "\"reduceOnly\":false,\"side\":\"BUY\",\"positionSide\":\"BOTH\"",
            "\"side\":\"BUY\",\"positionSide\":\"SHORT\"",
        ),
    );
    assert_eq!(usdm.open_orders(&key()).await.unwrap()[0].is_entry, Some(false), "in hedge mode buying ends a short");
}

#[tokio::test]
async fn what_is_not_said_makes_no_entry() {
    let (venue, usdm) = live("binance usd-m", fake::binance).await;
    venue.on(ALGOS, "[]");
    for gone in ["\"type\":\"LIMIT\",", "\"positionSide\":\"BOTH\",", "\"reduceOnly\":false,"] {
        venue.only(ORDERS, sample::BINANCE_FUTURES_ORDERS.replacen(gone, "", 1));
        assert_eq!(usdm.open_orders(&key()).await.unwrap()[0].is_entry, None, "{gone}");
    }
}

#[tokio::test]
async fn everything_goes_by_two_calls_for_each_symbol_of_either_list() {
    let (venue, usdm) = live("binance usd-m", fake::binance).await;
    venue.on(ORDERS, sample::BINANCE_FUTURES_ORDERS).on(ALGOS, sample::BINANCE_ALGO_ORDERS);
    venue.on("DELETE /fapi/v1/allOpenOrders", sample::BINANCE_CANCELLED).on("DELETE /fapi/v1/algoOpenOrders", sample::BINANCE_CANCELLED);
    assert_eq!(usdm.cancel_all(&key(), CancelScope::All).await.unwrap().told, 3);
    let seen = venue.seen();
    for path in ["DELETE /fapi/v1/allOpenOrders", "DELETE /fapi/v1/algoOpenOrders"] {
        let mut symbols: Vec<_> = seen.iter().filter(|seen| seen.what == path).filter_map(|seen| seen.value("symbol")).collect();
        symbols.sort();
        assert_eq!(symbols, ["BTCUSDT", "ETHUSDT", "SOLUSDT"], "{path}");
    }
}

#[tokio::test]
async fn entries_alone_leave_what_protects() {
    let (venue, usdm) = live("binance usd-m", fake::binance).await;
    venue.on(ORDERS, sample::BINANCE_FUTURES_ORDERS).on(ALGOS, sample::BINANCE_ALGO_ORDERS).on("DELETE /fapi/v1/order", "{}");
    let done = usdm.cancel_all(&key(), CancelScope::Entries).await.unwrap();
    assert_eq!((done.told, done.left), (1, 2));
    let told: Vec<_> = venue.seen().into_iter().filter(|seen| seen.what.starts_with("DELETE")).collect();
    assert_eq!((told.len(), told[0].value("orderId").as_deref()), (1, Some("1917641")));
}

#[tokio::test]
async fn one_symbol_that_fails_keeps_no_other_from_being_told() {
    let (venue, usdm) = live("binance usd-m", fake::binance).await;
    venue.on(ORDERS, sample::BINANCE_FUTURES_ORDERS).on(ALGOS, fake::Answer::of(502, "bad gateway"));
    venue.on("DELETE /fapi/v1/allOpenOrders", fake::Answer::of(503, "")).on("DELETE /fapi/v1/allOpenOrders", sample::BINANCE_CANCELLED);
    venue.on("DELETE /fapi/v1/algoOpenOrders", sample::BINANCE_CANCELLED);
    let error = usdm.cancel_all(&key(), CancelScope::All).await.unwrap_err();
    assert!(matches!(error, VenueError::ExecutionUnknown(_)), "the worst is said: {error}");
    assert_eq!(venue.asked().iter().filter(|what| what.starts_with("DELETE")).count(), 4, "two symbols, both calls");
}

#[tokio::test]
async fn the_worse_of_two_calls_for_a_symbol_is_said() {
    let (venue, usdm) = live("binance usd-m", fake::binance).await;
    venue.on(ORDERS, sample::BINANCE_FUTURES_ORDERS).on(ALGOS, "[]");
    venue.on("DELETE /fapi/v1/allOpenOrders", fake::Answer::of(400, r#"{"code":-1102,"msg":"No."}"#));
    venue.on("DELETE /fapi/v1/algoOpenOrders", fake::Answer::of(503, ""));
    let error = usdm.cancel_all(&key(), CancelScope::All).await.unwrap_err();
    assert!(matches!(error, VenueError::ExecutionUnknown(_)), "{error}");
}

#[tokio::test]
async fn the_switch_is_armed_for_each_symbol_with_orders() {
    let (venue, usdm) = live("binance usd-m", fake::binance).await;
    venue.on(ORDERS, sample::BINANCE_FUTURES_ORDERS).on("POST /fapi/v1/countdownCancelAll", sample::BINANCE_COUNTDOWN);
    let armed = usdm.arm_cancel(&key()).await.unwrap();
    assert_eq!(armed.symbols, ["BTCUSDT", "ETHUSDT"]);
    assert!(venue.seen()[1..].iter().all(|seen| seen.value("countdownTime").as_deref() == Some("5000")));
}

#[tokio::test]
async fn positions_and_balances_leave_out_what_is_flat() {
    let (venue, usdm) = live("binance usd-m", fake::binance).await;
    venue.on("GET /fapi/v3/positionRisk", sample::BINANCE_POSITIONS).on("GET /fapi/v3/balance", sample::BINANCE_FUTURES_BALANCE);
    let positions = usdm.positions(&key()).await.unwrap();
    assert_eq!((positions.len(), positions[0].quantity.shortest().as_str()), (1, "-30"));
    assert_eq!(usdm.balances(&key()).await.unwrap().len(), 1);
    venue.only("GET /fapi/v3/positionRisk", but(sample::BINANCE_POSITIONS, "\"positionAmt\":\"-30\",", ""));
    assert!(matches!(usdm.positions(&key()).await, Err(VenueError::Unknown { .. })), "an amount that is missing is not zero");
}
