//! A frozen log: nothing starts or loosens, every stop works and is recorded later; a rollback pauses the fleet (rulings C4, C5, H13).

use super::copy::{Raw, copy, copy_dir, opened};
use crate::harness::{
    agent,
    app::{TestApp, assemble},
    browser::{Browser, PASSWORD},
    db::{Fresh, Kind, fresh, on_both},
};
use andon::{
    app::{
        App, AppError,
        holds::{Kept, Press},
        log::{FrozenKind, LogSettings, files, join},
    },
    audit::Note,
    authn::Keys,
    domain::{HoldId, Level, PlacerKind, Scope, Secret, StopKind, Timestamp},
    protocol::CarriedHold,
    storage::{self, Lane},
};
use axum::http::StatusCode;
use std::sync::Arc;

/// The same state folder beside another database.
async fn beside(test: &TestApp, place: &crate::harness::db::Place) -> Arc<App> {
    let app = assemble(opened(place).await, &test.hand, &test.fresh.dir.path().join("spool")).await;
    app.open_log(test.log_settings()).await.unwrap();
    app
}

fn frozen(app: &App) -> Option<FrozenKind> {
    app.log.gate().frozen().map(|frozen| frozen.kind)
}

/// The entries that wait.
async fn late(app: &App) -> Vec<storage::checkpoints::Late> {
    let start = (Timestamp(i64::MIN), "");
    let all = storage::checkpoints::late_after(&mut app.db.read().await.unwrap(), start).await.unwrap();
    all.into_iter().flatten().collect()
}

/// Nothing is loosened, and it is said why; a press works.
async fn stops_only(test: &TestApp, app: &Arc<App>) -> HoldId {
    let refused = app.create_team(&test.actor("admin"), "late team").await.unwrap_err();
    assert!(matches!(&refused, AppError::Frozen(why) if !why.is_empty()), "{refused:?}");
    let press =
        Press { scope: Scope::Fleet, level: Level::Pause, why: "fire".into(), idempotency_key: String::new(), terms: Default::default() };
    let placed = app.place(test.actor("operator"), press).await.unwrap();
    assert_eq!((placed.kept, placed.hold.entry), (Kept::Recorded, None), "the row is committed, the entry waits");
    let released = app.prepare_release(&test.actor("risk"), &placed.hold.id, "no").await;
    assert!(matches!(released, Err(AppError::Frozen(_))), "{released:?}");
    let health = app.health().await;
    assert!(health.can_stop && health.degraded.contains(&"audit_log") && health.log_frozen.is_some());
    placed.hold.id
}

on_both!(a_database_behind_the_tide_mark_pauses_the_fleet_and_freezes_the_log, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = agent::ready(&test, &bot, "operator").await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    let old = copy(&test.fresh, "old").await;
    test.bot("arb-2", "arb").await;
    test.app.publish(true).await.unwrap();
    assert_eq!(frozen(&test.app), None);

    let app = beside(&test, &old).await;
    assert_eq!(frozen(&app), Some(FrozenKind::Rollback));
    let view = app.fleet.view();
    let paused: Vec<_> = view.open_holds().filter(|hold| hold.placed_by.kind == PlacerKind::Trigger).collect();
    assert_eq!(paused.len(), 1);
    assert_eq!((&paused[0].scope, paused[0].level, paused[0].placed_by.id.as_str()), (&Scope::Fleet, Level::Pause, "rollback"));
    stops_only(&test, &app).await;
    // A boot is a stop: it is recorded, and its entry waits.
    agent.reboot();
    assert!(agent.check_in(&app).await.is_ok());
    let late = late(&app).await;
    assert!(late.iter().any(|late| serde_json::to_string(&late.event).unwrap().contains("agent.boot")));
    assert_eq!(app.fleet.view().bot(&bot.id).unwrap().stop.as_ref().unwrap().kind, StopKind::Boot);
    // Rounds, restarts and the whole log read again make no second pause and sign nothing.
    app.publish(true).await.unwrap();
    app.rehash().await.unwrap();
    app.feed_sink().await.unwrap();
    let again = beside(&test, &old).await;
    assert_eq!(frozen(&again), Some(FrozenKind::Rollback));
    assert_eq!(again.fleet.view().open_holds().filter(|hold| hold.placed_by.kind == PlacerKind::Trigger).count(), 1);
    // The right database again: nothing is frozen there.
    let right = beside(&test, &test.fresh.place).await;
    assert_eq!(frozen(&right), None);
    test.log_is_good().await;
});

