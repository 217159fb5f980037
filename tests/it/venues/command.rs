//! `andon key inspect` against a fake: what it prints, what it refuses, and that the key is in nothing of it.

use super::{but, fake, live, sample};
use crate::faults::server::{andon, command};
use std::{os::unix::fs::PermissionsExt, process::Stdio};
use tokio::io::AsyncWriteExt;

const OWN: &str = "GET /v5/user/query-api";
const MEANT: &[&str] = &["--purpose", "execution", "--ips", "203.0.113.7", "--until", "2026-01-01T00:00:00Z"];

fn key() -> String {
    format!(r#"{{"key":"{}","secret":"{}"}}"#, fake::KEY, fake::SECRET)
}

/// Its exit code and what it printed; nothing of it holds the key's secret.
async fn inspect(at: &fake::Fake, more: &[&str], key: &str) -> (i32, String, String) {
    let mut inspect = command(andon());
    inspect.args(["key", "inspect", "--venue", "bybit", "--at", at.url.as_str()]).args(more);
    inspect.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = tokio::process::Command::from(inspect).spawn().unwrap();
    // It may end before it reads.
    let _ = running.stdin.take().unwrap().write_all(key.as_bytes()).await;
    let ended = running.wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(ended.stdout), text(ended.stderr));
    assert!(!out.contains(fake::SECRET) && !err.contains(fake::SECRET) && !err.contains(fake::KEY), "{out}{err}");
    (ended.status.code().unwrap(), out, err)
}

#[tokio::test]
async fn a_key_is_shown_as_its_venue_says_and_compared_with_what_it_is_to_be() {
    let (venue, _) = live("bybit", fake::bybit).await;
    venue.on(OWN, sample::BYBIT_OWN);
    let (code, out, err) = inspect(&venue, &[], &key()).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("may        read, trade, cancel") && out.contains("works from 203.0.113.7/32") && out.contains("a subaccount"),
        "{out}"
    );
    let (code, out, _) = inspect(&venue, MEANT, &key()).await;
    let is_good = !out.contains("WRONG") && !out.contains("UNKNOWN");
    assert!(code == 0 && is_good && out.contains("ATTEST   the venue never says whether a key may borrow"), "{code} {out}");
    let (code, out, _) = inspect(&venue, &["--purpose", "monitor", "--ips", "203.0.113.8"], &key()).await;
    assert_eq!(code, 1);
    for said in
        ["it may trade, which monitor does not take", "it works from 203.0.113.7/32, and is to from 203.0.113.8/32", "is to end never"]
    {
        assert!(out.contains("WRONG") && out.contains(said), "{out}");
    }
    let of = |account| [MEANT, &["--account", account]].concat();
    assert_eq!(inspect(&venue, &of("24617703"), &key()).await.0, 0);
    let (code, out, _) = inspect(&venue, &of("1"), &key()).await;
    assert!(code == 1 && out.contains("it belongs to the account 24617703, and is to belong to 1"), "{out}");
    let (_, out, _) = inspect(&venue, &[MEANT, &["--json"]].concat(), &key()).await;
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    let weights: Vec<_> = said["differences"].as_array().unwrap().iter().map(|one| one["weight"].as_str().unwrap()).collect();
    assert_eq!((said["exchange"].as_str(), weights), (Some("bybit"), vec!["attest"; 4]), "{out}");
    venue.only(OWN, but(sample::BYBIT_OWN, "\"SpotTrade\"", "\"MoonTrade\""));
    let (code, out, _) = inspect(&venue, MEANT, &key()).await;
    assert!(code == 1 && out.contains("UNKNOWN") && out.contains("MoonTrade"), "{code} {out}");
}

#[tokio::test]
async fn what_cannot_be_read_or_is_refused_is_said_without_the_key() {
    let (venue, _) = live("bybit", fake::bybit).await;
    venue.on(OWN, r#"{"retCode":10010,"retMsg":"Unmatched IP, please check your API key's bound IP addresses.","result":{}}"#);
    let (code, out, err) = inspect(&venue, MEANT, &key()).await;
    assert!(code == 1 && out.is_empty() && err.contains("ip_refused") && err.contains("10010"), "{err}");
    let broken = format!(r#"{{"key":"k","secret":"{}""#, fake::SECRET);
    for (key, more, code, said) in [
        (broken.as_str(), MEANT, 1, "this is no key as JSON"),
        ("{\"key\":\"k\"}", MEANT, 1, "this is no key as JSON"),
        ("{}", &["--purpose", "execution"], 2, "--ips"),
        ("{}", &["--account", "1"], 2, "--purpose"),
        ("{}", &["--purpose", "execution", "--ips", "0.0.0.0/0"], 1, "is no bound"),
        ("{}", &["--purpose", "withdraw", "--ips", "203.0.113.7"], 2, "is not one of"),
        ("{}", &["--file", "/nowhere/key.json"], 1, "/nowhere/key.json"),
    ] {
        let (ended, out, err) = inspect(&venue, more, key).await;
        assert!(ended == code && out.is_empty() && err.contains(said), "{more:?}: {ended} {out}{err}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key.json");
    std::fs::write(&file, key()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let (code, _, err) = inspect(&venue, &["--file", file.to_str().unwrap()], "").await;
    assert!(code == 1 && err.contains("can be read by others"), "{err}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    venue.only(OWN, sample::BYBIT_OWN);
    assert_eq!(inspect(&venue, &["--file", file.to_str().unwrap()], "").await.0, 0);
}
