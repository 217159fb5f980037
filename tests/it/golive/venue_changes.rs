//! A change at an exchange: what was tested before it is to be tested again, and stands in the way until it is; nothing stops for it.

use super::{holds, trading};
use crate::{
    harness::{
        app::TestApp,
        browser::Browser,
        db::{Fresh, Kind, on_both},
        golive::{DAY, ask, execute, mark, now, whole},
    },
    requests::{api::program, approve, why},
};
use andon::{
    app::golive::{marks::Said, reminders::Ending},
    domain::{ApprovedRun, BotId, Stage, golive::Standing},
    storage::{self, Lane},
};

/// The items of a bot's list that wait for a test since its exchange changed.
async fn waiting(test: &TestApp, bot: &BotId, stage: Stage) -> usize {
    let view = test.app.checklist(&test.actor("auditor"), bot, stage).await.unwrap();
    let waits = |standing: &Standing| matches!(standing, Standing::Open(why) if why.contains("was answered before arb-1 venue changed: tick sizes"));
    view.checked.iter().filter(|one| waits(&one.standing)).count()
}

on_both!(what_was_tested_before_an_exchange_changed_goes_up_once_it_is_tested_again, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = whole(&test, "arb-1").await.bot;
    let venue = bot.seat.as_ref().unwrap().venue.clone();
    let other = whole(&test, "arb-2").await.bot.id;
    let request = ask(&test, "operator", &bot.id).await.unwrap();
    approve(&test, "lead", &request).await.unwrap();
    test.hand.forward_ms(1_000);
    assert!(test.app.note_venue_change(&test.actor("auditor"), &venue, "tick sizes").await.is_err(), "whoever may not write venues down");
    assert!(why(test.app.note_venue_change(&test.actor("lead"), &venue, " ").await).contains("Say what changed"));
    assert_eq!(waiting(&test, &bot.id, Stage::Limited).await, 0, "what was refused changed nothing");
    test.app.note_venue_change(&test.actor("lead"), &venue, "tick sizes").await.unwrap();

    let waits = waiting(&test, &bot.id, Stage::Limited).await;
    let list = test.app.checklist(&test.actor("auditor"), &bot.id, Stage::Limited).await.unwrap().list;
    assert_eq!(waits, list.items.iter().filter(|item| item.of_build).count());
    assert!(waits > 5, "stress tests, results and plans are of the build: {waits}");
    let refused = why(execute(&test, "operator", &request).await);
    assert!(refused.contains("not everything is so any more") && refused.contains("arb-1 venue changed: tick sizes"), "{refused}");
    assert!(test.app.checklist(&test.actor("auditor"), &other, Stage::Limited).await.unwrap().is_whole(), "it trades somewhere else");

    test.hand.forward_ms(1_000);
    mark(&test, "operator", &bot.id, Stage::Limited).await;
    assert_eq!(waiting(&test, &bot.id, Stage::Limited).await, 0);
    test.app.withdraw_request(&test.actor("operator"), &request).await.unwrap();
    let request = ask(&test, "operator", &bot.id).await.unwrap();
    approve(&test, "lead", &request).await.unwrap();
    execute(&test, "operator", &request).await.unwrap();
    assert_eq!(now(&test, &bot.id).stage, Stage::Limited);
    test.log_is_good().await;
});