on_both!(a_log_that_cannot_be_compared_yet_keeps_no_server_from_stopping, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    let mut raw = Raw::open(&test.fresh.place).await;
    raw.run("ALTER TABLE audit_checkpoint RENAME TO away", &[]).await;
    let app = test.restarted().await;
    assert!(app.open_log(test.log_settings()).await.is_err());
    assert_eq!(frozen(&app), Some(FrozenKind::NotCompared));
    let hold = stops_only(&test, &app).await;
    assert!(app.publish(true).await.is_err());
    assert_eq!((frozen(&app), app.append_missing_entries().await.unwrap()), (Some(FrozenKind::NotCompared), 0));
    // The next round that can read opens it, and what waited follows.
    raw.run("ALTER TABLE away RENAME TO audit_checkpoint", &[]).await;
    app.publish(true).await.unwrap();
    assert_eq!((frozen(&app), app.append_missing_entries().await.unwrap()), (None, 1));
    assert!(storage::holds::hold_by_id(&mut app.db.read().await.unwrap(), &hold).await.unwrap().unwrap().entry.is_some());
    test.log_is_good().await;

    // And one that finds what is wrong freezes it for that.
    let app = test.restarted().await;
    raw.run("ALTER TABLE audit_checkpoint RENAME TO away", &[]).await;
    assert!(app.open_log(test.log_settings()).await.is_err());
    raw.run("ALTER TABLE away RENAME TO audit_checkpoint", &[]).await;
    raw.run("UPDATE audit_leaf SET leaf_hash = {0} WHERE seq = 1", &[&[7; 32]]).await;
    app.publish(true).await.unwrap();
    assert_eq!(frozen(&app), Some(FrozenKind::Mismatch));
});

on_both!(a_log_that_fails_keeps_no_stop_back, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = agent::ready(&test, &bot, "operator").await;
    let mut raw = Raw::open(&test.fresh.place).await;
    raw.run("ALTER TABLE audit_about RENAME TO away", &[]).await;
    // A boot, and a hold that no database knows: both are recorded, their entries wait.
    agent.reboot();
    let by = "risk".to_owned();
    let carried = CarriedHold { id: HoldId::new(), level: Level::Pause, by, why: "fire".into(), at: None };
    let origin = carried.id.clone();
    agent.carried.push(carried);
    agent.check_in(&test.app).await.unwrap();
    agent.check_in(&test.app).await.unwrap();
    let imported = async || {
        let mut tx = test.app.db.read().await.unwrap();
        storage::holds::hold_by_origin(&mut tx, &origin).await.unwrap().pop().unwrap()
    };
    assert_eq!(imported().await.entry, None);
    assert_eq!(test.app.fleet.view().bot(&bot.id).unwrap().stop.as_ref().unwrap().kind, StopKind::Boot);
    assert!(test.app.append_late_entries().await.is_err() && test.app.append_missing_entries().await.is_err());
    raw.run("ALTER TABLE away RENAME TO audit_about", &[]).await;
    // One that a newer version left, and that comes first: it stays, and the others are appended.
    let bad = "INSERT INTO audit_late (id, actor_kind, actor_id, happened_at, node, event) VALUES ('a', 'server', '', 0, 'n', '{\"k\":1}')";
    raw.run(bad, &[]).await;
    assert!(test.app.append_late_entries().await.unwrap() >= 1);
    assert!(late(&test.app).await.is_empty());
    test.app.append_missing_entries().await.unwrap();
    assert!(imported().await.entry.is_some());
    test.log_is_good().await;
});

