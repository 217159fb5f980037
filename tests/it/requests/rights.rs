//! More rights of a person: asked for by an admin, approved by somebody else, and held after a day. One admin alone gives none of them, by no path;
//! what only takes away counts at once.

use super::{HOUR_MS, approve, prepare, state, told, view, was_told, why};
use crate::harness::{
    app::{Hand, TestApp, assemble, join},
    db::{Fresh, on_both},
};
use andon::{
    app::{
        AppError,
        acts::{ActView, Outcome},
    },
    domain::{ActKind, Grant, RequestId, RequestKind, RequestState, Role, Rule, UserId, approval::Approver},
};

fn wide(role: Role) -> Vec<Grant> {
    vec![Grant { role, team: None }]
}

fn in_team(test: &TestApp, role: Role, team: &str) -> Grant {
    Grant { role, team: Some(test.team(team)) }
}

fn held(test: &TestApp, who: &UserId) -> Vec<Grant> {
    test.app.people().user(who).unwrap().grants.clone()
}

/// Prepares an act of the admin's and signs it.
async fn signed(test: &TestApp, kind: ActKind) -> Result<Outcome, AppError> {
    let act = test.app.prepare_single(&test.actor("admin"), kind).await?;
    test.sign("admin", &act).await
}

async fn ask(test: &TestApp, who: &UserId, grants: &[Grant]) -> Result<RequestId, AppError> {
    test.app.ask_roles(&test.actor("admin"), who, grants, "they know the desk").await
}

/// The day after an approval is over, and some seconds.
async fn a_day_later(test: &TestApp) {
    test.hand.forward_ms(24 * HOUR_MS + 1_000);
    for _ in 0..2 {
        test.app.tend_requests().await.unwrap();
    }
}

on_both!(one_admin_alone_gives_nothing_wide_and_takes_away_at_once, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (operator, lead, admin) = (&test.people["operator"].id, &test.people["lead"].id, &test.people["admin"].id);
    let lead_of_arb = in_team(&test, Role::Lead, "arb");
    for grants in [vec![lead_of_arb.clone()], wide(Role::Risk), wide(Role::Admin)] {
        let said = why(signed(&test, ActKind::Grants { user: operator.clone(), grants: grants.clone() }).await);
        assert!(said.contains("somebody else approves"), "{said}");
        let said = why(signed(&test, ActKind::Invite { user: UserId::new(), name: "puppet".into(), grants }).await);
        assert!(said.contains("somebody else approves"), "{said}");
    }
    // The same role in another team is more, also for whoever asks.
    let more = vec![lead_of_arb.clone(), in_team(&test, Role::Lead, "grid")];
    assert!(why(signed(&test, ActKind::Grants { user: lead.clone(), grants: more }).await).contains("somebody else approves"));
    let own = [wide(Role::Admin), vec![lead_of_arb.clone()]].concat();
    assert!(matches!(signed(&test, ActKind::Grants { user: admin.clone(), grants: own }).await, Err(AppError::Conflict(_))));
    assert!(why(ask(&test, operator, &wide(Role::Auditor)).await).contains("takes an approval"));
    assert!(why(ask(&test, operator, &[in_team(&test, Role::Operator, "arb")]).await).contains("nothing would change"));
    let by_risk = test.app.ask_roles(&test.actor("risk"), operator, std::slice::from_ref(&lead_of_arb), "please").await;
    assert!(matches!(by_risk, Err(AppError::Denied(_))), "an admin asks");

    // Narrow roles, and less than before.
    signed(&test, ActKind::Grants { user: operator.clone(), grants: vec![in_team(&test, Role::Operator, "grid")] }).await.unwrap();
    let less = vec![in_team(&test, Role::Operator, "arb")];
    signed(&test, ActKind::Grants { user: lead.clone(), grants: less.clone() }).await.unwrap();
    assert_eq!(held(&test, lead), less);
    assert!(why(signed(&test, ActKind::Grants { user: lead.clone(), grants: vec![lead_of_arb] }).await).contains("somebody else"));
    test.log_is_good().await;
});

