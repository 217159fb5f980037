//! Emergency changes: two people let what runs run for some hours, and nothing else; somebody else reviews it, or it is a finding.

use super::{holds, trading};
use crate::faults::until;
use crate::harness::{
    agent::enrol,
    app::TestApp,
    browser::Browser,
    db::{Fresh, on_both},
    emergency::{HOTFIX, HOUR, all_of, departs, let_run, newest, review},
    golive::{ARB, BUILD, CONFIG, Ready, ask, execute, mark, now},
};
use crate::requests::{approve, was_told, why};
use andon::{
    app::acts::Outcome,
    domain::{ActKind, AlertKind, Severity, Stage, State, Subject, emergency::Verdict},
    protocol::InstanceSaid,
};
use std::slice;

/// A bot that traded, until its agent said that it runs a build which nobody approved.
async fn held(test: &TestApp, name: &str) -> Ready {
    let mut ready = trading(test, name).await;
    ready.agent.build = Some(HOTFIX.into());
    ready.agent.check_in(&test.app).await.unwrap();
    assert_eq!(ready.agent.state, State::Halted);
    assert_eq!(holds(test, &ready.bot).len(), 1);
    ready
}

/// What holds it is released, by two as ever.
async fn freed(test: &TestApp, ready: &mut Ready) {
    let hold = test.app.fleet.view().open_holds().next().unwrap().id.clone();
    test.release(&hold, &["operator", "lead"]).await.unwrap();
    ready.agent.settle(&test.app).await;
}

async fn started(test: &TestApp, ready: &mut Ready) {
    test.start(slice::from_ref(&ready.bot.id), &["operator"]).await.unwrap();
    ready.agent.settle(&test.app).await;
    assert_eq!(ready.agent.state, State::Active);
}

/// A bot that trades with what nobody approved, let in for some hours by its operator and its lead.
async fn let_in(test: &TestApp, name: &str, hours: u32) -> Ready {
    let mut ready = held(test, name).await;
    let_run(test, &["operator", "lead"], &ready.bot.id, hours).await.unwrap();
    freed(test, &mut ready).await;
    started(test, &mut ready).await;
    ready
}

fn differences(test: &TestApp, ready: &Ready) -> Vec<String> {
    let found = test.app.differences(&now(test, &ready.bot.id), test.hand.clock().now());
    found.iter().map(|one| one.words()).collect()
}

