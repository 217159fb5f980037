//! The ladder at work: what is not confirmed in time is an alert, what is confirmed ends it, and a copy of the database climbs nothing.

use super::about;
use crate::harness::{
    agent::{Agent, ready},
    app::TestApp,
    db::{Fresh, on_both},
};
use andon::{
    app::ladder::{Ladder, Rung},
    domain::{AlertKind, BotFacts, Epoch, Level, Scope, Severity, State, ladder::Step},
    protocol::AckFrame,
    storage,
};
use std::sync::{Arc, Mutex};

async fn halted(test: &TestApp, name: &str) -> (BotFacts, Agent) {
    let bot = test.bot(name, "arb").await;
    let agent = ready(test, &bot, "operator").await;
    (bot, agent)
}

on_both!(a_stop_that_is_not_confirmed_in_time_is_an_alert_until_it_is, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = halted(&test, "arb-1").await;
    let mut ladder = Ladder::load(&test.app).await.unwrap();
    let hold = test.press("lead", Scope::Fleet, Level::Pause).await.hold;
    test.hand.forward_ms(5_000);
    ladder.round(&test.app);
    assert!(test.app.alerts.open().is_empty(), "it still has its time");
    test.hand.forward_ms(1);
    ladder.round(&test.app);
    let alert = about(&test, AlertKind::Unconfirmed, &bot.id).unwrap();
    assert!(
        alert.subject.hold.as_ref() == Some(&hold.id) && alert.words.contains("arb-1") && alert.words.contains("within 5 s"),
        "{alert:?}"
    );
    for _ in 0..3 {
        ladder.round(&test.app);
    }
    assert_eq!(about(&test, AlertKind::Unconfirmed, &bot.id).unwrap().repeats, 0, "the same cause is no repeat");
    assert_eq!(test.app.alerts.open().len(), 1, "only bots that can answer");
    test.app.write_alerts().await.unwrap();
    // Found again by a process that starts anew, which knows the acknowledgements from the database.
    let again = test.restarted().await;
    let mut anew = Ladder::load(&again).await.unwrap();
    anew.round(&again);
    assert_eq!(again.alerts.open()[0].repeats, 0);
    agent.settle(&test.app).await;
    ladder.round(&test.app);
    test.app.write_alerts().await.unwrap();
    let row = storage::alerts::alert_by_id(&mut test.fresh.db.read().await.unwrap(), &alert.id).await.unwrap().unwrap();
    assert!(row.closed.unwrap().by.is_none(), "closed by the server");
    let after = test.restarted().await;
    Ladder::load(&after).await.unwrap().round(&after);
    assert!(after.alerts.open().is_empty(), "what was confirmed before a restart stays confirmed");
});

/// Tells the server that what it said last was applied.
fn applied(test: &TestApp, agent: &Agent, bot: &BotFacts, state: State) {
    let view = test.app.fleet.view();
    let epoch = view.epoch(view.bot(&bot.id).unwrap());
    let ack = AckFrame { epoch, step: andon::domain::Step::Applied, at: None, state: Some(state), entry_orders: None, open_orders: None };
    drop(test.app.acknowledge(&agent.live(&test.app), &ack).unwrap());
}

on_both!(a_reduce_that_is_not_confirmed_is_a_warning_until_it_is, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = halted(&test, "arb-1").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    let mut ladder = Ladder::load(&test.app).await.unwrap();
    let hold = test.press("lead", Scope::Team(test.team("arb")), Level::Reduce).await.hold;
    test.hand.forward_ms(5_001);
    ladder.round(&test.app);
    let alert = about(&test, AlertKind::NotReduced, &bot.id).expect("nobody said that it adds nothing");
    assert!(
        alert.severity == Severity::Warning && alert.subject.hold == Some(hold.id.clone()) && alert.words.contains("the reduce that"),
        "{alert:?}"
    );
    test.hand.forward_ms(20_000);
    ladder.round(&test.app);
    assert_eq!(test.app.alerts.open().len(), 1, "nothing is cut for a reduce");
    applied(&test, &agent, &bot, State::Active);
    ladder.round(&test.app);
    assert!(about(&test, AlertKind::NotReduced, &bot.id).is_some(), "it goes on as before");
    applied(&test, &agent, &bot, State::Reducing);
    ladder.round(&test.app);
    assert!(test.app.alerts.open().is_empty());
});

