//! Ways around a recovery that somebody would try: an invitation for who came in, a link that is used by half, a second link, a link that whoever
//! asked makes, approvals of people who count no more, and requests without end.

use super::{HOUR_MS, act, approve, link, told, use_link, view, was_told, why};
use crate::harness::{
    app::{Somebody, TestApp, chosen},
    db::{Fresh, on_both},
    tables::Tables,
};
use andon::{
    app::acts::Outcome,
    authn::SoftKey,
    crypto::token::TokenDigest,
    domain::{ActKind, Grant, RecoveryId, Role, Secret, UserId, recovery::RecoveryState},
    storage::{self, Lane, invitations::Invitation},
};
use std::sync::Arc;

const DAY_MS: i64 = 24 * HOUR_MS;

async fn asked(test: &TestApp, name: &str) -> (RecoveryId, UserId) {
    let user = test.people[name].id.clone();
    (test.app.ask_own_recovery(&user, "both keys were in the bag").await.unwrap(), user)
}

fn token(link: &Secret<String>) -> &str {
    link.expose().rsplit('/').next().unwrap()
}

/// Makes one key with a link that has a password.
async fn make_key(test: &TestApp, digest: &str, nickname: &str) -> Result<Arc<SoftKey>, andon::app::AppError> {
    let key = Arc::new(SoftKey::new(test.app.origin.clone()));
    let ceremony = test.app.welcome_key_options(digest).await?;
    let answer = key.register(&ceremony.options).unwrap();
    test.app.welcome_key(digest, &ceremony.state, &answer, nickname).await?;
    Ok(key)
}

/// Uses a link by half: a password and one key.
async fn use_by_half(test: &TestApp, link: &Secret<String>) -> Arc<SoftKey> {
    let welcomed = test.app.welcome(token(link)).await.unwrap();
    test.app.welcome_password(&welcomed.link, chosen("Half Back", "copper-lantern-42-walrus")).await.unwrap();
    make_key(test, &welcomed.link, "one").await.unwrap()
}

async fn operators_link(test: &TestApp) -> (RecoveryId, UserId, Secret<String>) {
    let (id, user) = asked(test, "operator").await;
    approve(test, "lead", &id, &user).await.unwrap();
    let Outcome::Secret { secret, .. } = approve(test, "risk", &id, &user).await.unwrap() else { panic!("no link") };
    (id, user, secret)
}

async fn remove_key(test: &TestApp, of: &str, nickname: &str) {
    let id = test.keys(of).await.into_iter().find(|key| key.nickname == nickname).unwrap().id;
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    storage::credentials::credential_remove(&mut tx, &id, test.app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(one_admin_lets_nobody_in_anew_who_ever_came_in, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let again = |user: &UserId| ActKind::InviteAgain { user: user.clone() };
    // One of risk's two keys is gone: what two keys once opened no invitation opens.
    remove_key(&test, "risk", "spare").await;
    let risk = test.people["risk"].id.clone();
    let said = why(act(&test, "admin", again(&risk)).await);
    assert!(said.contains("has come in once") && said.contains("two others approve"), "{said}");
    // A link that was made before, as an older version made it, is used up too.
    let stray = Secret::new("andon_invite_stray".to_owned());
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    let now = test.app.clock.now();
    let row = Invitation {
        token_hash: TokenDigest::of(stray.expose()).hex(),
        user_id: risk.clone(),
        kind: "invite".into(),
        made_at: now,
        expires_at: now.plus_ms(HOUR_MS),
    };
    storage::invitations::invitation_insert(&mut tx, &row).await.unwrap();
    tx.commit().await.unwrap();
    assert!(test.app.welcome(stray.expose()).await.is_err());
    let pass = chosen("Taken Over", "copper-lantern-42-walrus");
    assert!(test.app.welcome_password(&row.token_hash, pass).await.is_err());
    assert!(make_key(&test, &row.token_hash, "theirs").await.is_err());

    // Somebody who comes in between the preparation and the signature is in.
    let operator = || vec![Grant { role: Role::Operator, team: Some(test.team("arb")) }];
    let first = test.link("new", operator()).await;
    let new = test.app.people().users().iter().find(|user| user.name == "new").unwrap().id.clone();
    let prepared = test.app.prepare_single(&test.actor("admin"), again(&new)).await.unwrap();
    crate::harness::app::join(&test.app, &first, "N. New").await;
    assert!(why(test.sign("admin", &prepared).await).contains("has come in once"));

    // Nor is an invitation a way past a recovery that was asked for.
    let open = test.link("half", operator()).await;
    let welcomed = test.app.welcome(token(&open)).await.unwrap();
    test.app.welcome_password(&welcomed.link, chosen("H. Alf", "violet-harbour-19-quince")).await.unwrap();
    make_key(&test, &welcomed.link, "only").await.unwrap();
    test.app.ask_own_recovery(&welcomed.user.id, "lost it at once").await.unwrap();
    assert!(make_key(&test, &welcomed.link, "second").await.is_err());
    assert!(why(act(&test, "admin", again(&welcomed.user.id)).await).contains("has come in once"));
    test.log_is_good().await;
});

on_both!(a_link_used_by_half_gives_no_right_however_long_one_waits, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    let (id, user, secret) = operators_link(&test).await;
    let key = use_by_half(&test, &secret).await;
    for ms in [0, 2 * HOUR_MS, 3 * DAY_MS] {
        test.hand.forward_ms(ms);
        assert!(test.actor("operator").is_frozen(), "after {ms} ms");
        assert!(test.app.sign_in_key_options(&user).await.is_err(), "a key of half a recovery signs nobody in");
        assert!(test.app.own_key_options(&test.actor("operator")).await.is_err(), "nor adds another");
    }
    test.hand.forward_ms(5 * DAY_MS);
    for _ in 0..2 {
        test.app.tend_recoveries().await.unwrap();
    }
    assert_eq!(view(&test, &id).await.row.state, RecoveryState::Expired);
    test.people.insert("operator", Somebody { id: user.clone(), key: key.clone(), spare: key });
    assert_eq!(test.keys("operator").await.len(), 0, "what was made with it is gone");
    test.hand.forward_ms(60 * DAY_MS);
    for app in [&test.app, &test.restarted().await] {
        assert!(app.actor_of(&user, false).unwrap().is_frozen(), "until another recovery is done");
    }
    assert!(why(act(&test, "admin", ActKind::InviteAgain { user: user.clone() }).await).contains("has come in once"));
    // The way out: an admin asks, two approve, two new keys, a day.
    let ask = test.app.prepare_recovery(&test.actor("admin"), &user, "they sit beside me").await.unwrap();
    test.sign("admin", &ask).await.unwrap();
    let id = test.app.recovery_book().open_of(&user).unwrap().row.id.clone();
    approve(&test, "lead", &id, &user).await.unwrap();
    let Outcome::Secret { secret, .. } = approve(&test, "risk", &id, &user).await.unwrap() else { panic!("no link") };
    use_link(&test, &secret).await;
    assert!(test.app.actor_of(&user, false).unwrap().is_frozen());
    test.hand.forward_ms(DAY_MS + 1_000);
    assert!(!test.app.actor_of(&user, false).unwrap().is_frozen());
    assert!(test.app.sign_in_key_options(&user).await.is_ok());
    test.log_is_good().await;
});

