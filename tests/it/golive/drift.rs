//! What runs is what was approved: whatever differs holds the bot, and nothing starts that is not as approved.

use super::{holds, trading};
use crate::harness::{
    app::TestApp,
    db::{Fresh, Kind, on_both},
    exchange_keys,
    golive::DAY,
};
use crate::requests::why;
use andon::{
    app::register::bots::BotEdit,
    domain::{AlertKind, Level, Scope, Stage, State, Subject},
    protocol::InstanceSaid,
};

on_both!(another_configuration_is_held_in_the_answer_to_the_check_in_that_says_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    assert_eq!(holds(&test, &ready.bot), []);
    ready.agent.config = Some("sha256:d1ffe4e4d1ffe4e4".into());
    let heard = ready.agent.check_in(&test.app).await.unwrap();
    assert_eq!(heard.directive.state, State::Halted);
    let placed = holds(&test, &ready.bot);
    assert_eq!((placed.len(), placed[0].0.as_str(), placed[0].1), (1, "drift", "pause"));
    assert!(placed[0].2.contains("Configuration: approved sha256:c0c0c0c0c0c0…, now sha256:d1ffe4e4d1ff…"), "{placed:?}");
    // It is one hold and one alert, however often it is said.
    ready.agent.check_in(&test.app).await.unwrap();
    test.app.watch_all_drift().await;
    assert_eq!(holds(&test, &ready.bot).len(), 1);
    let alert = || test.app.alerts.find(AlertKind::NotAsApproved, &Subject::bot(&ready.bot.id));
    assert!(alert().is_some_and(|alert| alert.repeats == 0 && alert.words.contains("now sha256:d1ffe4e4d1ff…")), "{:?}", alert());
    // Released, it starts only as it was approved.
    let hold = test.app.fleet.view().open_holds().next().unwrap().id.clone();
    test.release(&hold, &["operator", "lead"]).await.unwrap();
    ready.agent.settle(&test.app).await;
    let refused = why(test.start(std::slice::from_ref(&ready.bot.id), &["operator"]).await);
    assert!(refused.contains("Configuration: approved"), "{refused}");
    ready.agent.config = Some(crate::harness::golive::CONFIG.into());
    ready.agent.settle(&test.app).await;
    test.app.watch_all_drift().await;
    assert!(alert().is_none(), "it is what was approved again");
    test.start(std::slice::from_ref(&ready.bot.id), &["operator"]).await.unwrap();
    ready.agent.settle(&test.app).await;
    assert_eq!(ready.agent.state, State::Active);
    test.log_is_good().await;
});

on_both!(nobody_starts_a_bot_that_nobody_answers_for_any_more, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    // Its deputy leaves: it goes on, and once it stands it stays so until somebody else answers for it.
    test.app.disable(&test.actor("admin"), &test.people["lead"].id).await.unwrap();
    test.app.watch_all_drift().await;
    assert_eq!(holds(&test, &ready.bot), []);
    test.press("operator", Scope::Bot(ready.bot.id.clone()), Level::Pause).await;
    ready.agent.settle(&test.app).await;
    let hold = test.app.fleet.view().open_holds().next().unwrap().id.clone();
    test.release(&hold, &["operator"]).await.unwrap();
    ready.agent.settle(&test.app).await;
    let start = async || test.start(std::slice::from_ref(&ready.bot.id), &["operator"]).await;
    assert!(why(start().await).contains("its owner or deputy is disabled"));
    let change = BotEdit { deputy: Some(test.people["risk"].id.to_string()), ..BotEdit::default() };
    test.app.edit_bot(&test.actor("operator"), &ready.bot.id, &change).await.unwrap();
    start().await.unwrap();
});

on_both!(a_frozen_log_keeps_no_difference_from_being_held, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    test.execute("UPDATE audit_log SET state = 'frozen'").await;
    ready.agent.build = Some("sha256:another".into());
    let heard = ready.agent.check_in(&test.app).await.unwrap();
    assert_eq!(heard.directive.state, State::Halted);
});

