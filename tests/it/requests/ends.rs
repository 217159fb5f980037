//! How requests end without being carried out, and that what has ended stays as it is.

use super::{HOUR_MS, approve, ask, holds, limited, prepare, state, view, was_told, why};
use crate::harness::{
    app::TestApp,
    db::{Fresh, beside, on_both},
};
use andon::{app::AppError, domain::RequestState};

on_both!(one_deny_with_a_reason_ends_it_and_talk_goes_on, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    let act = prepare(&test, "lead", &id).await.unwrap();
    let deny = async |by: &str, why: &str| test.app.deny_request(&test.actor(by), &id, why).await;
    assert!(matches!(deny("risk", " ").await, Err(AppError::Invalid(_))), "a reason is demanded");
    assert!(why(deny("grid lead", "no").await).contains("not asked for"));
    assert!(why(deny("operator", "no").await).contains("own request"), "whoever asked takes it back instead");
    test.app.comment_request(&test.actor("lead"), &id, "is the book really deeper?").await.unwrap();
    assert!(was_told(&test, "operator", "A remark").await);
    deny("risk", "not before the audit").await.unwrap();
    let over = view(&test, &id).await;
    assert_eq!((over.row.state, over.row.outcome.as_deref()), (RequestState::Denied, Some("not before the audit")));
    assert!(was_told(&test, "operator", "Denied").await);
    assert!(why(test.sign("lead", &act).await).contains("over: denied"));
    assert!(why(test.app.withdraw_request(&test.actor("operator"), &id).await).contains("over"));
    assert_eq!(holds(&test, &bot.id).0, "2000");
    test.app.comment_request(&test.actor("operator"), &id, "asked again next week").await.unwrap();
    assert_eq!(test.app.request_comments(&test.actor("auditor"), &id).await.unwrap().len(), 2);
    assert!(test.app.comment_request(&test.actor("auditor"), &id, "hm").await.is_err(), "an auditor changes nothing");
    test.log_is_good().await;
});

on_both!(whoever_asked_takes_it_back_and_nobody_else_does, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    let act = prepare(&test, "lead", &id).await.unwrap();
    assert!(why(test.app.withdraw_request(&test.actor("lead"), &id).await).contains("only whoever asked"));
    test.app.withdraw_request(&test.actor("operator"), &id).await.unwrap();
    assert_eq!(state(&test, &id).await, RequestState::Withdrawn);
    assert!(why(test.sign("lead", &act).await).contains("over: withdrawn"));
    assert!(ask(&test, "lead", &bot.id, "3000").await.is_ok());
    test.log_is_good().await;
});

on_both!(after_a_day_it_expires_also_before_anybody_looked_at_the_clock, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    test.hand.forward_ms(24 * HOUR_MS - 1_000);
    test.app.tend_requests().await.unwrap();
    assert_eq!(state(&test, &id).await, RequestState::Pending);
    test.hand.forward_ms(2_000);
    assert!(why(approve(&test, "lead", &id).await).contains("expires"));
    for _ in 0..2 {
        test.app.tend_requests().await.unwrap();
    }
    assert_eq!(state(&test, &id).await, RequestState::Expired);
    assert!(was_told(&test, "operator", "Expired").await);
    assert!(ask(&test, "operator", &bot.id, "3000").await.is_ok(), "the place is free again");
    test.log_is_good().await;
});

on_both!(what_has_ended_stays_as_it_is_and_is_kept, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    approve(&test, "lead", &id).await.unwrap();
    let place = test.fresh.place.clone();
    for sql in ["UPDATE request SET state = 'pending'", "UPDATE request SET outcome = 'nothing'", "DELETE FROM request"] {
        let place = place.clone();
        let done = tokio::spawn(async move { beside(&place, sql).await }).await;
        assert!(done.is_err(), "{sql}: the database took it");
    }
    assert_eq!(state(&test, &id).await, RequestState::Executed);
});
