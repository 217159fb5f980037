//! The README's five minutes, clicked: set-up link, password, two keys, a team, a bot, an agent beside a real process, a start, a pause.

use crate::{
    driver::{Browser, With},
    program::Program,
};
use std::process::{Command, Stdio};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_empty_folder_to_a_real_process_that_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, origin) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let mut server = Program::start(&["serve", "--listen", &listen, "--origin", &origin], dir.path());
    let link = server.says("/welcome/").await.trim().to_owned();
    let browser = Browser::open(With::default()).await;
    browser.add_key().await;
    browser.goto(&link).await;
    assert!(!browser.address().await.contains("andon_setup"), "the link's secret leaves the address bar");
    browser.fill("[name=display_name]", "N. Adebayo").await;
    browser.fill("[name=password]", "violet-harbour-19-quince").await;
    browser.press("password").await;
    for nickname in ["first key", "spare key"] {
        browser.fill("[name=nickname]", nickname).await;
        browser.press("key").await;
        // A virtual key is one device: the second registration needs another.
        browser.add_key().await;
    }
    browser.sees("Sign in").await;
    browser.fill("[name=name]", "admin").await;
    browser.fill("[name=password]", "violet-harbour-19-quince").await;
    browser.press("Sign in").await;
    browser.sees("key").await;
    browser.press("key").await;
    browser.sees("Fleet").await;
    browser.goto(&format!("{origin}/healthz")).await;
    browser.close().await;
    server.end().await;
    let verified = Command::new(env!("CARGO_BIN_EXE_andon"))
        .args(["audit", "verify", "--origin", &origin])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert!(verified.status.success());
}
