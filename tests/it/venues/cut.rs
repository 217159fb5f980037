//! Rung 3 with a key of the main account: what a bot trades with is demoted and read back before its orders are cancelled; and deleting it at the
//! venue, which somebody signs.

use super::{
    at_venue::{BYBIT, OKX, Scene},
    but,
    fake::{Answer, Seen},
    sample,
};
use crate::{
    faults::until,
    harness::{
        browser::Browser,
        db::{Fresh, Kind, fresh, on_both},
        exchange_keys::{newest, view},
        tables::Tables,
    },
};
use andon::{
    app::{AppError, guard, keys::DEMOTED},
    domain::{AlertKind, Hold, KeyId, KeyPurpose, Level, Scope, Subject, key::KeyState, ladder::Step},
    storage::{self, Lane},
};
use data_encoding::HEXLOWER;
use serde_json::json;

/// Where Bybit lists and changes the keys of a subaccount, and how it is called there.
const SUB: &str = "GET /v5/user/sub-apikeys";
const UPDATE: &str = "POST /v5/user/update-sub-api";
const DELETE: &str = "POST /v5/user/delete-sub-api";
const ACCOUNT: &str = "100400345";
/// The key that it lists there.
const NAME: &str = "XXXXXX";
const CANCEL: &str = "POST /v5/order/cancel-all";
const DONE: &str = r#"{"retCode":0,"result":{}}"#;
const NO_KEYS: &str = r#"{"retCode":0,"result":{"result":[],"nextPageCursor":""}}"#;

fn reads_only() -> String {
    but(sample::BYBIT_SUB, "\"readOnly\": false", "\"readOnly\": true")
}

/// A bot at Bybit that does not answer, at which nothing rests.
async fn silent(fresh: Fresh, level: Level) -> (Scene, Hold) {
    let scene = Scene::new(fresh, BYBIT).await;
    let none = r#"{"retCode":0,"retMsg":"OK","result":{"list":[],"nextPageCursor":""}}"#;
    scene.venue.on("GET /v5/order/realtime", none).on("GET /v5/position/list", none);
    scene.venue.on(CANCEL, r#"{"retCode":0,"result":{"list":[],"success":"1"}}"#);
    let hold = scene.test.press("risk", Scope::Bot(scene.bot.id.clone()), level).await.hold;
    (scene, hold)
}

/// Climbs rung 3 and collects what is asked until something is.
async fn asked_until(scene: &Scene, hold: &Hold, what: &str) -> Vec<Seen> {
    let mut all = Vec::new();
    scene.rung(Step::Cut).climb(&scene.facts(), hold.epoch);
    until(what, async || {
        all.extend(scene.venue.seen());
        all.iter().any(|seen: &Seen| seen.what == what)
    })
    .await;
    all
}

fn whats(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|seen| seen.what.as_str()).collect()
}

/// Waits until the log says this of the guard.
async fn says(scene: &Scene, words: &str) {
    let (tables, body) = (Tables::of(&scene.test.fresh).await, HEXLOWER.encode(words.as_bytes()));
    // An entry is kept as bytes, which either database shows in hex.
    let is_said = |row: &String| row.contains("guard.acted") && row.to_lowercase().contains(&body);
    until(words, async || tables.rows("audit_record").await.iter().any(is_said)).await;
}

fn alert(scene: &Scene) -> Option<String> {
    scene.test.app.alerts.find(AlertKind::KeyToRevoke, &Subject::bot(&scene.bot.id)).map(|alert| alert.words)
}

/// Waits until a key's history says that it was demoted.
async fn is_noted(scene: &Scene, key: &KeyId) {
    until("the history", async || view(&scene.test, key).await.events.iter().any(|event| event.what == DEMOTED)).await;
}

on_both!(a_kill_demotes_the_bots_key_and_reads_it_back_before_anything_is_cancelled, |fresh: Fresh| async move {
    let (scene, hold) = silent(fresh, Level::Kill).await;
    scene.lend(KeyPurpose::Guard).await;
    scene.lend_admin(ACCOUNT).await;
    let key = scene.trades(NAME).await;
    scene.venue.on(SUB, sample::BYBIT_SUB).on(SUB, reads_only()).on(UPDATE, DONE);
    scene.later_ms(10_240);
    let seen = asked_until(&scene, &hold, CANCEL).await;
    assert_eq!(whats(&seen)[..3], [SUB, UPDATE, SUB], "listed, demoted, read back");
    assert_eq!(seen[0].value("subMemberId").as_deref(), Some(ACCOUNT));
    assert_eq!(seen[1].json(), json!({"apikey": NAME, "readOnly": 1}));
    says(&scene, "the bot's key is cut: version 1 was demoted and read back 10240 ms after the press").await;
    is_noted(&scene, &key).await;
    let words = alert(&scene).unwrap();
    assert!(words.contains("demoted its key to reading") && words.contains("Delete it at the venue"), "{words}");
    let mut browser = Browser::signed_in(&scene.test, "operator").await;
    browser.get(&format!("/keys/{key}")).await;
    assert!(browser.page.contains("This server demoted it to reading at the venue"), "{}", browser.page);
    scene.rested().await;
    // Nothing is cut twice, and nothing is deleted; what rests is read until it is nothing.
    let seen = asked_until(&scene, &hold, CANCEL).await;
    assert!(!whats(&seen).iter().any(|what| [SUB, UPDATE, DELETE].contains(what)), "{:?}", whats(&seen));
    until("two empty readings", async || scene.test.app.guard.empty_reads(&scene.bot.id, hold.epoch) == 2).await;
    scene.test.log_is_good().await;
});