on_both!(what_was_changed_below_the_mark_or_above_it_freezes, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    test.bot("arb-1", "arb").await;
    let size = storage::audit::audit_head(&mut test.fresh.db.read().await.unwrap()).await.unwrap().size;
    let mark = files::read_mark(&test.log_settings().state_dir).unwrap().unwrap().checkpoint.size as i64;
    assert!(mark < size);
    // Found by the comparison at the start, by the first round after it, and when everything is read again.
    let changes = [
        ("leaf", format!("UPDATE audit_leaf SET leaf_hash = {{0}} WHERE seq = {}", mark - 1), 0),
        ("body", format!("UPDATE audit_record SET body = {{1}} WHERE seq = {mark}"), 1),
        ("gone", format!("DELETE FROM audit_record WHERE seq = {mark}"), 1),
        ("head", "UPDATE audit_log SET frontier = {0}".to_owned(), 1),
        ("deep", "UPDATE audit_record SET body = {1} WHERE seq = 1".to_owned(), 2),
        ("note", "UPDATE audit_checkpoint SET size = size - 1".to_owned(), 2),
    ];
    for (name, sql, found_by) in changes {
        let place = copy(&test.fresh, name).await;
        let wrong = vec![7; 32 * size.count_ones() as usize];
        Raw::open(&place).await.run(&sql, &[if name == "head" { &wrong } else { &[7; 32] }, b"{}"]).await;
        let state = test.fresh.dir.path().join(format!("state-{name}"));
        copy_dir(&test.log_settings().state_dir, &state);
        let app = assemble(opened(&place).await, &test.hand, &test.fresh.dir.path().join("spool")).await;
        app.open_log(andon::app::log::LogSettings { state_dir: state, sink: None, ..test.log_settings() }).await.unwrap();
        if found_by > 0 {
            assert_eq!(frozen(&app), None, "{name}");
            app.publish(false).await.unwrap();
        }
        if found_by > 1 {
            assert_eq!(frozen(&app), None, "{name}");
            app.rehash().await.unwrap();
        }
        assert_eq!(frozen(&app), Some(FrozenKind::Mismatch), "{name}");
        assert_eq!(app.fleet.view().open_holds().count(), 0, "running bots go on");
        app.publish(true).await.unwrap();
        let latest = storage::checkpoints::checkpoint_latest(&mut app.db.read().await.unwrap()).await.unwrap().unwrap();
        assert_eq!(latest.size, if name == "note" { mark - 1 } else { mark }, "nothing is signed");
        // Every replica freezes: the database says so.
        assert!(!storage::audit::audit_head(&mut app.db.read().await.unwrap()).await.unwrap().is_open);
        stops_only(&test, &app).await;
    }
});

