//! The way up: a list, an approval of all of it, and the step.

use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
    golive::{DAY, ask, execute, mark, measured, now, whole},
};
use crate::requests::{approve, state, why};
use andon::{
    app::{acts::Outcome, golive::marks::Said},
    domain::{Alert, AlertKind, BotId, RequestState, Stage, Subject, golive::Standing},
    storage::{self, Lane},
};

on_both!(a_bot_goes_up_by_its_list_an_approval_and_whoever_asked, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = measured(&test, "arb-1").await;
    let bot = ready.bot.id.clone();
    let refused = why(ask(&test, "operator", &bot).await);
    for open in ["A rollback plan is written down for this build: nobody has answered for it", "duplicate orders was rehearsed"] {
        assert!(refused.contains(open), "{refused}");
    }
    let view = test.app.checklist(&test.actor("auditor"), &bot, Stage::Limited).await.unwrap();
    let open = view.checked.iter().filter(|one| one.item.measure.is_some() && !matches!(one.standing, Standing::Done(_)));
    assert_eq!(open.map(|one| format!("{:?}", one.standing)).collect::<Vec<_>>(), Vec::<String>::new(), "all that is measured is so");
    mark(&test, "operator", &bot, Stage::Limited).await;
    assert!(test.app.checklist(&test.actor("auditor"), &bot, Stage::Limited).await.unwrap().is_whole());

    let request = ask(&test, "operator", &bot).await.unwrap();
    assert!(why(execute(&test, "operator", &request).await).contains("not approved"));
    assert!(why(approve(&test, "operator", &request).await).contains("your own request"));
    approve(&test, "lead", &request).await.unwrap();
    test.app.tend_requests().await.unwrap();
    assert_eq!(state(&test, &request).await, RequestState::Approved, "nothing goes up because somebody else clicked");
    assert_eq!(now(&test, &bot).stage, Stage::Sandbox);
    assert!(why(execute(&test, "risk", &request).await).contains("only whoever asked"));
    assert!(matches!(execute(&test, "operator", &request).await.unwrap(), Outcome::Done(_)));
    let up = now(&test, &bot);
    assert_eq!((up.stage, state(&test, &request).await), (Stage::Limited, RequestState::Executed));
    let run = up.run.as_ref().unwrap();
    assert_eq!((run.request.clone(), run.dossier.items.len()), (request, view.list.items.len()));
    assert_eq!(run.until, Some(test.hand.clock().now().plus_ms(30 * DAY)));

    // A step is a stop: it trades once somebody starts it, and what is signed names its key.
    ready.agent.settle(&test.app).await;
    let act = test.app.prepare_start(&test.actor("operator"), std::slice::from_ref(&bot), &[]).await.unwrap();
    assert_eq!(act.detail.leaves[0].key_versions.get(ready.key.as_str()), Some(&1));
    // Down is one person's, at once, and takes away what was approved.
    test.app.set_stage(&test.actor("operator"), &bot, Stage::Sandbox).await.unwrap();
    assert_eq!(now(&test, &bot).run, None);
    assert!(why(test.app.set_stage(&test.actor("operator"), &bot, Stage::Limited).await).contains("go-live approval"));
    test.log_is_good().await;
});

on_both!(whoever_answered_for_an_item_approves_nothing_that_rests_on_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = measured(&test, "arb-1").await;
    mark(&test, "lead", &ready.bot.id, Stage::Limited).await;
    let request = ask(&test, "operator", &ready.bot.id).await.unwrap();
    assert!(why(approve(&test, "lead", &request).await).contains("you answered for an item"));
    approve(&test, "risk", &request).await.unwrap();
    execute(&test, "operator", &request).await.unwrap();
});

on_both!(what_changes_after_it_was_approved_is_not_carried_out, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = whole(&test, "arb-1").await;
    let bot = ready.bot.id.clone();
    let request = ask(&test, "operator", &bot).await.unwrap();
    approve(&test, "lead", &request).await.unwrap();
    let act = test.app.prepare_golive(&test.actor("operator"), &request).await.unwrap();
    // Another configuration: what people said was about the one before.
    ready.agent.config = Some("sha256:another".into());
    ready.agent.check_in(&test.app).await.unwrap();
    assert!(why(test.sign("operator", &act).await).contains("not everything is so any more"));
    ready.agent.config = Some(crate::harness::golive::CONFIG.into());
    ready.agent.check_in(&test.app).await.unwrap();
    // A tighter limit is another version than was approved.
    let tighter = [("max_position_notional".to_owned(), "4000".to_owned())];
    test.app.tighten_limits(&test.actor("operator"), &bot, &tighter, "").await.unwrap();
    ready.agent.settle(&test.app).await;
    assert!(why(execute(&test, "operator", &request).await).contains("its limits"));
    assert_eq!((now(&test, &bot).stage, state(&test, &request).await), (Stage::Sandbox, RequestState::Approved));
    // Nor is what was approved too long ago.
    test.hand.forward_ms(61 * 60 * 1_000);
    test.app.tend_requests().await.unwrap();
    assert_eq!(state(&test, &request).await, RequestState::Expired);
    test.log_is_good().await;
});

