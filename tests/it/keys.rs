//! Security keys: added and removed by acts that a key signs which was there before, two at least before any right beyond reading and stopping,
//! bound to one device for lead, risk and admin; and the attacks on them.

use crate::harness::{
    app::{TestApp, chosen},
    db::{Fresh, on_both},
    plastic,
};
use crate::log::copy::Raw;
use andon::{
    app::{AppError, acts::Outcome, sign_in::Whence},
    authn::{KeyError, SoftKey},
    domain::{ActKind, CredentialId, Grant, Level, Role, Scope, UserId},
    storage::{self, Lane, credentials::Credential},
};
use std::sync::Arc;

fn said(outcome: Result<Outcome, AppError>) -> String {
    outcome.unwrap_err().to_string()
}

on_both!(a_key_is_added_and_removed_by_a_key_that_was_there, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (third, act) = test.make_key("operator", "third").await;
    assert_eq!(test.keys("operator").await.len(), 2, "prepared is not done");
    // Neither the new key itself nor anybody else signs for it.
    let actor = test.actor("operator");
    let ceremony = test.app.signing_options(&actor, &act.stored.id).await.unwrap();
    assert!(third.sign(&ceremony.options).is_err(), "the new key is not asked");
    assert!(matches!(test.sign("admin", &act).await, Err(AppError::Denied(_))));
    assert!(matches!(test.sign("lead", &act).await, Err(AppError::Denied(_))));
    assert!(matches!(test.sign("operator", &act).await.unwrap(), Outcome::Done(to) if to == "/me"));
    let keys = test.keys("operator").await;
    let added = keys.iter().find(|key| key.nickname == "third").unwrap();
    assert!(added.cose.is_some() && !added.backup_eligible && added.attestation.as_deref() == Some("packed, by the key itself"));
    // It signs from now on.
    let code = ActKind::EnrolmentCode { bot: test.bot("a-1", "arb").await.id };
    let code = test.app.prepare_single(&actor, code).await.unwrap();
    test.sign_with("operator", &third, &code).await.unwrap();

    let remove = async |id: &CredentialId| test.app.prepare_key_removal(&actor, id).await;
    let removal = remove(&added.id).await.unwrap();
    assert!(matches!(test.sign("lead", &removal).await, Err(AppError::Denied(_))));
    // A second removal that was prepared while there were three keys is refused once there are two.
    let other = remove(&keys[1].id).await.unwrap();
    test.sign("operator", &removal).await.unwrap();
    assert!(said(test.sign("operator", &other).await).contains("two keys must remain"));
    let refused = remove(&keys[0].id).await.unwrap_err().to_string();
    assert!(refused.contains("two keys must remain, and without this one there would be 1"), "{refused}");
    assert!(matches!(remove(&added.id).await, Err(AppError::NotFound(_))));
    let code = ActKind::EnrolmentCode { bot: test.bot("a-2", "arb").await.id };
    let code = test.app.prepare_single(&actor, code).await.unwrap();
    let ceremony = test.app.signing_options(&actor, &code.stored.id).await.unwrap();
    assert!(third.sign(&ceremony.options).is_err(), "a removed key is not asked any more");
    let titles = async |name: &str| {
        let (page, _) = test.app.notices_of(&test.actor(name), None).await.unwrap();
        page.into_iter().map(|notice| notice.title).filter(|title| title.contains("security key")).collect::<Vec<_>>()
    };
    assert_eq!(titles("operator").await, ["A security key of yours was removed", "A security key of yours was added"]);
    assert_eq!(titles("admin").await, ["A security key of operator was removed", "A security key of operator was added"]);
    assert!(titles("risk").await.is_empty());
    let report = test.log_is_good().await;
    assert!(report.unsigned >= 14, "the keys of the door are told apart: {}", report.unsigned);
});