on_both!(a_demotion_whose_answer_is_lost_counts_once_it_is_read_back, |fresh: Fresh| async move {
    const SUB: &str = "GET /api/v5/users/subaccount/apikey";
    const MODIFY: &str = "POST /api/v5/users/subaccount/modify-apikey";
    const ORDERS: &str = "GET /api/v5/trade/orders-pending";
    let none = r#"{"code":"0","msg":"","data":[]}"#;
    let scene = Scene::new(fresh, OKX).await;
    scene.venue.on(ORDERS, none).on("GET /api/v5/trade/orders-algo-pending", none);
    scene.lend(KeyPurpose::Guard).await;
    scene.lend_admin("grid-1").await;
    let key = scene.trades("..").await;
    let hold = scene.test.press("risk", Scope::Bot(scene.bot.id.clone()), Level::Pause).await.hold;
    scene.venue.on(SUB, sample::OKX_SUB).on(SUB, but(sample::OKX_SUB, "read_only,trade", "read_only"));
    scene.venue.on(MODIFY, Answer::of(502, "bad gateway"));
    let seen = asked_until(&scene, &hold, ORDERS).await;
    assert_eq!(whats(&seen)[..3], [SUB, MODIFY, SUB]);
    assert_eq!(seen[1].json(), json!({"subAcct": "grid-1", "apiKey": "..", "perm": "read_only"}));
    says(&scene, "the bot's key is cut").await;
    is_noted(&scene, &key).await;
    let words = alert(&scene).unwrap();
    assert!(words.contains("raised again at the venue by hand"), "a pause ends no key: {words}");
    assert_eq!(newest(&scene.test, &key).await.state, KeyState::Active, "nothing is taken away here");
});

#[tokio::test]
async fn what_cannot_be_demoted_yet_is_said_and_tried_again_while_cancelling_goes_on() {
    let (scene, hold) = silent(fresh(Kind::Sqlite).await, Level::Kill).await;
    scene.lend(KeyPurpose::Guard).await;
    scene.lend_admin(ACCOUNT).await;
    let key = scene.trades(NAME).await;
    scene.venue.on(SUB, Answer::of(503, "")).on(UPDATE, Answer::of(502, ""));
    asked_until(&scene, &hold, CANCEL).await;
    says(&scene, "the bot's key is not cut yet: the main account did not list the keys of 100400345").await;
    let words = alert(&scene).unwrap();
    assert!(words.contains("not known to be demoted yet") && words.contains("tried again every 5 s"), "{words}");
    scene.venue.only(SUB, sample::BYBIT_SUB);
    asked_until(&scene, &hold, UPDATE).await;
    says(&scene, "read back, it may still trade").await;
    scene.venue.only(UPDATE, DONE);
    scene.rested().await;
    asked_until(&scene, &hold, UPDATE).await;
    says(&scene, "the venue took that it is demoted; read back, it may still trade").await;
    assert_eq!(scene.test.app.guard.empty_reads(&scene.bot.id, hold.epoch), 0, "rung 2 goes on");
    scene.rested().await;
    scene.venue.only(SUB, reads_only());
    asked_until(&scene, &hold, UPDATE).await;
    says(&scene, "the bot's key is cut").await;
    is_noted(&scene, &key).await;
}

#[tokio::test]
async fn a_key_that_is_not_listed_or_not_known_is_never_taken_for_cut() {
    let (scene, hold) = silent(fresh(Kind::Sqlite).await, Level::Kill).await;
    scene.lend(KeyPurpose::Guard).await;
    scene.lend_admin(ACCOUNT).await;
    asked_until(&scene, &hold, CANCEL).await;
    says(&scene, "no key to trade of the bot was handed in here").await;
    scene.trades("another").await;
    scene.venue.on(SUB, sample::BYBIT_SUB);
    scene.rested().await;
    let seen = asked_until(&scene, &hold, SUB).await;
    says(&scene, "version 1 (in use) is none of the 1 that the main account lists").await;
    assert!(!whats(&seen).contains(&UPDATE), "another's key is left alone");
    assert_eq!(scene.test.app.guard.empty_reads(&scene.bot.id, hold.epoch), 0);
}

