//! The usual way: asked for, approved by two, a day in which it can be vetoed, a link, new keys, a day of seeing and stopping only.

use super::{HOUR_MS, act, approve, link, told, use_link, view, was_told, why};
use crate::harness::{
    app::{TestApp, chosen},
    db::{Fresh, on_both},
    tables::Tables,
};
use andon::{
    app::acts::Outcome,
    authz::{Action, Resource, check},
    domain::{ActKind, Grant, Level, RecoveryId, Role, Scope, recovery::RecoveryState},
};

async fn asked(test: &TestApp, name: &str) -> (RecoveryId, andon::domain::UserId) {
    let user = test.people[name].id.clone();
    (test.app.ask_own_recovery(&user, "both keys were in the bag").await.unwrap(), user)
}

on_both!(an_operator_is_recovered_by_two_and_comes_back_with_other_keys, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    let mate = test.invite("mate", vec![Grant { role: Role::Operator, team: Some(test.team("arb")) }]).await;
    test.people.insert("mate", mate);
    let bot = test.bot("arb-1", "arb").await;
    let waiting = test.app.prepare_single(&test.actor("operator"), ActKind::EnrolmentCode { bot: bot.id.clone() }).await.unwrap();
    let (id, user) = asked(&test, "operator").await;
    assert_eq!(test.app.ask_own_recovery(&user, "again").await.unwrap(), id, "one at a time");
    for who in ["operator", "admin"] {
        assert!(was_told(&test, who, "Recovery asked: operator").await, "{who}");
    }
    assert!(!was_told(&test, "lead", "Recovery asked").await, "nobody else is told");

    for (by, reason) in [("operator", "not allowed"), ("auditor", "not allowed")] {
        assert!(why(approve(&test, by, &id, &user).await).contains(reason), "{by}");
    }
    assert!(matches!(approve(&test, "mate", &id, &user).await.unwrap(), Outcome::Done(_)));
    assert!(why(approve(&test, "mate", &id, &user).await).contains("second person"));
    assert!(why(approve(&test, "lead", &id, &user).await).contains("outside"), "mate and lead are both of the person's team");
    assert!(why(link(&test, "admin", &id, &user).await).contains("cannot be made now"), "one is not two");
    let Outcome::Secret { secret, .. } = approve(&test, "grid lead", &id, &user).await.unwrap() else { panic!("no link for an operator") };
    assert_eq!(view(&test, &id).await.row.state, RecoveryState::Linked);

    // The link was made: what the person had under way ends, and they see and stop only.
    let act = test.app.act(&test.actor("lead"), &waiting.stored.id).await.unwrap();
    assert_eq!(act.stored.state, "withdrawn");
    let actor = test.actor("operator");
    assert!(actor.is_frozen());
    assert!(check(&actor, Action::StartBot, &Resource::Bot { id: bot.id.clone(), team: bot.team.clone(), stage: bot.stage }).is_err());
    test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await;

    let old = test.people["operator"].clone();
    let back = use_link(&test, &secret).await;
    assert_eq!(view(&test, &id).await.row.state, RecoveryState::Done);
    assert!(test.app.welcome(secret.expose().rsplit('/').next().unwrap()).await.is_err(), "a link is used once");
    let ceremony = test.app.sign_in_key_options(&user).await.unwrap();
    assert!(old.key.sign(&ceremony.options).is_err(), "the old key is not asked for any more");
    test.people.insert("operator", back);
    assert!(was_told(&test, "admin", "Recovered: Back Again").await);
    test.hand.forward_ms(24 * HOUR_MS - 1_000);
    assert!(test.actor("operator").is_frozen());
    test.hand.forward_ms(2_000);
    assert!(!test.actor("operator").is_frozen(), "by the clock, without anybody doing anything");
    let act = test.app.prepare_single(&test.actor("operator"), ActKind::EnrolmentCode { bot: bot.id.clone() }).await.unwrap();
    test.sign("operator", &act).await.unwrap();
    let log = Tables::of(&test.fresh).await.rows("audit_record").await;
    for kind in ["recovery.asked", "recovery.approved", "recovery.link_made", "recovery.keys_removed", "recovery.done"] {
        assert!(log.iter().any(|row| row.contains(kind)), "{kind} is not in the log");
    }
    test.log_is_good().await;
});