on_both!(one_signature_is_enough_until_somebody_else_could_approve_and_never_again, |fresh: Fresh| async move {
    let app = assemble(fresh.db.clone(), &Hand::new(), &fresh.dir.path().join("spool")).await;
    let admin = join(&app, &app.setup_link().await.unwrap().unwrap(), "N. Adebayo").await;
    let actor = || app.actor_of(&admin.id, false).unwrap();
    let team = app.create_team(&actor(), "arb").await.unwrap().id;
    let sign = async |act: ActView| {
        let ceremony = app.signing_options(&actor(), &act.stored.id).await?;
        app.sign(&actor(), &act.stored.id, &ceremony.state, &admin.key.sign(&ceremony.options).unwrap()).await
    };
    let invite = async |name: &str, grants: Vec<Grant>| {
        app.prepare_single(&actor(), ActKind::Invite { user: UserId::new(), name: name.into(), grants }).await
    };
    let of_arb = |role: Role| Grant { role, team: Some(team.clone()) };
    let link = sign(invite("second", vec![of_arb(Role::Operator)]).await.unwrap()).await.unwrap();
    let Outcome::Secret { secret, .. } = link else { panic!("no link") };
    let second = join(&app, &secret, "S. Second").await;
    // Two people, and one of them approves nothing: nobody is to be stuck.
    assert!(!app.people().is_alone() && !app.others_approve_rights().await.unwrap());
    let asked = app.ask_roles(&actor(), &second.id, &[of_arb(Role::Lead)], "she runs it").await;
    assert!(why(asked).contains("takes an approval"));
    let early = invite("puppet", wide(Role::Risk)).await.unwrap();
    let lead = ActKind::Grants { user: second.id.clone(), grants: vec![of_arb(Role::Lead)] };
    sign(app.prepare_single(&actor(), lead).await.unwrap()).await.unwrap();
    assert!(app.others_approve_rights().await.unwrap());
    assert!(why(sign(early).await).contains("somebody else approves"), "what was prepared before as well");
    assert!(why(invite("puppet", wide(Role::Risk)).await).contains("somebody else approves"));
    // Whoever sends the other one away is not alone again.
    app.disable(&actor(), &second.id).await.unwrap();
    assert!(why(invite("puppet", wide(Role::Risk)).await).contains("somebody else approves"));
    let mut tx = fresh.db.read().await.unwrap();
    let report = andon::app::audit::verify_log(&mut tx, &app.keys).await.unwrap();
    assert!(report.is_good(), "{:#?}", report.findings);
});

on_both!(what_others_approved_holds_after_a_day_and_once, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let operator = test.people["operator"].id.clone();
    let wanted = vec![in_team(&test, Role::Lead, "arb"), in_team(&test, Role::Operator, "arb")];
    assert!(why(test.app.ask_roles(&test.actor("admin"), &operator, &wanted, "").await).contains("Say why"));
    let id = ask(&test, &operator, &wanted).await.unwrap();
    assert_eq!(view(&test, &id).await.row.beneficiary, Some(operator.clone()));
    for (who, words) in [("operator", "Asked for you"), ("admin", "Waits for approval"), ("risk", "Waits for approval")] {
        assert!(was_told(&test, who, words).await, "{who}");
    }
    assert_eq!(told(&test, "operator").await.len(), 1, "in their own words alone");
    assert!(why(prepare(&test, "admin", &id).await).contains("own request"));
    assert!(why(prepare(&test, "operator", &id).await).contains("gain by"));
    assert!(why(prepare(&test, "grid operator", &id).await).contains("not asked for"));
    approve(&test, "lead", &id).await.unwrap();
    assert_eq!(state(&test, &id).await, RequestState::Approved);
    test.hand.forward_ms(24 * HOUR_MS - 60_000);
    test.app.tend_requests().await.unwrap();
    assert!(!test.app.people().holds(&operator, Role::Lead), "not before its day is over");
    test.hand.forward_ms(61_000);
    let other = test.restarted().await;
    other.tend_requests().await.unwrap();
    test.app.tend_requests().await.unwrap();
    assert_eq!((state(&test, &id).await, other.people().holds(&operator, Role::Lead)), (RequestState::Executed, true));
    let entries = crate::harness::tables::Tables::of(&test.fresh).await.rows("audit_record").await;
    let kind = data_encoding::HEXLOWER.encode(b"user.grants_changed");
    let given =
        entries.iter().map(|row| row.to_lowercase()).filter(|row| row.contains("user.grants_changed") || row.contains(&kind)).count();
    assert_eq!(given, 1, "once");
    assert!(was_told(&test, "operator", "Your roles were changed").await);
    let holders = test.app.critical_holders(&test.actor("auditor"), test.app.clock.now()).await.unwrap();
    assert!(holders.iter().any(|holder| holder.user == operator), "the log says who holds it");
    test.log_is_good().await;
});