#[tokio::test]
async fn without_a_guard_key_the_key_is_demoted_and_the_orders_are_left_to_people() {
    let (scene, hold) = silent(fresh(Kind::Sqlite).await, Level::Kill).await;
    scene.lend_admin(ACCOUNT).await;
    scene.trades(NAME).await;
    scene.venue.on(SUB, sample::BYBIT_SUB).on(SUB, reads_only()).on(UPDATE, DONE);
    assert!(!scene.rung(Step::Cut).climb(&scene.facts(), hold.epoch), "people are told to cancel");
    says(&scene, "the bot's key is cut").await;
    assert_eq!(scene.venue.asked(), [SUB, UPDATE, SUB]);
}

#[tokio::test]
async fn a_copy_demotes_and_deletes_nothing() {
    let (scene, hold) = silent(fresh(Kind::Sqlite).await, Level::Kill).await;
    scene.lend_admin(ACCOUNT).await;
    let key = scene.trades(NAME).await;
    let copy = scene.copy().await;
    let facts = copy.fleet.view().bot(&scene.bot.id).unwrap().clone();
    for rung in guard::rungs(&copy) {
        assert!(!rung.climb(&facts, hold.epoch));
    }
    scene.test.app.end_key(&scene.test.actor("lead"), &key, "over").await.unwrap();
    let refused = copy.prepare_key_delete(&scene.test.actor("lead"), (&key, 1), "over").await;
    assert!(matches!(refused, Err(AppError::Conflict(_))), "{refused:?}");
    assert!(scene.venue.asked().is_empty());
}

on_both!(what_was_taken_away_is_deleted_at_the_venue_by_who_signs_it, |fresh: Fresh| async move {
    let (scene, _) = silent(fresh, Level::Pause).await;
    let test = &scene.test;
    let key = scene.trades(NAME).await;
    let prepare = async |who: &str| test.app.prepare_key_delete(&test.actor(who), (&key, 1), "the bot is over").await;
    assert!(matches!(prepare("lead").await, Err(AppError::Conflict(_))), "it is in use");
    test.app.end_key(&test.actor("operator"), &key, "over").await.unwrap();
    let refused = prepare("lead").await.unwrap_err().to_string();
    assert!(refused.contains("holds no key of the main account"), "{refused}");
    scene.lend_admin(ACCOUNT).await;
    for who in ["operator", "grid lead", "auditor", "admin"] {
        assert!(matches!(prepare(who).await, Err(AppError::Denied(_))), "{who}");
    }
    scene.venue.on(SUB, sample::BYBIT_SUB).on(DELETE, DONE);
    let history = async |what: &str| view(test, &key).await.events.iter().any(|event| event.what == what);
    test.sign("lead", &prepare("lead").await.unwrap()).await.unwrap();
    until("no success", async || history("Not deleted at the venue").await).await;
    assert_eq!(newest(test, &key).await.delete_at, None, "it takes another signature");
    assert_eq!(newest(test, &key).await.state, KeyState::Revoked, "the main account lists it still");
    scene.venue.only(SUB, sample::BYBIT_SUB);
    scene.venue.on(SUB, NO_KEYS);
    scene.venue.only(DELETE, Answer::of(504, ""));
    scene.venue.seen();
    test.sign("risk", &prepare("risk").await.unwrap()).await.unwrap();
    until("the end", async || newest(test, &key).await.state == KeyState::Gone).await;
    let seen = scene.venue.seen();
    assert_eq!(whats(&seen), [SUB, DELETE, SUB], "told, and not there any more, whatever it answered");
    assert_eq!(seen[1].json(), json!({"apikey": NAME}));
    assert!(matches!(prepare("lead").await, Err(AppError::Conflict(_))), "once");
    test.log_is_good().await;
});

on_both!(what_was_signed_is_deleted_also_by_the_server_that_starts_after_it, |fresh: Fresh| async move {
    let (scene, _) = silent(fresh, Level::Pause).await;
    let test = &scene.test;
    let key = scene.trades(NAME).await;
    test.app.end_key(&test.actor("operator"), &key, "over").await.unwrap();
    scene.lend_admin(ACCOUNT).await;
    // Signed, and then the process ended before it told the venue.
    let signed_at = test.hand.clock().now();
    test.execute(&format!("UPDATE key_version SET delete_at = {} WHERE key_id = '{key}'", signed_at.0)).await;
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    storage::exchange_keys::key_changed(&mut tx, [&key]).await.unwrap();
    tx.commit().await.unwrap();
    test.app.refresh_keys().await.unwrap();
    scene.venue.on(SUB, sample::BYBIT_SUB).on(SUB, NO_KEYS).on(DELETE, DONE);
    let deletions = |seen: Vec<Seen>| seen.iter().filter(|seen| seen.what == DELETE).count();
    test.app.tend_keys(&mut Default::default()).await.unwrap();
    assert_eq!(deletions(scene.venue.seen()), 0, "whoever took the signature is at it");
    test.hand.forward_ms(60_000);
    test.app.tend_keys(&mut Default::default()).await.unwrap();
    until("the end", async || newest(test, &key).await.state == KeyState::Gone).await;
    assert_eq!(newest(test, &key).await.delete_at, None);
    test.app.tend_keys(&mut Default::default()).await.unwrap();
    assert_eq!(deletions(scene.venue.seen()), 1, "once");
    test.log_is_good().await;
});