on_both!(a_removed_key_takes_the_first_signature_with_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let hold = test.press("operator", Scope::Fleet, Level::Pause).await.hold;
    let (third, act) = test.make_key("lead", "third").await;
    test.sign("lead", &act).await.unwrap();
    let release = test.app.prepare_release(&test.actor("lead"), &hold.id, "it is over").await.unwrap();
    assert!(matches!(test.sign_with("lead", &third, &release).await.unwrap(), Outcome::Waits));
    let id = test.keys("lead").await.into_iter().find(|key| key.nickname == "third").unwrap().id;
    let removal = test.app.prepare_key_removal(&test.actor("lead"), &id).await.unwrap();
    test.sign("lead", &removal).await.unwrap();
    assert!(said(test.sign("risk", &release).await).contains("the key of the first signature was removed"));
    test.log_is_good().await;
});

/// Somebody invited who made keys like these: true for one that can be copied.
async fn somebody(test: &TestApp, name: &str, grants: Vec<Grant>, kinds: &[bool]) -> (UserId, Vec<Arc<SoftKey>>) {
    let kind = ActKind::Invite { user: UserId::new(), name: name.into(), grants };
    let act = test.app.prepare_single(&test.actor("admin"), kind).await.unwrap();
    let Outcome::Secret { secret, .. } = test.sign("admin", &act).await.unwrap() else { panic!("no link") };
    let welcomed = test.app.welcome(secret.expose().rsplit('/').next().unwrap()).await.unwrap();
    test.app.welcome_password(&welcomed.link, chosen(name, "violet-harbour-19-quince")).await.unwrap();
    let mut keys = Vec::new();
    for (n, is_synced) in kinds.iter().enumerate() {
        let key = Arc::new(SoftKey::new(test.app.origin.clone()));
        let ceremony = test.app.welcome_key_options(&welcomed.link).await.unwrap();
        let mut answer = key.register(&ceremony.options).unwrap();
        if *is_synced {
            answer = plastic::synced(&answer);
        }
        test.app.welcome_key(&welcomed.link, &ceremony.state, &answer, &format!("key {n}")).await.unwrap();
        keys.push(key);
    }
    (welcomed.user.id, keys)
}

on_both!(lead_risk_and_admin_use_keys_that_are_bound_to_one_device, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let operator_of_arb = vec![Grant { role: Role::Operator, team: Some(test.team("arb")) }];
    let (id, _) = somebody(&test, "copier", operator_of_arb.clone(), &[true, false]).await;
    let actor = test.app.actor_of(&id, false).unwrap();
    assert!(!actor.has_few_keys(), "an operator's copied key counts");
    let keys = test.app.keys_of(&actor, &id).await.unwrap();
    let copied = keys.iter().find(|key| key.nickname == "key 0").unwrap();
    assert_eq!((copied.backup_eligible, copied.aaguid.as_deref()), (true, Some(plastic::MODEL)));
    // Such a person is given no role that needs bound keys …
    for (role, team) in [(Role::Lead, Some(test.team("arb"))), (Role::Risk, None), (Role::Admin, None)] {
        let asked = test.app.ask_roles(&test.actor("admin"), &id, &[Grant { role, team }], "they know the desk").await;
        let refused = asked.unwrap_err().to_string();
        assert!(refused.contains("copier has 1 of the 2 security keys bound to one device"), "{refused}");
    }
    // … and whoever has such a role makes no such key, neither at the door nor later.
    for name in ["lead", "risk", "admin"] {
        let actor = test.actor(name);
        let ceremony = test.app.own_key_options(&actor).await.unwrap();
        let answer = SoftKey::new(test.app.origin.clone()).register(&ceremony.options).unwrap();
        let refused = test.app.prepare_key(&actor, &ceremony.state, &plastic::synced(&answer), "phone").await;
        assert!(matches!(refused, Err(AppError::Key(KeyError::Synced))), "{name}");
        assert_eq!(test.keys(name).await.len(), 2);
    }
    let secret = test.link("newlead", vec![Grant { role: Role::Risk, team: None }]).await;
    let welcomed = test.app.welcome(secret.expose().rsplit('/').next().unwrap()).await.unwrap();
    test.app.welcome_password(&welcomed.link, chosen("New", "violet-harbour-19-quince")).await.unwrap();
    let ceremony = test.app.welcome_key_options(&welcomed.link).await.unwrap();
    let answer = SoftKey::new(test.app.origin.clone()).register(&ceremony.options).unwrap();
    let refused = test.app.welcome_key(&welcomed.link, &ceremony.state, &plastic::synced(&answer), "phone").await;
    assert!(matches!(refused, Err(AppError::Key(KeyError::Synced))));
    // A risk with a copied key from before the rule counts by the bound ones alone.
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    storage::users::user_set_grants(&mut tx, &id, &[Grant { role: Role::Risk, team: None }]).await.unwrap();
    tx.commit().await.unwrap();
    let app = test.restarted().await;
    assert!(app.actor_of(&id, false).unwrap().has_few_keys());
    test.log_is_good().await;
});