on_both!(a_link_made_again_takes_back_what_the_one_before_made, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (id, user, leaked) = operators_link(&test).await;
    let welcomed = test.app.welcome(token(&leaked)).await.unwrap();
    use_by_half(&test, &leaked).await;
    let next = link(&test, "lead", &id, &user).await.unwrap();
    assert!(make_key(&test, &welcomed.link, "second of the thief").await.is_err());
    assert_eq!(test.keys("operator").await.len(), 0);
    assert!(view(&test, &id).await.row.began_at.is_none());
    let whence = andon::app::sign_in::Whence::default();
    let theirs = Secret::new("copper-lantern-42-walrus".to_owned());
    assert!(test.app.sign_in_password("operator", theirs, &whence).await.is_err(), "the thief's password is none");
    use_link(&test, &next).await;
    let names: Vec<String> = test.keys("operator").await.into_iter().map(|key| key.nickname).collect();
    assert_eq!(names, ["new", "new spare"]);
    let log = Tables::of(&test.fresh).await.rows("audit_record").await;
    assert_eq!(log.iter().filter(|row| row.contains("recovery.keys_removed")).count(), 2);
    assert_eq!(log.iter().filter(|row| row.contains("user.password_ended")).count(), 1);
    test.log_is_good().await;
});

on_both!(the_hosts_link_is_renewed_by_the_host_alone, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let user = test.people["operator"].id.clone();
    let first = test.app.recover_on_host("root", "operator", Some("nobody else is here")).await.unwrap();
    let id = test.app.recovery_book().open_of(&user).unwrap().row.id.clone();
    for by in ["admin", "risk", "lead"] {
        assert!(why(link(&test, by, &id, &user).await).contains("not allowed"), "{by}");
    }
    assert!(test.app.withdraw_recovery(&test.actor("admin"), &id).await.is_err());
    use_by_half(&test, &first.link).await;
    let second = test.app.recover_on_host("root", "operator", Some("that link went astray")).await.unwrap();
    assert!(test.app.welcome(token(&first.link)).await.is_err());
    assert_eq!(test.keys("operator").await.len(), 0, "what was made with it is gone");
    use_link(&test, &second.link).await;
    test.log_is_good().await;
});

on_both!(whoever_asked_neither_makes_the_link_nor_sees_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let user = test.people["operator"].id.clone();
    let ask = test.app.prepare_recovery(&test.actor("admin"), &user, "told me on a call").await.unwrap();
    test.sign("admin", &ask).await.unwrap();
    let id = test.app.recovery_book().open_of(&user).unwrap().row.id.clone();
    approve(&test, "lead", &id, &user).await.unwrap();
    approve(&test, "risk", &id, &user).await.unwrap();
    let said = why(link(&test, "admin", &id, &user).await);
    assert!(said.contains("not allowed") && said.contains("never whoever asked"), "{said}");
    let made = link(&test, "lead", &id, &user).await.unwrap();
    assert!(test.app.welcome(token(&made)).await.is_ok());
});

