//! Reconciliation at work: bots whose agents report, beside a venue over real HTTP, read with a key that the server holds.

use super::{
    at_venue::{Scene, USDM},
    fake::Answer,
    sample,
};
use crate::harness::{
    browser::Browser,
    db::{Fresh, on_both},
};
use andon::{
    domain::{
        AlertKind, KeyPurpose, Level, PlacerKind, Subject,
        reconciliation::{GuardCancels, Outcome, Reaction, Watch},
    },
    protocol::Report,
};
use axum::http::StatusCode;

const ORDERS: &str = "GET /fapi/v1/openOrders";

fn quiet() -> Report {
    Report { open_orders: Some(0), entry_orders: Some(0), positions: Some(Vec::new()), ..Report::default() }
}

on_both!(sides_that_agree_are_shown_with_the_key_that_read, |fresh: Fresh| async move {
    let mut scene = Scene::new(fresh, USDM).await;
    scene.empty();
    let key = scene.lend(KeyPurpose::Monitor).await.to_string();
    scene.compare(&quiet()).await;
    let standing = scene.standing().await;
    let last = standing.last.as_ref().unwrap();
    assert_eq!((last.outcome, last.words.as_str(), last.key.as_str()), (Outcome::Agrees, "", key.as_str()));
    assert!(last.agreed_at.is_some() && standing.open().is_none());
    assert!(scene.test.app.fleet.view().open_holds().next().is_none() && scene.test.app.alerts.open().is_empty());
    let mut browser = Browser::signed_in(&scene.test, "operator").await;
    browser.get(&format!("/bots/{}", scene.bot.id)).await;
    assert!(browser.page.contains("Beside its venue") && browser.page.contains(&format!("read with key {key}")), "{}", browser.page);
    scene.venue.asked();
    scene.look().await;
    assert!(scene.venue.asked().is_empty(), "not before a minute is over");
});

on_both!(a_difference_that_two_readings_confirm_holds_the_bot_once_and_keeps_it_from_starting, |fresh: Fresh| async move {
    let mut scene = Scene::new(fresh, USDM).await;
    scene.empty();
    scene.venue.only(ORDERS, sample::BINANCE_FUTURES_ORDERS);
    scene.lend(KeyPurpose::Monitor).await;
    scene.compare(&quiet()).await;
    assert!(scene.test.app.fleet.view().open_holds().next().is_none(), "one reading is none");
    for _ in 0..3 {
        scene.later_ms(15_000);
        scene.compare(&quiet()).await;
        scene.later_ms(60_000);
    }
    let holds: Vec<_> = scene.test.app.fleet.view().open_holds().cloned().collect();
    let [hold] = holds.as_slice() else { panic!("{holds:?}") };
    assert_eq!((hold.level, hold.placed_by.kind, hold.placed_by.id.as_str()), (Level::Pause, PlacerKind::Trigger, "reconciliation"));
    let both = "the venue has 2 open orders (1917641 BUY 0.4 BTCUSDT, 1917642 SELL 0.3 ETHUSDT); the agent reports none";
    assert!(hold.why.contains(both), "{}", hold.why);
    let open = scene.standing().await.open().cloned().unwrap();
    assert_eq!((open.hold.as_ref(), open.reaction), (Some(&hold.id), Reaction::Pause));
    assert!(open.first_seen_at < open.confirmed_at);
    let alert = scene.test.app.alerts.find(AlertKind::Reconciliation, &Subject::bot(&scene.bot.id)).unwrap();
    assert!(alert.words.contains(both) && alert.repeats == 0, "{alert:?}");

    // Both sides agree again and the hold is released: it is still not started.
    scene.venue.only(ORDERS, "[]");
    scene.later_ms(60_000);
    scene.compare(&quiet()).await;
    scene.test.release(&hold.id, &["operator", "lead"]).await.unwrap();
    scene.agent.settle(&scene.test.app).await;
    let started = scene.test.start(std::slice::from_ref(&scene.bot.id), &["operator"]).await;
    assert!(started.is_err_and(|error| error.to_string().contains("its agent and its venue differ since")));
    let path = format!("/bots/{}/reconciliation", scene.bot.id);
    let mut browser = Browser::signed_in(&scene.test, "operator").await;
    browser.get(&path).await;
    for part in ["Close 1 difference", "1917641 BUY 0.4 BTCUSDT", "the agent reports none", &format!("/holds/{}", hold.id)] {
        assert!(browser.page.contains(part), "{part} is not on {}", browser.page);
    }
    browser.post(&path, &[("reconciliation", open.id.as_str()), ("why", " ")]).await;
    assert_eq!(browser.status, StatusCode::UNPROCESSABLE_ENTITY, "not without a reason");
    browser.post(&path, &[("reconciliation", open.id.as_str()), ("why", "placed by hand, cancelled")]).await;
    assert_eq!(browser.leads_to(), path);
    browser.get(&path).await;
    assert!(!browser.page.contains("Close 1 difference") && browser.page.contains("placed by hand, cancelled"), "{}", browser.page);
    browser.post(&path, &[("reconciliation", open.id.as_str()), ("why", "again")]).await;
    assert!(browser.status == StatusCode::UNPROCESSABLE_ENTITY && browser.page.contains("closed already"), "{}", browser.page);
    let closed = scene.standing().await.past[0].closed.clone().unwrap();
    assert_eq!((closed.name.as_str(), closed.why.as_str()), ("operator", "placed by hand, cancelled"));
    assert!(!scene.test.app.alerts.is_open(AlertKind::Reconciliation, &Subject::bot(&scene.bot.id)));
    scene.agent.settle(&scene.test.app).await;
    scene.test.start(std::slice::from_ref(&scene.bot.id), &["operator"]).await.unwrap();
});