on_both!(two_people_let_what_runs_run_and_it_is_started_as_any_other, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = held(&test, "arb-1").await;
    let bot = ready.bot.id.clone();
    let act = test.app.prepare_emergency(&test.actor("operator"), &bot, 24, "the venue changed its tick size").await.unwrap();
    let ActKind::EmergencyChange { from, to, hours, .. } = &act.act.kind else { panic!("it is one") };
    assert_eq!((from.build.as_str(), to.build.as_str(), to.config.as_str(), *hours), (BUILD, HOTFIX, CONFIG, 24));
    assert!(matches!(test.sign("operator", &act).await.unwrap(), Outcome::Waits));
    assert_eq!(
        (now(&test, &bot).run.unwrap().emergency.clone(), all_of(&test, &bot).await),
        (None, Vec::new()),
        "one alone changes nothing"
    );
    assert!(matches!(test.sign("lead", &act).await.unwrap(), Outcome::Done(_)));

    let row = newest(&test, &bot).await;
    let at = test.hand.clock().now();
    assert_eq!((row.until_at, row.review_by), (at.plus_ms(24 * HOUR), at.plus_ms(48 * HOUR)));
    assert_eq!((&row.asked_by, &row.seconded_by), (&test.people["operator"].id, &test.people["lead"].id));
    assert_eq!(row.request_id, ready.bot.run.as_ref().unwrap().request);
    assert!(was_told(&test, "grid lead", "Emergency change of arb-1: to be reviewed").await);
    assert!(!was_told(&test, "lead", "Emergency change of arb-1: to be reviewed").await, "who signed it reviews nothing");
    // It starts nothing, and releases nothing.
    assert_eq!((holds(&test, &ready.bot).len(), differences(&test, &ready)), (1, Vec::new()));
    ready.agent.check_in(&test.app).await.unwrap();
    assert_eq!(ready.agent.state, State::Halted);
    freed(&test, &mut ready).await;
    assert_eq!(ready.agent.state, State::Halted);
    started(&test, &mut ready).await;
    assert!(ready.agent.check_in(&test.app).await.unwrap().renew.is_some());
    test.app.watch_all_drift().await;
    assert_eq!(holds(&test, &ready.bot), []);

    // Somebody looks at it at once; and it is over when it is.
    let (alerts, subject) = (&test.app.alerts, Subject::bot(&bot));
    let mut before = Default::default();
    test.app.tend_emergencies(&mut before).await.unwrap();
    let alert = alerts.find(AlertKind::EmergencyChange, &subject).unwrap();
    assert!(alert.severity == Severity::Critical && alert.words.contains("the venue changed its tick size"), "{}", alert.words);
    assert!(!alerts.is_open(AlertKind::ReviewOverdue, &subject));
    let (listed, next) = test.app.emergencies(&test.actor("auditor"), None, 10).await.unwrap();
    assert_eq!((listed, next), (vec![row.clone()], None));
    assert_eq!(test.app.emergencies_unreviewed(&test.actor("auditor")).await.unwrap(), [row]);
    test.log_is_good().await;
});

on_both!(it_takes_two_and_not_any_two, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, _agent) = departs(&test, "arb-1", ARB).await;
    let prepare = async |by: &str| test.app.prepare_emergency(&test.actor(by), &bot.id, 24, "the venue changed").await;
    for by in ["risk", "admin", "auditor", "grid operator", "grid lead"] {
        assert!(why(prepare(by).await).contains("an operator or lead of the bot's team may"), "{by}");
    }
    let act = prepare("lead").await.unwrap();
    test.sign("lead", &act).await.unwrap();
    assert!(why(test.sign("lead", &act).await).contains("a second person must"), "the same person twice");
    for by in ["operator", "grid lead", "admin", "auditor"] {
        assert!(test.sign(by, &act).await.is_err(), "{by}");
    }
    assert_eq!(all_of(&test, &bot.id).await, []);
    assert!(matches!(test.sign("risk", &act).await.unwrap(), Outcome::Done(_)));
    assert_eq!(newest(&test, &bot.id).await.seconded_by, test.people["risk"].id);
    test.log_is_good().await;
});

on_both!(it_is_refused_where_nothing_departs_and_where_something_else_runs_by_now, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = departs(&test, "arb-1", ARB).await;
    let prepare = async |hours: u32, words: &str| test.app.prepare_emergency(&test.actor("operator"), &bot.id, hours, words).await;
    for hours in [0, 73, u32::MAX] {
        assert!(why(prepare(hours, "the venue changed").await).contains("1 to 72 whole hours"), "{hours}");
    }
    assert!(why(prepare(24, " ").await).contains("Say what happened"));
    // What is signed is what runs when it is carried out.
    let act = prepare(24, "the venue changed").await.unwrap();
    test.sign("operator", &act).await.unwrap();
    agent.build = Some("sha256:0000000000000000".into());
    agent.check_in(&test.app).await.unwrap();
    assert!(why(test.sign("lead", &act).await).contains("prepare it again"));
    agent.build = Some(BUILD.into());
    agent.check_in(&test.app).await.unwrap();
    assert!(why(prepare(24, "the venue changed").await).contains("what was approved already"));
    let sandbox = test.bot("arb-2", "arb").await;
    let refused = test.app.prepare_emergency(&test.actor("operator"), &sandbox.id, 24, "the venue changed").await;
    assert!(why(refused).contains("nothing was approved of it"));
    // Another agent has said nothing yet.
    enrol(&test, &bot, "lead").await;
    assert!(why(prepare(24, "the venue changed").await).contains("does not say which build"));
    assert_eq!(all_of(&test, &bot.id).await, []);
    test.log_is_good().await;
});

