//! Fills are checked field by field, and their sums are exact, whatever the order, the batches and the repeats in which they came.

use super::*;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_795_000_000_000_000);

fn told() -> Told<'static> {
    Told {
        id: "t-1",
        order_id: Some("o-1"),
        client_order_id: None,
        at: NOW,
        symbol: "btc/usdt",
        side: "buy",
        quantity: "0.25",
        price: "65000.10",
        fee: Some("-0.5"),
        fee_currency: Some("USDT"),
        maker: Some(true),
    }
}

fn refused(told: Told<'_>) -> &'static str {
    Fill::read(&told, NOW).unwrap_err().0
}

#[test]
fn what_fits_is_taken_to_the_last_digit() {
    let fill = Fill::read(&told(), NOW).unwrap();
    assert_eq!((fill.symbol.as_str(), fill.side, fill.notional().shortest()), ("BTC/USDT", Side::Buy, "16250.025".to_owned()));
    assert_eq!(fill.fee, Decimal::parse("-0.5"));
    let bare = Told { order_id: None, fee: None, fee_currency: None, maker: None, ..told() };
    assert_eq!(Fill::read(&bare, NOW).unwrap().maker, None);
    let long = "x".repeat(128);
    assert!(Fill::read(&Told { id: &long, at: NOW.plus_ms(DAY_MS), ..told() }, NOW).is_ok());
}

#[test]
fn what_does_not_fit_is_refused_by_its_field() {
    let long = "x".repeat(129);
    for id in ["", " ", "a\nb", " a", "\u{202e}", "ä", &long] {
        assert_eq!(refused(Told { id, ..told() }), "id", "{id:?}");
        assert_eq!(refused(Told { order_id: Some(id), ..told() }), "order_id");
        assert_eq!(refused(Told { client_order_id: Some(id), ..told() }), "client_order_id");
        assert_eq!(refused(Told { fee_currency: Some(id), ..told() }), "fee_currency");
    }
    for at in [Timestamp(0), Timestamp(FIRST.0 - 1), NOW.plus_ms(DAY_MS + 1), Timestamp(i64::MAX)] {
        assert_eq!(refused(Told { at, ..told() }), "at");
    }
    for symbol in ["", "BTC USDT", "<b>", &long] {
        assert_eq!(refused(Told { symbol, ..told() }), "symbol");
    }
    for side in ["", "BUY", "long"] {
        assert_eq!(refused(Told { side, ..told() }), "side");
    }
    for number in ["", "0", "0.0", "-1", "+1", " 1", "1 ", "1e3", "NaN", "1,5", ".5", "1000000000000000", "0.0000000000000000001"] {
        assert_eq!(refused(Told { quantity: number, ..told() }), "quantity", "{number:?}");
        assert_eq!(refused(Told { price: number, ..told() }), "price", "{number:?}");
    }
    assert_eq!(refused(Told { fee: Some("x"), ..told() }), "fee");
    assert_eq!(refused(Told { fee_currency: None, ..told() }), "fee_currency");
}

#[test]
fn currencies_are_those_of_the_pair() {
    for (symbol, currencies) in
        [("BTC/USDT", ("BTC", "USDT")), ("ETH/USD:ETH", ("ETH", "USD")), ("BTCUSDT", ("BTCUSDT", "")), ("XBT:PERP", ("XBT", ""))]
    {
        assert_eq!(Fill::read(&Told { symbol, ..told() }, NOW).unwrap().currencies(), currencies);
    }
}

fn kept(told: Told<'_>, stage: Stage) -> KeptFill {
    KeptFill { fill: Fill::read(&told, NOW).unwrap(), heard_at: NOW, stage }
}

#[test]
fn sums_by_symbol_currency_and_stage() {
    let later = NOW.plus_ms(5_000);
    let fills = [
        kept(told(), Stage::Sandbox),
        kept(Told { id: "2", side: "sell", quantity: "0.1", price: "0.2", fee: Some("0.75"), maker: Some(false), ..told() }, Stage::Live),
        kept(Told { id: "3", symbol: "ETH/BTC", quantity: "3", price: "0.05", fee: None, maker: None, at: later, ..told() }, Stage::Live),
    ];
    let sums: FillSums = fills.iter().collect();
    assert_eq!((sums.all.count, sums.all.buys, sums.all.sells, sums.all.without_fee), (3, 2, 1, 1));
    assert_eq!((sums.all.first, sums.all.last), (Some(NOW), Some(later)));
    let text = |sums: &BTreeMap<String, Exact>| sums.iter().map(|(name, sum)| format!("{} {name}", sum.shortest())).collect::<Vec<_>>();
    assert_eq!(text(&sums.all.notional), ["0.15 BTC", "16250.045 USDT"]);
    assert_eq!(text(&sums.all.quantity), ["0.35 BTC", "3 ETH"]);
    assert_eq!(text(&sums.all.fees), ["0.25 USDT"]);
    assert_eq!(sums.all.maker_share(), Decimal::parse("0.5"));
    assert_eq!(sums.symbols["ETH/BTC"].maker_share(), None, "not known is not none");
    assert_eq!(sums.symbols.keys().collect::<Vec<_>>(), ["BTC/USDT", "ETH/BTC"]);
    assert_eq!(sums.stages, BTreeMap::from([(Stage::Sandbox, 1), (Stage::Live, 2)]));
    assert_eq!(FillSums::from_iter([]), FillSums::default());
}

fn any_fill() -> impl Strategy<Value = KeptFill> {
    let symbols = prop::sample::select(vec!["BTC/USDT", "ETH/USDT", "ETH/BTC", "PERP"]);
    let amounts = (1_i64..i64::MAX, 1_i64..i64::MAX, -1_000_000_i64..1_000_000);
    (0..12_u8, symbols, any::<bool>(), amounts, any::<Option<bool>>(), 0..1_000_i64).prop_map(|(id, symbol, buys, amounts, maker, at)| {
        let decimal = |units: i64| format!("{}.{:09}", units / 1_000_000_000, (units % 1_000_000_000).abs());
        let fee = format!("{}0.{:06}", if amounts.2 < 0 { "-" } else { "" }, amounts.2.abs());
        let (id, quantity, price) = (format!("id-{id}"), decimal(amounts.0), decimal(amounts.1));
        let side = if buys { "buy" } else { "sell" };
        let at = NOW.plus_ms(-at);
        kept(Told { id: &id, symbol, side, quantity: &quantity, price: &price, fee: Some(&fee), maker, at, ..told() }, Stage::Live)
    })
}

/// What is kept of batches: the first word about each id stands.
fn keep(batches: &[Vec<KeptFill>]) -> BTreeMap<String, KeptFill> {
    let mut all = BTreeMap::new();
    for batch in batches {
        let fills = first_of_each(batch.iter().map(|kept| kept.fill.clone()).collect());
        for fill in fills {
            let one = KeptFill { fill, heard_at: NOW, stage: Stage::Live };
            all.entry(one.fill.id.clone()).or_insert(one);
        }
    }
    all
}

proptest! {
    #[test]
    fn batches_and_repeats_change_no_sum(fills in prop::collection::vec(any_fill(), 0..30), size in 1..9_usize, again in 0..30_usize) {
        let whole = keep(std::slice::from_ref(&fills));
        let mut batches: Vec<Vec<KeptFill>> = fills.chunks(size).map(<[KeptFill]>::to_vec).collect();
        // An agent sends again what it does not know to be taken, from some batch on.
        let repeated: Vec<_> = batches.iter().skip(again % batches.len().max(1)).cloned().collect();
        batches.extend(repeated);
        prop_assert_eq!(keep(&batches), whole);
    }

    #[test]
    fn the_order_changes_no_sum(fills in prop::collection::vec(any_fill(), 0..20), turn in 0..20_usize) {
        let once: Vec<KeptFill> = keep(&[fills]).into_values().collect();
        let mut other = once.clone();
        other.reverse();
        let by = turn % other.len().max(1);
        other.rotate_left(by);
        let (one, two): (FillSums, FillSums) = (once.iter().collect(), other.iter().collect());
        prop_assert_eq!(&one, &two);
        let by_symbol: u64 = one.symbols.values().map(|sum| sum.count).sum();
        prop_assert_eq!((by_symbol, one.all.buys + one.all.sells), (one.all.count, one.all.count));
    }
}
