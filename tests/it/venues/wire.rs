//! What the wire can do to any venue: fail, lead away, say too much, ask to wait. And that nothing secret is in what is said of it.

use super::{fake, key, key_in_base64, key_with_passphrase, live, sub_key};
use andon::domain::{Clock, Environment, Timestamp};
use andon::venues::{CancelScope, Credential, Places, Venue, VenueError, Venues};
use fake::{Answer, Fake, Verify};
use std::{sync::Arc, time::Duration};

/// Each venue, how it is asked for its key, and how it is told to cancel.
const ALL: [(&str, Verify, &str, &str); 5] = [
    ("binance", fake::binance, "GET /sapi/v1/account/apiRestrictions", ""),
    ("bybit", fake::bybit, "GET /v5/user/query-api", "POST /v5/user/delete-sub-api"),
    ("okx", fake::okx, "GET /api/v5/account/config", "POST /api/v5/users/subaccount/delete-apikey"),
    ("kraken", fake::kraken, "POST /0/private/GetApiKeyInfo", "POST /0/private/CancelAll"),
    ("kraken-futures", fake::kraken_futures, "GET /api/auth/v1/api-keys/v3/check", "POST /derivatives/api/v3/cancelallorders"),
];

fn key_for(venue: &str) -> Credential {
    match venue {
        "okx" => key_with_passphrase(),
        "kraken" | "kraken-futures" => key_in_base64(),
        _ => key(),
    }
}

/// A write of this venue.
async fn write(name: &str, venue: &Arc<dyn Venue>) -> VenueError {
    if name.starts_with("kraken") {
        return venue.cancel_all(&key_for(name), CancelScope::All).await.unwrap_err();
    }
    venue.delete_key(&key_for(name), &sub_key("grid-1")).await.unwrap_err()
}

