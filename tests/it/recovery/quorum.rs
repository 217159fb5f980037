//! Quorum safety: roles that a policy cannot spare stay; disabling is never refused, and everyone who administers hears of what it leaves.
//! Toxic pairs: at grants and when somebody is enabled again. Holders of critical rights on any day.

use super::{HOUR_MS, told, why};
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
};
use andon::domain::{ActKind, Grant, Role, quorum::Policy};

fn auditor() -> Vec<Grant> {
    vec![Grant { role: Role::Auditor, team: None }]
}

on_both!(roles_that_a_policy_cannot_spare_stay_and_disabling_is_told_instead, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    let (lead, grid_lead) = (test.people["lead"].id.clone(), test.people["grid lead"].id.clone());
    // Two leads and risk: one of them can be spared, then nobody more.
    let change = |user: &andon::domain::UserId| ActKind::Grants { user: user.clone(), grants: auditor() };
    let act = test.app.prepare_single(&test.actor("admin"), change(&grid_lead)).await.unwrap();
    test.sign("admin", &act).await.unwrap();
    let said = why(test.app.prepare_single(&test.actor("admin"), change(&lead)).await);
    assert!(said.contains("too few people") && said.contains("the whole fleet") && said.contains("To mend it"), "{said}");
    assert!(test.app.people().holds(&lead, Role::Lead));
    assert!(test.app.quorum_gaps_without(&lead).iter().any(|gap| gap.policy == Policy::ReleaseFleet));

    let risk = test.people["risk"].id.clone();
    test.app.disable(&test.actor("admin"), &risk).await.unwrap();
    let titles = told(&test, "admin").await;
    assert!(titles.iter().any(|title| title.contains("Too few people are left without risk")), "{titles:?}");
    assert!(test.app.quorum_gaps().iter().any(|gap| gap.policy == Policy::ReleaseFleet), "the page of people says so until it is mended");
    let second = test.invite("second risk", vec![Grant { role: Role::Risk, team: None }]).await;
    test.people.insert("second risk", second);
    assert!(!test.app.quorum_gaps().iter().any(|gap| gap.policy == Policy::ReleaseFleet));
    test.log_is_good().await;
});

on_both!(what_cannot_be_held_together_is_refused_when_somebody_is_enabled_again, |fresh: Fresh| async move {
    let hand = crate::harness::app::Hand::new();
    let app = crate::harness::app::assemble(fresh.db.clone(), &hand, &fresh.dir.path().join("spool")).await;
    let link = app.setup_link().await.unwrap().unwrap();
    let admin = crate::harness::app::join(&app, &link, "N. Adebayo").await;
    let actor = || app.actor_of(&admin.id, false).unwrap();
    let team = app.create_team(&actor(), "arb").await.unwrap().id;
    let sign = async |kind: ActKind| {
        let act = app.prepare_single(&actor(), kind).await?;
        let ceremony = app.signing_options(&actor(), &act.stored.id).await?;
        app.sign(&actor(), &act.stored.id, &ceremony.state, &admin.key.sign(&ceremony.options).unwrap()).await
    };
    let both = vec![Grant { role: Role::Admin, team: None }, Grant { role: Role::Lead, team: Some(team) }];
    let invite = async |name: &str, grants: Vec<Grant>| {
        let user = andon::domain::UserId::new();
        sign(ActKind::Invite { user: user.clone(), name: name.into(), grants }).await.map(|_| user)
    };
    let second = invite("second", both.clone()).await.unwrap();
    app.disable(&actor(), &second).await.unwrap();
    for name in ["third", "fourth", "fifth"] {
        invite(name, auditor()).await.unwrap();
    }
    let said = why(sign(ActKind::Enable { user: second.clone() }).await);
    assert!(said.contains("cannot be enabled with these roles") && said.contains("admin holds no trading role"), "{said}");
    // Whoever holds both since before keeps them: it ends by request, not by itself.
    assert!(why(invite("sixth", both).await).contains("admin holds no trading role"));
    sign(ActKind::Grants { user: second.clone(), grants: vec![Grant { role: Role::Admin, team: None }] }).await.unwrap();
    sign(ActKind::Enable { user: second }).await.unwrap();
});

on_both!(who_held_what_on_any_day_comes_from_the_log, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let auditor_of = test.actor("auditor");
    let names = async |at| {
        let holders = test.app.critical_holders(&auditor_of, at).await.unwrap();
        let mut names: Vec<String> = holders.iter().map(|one| test.app.people().user(&one.user).unwrap().name.clone()).collect();
        names.sort();
        names
    };
    let before = test.app.clock.now();
    assert_eq!(names(before).await, ["admin", "grid lead", "lead", "risk"]);
    test.hand.forward_ms(24 * HOUR_MS);
    let user = test.people["grid lead"].id.clone();
    let act = test.app.prepare_single(&test.actor("admin"), ActKind::Grants { user, grants: auditor() }).await.unwrap();
    test.sign("admin", &act).await.unwrap();
    test.app.disable(&test.actor("admin"), &test.people["risk"].id).await.unwrap();
    assert_eq!(names(test.app.clock.now()).await, ["admin", "lead"]);
    assert_eq!(names(before).await, ["admin", "grid lead", "lead", "risk"], "the past stays as it was");
});