on_both!(a_lost_mark_or_another_key_freezes_this_replica_until_it_joins, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    let settings = test.log_settings();
    std::fs::remove_file(files::mark_path(&settings.state_dir)).unwrap();
    let app = test.restarted().await;
    app.open_log(settings.clone()).await.unwrap();
    assert_eq!(frozen(&app), Some(FrozenKind::MarkLost));
    let hold = stops_only(&test, &app).await;
    app.append_missing_entries().await.unwrap();
    assert!(storage::audit::audit_head(&mut app.db.read().await.unwrap()).await.unwrap().is_open, "the others go on");
    // Joining verifies everything, and is an entry.
    let (webauthn, clock) = (Keys::new(&app.origin, "andon").unwrap(), test.hand.clock());
    let joining = join::Joining {
        db: &app.db,
        state_dir: &settings.state_dir,
        webauthn: &webauthn,
        clock: &clock,
        user: "uid 0",
        node: "test",
        keys: &[],
        listens_ms: 500,
    };
    let joined = join::join(&joining).await.unwrap();
    assert_eq!(joined.vkey, test.app.log.status().vkey, "the key was there still");
    assert!(join::join(&joining).await.is_err(), "once");
    let app = test.restarted().await;
    app.open_log(settings.clone()).await.unwrap();
    assert_eq!(frozen(&app), None);
    app.publish(true).await.unwrap();
    // What waited is in the log now, as the same hold.
    app.append_missing_entries().await.unwrap();
    app.append_late_entries().await.unwrap();
    let hold = storage::holds::hold_by_id(&mut app.db.read().await.unwrap(), &hold).await.unwrap().unwrap();
    assert!(hold.entry.is_some());
    test.log_is_good().await;

    std::fs::remove_file(files::key_path(&settings.state_dir)).unwrap();
    let app = test.restarted().await;
    app.open_log(settings.clone()).await.unwrap();
    assert_eq!(frozen(&app), Some(FrozenKind::KeyChanged));
    assert!(!files::key_path(&settings.state_dir).exists(), "no new key is made by itself");
    assert_eq!(app.fleet.view().open_holds().filter(|hold| hold.placed_by.kind == PlacerKind::Trigger).count(), 0);
    // A disk that takes no mark: there is no entry of a joining either.
    let size = async || storage::audit::audit_head(&mut test.fresh.db.read().await.unwrap()).await.unwrap().size;
    let before = size().await;
    let next = files::mark_path(&settings.state_dir).with_extension("next");
    std::fs::create_dir(&next).unwrap();
    assert!(join::join(&joining).await.is_err());
    assert_eq!(size().await, before);
    std::fs::remove_dir(&next).unwrap();
    // The mark of a log that had more stays what it is: this database was rolled back.
    let mark = std::fs::read_to_string(files::mark_path(&settings.state_dir)).unwrap();
    let ahead = mark.replacen(&format!("\n{}\n", Note::parse(&mark).unwrap().checkpoint.size), "\n9000\n", 1);
    std::fs::write(files::mark_path(&settings.state_dir), &ahead).unwrap();
    let refused = join::join(&joining).await.unwrap_err().to_string();
    assert!(refused.contains("9000 entries that are not those"), "{refused}");
    assert_eq!(std::fs::read_to_string(files::mark_path(&settings.state_dir)).unwrap(), ahead);
    std::fs::write(files::mark_path(&settings.state_dir), &mark).unwrap();
    let again = join::join(&joining).await.unwrap();
    assert_ne!(again.vkey, joined.vkey, "a key of its own");
    let app = test.restarted().await;
    app.open_log(settings.clone()).await.unwrap();
    app.publish(true).await.unwrap();
    assert_eq!(frozen(&app), None);
    test.log_is_good().await;
});

on_both!(a_second_replica_joins_before_the_first_checkpoint, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let state_dir = test.fresh.dir.path().join("state-2");
    std::fs::create_dir_all(&state_dir).unwrap();
    let (webauthn, clock) = (Keys::new(&test.app.origin, "andon").unwrap(), test.hand.clock());
    let base = join::Joining {
        db: &test.fresh.db,
        state_dir: &state_dir,
        webauthn: &webauthn,
        clock: &clock,
        user: "u",
        node: "n",
        keys: &[],
        listens_ms: 500,
    };
    let refused = join::join(&base).await.unwrap_err().to_string();
    assert!(refused.contains("nobody needs to join"), "{refused}");
    test.open_log().await;
    join::join(&base).await.unwrap();
    let second = test.restarted().await;
    second.open_log(LogSettings { state_dir: state_dir.clone(), sink: None, is_one_volume: false }).await.unwrap();
    assert_eq!((frozen(&second), frozen(&test.app)), (None, None));
    second.publish(true).await.unwrap();
    test.app.publish(true).await.unwrap();
    assert_eq!((frozen(&second), frozen(&test.app)), (None, None));
    test.log_is_good().await;
});

