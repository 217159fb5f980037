//! The steps from a new installation to a bot that may start, clicked: a team, a bot in sandbox, an agent that is enrolled, compared and
//! confirmed, and a start.

use crate::{driver::Browser, newcomer::sign};
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

pub async fn team_and_role(browser: &Browser, origin: &str) {
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

/// Makes a bot, moves it to sandbox and asks for an enrolment code. Answers with the bot's page and the code.
pub async fn bot_and_code(browser: &Browser, origin: &str) -> (String, String) {
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
    sign(browser).await;
    browser.sees("shown once").await;
    let code = browser.find("code.command").await.text().await.unwrap();
    (bot, code)
}

/// Enrols an agent into `my-agent` below a folder. Answers with what the terminal said.
pub fn enrol(dir: &Path, origin: &str, code: &str) -> String {
    let mut enrol = Command::new(env!("CARGO_BIN_EXE_andon"))
        .args(["agent", "enrol", "--server", origin, "--code", "-", "--dir", "my-agent"])
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    enrol.stdin.take().unwrap().write_all(format!("{code}\n").as_bytes()).unwrap();
    let said = enrol.wait_with_output().unwrap();
    assert!(said.status.success());
    String::from_utf8(said.stdout).unwrap()
}

/// Compares the letters on the page with those in the terminal, and confirms the agent.
pub async fn confirm(browser: &Browser, said: &str) {
    browser.press("Wait for the agent").await;
    browser.sees("compare its letters").await;
    let letters = browser.find(".fingerprint").await.text().await.unwrap();
    assert!(said.contains(&letters), "the page shows {letters}, the terminal said {said}");
    browser.press("They are equal").await;
    sign(browser).await;
}

/// Waits until nothing stands in the way of a start.
pub async fn until_startable(browser: &Browser, bot: &str) {
    for _ in 0..300 {
        browser.goto(bot).await;
        if browser.text().await.contains("othing stands in its way") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it cannot be started:\n{}", browser.text().await);
}

/// Signs the start that nothing stands in the way of.
pub async fn start(browser: &Browser) {
    browser.press("Go on to sign the start").await;
    sign(browser).await;
}
