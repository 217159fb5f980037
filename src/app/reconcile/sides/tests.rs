//! What a venue and an agent say, brought into one form.

use super::*;
use crate::app::reconcile::compare::gaps;
use crate::protocol::{PositionsRest, Totals};
use crate::venues::Side as Way;
use proptest::prelude::*;

fn order(id: &str, is_entry: Option<bool>, is_conditional: bool) -> OpenOrder {
    OpenOrder {
        id: id.to_owned(),
        symbol: "BTCUSDT".to_owned(),
        market: String::new(),
        side: Some(Way::Buy),
        is_entry,
        is_conditional,
        quantity: Decimal::parse("0.5"),
        price: None,
    }
}

fn position(symbol: &str, quantity: &str) -> Position {
    let quantity = Decimal::parse(quantity).unwrap();
    Position { symbol: symbol.to_owned(), market: String::new(), quantity, entry_price: None, unrealised: None }
}

fn listed(orders: Vec<OpenOrder>, positions: Vec<Position>) -> Listed {
    Listed { kind: Kind::BinanceUsdM, orders, positions, balances: Vec::new() }
}

fn reported(symbol: &str, side: &str, quantity: &str) -> Reported {
    Reported { symbol: symbol.to_owned(), side: Some(side.to_owned()), quantity: Some(quantity.to_owned()), ..Reported::default() }
}

fn report(open_orders: u64, positions: Vec<Reported>) -> Report {
    Report { open_orders: Some(open_orders), positions: Some(positions), ..Report::default() }
}

fn differences(before: &Report, after: &Report, listed: &Listed) -> Vec<String> {
    let (agent, venue) = (of_reports(before, after), of_venue(listed));
    gaps(&agent, &venue).iter().map(|gap| difference(gap, (listed, &venue), &agent).words()).collect()
}

#[test]
fn an_order_that_nobody_reports_is_named_with_both_sides() {
    let quiet = report(0, Vec::new());
    let venue = listed(vec![order("123", Some(true), false)], Vec::new());
    assert_eq!(differences(&quiet, &quiet, &venue), ["the venue has an open order 123 BUY 0.5 BTCUSDT; the agent reports none"]);
    assert_eq!(
        differences(&report(2, Vec::new()), &report(2, Vec::new()), &listed(Vec::new(), Vec::new())),
        ["the venue has no open order; the agent reports 2"]
    );
}

#[test]
fn conditional_orders_are_counted_or_not() {
    let venue = listed(vec![order("1", Some(true), false), order("2", Some(false), true)], Vec::new());
    for n in [1, 2] {
        assert_eq!(differences(&report(n, Vec::new()), &report(n, Vec::new()), &venue), Vec::<String>::new(), "{n}");
    }
    assert_eq!(differences(&report(3, Vec::new()), &report(3, Vec::new()), &venue).len(), 1);
}

#[test]
fn what_a_bot_did_between_its_reports_explains_as_much() {
    let totals = |orders, fills| Some(Totals { orders: Some(orders), cancels: Some(0), fills: Some(fills), ..Totals::default() });
    let said = |orders, fills, open| Report { totals: totals(orders, fills), ..report(open, Vec::new()) };
    let venue = listed(vec![order("1", Some(true), false), order("2", Some(true), false)], Vec::new());
    assert_eq!(differences(&said(10, 0, 0), &said(10, 0, 0), &venue).len(), 1);
    assert_eq!(differences(&said(10, 0, 0), &said(12, 0, 0), &venue), Vec::<String>::new(), "it sent two");
    assert_eq!(differences(&said(10, 0, 0), &said(3, 0, 0), &venue), Vec::<String>::new(), "it began anew");
    let holds = listed(Vec::new(), vec![position("BTCUSDT", "1")]);
    assert_eq!(differences(&said(10, 4, 0), &said(10, 4, 0), &holds).len(), 1);
    assert_eq!(differences(&said(10, 4, 0), &said(10, 5, 0), &holds), Vec::<String>::new(), "a fill came in between");
    assert_eq!(not_compared(&of_reports(&said(10, 4, 0), &said(10, 5, 0))), "not compared: positions");
}