on_both!(what_was_renewed_before_a_change_holds_no_bot_that_trades_however_the_server_began, |fresh: Fresh| async move {
    let kind = fresh.kind;
    let test = TestApp::new(fresh).await;
    let ready = trading(&test, "arb-1").await;
    let (bot, venue) = (ready.bot.clone(), ready.bot.seat.as_ref().unwrap().venue.clone());
    // What was approved of one of its tests ends in two days.
    let mut run = ApprovedRun::clone(bot.run.as_ref().unwrap());
    let first = test.hand.clock().now().plus_ms(2 * DAY);
    run.dossier.items.iter_mut().find(|item| item.item == "stress_stacked_orders").unwrap().until = Some(first);
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    let epoch = storage::epoch::epoch_take(&mut tx).await.unwrap();
    storage::bots::bot_set_run(&mut tx, &bot.id, &run, epoch).await.unwrap();
    tx.commit().await.unwrap();
    test.app.refresh().await.unwrap();
    // It is renewed in time; then the exchange changes, the first end passes, and a server looks that has looked at nothing before.
    test.hand.forward_ms(DAY);
    mark(&test, "operator", &bot.id, Stage::Limited).await;
    test.hand.forward_ms(1_000);
    test.app.note_venue_change(&test.actor("lead"), &venue, "tick sizes").await.unwrap();
    let ends = test.app.ends_of(&now(&test, &bot.id)).await.unwrap();
    assert!(
        ends.iter().filter(|end| matches!(end.of, Ending::Item(_))).all(|end| end.at > first || !end.words.contains("stacked")),
        "{ends:?}"
    );
    test.hand.forward_ms(DAY);
    // The embedded database has one server, which has looked at nothing yet either.
    let other = if kind == Kind::Postgres { test.restarted().await } else { test.app.clone() };
    other.watch_all_drift().await;
    assert_eq!(holds(&test, &bot), [], "nothing stops for a change at an exchange");
    assert_eq!(other.tests_due_at(&test.actor("auditor"), &venue).await.unwrap().len(), 1, "and it is due all the same");
});

on_both!(a_word_that_was_prepared_before_a_change_is_no_test_after_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = trading(&test, "arb-1").await;
    let (bot, venue) = (ready.bot.id.clone(), ready.bot.seat.as_ref().unwrap().venue.clone());
    let said = Said { item: "limited_results".into(), said: "as expected".into(), link: String::new() };
    let act = test.app.prepare_attest(&test.actor("operator"), &bot, Stage::Live, &said).await.unwrap();
    test.hand.forward_ms(1_000);
    test.app.note_venue_change(&test.actor("lead"), &venue, "tick sizes").await.unwrap();
    test.hand.forward_ms(1_000);
    assert!(why(test.sign("operator", &act).await).contains("its exchange changed since this was prepared"));
    let act = test.app.prepare_attest(&test.actor("operator"), &bot, Stage::Live, &said).await.unwrap();
    test.sign("operator", &act).await.unwrap();
});

on_both!(a_bot_that_trades_goes_on_and_says_what_it_owes_wherever_somebody_looks, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    let (bot, venue) = (ready.bot.clone(), ready.bot.seat.as_ref().unwrap().venue.clone());
    assert!(test.app.tests_due_at(&test.actor("auditor"), &venue).await.unwrap().is_empty());
    test.hand.forward_ms(1_000);
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get(&format!("/venues/{venue}")).await;
    assert!(lead.page.contains("Nobody has written a change down"));
    lead.post(&format!("/venues/{venue}/changes"), &[("what", "tick sizes of <all> pairs")]).await;
    ready.agent.settle(&test.app).await;
    test.app.watch_all_drift().await;
    assert_eq!(holds(&test, &bot), [], "nothing stops for it");

    for (path, says) in [
        (format!("/venues/{venue}"), "tick sizes of &#60;all&#62; pairs"),
        (format!("/venues/{venue}"), "Not tested again since"),
        (format!("/bots/{}", bot.id), "tests are due again, since arb-1 venue changed"),
        (format!("/bots/{}/golive?stage=limited", bot.id), "it was answered before arb-1 venue changed"),
        ("/notices".to_owned(), "Venue arb-1 venue changed: tests are due again"),
    ] {
        let mut reader = Browser::signed_in(&test, "operator").await;
        reader.get(&path).await;
        assert!(reader.page.contains(says), "{path} does not say {says}: {}", reader.page);
    }
    let read = program(&test, "admin", "read", None).await;
    let told = read.get(&format!("/api/v1/venues/{venue}/changes")).await;
    assert_eq!(told.json["changes"][0]["noted_by"], "lead");
    assert_eq!(told.json["tests_due"][0]["bot"]["name"], "arb-1");
    let owed = told.json["tests_due"][0]["items"].as_array().unwrap().len();
    let due = test.app.tests_due_at(&test.actor("auditor"), &venue).await.unwrap();
    assert_eq!((due.len(), due[0].1.items.len()), (1, owed));

    test.hand.forward_ms(1_000);
    mark(&test, "operator", &bot.id, Stage::Limited).await;
    assert!(test.app.tests_due_at(&test.actor("auditor"), &venue).await.unwrap().is_empty());
    test.log_is_good().await;
});
