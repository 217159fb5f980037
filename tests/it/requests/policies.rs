//! Who approves what: changed by a request under the policy that holds, after a day; the stricter of then and now; what nobody could meet is
//! refused.

use super::{HOUR_MS, approve, ask, holds, limited, prepare, state, told, view, was_told, why};
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
};
use andon::domain::{ActKind, Grant, RequestId, RequestKind, RequestState, Role, Rule, approval::Approver};

fn both() -> Rule {
    Rule::new(&[&[Approver::Lead], &[Approver::Risk]], 0)
}

async fn ask_for(test: &TestApp, by: &str, rule: Rule) -> Result<RequestId, andon::app::AppError> {
    test.app.ask_policy(&test.actor(by), RequestKind::Limits, rule, "two eyes are few").await
}

on_both!(a_policy_changes_under_the_old_one_after_a_day_and_both_must_be_met_meanwhile, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    assert!(why(ask_for(&test, "operator", both()).await).contains("not allowed"));
    let policy = ask_for(&test, "admin", both()).await.unwrap();
    for who in ["lead", "grid lead", "risk", "admin"] {
        assert!(was_told(&test, who, "Waits for approval").await, "{who}");
    }
    assert!(why(prepare(&test, "admin", &policy).await).contains("own request"));
    assert!(why(prepare(&test, "operator", &policy).await).contains("not asked for"));
    approve(&test, "lead", &policy).await.unwrap();
    assert_eq!(state(&test, &policy).await, RequestState::Pending, "one is not two");
    assert!(why(approve(&test, "lead", &policy).await).contains("another person"));
    approve(&test, "risk", &policy).await.unwrap();
    assert_eq!(state(&test, &policy).await, RequestState::Approved);
    assert!(was_told(&test, "admin", "Approved").await);
    assert!(why(approve(&test, "grid lead", &policy).await).contains("enough people"));

    test.hand.forward_ms(24 * HOUR_MS - 60_000);
    test.app.tend_requests().await.unwrap();
    let bot = limited(&test, "arb-1").await;
    let limits = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    assert_eq!(test.app.rules().version, 0, "not before its day is over");
    test.hand.forward_ms(61_000);
    for _ in 0..2 {
        test.app.tend_requests().await.unwrap();
    }
    assert_eq!((state(&test, &policy).await, test.app.rules().version), (RequestState::Executed, 1));
    assert!(was_told(&test, "grid lead", "holds").await);

    approve(&test, "lead", &limits).await.unwrap();
    assert_eq!(state(&test, &limits).await, RequestState::Pending, "enough when it was asked, and not now");
    approve(&test, "risk", &limits).await.unwrap();
    assert_eq!((state(&test, &limits).await, holds(&test, &bot.id).0), (RequestState::Executed, "3000".to_owned()));
    assert_eq!(test.app.policy_history(&test.actor("auditor")).await.unwrap().len(), 1);
    test.log_is_good().await;
});

on_both!(until_its_day_is_over_a_policy_can_be_denied_and_waits_again_when_an_approval_counts_no_more, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let policy = ask_for(&test, "admin", both()).await.unwrap();
    for by in ["lead", "risk"] {
        approve(&test, by, &policy).await.unwrap();
    }
    test.app.take_back_approval(&test.actor("risk"), &policy).await.unwrap();
    assert_eq!(state(&test, &policy).await, RequestState::Pending);
    assert!(why(test.app.take_back_approval(&test.actor("risk"), &policy).await).contains("no approval"));
    approve(&test, "risk", &policy).await.unwrap();
    assert_eq!(view(&test, &policy).await.votes.len(), 3, "what was taken back is kept");

    // Whoever approved loses the role that counted.
    let lead = test.people["lead"].id.clone();
    test.app.disable(&test.actor("admin"), &lead).await.unwrap();
    test.app.tend_requests().await.unwrap();
    assert_eq!(state(&test, &policy).await, RequestState::Pending);
    approve(&test, "grid lead", &policy).await.unwrap();
    assert_eq!(state(&test, &policy).await, RequestState::Approved);
    test.hand.forward_ms(23 * HOUR_MS);
    test.app.deny_request(&test.actor("risk"), &policy, "I did not know that lead was to go").await.unwrap();
    test.hand.forward_ms(2 * HOUR_MS);
    test.app.tend_requests().await.unwrap();
    assert_eq!((state(&test, &policy).await, test.app.rules().version), (RequestState::Denied, 0));
    test.log_is_good().await;
});