on_both!(two_are_enough_when_the_other_can_approve_and_nobody_approves_for_themselves, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (risk, admin) = (test.people["risk"].id.clone(), test.people["admin"].id.clone());
    let both = [wide(Role::Admin), vec![in_team(&test, Role::Lead, "arb")]].concat();
    assert!(why(ask(&test, &admin, &both).await).contains("admin holds no trading role"));
    let id = ask(&test, &risk, &[wide(Role::Risk), vec![in_team(&test, Role::Lead, "arb")]].concat()).await.unwrap();
    assert!(why(prepare(&test, "risk", &id).await).contains("gain by"), "whose seat it would be");
    assert!(why(test.app.deny_request(&test.actor("risk"), &id, "no").await).contains("gain by"));
    test.app.deny_request(&test.actor("grid lead"), &id, "one desk is enough").await.unwrap();
    assert!(was_told(&test, "risk", "Denied").await, "whom it was for hears of it");
    // What they hold changes meanwhile: nothing is applied anyway.
    let operator = test.people["operator"].id.clone();
    let id = ask(&test, &operator, &wide(Role::Risk)).await.unwrap();
    approve(&test, "lead", &id).await.unwrap();
    signed(&test, ActKind::Grants { user: operator.clone(), grants: vec![in_team(&test, Role::Operator, "grid")] }).await.unwrap();
    test.app.tend_requests().await.unwrap();
    assert_eq!(state(&test, &id).await, RequestState::Stale);
    // Nor is it when they are disabled meanwhile.
    let id = ask(&test, &operator, &wide(Role::Risk)).await.unwrap();
    approve(&test, "lead", &id).await.unwrap();
    test.app.disable(&test.actor("admin"), &operator).await.unwrap();
    a_day_later(&test).await;
    assert_eq!(state(&test, &id).await, RequestState::Stale);
    assert!(!test.app.people().holds(&operator, Role::Risk));
    test.log_is_good().await;
});

on_both!(who_is_invited_comes_in_with_what_one_signature_gives_and_the_rest_is_asked_for, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    let grants = vec![in_team(&test, Role::Lead, "arb"), in_team(&test, Role::Operator, "arb")];
    let act = test.app.prepare_invitation(&test.actor("admin"), "sato".into(), grants.clone(), "she led the desk").await.unwrap();
    let Outcome::Secret { next, .. } = test.sign("admin", &act).await.unwrap() else { panic!("no link") };
    let id = RequestId::parse(next.strip_prefix("/requests/").unwrap()).unwrap();
    let sato = test.app.people().users().into_iter().find(|user| user.name == "sato").unwrap().id.clone();
    assert_eq!(held(&test, &sato), [in_team(&test, Role::Operator, "arb")]);
    let seen = view(&test, &id).await;
    assert_eq!((&seen.row.requester, &seen.row.beneficiary), (&test.people["admin"].id, &Some(sato.clone())));
    assert!(was_told(&test, "lead", "More rights for sato").await);
    approve(&test, "lead", &id).await.unwrap();
    a_day_later(&test).await;
    let early = (state(&test, &id).await, test.app.people().holds(&sato, Role::Lead));
    assert_eq!(early, (RequestState::Failed, false), "whoever has their link could be anybody");
    // Their link is over by now; another one lets them in, and then it is asked again.
    let again = signed(&test, ActKind::InviteAgain { user: sato.clone() }).await.unwrap();
    let Outcome::Secret { secret, .. } = again else { panic!("no link") };
    let somebody = join(&test.app, &secret, "L. Sato").await;
    test.people.insert("sato", somebody);
    assert!(test.app.people().has_two_keys(&sato));
    let id = ask(&test, &sato, &grants).await.unwrap();
    approve(&test, "lead", &id).await.unwrap();
    a_day_later(&test).await;
    assert_eq!((state(&test, &id).await, test.app.people().holds(&sato, Role::Lead)), (RequestState::Executed, true));
    let nothing_wide = test.app.prepare_invitation(&test.actor("admin"), "okafor".into(), wide(Role::Auditor), "").await.unwrap();
    assert!(matches!(test.sign("admin", &nothing_wide).await.unwrap(), Outcome::Secret { next, .. } if next == "/people"));
    test.log_is_good().await;
});

