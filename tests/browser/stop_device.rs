//! A phone becomes a stop device and stops: an admin allows it, the link goes from the desktop to a second browser with a profile of its own,
//! whose key vouches for its press; then once more while the database takes nothing.

use crate::{
    driver::{Browser, With},
    newcomer::{come_in, sign},
    program::Program,
};
use sqlx::{Connection, SqliteConnection};
use std::{path::Path, time::Duration};

async fn database(dir: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", dir.join("data/andon.db").display())).await.unwrap()
}

/// What its owner was told of a press, once they were told so many times.
async fn told(dir: &Path, times: usize) -> Vec<String> {
    let mut database = database(dir).await;
    for _ in 0..100 {
        let sql = "SELECT text FROM notice WHERE kind = 'stop_device_used' ORDER BY id";
        let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut database).await.unwrap();
        if found.len() == times {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nobody was told {times} times")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_is_enrolled_and_stops_also_while_the_database_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, origin) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let serve = ["serve", "--listen", &listen, "--origin", &origin, "--data", "data", "--state-dir", "state"];
    let mut server = Program::start(&serve, dir.path());
    let link = server.says("/welcome/").await.trim().to_owned();
    let mut desktop = Browser::open(With::default()).await;
    come_in(&mut desktop, &link, "admin", "N. Adebayo").await;
    desktop.goto(&format!("{origin}/stop-devices")).await;
    desktop.press("Allow stop devices").await;
    sign(&desktop).await;
    desktop.sees("Stop devices are allowed").await;
    desktop.goto(&format!("{origin}/me/stop-devices")).await;
    desktop.fill("#name", "my phone").await;
    desktop.press("Go on to sign for 1 phone").await;
    sign(&desktop).await;
    desktop.sees("It works once").await;
    let link = desktop.find("code.command").await.text().await.unwrap();
    assert!(desktop.find(".qr svg").await.is_displayed().await.unwrap());

    let phone = Browser::open(With { width: 390, height: 844, ..With::default() }).await;
    phone.goto(&link).await;
    phone.sees("my phone of N. Adebayo").await;
    phone.press("Make 1 phone a stop device").await;
    phone.sees("What should stop taking new risk?").await;
    assert!(!phone.address().await.contains("andon_"), "the link's secret leaves the address bar");
    phone.sees("A key that cannot leave this browser vouches").await;
    let first = phone.find("button").await;
    let (.., width, height) = first.rectangle().await.unwrap();
    assert!(width > 300.0 && height > 250.0, "one thumb finds it: {width} x {height}");
    phone.press("Pause the fleet").await;
    phone.sees("Paused: the whole fleet").await;
    assert!(phone.address().await.contains("/stop-device/holds/"));
    let notices = told(dir.path(), 1).await;
    assert!(notices[0].contains("own key vouched"), "{notices:?}");

    // Somebody else has the database's one writer and does not give it back.
    let mut holder = database(dir.path()).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
    phone.press("Back to the stop page").await;
    phone.sees("Held: the whole fleet").await;
    phone.find("details summary").await.click().await.unwrap();
    phone.press("Reduce the fleet").await;
    phone.sees("Reduced: the whole fleet").await;
    phone.sees("kept on the server").await;
    sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
    assert_eq!(told(dir.path(), 2).await.len(), 2);

    desktop.goto(&format!("{origin}/me/stop-devices")).await;
    desktop.sees("from 127.0.0.1").await;
    desktop.press("End 1 stop device").await;
    desktop.sees("Ended").await;
    phone.goto(&format!("{origin}/stop-device")).await;
    phone.sees("Not a stop device").await;
    phone.close().await;
    desktop.close().await;
    server.end().await;
}