on_both!(another_build_than_it_names_is_held_and_so_is_an_instance_of_another, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = let_in(&test, "arb-1", 24).await;
    let said = |name: &str, build: &str| InstanceSaid { name: name.into(), build: build.into(), config: CONFIG.into() };
    ready.agent.seq += 1;
    let mut word = ready.agent.says();
    word.instances = Some(vec![said("host-1", HOTFIX), said("host-2", HOTFIX)]);
    let heard = test.app.check_in(&ready.agent.live(&test.app), &word, "poll").await.unwrap();
    assert_eq!((heard.directive.state, holds(&test, &ready.bot).len()), (State::Active, 0));
    // What was approved on one of eight is the accident that this is for.
    ready.agent.seq += 1;
    let mut word = ready.agent.says();
    word.instances = Some(vec![said("host-1", HOTFIX), said("host-8", BUILD)]);
    let heard = test.app.check_in(&ready.agent.live(&test.app), &word, "poll").await.unwrap();
    assert_eq!(heard.directive.state, State::Halted);
    assert!(holds(&test, &ready.bot)[0].2.contains("Instance host-8"), "{:?}", holds(&test, &ready.bot));
    ready.agent.settle(&test.app).await;
    freed(&test, &mut ready).await;
    // A word without instances keeps what was said of them; one that says it anew is heard.
    ready.agent.seq += 1;
    let mut word = ready.agent.says();
    word.instances = Some(vec![said("host-1", HOTFIX)]);
    test.app.check_in(&ready.agent.live(&test.app), &word, "poll").await.unwrap();
    ready.agent.settle(&test.app).await;
    started(&test, &mut ready).await;
    ready.agent.build = Some("sha256:0000000000000000".into());
    ready.agent.check_in(&test.app).await.unwrap();
    assert_eq!(ready.agent.state, State::Halted);
    assert!(holds(&test, &ready.bot)[0].2.contains("Build: approved sha256:f1f1f1f1f1f1…, now sha256:000000000000…"));
    test.log_is_good().await;
});

on_both!(back_to_what_was_approved_needs_nobody, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = let_in(&test, "arb-1", 24).await;
    ready.agent.build = Some(BUILD.into());
    assert!(ready.agent.check_in(&test.app).await.unwrap().renew.is_some());
    test.app.watch_all_drift().await;
    assert_eq!((ready.agent.state, holds(&test, &ready.bot)), (State::Active, Vec::new()));
});

on_both!(once_its_time_is_over_it_is_held_and_does_not_start, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = let_in(&test, "arb-1", 2).await;
    let bot = ready.bot.id.clone();
    test.hand.forward_ms(2 * HOUR - 1);
    test.app.watch_all_drift().await;
    assert_eq!(holds(&test, &ready.bot), []);
    // Every second somebody looks, whether its agent says anything or not.
    test.hand.forward_ms(1);
    test.app.watch_all_drift().await;
    let placed = holds(&test, &ready.bot);
    assert_eq!((placed.len(), placed[0].0.as_str(), placed[0].1), (1, "drift", "pause"));
    assert!(placed[0].2.contains("Emergency change: approved until") && placed[0].2.contains("now over"), "{placed:?}");
    test.app.tend_emergencies(&mut Default::default()).await.unwrap();
    let row = newest(&test, &bot).await;
    assert_eq!((row.ended_at, row.ended_why.as_deref()), (Some(row.until_at), Some("its time is over")));
    ready.agent.settle(&test.app).await;
    assert_eq!(ready.agent.state, State::Halted);
    freed(&test, &mut ready).await;
    let refused = why(test.start(slice::from_ref(&bot), &["operator"]).await);
    assert!(refused.contains("Emergency change: approved until"), "{refused}");
    // Another act lets it go on, and replaces nothing that is over.
    let_run(&test, &["lead", "risk"], &bot, 1).await.unwrap();
    ready.agent.settle(&test.app).await;
    started(&test, &mut ready).await;
    assert_eq!(all_of(&test, &bot).await.len(), 2);
    test.log_is_good().await;
});

