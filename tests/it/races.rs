//! A hold against whatever would let a bot trade, at the same moment: the stop wins, whichever of them the database takes first.

use crate::harness::{
    agent::ready,
    app::TestApp,
    db::{Fresh, on_both},
};
use andon::{
    app::{App, AppError, acts::Outcome, holds::Kept, holds::Placed, holds::Press},
    domain::{BotFacts, HoldId, Level, Scope, Stage, State},
    storage,
};
use std::sync::Arc;

/// Races per database, half of them with a start and half with a release.
const RACES: usize = 1_000;

/// Presses in a task of its own, as a request does.
fn press(test: &TestApp, by: &str, through: &Arc<App>, bot: &BotFacts) -> tokio::task::JoinHandle<Placed> {
    let (app, actor) = (through.clone(), test.actor(by));
    let press = Press {
        scope: Scope::Bot(bot.id.clone()),
        level: Level::Pause,
        why: String::new(),
        idempotency_key: String::new(),
        terms: Default::default(),
    };
    tokio::spawn(async move {
        let placed = app.place(actor, press).await.unwrap();
        // On a busy machine the database may take longer than a press waits for it; what a worker does then is done here.
        while placed.kept != Kept::Recorded && app.merge_unrecorded().await.is_err() {}
        placed
    })
}

/// The last signature of an act, made and not sent: what is left is the race.
async fn sign(test: &TestApp, by: &str, act: &andon::app::acts::ActView) -> impl Future<Output = Result<Outcome, AppError>> + use<> {
    let (app, actor, id) = (test.app.clone(), test.actor(by), act.stored.id.clone());
    let ceremony = app.signing_options(&actor, &id).await.unwrap();
    let answer = test.people[by].key.sign(&ceremony.options).unwrap();
    async move { app.sign(&actor, &id, &ceremony.state, &answer).await }
}

/// The hold is in the database, and every replica tells the bot to halt.
async fn stands(test: &TestApp, replicas: &[&Arc<App>], bot: &BotFacts, hold: &HoldId) {
    let stored = storage::holds::hold_by_id(&mut test.fresh.db.read().await.unwrap(), hold).await.unwrap();
    assert!(stored.is_some_and(|hold| hold.is_open()), "the hold is there");
    for app in replicas {
        app.refresh().await.unwrap();
        let view = app.fleet.view();
        let directive = view.directive(view.bot(&bot.id).unwrap());
        assert_eq!(directive.state, State::Halted);
        assert!(directive.holds.contains(hold));
    }
}

on_both!(a_hold_wins_every_race_with_a_start_and_with_a_release, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let other = test.restarted().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    let (mut started, mut released) = (0, 0);
    for race in (0..RACES).step_by(2) {
        let through = if race % 4 == 0 { &test.app } else { &other };
        let act = test.app.prepare_start(&test.actor("operator"), std::slice::from_ref(&bot.id), &[]).await.unwrap();
        let start = tokio::spawn(sign(&test, "operator", &act).await);
        let first = press(&test, "operator", through, &bot);
        let (start, first) = (start.await.unwrap(), first.await.unwrap().hold);
        started += usize::from(start.is_ok());
        stands(&test, &[&test.app, &other], &bot, &first.id).await;
        agent.settle(&test.app).await;
        assert_eq!(agent.state, State::Halted, "whatever came first, it stands in the end");

        let act = test.app.prepare_release(&test.actor("operator"), &first.id, "it is over").await.unwrap();
        let release = tokio::spawn(sign(&test, "operator", &act).await);
        let second = press(&test, "lead", through, &bot);
        let (release, second) = (release.await.unwrap(), second.await.unwrap().hold);
        released += usize::from(release.is_ok());
        assert_ne!(first.id, second.id, "each press of another person is a hold of its own");
        stands(&test, &[&test.app, &other], &bot, &second.id).await;
        for hold in test.app.fleet.view().open_holds().cloned().collect::<Vec<_>>() {
            test.release(&hold.id, &["operator"]).await.unwrap();
        }
        agent.settle(&test.app).await;
        assert_eq!(agent.state, State::Halted, "released is not started");
    }
    println!("{RACES} races: {started} starts and {released} releases were carried out, and no bot traded after its hold");
    test.log_is_good().await;
});

