//! The README's five minutes, clicked: set-up link, password, two keys, a team, a bot, an agent beside a real process, a start, a pause.

use crate::{
    driver::{Browser, With},
    program::Program,
};
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const PASSWORD: &str = "violet-harbour-19-quince";

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

async fn set_up(browser: &mut Browser, link: &str) {
    browser.plug_key().await;
    browser.goto(link).await;
    assert!(!browser.address().await.contains("andon_setup"), "the link's secret leaves the address bar");
    browser.fill("[name=display_name]", "N. Adebayo").await;
    browser.fill("[name=password]", PASSWORD).await;
    browser.fill("[name=again]", PASSWORD).await;
    browser.press("Save password").await;
    for n in ["1", "2"] {
        browser.sees(&format!("Security key {n} of 2")).await;
        browser.fill("[name=nickname]", &format!("key {n}")).await;
        browser.press("Save security key").await;
        if n == "1" {
            browser.sees("Security key 2 of 2").await;
            browser.plug_key().await;
        }
    }
    browser.sees("Sign in").await;
    browser.fill("[name=name]", "admin").await;
    browser.fill("[name=password]", PASSWORD).await;
    browser.press("Go on to the security key").await;
    browser.press("security key").await;
    browser.sees("Fleet").await;
}

async fn team_and_role(browser: &Browser, origin: &str) {
    browser.goto(&format!("{origin}/teams")).await;
    browser.fill("[name=name]", "arb").await;
    browser.press("Make 1 team").await;
    browser.goto(&format!("{origin}/people")).await;
    browser.press("N. Adebayo").await;
    let lead = "//fieldset[contains(., \"In team arb\")]//label[contains(., \"lead\")]";
    browser.client.find(fantoccini::Locator::XPath(lead)).await.unwrap().click().await.unwrap();
    browser.press("Go on to sign").await;
    sign(browser).await;
}

/// Touches the key on an act's page.
async fn sign(browser: &Browser) {
    browser.sees("Signatures: 0 of 1").await;
    browser.press("Sign").await;
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

    browser.goto(&format!("{origin}/fleet")).await;
    browser.press("New bot").await;
    browser.fill("[name=name]", "my-bot").await;
    browser.fill("[name=strategy]", "grid").await;
    browser.press("Make 1 bot").await;
    browser.sees("my-bot").await;
    let bot = browser.address().await;
    browser.press("sandbox").await;
    browser.press("Enrol an agent").await;
    browser.press("Go on to sign for 1 code").await;
    sign(&browser).await;
    browser.sees("shown once").await;
    let code = browser.find("code.command").await.text().await.unwrap();

    write_bot(dir.path());
    let mut enrol = Command::new(env!("CARGO_BIN_EXE_andon"))
        .args(["agent", "enrol", "--server", &origin, "--code", "-", "--dir", "my-agent"])
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    enrol.stdin.take().unwrap().write_all(format!("{code}\n").as_bytes()).unwrap();
    let said = enrol.wait_with_output().unwrap();
    assert!(said.status.success());
    let said = String::from_utf8(said.stdout).unwrap();
    let settings = "[bot]\nadapter = \"process\"\ncommand = [\"./my-bot\"]\nreport = [\"./my-report\"]\n";
    fs::write(dir.path().join("my-agent/agent.toml"), settings).unwrap();
    let agent = Program::start(&["agent", "run", "--dir", "my-agent"], dir.path());

    browser.press("Wait for the agent").await;
    browser.sees("compare its letters").await;
    let letters = browser.find(".fingerprint").await.text().await.unwrap();
    assert!(said.contains(&letters), "the page shows {letters}, the terminal said {said}");
    browser.press("They are equal").await;
    sign(&browser).await;
    for _ in 0..100 {
        browser.goto(&bot).await;
        if browser.text().await.contains("othing stands in its way") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(trades(dir.path()), 0, "nothing trades before the start");
    browser.press("Go on to sign the start").await;
    sign(&browser).await;
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