on_both!(a_flicker_places_nothing, |fresh: Fresh| async move {
    let mut scene = Scene::new(fresh, USDM).await;
    scene.empty();
    scene.lend(KeyPurpose::Monitor).await;
    for orders in [sample::BINANCE_FUTURES_ORDERS, "[]", sample::BINANCE_FUTURES_ORDERS, "[]"] {
        scene.venue.only(ORDERS, orders);
        scene.compare(&quiet()).await;
        scene.later_ms(60_000);
    }
    let standing = scene.standing().await;
    assert!(standing.past.is_empty() && standing.last.unwrap().outcome == Outcome::Agrees);
    assert!(scene.test.app.fleet.view().open_holds().next().is_none() && scene.test.app.alerts.open().is_empty());
});

on_both!(a_venue_that_cannot_be_read_is_no_difference_and_is_told_after_a_while, |fresh: Fresh| async move {
    let mut scene = Scene::new(fresh, USDM).await;
    scene.empty();
    scene.venue.only(ORDERS, Answer::of(502, "bad gateway"));
    scene.lend(KeyPurpose::Monitor).await;
    let is_told = |scene: &Scene| scene.test.app.alerts.is_open(AlertKind::VenueUnread, &Subject::bot(&scene.bot.id));
    for n in 0..12 {
        assert_eq!(is_told(&scene), n > 10, "after {n} minutes");
        scene.compare(&quiet()).await;
        scene.later_ms(60_000);
    }
    let last = scene.standing().await.last.unwrap();
    assert_eq!((last.outcome, last.unknowns, last.agreed_at), (Outcome::Unknown, 12, None));
    assert!(scene.test.app.fleet.view().open_holds().next().is_none());
    scene.venue.only(ORDERS, "[]");
    scene.compare(&quiet()).await;
    assert!(!is_told(&scene), "it can be read again");
    assert_eq!(scene.standing().await.last.unwrap().unknowns, 0);
});

on_both!(what_a_difference_does_is_set_by_a_lead_and_it_blocks_in_any_case, |fresh: Fresh| async move {
    let mut scene = Scene::new(fresh, USDM).await;
    let off = Watch { reaction: Reaction::Off, guard_cancels: GuardCancels::Entries };
    let (app, id) = (scene.test.app.clone(), scene.bot.id.clone());
    assert!(app.set_watch(&scene.test.actor("operator"), &id, off).await.is_err());
    app.set_watch(&scene.test.actor("lead"), &id, off).await.unwrap();
    assert!(app.set_watch(&scene.test.actor("lead"), &id, off).await.is_err(), "it stands already");
    scene.empty();
    scene.venue.only("GET /fapi/v3/positionRisk", sample::BINANCE_POSITIONS);
    scene.lend(KeyPurpose::Monitor).await;
    scene.compare(&quiet()).await;
    scene.later_ms(15_000);
    scene.compare(&quiet()).await;
    assert!(app.fleet.view().open_holds().next().is_none(), "its setting says so");
    let open = scene.standing().await.open().cloned().unwrap();
    assert_eq!(open.differences[0].words(), "the venue holds 30 short in ADAUSDT; the agent reports none");
    assert!(app.alerts.is_open(AlertKind::Reconciliation, &Subject::bot(&id)));
    let obstacles = app.obstacles_of(&scene.test.actor("operator"), &id).await.unwrap();
    assert!(obstacles.iter().any(|one| one.what.contains("differ since")), "{obstacles:?}");
    let after = scene.test.restarted().await;
    after.load_watches().await.unwrap();
    assert_eq!(after.watch_of(&id), off);
});

#[tokio::test]
async fn a_report_that_is_old_or_missing_is_compared_with_nothing() {
    let mut scene = Scene::new(crate::harness::db::fresh(crate::harness::db::Kind::Sqlite).await, USDM).await;
    scene.empty();
    scene.lend(KeyPurpose::Monitor).await;
    scene.look().await;
    assert_eq!(scene.standing().await.last.unwrap().words, "its agent has reported nothing yet");
    scene.report(&quiet()).await;
    scene.later_ms(60_000);
    scene.look().await;
    assert!(scene.standing().await.last.unwrap().words.contains("its agent's last report is 60 s old"));
    assert!(scene.venue.asked().is_empty(), "no venue is asked for nothing");
}

#[tokio::test]
async fn a_copy_reads_no_venue() {
    let scene = Scene::new(crate::harness::db::fresh(crate::harness::db::Kind::Sqlite).await, USDM).await;
    scene.empty();
    let copy = scene.copy().await;
    let mut reconciler = None;
    for _ in 0..3 {
        andon::workers::reconcile::round(&copy, &mut reconciler).await;
        copy.verify_stops().await;
    }
    assert!(scene.venue.asked().is_empty());
}
