//! The guard at work: rungs 2 and 3 of the ladder at a venue over real HTTP.

use super::{
    at_venue::{KRAKEN, Scene, USDM},
    fake::Answer,
    sample,
};
use crate::{
    faults::until,
    harness::{
        browser::Browser,
        db::{Fresh, Kind, fresh, on_both},
        tables::Tables,
    },
};
use andon::{
    app::guard,
    domain::{AlertKind, Hold, KeyPurpose, Level, Scope, Subject, ladder::Step},
    storage,
    workers::ladder,
};

const ORDERS: &str = "GET /fapi/v1/openOrders";
const ALGOS: &str = "GET /fapi/v1/openAlgoOrders";
const CANCEL: &str = "DELETE /fapi/v1/order";

/// A scene in which a hold was pressed and the agent says nothing.
async fn silent(fresh: Fresh, at: super::at_venue::At, level: Level) -> (Scene, Hold) {
    let scene = Scene::new(fresh, at).await;
    let hold = scene.test.press("risk", Scope::Bot(scene.bot.id.clone()), level).await.hold;
    (scene, hold)
}

async fn sqlite() -> Fresh {
    fresh(Kind::Sqlite).await
}

fn cancelled(scene: &Scene) -> usize {
    scene.venue.asked().iter().filter(|what| *what == CANCEL).count()
}

/// How many entries of the log say what the guard did.
async fn said(scene: &Scene) -> usize {
    Tables::of(&scene.test.fresh).await.rows("audit_record").await.iter().filter(|row| row.contains("guard.acted")).count()
}

on_both!(entries_are_cancelled_and_read_back_and_the_receipt_says_so, |fresh: Fresh| async move {
    let (scene, hold) = silent(fresh, USDM, Level::Pause).await;
    scene.empty();
    scene.lend(KeyPurpose::Guard).await;
    let protective = r#"[{"orderId":9,"origQty":"0.1","executedQty":"0","price":"1","reduceOnly":true,"closePosition":false,"side":"SELL","positionSide":"BOTH","symbol":"ETHUSDT","type":"LIMIT"}]"#;
    scene.venue.only(ORDERS, sample::BINANCE_FUTURES_ORDERS);
    scene.venue.on(ORDERS, protective).on(CANCEL, "{}");
    scene.later_ms(1_500);
    scene.climb(Step::CancelEntries, hold.epoch).await;
    assert_eq!((cancelled(&scene), scene.test.app.guard.empty_reads(&scene.bot.id, hold.epoch)), (1, 1));
    assert_eq!(scene.test.app.verified_ms(&hold, &scene.bot.id), None, "one empty reading after a cancel is the first of two");
    scene.later_ms(5_000);
    scene.climb(Step::CancelEntries, hold.epoch).await;
    assert_eq!(scene.test.app.verified_ms(&hold, &scene.bot.id), Some(6_500));
    assert_eq!(cancelled(&scene), 0, "what protects stays");
    scene.climb(Step::CancelEntries, hold.epoch).await;
    assert!(scene.venue.asked().is_empty(), "two empty readings in a row end it");
    let stored = storage::reconciliations::verified_since(&mut scene.test.fresh.db.read().await.unwrap(), hold.epoch).await.unwrap();
    assert_eq!((stored.len(), stored[0].open_orders), (1, 1));
    let mut browser = Browser::signed_in(&scene.test, "operator").await;
    browser.get(&format!("/holds/{}", hold.id)).await;
    assert!(browser.page.contains("Verified at the venue after 6,500 ms"), "{}", browser.page);
    let after = scene.test.restarted().await;
    after.load_verified().await.unwrap();
    assert_eq!(after.verified_ms(&hold, &scene.bot.id), Some(6_500), "and a process that starts anew");
    assert_eq!(said(&scene).await, 3, "two passes, and that it was read back");
});

#[tokio::test]
async fn a_bot_that_places_again_is_cancelled_again() {
    let (scene, hold) = silent(sqlite().await, USDM, Level::Pause).await;
    scene.empty();
    scene.lend(KeyPurpose::Guard).await;
    scene.venue.on(CANCEL, "{}");
    for n in 0..4 {
        scene.venue.only(ORDERS, sample::BINANCE_FUTURES_ORDERS);
        scene.venue.on(ORDERS, "[]");
        scene.climb(Step::CancelEntries, hold.epoch).await;
        assert_eq!(cancelled(&scene), 1, "pass {n}");
        assert_eq!(scene.test.app.guard.empty_reads(&scene.bot.id, hold.epoch), 1, "it had placed one since");
    }
    scene.climb(Step::CancelEntries, hold.epoch).await;
    assert_eq!(scene.test.app.guard.empty_reads(&scene.bot.id, hold.epoch), 2);
}

