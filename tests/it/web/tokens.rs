//! API tokens: nobody gives what they do not have, none outlives its maker's rights, each says when it was used and tells of its end.

use crate::{
    faults::until,
    harness::{
        app::TestApp,
        browser::Browser,
        db::{Fresh, Kind, fresh, on_both},
    },
};
use andon::{
    app::{AppError, acts::Outcome, holds::Press, sign_in::Whence},
    domain::{ActKind, Grant, Level, NoticeKind, Role, Scope, TeamId, Timestamp},
    storage::{
        Lane,
        credentials::{Use, credential_used},
    },
};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn asked(scope: &str, team: Option<TeamId>, days: u32) -> ActKind {
    ActKind::TokenCreate { name: "pager".into(), scope: scope.into(), team, days }
}

async fn made(test: &TestApp, by: &str, kind: ActKind) -> String {
    let act = test.app.prepare_single(&test.actor(by), kind).await.unwrap();
    match test.sign(by, &act).await.unwrap() {
        Outcome::Secret { secret, .. } => secret.expose().clone(),
        other => panic!("{other:?} instead of a token"),
    }
}

async fn told(test: &TestApp, who: &str, kind: NoticeKind) -> usize {
    let (all, _) = test.app.notices_of(&test.actor(who), None).await.unwrap();
    all.into_iter().filter(|notice| notice.kind == kind).count()
}

async fn change(test: &TestApp, who: &str, grants: Vec<Grant>) {
    test.give(&test.people[who].id, grants).await;
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let (arb, grid) = (test.team("arb"), test.team("grid"));
    let refused = async |by: &str, kind: ActKind| test.app.prepare_single(&test.actor(by), kind).await.unwrap_err();
    assert!(matches!(refused("admin", asked("operate", Some(arb.clone()), 7)).await, AppError::Invalid(_)), "an admin does not trade");
    assert!(matches!(refused("admin", asked("operate", None, 7)).await, AppError::Invalid(_)), "it is of one team");
    assert!(matches!(refused("lead", asked("operate", Some(grid), 7)).await, AppError::Denied(_)));
    assert!(matches!(refused("lead", asked("stop-only", None, 7)).await, AppError::Denied(_)));
    assert!(matches!(refused("operator", asked("stop-only", Some(arb.clone()), 7)).await, AppError::Denied(_)));
    for days in [0, 1, 91, 365] {
        assert!(matches!(refused("lead", asked("operate", Some(arb.clone()), days)).await, AppError::Invalid(_)), "{days}");
    }
    for old in ["stop", "manage", ""] {
        assert!(matches!(refused("admin", asked(old, None, 7)).await, AppError::Invalid(_)), "{old}");
    }
    for (scope, prefix) in [("operate", "andon_operate_"), ("read", "andon_read_"), ("stop-only", "andon_stop_")] {
        assert!(made(&test, "lead", asked(scope, Some(arb.clone()), 7)).await.starts_with(prefix));
    }
}

on_both!(a_token_ends_with_its_maker_s_right_to_give_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let arb = test.team("arb");
    let token = made(&test, "lead", asked("operate", Some(arb.clone()), 90)).await;
    let button = made(&test, "lead", asked("stop-only", Some(arb.clone()), 90)).await;
    let of_admin = made(&test, "admin", asked("read", None, 90)).await;
    for who in ["lead", "admin"] {
        assert!(told(&test, who, NoticeKind::TokenMade).await >= 1, "{who} is told");
    }
    let lets_in = |token: &str| test.app.actor_by_token(token, "192.0.2.9").is_some();
    assert!(lets_in(&token));
    change(&test, "lead", vec![Grant { role: Role::Operator, team: Some(arb.clone()) }]).await;
    assert!(!lets_in(&token) && lets_in(&of_admin), "from the very moment, without any worker");
    assert!(lets_in(&button), "who may stop bots keeps their buttons");
    assert_eq!(test.app.end_and_warn().await.unwrap(), 1);
    assert_eq!(told(&test, "lead", NoticeKind::TokenEnded).await, 1);
    change(&test, "lead", vec![Grant { role: Role::Lead, team: Some(arb) }]).await;
    assert!(!lets_in(&token), "a right that comes back brings no token back");
    change(&test, "lead", Vec::new()).await;
    assert!(!lets_in(&button));
    assert_eq!(test.app.end_and_warn().await.unwrap(), 1);
    test.log_is_good().await;
});