on_both!(what_no_agent_says_is_found_by_the_clock, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    test.app.watch_all_drift().await;
    assert_eq!(holds(&test, &ready.bot), []);
    // Its time in the stage, and what was looked at a month ago.
    test.hand.forward_ms(30 * DAY);
    test.app.watch_all_drift().await;
    let placed = holds(&test, &ready.bot);
    assert!(placed.len() == 1 && placed[0].2.contains("Time in stage limited"), "{placed:?}");
    ready.agent.check_in(&test.app).await.unwrap();
    assert_eq!(ready.agent.state, State::Halted);
});

on_both!(an_item_whose_time_is_over_holds_its_bot_unless_it_was_answered_anew, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = trading(&test, "arb-1").await;
    test.hand.forward_ms(6 * DAY);
    crate::harness::golive::answered(&test).await;
    test.hand.forward_ms(DAY + 1_000);
    test.app.watch_all_drift().await;
    assert_eq!(holds(&test, &ready.bot), [], "what was approved is over, and somebody answered another alert yesterday");
    test.hand.forward_ms(6 * DAY);
    test.app.watch_all_drift().await;
    let placed = holds(&test, &ready.bot);
    assert!(placed.len() == 1 && placed[0].2.contains("Checklist item alert_test: approved until"), "{placed:?}");
});

on_both!(what_cannot_be_read_holds_no_bot_that_trades_and_lets_none_start, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = trading(&test, "arb-1").await;
    test.hand.forward_ms(8 * DAY);
    test.execute("ALTER TABLE checklist_mark RENAME TO checklist_mark_away").await;
    test.app.watch_all_drift().await;
    assert_eq!(holds(&test, &ready.bot), [], "nobody knows whether an alert was answered since");
    let found = test.app.differences(&crate::harness::golive::now(&test, &ready.bot.id), test.hand.clock().now());
    assert!(found.iter().any(|one| one.what == "Checklist item alert_test"), "which keeps it from being started: {found:?}");
    test.execute("ALTER TABLE checklist_mark_away RENAME TO checklist_mark").await;
    test.app.watch_all_drift().await;
    let placed = holds(&test, &ready.bot);
    assert!(placed.len() == 1 && placed[0].2.contains("Checklist item alert_test"), "{placed:?}");
});

on_both!(a_start_that_is_pushed_is_compared_once_more, |fresh: Fresh| async move {
    let kind = fresh.kind;
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    // The embedded database has one server; there it is the same one.
    let other = if kind == Kind::Postgres { test.restarted().await } else { test.app.clone() };
    test.press("operator", Scope::Bot(ready.bot.id.clone()), Level::Pause).await;
    other.refresh().await.unwrap();
    ready.agent.settle(&other).await;
    let hold = test.app.fleet.view().open_holds().next().unwrap().id.clone();
    test.release(&hold, &["operator"]).await.unwrap();
    ready.agent.settle(&test.app).await;
    test.start(std::slice::from_ref(&ready.bot.id), &["operator"]).await.unwrap();
    // To the replica that its stream is of it says another configuration, without a boot: contact, which is compared with nothing.
    let mut said = ready.agent.says();
    (said.boot, said.config) = (None, Some("sha256:d1ffe4e4d1ffe4e4".into()));
    let live = ready.agent.live(&other);
    other.check_in(&live, &said, "poll").await.unwrap();
    let carries = andon::app::check_in::Carries::default();
    let (told, _) = other.risen(&live, Some(&ready.agent.boot), &carries).await.unwrap();
    assert_eq!(told.state, State::Halted, "it is held before it is freed");
});

