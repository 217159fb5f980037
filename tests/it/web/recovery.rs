//! The pages of a recovery: asked for after the password, seen by everybody signed in, approved and vetoed by acts, and said on every page.

use crate::harness::{
    app::{ORIGIN, TestApp},
    browser::{Browser, PASSWORD},
    db::{Kind, fresh},
};
use andon::{
    authn::SoftKey,
    domain::ActKind,
    storage::{self, Lane},
};
use axum::http::{StatusCode, header};

/// Signs the act that the last answer led to.
async fn sign(browser: &mut Browser, test: &TestApp, who: &str) -> String {
    let act = browser.leads_to().to_owned();
    assert!(act.starts_with("/acts/"), "{}", browser.page);
    browser.get(&act).await;
    browser.touch(test, who, &format!("{act}/sign")).await;
    act
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_lost_keys_to_new_ones_by_pages_alone() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut lost = Browser::new(&test);
    lost.get("/sign-in/lost").await;
    assert_eq!(lost.leads_to(), "/sign-in", "nobody gets there without a password");
    lost.get("/sign-in").await;
    lost.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
    lost.get("/sign-in/key").await;
    assert!(lost.page.contains("I lost my keys"));
    lost.get("/sign-in/lost").await;
    lost.post("/sign-in/lost", &[("why", " ")]).await;
    assert_eq!(lost.status, StatusCode::UNPROCESSABLE_ENTITY);
    lost.get("/sign-in/lost").await;
    lost.post("/sign-in/lost", &[("why", "bag stolen <b>today</b>")]).await;
    assert_eq!(lost.leads_to(), "/sign-in/lost");
    lost.get("/sign-in/lost").await;
    assert!(lost.page.contains("Your recovery is under way") && lost.page.contains("Withdraw 1 recovery"));
    lost.get("/fleet").await;
    assert!(lost.leads_to().starts_with("/sign-in"), "a request opens no door");

    // The person's own session, on a device with a key, says so at once.
    let mut own = Browser::signed_in(&test, "operator").await;
    own.get("/fleet").await;
    assert!(own.page.contains("Somebody asked to recover your account"));
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get("/recoveries").await;
    let page = format!("/recoveries/{}", lead.between("href=\"/recoveries/", "\"").unwrap());
    lead.get(&page).await;
    assert!(lead.page.contains("bag stolen &#60;b&#62;today") && lead.page.contains("Approvals: 0 of 2"), "{}", lead.page);
    lead.post(&format!("{page}/approve"), &[]).await;
    sign(&mut lead, &test, "lead").await;
    lead.get(&page).await;
    assert!(lead.page.contains("Approvals: 1 of 2") && lead.page.contains("a second person must"));
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    auditor.get(&page).await;
    assert!(auditor.page.contains("n auditor changes nothing") && !auditor.page.contains("/approve\""));
    auditor.post(&format!("{page}/approve"), &[]).await;
    assert_eq!(auditor.status, StatusCode::FORBIDDEN);
    let mut risk = Browser::signed_in(&test, "risk").await;
    risk.get(&page).await;
    risk.post(&format!("{page}/approve"), &[]).await;
    let act = sign(&mut risk, &test, "risk").await;
    let link = risk.between(r#"<code class="command">"#, "</code>").unwrap();
    assert!(link.contains("/welcome/andon_recovery_"), "{}", risk.page);
    for again in [&act, &page] {
        risk.get(again).await;
        assert!(!risk.page.contains("andon_recovery_"), "the link stands nowhere else");
    }
    own.get("/fleet").await;
    assert!(own.leads_to().starts_with("/sign-in"), "every session of the person has ended");

    let path = link.strip_prefix(ORIGIN).unwrap().to_owned();
    lost.get(&path).await;
    assert_eq!(lost.leads_to(), "/welcome");
    lost.get("/welcome").await;
    assert!(lost.page.contains("Recover your account"));
    let password = "copper-lantern-42-walrus";
    lost.post("/welcome/password", &[("display_name", "S. Back"), ("password", password), ("again", password)]).await;
    let keys = [SoftKey::new(ORIGIN.parse().unwrap()), SoftKey::new(ORIGIN.parse().unwrap())];
    for (n, key) in keys.iter().enumerate() {
        lost.get("/welcome").await;
        assert!(lost.page.contains(&format!("Security key {} of 2", n + 1)), "{}", lost.page);
        let answer = key.register(&lost.between("data-options=\"", "\"").unwrap()).unwrap();
        lost.post("/welcome/key", &[("nickname", ["new", "spare"][n]), ("response", &answer)]).await;
    }
    assert_eq!(lost.leads_to(), "/sign-in?welcome=1");
    lost.get("/sign-in").await;
    lost.post("/sign-in", &[("name", "operator"), ("password", password)]).await;
    lost.get("/sign-in/key").await;
    lost.touch_with(&keys[0], "/sign-in/key").await;
    assert_eq!(lost.leads_to(), "/fleet");
    lost.get("/pause").await;
    lost.get("/fleet").await;
    assert!(lost.page.contains("you may see and stop, nothing else"));
    lost.get("/bots/new").await;
    assert_eq!(lost.status, StatusCode::FORBIDDEN);
    lost.get("/pause").await;
    lost.post("/holds", &[("scope", "fleet"), ("level", "pause"), ("key", "k1")]).await;
    assert!(lost.leads_to().starts_with("/holds/"), "stopping goes on: {}", lost.page);
    test.log_is_good().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_did_not_lose_their_keys_vetoes_from_the_strip() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let user = test.people["lead"].id.clone();
    let mut admin = Browser::signed_in(&test, "admin").await;
    let page = format!("/people/{user}");
    admin.get(&page).await;
    assert!(admin.page.contains("Lost security keys"));
    admin.post(&format!("{page}/recover"), &[("why", "")]).await;
    assert_eq!(admin.status, StatusCode::UNPROCESSABLE_ENTITY);
    admin.get(&page).await;
    admin.post(&format!("{page}/recover"), &[("why", "somebody called me")]).await;
    sign(&mut admin, &test, "admin").await;
    let recovery = admin.leads_to().to_owned();
    admin.get(&page).await;
    assert!(admin.page.contains("is being recovered") && !admin.page.contains("/recover\""));
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get("/fleet").await;
    assert_eq!(format!("/recoveries/{}", lead.between("href=\"/recoveries/", "\"").unwrap()), recovery);
    lead.get(&recovery).await;
    lead.post(&format!("{recovery}/veto"), &[]).await;
    sign(&mut lead, &test, "lead").await;
    lead.get(&recovery).await;
    assert!(lead.page.contains("Vetoed"));
    lead.get("/fleet").await;
    assert!(!lead.page.contains("Somebody asked to recover"));
    admin.get(&page).await;
    admin.post(&format!("{page}/recover"), &[("why", "they called again")]).await;
    sign(&mut admin, &test, "admin").await;
    let recovery = admin.leads_to().to_owned();
    admin.get(&recovery).await;
    admin.post(&format!("{recovery}/withdraw"), &[]).await;
    admin.get(&recovery).await;
    assert!(admin.page.contains("Withdrawn"));
}

#[tokio::test]
async fn people_without_enough_others_are_named_with_how_to_mend_it() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    auditor.get("/people").await;
    assert!(auditor.page.contains("recovering the account of N. Adebayo: 1 of 2 people"), "{}", auditor.page);
    assert!(auditor.page.contains("Holders of critical rights: 4"));
    auditor.get("/people?as_of=yesterday").await;
    assert!(auditor.page.contains("Enter a day as 2026-11-23"));
    auditor.get("/people?as_of=2999-01-01").await;
    assert!(auditor.page.contains("That day is to come") && auditor.page.contains("Holders of critical rights: 4"), "{}", auditor.page);
    auditor.get("/people?as_of=2001-01-01").await;
    assert!(auditor.page.contains("Holders of critical rights: 0"), "nobody held anything then");
    let lead = test.people["lead"].id.clone();
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get(&format!("/people/{lead}")).await;
    assert!(!admin.page.contains("Too few people would be left"), "risk and the other lead are enough");
    test.app.disable(&test.actor("admin"), &test.people["risk"].id).await.unwrap();
    admin.get(&format!("/people/{lead}")).await;
    assert!(admin.page.contains("Too few people would be left. It is done all the same"));
    let grants = vec![andon::domain::Grant { role: andon::domain::Role::Auditor, team: None }];
    let refused = test.app.prepare_single(&test.actor("admin"), ActKind::Grants { user: lead, grants }).await;
    assert!(refused.is_err());
    admin.get("/matrix").await;
    assert!(admin.page.contains("Every address, found out by trying") && admin.page.contains("POST /recoveries/{id}/approve of arb"));
}

