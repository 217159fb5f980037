//! Security keys in a real browser: two at the door, a third one added with a touch of an old and a touch of the new, a step-up for an act, one
//! removed; and the kind of key that a role does not take.

use crate::{
    driver::{Browser, With},
    newcomer::{come_in, sign},
    program::Program,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_keys_at_the_door_a_third_added_and_one_removed() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, origin) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let mut server = Program::start(&["serve", "--listen", &listen, "--origin", &origin], dir.path());
    let link = server.says("/welcome/").await.trim().to_owned();
    let mut browser = Browser::open(With::default()).await;
    come_in(&mut browser, &link, "admin", "N. Adebayo").await;
    browser.goto(&format!("{origin}/me")).await;
    browser.sees("Security keys: 2").await;
    browser.sees("bound to one device").await;
    browser.sees("usb").await;

    // A synced passkey is nothing for an admin.
    browser.press("Add 1 security key").await;
    browser.plug_beside(true).await;
    browser.fill("[name=nickname]", "phone").await;
    browser.press("Go on to sign for 1 new key").await;
    browser.sees("can be copied to other devices").await;
    browser.sees("nothing was saved").await;
    browser.unplug_beside().await;

    // A third key makes itself known; one that was there signs for it.
    browser.plug_beside(false).await;
    browser.fill("[name=nickname]", "third").await;
    browser.press("Go on to sign for 1 new key").await;
    browser.sees("Add security key “third”").await;
    browser.touch_first().await;
    sign(&browser).await;
    browser.sees("Security keys: 3").await;

    // From now on the third is the one that is touched, and it signs an act.
    browser.touch_beside().await;
    browser.goto(&format!("{origin}/people/invite")).await;
    browser.fill("[name=name]", "okafor").await;
    browser.client.find(fantoccini::Locator::XPath("//label[contains(., \"risk\")]")).await.unwrap().click().await.unwrap();
    browser.press("1 invitation").await;
    sign(&browser).await;
    browser.sees("shown once").await;

    // The first of the door goes.
    browser.goto(&format!("{origin}/me")).await;
    browser.press("Rename or remove 1 key").await;
    browser.press("Go on to sign the removal of 1 key").await;
    browser.sees("Remove security key “key 1”").await;
    sign(&browser).await;
    browser.goto(&format!("{origin}/me")).await;
    browser.sees("Security keys: 2").await;
    assert!(!browser.text().await.contains("key 1"), "{}", browser.text().await);
    browser.close().await;
    server.end().await;
    let verify = ["audit", "verify", "--origin", &origin];
    let verified = std::process::Command::new(env!("CARGO_BIN_EXE_andon")).args(verify).current_dir(dir.path()).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