on_both!(a_key_that_is_taken_away_holds_its_bot, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = trading(&test, "arb-1").await;
    test.app.end_key(&test.actor("operator"), &ready.key, "it is not needed").await.unwrap();
    test.app.watch_all_drift().await;
    let placed = holds(&test, &ready.bot);
    assert!(placed.len() == 1 && placed[0].2.contains("Key to trade: approved in use, now missing"), "{placed:?}");
    assert!(exchange_keys::row(&test, &ready.key).await.ended_at.is_some());
});

on_both!(a_key_that_an_agent_took_along_keeps_its_bot_from_being_started, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = trading(&test, "arb-1").await;
    let old = test.app.agents().of_bot(&ready.bot.id).unwrap().id.clone();
    let rewrite = async |change: &dyn Fn(&mut andon::app::keys::VersionRow)| {
        let mut tx = test.fresh.db.write(andon::storage::Lane::Normal).await.unwrap();
        let mut version = andon::storage::exchange_keys::version_of(&mut tx, &ready.key).await.unwrap().remove(0);
        change(&mut version);
        andon::storage::exchange_keys::version_write(&mut tx, &mut version).await.unwrap();
        andon::storage::exchange_keys::key_changed(&mut tx, [&ready.key]).await.unwrap();
        tx.commit().await.unwrap();
        test.app.refresh_keys().await.unwrap();
    };
    let now = test.hand.clock().now();
    test.execute(&format!("UPDATE key_version SET agent_id = '{old}' WHERE key_id = '{}'", ready.key)).await;
    rewrite(&|version| version.delivered_at = Some(now)).await;
    let mut agent = crate::harness::agent::ready(&test, &ready.bot, "lead").await;
    (agent.build, agent.config) = (ready.agent.build.clone(), ready.agent.config.clone());
    agent.keys = ready.agent.keys.clone();
    agent.settle(&test.app).await;
    let refused = why(test.start(std::slice::from_ref(&ready.bot.id), &["operator"]).await);
    assert!(refused.contains("was given to an agent that is not its agent any more"), "{refused}");
    rewrite(&|version| version.gone_at = Some(now)).await;
    let refused = test.start(std::slice::from_ref(&ready.bot.id), &["operator"]).await.map_err(|error| error.to_string());
    assert!(!refused.as_ref().is_err_and(|why| why.contains("was given to an agent")), "{refused:?}");
});

on_both!(an_instance_that_runs_something_else_holds_the_bot, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    let instance =
        |name: &str, build: &str| InstanceSaid { name: name.into(), build: build.into(), config: crate::harness::golive::CONFIG.into() };
    ready.agent.seq += 1;
    let mut said = ready.agent.says();
    said.instances = Some(vec![instance("host-1", crate::harness::golive::BUILD), instance("host-8", "sha256:0000000000000000")]);
    let heard = test.app.check_in(&ready.agent.live(&test.app), &said, "poll").await.unwrap();
    assert_eq!(heard.directive.state, State::Halted);
    assert!(holds(&test, &ready.bot)[0].2.contains("Instance host-8"), "{:?}", holds(&test, &ready.bot));
});

on_both!(above_sandbox_a_word_that_leaves_out_what_runs_is_not_renewed, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    assert!(ready.agent.check_in(&test.app).await.unwrap().renew.is_some());
    let (build, config, keys) = (ready.agent.build.take(), ready.agent.config.clone(), ready.agent.keys.clone());
    assert!(ready.agent.check_in(&test.app).await.unwrap().renew.is_none(), "without its build");
    ready.agent.build = build;
    ready.agent.config = None;
    assert!(ready.agent.check_in(&test.app).await.unwrap().renew.is_none(), "without its configuration");
    ready.agent.config = config;
    ready.agent.keys.clear();
    assert!(ready.agent.check_in(&test.app).await.unwrap().renew.is_none(), "without its key");
    ready.agent.keys = keys;
    assert!(ready.agent.check_in(&test.app).await.unwrap().renew.is_some());
    assert_eq!((ready.bot.stage, holds(&test, &ready.bot).len()), (Stage::Limited, 0), "what was said last stands");
});
