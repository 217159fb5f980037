//! Whoever asked may want one approval more than the policy asks for; nobody asks for fewer.

use super::{
    HOUR_MS,
    api::{larger, program},
    approve, ask, holds, limited, order, state, view, was_told, why,
};
use crate::harness::{
    app::TestApp,
    browser::Browser,
    db::{Fresh, on_both},
};
use andon::domain::{RequestKind, RequestState, Rule, approval::Approver};
use serde_json::json;

on_both!(one_approval_more_is_waited_for_and_stays_with_every_revision, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    let raise = async |who: &str, more: &str| test.app.raise_request(&test.actor(who), &id, more).await;
    for (who, more, said) in
        [("lead", "risk", "only whoever asked"), ("operator", "operator", "Choose who else"), ("operator", "nobody", "Choose who else")]
    {
        assert!(why(raise(who, more).await).contains(said), "{who} {more}");
    }
    assert!(raise("grid operator", "risk").await.is_err(), "it is of another team");
    assert_eq!(view(&test, &id).await.case.request.rule.seats.len(), 1, "what was refused changed nothing");
    raise("operator", "risk").await.unwrap();
    assert_eq!(view(&test, &id).await.case.request.rule.seats.len(), 2);
    approve(&test, "lead", &id).await.unwrap();
    assert_eq!(
        (state(&test, &id).await, holds(&test, &bot.id).0.as_str()),
        (RequestState::Pending, "2000"),
        "the policy's one is not enough"
    );

    // Another revision needs as many.
    test.app.revise_limits(&test.actor("operator"), &id, &order("3500"), "less deep").await.unwrap();
    approve(&test, "lead", &id).await.unwrap();
    assert_eq!(state(&test, &id).await, RequestState::Pending);
    approve(&test, "risk", &id).await.unwrap();
    assert_eq!((state(&test, &id).await, holds(&test, &bot.id).0.as_str()), (RequestState::Executed, "3500"));
    assert!(why(raise("operator", "admin").await).contains("over"));
    test.log_is_good().await;
});

on_both!(nobody_is_asked_for_whom_there_is_not_and_four_are_the_most, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    let raise = async |more: &str| test.app.raise_request(&test.actor("operator"), &id, more).await;
    raise("admin").await.unwrap();
    assert!(why(raise("admin").await).contains("nobody here could get this approved"), "there is one admin");
    raise("risk").await.unwrap();
    raise("any_lead").await.unwrap();
    assert!(why(raise("lead").await).contains("4 approvals already"));
});

on_both!(it_is_asked_for_on_the_page_of_ones_own_request_and_by_a_token, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, other) = (limited(&test, "arb-1").await, limited(&test, "arb-2").await);
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    let page = format!("/requests/{id}");
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get(&page).await;
    assert!(!lead.page.contains("A deeper review"), "{}", lead.page);
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get(&page).await;
    assert!(operator.page.contains("A deeper review"));
    operator.post(&format!("{page}/raise"), &[("more", "risk")]).await;
    assert_eq!(operator.leads_to(), page);
    operator.get(&page).await;
    assert!(operator.page.contains("beside what the policy asks for: risk"), "{}", operator.page);
    assert!(!operator.page.contains("The policy has changed since"), "{}", operator.page);
    assert!(was_told(&test, "risk", "Waits for approval").await);

    let program = program(&test, "lead", "operate", Some("arb")).await;
    let asked = program.post("/api/v1/requests", larger(&other, "4000")).await;
    let own = asked.json["id"].as_str().unwrap_or_else(|| panic!("{asked:?}")).to_owned();
    // The person behind the token on the page, and then the token: the log is good by both.
    let id = own.parse().unwrap();
    test.app.raise_request(&test.actor("lead"), &id, "any_lead").await.unwrap();
    let raised = program.post(&format!("/api/v1/requests/{own}/raise"), json!({"more": "admin"})).await;
    assert_eq!(raised.json["seats"].as_array().map(Vec::len), Some(3), "{raised:?}");
    assert_eq!(program.post(&format!("/api/v1/requests/{own}/raise"), json!({"more": "somebody"})).await.status, 422);
    test.log_is_good().await;
});

on_both!(what_was_raised_comes_on_top_of_a_policy_that_has_become_stricter, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let stricter = Rule::new(&[&[Approver::Lead], &[Approver::Risk]], 0);
    let policy = test.app.ask_policy(&test.actor("admin"), RequestKind::Limits, stricter, "two look").await.unwrap();
    for who in ["lead", "risk"] {
        approve(&test, who, &policy).await.unwrap();
    }
    test.hand.forward_ms(24 * HOUR_MS - 1_000);
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    test.app.raise_request(&test.actor("operator"), &id, "admin").await.unwrap();
    test.hand.forward_ms(2_000);
    for _ in 0..2 {
        test.app.tend_requests().await.unwrap();
    }
    assert_eq!(state(&test, &policy).await, RequestState::Executed);
    approve(&test, "lead", &id).await.unwrap();
    approve(&test, "admin", &id).await.unwrap();
    assert_eq!(state(&test, &id).await, RequestState::Pending, "the policy of now and what was asked for beside it");
    approve(&test, "risk", &id).await.unwrap();
    assert_eq!(state(&test, &id).await, RequestState::Executed);
    test.log_is_good().await;
});