on_both!(a_second_replica_joins_with_a_key_of_its_own, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    let state_dir = test.fresh.dir.path().join("state-2");
    std::fs::create_dir_all(&state_dir).unwrap();
    let settings = andon::app::log::LogSettings { state_dir: state_dir.clone(), sink: None, is_one_volume: false };
    let second = test.restarted().await;
    second.open_log(settings.clone()).await.unwrap();
    assert_eq!((frozen(&second), frozen(&test.app)), (Some(FrozenKind::MarkLost), None));
    let (webauthn, clock) = (Keys::new(&second.origin, "andon").unwrap(), test.hand.clock());
    let base = join::Joining {
        db: &second.db,
        state_dir: &state_dir,
        webauthn: &webauthn,
        clock: &clock,
        user: "u",
        node: "n",
        keys: &[],
        listens_ms: 500,
    };
    let stranger = [andon::audit::VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap()];
    let refused = join::join(&join::Joining { keys: &stranger, ..base }).await;
    assert!(matches!(refused, Err(AppError::Conflict(_))) && !files::mark_path(&state_dir).exists(), "{refused:?}");
    let base = join::Joining {
        db: &second.db,
        state_dir: &state_dir,
        webauthn: &webauthn,
        clock: &clock,
        user: "u",
        node: "n",
        keys: &[],
        listens_ms: 500,
    };
    join::join(&base).await.unwrap();
    let second = test.restarted().await;
    second.open_log(settings).await.unwrap();
    assert_eq!(frozen(&second), None);
    second.publish(true).await.unwrap();
    test.app.publish(false).await.unwrap();
    assert_ne!(second.log.status().vkey, test.app.log.status().vkey);
    assert_eq!(second.log.status().mark, test.app.log.status().mark, "both watch the same log");
    assert_eq!((frozen(&second), frozen(&test.app)), (None, None));
    test.log_is_good().await;
});

#[tokio::test]
async fn a_frozen_log_is_said_on_every_page_and_signing_in_stops_only() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    let mut auditor = Browser::signed_in(&test, "auditor").await;
    let state = test.log_settings().state_dir;
    Raw::open(&test.fresh.place).await.run("UPDATE audit_leaf SET leaf_hash = {0} WHERE seq = 2", &[&[9; 32]]).await;
    test.app.publish(true).await.unwrap();
    assert_eq!(frozen(&test.app), Some(FrozenKind::Mismatch));
    for path in ["/fleet", "/audit", "/pause", "/card"] {
        auditor.get(path).await;
        assert!(auditor.page.contains("The audit log is frozen"), "{path}: {}", auditor.page);
    }
    auditor.get("/system").await;
    assert!(auditor.page.contains("The audit log is frozen since") && auditor.page.contains("audit verify"), "{}", auditor.page);
    let mut admin = Browser::on(&test.app);
    admin.get("/sign-in").await;
    assert!(admin.page.contains("The audit log is frozen"));
    admin.sign_in("admin", &test.people["admin"].key).await;
    admin.get("/people").await;
    assert!(admin.leads_to().starts_with("/sign-in/key") || admin.status == StatusCode::UNAUTHORIZED, "{} {}", admin.status, admin.page);
    admin.get("/pause").await;
    assert_eq!(admin.status, StatusCode::OK);
    let late = late(&test.app).await;
    assert!(late.iter().any(|late| serde_json::to_string(&late.event).unwrap().contains("sign_in.ok")));
    let wrong = test.app.sign_in_password("admin", Secret::new("wrong".into()), &andon::app::sign_in::Whence::default()).await;
    assert!(wrong.is_err());
    assert!(files::read_mark(&state).unwrap().is_some());
}

