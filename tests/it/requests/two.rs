//! Acts that take two people wait like requests: who can sign is told, one deny ends them, who asked takes them back, and each stands in the inbox.

use super::{HOUR_MS, was_told, why};
use crate::harness::{
    app::TestApp,
    browser::Browser,
    db::{Fresh, on_both},
};
use andon::{
    app::{AppError, acts::ActView},
    domain::{HoldId, Level, Scope},
};

/// The release of a hold that risk placed on a bot, signed by the team's operator.
async fn half_signed(test: &TestApp, name: &str) -> (HoldId, ActView) {
    let bot = test.bot(name, "arb").await;
    let hold = test.press("risk", Scope::Bot(bot.id), Level::Pause).await.hold.id;
    let act = test.app.prepare_release(&test.actor("operator"), &hold, "it is over").await.unwrap();
    test.sign("operator", &act).await.unwrap();
    (hold, act)
}

fn stands(test: &TestApp, hold: &HoldId) -> bool {
    test.app.fleet.view().open_hold(hold).is_some()
}

on_both!(whom_an_act_waits_for_is_told_and_one_deny_ends_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (hold, act) = half_signed(&test, "arb-1").await;
    let id = &act.stored.id;
    assert!(was_told(&test, "risk", "Waits for a second signature").await);
    assert!(!was_told(&test, "operator", "Waits for").await && !was_told(&test, "grid operator", "Waits for").await);
    let deny = async |by: &str, why: &str| test.app.deny_act(&test.actor(by), id, why).await;
    assert!(matches!(deny("risk", " ").await, Err(AppError::Invalid(_))), "a reason is demanded");
    assert!(why(deny("operator", "no").await).contains("take it back"));
    assert!(deny("grid operator", "no").await.is_err() && deny("auditor", "no").await.is_err());
    assert!(why(test.app.withdraw_act(&test.actor("risk"), id).await).contains("only whoever asked"));
    deny("risk", "its orders are still open").await.unwrap();
    assert!(was_told(&test, "operator", "its orders are still open").await);
    assert!(why(test.sign("risk", &act).await).contains("over"));
    assert!(why(deny("risk", "again").await).contains("over"));
    assert!(stands(&test, &hold));
    test.log_is_good().await;
});

on_both!(whoever_asked_for_an_act_takes_it_back, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (hold, act) = half_signed(&test, "arb-1").await;
    test.app.withdraw_act(&test.actor("operator"), &act.stored.id).await.unwrap();
    assert!(why(test.sign("risk", &act).await).contains("over: withdrawn"));
    assert!(stands(&test, &hold));
    test.log_is_good().await;
});

on_both!(a_release_waits_a_day_for_its_second_person_and_its_end_is_told, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ((late, act), (in_time, other)) = (half_signed(&test, "arb-1").await, half_signed(&test, "arb-2").await);
    test.hand.forward_ms(23 * HOUR_MS);
    test.sign("risk", &other).await.unwrap();
    assert!(!stands(&test, &in_time));
    assert!(was_told(&test, "operator", "carried out").await);
    test.hand.forward_ms(HOUR_MS + 1_000);
    for _ in 0..2 {
        test.app.tend_acts().await.unwrap();
    }
    assert!(was_told(&test, "operator", "nobody signed it in time").await);
    assert!(why(test.sign("risk", &act).await).contains("over"));
    assert!(stands(&test, &late));
    test.log_is_good().await;
});

on_both!(an_act_of_two_people_stands_in_the_inbox_and_is_denied_on_its_page, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (_, act) = half_signed(&test, "arb-1").await;
    let page = format!("/acts/{}", act.stored.id);
    let mut risk = Browser::signed_in(&test, "risk").await;
    risk.get("/requests").await;
    assert!(risk.page.contains("Needs you: 1") && risk.page.contains(&page), "{}", risk.page);
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/requests").await;
    assert!(operator.page.contains("Waits for others: 1") && operator.page.contains(&page), "{}", operator.page);
    operator.get(&page).await;
    assert!(operator.page.contains("/withdraw\"") && !operator.page.contains("/deny\""));
    risk.get(&page).await;
    risk.post(&format!("{page}/deny"), &[("why", "")]).await;
    assert!(risk.page.contains("Say why not"), "{}", risk.page);
    risk.post(&format!("{page}/deny"), &[("why", "its orders are still open")]).await;
    risk.get(&page).await;
    assert!(risk.page.contains("its orders are still open"), "{}", risk.page);
    test.log_is_good().await;
});
