//! `andon stop` with a token against a server that only just accepts connections: the press leaves whole, and nothing is claimed.

use crate::faults::server::{andon, command};
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