on_both!(an_agent_that_says_it_once_its_time_is_over_is_told_to_halt_in_the_answer, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = let_in(&test, "arb-1", 1).await;
    test.hand.forward_ms(HOUR);
    let heard = ready.agent.check_in(&test.app).await.unwrap();
    assert!(heard.directive.state == State::Halted && heard.renew.is_none());
    assert!(holds(&test, &ready.bot)[0].2.contains("Emergency change"), "{:?}", holds(&test, &ready.bot));
});

on_both!(another_one_replaces_the_one_before, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = departs(&test, "arb-1", ARB).await;
    let_run(&test, &["operator", "lead"], &bot.id, 24).await.unwrap();
    let first = newest(&test, &bot.id).await.id;
    agent.build = Some("sha256:0000000000000000".into());
    agent.check_in(&test.app).await.unwrap();
    let_run(&test, &["operator", "risk"], &bot.id, 3).await.unwrap();
    let all = all_of(&test, &bot.id).await;
    assert_eq!((all.len(), &all[1].id), (2, &first));
    assert_eq!(all[1].ended_why.as_deref(), Some("another one replaces it"));
    let emergency = now(&test, &bot.id).run.unwrap().emergency.clone().unwrap();
    assert_eq!((&emergency.change, emergency.runs.build.as_str()), (&all[0].id, "sha256:0000000000000000"));
    test.log_is_good().await;
});

on_both!(nothing_but_build_and_configuration_differs_by_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = let_in(&test, "arb-1", 24).await;
    test.app.end_key(&test.actor("operator"), &ready.key, "it is not needed").await.unwrap();
    test.app.watch_all_drift().await;
    let placed = holds(&test, &ready.bot);
    assert!(placed.len() == 1 && placed[0].2.contains("Key to trade: approved in use, now missing"), "{placed:?}");
    assert!(!placed[0].2.contains("Build"), "{placed:?}");
});

on_both!(limits_that_allow_more_and_the_end_of_the_stage_are_held_all_the_same, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = let_in(&test, "arb-1", 72).await;
    // As if they had been loosened past every approval.
    let mut bot = now(&test, &ready.bot.id);
    bot.limits.values.insert("max_position_notional".into(), "9000".into());
    bot.limits.version += 1;
    let found = test.app.differences(&bot, test.hand.clock().now());
    assert_eq!(found.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(), ["Limits"], "{found:?}");
    let over = test.app.differences(&now(&test, &ready.bot.id), test.hand.clock().now().plus_ms(31 * 24 * HOUR));
    assert!(over.iter().any(|one| one.what == "Time in stage limited"), "{over:?}");
});

on_both!(whoever_signed_it_does_not_review_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, _agent) = departs(&test, "arb-1", ARB).await;
    let_run(&test, &["operator", "lead"], &bot.id, 24).await.unwrap();
    let change = newest(&test, &bot.id).await.id;
    assert!(why(review(&test, "lead", &change, Verdict::Justified).await).contains("you signed it"));
    for by in ["operator", "admin", "auditor", "grid operator"] {
        assert!(why(review(&test, by, &change, Verdict::Justified).await).contains("a lead, or risk, who did not sign it"), "{by}");
    }
    // Nor by signing what somebody else has prepared.
    let act = test.app.prepare_emergency_review(&test.actor("risk"), &change, Verdict::Justified, "looked at").await.unwrap();
    assert!(why(test.sign("lead", &act).await).contains("you signed it"));
    assert!(
        why(test.app.prepare_emergency_review(&test.actor("risk"), &change, Verdict::Justified, " ").await)
            .contains("Say what you looked at")
    );
    review(&test, "grid lead", &change, Verdict::Justified).await.unwrap();
    let row = newest(&test, &bot.id).await;
    assert_eq!((row.verdict, row.reviewed_by.as_ref()), (Some(Verdict::Justified), Some(&test.people["grid lead"].id)));
    assert!(row.is_in_force(test.hand.clock().now()), "it lasts as long as it was made for");
    assert!(why(test.sign("risk", &act).await).contains("reviewed already"));
    assert_eq!(test.app.emergencies_unreviewed(&test.actor("auditor")).await.unwrap(), []);
    test.log_is_good().await;
});

