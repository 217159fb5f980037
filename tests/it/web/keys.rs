//! The pages of one's own security keys: what is shown, added, renamed and removed there; and how long a ceremony may take.

use crate::harness::{
    app::{ORIGIN, TestApp, chosen},
    browser::{Browser, PASSWORD},
    db::{Kind, fresh},
};
use andon::{
    authn::SoftKey,
    domain::{ActKind, Grant, Role, UserId},
};
use axum::http::StatusCode;

async fn site() -> TestApp {
    TestApp::new(fresh(Kind::Sqlite).await).await
}

fn soft() -> SoftKey {
    SoftKey::new(ORIGIN.parse().unwrap())
}

/// Makes a key as the page asks for it; answers with where that leads.
async fn make(browser: &mut Browser, key: &SoftKey, nickname: &str) -> String {
    browser.get("/me/keys/new").await;
    let options = browser.between("data-options=\"", "\"").unwrap();
    let answer = key.register(&options).unwrap();
    browser.post("/me/keys", &[("nickname", nickname), ("response", &answer)]).await;
    browser.leads_to().to_owned()
}

/// The address of a form of the account page that stands with a key of this name.
fn form_of(browser: &Browser, nickname: &str, what: &str) -> String {
    let (_, rest) = browser.page.split_once(&format!(">{nickname}</h3>")).unwrap_or_else(|| panic!("no {nickname}: {}", browser.page));
    let end = format!("/{what}\"");
    let (before, _) = rest.split_once(&end).unwrap_or_else(|| panic!("no {what} of {nickname}"));
    format!("{}/{what}", before.rsplit('"').next().unwrap())
}

#[tokio::test]
async fn a_key_is_added_renamed_and_removed_and_its_sessions_end_with_it() {
    let test = site().await;
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/me").await;
    for words in ["Security keys: 2", "bound to one device", "packed, by the key itself", "ES256", "two keys must remain", "Last used"] {
        assert!(operator.page.contains(words), "{words}: {}", operator.page);
    }
    assert!(!operator.page.contains("/remove\""), "neither of two can be removed");

    let third = soft();
    let act = make(&mut operator, &third, "blue").await;
    assert!(act.starts_with("/acts/"), "{}", operator.page);
    operator.get(&act).await;
    for words in
        ["Add security key “blue” to those of operator", "SHA-256 of its public key", "Sign for 1 new key with a key that you have"]
    {
        assert!(operator.page.contains(words), "{words}: {}", operator.page);
    }
    operator.touch(&test, "operator", &format!("{act}/sign")).await;
    assert_eq!(operator.leads_to(), "/me");
    operator.get("/me").await;
    assert!(operator.page.contains("Security keys: 3"), "{}", operator.page);

    let rename = form_of(&operator, "blue", "name");
    operator.post(&rename, &[("nickname", "a\u{7}b")]).await;
    assert_eq!(operator.status, StatusCode::UNPROCESSABLE_ENTITY);
    operator.get("/me").await;
    operator.post(&rename, &[("nickname", "red")]).await;
    assert_eq!(operator.leads_to(), "/me#keys");
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get("/me").await;
    lead.post(&rename, &[("nickname", "mine")]).await;
    assert_eq!(lead.status, StatusCode::NOT_FOUND, "nobody renames the key of another");

    // A session of the third key ends when it is removed; the other one stays.
    let mut by_third = Browser::new(&test);
    by_third.sign_in("operator", &third).await;
    by_third.get("/fleet").await;
    assert_eq!(by_third.status, StatusCode::OK);
    operator.get("/me").await;
    let remove = form_of(&operator, "red", "remove");
    lead.get("/me").await;
    lead.post(&remove, &[]).await;
    assert_eq!(lead.status, StatusCode::NOT_FOUND, "nobody removes the key of another");
    operator.post(&remove, &[]).await;
    let act = operator.leads_to().to_owned();
    by_third.get("/fleet").await;
    assert_eq!(by_third.status, StatusCode::OK, "prepared is not done");
    operator.get(&act).await;
    operator.touch(&test, "operator", &format!("{act}/sign")).await;
    assert_eq!(operator.leads_to(), "/me");
    by_third.get("/fleet").await;
    assert!(by_third.leads_to().starts_with("/sign-in"), "{} {}", by_third.status, by_third.leads_to());
    operator.get("/fleet").await;
    assert_eq!(operator.status, StatusCode::OK);
    operator.get("/me").await;
    assert!(operator.page.contains("Security keys: 2"));
    test.log_is_good().await;
}