#[tokio::test]
async fn what_is_not_known_is_not_empty_and_goes_on() {
    let (scene, hold) = silent(sqlite().await, USDM, Level::Pause).await;
    scene.empty();
    scene.lend(KeyPurpose::Guard).await;
    scene.venue.only(ORDERS, Answer::of(502, "bad gateway"));
    for _ in 0..3 {
        scene.climb(Step::CancelEntries, hold.epoch).await;
        assert!(!scene.venue.asked().is_empty(), "it is tried again");
        assert_eq!(scene.test.app.guard.empty_reads(&scene.bot.id, hold.epoch), 0);
    }
    // Cancelling went through and reading back did not.
    scene.venue.only(ORDERS, sample::BINANCE_FUTURES_ORDERS);
    scene.venue.on(ORDERS, Answer::of(503, "")).on(CANCEL, "{}");
    scene.climb(Step::CancelEntries, hold.epoch).await;
    assert_eq!((cancelled(&scene), scene.test.app.guard.empty_reads(&scene.bot.id, hold.epoch)), (1, 0));
    scene.venue.only(ORDERS, "[]");
    for _ in 0..2 {
        scene.climb(Step::CancelEntries, hold.epoch).await;
    }
    assert!(scene.test.app.verified_ms(&hold, &scene.bot.id).is_some());
}

#[tokio::test]
async fn a_kill_cancels_conditional_orders_too_and_closes_no_position() {
    let (scene, hold) = silent(sqlite().await, USDM, Level::Kill).await;
    scene.empty();
    scene.lend(KeyPurpose::Guard).await;
    scene.venue.only("GET /fapi/v3/positionRisk", sample::BINANCE_POSITIONS);
    scene.venue.only(ORDERS, "[]");
    scene.venue.only(ALGOS, sample::BINANCE_ALGO_ORDERS);
    scene.venue.on(ALGOS, "[]");
    scene
        .venue
        .on("DELETE /fapi/v1/allOpenOrders", sample::BINANCE_CANCELLED)
        .on("DELETE /fapi/v1/algoOpenOrders", sample::BINANCE_CANCELLED);
    scene.climb(Step::CancelEntries, hold.epoch).await;
    let asked = scene.venue.asked();
    assert!(asked.contains(&"DELETE /fapi/v1/algoOpenOrders".to_owned()), "{asked:?}");
    scene.climb(Step::CancelEntries, hold.epoch).await;
    assert!(scene.test.app.verified_ms(&hold, &scene.bot.id).is_some());
    let asked = scene.venue.asked();
    assert!(asked.iter().all(|what| !what.starts_with("POST")), "nothing is placed, nothing is closed: {asked:?}");
    let alert = scene.test.app.alerts.find(AlertKind::PositionsStay, &Subject::bot(&scene.bot.id)).unwrap();
    assert!(alert.words.contains("ADAUSDT -30"), "{alert:?}");
}