on_both!(who_approved_and_lost_the_role_since_has_approved_nothing, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = whole(&test, "arb-1").await.bot.id;
    let request = ask(&test, "operator", &bot).await.unwrap();
    approve(&test, "lead", &request).await.unwrap();
    let act = test.app.prepare_golive(&test.actor("operator"), &request).await.unwrap();
    test.app.disable(&test.actor("admin"), &test.people["lead"].id).await.unwrap();
    assert!(why(test.sign("operator", &act).await).contains("not approved"));
    test.app.tend_requests().await.unwrap();
    assert_eq!((now(&test, &bot).stage, state(&test, &request).await), (Stage::Sandbox, RequestState::Pending), "it waits again");
    test.log_is_good().await;
});

on_both!(a_drill_lets_a_bot_go_up_for_thirty_days_and_says_how_fast_it_stopped, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = measured(&test, "arb-1").await.bot.id;
    test.execute(&format!("UPDATE drill_bot SET idle_ms = 412 WHERE bot_id = '{bot}'")).await;
    let drill = async || {
        let view = test.app.checklist(&test.actor("auditor"), &bot, Stage::Limited).await.unwrap();
        view.checked.into_iter().find(|one| one.item.name == "stop_drill").unwrap().standing
    };
    let Standing::Done(shown) = drill().await else { panic!("a drill passed a moment ago") };
    assert!(shown.said.ends_with("passed: it stopped 412 ms after the press"), "{}", shown.said);
    assert_eq!(shown.until, Some(test.hand.clock().now().plus_ms(30 * DAY)));
    test.hand.forward_ms(30 * DAY);
    assert!(matches!(drill().await, Standing::Open(why) if why == "its last drill is more than 30 days old"));
});

on_both!(nothing_goes_up_while_a_critical_alert_of_the_bot_is_open, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = whole(&test, "arb-1").await.bot.id;
    let other = whole(&test, "arb-2").await.bot.id;
    let request = ask(&test, "operator", &bot).await.unwrap();
    approve(&test, "lead", &request).await.unwrap();
    let raise = async |kind: AlertKind, bot: &BotId| {
        let subject = Subject { bot: Some(bot.clone()), hold: None };
        let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
        let alert = Alert::new(kind, subject, "as tested", test.hand.clock().now());
        let raised = storage::alerts::alert_raise(&mut tx, &alert).await.unwrap();
        tx.commit().await.unwrap();
        test.app.refresh().await.unwrap();
        raised.id
    };
    let alert = raise(AlertKind::TwoAgents, &bot).await;
    raise(AlertKind::ClockOff, &other).await;
    let said = "an alert of it is open: Two agents with one credential";
    assert!(why(execute(&test, "operator", &request).await).contains(said));
    assert!(!test.app.checklist(&test.actor("auditor"), &bot, Stage::Limited).await.unwrap().is_whole());
    let mut operator = crate::harness::browser::Browser::signed_in(&test, "operator").await;
    test.app.withdraw_request(&test.actor("operator"), &request).await.unwrap();
    assert!(why(ask(&test, "operator", &bot).await).contains(said));
    operator.get(&format!("/bots/{bot}/golive")).await;
    assert!(operator.page.contains(said), "{}", operator.page);
    ask(&test, "operator", &other).await.unwrap();
    test.app.close_alert(&test.actor("lead"), &alert, "the second agent is ended").await.unwrap();
    ask(&test, "operator", &bot).await.unwrap();
});

on_both!(a_word_for_an_item_is_of_its_list_its_proof_and_its_build, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = measured(&test, "arb-1").await;
    let bot = ready.bot.id.clone();
    let said = |item: &str, said: &str, link: &str| Said { item: item.into(), said: said.into(), link: link.into() };
    let put = async |by: &str, stage, word: Said| test.app.put_evidence(&test.actor(by), &bot, stage, &word).await;
    for (word, field) in [
        (said("no_such_item", "x", ""), "not on the list"),
        (said("agent", "x", ""), "not shown in this way"),
        (said("runbook_intrusion", "x", ""), "not shown in this way"),
        (said("rollback_plan", " ", ""), "Say what you looked at"),
        (said("rollback_plan", "x", "javascript:alert(1)"), "https://"),
        (said("rollback_plan", "x", "https://u:p@wiki/plan"), "https://"),
        (said("rollback_plan", "back to 1.4", ""), "words alone are no evidence"),
    ] {
        assert!(why(put("operator", Stage::Limited, word.clone()).await).contains(field), "{word:?}");
    }
    assert!(put("grid operator", Stage::Limited, said("rollback_plan", "x", "")).await.is_err());
    assert!(put("auditor", Stage::Limited, said("rollback_plan", "x", "")).await.is_err());
    assert!(why(put("operator", Stage::Live, said("rollback_plan", "x", "")).await).contains("nobody asks for this list"));
    put("operator", Stage::Limited, said("rollback_plan", "back to 1.4", "https://wiki/plan")).await.unwrap();
    let standing = async || {
        let view = test.app.checklist(&test.actor("operator"), &bot, Stage::Limited).await.unwrap();
        view.checked.into_iter().find(|one| one.item.name == "rollback_plan").unwrap().standing
    };
    let Standing::Done(shown) = standing().await else { panic!("it was put down") };
    assert_eq!(shown.said, "back to 1.4 (https://wiki/plan)");
    ready.agent.build = Some("sha256:another".into());
    ready.agent.check_in(&test.app).await.unwrap();
    assert!(matches!(standing().await, Standing::Open(why) if why.contains("another build")));
    ready.agent.build = Some(crate::harness::golive::BUILD.into());
    ready.agent.check_in(&test.app).await.unwrap();
    test.hand.forward_ms(180 * DAY);
    assert!(matches!(standing().await, Standing::Expired(_)));
    test.log_is_good().await;
});
