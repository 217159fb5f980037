//! Two people at the same moment, each at a replica of their own: one outcome, and the other is told.

use super::{HOUR_MS, approve, ask, holds, limited, order, prepare, state, view, why};
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
};
use andon::{
    app::{App, AppError, acts::ActView, acts::Outcome},
    domain::{Level, RequestState, Scope},
};
use std::sync::Arc;

/// Races per database and kind.
const RACES: usize = 25;

/// A signature, made and not sent: what is left is the race.
async fn signed(test: &TestApp, through: &Arc<App>, by: &str, act: &ActView) -> impl Future<Output = Result<Outcome, AppError>> + use<> {
    let (app, actor, id) = (through.clone(), test.actor(by), act.stored.id.clone());
    let ceremony = app.signing_options(&actor, &id).await.unwrap();
    let answer = test.people[by].key.sign(&ceremony.options).unwrap();
    async move { app.sign(&actor, &id, &ceremony.state, &answer).await }
}

on_both!(two_approvals_at_once_carry_it_out_once_and_the_second_is_told, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let other = test.restarted().await;
    let bot = limited(&test, "arb-1").await;
    for race in 0..RACES {
        other.refresh().await.unwrap();
        let id = ask(&test, "operator", &bot.id, &(3_000 + race).to_string()).await.unwrap();
        let (lead, risk) = (prepare(&test, "lead", &id).await.unwrap(), prepare(&test, "risk", &id).await.unwrap());
        let first = tokio::spawn(signed(&test, &test.app, "lead", &lead).await);
        let second = tokio::spawn(signed(&test, &other, "risk", &risk).await);
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
        let told = why(if first.is_ok() { second } else { first });
        assert!(
            told.contains("over: executed") || told.contains("somebody else was first") || told.contains("has changed since"),
            "{told}"
        );
        test.app.refresh().await.unwrap();
        assert_eq!(holds(&test, &bot.id), ((3_000 + race).to_string(), 2 + race as i64), "once");
        assert_eq!(view(&test, &id).await.votes.len(), 1);
    }
    test.log_is_good().await;
});

on_both!(an_approval_and_a_deny_or_a_withdrawal_at_once_have_one_outcome, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let other = test.restarted().await;
    let bot = limited(&test, "arb-1").await;
    let mut version = 1;
    for race in 0..RACES {
        other.refresh().await.unwrap();
        let id = ask(&test, "operator", &bot.id, &(3_000 + race).to_string()).await.unwrap();
        let act = prepare(&test, "lead", &id).await.unwrap();
        let approval = tokio::spawn(signed(&test, &test.app, "lead", &act).await);
        let (app, risk, operator, of) = (other.clone(), test.actor("risk"), test.actor("operator"), id.clone());
        let end = tokio::spawn(async move {
            if race % 2 == 0 { app.deny_request(&risk, &of, "no").await } else { app.withdraw_request(&operator, &of).await }
        });
        let (approval, end) = (approval.await.unwrap(), end.await.unwrap());
        assert!(approval.is_ok() != end.is_ok(), "{approval:?} {end:?}");
        let expected = match (approval.is_ok(), race % 2 == 0) {
            (true, _) => RequestState::Executed,
            (false, true) => RequestState::Denied,
            (false, false) => RequestState::Withdrawn,
        };
        version += i64::from(approval.is_ok());
        test.app.refresh().await.unwrap();
        assert_eq!((state(&test, &id).await, holds(&test, &bot.id).1), (expected, version));
    }
    test.log_is_good().await;
});

on_both!(two_who_ask_for_the_same_at_once_make_one_request, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let other = test.restarted().await;
    let bot = limited(&test, "arb-1").await;
    other.refresh().await.unwrap();
    let ask = |app: &Arc<App>, by: &str| {
        let (app, actor, id) = (app.clone(), test.actor(by), bot.id.clone());
        tokio::spawn(async move { app.ask_limits(&actor, &id, &order("3000"), "deeper").await })
    };
    let (first, second) = (ask(&test.app, "operator"), ask(&other, "lead"));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let id = first.or(second).unwrap();
    approve(&test, "risk", &id).await.unwrap();
    test.log_is_good().await;
});

on_both!(two_replicas_that_tend_at_once_carry_out_once, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let other = test.restarted().await;
    let rule = andon::domain::Rule::new(&[&[andon::domain::approval::Approver::Risk]], 3_600);
    let kind = andon::domain::RequestKind::Limits;
    let id = test.app.ask_policy(&test.actor("admin"), kind, rule, "slower").await.unwrap();
    for by in ["lead", "risk"] {
        approve(&test, by, &id).await.unwrap();
    }
    other.refresh().await.unwrap();
    test.hand.forward_ms(24 * HOUR_MS + 1_000);
    let (first, second) = (test.app.clone(), other.clone());
    let both =
        tokio::join!(tokio::spawn(async move { first.tend_requests().await }), tokio::spawn(async move { second.tend_requests().await }));
    both.0.unwrap().unwrap();
    both.1.unwrap().unwrap();
    assert_eq!(state(&test, &id).await, RequestState::Executed);
    assert_eq!(test.app.policy_history(&test.actor("auditor")).await.unwrap().len(), 1, "once");
    test.log_is_good().await;
});

on_both!(the_second_signature_and_a_deny_at_once_release_or_end_and_never_both, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let other = test.restarted().await;
    let (mut released, mut denied) = (0, 0);
    for race in 0..RACES {
        let bot = test.bot(&format!("arb-{race}"), "arb").await;
        let hold = test.press("risk", Scope::Bot(bot.id), Level::Pause).await.hold.id;
        let act = test.app.prepare_release(&test.actor("operator"), &hold, "it is over").await.unwrap();
        test.sign("operator", &act).await.unwrap();
        other.refresh().await.unwrap();
        let signature = tokio::spawn(signed(&test, &test.app, "risk", &act).await);
        let (app, risk, id) = (other.clone(), test.actor("risk"), act.stored.id.clone());
        let deny = tokio::spawn(async move { app.deny_act(&risk, &id, "its orders are open").await });
        let (signature, deny) = (signature.await.unwrap(), deny.await.unwrap());
        assert!(signature.is_ok() != deny.is_ok(), "{signature:?} {deny:?}");
        test.app.refresh().await.unwrap();
        let stands = test.app.fleet.view().open_hold(&hold).is_some();
        assert_eq!(stands, deny.is_ok(), "what was denied holds, and what was signed is released");
        *(if stands { &mut denied } else { &mut released }) += 1;
    }
    assert_eq!(released + denied, RACES);
    test.log_is_good().await;
});