#[tokio::test]
async fn steps_after_the_password_wait_by_person_and_address_and_stopping_never_does() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut thief = Browser::new(&test);
    thief.get("/sign-in").await;
    thief.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
    for _ in 0..10 {
        thief.get("/sign-in/lost").await;
        thief.post("/sign-in/lost", &[("why", "")]).await;
        assert_eq!(thief.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    for path in ["/sign-in/lost", "/sign-in/lost/withdraw"] {
        thief.get("/sign-in/lost").await;
        thief.post(path, &[("why", "both are gone")]).await;
        assert_eq!(thief.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert!(thief.headers.contains_key(header::RETRY_AFTER));
    }
    assert!(test.app.recovery_book().all().is_empty());
    let stranger = SoftKey::new(ORIGIN.parse().unwrap());
    for n in 0..11 {
        thief.get("/sign-in/key").await;
        let mine = thief.page.clone();
        let options = thief.between("data-options=\"", "\"").unwrap();
        assert!(stranger.sign(&options).is_err());
        thief.page = mine;
        thief.post("/sign-in/key", &[("response", "{}")]).await;
        let expected = if n < 10 { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(thief.status, expected, "try {n}");
    }
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get("/pause").await;
    lead.post("/holds", &[("scope", "fleet"), ("level", "pause"), ("key", "k1")]).await;
    assert!(lead.leads_to().starts_with("/holds/"), "{}", lead.page);
}

#[tokio::test]
async fn pages_lead_to_a_recovery_and_name_whom_no_mail_reaches() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut operator = Browser::signed_in(&test, "operator").await;
    for key in test.keys("operator").await {
        let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
        storage::credentials::credential_suspend(&mut tx, &key.id, test.app.clock.now(), "a test", "").await.unwrap();
        tx.commit().await.unwrap();
    }
    // Any act that changes who may speak has memory read again.
    test.allow_stop_devices().await;
    operator.get("/me").await;
    assert!(operator.leads_to().starts_with("/sign-in"), "a session whose key signs nothing any more is over: {}", operator.page);
    operator.get("/sign-in").await;
    operator.post("/sign-in", &[("name", "operator"), ("password", PASSWORD)]).await;
    operator.get("/sign-in/key").await;
    assert_eq!(operator.leads_to(), "/sign-in/lost", "no key is asked for that signs nothing");

    test.give_address("lead", "lead@people.example").await;
    let mut risk = Browser::signed_in(&test, "risk").await;
    risk.get("/people").await;
    assert!(risk.page.contains("No mail address: N. Adebayo, grid lead, risk<"), "{}", risk.page);
    for who in ["admin", "grid lead", "risk"] {
        test.give_address(who, "somebody@people.example").await;
    }
    risk.get("/people").await;
    assert!(!risk.page.contains("No mail address"));
}