#[tokio::test]
async fn a_kill_arms_the_venues_own_switch_first_and_once() {
    let (scene, hold) = silent(sqlite().await, KRAKEN, Level::Kill).await;
    scene.lend(KeyPurpose::Guard).await;
    const ARM: &str = "POST /derivatives/api/v3/cancelallordersafter";
    const CANCEL_ALL: &str = "POST /derivatives/api/v3/cancelallorders";
    scene.venue.on(ARM, sample::FUTURES_ARMED).on(CANCEL_ALL, sample::FUTURES_CANCELLED);
    scene.venue.on("GET /derivatives/api/v3/openorders", r#"{"result":"success","openOrders":[],"serverTime":""}"#);
    scene.climb(Step::CancelEntries, hold.epoch).await;
    assert_eq!(scene.venue.asked()[..2], [ARM, CANCEL_ALL]);
    scene.climb(Step::CancelEntries, hold.epoch).await;
    assert!(!scene.venue.asked().contains(&ARM.to_owned()), "its timer goes by itself");
}

#[tokio::test]
async fn a_key_that_nobody_can_cut_is_a_task_until_somebody_saw_it_gone() {
    let (scene, hold) = silent(sqlite().await, USDM, Level::Kill).await;
    scene.empty();
    scene.lend(KeyPurpose::Guard).await;
    let subject = Subject::bot(&scene.bot.id);
    assert!(scene.rung(Step::Cut).climb(&scene.facts(), hold.epoch));
    let app = &scene.test.app;
    until("the task", async || app.alerts.is_open(AlertKind::KeyToRevoke, &subject)).await;
    until("a pass", async || !scene.venue.asked().is_empty()).await;
    let tended = async || app.tend_keys(&mut Default::default()).await.unwrap();
    tended().await;
    assert!(app.alerts.is_open(AlertKind::KeyToRevoke, &subject), "whoever handed no key in knows of none that is gone");
    let (key, by) = (scene.lend(KeyPurpose::Execution).await, scene.test.actor("lead"));
    app.end_key(&by, &key, "over").await.unwrap();
    tended().await;
    assert!(app.alerts.is_open(AlertKind::KeyToRevoke, &subject), "taken away here, it may still work there");
    app.note_gone(&by, &key, 1, "deleted it there").await.unwrap();
    tended().await;
    assert!(!app.alerts.is_open(AlertKind::KeyToRevoke, &subject));
    assert_eq!(app.guard.empty_reads(&scene.bot.id, hold.epoch), 0, "until the bot is idle, rung 2 goes on");
}

#[tokio::test]
async fn the_ladder_takes_the_rungs_of_a_bot_that_does_not_answer_and_no_other() {
    let (scene, _) = silent(sqlite().await, USDM, Level::Pause).await;
    scene.empty();
    let app = &scene.test.app;
    app.open_rungs(guard::rungs(app));
    scene.lend(KeyPurpose::Guard).await;
    let mut climbing = None;
    ladder::round(app, &mut climbing).await;
    assert!(scene.venue.asked().is_empty(), "it still has its time");
    scene.later_ms(5_001);
    ladder::round(app, &mut climbing).await;
    until("rung 2", async || !scene.venue.asked().is_empty()).await;
}

#[tokio::test]
async fn without_a_guard_key_a_person_ends_the_key_by_hand() {
    let (scene, hold) = silent(sqlite().await, USDM, Level::Kill).await;
    scene.lend(KeyPurpose::Monitor).await;
    for step in [Step::CancelEntries, Step::Cut] {
        assert!(!scene.rung(step).climb(&scene.facts(), hold.epoch), "a key that reads cancels nothing");
    }
    assert!(scene.venue.asked().is_empty());
}

#[tokio::test]
async fn a_copy_acts_on_no_venue() {
    let (scene, hold) = silent(sqlite().await, USDM, Level::Kill).await;
    scene.empty();
    let copy = scene.copy().await;
    let facts = copy.fleet.view().bot(&scene.bot.id).unwrap().clone();
    for rung in guard::rungs(&copy) {
        assert!(!rung.climb(&facts, hold.epoch));
    }
    assert!(scene.venue.asked().is_empty());
}

on_both!(a_stop_that_an_agent_confirms_is_read_back_once, |fresh: Fresh| async move {
    let mut scene = Scene::new(fresh, USDM).await;
    scene.empty();
    scene.lend(KeyPurpose::Monitor).await;
    scene.venue.only(ORDERS, sample::BINANCE_FUTURES_ORDERS);
    let hold = scene.test.press("operator", Scope::Bot(scene.bot.id.clone()), Level::Pause).await.hold;
    let app = scene.test.app.clone();
    app.verify_stops().await;
    assert!(scene.venue.asked().is_empty(), "its agent has not said that it is idle");
    scene.agent.settle(&app).await;
    app.verify_stops().await;
    assert_eq!(app.verified_ms(&hold, &scene.bot.id), None, "an entry rests, whatever the agent says");
    scene.venue.only(ORDERS, "[]");
    app.verify_stops().await;
    assert_eq!(app.verified_ms(&hold, &scene.bot.id), None, "not again at once");
    scene.later_ms(5_000);
    app.verify_stops().await;
    assert_eq!(app.verified_ms(&hold, &scene.bot.id), Some(5_000));
    scene.venue.asked();
    scene.later_ms(5_000);
    app.verify_stops().await;
    assert!(scene.venue.asked().is_empty(), "once is enough");
});
