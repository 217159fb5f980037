//! Sessions, clicked: signed in twice, listed, the other one ended; idle until only stopping is left, and woken by a touch of the key.

use crate::{
    driver::{Browser, With},
    newcomer::{come_in, enter},
    program::Program,
};
use std::path::Path;

/// Makes every session idle, as 15 minutes would: while the server is away.
async fn age_sessions(data: &Path) {
    use sqlx::Connection;
    let mut raw = sqlx::SqliteConnection::connect(&format!("sqlite://{}", data.join("andon.db").display())).await.unwrap();
    // What has ended stays for a while as a row without data.
    let age = "UPDATE session SET data = CAST(json_set(CAST(data AS TEXT), '$.seen', 0) AS BLOB) WHERE length(data) > 0";
    let aged = sqlx::query(age).execute(&mut raw).await;
    assert!(aged.unwrap().rows_affected() > 0);
    raw.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_ended_idle_and_woken() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, origin) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let flags = ["serve", "--listen", &listen, "--origin", &origin, "--data", "data", "--state-dir", "state"];
    let mut server = Program::start(&flags, dir.path());
    let link = server.says("/welcome/").await.trim().to_owned();
    let mut browser = Browser::open(With::default()).await;
    come_in(&mut browser, &link, "admin", "N. Adebayo").await;
    let me = format!("{origin}/me");
    browser.goto(&me).await;
    browser.sees("Sessions: 1").await;
    browser.sees("on Linux").await;
    browser.sees("this session").await;
    let other = browser.client.get_named_cookie("andon-local").await.unwrap();

    // Without its cookies the browser is another one; the key is the same.
    browser.client.delete_all_cookies().await.unwrap();
    browser.goto(&me).await;
    enter(&browser, "admin").await;
    browser.sees("My account").await;
    browser.sees("Sessions: 2").await;
    browser.press("End 1 session").await;
    browser.sees("Sessions: 1").await;
    let own = browser.client.get_named_cookie("andon-local").await.unwrap();
    browser.client.delete_cookie("andon-local").await.unwrap();
    browser.client.add_cookie(other).await.unwrap();
    browser.goto(&me).await;
    browser.sees("Sign in").await;
    assert!(browser.address().await.contains("/sign-in"), "the ended session opens nothing");
    browser.client.delete_all_cookies().await.unwrap();
    browser.client.add_cookie(own).await.unwrap();
    browser.goto(&me).await;
    browser.sees("Sessions: 1").await;

    server.end().await;
    age_sessions(&dir.path().join("data")).await;
    let mut server = Program::start(&flags, dir.path());
    server.says("localhost").await;
    browser.goto(&format!("{origin}/people")).await;
    browser.sees("Touch your security key").await;
    browser.sees("This session may only stop").await;
    browser.press("Pause…").await;
    browser.sees("What should stop taking new risk?").await;
    browser.press("the fleet of 0 bots anyway").await;
    browser.sees("Pause of the whole fleet").await;
    browser.find("a.strip[href^='/sign-in/key']").await.click().await.unwrap();
    browser.press("Use security key").await;
    browser.sees("Pause of the whole fleet").await;
    assert!(browser.address().await.contains("/holds/"), "and back to where they were");
    assert!(!browser.text().await.contains("This session may only stop"));
    browser.goto(&format!("{origin}/people")).await;
    browser.sees("N. Adebayo").await;
    browser.close().await;
    server.end().await;
}