on_both!(a_symbol_that_nobody_says_to_leave_out_is_a_warning, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = halted(&test, "arb-1").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    let mut ladder = Ladder::load(&test.app).await.unwrap();
    let scope = Scope::Symbol(andon::domain::Symbol::parse("BTC/USDT").unwrap(), None);
    let hold = test.press("risk", scope.clone(), Level::Reduce).await.hold;
    test.hand.forward_ms(5_001);
    ladder.round(&test.app);
    let alert = about(&test, AlertKind::NotReduced, &bot.id).unwrap();
    assert!(alert.words.contains("the reduce in BTC/USDT that"), "{}", alert.words);
    // Released without an answer: nothing is known of that either.
    test.release(&hold.id, &["risk", "lead"]).await.unwrap();
    ladder.round(&test.app);
    assert!(about(&test, AlertKind::NotReduced, &bot.id).is_some());
    applied(&test, &agent, &bot, State::Active);
    ladder.round(&test.app);
    assert!(test.app.alerts.open().is_empty());
    // What the bot does elsewhere says nothing of one symbol.
    test.press("risk", scope, Level::Reduce).await;
    applied(&test, &agent, &bot, State::Active);
    test.hand.forward_ms(5_001);
    ladder.round(&test.app);
    assert!(test.app.alerts.open().is_empty());
});

on_both!(a_key_that_nothing_here_can_cut_is_a_persons_work, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = halted(&test, "arb-1").await;
    let mut ladder = Ladder::load(&test.app).await.unwrap();
    test.press("risk", Scope::Fleet, Level::Pause).await;
    test.hand.forward_ms(40_000);
    ladder.round(&test.app);
    assert!(about(&test, AlertKind::EndKeyByHand, &bot.id).is_none());
    test.hand.forward_ms(1);
    ladder.round(&test.app);
    let alert = about(&test, AlertKind::EndKeyByHand, &bot.id).unwrap();
    for part in
        ["disable or delete the bot's API key", "cancel its entry orders", "look again until none is left", "Leave protective orders"]
    {
        assert!(alert.words.contains(part), "{part}: {}", alert.words);
    }
    test.app.write_alerts().await.unwrap();
    test.app.close_alert(&test.actor("operator"), &alert.id, "key deleted at the venue").await.unwrap();
    let unconfirmed = about(&test, AlertKind::Unconfirmed, &bot.id).unwrap();
    test.app.close_alert(&test.actor("operator"), &unconfirmed.id, "the same").await.unwrap();
    test.hand.forward_ms(600_000);
    ladder.round(&test.app);
    let again = test.restarted().await;
    Ladder::load(&again).await.unwrap().round(&again);
    assert!(test.app.alerts.open().is_empty() && again.alerts.open().is_empty(), "of a silent agent nothing new is known");
    // One that is heard and has still not answered is another matter.
    agent.seq += 1;
    test.app.check_in(&agent.live(&test.app), &agent.says(), "poll").await.unwrap();
    ladder.round(&test.app);
    assert_eq!(test.app.alerts.open().len(), 2, "it does not obey, whatever somebody wrote ten minutes ago");
    for alert in test.app.alerts.open() {
        test.app.write_alerts().await.unwrap();
        test.app.close_alert(&test.actor("operator"), &alert.id, "looked at").await.unwrap();
    }
    ladder.round(&test.app);
    assert!(test.app.alerts.open().is_empty(), "not at once");
    // Another stop is another matter.
    test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await;
    test.hand.forward_ms(40_001);
    ladder.round(&test.app);
    assert_eq!(test.app.alerts.open().len(), 2);
    agent.settle(&test.app).await;
    ladder.round(&test.app);
    assert!(test.app.alerts.open().is_empty(), "proved idle ends both");
});

on_both!(a_release_without_an_answer_proves_nothing, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = halted(&test, "arb-1").await;
    let mut ladder = Ladder::load(&test.app).await.unwrap();
    let hold = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await.hold;
    test.hand.forward_ms(5_001);
    ladder.round(&test.app);
    test.release(&hold.id, &["operator"]).await.unwrap();
    ladder.round(&test.app);
    assert!(about(&test, AlertKind::Unconfirmed, &bot.id).is_some());
    agent.settle(&test.app).await;
    ladder.round(&test.app);
    assert!(about(&test, AlertKind::Unconfirmed, &bot.id).is_none());
});

