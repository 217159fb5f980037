//! Somebody new to Andon, clicked: a one-time link, a password, two keys, the first sign-in, and the touch that signs.

use crate::driver::Browser;
use std::time::Duration;

pub const PASSWORD: &str = "violet-harbour-19-quince";

/// Password and two keys by a one-time link, then the first sign-in.
pub async fn come_in(browser: &mut Browser, link: &str, name: &str, shown: &str) {
    browser.plug_key().await;
    browser.goto(link).await;
    assert!(!browser.address().await.contains("andon_"), "the link's secret leaves the address bar");
    browser.fill("[name=display_name]", shown).await;
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
    enter(browser, name).await;
    browser.sees("Fleet").await;
}

/// Name, password and a touch of the key, at the door.
pub async fn enter(browser: &Browser, name: &str) {
    browser.sees("Sign in").await;
    browser.fill("[name=name]", name).await;
    browser.fill("[name=password]", PASSWORD).await;
    browser.press("Go on to the security key").await;
    browser.press("security key").await;
}

/// True when the page shows these words; none while it is changing under the question.
pub async fn shows(browser: &Browser, words: &str) -> Option<bool> {
    let body = browser.client.find(fantoccini::Locator::Css("body")).await.ok()?;
    Some(body.text().await.ok()?.contains(words))
}

/// Touches the key on an act's page.
pub async fn sign(browser: &Browser) {
    browser.sees("Signatures: 0 of 1").await;
    browser.press("Sign").await;
    // The key answers in its own time; whoever left the page before would leave it unsigned.
    for n in 1..=300 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if shows(browser, "Signatures: 0 of 1").await == Some(false) {
            return;
        }
        // With two keys plugged in, the browser now and then takes the wrong one's silence for an answer; people press again, as the page says.
        if n % 50 == 0 && shows(browser, "Press the button to try again").await == Some(true) {
            browser.press("Sign").await;
        }
    }
    panic!("not signed:\n{}", browser.text().await);
}