on_both!(a_copy_that_joins_becomes_no_site_and_a_replica_beside_a_server_does, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.open_site(&test.log_settings().state_dir).await.unwrap();
    test.app.publish(true).await.unwrap();
    let state_dir = test.fresh.dir.path().join("state-2");
    std::fs::create_dir_all(&state_dir).unwrap();
    let (webauthn, clock) = (Keys::new(&test.app.origin, "andon").unwrap(), test.hand.clock());
    let base = join::Joining {
        db: &test.fresh.db,
        state_dir: &state_dir,
        webauthn: &webauthn,
        clock: &clock,
        user: "u",
        node: "n",
        keys: &[],
        listens_ms: 500,
    };
    test.hand.forward_ms(1_000);
    let alone = join::join(&base).await;
    if test.app.db.is_embedded() {
        assert!(alone.unwrap_err().to_string().contains("andon recover --take-over"), "an embedded database has one server");
        return;
    }
    assert!(!alone.unwrap().is_site, "nobody of the installation counted on: it may be a copy");
    let settings = LogSettings { state_dir: state_dir.clone(), sink: None, is_one_volume: false };
    let second = test.restarted().await;
    second.open_log(settings.clone()).await.unwrap();
    second.open_site(&state_dir).await.unwrap();
    assert_eq!((frozen(&second), second.site.is_foreign()), (None, true), "it keeps the log, and renews nothing");
    // Beside a server of the installation, which counts on, it joins once more and is a site.
    let app = test.app.clone();
    let counts = tokio::spawn(async move {
        loop {
            app.look_at_site().await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    let joined = join::join(&base).await;
    counts.abort();
    assert!(joined.unwrap().is_site);
    second.open_site(&state_dir).await.unwrap();
    assert!(!second.site.is_foreign());
    assert!(join::join(&base).await.is_err(), "once");
    test.log_is_good().await;
});

on_both!(nothing_of_a_closed_incarnation_is_stored_under_the_new_one, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    let note = test.app.log.status().checkpoint.unwrap();
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    let head = storage::audit::audit_lock(&mut tx).await.unwrap();
    let next = andon::audit::number::next_origin(&head.origin);
    storage::audit::audit_begin_next(&mut tx, &head, &next).await.unwrap();
    tx.commit().await.unwrap();
    // Whoever looked before that and signs after it.
    let late = storage::checkpoints::StoredCheckpoint { size: note.size + 9_000, ..note };
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    assert!(!storage::checkpoints::checkpoint_add(&mut tx, &head.origin, &late).await.unwrap());
    assert!(!storage::checkpoints::log_key_add(&mut tx, &head.origin, "another", ("n", late.at)).await.unwrap());
    tx.commit().await.unwrap();
    assert!(storage::checkpoints::checkpoint_latest(&mut test.fresh.db.read().await.unwrap()).await.unwrap().is_none());
});

#[tokio::test]
async fn whoever_signs_in_under_a_frozen_log_reads_why_and_what_to_do_where_they_are() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    Raw::open(&test.fresh.place).await.run("UPDATE audit_record SET body = {0} WHERE seq = 1", &[b"{}"]).await;
    test.app.rehash().await.unwrap();
    assert_eq!(frozen(&test.app), Some(FrozenKind::Mismatch));
    // The sign-in cannot be an entry: the session only stops, and no page that it may open is behind a touch.
    let mut browser = Browser::new(&test);
    let person = &test.people["operator"];
    let name = test.app.people().user(&person.id).unwrap().name.clone();
    browser.get("/sign-in").await;
    browser.post("/sign-in", &[("name", &name), ("password", PASSWORD)]).await;
    browser.get("/sign-in/key").await;
    browser.touch_with(&person.key, "/sign-in/key").await;
    browser.get("/pause").await;
    let why = &test.app.log.gate().frozen().unwrap().why;
    for part in ["The audit log is frozen", why.as_str(), "andon recover --why TEXT"] {
        assert!(browser.page.contains(&as_shown(part)), "{part}: {}", browser.page);
    }
    assert!(!browser.page.contains("/system#log"), "no link that leads back to the key for ever");
}

/// As a page writes it.
fn as_shown(text: &str) -> String {
    text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;").replace('\'', "&#39;")
}
