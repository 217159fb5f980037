//! What raises an alert, and what ends it.

use super::about;
use crate::faults::until;
use crate::harness::{
    agent::{RECIPIENT, boot, enrol, ready},
    app::TestApp,
    db::{Fresh, on_both},
};
use crate::log::copy::Raw;
use andon::{
    app::{acts::Outcome, alarms::Alarms},
    domain::{ActKind, AlertKind, Epoch, Level, Scope, Subject},
    fleet::{
        Pass,
        lines::{Mouth, Told},
    },
    protocol::{EnrolAgent, EnrolRequest},
    storage::Lane,
};
use std::sync::Arc;

/// A stream that nothing is heard from.
struct Mute;

impl Mouth for Mute {
    fn tell(&self, _: &mut Pass<'_>) -> Told {
        Told::Nothing
    }
    fn nudge(&self) {}
}

on_both!(connected_and_behind_is_an_alert_within_five_seconds, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    let mut alarms = Alarms::default();
    test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await;
    for _ in 0..20 {
        alarms.round(&test.app);
        test.hand.forward_ms(500);
    }
    assert!(test.app.alerts.open().is_empty(), "without a stream it is not behind but silent");
    agent.settle(&test.app).await;
    let line = test.app.lines.open(&bot.id, agent.id(), Arc::new(Mute));
    alarms.round(&test.app);
    test.press("lead", Scope::Bot(bot.id.clone()), Level::Pause).await;
    let pressed = test.app.clock.now();
    while about(&test, AlertKind::Behind, &bot.id).is_none() {
        test.hand.forward_ms(500);
        alarms.round(&test.app);
        assert!(test.app.clock.now().ms_since(pressed) <= 5_000, "not within five seconds");
    }
    assert!(test.app.clock.now().ms_since(pressed) > 4_000, "not at once: an agent needs a moment");
    agent.settle(&test.app).await;
    alarms.round(&test.app);
    assert!(about(&test, AlertKind::Behind, &bot.id).is_none(), "it caught up");
    test.press("risk", Scope::Bot(bot.id.clone()), Level::Pause).await;
    for _ in 0..12 {
        alarms.round(&test.app);
        test.hand.forward_ms(500);
    }
    assert!(about(&test, AlertKind::Behind, &bot.id).is_some());
    drop(line);
    alarms.round(&test.app);
    assert!(about(&test, AlertKind::Behind, &bot.id).is_none(), "its stream ended");
});

on_both!(an_agent_that_is_ahead_or_whose_clock_is_off_is_an_alert_while_it_is, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    let mut alarms = Alarms::default();
    let mut say = async |ahead: bool, off_ms: i64, alarms: &mut Alarms| {
        agent.seq += 1;
        let mut said = agent.says();
        if ahead {
            said.epoch = Some(Epoch(9_000));
            said.server_behind = true;
        }
        said.at = Some(test.app.clock.now().plus_ms(off_ms));
        let _ = test.app.check_in(&agent.live(&test.app), &said, "poll").await;
        alarms.round(&test.app);
        [AlertKind::AgentAhead, AlertKind::ClockOff].map(|kind| about(&test, kind, &bot.id).is_some())
    };
    assert_eq!(say(false, 2_000, &mut alarms).await, [false, false]);
    assert_eq!(say(false, -2_001, &mut alarms).await, [false, true]);
    assert_eq!(say(false, -1_900, &mut alarms).await, [false, true], "one at the edge does not come and go");
    assert_eq!(say(true, 0, &mut alarms).await, [true, false]);
    assert_eq!(say(false, 0, &mut alarms).await, [false, false]);
    // A process that starts anew ends what an earlier one raised.
    assert_eq!(say(false, 9_000, &mut alarms).await, [false, true]);
    assert_eq!(say(false, 0, &mut Alarms::default()).await, [false, false]);
});

on_both!(a_code_that_is_used_twice_and_two_agents_with_one_credential_are_alerts, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let act = test.app.prepare_single(&test.actor("operator"), ActKind::EnrolmentCode { bot: bot.id.clone() }).await.unwrap();
    let Outcome::Secret { secret, .. } = test.sign("operator", &act).await.unwrap() else { panic!("no code") };
    for _ in 0..2 {
        let asked = EnrolRequest {
            code: secret.expose().clone(),
            agent: EnrolAgent { name: "host-1".into(), version: "1".into(), platform: "linux".into() },
            recipient: RECIPIENT.into(),
        };
        let _ = test.app.enrol(asked).await;
    }
    assert!(about(&test, AlertKind::CodeUsedTwice, &bot.id).unwrap().words.contains("pending again"));
    let other = test.bot("arb-2", "arb").await;
    let mut agent = enrol(&test, &other, "operator").await;
    agent.settle(&test.app).await;
    let first = agent.boot.clone();
    agent.boot = boot();
    agent.check_in(&test.app).await.unwrap();
    assert!(about(&test, AlertKind::TwoAgents, &other.id).is_none(), "a restart is none");
    agent.boot = first;
    assert!(agent.check_in(&test.app).await.is_err());
    assert!(about(&test, AlertKind::TwoAgents, &other.id).is_some());
});

on_both!(a_hold_that_no_database_has_is_an_alert_until_it_is_merged, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut alarms = Alarms::default();
    // Somebody sits on the writer (SQLite) or on the counter's row (PostgreSQL).
    let mut sitting = test.fresh.db.write(Lane::Normal).await.unwrap();
    andon::storage::epoch::epoch_take(&mut sitting).await.unwrap();
    let placed = test.press("operator", Scope::Bot(bot.id), Level::Pause).await;
    alarms.round(&test.app);
    let subject = Subject::hold(&placed.hold.id);
    let alert = test.app.alerts.find(AlertKind::HoldNotRecorded, &subject).unwrap();
    assert!(alert.words.contains("this server's disk"), "{}", alert.words);
    drop(sitting);
    until("merged", async || test.app.merge_unrecorded().await.is_ok() && test.app.fleet.view().unrecorded().is_empty()).await;
    alarms.round(&test.app);
    assert!(test.app.alerts.find(AlertKind::HoldNotRecorded, &subject).is_none());
});

on_both!(a_frozen_log_is_an_alert_of_the_installation, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    let mut alarms = Alarms::default();
    alarms.round(&test.app);
    assert!(test.app.alerts.open().is_empty());
    test.app.publish(true).await.unwrap();
    // A log that has grown is compared with what was published of it.
    test.bot("arb-1", "arb").await;
    Raw::open(&test.fresh.place).await.run("UPDATE audit_leaf SET leaf_hash = {0} WHERE seq = 2", &[&[9; 32]]).await;
    test.app.publish(true).await.unwrap();
    assert!(test.app.log.gate().frozen().is_some());
    alarms.round(&test.app);
    let alert = test.app.alerts.find(AlertKind::LogFrozen, &Subject::installation()).unwrap();
    assert!(alert.words.contains("Nothing may start"), "{}", alert.words);
});