on_both!(a_review_that_is_overdue_is_a_finding_and_stops_starts_and_others, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = held(&test, "arb-1").await;
    let bot = ready.bot.id.clone();
    let_run(&test, &["operator", "lead"], &bot, 72).await.unwrap();
    freed(&test, &mut ready).await;
    let overdue = || test.app.alerts.is_open(AlertKind::ReviewOverdue, &Subject::bot(&bot));
    let mut before = Default::default();
    test.hand.forward_ms(48 * HOUR - 1);
    test.app.tend_emergencies(&mut before).await.unwrap();
    assert!(!overdue());
    test.hand.forward_ms(1);
    test.app.tend_emergencies(&mut before).await.unwrap();
    assert!(overdue());
    ready.agent.settle(&test.app).await;
    let refused = why(test.start(slice::from_ref(&bot), &["operator"]).await);
    assert!(refused.contains("was to be reviewed until") && refused.contains("nobody has"), "{refused}");
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    for page in [format!("/bots/{bot}"), format!("/bots/{bot}/emergency"), "/emergency".to_owned()] {
        auditor.get(&page).await;
        assert!(auditor.page.contains("was to be reviewed until") || auditor.page.contains("Review overdue"), "{page}: {}", auditor.page);
    }
    ready.agent.build = Some("sha256:0000000000000000".into());
    ready.agent.check_in(&test.app).await.unwrap();
    let another = test.app.prepare_emergency(&test.actor("operator"), &bot, 1, "once more").await;
    assert!(why(another).contains("no other is made before that"));
    ready.agent.build = Some(HOTFIX.into());
    ready.agent.settle(&test.app).await;

    let change = newest(&test, &bot).await.id;
    review(&test, "risk", &change, Verdict::Justified).await.unwrap();
    test.app.tend_emergencies(&mut before).await.unwrap();
    assert!(!overdue());
    ready.agent.settle(&test.app).await;
    started(&test, &mut ready).await;
    test.log_is_good().await;
});

on_both!(not_justified_ends_it_and_pauses_at_once, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = let_in(&test, "arb-1", 72).await;
    let bot = ready.bot.id.clone();
    let change = newest(&test, &bot).await.id;
    review(&test, "grid lead", &change, Verdict::NotJustified).await.unwrap();
    until("the pause", async || !holds(&test, &ready.bot).is_empty()).await;
    let placed = holds(&test, &ready.bot);
    assert!(placed[0].1 == "pause" && placed[0].2.contains("Emergency change: approved until"), "{placed:?}");
    let row = newest(&test, &bot).await;
    assert_eq!((row.verdict, row.ended_at), (Some(Verdict::NotJustified), Some(test.hand.clock().now())));
    assert_eq!(row.ended_why.as_deref(), Some("a review found it not justified"));
    ready.agent.check_in(&test.app).await.unwrap();
    assert_eq!(ready.agent.state, State::Halted);
    // Its end is told once.
    test.app.tend_emergencies(&mut Default::default()).await.unwrap();
    assert!(!test.app.alerts.is_open(AlertKind::EmergencyChange, &Subject::bot(&bot)));
    test.log_is_good().await;
});

