//! Every parser of every venue against what nobody expects: a folder of nasty bodies, and the samples of the documents mutated at random. None may
//! panic, and none may find a right that the body does not grant.

use super::{KeyFacts, Right, SubKey, Tri, VenueError, binance, bybit, evidence, kraken, okx, read::Listed};
use proptest::prelude::*;
use serde_json::Value;
use std::{fs, path::Path};

fn folder(name: &str) -> Vec<(String, Vec<u8>)> {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/venues").join(name);
    let mut found: Vec<_> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found.into_iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())).collect()
}

fn key() -> SubKey {
    SubKey { key_id: "..".to_owned(), subaccount: "grid-1".to_owned() }
}

/// What each parser of keys makes of a body.
fn facts(value: &Value) -> Vec<KeyFacts> {
    let rows = value.as_array().cloned().unwrap_or_default();
    let inside = value.get("result").unwrap_or(value);
    let data = value.get("data").unwrap_or(value);
    let listed: Vec<Value> = inside.get("result").and_then(Value::as_array).cloned().unwrap_or_default();
    let tried: Vec<Result<KeyFacts, VenueError>> = vec![
        binance::own_facts(value),
        binance::master_facts(value, Some(value), &key()),
        bybit::own_facts(inside),
        bybit::master_facts(&rows, &key()),
        bybit::master_facts(&listed, &key()),
        okx::own_facts(data),
        okx::master_facts(data, &key()),
        kraken::spot_read::facts(inside),
        kraken::futures_read::facts(value),
    ];
    tried.into_iter().flatten().collect()
}

/// Everything else that reads an answer.
fn read_all(value: &Value) {
    let inside = value.get("result").unwrap_or(value);
    let data = value.get("data").unwrap_or(value);
    let rows = data.as_array().or_else(|| inside.get("list").and_then(Value::as_array)).cloned().unwrap_or_default();
    let _ = (binance::orders::spot(value), binance::orders::futures(value), binance::orders::algos(value));
    let _ = (binance::spot::balances(value), binance::usdm::positions(value), binance::usdm::balances(value));
    let listed = || Listed::from(Ok(rows.clone()));
    let _ = (bybit::orders("linear", listed()), bybit::positions("linear", &rows), bybit::balances(inside));
    let _ = (okx::orders(listed()), okx::algos(listed()), okx::positions(data), okx::balances(data), okx::funding(data));
    let _ = (kraken::spot_read::orders(inside), kraken::spot_read::positions(inside), kraken::spot_read::balances(inside));
    let _ = (kraken::futures_read::orders(value), kraken::futures_read::positions(value), kraken::futures_read::balances(value));
    let _ = evidence::digest(value);
}

#[test]
fn no_nasty_body_ends_the_program_or_grants_a_right() {
    let bodies = folder("nasty");
    assert!(bodies.len() > 20, "the folder is there");
    for (name, body) in bodies {
        let Ok(value) = serde_json::from_slice::<Value>(&body) else { continue };
        read_all(&value);
        for facts in facts(&value) {
            for right in [Right::Withdraw, Right::WithdrawAddresses, Right::KeyAdmin] {
                assert_ne!(facts.right(right), Tri::Yes, "{name}: {right}");
            }
        }
    }
}

#[test]
fn every_sample_is_read_by_the_parser_that_it_is_for() {
    for (name, body) in folder("sample") {
        let value: Value = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        read_all(&value);
        if name.contains("-own") || name.contains("-config") {
            assert!(facts(&value).iter().any(|facts| facts.right(Right::Read) == Tri::Yes), "{name}");
        }
    }
}

/// A place in a body, as the numbers of children on the way down.
fn spoil(value: &mut Value, way: &[usize], with: &Value) {
    let Some((step, rest)) = way.split_first() else {
        *value = with.clone();
        return;
    };
    let child = match value {
        Value::Object(fields) if !fields.is_empty() => {
            let count = fields.len();
            fields.values_mut().nth(step % count)
        }
        Value::Array(items) if !items.is_empty() => {
            let count = items.len();
            items.get_mut(step % count)
        }
        _ => None,
    };
    match child {
        Some(child) => spoil(child, rest, with),
        None => *value = with.clone(),
    }
}

fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9.eE+-]{0,24}".prop_map(Value::from),
        proptest::collection::vec("[a-z*:/.]{0,8}".prop_map(Value::from), 0..4).prop_map(Value::from),
        Just(serde_json::json!({"a": {"b": []}})),
    ]
}

proptest! {
    #[test]
    fn a_spoilt_sample_ends_no_program(which in any::<usize>(), way in proptest::collection::vec(any::<usize>(), 1..6), with in odd()) {
        let samples = folder("sample");
        let (_, body) = &samples[which % samples.len()];
        let mut value: Value = serde_json::from_slice(body).unwrap();
        spoil(&mut value, &way, &with);
        read_all(&value);
        for facts in facts(&value) {
            prop_assert_eq!(serde_json::from_str::<KeyFacts>(&serde_json::to_string(&facts).unwrap()).unwrap(), facts);
        }
    }

    #[test]
    fn bytes_that_are_cut_or_changed_end_no_program(which in any::<usize>(), at in any::<usize>(), byte in any::<u8>(), is_cut in any::<bool>()) {
        let samples = folder("sample");
        let (_, body) = &samples[which % samples.len()];
        let mut body = body.clone();
        let at = at % body.len();
        if is_cut { body.truncate(at) } else { body[at] = byte }
        if let Ok(value) = serde_json::from_slice::<Value>(&body) {
            read_all(&value);
            facts(&value);
        }
    }
}