on_both!(rights_that_were_asked_for_do_not_come_to_whoever_recovers_the_account_meanwhile, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let operator = test.people["operator"].id.clone();
    let id = ask(&test, &operator, &wide(Role::Risk)).await.unwrap();
    approve(&test, "lead", &id).await.unwrap();
    test.app.ask_own_recovery(&operator, "the bag with both was stolen").await.unwrap();
    test.app.tend_requests().await.unwrap();
    assert_eq!(state(&test, &id).await, RequestState::Stale);
    let again = ask(&test, &operator, &wide(Role::Risk)).await;
    assert!(why(again).contains("recovered"));
    test.log_is_good().await;
});

on_both!(a_new_link_gives_nobody_what_others_approve, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    // Holds risk, and has not come in.
    test.link("puppet", wide(Role::Risk)).await;
    let puppet = test.app.people().users().into_iter().find(|user| user.name == "puppet").unwrap().id.clone();
    let said = why(signed(&test, ActKind::InviteAgain { user: puppet }).await);
    assert!(said.contains("somebody else approves"), "{said}");
});

on_both!(whoever_holds_such_a_role_is_enabled_by_two_and_others_by_one, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (lead, operator) = (test.people["lead"].id.clone(), test.people["operator"].id.clone());
    for who in [&lead, &operator] {
        test.app.disable(&test.actor("admin"), who).await.unwrap();
    }
    signed(&test, ActKind::Enable { user: operator.clone() }).await.unwrap();
    let said = why(signed(&test, ActKind::Enable { user: lead.clone() }).await);
    assert!(said.contains("somebody else approves"), "{said}");
    let id = test.app.ask_enabling(&test.actor("admin"), &lead, "back from leave").await.unwrap();
    assert!(why(test.app.ask_enabling(&test.actor("admin"), &operator, "x").await).contains("is enabled already"));
    approve(&test, "risk", &id).await.unwrap();
    a_day_later(&test).await;
    assert_eq!((state(&test, &id).await, test.app.people().holds(&lead, Role::Lead)), (RequestState::Executed, true));
    assert!(was_told(&test, "lead", "Your account was enabled again").await);
    test.log_is_good().await;
});

on_both!(where_a_seat_is_for_operators_one_admin_makes_none, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let rule = Rule::new(&[&[Approver::Operator, Approver::Lead]], 0);
    let policy = test.app.ask_policy(&test.actor("admin"), RequestKind::Override, rule, "the desk knows best").await.unwrap();
    for by in ["lead", "risk"] {
        approve(&test, by, &policy).await.unwrap();
    }
    a_day_later(&test).await;
    assert_eq!(test.app.rules().version, 1);
    let puppet = ActKind::Invite { user: UserId::new(), name: "puppet".into(), grants: vec![in_team(&test, Role::Operator, "arb")] };
    assert!(why(signed(&test, puppet).await).contains("somebody else approves"));
    let user = test.people["auditor"].id.clone();
    let id = ask(&test, &user, &[in_team(&test, Role::Operator, "arb")]).await.unwrap();
    approve(&test, "risk", &id).await.unwrap();
    a_day_later(&test).await;
    assert!(test.app.people().holds(&user, Role::Operator));
    let soon = test.app.ask_policy(&test.actor("admin"), RequestKind::Roles, Rule::new(&[&[Approver::Risk]], 3_600), "quicker").await;
    assert!(why(soon).contains("24 hours"));
    test.log_is_good().await;
});