#[tokio::test]
async fn whatever_is_no_answer_is_unknown_and_of_a_write_may_have_been_done() {
    let bad = || {
        [
            ("fails", Answer::of(500, "")),
            ("fails and talks", Answer::of(503, r#"{"code":-2015,"retCode":10003,"error":["EAPI:Invalid key"]}"#)),
            ("no JSON", Answer::of(200, "<html>")),
            ("nothing", Answer::of(200, "")),
            ("too long", Answer::of(200, format!("\"{}\"", "x".repeat(1 << 20)))),
            ("leads away", Answer::of(302, "").with("location", "https://elsewhere.example/")),
            ("leads away and keeps the method", Answer::of(307, "").with("location", "/elsewhere")),
        ]
    };
    for (name, verify, read, told) in ALL {
        let (fake, venue) = live(name, verify).await;
        for (what, answer) in bad() {
            fake.only(read, answer.clone());
            let error = venue.inspect_key(&key_for(name)).await.unwrap_err();
            assert!(matches!(error, VenueError::Unknown { .. }), "{name} {what}: {error:?}");
            if !told.is_empty() {
                fake.only(told, answer);
                let error = write(name, &venue).await;
                assert!(matches!(error, VenueError::ExecutionUnknown(_)), "{name} {what}: {error:?}");
            }
        }
        assert!(fake.asked().iter().all(|asked| asked == read || asked == told), "{name} went where it was led, or tried twice");
    }
}

#[tokio::test]
async fn a_venue_that_wants_to_be_left_alone_is_heard() {
    for (name, verify, read, told) in ALL {
        let (fake, venue) = live(name, verify).await;
        for (status, said, wait) in [(429, Some("7"), Some(7)), (418, Some("3600"), Some(3_600)), (429, None, None)] {
            let answer = said.map_or(Answer::of(status, "{}"), |said| Answer::of(status, "{}").with("retry-after", said));
            fake.only(read, answer.clone());
            let error = venue.inspect_key(&key_for(name)).await.unwrap_err();
            assert!(
                matches!(&error, VenueError::Unknown { wait: found, .. } if *found == wait.map(Duration::from_secs)),
                "{name}: {error:?}"
            );
            if !told.is_empty() {
                fake.only(told, answer);
                assert!(matches!(write(name, &venue).await, VenueError::Unknown { .. }), "{name}: it did nothing");
            }
        }
    }
    let (fake, bybit) = live("bybit", fake::bybit).await;
    let answer = Answer::of(200, r#"{"retCode":10006,"retMsg":"Too many visits!","result":{}}"#);
    fake.on("GET /v5/user/query-api", answer.with("x-bapi-limit-reset-timestamp", "1700000002500"));
    let error = bybit.inspect_key(&key()).await.unwrap_err();
    assert!(matches!(error, VenueError::Unknown { wait: Some(wait), .. } if wait == Duration::from_millis(2_500)), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_unknown_and_nothing_was_done() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = url::Url::parse(&format!("http://{}", gone.local_addr().unwrap())).unwrap();
    drop(gone);
    let venues = Venues::open(Clock::from_fn(|| Timestamp(fake::NOW_US)), &Places::At(at)).unwrap();
    let kraken = venues.venue_for("kraken", Environment::Live).unwrap();
    for error in
        [kraken.inspect_key(&key_in_base64()).await.unwrap_err(), kraken.cancel_all(&key_in_base64(), CancelScope::All).await.unwrap_err()]
    {
        assert!(matches!(error, VenueError::Unknown { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_leaves_a_write_unknown() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = url::Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut caller, _) = listener.accept().await.unwrap();
            let mut some = [0; 512];
            tokio::io::AsyncReadExt::read(&mut caller, &mut some).await.unwrap();
        }
    });
    let venues = Venues::open(Clock::from_fn(|| Timestamp(fake::NOW_US)), &Places::At(at)).unwrap();
    let kraken = venues.venue_for("kraken", Environment::Live).unwrap();
    assert!(matches!(kraken.inspect_key(&key_in_base64()).await, Err(VenueError::Unknown { .. })));
    assert!(matches!(kraken.cancel_all(&key_in_base64(), CancelScope::All).await, Err(VenueError::ExecutionUnknown(_))));
}

#[tokio::test]
async fn no_error_shows_a_secret_even_when_the_venue_repeats_it() {
    let secrets = [fake::KEY, fake::SECRET, fake::SECRET_BASE64, fake::PASSPHRASE];
    let all = secrets.join(" ");
    let shows = |text: String| secrets.iter().any(|secret| text.contains(secret));
    for (name, verify, read, _) in ALL {
        let (fake, venue) = live(name, verify).await;
        let key = key_for(name);
        assert!(!shows(format!("{key:?} {venue:?}")), "{name}");
        for body in [
            format!(r#"{{"code":-2015,"msg":"{all}"}}"#),
            format!(r#"{{"code":"50111","msg":"{all}"}}"#),
            format!(r#"{{"code":"{all}","msg":"{all}"}}"#),
            format!(r#"{{"retCode":10003,"retMsg":"{all}","result":{{}}}}"#),
            format!(r#"{{"error":["E{all}"]}}"#),
            format!(r#"{{"result":"error","error":"{all}"}}"#),
            all.clone(),
        ] {
            for status in [200, 400, 401, 403] {
                fake.only(read, Answer::of(status, body.clone()));
                // Some of these are no error of this venue.
                let Err(error) = venue.inspect_key(&key).await else { continue };
                assert!(!key_shown(&error, name), "{name} {status}: {error} {error:?}");
            }
        }
    }
}

/// Whether an error shows what its own credential holds.
fn key_shown(error: &VenueError, name: &str) -> bool {
    let text = format!("{error} {error:?}");
    let secret = if name.starts_with("kraken") { fake::SECRET_BASE64 } else { fake::SECRET };
    text.contains(fake::KEY) || text.contains(secret) || (name == "okx" && text.contains(fake::PASSPHRASE))
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_the_next_one_its_turn() {
    let (fake, kraken): (Fake, _) = live("kraken", fake::kraken).await;
    fake.on("POST /0/private/GetApiKeyInfo", super::sample::KRAKEN_OWN);
    let (key, given_up) = (key_in_base64(), key_in_base64());
    let call = kraken.inspect_key(&given_up);
    drop(call);
    let started = tokio::time::timeout(Duration::from_micros(1), kraken.inspect_key(&given_up)).await;
    drop(started);
    assert!(kraken.inspect_key(&key).await.is_ok());
}
