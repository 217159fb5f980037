//! The usual way of a request for looser limits, and what changes on it.

use super::{approve, ask, holds, limited, order, prepare, state, view, was_told, why};
use crate::harness::{
    agent::ready,
    app::TestApp,
    db::{Fresh, on_both},
    tables::Tables,
};
use andon::{
    app::requests::RequestFilter,
    domain::{RequestState, State},
};

on_both!(looser_limits_are_approved_by_another_carried_out_at_once_and_reach_the_agent, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let mut agent = ready(&test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert!(why(ask(&test, "operator", &bot.id, "1500").await).contains("looser"), "tightening is for one person, at once");
    assert!(why(ask(&test, "grid operator", &bot.id, "3000").await).contains("not allowed"));
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    assert_eq!(holds(&test, &bot.id), ("2000".to_owned(), 1), "asking changes nothing");
    assert!(was_told(&test, "lead", "Waits for approval").await && was_told(&test, "risk", "Waits for approval").await);
    assert!(!was_told(&test, "grid lead", "Waits for approval").await && !was_told(&test, "operator", "Waits").await);
    for (who, reason) in [
        ("operator", "own request"),
        ("grid lead", "your roles are not asked for: it takes a lead of the team or risk"),
        ("admin", "your roles are not asked for"),
        ("auditor", "not allowed"),
    ] {
        assert!(why(prepare(&test, who, &id).await).contains(reason), "{who}");
    }
    let inbox = async |who: &str| test.app.request_inbox(&test.actor(who), None).await.unwrap().0;
    assert_eq!((inbox("lead").await.mine.len(), inbox("operator").await.mine.len(), inbox("operator").await.others.len()), (1, 0, 1));
    approve(&test, "lead", &id).await.unwrap();
    let done = view(&test, &id).await;
    assert_eq!((done.row.state, done.votes[0].roles.as_str()), (RequestState::Executed, "lead of arb"));
    assert_eq!(holds(&test, &bot.id), ("3000".to_owned(), 2));
    agent.settle(&test.app).await;
    assert_eq!((agent.limits, agent.state), (2, State::Active), "what only loosens stops nothing");
    assert!(was_told(&test, "operator", "Carried out").await);
    assert!(why(approve(&test, "risk", &id).await).contains("over"), "nobody approves what was carried out");
    assert_eq!((inbox("lead").await.mine.len(), inbox("lead").await.decided.len()), (0, 1));
    assert!(ask(&test, "operator", &bot.id, "4000").await.is_ok(), "one that has ended never stands in the way");
    let log = Tables::of(&test.fresh).await.rows("audit_record").await;
    for kind in ["request.asked", "request.approved", "request.quorum_met", "limits.set", "request.executed"] {
        assert!(log.iter().any(|row| row.contains(kind)), "{kind} is not in the log");
    }
    test.log_is_good().await;
});

on_both!(another_revision_by_whoever_asked_drops_what_was_approved, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    let old = prepare(&test, "risk", &id).await.unwrap();
    let seen = view(&test, &id).await.case.request.digest;
    assert!(why(test.app.revise_limits(&test.actor("lead"), &id, &order("9000"), "much deeper").await).contains("whoever asked"));
    test.app.revise_limits(&test.actor("operator"), &id, &order("9000"), "much deeper").await.unwrap();
    assert!(why(test.sign("risk", &old).await).contains("changed since you read it"), "what was prepared over another content");
    assert!(why(test.app.prepare_approval(&test.actor("risk"), &id, &seen).await).contains("changed since you read it"));
    assert!(why(approve(&test, "operator", &id).await).contains("own request"));
    assert!(why(test.app.revise_limits(&test.actor("operator"), &id, &order("9000"), "much deeper").await).contains("already"));
    approve(&test, "risk", &id).await.unwrap();
    assert_eq!((state(&test, &id).await, holds(&test, &bot.id).0), (RequestState::Executed, "9000".to_owned()));
    assert!(why(test.app.revise_limits(&test.actor("operator"), &id, &order("9001"), "more").await).contains("over"));
    test.log_is_good().await;
});

on_both!(what_it_was_asked_over_has_changed_and_nothing_is_applied_anyway, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = limited(&test, "arb-1").await;
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    let other = [("max_leverage".to_owned(), "2".to_owned())];
    test.app.tighten_limits(&test.actor("operator"), &bot.id, &other, "").await.unwrap();
    test.app.tend_requests().await.unwrap();
    assert_eq!(state(&test, &id).await, RequestState::Pending, "what it does not name does not concern it");
    let act = prepare(&test, "lead", &id).await.unwrap();
    test.app.tighten_limits(&test.actor("risk"), &bot.id, &order("1000"), "").await.unwrap();
    assert!(why(test.sign("lead", &act).await).contains("has changed since it was asked"));
    test.app.tend_requests().await.unwrap();
    assert_eq!((state(&test, &id).await, holds(&test, &bot.id).0), (RequestState::Stale, "1000".to_owned()));
    assert!(was_told(&test, "operator", "Stale").await);
    test.log_is_good().await;
});

on_both!(one_open_request_for_a_bot_and_asking_anew_supersedes_ones_own, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, second) = (limited(&test, "arb-1").await, limited(&test, "arb-2").await);
    let id = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    assert!(why(ask(&test, "lead", &bot.id, "2500").await).contains("about the same is open"));
    ask(&test, "lead", &second.id, "2500").await.unwrap();
    let next = ask(&test, "operator", &bot.id, "2600").await.unwrap();
    assert_eq!((state(&test, &id).await, state(&test, &next).await), (RequestState::Superseded, RequestState::Pending));
    assert!(why(approve(&test, "lead", &id).await).contains("over"));
    let (page, more) = test.app.requests(&test.actor("auditor"), &RequestFilter::default(), None, 2).await.unwrap();
    let (rest, end) = test.app.requests(&test.actor("auditor"), &RequestFilter::default(), more.as_ref(), 2).await.unwrap();
    assert_eq!((page.len(), rest.len(), end), (2, 1, None), "a list goes on where it was left");
    test.log_is_good().await;
});
