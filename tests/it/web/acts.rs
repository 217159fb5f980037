//! Acts on their pages: what is signed is shown, who may not sign is told who may, a secret stands on one page only.

use crate::harness::{
    app::TestApp,
    browser::Browser,
    db::{Fresh, Kind, fresh, on_both},
};
use andon::domain::{ActKind, Level, Scope};
use axum::http::{StatusCode, header};

async fn site() -> TestApp {
    TestApp::new(fresh(Kind::Sqlite).await).await
}

on_both!(a_wide_release_takes_two_people_and_each_sees_what_they_sign, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let hold = test.press("operator", Scope::Fleet, Level::Pause).await.hold;
    let act = test.app.prepare_release(&test.actor("lead"), &hold.id, "venue is back").await.unwrap();
    let path = format!("/acts/{}", act.stored.id);
    let sign = format!("{path}/sign");

    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get(&path).await;
    assert!(operator.page.contains("You cannot sign this now") && operator.page.contains("a lead of a covered team, or risk"));
    assert!(!operator.page.contains("data-ceremony"), "what one may not do has no button");

    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get("/acts").await;
    assert!(lead.page.contains("Waits for you") && lead.page.contains(&path) && lead.page.contains("0/2"));
    lead.get(&path).await;
    for part in ["Release the pause of the whole fleet", "venue is back", "No bot starts by that", &act.stored.digest, "Signatures: 0 of 2"]
    {
        assert!(lead.page.contains(part), "{part} is missing");
    }
    assert!(lead.page.contains("HELD"), "the strip names the hold meanwhile");
    lead.touch(&test, "lead", &sign).await;
    assert_eq!(lead.leads_to(), path);
    lead.get(&path).await;
    assert!(lead.page.contains("Signatures: 1 of 2") && lead.page.contains("a second person must"));

    let mut risk = Browser::signed_in(&test, "risk").await;
    risk.get(&path).await;
    risk.touch(&test, "risk", &sign).await;
    assert_eq!(risk.leads_to(), format!("/holds/{}", hold.id));
    risk.get(&path).await;
    assert!(risk.page.contains("Carried out") && !risk.page.contains("data-ceremony"));
    assert!(!risk.page.contains("HELD"));
    test.log_is_good().await;
});

#[tokio::test]
async fn a_signature_counts_once_and_only_for_its_own_act() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    let mut acts = Vec::new();
    for _ in 0..2 {
        let kind = ActKind::EnrolmentCode { bot: bot.id.clone() };
        acts.push(format!("/acts/{}", test.app.prepare_single(&test.actor("lead"), kind).await.unwrap().stored.id));
    }
    lead.get(&acts[0]).await;
    let first_page = lead.page.clone();
    lead.get(&acts[1]).await;
    lead.page.clone_from(&first_page);
    lead.touch(&test, "lead", &format!("{}/sign", acts[1])).await;
    assert_eq!(lead.status, StatusCode::UNPROCESSABLE_ENTITY, "the first act's signature is none of the second");
    lead.get(&acts[1]).await;
    assert!(lead.page.contains("Signatures: 0 of 1"));
    lead.get(&acts[0]).await;
    let page = lead.page.clone();
    lead.touch(&test, "lead", &format!("{}/sign", acts[0])).await;
    assert_eq!(lead.status, StatusCode::OK);
    assert!(lead.page.contains("andon agent enrol --server http://localhost:8787 --code -"), "{}", lead.page);
    assert_eq!(lead.headers[header::CACHE_CONTROL], "no-store");
    lead.page = page;
    lead.touch(&test, "lead", &format!("{}/sign", acts[0])).await;
    assert_eq!(lead.status, StatusCode::UNPROCESSABLE_ENTITY, "an answer counts once");
    lead.get(&format!("/acts/{}", "0193b0a0-0000-7000-8000-000000000000")).await;
    assert_eq!(lead.status, StatusCode::NOT_FOUND);
    lead.get("/acts/not-an-id").await;
    assert_eq!(lead.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_act_that_expired_says_so_and_has_no_button() {
    let test = site().await;
    let bot = test.bot("arb-1", "arb").await;
    let kind = ActKind::EnrolmentCode { bot: bot.id };
    let act = test.app.prepare_single(&test.actor("lead"), kind).await.unwrap();
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get(&format!("/acts/{}", act.stored.id)).await;
    let page = lead.page.clone();
    test.hand.forward_ms(11 * 60 * 1_000);
    lead.get(&format!("/acts/{}", act.stored.id)).await;
    assert!(lead.page.contains("Expired, nothing was done") && !lead.page.contains("data-ceremony"));
    lead.page = page;
    lead.touch(&test, "lead", &format!("/acts/{}/sign", act.stored.id)).await;
    assert_ne!(lead.status, StatusCode::OK);
}