on_both!(an_approval_by_a_key_that_has_ended_counts_no_more, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (third, add) = test.make_key("risk", "third").await;
    test.sign("risk", &add).await.unwrap();
    let policy = ask_for(&test, "admin", both()).await.unwrap();
    for by in ["lead", "risk"] {
        approve(&test, by, &policy).await.unwrap();
    }
    assert_eq!(state(&test, &policy).await, RequestState::Approved);
    // What a counter that went back does.
    let of = format!(
        "SELECT s.credential_id FROM act_signature s JOIN request_vote v ON v.act_id = s.act_id WHERE v.user_id = '{}'",
        test.people["risk"].id
    );
    test.execute(&format!("UPDATE credential SET suspended_at = 1, suspended_why = 'its counter went back' WHERE id IN ({of})")).await;
    test.app.refresh().await.unwrap();
    test.hand.forward_ms(25 * HOUR_MS);
    test.app.tend_requests().await.unwrap();
    assert_ne!(state(&test, &policy).await, RequestState::Executed);
    let again = ask_for(&test, "admin", both()).await.unwrap();
    approve(&test, "lead", &again).await.unwrap();
    let act = prepare(&test, "risk", &again).await.unwrap();
    test.sign_with("risk", &third, &act).await.unwrap();
    assert_eq!(state(&test, &again).await, RequestState::Approved);
    test.log_is_good().await;
});

on_both!(what_is_not_carried_out_within_an_hour_of_its_time_expires, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let policy = ask_for(&test, "admin", both()).await.unwrap();
    for by in ["lead", "risk"] {
        approve(&test, by, &policy).await.unwrap();
    }
    test.hand.forward_ms(25 * HOUR_MS + 1_000);
    test.app.tend_requests().await.unwrap();
    assert_eq!((state(&test, &policy).await, test.app.rules().version), (RequestState::Expired, 0));
    test.log_is_good().await;
});

on_both!(a_policy_that_nobody_could_meet_is_refused_and_so_is_taking_the_last_such_role, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let two_risks = Rule::new(&[&[Approver::Risk], &[Approver::Risk]], 0);
    assert!(why(ask_for(&test, "admin", two_risks).await).contains("could get anything approved"));
    assert!(why(ask_for(&test, "admin", Rule::new(&[&[]], 0)).await).contains("nobody"));
    assert!(why(ask_for(&test, "admin", test.app.rules().of(RequestKind::Limits).clone()).await).contains("already"));
    let soon = Rule::new(&[&[Approver::Risk]], 3_600);
    let asked = test.app.ask_policy(&test.actor("admin"), RequestKind::Policy, soon, "quicker").await;
    assert!(why(asked).contains("24 hours"));

    let policy = ask_for(&test, "admin", both()).await.unwrap();
    for by in ["lead", "risk"] {
        approve(&test, by, &policy).await.unwrap();
    }
    test.hand.forward_ms(24 * HOUR_MS + 1_000);
    test.app.tend_requests().await.unwrap();
    assert_eq!(test.app.rules().version, 1);
    let user = test.people["risk"].id.clone();
    let kind = ActKind::Grants { user: user.clone(), grants: vec![Grant { role: Role::Operator, team: Some(test.team("arb")) }] };
    let refused = test.app.prepare_single(&test.actor("admin"), kind).await;
    assert!(why(refused).contains("approving looser limits of a bot in team arb"));
    // Disabling is a stop: done, and told.
    test.app.disable(&test.actor("admin"), &user).await.unwrap();
    assert!(told(&test, "admin").await.iter().any(|title| title.contains("Too few people are left")));
    assert!(!test.app.policy_gaps(&test.actor("admin")).is_empty());
    test.log_is_good().await;
});
