//! The log on its pages: found by person, bot, kind and period; each entry proved; the whole verified.

use crate::harness::{
    agent::ready,
    app::TestApp,
    browser::Browser,
    db::{Fresh, Kind, fresh, on_both},
};
use andon::domain::{Level, Scope};
use axum::http::StatusCode;

on_both!(an_auditor_finds_an_entry_and_its_proof, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    ready(&test, &bot, "operator").await;
    test.start(&[bot.id.clone()], &["operator"]).await.unwrap();
    test.press("risk", Scope::Bot(bot.id.clone()), Level::Pause).await;
    let mut browser = Browser::signed_in(&test, "auditor").await;
    browser.get("/audit").await;
    assert!(browser.page.contains("hold.placed") && browser.page.contains("bot arb-1") && !browser.page.contains("data-live"));
    let risk = &test.people["risk"].id;
    browser.get(&format!("/audit?person=user:{risk}&kind=hold.placed&bot=ARB-1")).await;
    assert_eq!(browser.page.matches("<tr><th scope=\"row\"").count(), 1, "{}", browser.page);
    browser.get(&format!("/audit?about=bot:{}&kind=bots.started", bot.id)).await;
    assert!(browser.page.contains("Only what speaks of <b>bot arb-1</b>"));
    let entry = browser.between("<th scope=\"row\" class=\"n\"><a href=\"", "\"").unwrap();
    browser.get(&entry).await;
    for part in ["bots.started", "<b>Included</b>", "Signatures: 1", "operator", "verified", "&#34;root&#34;"] {
        assert!(browser.page.contains(part), "{part} is missing from {}", browser.page);
    }
    assert!(!browser.page.contains("not verified"));
    browser.get("/audit/verify").await;
    assert!(browser.page.contains("The log is whole"), "{}", browser.page);
});

#[tokio::test]
async fn what_cannot_be_looked_for_is_said_at_its_field_and_what_is_not_there_is_not_found() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut browser = Browser::signed_in(&test, "auditor").await;
    browser.get("/audit?from=yesterday&bot=none").await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        browser.page.contains("Enter a day as 2026-11-23")
            && browser.page.contains("There is no bot of that name")
            && browser.page.contains("value=\"yesterday\"")
    );
    browser.get("/audit?from=2001-01-01&to=2001-01-02").await;
    assert!(browser.status.is_success() && browser.page.contains("No entry matches"));
    for path in ["/audit/999999", "/audit/-1", "/audit/nonsense"] {
        browser.get(path).await;
        assert_eq!(browser.status, StatusCode::NOT_FOUND, "{path}");
    }
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/audit").await;
    assert!(operator.status == StatusCode::FORBIDDEN && operator.page.contains("an auditor, admin, risk or lead may"));
}

#[tokio::test]
async fn a_page_holds_a_hundred_entries_and_leads_to_older_ones() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    for n in 0..60 {
        test.bot(&format!("arb-{n}"), "arb").await;
    }
    let mut browser = Browser::signed_in(&test, "auditor").await;
    browser.get("/audit?kind=bot.created").await;
    assert!(browser.page.contains("Entries, newest first: 60") && !browser.page.contains("rel=\"next\""));
    browser.get("/audit").await;
    assert!(browser.page.contains("Entries, newest first: 100"));
    let older = browser.between("rel=\"next\" href=\"", "\"").unwrap();
    let last = browser.page.matches("<a href=\"/audit/").count();
    assert!(last >= 100);
    browser.get(&older).await;
    assert!(browser.page.contains("installation.set_up") || browser.page.contains("rel=\"next\""), "{}", browser.page);
    assert!(browser.page.contains(">Newest<"));
}