#[tokio::test]
async fn every_page_says_what_is_missing_with_one_key_and_how_to_mend_it() {
    let test = site().await;
    let grants = vec![Grant { role: Role::Operator, team: Some(test.team("arb")) }];
    let kind = ActKind::Invite { user: UserId::new(), name: "sato".into(), grants };
    let act = test.app.prepare_single(&test.actor("admin"), kind).await.unwrap();
    let andon::app::acts::Outcome::Secret { secret, .. } = test.sign("admin", &act).await.unwrap() else { panic!("no link") };
    let welcomed = test.app.welcome(secret.expose().rsplit('/').next().unwrap()).await.unwrap();
    test.app.welcome_password(&welcomed.link, chosen("L. Sato", PASSWORD)).await.unwrap();
    let (only, ceremony) = (soft(), test.app.welcome_key_options(&welcomed.link).await.unwrap());
    test.app.welcome_key(&welcomed.link, &ceremony.state, &only.register(&ceremony.options).unwrap(), "only").await.unwrap();

    let mut sato = Browser::new(&test);
    sato.sign_in("sato", &only).await;
    for page in ["/fleet", "/holds", "/people", "/me", "/pause"] {
        sato.get(page).await;
        assert_eq!(sato.status, StatusCode::OK, "{page}");
        assert!(
            sato.page.contains("You have 1 of 2 security keys. Until then you may read and stop bots, and nothing else"),
            "{page}: {}",
            sato.page
        );
        assert!(sato.page.contains("/me#keys"), "{page}");
    }
    sato.get("/bots/new").await;
    assert!(sato.status == StatusCode::FORBIDDEN && sato.page.contains("two security keys"), "{}", sato.page);
    sato.get("/pause").await;
    sato.post("/holds", &[("scope", "fleet"), ("level", "pause"), ("key", "")]).await;
    assert!(sato.leads_to().starts_with("/holds/"), "stopping works");
    let act = make(&mut sato, &soft(), "second").await;
    sato.get(&act).await;
    sato.touch_with(&only, &format!("{act}/sign")).await;
    assert_eq!(sato.leads_to(), "/me");
    sato.get("/bots/new").await;
    assert!(sato.status == StatusCode::OK && !sato.page.contains("Until then you may read"), "{}", sato.page);
}

#[tokio::test]
async fn a_ceremony_of_any_kind_is_over_after_two_minutes_and_after_one_answer() {
    let test = site().await;
    let key = &test.people["operator"].key;
    let over = "took too long or was answered twice";
    // Signing in.
    let mut operator = Browser::new(&test);
    operator.get("/sign-in").await;
    operator.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
    operator.get("/sign-in/key").await;
    test.hand.forward_ms(2 * 60 * 1_000 + 1);
    operator.touch_with(key, "/sign-in/key").await;
    assert!(operator.page.contains(over), "{}", operator.page);
    let options = operator.between("data-options=\"", "\"").unwrap();
    assert!(options.contains("\"timeout\":120000"), "the browser waits no longer than the server: {options}");
    let answer = key.sign(&options).unwrap();
    operator.post("/sign-in/key", &[("response", &answer)]).await;
    assert_eq!(operator.leads_to(), "/fleet", "{}", operator.page);
    // The same answer again, by whoever recorded it and knows the password.
    let mut thief = Browser::new(&test);
    thief.get("/sign-in").await;
    thief.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
    thief.get("/sign-in/key").await;
    thief.post("/sign-in/key", &[("response", &answer)]).await;
    assert!(thief.status == StatusCode::UNPROCESSABLE_ENTITY && thief.page.contains("does not verify"), "{}", thief.page);
    // A key of one's own.
    operator.get("/me/keys/new").await;
    let answer = soft().register(&operator.between("data-options=\"", "\"").unwrap()).unwrap();
    test.hand.forward_ms(2 * 60 * 1_000 + 1);
    operator.post("/me/keys", &[("nickname", "blue"), ("response", &answer)]).await;
    assert!(operator.page.contains(over), "{}", operator.page);
    // An act.
    let third = soft();
    let act = make(&mut operator, &third, "blue").await;
    operator.get(&act).await;
    let answer = key.sign(&operator.between("data-options=\"", "\"").unwrap()).unwrap();
    test.hand.forward_ms(2 * 60 * 1_000 + 1);
    operator.post(&format!("{act}/sign"), &[("response", &answer)]).await;
    assert!(operator.page.contains(over), "{}", operator.page);
    assert_eq!(test.keys("operator").await.len(), 2);
    operator.touch(&test, "operator", &format!("{act}/sign")).await;
    assert_eq!(operator.leads_to(), "/me", "{}", operator.page);
    operator.post(&format!("{act}/sign"), &[("response", &answer)]).await;
    assert_eq!(test.keys("operator").await.len(), 3);
}
