//! The README's five minutes, clicked: set-up link, password, two keys, a team, a bot, an agent beside a real process, a start, a pause.

use crate::{
    driver::{Browser, With},
    newcomer::{bot_and_code, confirm, enrol, set_up, start, team_and_role, until_startable},
    program::Program,
};
use std::{fs, path::Path, process::Command, time::Duration};

/// Lines that the bot has written: it grows while the bot trades.
fn trades(dir: &Path) -> usize {
    fs::read_to_string(dir.join("trades")).map_or(0, |text| text.lines().count())
}

async fn grows(dir: &Path) -> bool {
    let before = trades(dir);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if trades(dir) > before {
            return true;
        }
    }
    false
}

/// The bot: a real program that trades by writing lines, and says what orders it has.
fn write_bot(dir: &Path) {
    let bot = "#!/bin/sh\nwhile :; do date >> trades; sleep 0.1; done\n";
    let report = "#!/bin/sh\necho '{\"entry_orders\":0,\"open_orders\":0,\"equity\":\"1034.50\",\"currency\":\"USDT\"}'\n";
    for (name, text) in [("my-bot", bot), ("my-report", report)] {
        fs::write(dir.join(name), text).unwrap();
        assert!(Command::new("chmod").arg("755").arg(dir.join(name)).status().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_empty_folder_to_a_real_process_that_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, origin) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let mut server = Program::start(&["serve", "--listen", &listen, "--origin", &origin], dir.path());
    let link = server.says("/welcome/").await.trim().to_owned();
    let mut browser = Browser::open(With::default()).await;
    set_up(&mut browser, &link).await;
    team_and_role(&browser, &origin).await;

    let (bot, code) = bot_and_code(&browser, &origin).await;

    write_bot(dir.path());
    let said = enrol(dir.path(), &origin, &code);
    let settings = "[bot]\nadapter = \"process\"\ncommand = [\"./my-bot\"]\nreport = [\"./my-report\"]\n";
    fs::write(dir.path().join("my-agent/agent.toml"), settings).unwrap();
    let agent = Program::start(&["agent", "run", "--dir", "my-agent"], dir.path());

    confirm(&browser, &said).await;
    until_startable(&browser, &bot).await;
    assert_eq!(trades(dir.path()), 0, "nothing trades before the start");
    start(&browser).await;
    assert!(grows(dir.path()).await, "a signed start makes the real process trade");

    browser.goto(&bot).await;
    browser.press("Pause 1 bot").await;
    browser.sees("Idle: 1").await;
    assert!(!grows(dir.path()).await, "the receipt says idle and the process is gone");

    browser.close().await;
    agent.end().await;
    server.end().await;
    let verify = ["audit", "verify", "--origin", &origin];
    let verified = Command::new(env!("CARGO_BIN_EXE_andon")).args(verify).current_dir(dir.path()).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
