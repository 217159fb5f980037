//! Two readings beside each other: no tolerance ever hides a whole order, and what is told is told of both sides.

use super::*;
use proptest::prelude::*;

fn held() -> impl Strategy<Value = Held> {
    let amount = || (-50_i64..50).prop_map(|n| Decimal::parse(&n.to_string()).unwrap());
    prop_oneof![
        8 => amount().prop_map(Held::exactly),
        2 => (amount(), amount()).prop_map(|(a, b)| Held::Between(a.min(b), a.max(b))),
        1 => Just(Held::Long),
        1 => Just(Held::Short),
        1 => Just(Held::Unknown),
    ]
}

fn count() -> impl Strategy<Value = Option<Count>> {
    prop::option::of((0_u64..6, 0_u64..3).prop_map(|(least, more)| Count { least, most: least + more }))
}

fn symbol() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]).prop_map(str::to_owned)
}

fn money() -> impl Strategy<Value = Decimal> {
    (1_u64..1_000).prop_map(Decimal::whole)
}

fn side() -> impl Strategy<Value = Side> {
    let positions = prop::option::of(prop::collection::btree_map(symbol(), held(), 0..4));
    let in_hand = prop::option::of(prop::collection::btree_map(prop::sample::select(vec!["BTC", "ETH", "USDT"]), money(), 0..3));
    let cash = prop::option::of(money());
    (count(), count(), positions, 0_u64..3, in_hand, cash).prop_map(|(orders, entries, positions, unnamed, in_hand, cash)| {
        let bases = ["BTC", "ETH", "SOL", "XRP"].map(|base| (format!("{base}USDT"), base.to_owned())).into();
        let in_hand = in_hand.map(|all| all.into_iter().map(|(currency, n)| (currency.to_owned(), n)).collect());
        Side { orders, entries, positions, unnamed, in_hand, bases, cash: cash.map(|cash| ("USDT".to_owned(), cash)) }
    })
}

proptest! {
    #[test]
    fn it_does_not_matter_which_side_comes_first(one in side(), other in side()) {
        prop_assert_eq!(gaps(&one, &other), gaps(&other, &one));
    }

    #[test]
    fn equal_sides_never_differ(mut one in side()) {
        // A side that counts on more than it has in hand differs from itself.
        one.cash = None;
        prop_assert_eq!(gaps(&one, &one.clone()), BTreeSet::new());
    }

    #[test]
    fn a_side_that_says_nothing_differs_from_none(one in side()) {
        prop_assert_eq!(gaps(&one, &Side::default()), BTreeSet::new());
    }

    #[test]
    fn a_missing_order_is_always_told(n in 0_u64..100, more in 1_u64..5, slack in 0_u64..3) {
        let of = |n: u64| Side { orders: Some(Count::exactly(n)), ..Side::default() };
        prop_assert_eq!(gaps(&of(n), &of(n + more)), BTreeSet::from([Gap::Orders]));
        let moving = Side { orders: Some(Count::exactly(n).within(slack)), ..Side::default() };
        prop_assert_eq!(gaps(&moving, &of(n + slack + more)), BTreeSet::from([Gap::Orders]), "as many as may have come between explain no more");
        prop_assert_eq!(gaps(&moving, &of(n + slack)), BTreeSet::new());
    }

    #[test]
    fn a_missing_position_is_always_told(symbol in symbol(), held in held(), mut other in side()) {
        prop_assume!(!held.agrees(Held::nothing()));
        let one = Side { positions: Some([(symbol.clone(), held)].into()), bases: other.bases.clone(), ..Side::default() };
        other.in_hand = None;
        other.unnamed = 0;
        if let Some(positions) = &mut other.positions {
            positions.remove(&symbol);
            prop_assert!(gaps(&one, &other).contains(&Gap::Position(symbol)));
        }
    }

    #[test]
    fn a_wrong_side_is_always_told(symbol in symbol(), n in 1_u64..1_000) {
        let of = |held| Side { positions: Some([(symbol.clone(), held)].into()), ..Side::default() };
        let long = Held::exactly(Decimal::whole(n));
        prop_assert_eq!(gaps(&of(long), &of(Held::Short)), BTreeSet::from([Gap::Position(symbol.clone())]));
        prop_assert_eq!(gaps(&of(long), &of(Held::Long)), BTreeSet::new());
    }
}

fn amount(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

fn holding(symbol: &str, quantity: &str) -> Side {
    let bases = [(symbol.to_owned(), symbol.trim_end_matches("USDT").to_owned())].into();
    Side { positions: Some([(symbol.to_owned(), Held::exactly(amount(quantity)))].into()), bases, ..Side::default() }
}

fn having(in_hand: &[(&str, &str)]) -> Side {
    let in_hand = in_hand.iter().map(|(currency, n)| ((*currency).to_owned(), amount(n))).collect();
    Side { positions: Some(BTreeMap::new()), in_hand: Some(in_hand), ..Side::default() }
}

#[test]
fn what_is_in_hand_covers_what_is_held_long() {
    let gap = BTreeSet::from([Gap::Position("BTCUSDT".to_owned())]);
    for (held, has, expected) in [
        ("0.25", "0.25", BTreeSet::new()),
        ("0.25", "0.2498", BTreeSet::new()),
        ("0.25", "3", BTreeSet::new()),
        ("0.25", "0.2", gap.clone()),
        ("-0.25", "3", gap.clone()),
    ] {
        assert_eq!(gaps(&holding("BTCUSDT", held), &having(&[("BTC", has)])), expected, "{held} held, {has} in hand");
    }
    assert_eq!(gaps(&holding("BTCUSDT", "0.25"), &having(&[("ETH", "3")])), gap);
}

#[test]
fn positions_that_are_summed_up_may_be_any_and_not_more() {
    let named = ["BTCUSDT", "ETHUSDT", "SOLUSDT"].map(|symbol| (symbol.to_owned(), Held::exactly(amount("1"))));
    let venue = Side { positions: Some(named.clone().into()), ..Side::default() };
    let agent = |unnamed| Side { positions: Some(named[..1].iter().cloned().collect()), unnamed, ..Side::default() };
    assert_eq!(gaps(&venue, &agent(2)), BTreeSet::new());
    assert_eq!(gaps(&venue, &agent(1)), BTreeSet::from([Gap::Unnamed]));
    assert_eq!(gaps(&venue, &agent(0)).len(), 2);
}

#[test]
fn who_counts_on_more_than_there_is_differs() {
    let agent = |currency: &str, n| Side { cash: Some((currency.to_owned(), amount(n))), ..Side::default() };
    let gap = BTreeSet::from([Gap::Cash("USDT".to_owned())]);
    assert_eq!(gaps(&agent("USDT", "1000"), &having(&[("USDT", "400")])), gap);
    assert_eq!(gaps(&agent("USDT", "1000"), &having(&[])), gap, "an empty account");
    assert_eq!(gaps(&agent("USDT", "1000"), &having(&[("USDT", "5000")])), BTreeSet::new(), "not all of it is the bot's");
    assert_eq!(gaps(&agent("USD", "1000"), &having(&[("USDT", "400")])), BTreeSet::new(), "reckoned in what nobody holds");
}