on_both!(a_step_up_that_is_approved_ends_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = held(&test, "arb-1").await;
    let bot = ready.bot.id.clone();
    let_run(&test, &["operator", "lead"], &bot, 72).await.unwrap();
    test.app.set_stage(&test.actor("operator"), &bot, Stage::Sandbox).await.unwrap();
    ready.agent.settle(&test.app).await;
    assert_eq!(now(&test, &bot).run, None, "down takes away all that was approved");
    mark(&test, "operator", &bot, Stage::Limited).await;
    let request = ask(&test, "operator", &bot).await.unwrap();
    approve(&test, "lead", &request).await.unwrap();
    execute(&test, "operator", &request).await.unwrap();
    let run = now(&test, &bot).run.unwrap();
    assert_eq!((run.dossier.runs.build.as_str(), run.emergency.clone()), (HOTFIX, None));
    test.app.tend_emergencies(&mut Default::default()).await.unwrap();
    let row = newest(&test, &bot).await;
    assert_eq!((row.ended_at, row.ended_why.as_deref()), (Some(test.hand.clock().now()), Some("another approval holds")));
    test.hand.forward_ms(72 * HOUR);
    assert!(
        differences(&test, &ready).iter().all(|words| !words.contains("Emergency") && !words.contains("Build")),
        "what was approved stays so"
    );
    test.log_is_good().await;
});

on_both!(it_is_asked_for_and_reviewed_on_its_pages, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, _agent) = departs(&test, "arb-1", ARB).await;
    let path = format!("/bots/{}/emergency", bot.id);
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get(&path).await;
    for part in [BUILD, HOTFIX, "It is not what was approved", "name=\"hours\"", "None yet"] {
        assert!(operator.page.contains(part), "{part}: {}", operator.page);
    }
    operator.post(&path, &[("hours", "100"), ("why", "the venue changed its tick size")]).await;
    assert!(operator.page.contains("1 to 72 whole hours") && operator.page.contains("value=\"100\""), "{}", operator.page);
    operator.post(&path, &[("hours", ""), ("why", "the venue changed its tick size")]).await;
    let act = operator.leads_to().to_owned();
    operator.get(&act).await;
    for part in ["for 24 hours", HOTFIX, "It starts nothing", "Signatures: 0 of 2"] {
        assert!(operator.page.contains(part), "{part}: {}", operator.page);
    }
    operator.touch(&test, "operator", &format!("{act}/sign")).await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get(&act).await;
    lead.touch(&test, "lead", &format!("{act}/sign")).await;
    assert_eq!(lead.leads_to(), path, "{}", lead.page);
    lead.get(&path).await;
    assert!(lead.page.contains("An emergency change is in force until") && lead.page.contains("To be reviewed"), "{}", lead.page);
    lead.get("/emergency").await;
    assert!(lead.page.contains("arb-1") && !lead.page.contains("name=\"verdict\""), "who signed it gets no form: {}", lead.page);

    let mut risk = Browser::signed_in(&test, "risk").await;
    risk.get("/emergency").await;
    let change = newest(&test, &bot.id).await.id;
    let review = format!("/emergency/{change}/review");
    assert!(risk.page.contains(&review), "{}", risk.page);
    risk.post(&review, &[("verdict", ""), ("words", "looked at")]).await;
    assert!(risk.page.contains("Choose what you found") && risk.page.contains("value=\"looked at\""), "{}", risk.page);
    risk.post(&review, &[("verdict", "justified"), ("words", "looked at")]).await;
    let act = risk.leads_to().to_owned();
    risk.get(&act).await;
    risk.touch(&test, "risk", &format!("{act}/sign")).await;
    assert_eq!(risk.leads_to(), path, "{}", risk.page);
    risk.get(&path).await;
    assert!(risk.page.contains("Justified") && risk.page.contains("looked at"), "{}", risk.page);
    test.log_is_good().await;
});
