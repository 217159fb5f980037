//! What nobody writes by hand: bytes in the place of frames and forms about keys. They are refused or read, and nothing falls over; what is read is
//! the same when it is written and read again.

use crate::harness::{
    app::TestApp,
    db::{Kind, fresh},
    exchange_keys::seated,
};
use andon::{
    app::{AppError, keys::ask::Wanted},
    domain::{KeyPurpose, KeySheet, key::ADDRESSES},
    protocol::{FromAgent, FromServer, HandedKey, KeysAnswer, MeasuredKey, PollAnswer},
};
use ipnet::IpNet;
use proptest::{prelude::*, sample::select, test_runner::TestRunner};
use serde::{Serialize, de::DeserializeOwned};

/// Lines that are, or nearly are, such frames; whatever once was read wrongly is added to them.
const FRAMES: &str = include_str!("../../corpus/keys/frames.txt");

fn is_stable<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> bool {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return false };
    let written = serde_json::to_value(&read).unwrap();
    let again: T = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(again).unwrap(), written);
    true
}

/// Reads bytes as everything that they could be, and says as how much of it they can be read.
fn read_all(bytes: &[u8]) -> usize {
    let read = [
        is_stable::<HandedKey>(bytes),
        is_stable::<MeasuredKey>(bytes),
        is_stable::<KeysAnswer>(bytes),
        is_stable::<FromAgent>(bytes),
        is_stable::<FromServer>(bytes),
        serde_json::from_slice::<PollAnswer>(bytes).is_ok(),
    ];
    read.into_iter().filter(|is_read| *is_read).count()
}

#[test]
fn every_line_of_the_corpus_is_read_or_refused() {
    let read = FRAMES.lines().filter(|line| read_all(line.as_bytes()) > 0).count();
    assert!(read >= 6, "{read}: the corpus has frames that can be read");
    for nested in ["[", "{\"told\":", "{\"keys\":["] {
        assert_eq!(read_all(nested.repeat(100_000).as_bytes()), 0, "{nested}");
    }
    let facts = format!(
        "{{\"key_id\":\"0193f0a0-0000-7000-8000-000000000001\",\"version\":1,\"told\":{{\"facts\":{}1{}}}}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    assert_eq!(read_all(facts.as_bytes()), 0, "what is nested without end is refused");
}

/// A line of the corpus with some of its bytes changed, taken away, or put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<&'static str> = FRAMES.lines().collect();
    let change = (any::<prop::sample::Index>(), 0..3u8, select(b"\"{}[],:\\0919e-x\x00\xff ".to_vec()));
    (select(lines), prop::collection::vec(change, 1..6)).prop_map(|(line, changes)| {
        let mut bytes = line.as_bytes().to_vec();
        for (at, what, byte) in changes {
            let at = at.index(bytes.len() + 1);
            match what {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ if at < bytes.len() => bytes[at] = byte,
                _ => {}
            }
        }
        bytes
    })
}

fn addresses() -> impl Strategy<Value = String> {
    let part = select(vec![
        "203.0.113.7",
        "203.0.113.7/28",
        "203.0.113.7/24",
        "203.0.113.7/23",
        "0.0.0.0",
        "::",
        "::1",
        "2001:db8::/64",
        "2001:db8::/63",
        "::ffff:1.2.3.4",
        "1.2.3.4/",
        "/",
        "256.1.1.1",
        "\u{202e}",
        ",",
        " ",
        "\n",
    ]);
    prop_oneof![any::<String>(), prop::collection::vec(part, 0..30).prop_map(|parts| parts.join(","))]
}

proptest! {
    #[test]
    fn damaged_frames_are_read_or_refused(bytes in damaged()) {
        read_all(&bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        read_all(&bytes);
    }

    #[test]
    fn a_sheet_that_is_taken_bounds_something(ips in addresses(), purpose in select(KeyPurpose::ALL)) {
        if let Ok(sheet) = KeySheet::new(purpose, &ips, None) {
            prop_assert!((1..=ADDRESSES).contains(&sheet.ips.len()));
            for one in &sheet.ips {
                let net: IpNet = one.parse().unwrap();
                prop_assert!(net.max_prefix_len() - net.prefix_len() <= 64 && !net.addr().is_unspecified(), "{}", one);
                prop_assert!(net.addr().is_ipv6() || net.prefix_len() >= 24, "{}", one);
            }
            let text = serde_json::to_string(&sheet).unwrap();
            prop_assert_eq!(serde_json::from_str::<KeySheet>(&text).unwrap(), sheet);
        } else {
            prop_assert!(KeySheet::new(purpose, &ips, None).is_err());
        }
    }
}

/// What may stand in a field of the form.
fn field() -> impl Strategy<Value = String> {
    let usual = select(vec![
        "",
        " ",
        "execution",
        "guard",
        "monitor",
        "withdraw",
        "203.0.113.7",
        "203.0.113.7 2001:db8::1",
        "2027-01-31",
        "2027-02-30",
        "9999999-01-01",
        "2026-11-20T00:00:00Z",
        "0",
        "1",
        "365",
        "366",
        "-1",
        "99999999999999999999",
        "tell",
        "pause",
        "bc1qcold",
        "a,b,c,d,e,f,g,h,i,j,k",
    ]);
    prop_oneof![3 => usual.prop_map(str::to_owned), 1 => any::<String>()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_for_a_key_is_taken_or_refused_with_words_whatever_stands_in_it() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let bot = seated(&test, "arb-1", ("arb", "elsewhere")).await;
    let operator = test.actor("operator");
    let handle = tokio::runtime::Handle::current();
    let ask = |fields: [String; 8]| {
        let [purpose, ips, until, account, rotate_days, on_drift, withdraw_to, why] = fields.each_ref().map(String::as_str);
        let wanted = Wanted { purpose, ips, until, account, rotate_days, on_drift, withdraw_to };
        handle.block_on(test.app.ask_key(&operator, &bot.id, wanted, why))
    };
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) });
        let fields: [_; 8] = std::array::from_fn(|_| field());
        let result = runner.run(&fields, |fields| {
            match ask(fields) {
                Ok(_) | Err(AppError::Conflict(_)) => {}
                Err(AppError::Invalid(invalid)) => {
                    prop_assert!(!invalid.0.is_empty() && invalid.0.iter().all(|(_, words)| !words.is_empty()))
                }
                Err(other) => prop_assert!(false, "{:?}", other),
            }
            Ok(())
        });
        result.unwrap();
    });
    test.log_is_good().await;
}
