//! An exchange key in the demo: asked for, approved by somebody else, handed in once, answered for, in use by a real agent, and compromised.

use crate::{
    demo::signed_in,
    driver::{Browser, With},
    newcomer::shows,
    program::Demo,
};
use std::time::Duration;

const SECRET: &str = "canary-3f9c-of-the-secret";

/// An agent needs a moment; whoever has no patience loads the page anew.
async fn becomes(browser: &Browser, words: &str) {
    for _ in 0..100 {
        if shows(browser, words).await == Some(true) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        browser.client.refresh().await.unwrap();
    }
    panic!("not {words:?}:\n{}", browser.text().await);
}

async fn shows_no_secret(browser: &Browser) {
    assert!(!browser.client.source().await.unwrap().contains(SECRET), "{}", browser.address().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_goes_from_its_request_to_the_agent_that_uses_it_and_ends_with_its_bot() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    let operator = signed_in(&demo, "operator", With::default()).await;
    operator.goto(&format!("{}/keys/new", demo.origin)).await;
    operator.fill("[name=bot]", "arb-02").await;
    operator.press("Ask for 1 key").await;
    operator.sees("Ask for an exchange key for arb-02").await;
    operator.find("#purpose option[value=execution]").await.click().await.unwrap();
    operator.fill("#ips", "203.0.113.7").await;
    operator.fill("#why", "it trades from there").await;
    operator.press("Ask for 1 key").await;
    operator.comes_to("/requests/").await;

    let lead = signed_in(&demo, "lead", With::default()).await;
    lead.goto(&operator.address().await).await;
    lead.press("Go on to sign 1 approval").await;
    lead.press("demo key").await;
    lead.sees("Carried out").await;

    operator.goto(&format!("{}/keys?q=arb-02", demo.origin)).await;
    operator.sees("Waits for its secret").await;
    operator.find("main a[href^='/keys/0']").await.click().await.unwrap();
    operator.press("Hand in 1 key").await;
    operator.fill("#api_key", "key-of-arb-02").await;
    operator.fill("#secret", SECRET).await;
    operator.press("Hand in 1 key").await;
    operator.sees("What was handed in is not proved yet").await;
    shows_no_secret(&operator).await;
    let key = operator.address().await;

    // Whoever approved it never sees the secret, and may answer for what the venue does not say.
    lead.goto(&key).await;
    lead.fill("#attest-why", "its page at the venue, a minute ago").await;
    lead.press("Attest 1 key").await;
    becomes(&lead, "In use").await;
    shows_no_secret(&lead).await;

    lead.press("Others may know it").await;
    lead.fill("#compromise-why", "it stood in a chat").await;
    lead.press("Kill 1 bot and end 1 key").await;
    lead.sees("Compromised: what follows").await;
    lead.sees("delete version 1 at the venue").await;
    operator.goto(&format!("{}/holds", demo.origin)).await;
    operator.sees("its exchange key is compromised: it stood in a chat").await;
    for browser in [operator, lead] {
        browser.close().await;
    }
    demo.program.end().await;
}
