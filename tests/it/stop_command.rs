//! `andon stop`: with a token against a server that only just accepts connections the press leaves whole, and nothing is claimed; on the
//! server's host it says what it stopped, and ends with a code of its own where that is nothing, or less than was asked.

use crate::faults::server::{andon, command};
use crate::harness::{
    app::TestApp,
    db::{Kind, fresh},
};
use andon::cli::control;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::{Shutdown, TcpListener},
    process::Stdio,
};

#[test]
fn it_presses_at_a_server_that_accepts_and_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("stop.token");
    fs::write(&token, "andon_token_of_a_test\n").unwrap();
    let mut stop = command(andon());
    stop.args(["stop", "--bot", "grid-btc", "--why", "venue outage", "--server", &format!("http://{}", listener.local_addr().unwrap())]);
    stop.arg("--token-file").arg(&token).stdout(Stdio::piped()).stderr(Stdio::piped());
    let stop = stop.spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_ascii_lowercase());
    }
    assert_eq!(head[0], "post /api/v1/holds http/1.1");
    assert!(head.contains(&"authorization: bearer andon_token_of_a_test".to_owned()), "{head:?}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    lines.read_exact(&mut body).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&body["scope"], &body["bot"], &body["level"], &body["why"]),
        (&"bot".into(), &"grid-btc".into(), &"pause".into(), &"venue outage".into())
    );
    // Nobody ever answers; the connection goes.
    stream.shutdown(Shutdown::Both).unwrap();
    drop((stream, lines, listener));
    let ended = stop.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && said.contains("NOT STOPPED"), "{said}");
    assert!(ended.stdout.is_empty() && !said.contains("andon_token_of_a_test"), "{said}");
}

/// What the command says on the server's host, and what it ends with.
async fn on_the_host(socket: &std::path::Path, arguments: &[&str]) -> (i32, String) {
    let mut stop = command(andon());
    stop.arg("stop").args(arguments).arg("--control").arg(socket);
    let ended = tokio::process::Command::from(stop).output().await.unwrap();
    let said = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (ended.status.code().unwrap(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_what_it_stopped_and_ends_with_another_code_when_that_is_nothing_or_less_than_asked() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let lead = test.actor("lead");
    for (venue, environment) in [("binance", "live"), ("testnet", "test")] {
        test.app.create_venue(&lead, venue, environment).await.unwrap();
        test.app.create_subaccount(&lead, venue, "arb-a").await.unwrap();
    }
    let bot = test.bot("arb-1", "arb").await;
    let seat = test.app.venues().subaccount_named("testnet/arb-a").unwrap();
    test.app.seat_bot(&test.actor("operator"), &bot.id, Some(&seat.id)).await.unwrap();
    let socket = test.fresh.dir.path().join("control");
    let listening = control::listen(test.app.clone(), &socket).unwrap();

    let (code, said) = on_the_host(&socket, &["--venue", "TestNet"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("STOPPED: venue testnet: 1 bot told to pause, hold "), "{said}");
    let (code, said) = on_the_host(&socket, &["--venue", "binance"]).await;
    assert_eq!(code, 3, "{said}");
    assert!(!said.contains("STOPPED: ") && said.contains("venue binance") && said.contains("NOTHING WAS STOPPED"), "{said}");
    let (code, said) = on_the_host(&socket, &["--symbol", "BTC/USDT", "--level", "kill"]).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("BTC/USDT everywhere: 1 bot told to add nothing in it") && said.contains("never killed"), "{said}");
    let (code, said) = on_the_host(&socket, &["--subaccount", "arb-a"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("NOT STOPPED") && said.contains("binance/arb-a") && said.contains("testnet/arb-a"), "{said}");
    let (code, said) = on_the_host(&socket, &["--bot", "arb-1", "--team", "nobody"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("STOPPED: bot arb-1: 1 bot told to pause") && said.contains("NOT STOPPED team nobody"), "{said}");
    assert_eq!(test.app.fleet.view().open_holds().count(), 4, "what could be held is held, whatever is said of it");
    listening.abort();
}

#[test]
fn every_exit_code_stands_in_the_help_and_the_readme() {
    let mut help = command(andon());
    let said = String::from_utf8(help.args(["stop", "--help"]).output().unwrap().stdout).unwrap();
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for code in ["0", "1", "2", "3"] {
        assert!(said.contains(&format!("\n  {code}  ")), "{code} is not in {said}");
        assert!(readme.contains(&format!("\n| {code} | ")), "{code} is not in the README");
    }
}