on_both!(an_approval_ends_with_what_made_it_count, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    let user = test.people["lead"].id.clone();
    let (id, _) = asked(&test, "lead").await;
    approve(&test, "risk", &id, &user).await.unwrap();
    approve(&test, "grid lead", &id, &user).await.unwrap();
    test.hand.forward_ms(DAY_MS + 1_000);
    test.app.tend_recoveries().await.unwrap();
    // A key of the second approver's is suspected: inside the transaction it counts no more, whatever memory says.
    remove_key(&test, "grid lead", "spare").await;
    assert!(why(link(&test, "risk", &id, &user).await).contains("no longer counts"));
    test.app.disable(&test.actor("admin"), &test.people["grid lead"].id).await.unwrap();
    for _ in 0..2 {
        test.app.tend_recoveries().await.unwrap();
    }
    let seen = view(&test, &id).await;
    assert_eq!((seen.row.state, seen.row.ready_at, seen.approvals.len()), (RecoveryState::Asked, None, 1));
    assert_eq!(told(&test, "admin").await.iter().filter(|title| title.contains("needs approval again")).count(), 1);
    let log = Tables::of(&test.fresh).await.rows("audit_record").await;
    assert_eq!(log.iter().filter(|row| row.contains("recovery.approvals_dropped")).count(), 1);
    // Another takes the place, and the day begins anew.
    let second = test.invite("second risk", vec![Grant { role: Role::Risk, team: None }]).await;
    test.people.insert("second risk", second);
    approve(&test, "second risk", &id, &user).await.unwrap();
    assert!(why(link(&test, "risk", &id, &user).await).contains("cannot be made now"));
    test.hand.forward_ms(DAY_MS + 1_000);
    test.app.tend_recoveries().await.unwrap();
    assert_eq!(told(&test, "risk").await.iter().filter(|title| title.contains("can go on")).count(), 2, "once each time");
    // Whoever is being recovered counts for nothing either: approved before, or approving now.
    test.app.recover_on_host("root", "risk", Some("lost all")).await.unwrap();
    assert!(why(link(&test, "second risk", &id, &user).await).contains("no longer counts"));
    test.app.tend_recoveries().await.unwrap();
    assert_eq!(view(&test, &id).await.approvals.len(), 1);
    assert!(why(approve(&test, "risk", &id, &user).await).contains("not allowed"));
    test.log_is_good().await;
});

on_both!(a_stuck_recovery_is_taken_back_by_its_person_or_any_admin, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    let user = test.people["operator"].id.clone();
    let ask = async |test: &TestApp| {
        let ask = test.app.prepare_recovery(&test.actor("admin"), &user, "told me on a call").await.unwrap();
        test.sign("admin", &ask).await.unwrap();
        test.app.recovery_book().open_of(&user).unwrap().row.id.clone()
    };
    let second = test.invite("second admin", vec![Grant { role: Role::Admin, team: None }]).await;
    test.people.insert("second admin", second);
    for by in ["operator", "second admin"] {
        let id = ask(&test).await;
        for no in ["lead", "auditor"] {
            assert!(test.app.withdraw_recovery(&test.actor(no), &id).await.is_err(), "{no}");
        }
        test.app.withdraw_recovery(&test.actor(by), &id).await.unwrap();
        assert_eq!(view(&test, &id).await.row.state, RecoveryState::Withdrawn);
    }
    // The person alone with their password too, as long as nobody approved it.
    ask(&test).await;
    test.app.withdraw_own_recovery(&user).await.unwrap();
    // A used link is past it.
    let (id, _, secret) = operators_link(&test).await;
    use_by_half(&test, &secret).await;
    assert!(test.app.withdraw_recovery(&test.actor("second admin"), &id).await.is_err());
    test.log_is_good().await;
});

on_both!(a_password_alone_neither_floods_nor_holds_a_recovery_up, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let user = test.people["operator"].id.clone();
    for _ in 0..3 {
        asked(&test, "operator").await;
        test.app.withdraw_own_recovery(&user).await.unwrap();
    }
    let before = told(&test, "admin").await.len();
    let said = why(test.app.ask_own_recovery(&user, "a fourth time").await);
    assert!(said.contains("three times within a day") && told(&test, "admin").await.len() == before, "{said}");
    test.hand.forward_ms(DAY_MS + 1_000);
    let (id, _) = asked(&test, "operator").await;
    approve(&test, "lead", &id, &user).await.unwrap();
    assert!(why(test.app.withdraw_own_recovery(&user).await).contains("a password alone"));
    assert_eq!(view(&test, &id).await.row.state, RecoveryState::Asked);
    assert!(was_told(&test, "admin", "Recovery approved").await);
    test.log_is_good().await;
});
