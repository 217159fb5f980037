//! The first run, clicked from the set-up link to the end of its list: two keys, a second person, a team, a bot, an agent beside a real
//! process, its start, and a pause drill that is measured, released and started again.

use crate::{
    driver::{Browser, With},
    newcomer::{come_in, shows, sign},
    program::Program,
};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

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

/// Goes back to the list by the strip that every page carries.
async fn back(browser: &Browser, done: &str) {
    browser.sees("First run").await;
    browser.find("a[href='/first-run']").await.click().await.unwrap();
    // An agent needs a moment; whoever has no patience loads the page anew.
    for _ in 0..100 {
        if shows(browser, &format!("{done} of 6 done")).await == Some(true) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        browser.client.refresh().await.unwrap();
    }
    panic!("not {done} of 6 done:\n{}", browser.text().await);
}

/// The list says by itself that something is new to do, and leads on.
async fn goes_on(browser: &Browser) {
    browser.sees("There is something new to do").await;
    browser.press("Go on with the list").await;
}

/// Task 3: an invitation, signed on the spot, taken up by a second person with a browser and keys of their own.
async fn second_person(browser: &Browser) {
    browser.sees("You are alone here").await;
    browser.fill("#who", "okafor").await;
    browser.client.find(fantoccini::Locator::XPath("//label[contains(., \"risk\")]")).await.unwrap().click().await.unwrap();
    browser.press("Go on to sign 1 invitation").await;
    sign(browser).await;
    browser.sees("shown once").await;
    let link = browser.find("code.command").await.text().await.unwrap();
    let mut second = Browser::open(With::default()).await;
    come_in(&mut second, &link, "okafor", "M. Okafor").await;
    second.close().await;
    browser.press("Back to people").await;
    back(browser, "3").await;
    browser.sees("2 people have two keys").await;
}

/// Task 2: a team, the role in it, a bot in stage sandbox.
async fn bot(browser: &Browser) {
    browser.fill("#team-name", "arb").await;
    browser.press("Make 1 team").await;
    back(browser, "1").await;
    browser.press("Go on to sign 1 role: lead of arb").await;
    sign(browser).await;
    browser.sees("lead of arb").await;
    back(browser, "1").await;
    browser.fill("#bot-name", "my-bot").await;
    browser.fill("#bot-strategy", "grid").await;
    browser.press("Make 1 bot").await;
    browser.sees("draft").await;
    back(browser, "1").await;
    browser.press("Move 1 bot up to sandbox").await;
    browser.sees("sandbox").await;
    back(browser, "2").await;
}

/// Task 4: the command with its code, as it stands on the page, run by a shell; then the agent, whose check-in the list shows by itself.
async fn agent(browser: &Browser, dir: &Path) -> Program {
    browser.press("Go on to sign for 1 code").await;
    sign(browser).await;
    browser.sees("shown once").await;
    let command = browser.find("#enrol-command").await.text().await.unwrap();
    assert!(command.contains(" | andon agent enrol --server http://localhost:"), "{command}");
    let shell = Command::new("sh")
        .args(["-c", &command.replace("| andon ", "| \"$0\" "), env!("CARGO_BIN_EXE_andon")])
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(shell.status.success(), "{}", String::from_utf8_lossy(&shell.stderr));
    let said = String::from_utf8(shell.stdout).unwrap();
    // The page on which the code stands says by itself that the agent is there.
    browser.sees("is here").await;
    let settings = "[bot]\nadapter = \"process\"\ncommand = [\"./my-bot\"]\nreport = [\"./my-report\"]\n";
    fs::write(dir.join("my-bot-agent/agent.toml"), settings).unwrap();
    let agent = Program::start(&["agent", "run", "--dir", "my-bot-agent"], dir);
    back(browser, "3").await;
    browser.sees("compare its letters").await;
    let letters = browser.find(".fingerprint").await.text().await.unwrap();
    assert!(said.contains(&letters), "the page shows {letters}, the terminal said {said}");
    browser.press("They are equal").await;
    sign(browser).await;
    back(browser, "4").await;
    agent
}

/// Signs the start once nothing stands in its way; the list says when.
async fn start(browser: &Browser, dir: &Path) {
    for _ in 0..3 {
        if shows(browser, "Go on to sign the start of 1 bot").await == Some(true) {
            break;
        }
        goes_on(browser).await;
    }
    assert!(!grows(dir).await, "nothing trades before the start");
    browser.press("Go on to sign the start of 1 bot").await;
    sign(browser).await;
    assert!(grows(dir).await, "a signed start makes the real process trade");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_empty_folder_to_a_stop_that_was_measured() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, origin) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let mut server = Program::start(&["serve", "--listen", &listen, "--origin", &origin], dir.path());
    let link = server.says("/welcome/").await.trim().to_owned();
    let mut browser = Browser::open(With::default()).await;
    come_in(&mut browser, &link, "admin", "N. Adebayo").await;
    back(&browser, "1").await;
    bot(&browser).await;
    second_person(&browser).await;
    write_bot(dir.path());
    let agent = agent(&browser, dir.path()).await;
    start(&browser, dir.path()).await;

    back(&browser, "5").await;
    if shows(&browser, "as a drill").await != Some(true) {
        goes_on(&browser).await;
    }
    browser.press("Pause 1 bot: my-bot").await;
    browser.sees("“drill”").await;
    browser.sees("Idle: 1").await;
    assert!(!grows(dir.path()).await, "the receipt says idle and the process is gone");
    back(&browser, "5").await;
    if shows(&browser, "Measured: idle after").await != Some(true) {
        goes_on(&browser).await;
    }
    browser.sees("Measured: idle after").await;
    browser.press("Prepare the release of 1 hold").await;
    sign(&browser).await;
    browser.sees("Released").await;
    back(&browser, "5").await;
    start(&browser, dir.path()).await;

    browser.goto(&format!("{origin}/first-run")).await;
    browser.sees("6 of 6 done").await;
    browser.sees("All of it is done").await;
    browser.press("Go to the fleet").await;
    browser.press("my-bot").await;
    browser.sees("Last drill").await;
    browser.sees("idle after").await;
    assert!(!browser.text().await.contains("First run"), "what is finished is in nobody's way");

    browser.close().await;
    agent.end().await;
    server.end().await;
    let verify = ["audit", "verify", "--origin", &origin];
    let verified = Command::new(env!("CARGO_BIN_EXE_andon")).args(verify).current_dir(dir.path()).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