#[test]
fn positions_are_found_however_they_are_written() {
    let held = |symbol: &str, side: &str, quantity: &str| report(0, vec![reported(symbol, side, quantity)]);
    let venue = listed(Vec::new(), vec![position("BTCUSDT", "-0.25")]);
    for symbol in ["BTC/USDT", "BTCUSDT", "BTC/USDT:USDT", "BTC-USDT-SWAP"] {
        let same = held(symbol, "short", "0.2500");
        assert_eq!(differences(&same, &same, &venue), Vec::<String>::new(), "{symbol}");
    }
    let wrong = held("BTC/USDT", "long", "0.25");
    assert_eq!(differences(&wrong, &wrong, &venue), ["the venue holds 0.25 short in BTCUSDT; the agent reports 0.25 long"]);
    let changed = differences(&held("BTC/USDT", "short", "0.1"), &held("BTC/USDT", "short", "0.4"), &venue);
    assert_eq!(changed, Vec::<String>::new(), "it lies between the two");
    let none = report(0, Vec::new());
    assert_eq!(differences(&none, &none, &venue), ["the venue holds 0.25 short in BTCUSDT; the agent reports none"]);
}

#[test]
fn a_symbol_that_is_listed_for_its_orders_holds_nothing() {
    let waiting = Reported { symbol: "BTC/USDT".to_owned(), working_notional: Some("500".to_owned()), ..Reported::default() };
    let said = report(0, vec![waiting]);
    assert_eq!(differences(&said, &said, &listed(Vec::new(), Vec::new())), Vec::<String>::new());
}

#[test]
fn contracts_are_compared_by_their_side() {
    let said = report(0, vec![reported("BTC/USDT:USDT", "long", "0.5")]);
    let okx = |quantity: &str| Listed { kind: Kind::Okx, ..listed(Vec::new(), vec![position("BTC-USDT-SWAP", quantity)]) };
    assert_eq!(differences(&said, &said, &okx("50")), Vec::<String>::new());
    assert_eq!(differences(&said, &said, &okx("-50")).len(), 1);
}

#[test]
fn a_spot_position_is_in_hand() {
    let said = report(0, vec![reported("BTC/USDT", "long", "0.5")]);
    let balance =
        |total: &str| Balance { asset: "BTC".to_owned(), wallet: String::new(), total: Decimal::parse(total).unwrap(), held: None };
    let spot = |total| Listed { kind: Kind::BinanceSpot, balances: vec![balance(total)], ..listed(Vec::new(), Vec::new()) };
    assert_eq!(differences(&said, &said, &spot("0.4996")), Vec::<String>::new());
    assert_eq!(differences(&said, &said, &spot("0.1")), ["the venue holds 0.1 BTC in hand in BTCUSDT; the agent reports 0.5 long"]);
}

#[test]
fn what_is_summed_up_is_counted() {
    let rest = Some(PositionsRest { count: 1, notional: None });
    let said = Report { positions_rest: rest, ..report(0, vec![reported("BTC/USDT", "long", "1")]) };
    let venue = |more: &[&str]| {
        let all = more.iter().map(|symbol| position(symbol, "2")).chain([position("BTCUSDT", "1")]);
        listed(Vec::new(), all.collect())
    };
    assert_eq!(differences(&said, &said, &venue(&["ETHUSDT"])), Vec::<String>::new());
    assert_eq!(
        differences(&said, &said, &venue(&["ETHUSDT", "SOLUSDT"])),
        ["the venue holds 3 positions; the agent reports 1 and 1 that it sums up"]
    );
}

proptest! {
    #[test]
    fn a_venue_read_as_it_is_reported_agrees_in_any_order(
        quantities in prop::collection::btree_map("[A-N]{3,4}", -1_000_i64..1_000, 0..6), orders in 0_usize..5, seed: u64,
    ) {
        let mut held: Vec<(String, i64)> = quantities.into_iter().filter(|(_, n)| *n != 0).collect();
        let positions = held.iter().map(|(base, n)| position(&format!("{base}USDT"), &n.to_string())).collect();
        // Another order, other spellings.
        let turn = seed as usize % held.len().max(1);
        held.rotate_left(turn);
        let said = held.iter().map(|(base, n)| {
            reported(&format!("{base}/USDT:USDT"), if *n < 0 { "short" } else { "long" }, &n.abs().to_string())
        });
        let said = report(orders as u64, said.collect());
        let resting = (0..orders).map(|n| order(&n.to_string(), Some(true), false)).collect();
        prop_assert_eq!(differences(&said, &said, &listed(resting, positions)), Vec::<String>::new());
    }
}
