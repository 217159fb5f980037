//! The main job in the demo: pressing Pause with and without script, the receipt becoming true, release and start by two people.

use crate::{
    driver::{Browser, With},
    program::Demo,
};
use std::path::PathBuf;

/// Where the README's pictures go when `ANDON_PICTURES` is set.
fn pictures() -> Option<PathBuf> {
    std::env::var_os("ANDON_PICTURES").map(PathBuf::from)
}

pub async fn signed_in(demo: &Demo, role: &str, with: With) -> Browser {
    let browser = Browser::open(with).await;
    browser.goto(&demo.links[role]).await;
    browser.sees("Fleet").await;
    browser.sees("DEMO").await;
    browser
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_presses_without_script_stop_forty_bots() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    let browser = signed_in(&demo, "operator", With { script: false, ..With::default() }).await;
    browser.goto(&format!("{}/audit", demo.origin)).await;
    browser.press("Pause…").await;
    browser.sees("What should stop taking new risk?").await;
    assert!(browser.client.find_all(fantoccini::Locator::Css("script")).await.unwrap().is_empty(), "no script on the pause page");
    browser.press("Pause all 40").await;
    // Two presses lead to the receipt.
    browser.comes_to("/holds/").await;
    let mut idle = false;
    for _ in 0..60 {
        browser.client.refresh().await.unwrap();
        if browser.text().await.contains("39/40") {
            idle = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    assert!(idle, "{}", browser.text().await);
    browser.close().await;
    demo.program.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receipt_becomes_true_by_itself_and_two_people_let_the_fleet_trade_again() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    let operator = signed_in(&demo, "operator", With::default()).await;
    if let Some(pictures) = pictures() {
        operator.picture(&pictures.join("fleet.png")).await;
    }
    operator.press("Pause…").await;
    operator.press("Pause all 40").await;
    operator.sees("39/40").await;
    // The one that never acknowledges is named, and called unconfirmed once it is overdue.
    operator.sees("grid-03").await;
    operator.sees("nconfirmed").await;
    if let Some(pictures) = pictures() {
        operator.picture(&pictures.join("receipt.png")).await;
    }
    let receipt = operator.address().await;

    // A fleet hold: the lead asks and signs, risk signs too.
    let lead = signed_in(&demo, "lead", With::default()).await;
    lead.goto(&receipt).await;
    lead.fill("[name=release_why]", "the outage is over").await;
    lead.press("Prepare the release").await;
    lead.sees("Signatures: 0 of 2").await;
    let act = lead.address().await;
    lead.press("demo key").await;
    lead.sees("Signatures: 1 of 2").await;
    let risk = signed_in(&demo, "risk", With::default()).await;
    risk.goto(&act).await;
    risk.press("demo key").await;
    risk.sees("eleased").await;
    operator.goto(&format!("{}/holds", demo.origin)).await;
    operator.sees("Nothing is held").await;
    // Released is not started.
    operator.goto(&format!("{}/fleet?q=arb-02&state=running", demo.origin)).await;
    operator.sees("No bot matches").await;

    // The auditor sees it all and can prove it, and cannot stop or start anything.
    let auditor = signed_in(&demo, "auditor", With::default()).await;
    auditor.goto(&format!("{}/audit?kind=hold.released", demo.origin)).await;
    auditor.sees("hold.released").await;
    auditor.goto(&format!("{}/audit/verify", demo.origin)).await;
    auditor.sees("The log is whole").await;
    auditor.goto(&format!("{}/pause", demo.origin)).await;
    auditor.sees("operator").await;
    assert!(auditor.client.find_all(fantoccini::Locator::Css("main form[action='/holds']")).await.unwrap().is_empty());
    for browser in [operator, lead, risk, auditor] {
        browser.close().await;
    }
    demo.program.end().await;
}