on_both!(with_one_key_a_person_reads_and_stops_and_nothing_else, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("a-1", "arb").await;
    let (id, keys) = somebody(&test, "newcomer", vec![Grant { role: Role::Operator, team: Some(test.team("arb")) }], &[false]).await;
    let begun = test.app.sign_in_key_options(&id).await.unwrap();
    assert!(test.app.sign_in_key(&id, &begun.state, &keys[0].sign(&begun.options).unwrap(), &Whence::default()).await.unwrap().recorded);
    let actor = test.app.actor_of(&id, false).unwrap();
    let press = andon::app::holds::Press {
        scope: Scope::Bot(bot.id.clone()),
        level: Level::Pause,
        why: String::new(),
        idempotency_key: String::new(),
        terms: Default::default(),
    };
    let hold = test.app.place(actor.clone(), press).await.unwrap().hold;
    assert!(!test.app.keys_of(&actor, &id).await.unwrap().is_empty());
    let refused = test.app.prepare_release(&actor, &hold.id, "over").await.unwrap_err().to_string();
    assert!(refused.contains("whoever has two security keys"), "{refused}");
    let code = ActKind::EnrolmentCode { bot: bot.id.clone() };
    assert!(matches!(test.app.prepare_single(&actor, code.clone()).await, Err(AppError::Denied(_))));
    // It mends itself: the one key signs for another.
    let begun = test.app.own_key_options(&actor).await.unwrap();
    let second = SoftKey::new(test.app.origin.clone());
    let act = test.app.prepare_key(&actor, &begun.state, &second.register(&begun.options).unwrap(), "second").await.unwrap();
    let begun = test.app.signing_options(&actor, &act.stored.id).await.unwrap();
    test.app.sign(&actor, &act.stored.id, &begun.state, &keys[0].sign(&begun.options).unwrap()).await.unwrap();
    assert!(test.app.prepare_single(&test.app.actor_of(&id, false).unwrap(), code).await.is_ok());
    test.log_is_good().await;
});

/// As if a copy of somebody's first key had signed meanwhile.
async fn copy_signs(test: &TestApp, name: &str) -> Credential {
    let key = test.keys(name).await.remove(0);
    let mut passkey: serde_json::Value = serde_json::from_str(&key.passkey).unwrap();
    passkey["cred"]["counter"] = 1_000.into();
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    let now = test.app.clock.now();
    let use_of = storage::credentials::Use { before: &key.passkey, after: &passkey.to_string(), signature: "of the copy" };
    assert!(storage::credentials::credential_used(&mut tx, &key.id, now, &use_of).await.unwrap());
    tx.commit().await.unwrap();
    key
}