on_both!(a_hold_wins_every_race_with_a_change_of_stage, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    for race in 0..100 {
        let (app, actor, id) = (test.app.clone(), test.actor("operator"), bot.id.clone());
        let stage = if race % 2 == 0 { Stage::Draft } else { Stage::Sandbox };
        let change = tokio::spawn(async move { app.set_stage(&actor, &id, stage).await });
        let hold = press(&test, "operator", &test.app, &bot).await.unwrap().hold;
        let _ = change.await.unwrap();
        stands(&test, &[&test.app], &bot, &hold.id).await;
        test.release(&hold.id, &["operator"]).await.unwrap();
        agent.settle(&test.app).await;
        assert_eq!(agent.state, State::Halted);
    }
});

on_both!(a_hold_wins_every_race_with_a_change_of_limits, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let other = test.restarted().await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    other.refresh().await.unwrap();
    let limit = |race: usize| (2 * RACES - race).to_string();
    let tighten = |app: &Arc<App>, race: usize| {
        let (app, actor, id) = (app.clone(), test.actor("operator"), bot.id.clone());
        let asked = [("max_order_notional".to_owned(), limit(race))];
        tokio::spawn(async move { app.tighten_limits(&actor, &id, &asked, "tighter").await })
    };
    let facts = || test.app.fleet.view().bot(&bot.id).cloned().unwrap();
    tighten(&test.app, 0).await.unwrap().unwrap();
    agent.settle(&test.app).await;
    for race in 1..=RACES {
        if race % 10 == 1 {
            test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
            agent.settle(&test.app).await;
            assert_eq!(agent.state, State::Active, "before race {race}");
        }
        // Each through either replica; which of the two begins is left to the scheduler, and changes.
        let (pressed, changed) = if race % 2 == 0 { (&test.app, &other) } else { (&other, &test.app) };
        let (hold, change) = if race % 4 < 2 {
            let hold = press(&test, "operator", pressed, &bot);
            (hold, tighten(changed, race))
        } else {
            let change = tighten(changed, race);
            (press(&test, "operator", pressed, &bot), change)
        };
        // Meanwhile the agent says what it has taken over.
        let _ = agent.check_in(&test.app).await;
        let hold = hold.await.unwrap().hold;
        change.await.unwrap().unwrap_or_else(|error| panic!("race {race}: {error}"));
        stands(&test, &[&test.app, &other], &bot, &hold.id).await;
        let version = race as i64 + 1;
        for app in [&test.app, &other] {
            let facts = app.fleet.view().bot(&bot.id).cloned().unwrap();
            assert_eq!((facts.limits.version, facts.limits.values["max_order_notional"].as_str()), (version, Some(limit(race).as_str())));
        }
        agent.settle(&test.app).await;
        // What the database had no time for is said again with the next check-in.
        for _ in 0..20 {
            if !facts().limits_waiting {
                break;
            }
            agent.settle(&test.app).await;
        }
        assert_eq!((agent.state, agent.limits, facts().limits_waiting), (State::Halted, version, false), "race {race}");
        test.release(&hold.id, &["operator"]).await.unwrap();
        agent.settle(&test.app).await;
        assert_eq!(agent.state, State::Halted, "neither a release nor a version taken over starts anything");
        // As a replica does within half a second: else it may answer the same person's next press with the hold that is over.
        other.refresh().await.unwrap();
    }
    let history = test.app.limits_history(&test.actor("operator"), &bot.id).await.unwrap();
    let versions: Vec<i64> = history.iter().map(|row| row.version).collect();
    // The page shows the newest.
    let shown = (1..=RACES as i64 + 1).rev().take(versions.len());
    assert!(versions.len() >= 10 && versions.iter().copied().eq(shown), "each version once");
    assert!(history.is_sorted_by(|newer, older| newer.epoch > older.epoch), "in the order of their epochs");
    test.log_is_good().await;
});