on_both!(key_trouble_of_their_maker_ends_no_token_and_stops_no_stop_button, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let arb = test.team("arb");
    let button = made(&test, "lead", asked("stop-only", Some(arb.clone()), 90)).await;
    let reader = made(&test, "lead", asked("read", Some(arb.clone()), 90)).await;
    // A recorded answer of somebody who owns a copy of the key.
    let (lead, known) = (&test.people["lead"], test.keys("lead").await.remove(0));
    let begun = test.app.sign_in_key_options(&lead.id).await.unwrap();
    let answer = lead.key.sign(&begun.options).unwrap();
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    let ahead = known.passkey.replacen(r#""counter":"#, r#""counter":9"#, 1);
    let use_of = Use { before: &known.passkey, after: &ahead, signature: "of the copy" };
    assert!(credential_used(&mut tx, &known.id, Timestamp(1), &use_of).await.unwrap());
    tx.commit().await.unwrap();
    assert!(test.app.sign_in_key(&lead.id, &begun.state, &answer, &Whence::default()).await.is_err());
    assert!(test.actor("lead").has_few_keys());
    let by = |token: &str| test.app.actor_by_token(token, "192.0.2.9");
    assert!(by(&reader).is_none(), "it rests");
    assert_eq!(test.app.end_and_warn().await.unwrap(), 0);
    let press = Press {
        scope: Scope::Team(arb),
        level: Level::Pause,
        why: String::new(),
        idempotency_key: "button".into(),
        terms: Default::default(),
    };
    test.app.place(by(&button).expect("a stop is not refused"), press).await.unwrap();
    let (_, act) = test.make_key("lead", "new").await;
    test.sign_with("lead", &test.people["lead"].spare, &act).await.unwrap();
    assert!(by(&reader).is_some(), "and goes on when the keys are in order");
});

on_both!(a_token_says_when_and_from_where_it_was_used_last, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let token = made(&test, "lead", asked("read", Some(test.team("arb")), 30)).await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get("/tokens").await;
    assert!(lead.page.contains("data-l=\"Last used\">never"), "{}", lead.page);
    test.app.actor_by_token(&token, "192.0.2.9").unwrap();
    lead.get("/tokens").await;
    assert!(lead.page.contains("from 192.0.2.9"), "memory first: {}", lead.page);
    test.app.write_uses().await.unwrap();
    // Another process reads it from the database.
    let again = test.restarted().await;
    let kept = again.tokens(&test.actor("lead")).await.unwrap().remove(0);
    assert_eq!((kept.last_used_from.as_deref(), kept.last_used_at), (Some("192.0.2.9"), Some(test.app.clock.now())));
    let mut stranger = Browser::signed_in(&test, "grid operator").await;
    stranger.get("/tokens").await;
    assert!(!stranger.page.contains("192.0.2.9"), "where from is for those who look after it");
});

#[tokio::test]
async fn people_hear_once_a_week_before_a_token_ends() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let token = made(&test, "lead", asked("read", Some(test.team("arb")), 30)).await;
    test.hand.forward_ms(22 * DAY_MS);
    test.app.end_and_warn().await.unwrap();
    assert_eq!(told(&test, "lead", NoticeKind::TokenEnded).await, 0);
    test.hand.forward_ms(DAY_MS);
    for _ in 0..3 {
        test.app.end_and_warn().await.unwrap();
    }
    until("the warning", async || told(&test, "lead", NoticeKind::TokenEnded).await == 1).await;
    assert!(told(&test, "admin", NoticeKind::TokenEnded).await == 1 && told(&test, "grid lead", NoticeKind::TokenEnded).await == 0);
    assert!(test.app.actor_by_token(&token, "").is_some());
    test.hand.forward_ms(7 * DAY_MS);
    assert!(test.app.actor_by_token(&token, "").is_none());
}

#[tokio::test]
async fn whoever_makes_a_token_is_told_what_it_can_be_used_for() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let team = test.team("arb").to_string();
    let (reads, stops, files) = ("/api/v1/bots</code>", "andon stop --all --server", "/api/v1/bots/BOT/golive");
    for (scope, said) in [("operate", vec![reads, stops]), ("read", vec![reads]), ("build", vec![files])] {
        let mut lead = Browser::signed_in(&test, "lead").await;
        lead.get("/tokens").await;
        lead.post("/tokens", &[("name", scope), ("scope", scope), ("days", "30"), ("team", &team)]).await;
        let act = lead.leads_to().to_owned();
        lead.get(&act).await;
        lead.touch(&test, "lead", &format!("{act}/sign")).await;
        assert!(lead.page.contains(&format!("andon_{scope}_")), "{}", lead.page);
        for words in [reads, stops, files] {
            assert_eq!(lead.page.contains(words), said.contains(&words), "{scope}: {words}");
        }
    }
}