on_both!(a_key_whose_counter_goes_back_is_suspended, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let lead = &test.people["lead"];
    let key = copy_signs(&test, "lead").await;
    let begun = test.app.sign_in_key_options(&lead.id).await.unwrap();
    let refused = test.app.sign_in_key(&lead.id, &begun.state, &lead.key.sign(&begun.options).unwrap(), &Whence::default()).await;
    assert!(matches!(&refused, Err(AppError::Key(KeyError::Doubtful { credential, .. })) if *credential == key.id), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("there may be a copy of the key. It was suspended"));
    let stored = test.keys("lead").await.remove(0);
    assert!(stored.suspended_at.is_some() && stored.suspended_why.is_some());
    let (told, _) = test.app.notices_of(&test.actor("admin"), None).await.unwrap();
    let told = told.iter().find(|notice| notice.title == "A security key of lead was suspended").unwrap();
    assert!(told.text.contains("there may be a copy"), "{}", told.text);
    // It is asked for nothing any more, its owner reads and stops only, and the other key mends it.
    let begun = test.app.sign_in_key_options(&lead.id).await.unwrap();
    assert!(lead.key.sign(&begun.options).is_err());
    assert!(
        test.app.sign_in_key(&lead.id, &begun.state, &lead.spare.sign(&begun.options).unwrap(), &Whence::default()).await.unwrap().recorded
    );
    let actor = test.actor("lead");
    assert!(actor.has_few_keys());
    let hold = test.press("lead", Scope::Fleet, Level::Pause).await.hold;
    assert!(matches!(test.app.prepare_release(&actor, &hold.id, "over").await, Err(AppError::Denied(_))));
    let (_, act) = test.make_key("lead", "new").await;
    test.sign_with("lead", &lead.spare, &act).await.unwrap();
    assert!(!test.actor("lead").has_few_keys());
    let removal = test.app.prepare_key_removal(&actor, &key.id).await.unwrap();
    test.sign_with("lead", &lead.spare, &removal).await.unwrap();
    assert_eq!(test.keys("lead").await.len(), 2);
    // The same when it signs an act: nothing is carried out.
    let risk_hold = test.press("operator", Scope::Bot(test.bot("a-1", "arb").await.id), Level::Pause).await.hold;
    let release = test.app.prepare_release(&test.actor("operator"), &risk_hold.id, "over").await.unwrap();
    copy_signs(&test, "operator").await;
    assert!(matches!(test.sign("operator", &release).await, Err(AppError::Key(KeyError::Doubtful { .. }))));
    assert!(test.app.fleet.view().open_hold(&risk_hold.id).is_some());
    assert!(test.keys("operator").await[0].suspended_at.is_some());
    test.log_is_good().await;
});

on_both!(an_answer_that_comes_twice_by_way_of_two_replicas_costs_nobody_the_key, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let other = test.restarted().await;
    let lead = &test.people["lead"];
    let begun = test.app.sign_in_key_options(&lead.id).await.unwrap();
    let answer = lead.key.sign(&begun.options).unwrap();
    test.app.sign_in_key(&lead.id, &begun.state, &answer, &Whence::default()).await.unwrap();
    let again = other.sign_in_key(&lead.id, &begun.state, &answer, &Whence::default()).await;
    assert!(matches!(again, Err(AppError::Key(KeyError::Replayed))), "{again:?}");
    assert!(test.keys("lead").await[0].suspended_at.is_none());
});

on_both!(an_answer_is_taken_once_and_for_its_own_act_only, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let lead = &test.people["lead"];
    let begun = test.app.sign_in_key_options(&lead.id).await.unwrap();
    let answer = lead.key.sign(&begun.options).unwrap();
    test.app.sign_in_key(&lead.id, &begun.state, &answer, &Whence::default()).await.unwrap();
    let refused = test.app.sign_in_key(&lead.id, &begun.state, &answer, &Whence::default()).await;
    assert!(matches!(refused, Err(AppError::Key(KeyError::Over))), "{refused:?}");
    assert!(test.keys("lead").await[0].suspended_at.is_none(), "a recording says nothing about the key");
    // Of two acts a signature is good for one.
    let risk = &test.people["risk"];
    let first = test.press("lead", Scope::Fleet, Level::Pause).await.hold;
    let second = test.press("operator", Scope::Fleet, Level::Reduce).await.hold;
    let actor = test.actor("risk");
    let one = test.app.prepare_release(&actor, &first.id, "over").await.unwrap();
    let other = test.app.prepare_release(&actor, &second.id, "over").await.unwrap();
    let begun = test.app.signing_options(&actor, &one.stored.id).await.unwrap();
    let answer = risk.key.sign(&begun.options).unwrap();
    let begun_other = test.app.signing_options(&actor, &other.stored.id).await.unwrap();
    let refused = test.app.sign(&actor, &other.stored.id, &begun_other.state, &answer).await;
    assert!(matches!(refused, Err(AppError::Key(KeyError::Refused(_)))), "{refused:?}");
    let refused = test.app.sign(&actor, &other.stored.id, &begun.state, &answer).await;
    assert!(said(refused).contains("made for another act"));
    assert!(matches!(test.app.sign(&actor, &one.stored.id, &begun.state, &answer).await.unwrap(), Outcome::Waits));
    // A recording of the first signature is not the second one.
    let refused = test.app.sign(&actor, &one.stored.id, &begun.state, &answer).await;
    assert!(matches!(refused, Err(AppError::Key(KeyError::Replayed))), "{refused:?}");
    assert!(test.keys("risk").await[0].suspended_at.is_none(), "a recording says nothing about the key");
    // A key is made once.
    let begun = test.app.own_key_options(&actor).await.unwrap();
    let answer = SoftKey::new(test.app.origin.clone()).register(&begun.options).unwrap();
    test.app.prepare_key(&actor, &begun.state, &answer, "third").await.unwrap();
    let refused = test.app.prepare_key(&actor, &begun.state, &answer, "third").await;
    assert!(matches!(refused, Err(AppError::Key(KeyError::Over))));
    test.log_is_good().await;
});