on_both!(a_stop_that_is_no_hold_is_answered_or_told_of_too, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = halted(&test, "arb-1").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    let mut ladder = Ladder::load(&test.app).await.unwrap();
    ladder.round(&test.app);
    assert!(test.app.alerts.open().is_empty());
    // Its agent falls silent: presumed halted, and not known.
    test.hand.forward_ms(40_000);
    andon::workers::lapses::round(&test.app).await;
    ladder.round(&test.app);
    assert!(test.app.alerts.open().is_empty(), "it has its time to say that it is halted");
    test.hand.forward_ms(5_001);
    ladder.round(&test.app);
    let alert = about(&test, AlertKind::Unconfirmed, &bot.id).expect("nobody pressed, and nobody knows");
    assert!(alert.subject.hold.is_none() && alert.words.contains("arb-1 has not confirmed the stop of"), "{}", alert.words);
    agent.lapsed = true;
    agent.settle(&test.app).await;
    ladder.round(&test.app);
    assert!(test.app.alerts.open().is_empty(), "it says so");
});

on_both!(a_copy_of_the_database_climbs_nothing, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = halted(&test, "arb-1").await;
    test.press("risk", Scope::Fleet, Level::Pause).await;
    test.hand.forward_ms(60 * 60_000);
    let copy = test.restarted().await;
    let mut ladder = Ladder::load(&copy).await.unwrap();
    test.hand.forward_ms(60_000);
    ladder.round(&copy);
    assert!(copy.alerts.open().is_empty(), "no agent was heard here and nothing was pressed here");
    // Heard here, and not obeying: it climbs.
    agent.seq += 1;
    copy.check_in(&agent.live(&copy), &agent.says(), "poll").await.unwrap();
    ladder.round(&copy);
    assert!(copy.alerts.open().iter().any(|alert| alert.kind == AlertKind::Unconfirmed && alert.subject.bot.as_ref() == Some(&bot.id)));
});

on_both!(a_site_that_is_not_the_installations_climbs_nothing_though_it_hears_agents, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = halted(&test, "arb-1").await;
    let dir = test.fresh.dir.path();
    ["site-1", "site-2"].iter().for_each(|site| std::fs::create_dir(dir.join(site)).unwrap());
    test.app.open_site(&dir.join("site-1")).await.unwrap();
    test.press("risk", Scope::Fleet, Level::Pause).await;
    let copy = test.restarted().await;
    copy.open_site(&dir.join("site-2")).await.unwrap();
    assert!(copy.site.is_foreign() && !test.app.site.is_foreign());
    let mut ladder = Ladder::load(&copy).await.unwrap();
    test.hand.forward_ms(60_000);
    agent.seq += 1;
    // Whatever it answers: the agent was heard here.
    let _ = copy.check_in(&agent.live(&copy), &agent.says(), "poll").await;
    assert!(copy.book.word(&bot.id).is_some());
    ladder.round(&copy);
    assert!(copy.alerts.open().is_empty(), "{:?}", copy.alerts.open());
    let mut own = Ladder::load(&test.app).await.unwrap();
    own.round(&test.app);
    assert!(about(&test, AlertKind::Unconfirmed, &bot.id).is_some(), "the installation's own does");
});

/// Takes down what it was asked to do.
struct Scribe(Step, bool, Arc<Mutex<Vec<(Step, String)>>>);

impl Rung for Scribe {
    fn step(&self) -> Step {
        self.0
    }
    fn climb(&self, bot: &Arc<BotFacts>, _: Epoch) -> bool {
        self.2.lock().unwrap().push((self.0, bot.name.clone()));
        self.1
    }
}

on_both!(whoever_can_act_at_the_venue_is_asked_when_it_is_due, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = halted(&test, "arb-1").await;
    let said = Arc::new(Mutex::new(Vec::new()));
    test.app.open_rungs(vec![Box::new(Scribe(Step::CancelEntries, true, said.clone())), Box::new(Scribe(Step::Cut, true, said.clone()))]);
    let mut ladder = Ladder::load(&test.app).await.unwrap();
    test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await;
    for _ in 0..45 {
        test.hand.forward_ms(1_000);
        ladder.round(&test.app);
    }
    let count = |step| said.lock().unwrap().iter().filter(|(said, name)| *said == step && name == "arb-1").count();
    assert_eq!((count(Step::CancelEntries), count(Step::Cut)), (9, 1), "{:?}", said.lock().unwrap());
    assert!(about(&test, AlertKind::EndKeyByHand, &bot.id).is_none(), "somebody cuts it");
    agent.settle(&test.app).await;
    for _ in 0..10 {
        test.hand.forward_ms(1_000);
        ladder.round(&test.app);
    }
    assert_eq!(count(Step::CancelEntries), 9, "confirmed: over");
});
