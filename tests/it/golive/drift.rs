//! What runs is what was approved: whatever differs holds the bot, and nothing starts that is not as approved.

use super::{holds, trading};
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
    exchange_keys,
    golive::DAY,
};
use crate::requests::why;
use andon::{
    domain::{Stage, State},
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
    // It is one hold, however often it is said.
    ready.agent.check_in(&test.app).await.unwrap();
    test.app.watch_all_drift().await;
    assert_eq!(holds(&test, &ready.bot).len(), 1);
    // Released, it starts only as it was approved.
    let hold = test.app.fleet.view().open_holds().next().unwrap().id.clone();
    test.release(&hold, &["operator", "lead"]).await.unwrap();
    ready.agent.settle(&test.app).await;
    let refused = why(test.start(std::slice::from_ref(&ready.bot.id), &["operator"]).await);
    assert!(refused.contains("Configuration: approved"), "{refused}");
    ready.agent.config = Some(crate::harness::golive::CONFIG.into());
    ready.agent.settle(&test.app).await;
    test.start(std::slice::from_ref(&ready.bot.id), &["operator"]).await.unwrap();
    ready.agent.settle(&test.app).await;
    assert_eq!(ready.agent.state, State::Active);
    test.log_is_good().await;
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
    assert!(placed.len() == 1 && placed[0].2.contains("Time in stage limited") && placed[0].2.contains("sandbox_results"), "{placed:?}");
    ready.agent.check_in(&test.app).await.unwrap();
    assert_eq!(ready.agent.state, State::Halted);
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