on_both!(a_lead_waits_a_day_in_which_any_key_of_theirs_vetoes, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let user = test.people["lead"].id.clone();
    let ask = test.app.prepare_recovery(&test.actor("admin"), &user, "told me on a call").await.unwrap();
    test.sign("admin", &ask).await.unwrap();
    let id = test.app.recovery_book().open_of(&user).unwrap().row.id.clone();
    assert!(why(test.app.prepare_recovery(&test.actor("admin"), &user, "once more").await).contains("under way"));
    assert!(why(approve(&test, "admin", &id, &user).await).contains("not allowed"), "whoever asked does not approve");
    assert!(why(approve(&test, "operator", &id, &user).await).contains("not allowed"), "an operator stands below a lead");
    approve(&test, "risk", &id, &user).await.unwrap();
    let outcome = approve(&test, "grid lead", &id, &user).await.unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "a lead's link is not made at once");
    assert!(why(link(&test, "risk", &id, &user).await).contains("cannot be made now"));
    test.hand.forward_ms(24 * HOUR_MS - 1_000);
    test.app.tend_recoveries().await.unwrap();
    assert!(!told(&test, "risk").await.iter().any(|title| title.contains("can go on")));
    assert!(why(link(&test, "risk", &id, &user).await).contains("cannot be made now"));
    test.hand.forward_ms(2_000);
    for _ in 0..2 {
        test.app.tend_recoveries().await.unwrap();
    }
    for who in ["lead", "admin", "risk", "grid lead"] {
        assert_eq!(told(&test, who).await.iter().filter(|title| title.contains("can go on")).count(), 1, "{who}");
    }
    assert!(why(link(&test, "grid operator", &id, &user).await).contains("not allowed"));
    let made = link(&test, "grid lead", &id, &user).await.unwrap();
    let again = link(&test, "risk", &id, &user).await.unwrap();
    let opens = async |link: &andon::domain::Secret<String>| test.app.welcome(link.expose().rsplit('/').next().unwrap()).await.is_ok();
    assert!(!opens(&made).await && opens(&again).await, "a new link ends the one before");

    let veto = ActKind::RecoveryVeto { recovery: id.clone(), user: user.clone() };
    assert!(why(act(&test, "risk", veto.clone()).await).contains("not allowed"), "nobody vetoes for somebody else");
    act(&test, "lead", veto.clone()).await.unwrap();
    assert_eq!(view(&test, &id).await.row.state, RecoveryState::Vetoed);
    assert!(!opens(&again).await, "a veto ends the link");
    assert!(!test.actor("lead").is_frozen() && was_told(&test, "admin", "vetoed").await);
    assert!(why(link(&test, "risk", &id, &user).await).contains("cannot be made now"));
    test.log_is_good().await;
});

on_both!(a_used_link_is_past_every_veto_and_its_session_has_a_quarter_of_an_hour, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (id, user) = asked(&test, "operator").await;
    approve(&test, "lead", &id, &user).await.unwrap();
    let Outcome::Secret { secret, .. } = approve(&test, "risk", &id, &user).await.unwrap() else { panic!("no link") };
    let token = secret.expose().rsplit('/').next().unwrap().to_owned();
    test.hand.forward_ms(HOUR_MS - 1_000);
    let opened = test.app.welcome(&token).await.unwrap();
    test.hand.forward_ms(10 * 60_000);
    assert!(test.app.welcome(&token).await.is_err(), "the link is over");
    test.app.welcome_password(&opened.link, chosen("Back Again", "copper-lantern-42-walrus")).await.unwrap();
    let veto = ActKind::RecoveryVeto { recovery: id.clone(), user: user.clone() };
    assert!(act(&test, "operator", veto).await.is_err(), "the old keys are gone");
    assert!(test.app.withdraw_own_recovery(&user).await.is_err());
    test.hand.forward_ms(6 * 60_000);
    assert!(test.app.welcome_by_digest(&opened.link).await.is_err(), "whoever opened it took too long");
    // Another link begins anew, whatever the first led to.
    let next = link(&test, "lead", &id, &user).await.unwrap();
    let welcomed = test.app.welcome(next.expose().rsplit('/').next().unwrap()).await.unwrap();
    assert!(!welcomed.has_password && welcomed.keys == 0);
    test.log_is_good().await;
});

on_both!(what_nobody_completes_ends_after_a_week_and_what_was_asked_can_be_taken_back, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (first, user) = asked(&test, "operator").await;
    assert!(test.app.withdraw_recovery(&test.actor("lead"), &first).await.is_err(), "nobody whom it does not concern");
    test.app.withdraw_own_recovery(&user).await.unwrap();
    assert_eq!(view(&test, &first).await.row.state, RecoveryState::Withdrawn);
    assert!(approve(&test, "lead", &first, &user).await.is_err());
    let (second, _) = asked(&test, "operator").await;
    assert_ne!(first, second);
    approve(&test, "lead", &second, &user).await.unwrap();
    test.hand.forward_ms(7 * 24 * HOUR_MS + 1_000);
    assert!(approve(&test, "risk", &second, &user).await.is_err(), "also before anybody looked at the clock");
    for _ in 0..2 {
        test.app.tend_recoveries().await.unwrap();
    }
    assert_eq!(view(&test, &second).await.row.state, RecoveryState::Expired);
    assert!(was_told(&test, "admin", "Recovery expired").await);
    let (third, _) = asked(&test, "operator").await;
    assert_ne!(second, third, "the place is free again");
    test.log_is_good().await;
});

on_both!(an_approval_counts_only_while_its_giver_does, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let user = test.people["lead"].id.clone();
    let (id, _) = asked(&test, "lead").await;
    approve(&test, "risk", &id, &user).await.unwrap();
    approve(&test, "grid lead", &id, &user).await.unwrap();
    test.hand.forward_ms(24 * HOUR_MS + 1_000);
    test.app.disable(&test.actor("admin"), &test.people["grid lead"].id).await.unwrap();
    assert!(why(link(&test, "admin", &id, &user).await).contains("no longer counts"));
    test.log_is_good().await;
});