on_both!(a_key_in_an_act_cannot_be_exchanged, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (_, honest) = test.make_key("operator", "honest").await;
    let (_, other) = test.make_key("operator", "other").await;
    // Whoever can write to the database puts another key under the act that is signed.
    let detail = other.stored.detail.replace('\'', "''");
    let sql = format!("UPDATE act SET detail = '{detail}' WHERE id = '{}'", honest.stored.id);
    Raw::open(&test.fresh.place).await.run(&sql, &[]).await;
    assert!(said(test.sign("operator", &honest).await).contains("not the one that was signed"));
    assert_eq!(test.keys("operator").await.len(), 2);
});

on_both!(a_statement_that_cannot_be_verified_costs_nobody_the_key, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let actor = test.actor("operator");
    let begun = test.app.own_key_options(&actor).await.unwrap();
    let answer = plastic::with_broken_statement(&SoftKey::new(test.app.origin.clone()).register(&begun.options).unwrap());
    let act = test.app.prepare_key(&actor, &begun.state, &answer, "third").await.unwrap();
    test.sign("operator", &act).await.unwrap();
    let key = test.keys("operator").await.remove(2);
    assert_eq!(key.attestation.as_deref(), Some("a statement that cannot be verified here"));
    assert_eq!(key.aaguid.as_deref(), Some(plastic::MODEL));
    test.log_is_good().await;
});

on_both!(enabling_is_signed_by_an_admin, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let id = test.people["operator"].id.clone();
    let enable = || ActKind::Enable { user: id.clone() };
    assert!(said(test.app.prepare_single(&test.actor("admin"), enable()).await.map(|_| Outcome::Waits)).contains("is enabled already"));
    test.app.disable(&test.actor("admin"), &id).await.unwrap();
    for name in ["lead", "risk", "auditor"] {
        assert!(matches!(test.app.prepare_single(&test.actor(name), enable()).await, Err(AppError::Denied(_))), "{name}");
    }
    let act = test.app.prepare_single(&test.actor("admin"), enable()).await.unwrap();
    assert!(test.app.actor_of(&id, false).is_none());
    test.sign("admin", &act).await.unwrap();
    assert!(test.app.actor_of(&id, false).is_some());
    test.log_is_good().await;
});

on_both!(keys_made_at_the_door_are_told_to_their_person_and_who_administers, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let grants = vec![Grant { role: Role::Operator, team: Some(test.team("arb")) }];
    let (sato, _) = somebody(&test, "sato", grants, &[false]).await;
    let titles = async |who: &UserId| {
        let actor = test.app.actor_of(who, false).unwrap();
        test.app.notices_of(&actor, None).await.unwrap().0.into_iter().map(|notice| notice.title).collect::<Vec<_>>()
    };
    assert_eq!(titles(&sato).await, ["A security key of yours was made"], "the first one already");
    assert_eq!(titles(&test.people["admin"].id).await, ["A security key of sato was made"]);
    assert!(titles(&test.people["lead"].id).await.is_empty());
});
