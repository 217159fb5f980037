//! How long `andon stop` takes from before its process is made until the last byte of its press has arrived, at a listener on loopback that only
//! accepts and never answers.
//!
//! `cargo bench --bench stop_command [-- --rounds R]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot run says so by panicking"
)]

#[allow(dead_code, reason = "each bench uses a part")]
#[path = "ground/figures.rs"]
mod figures;

use figures::{Figures, machine, now_us, option, target};
use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

fn main() -> ExitCode {
    let rounds = option("--rounds", 20);
    machine();
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("stop.token");
    std::fs::write(&token, "a-token-that-nobody-checks\n").unwrap();
    let mut figures = Figures::default();
    for _ in 0..rounds {
        figures.add(press(&token));
    }
    println!("exec to last byte: {}", figures.spread("ms"));
    target("stop_command_ms", figures.median(), 100.0)
}

/// One press; milliseconds.
fn press(token: &Path) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_andon"));
    command.args(["stop", "--all", "--why", "bench", "--server", &server, "--token-file"]).arg(token);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = now_us();
    let mut child = command.spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let mut lines = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        length = line.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap());
    }
    lines.read_exact(&mut vec![0; length]).unwrap();
    let taken_us = now_us() - begun;
    let _ = child.kill();
    child.wait().unwrap();
    taken_us as f64 / 1_000.0
}
