//! Ends of sessions: with the act that takes away what they stood on, wherever they are remembered, whether the database answers or not; each
//! with its entry. What was ended never comes back.

use super::sessions::{COOKIE, is_out, replica, with_cookie};
use crate::harness::{
    app::TestApp,
    browser::Browser,
    db::{Fresh, Kind, Place, beside, fresh, on_both},
    tables::Tables,
};
use andon::{
    app::{
        acts::Outcome,
        sessions::{Ended, Which},
    },
    domain::{ActKind, CredentialId},
    storage::{self, Lane, WriteTx},
    web::session::{self, CameIn},
};
use axum::http::StatusCode;
use sqlx::{Connection, PgConnection};
use std::{sync::Arc, time::Duration};
use tower_sessions::Session;

/// A session that somebody was let into, and that is not written yet.
async fn unwritten(test: &TestApp, who: &str, key: Option<CredentialId>) -> Session {
    let session = Session::new(None, Arc::new(test.app.sessions.clone()), None);
    let rights = test.app.actor_of(&test.people[who].id, false).as_ref().map(session::rights_of).unwrap_or_default();
    let came = CameIn { recorded: true, key, rights, ..CameIn::default() };
    session::sign_in(&session, &test.people[who].id, &came, test.app.clock.now()).await.unwrap();
    session
}

/// Writes it, and opens a page with it here and in a process that starts anew.
async fn opens(test: &TestApp, session: &Session) -> [bool; 2] {
    session.save().await.unwrap();
    let cookie = session.id().unwrap().to_string();
    let restarted = test.restarted().await;
    let mut there = Browser::on(&restarted);
    there.cookies.insert(COOKIE.to_owned(), cookie.clone());
    [!is_out(&mut with_cookie(test, &cookie)).await, !is_out(&mut there).await]
}

async fn sign(test: &TestApp, who: &str, kind: ActKind) {
    let act = test.app.prepare_single(&test.actor(who), kind).await.unwrap();
    assert!(matches!(test.sign(who, &act).await.unwrap(), Outcome::Done(_)));
}

/// Entries of ended sessions that give this reason.
async fn entries(test: &TestApp, why: &str) -> usize {
    let (ended, why) = (data_encoding::HEXLOWER.encode(b"session.ended"), data_encoding::HEXLOWER.encode(why.as_bytes()));
    let rows = Tables::of(&test.fresh).await.rows("audit_record").await;
    rows.iter()
        .map(|row| row.to_lowercase())
        .filter(|row| row.contains(&why) && (row.contains("session.ended") || row.contains(&ended)))
        .count()
}

on_both!(a_session_written_after_its_persons_end_is_none, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (before, kept) = (unwritten(&test, "operator", None).await, unwritten(&test, "lead", None).await);
    test.hand.forward_ms(10);
    test.app.disable(&test.actor("admin"), &test.people["operator"].id).await.unwrap();
    sign(&test, "admin", ActKind::Enable { user: test.people["operator"].id.clone() }).await;
    assert_eq!(opens(&test, &before).await, [false, false], "an end counts for what was under way when it came");
    assert_eq!(opens(&test, &kept).await, [true, true], "somebody else's does not end");
    let after = unwritten(&test, "operator", None).await;
    assert_eq!(opens(&test, &after).await, [true, true], "whoever signs in anew is in");
});

on_both!(a_session_of_a_key_that_was_removed_or_suspended_is_none_wherever_it_comes_from, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (third, act) = test.make_key("operator", "third").await;
    test.sign("operator", &act).await.unwrap();
    let keys = test.keys("operator").await;
    let id = |name: &str| keys.iter().find(|key| key.nickname == name).unwrap().id.clone();
    let (by_third, by_first) =
        (unwritten(&test, "operator", Some(id("third"))).await, unwritten(&test, "operator", Some(id("first"))).await);
    let mut browser = Browser::new(&test);
    browser.sign_in("operator", &third).await;
    let act = test.app.prepare_key_removal(&test.actor("operator"), &id("third")).await.unwrap();
    test.sign("operator", &act).await.unwrap();
    assert!(is_out(&mut browser).await);
    assert_eq!(opens(&test, &by_third).await, [false, false]);
    assert_eq!(opens(&test, &by_first).await, [true, true]);
    assert_eq!(entries(&test, "was removed").await, 1, "with its entry");
    // One that is suspended by another replica, or by a process that died right after it.
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    storage::credentials::credential_suspend(&mut tx, &id("first"), test.app.clock.now(), "a copy", "").await.unwrap();
    storage::books::book_changed(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    let restarted = test.restarted().await;
    let mut there = Browser::on(&restarted);
    there.cookies.insert(COOKIE.to_owned(), by_first.id().unwrap().to_string());
    assert!(is_out(&mut there).await);
    test.log_is_good().await;
});

on_both!(what_ends_sessions_and_the_act_are_one_transaction_with_entries_that_say_why, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut browsers = [Browser::signed_in(&test, "operator").await, Browser::signed_in(&test, "operator").await];
    let rows = |name: &'static str| async { Tables::of(&test.fresh).await.rows(name).await };
    let mine = test.people["operator"].id.to_string();
    assert_eq!(rows("session").await.iter().filter(|row| row.contains(&mine)).count(), 2);
    test.app.disable(&test.actor("admin"), &test.people["operator"].id).await.unwrap();
    assert!(rows("session").await.iter().all(|row| !row.contains(&mine)));
    for browser in &mut browsers {
        assert!(is_out(browser).await);
    }
    assert_eq!(entries(&test, "the account was disabled").await, 1);
    // Who is last cannot be disabled: nothing of it happened.
    let mut admin = Browser::signed_in(&test, "admin").await;
    test.app.disable(&test.actor("admin"), &test.people["admin"].id).await.unwrap_err();
    assert!(!is_out(&mut admin).await);
    // Signing in makes no end, and an end that ends nothing makes no entry.
    test.app.disable(&test.actor("admin"), &test.people["lead"].id).await.unwrap();
    assert_eq!(entries(&test, "the account was disabled").await, 1);
    test.log_is_good().await;
});

/// Keeps everybody else from the sessions in the database while it lives.
enum Blocked {
    Sqlite { _tx: WriteTx },
    Postgres { _conn: PgConnection },
}

async fn block(test: &TestApp) -> Blocked {
    match &test.fresh.place {
        Place::File(_) => Blocked::Sqlite { _tx: test.fresh.db.write(Lane::Normal).await.unwrap() },
        Place::Url(url) => {
            let mut conn = PgConnection::connect(url).await.unwrap();
            sqlx::query("BEGIN").execute(&mut conn).await.unwrap();
            sqlx::query("LOCK TABLE session IN ACCESS EXCLUSIVE MODE").execute(&mut conn).await.unwrap();
            Blocked::Postgres { _conn: conn }
        }
    }
}

on_both!(sessions_end_while_the_database_does_not_answer_and_it_hears_of_it_later, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut thief = Browser::signed_in(&test, "operator").await;
    let mut admin = Browser::signed_in(&test, "admin").await;
    let page = format!("/people/{}", test.people["operator"].id);
    admin.get(&page).await;
    test.hand.forward_ms(10);
    let blocked = block(&test).await;
    admin.post(&format!("{page}/sessions/end"), &[("which", "all")]).await;
    assert_eq!(admin.status, StatusCode::ACCEPTED, "{}", admin.page);
    assert!(admin.page.contains("<h1>Ended on this server") && admin.page.contains("as soon as the database answers"), "{}", admin.page);
    assert!(is_out(&mut thief).await, "here it has ended");
    drop(blocked);
    let written = async {
        while entries(&test, "an admin ended them").await != 1 {
            test.app.write_late_ends().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written).await.expect("it was never written down");
    let restarted = test.restarted().await;
    let mut there = Browser::on(&restarted);
    there.cookies.clone_from(&thief.cookies);
    assert!(is_out(&mut there).await);
    test.log_is_good().await;
});

on_both!(own_sessions_end_with_the_database_gone, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut thief = Browser::signed_in(&test, "operator").await;
    let mut here = Browser::signed_in(&test, "operator").await;
    here.get("/me").await;
    let cookie = here.cookies[COOKIE].clone();
    test.fresh.db.close().await;
    here.post("/me/sessions/end", &[("which", "others")]).await;
    assert_eq!(here.status, StatusCode::ACCEPTED, "{}", here.page);
    thief.get("/pause").await;
    assert!(!thief.status.is_success(), "{}", thief.page);
    here.get("/pause").await;
    assert_eq!((here.status, &here.cookies[COOKIE]), (StatusCode::OK, &cookie), "whoever ends others stays");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_could_not_be_written_is_written_soon_and_one_that_was_ended_meanwhile_never() {
    let test = TestApp::new(fresh(Kind::Postgres).await).await;
    let other = replica(&test).await;
    let ended = Browser::signed_in(&test, "lead").await;
    let (written, mut away) = (unwritten(&test, "operator", None).await, with_cookie(&test, &ended.cookies[COOKIE]));
    let blocked = block(&test).await;
    written.save().await.unwrap();
    // Another page of a session that the database has: its change waits as well.
    away.get("/me/keys/new").await;
    drop(blocked);
    let cookie = written.id().unwrap().to_string();
    let at_other = || {
        let mut browser = Browser::on(&other);
        browser.cookies.insert(COOKIE.to_owned(), cookie.clone());
        browser
    };
    other.end_sessions(&test.actor("admin"), &test.people["lead"].id, Which::All).await.unwrap();
    test.app.sessions.write_unsaved().await;
    assert!(!is_out(&mut at_other()).await, "every replica knows it once the database answers");
    let rows = Tables::of(&test.fresh).await.rows("session").await;
    assert!(rows.iter().all(|row| !row.contains(test.people["lead"].id.as_str())), "what was ended elsewhere is not written back");
    assert!(is_out(&mut away).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_began_on_a_dead_database_ends_before_it_was_written() {
    let test = TestApp::new(fresh(Kind::Postgres).await).await;
    let other = replica(&test).await;
    let session = unwritten(&test, "operator", None).await;
    let blocked = block(&test).await;
    session.save().await.unwrap();
    let mut standing = Browser::on(&other);
    drop(blocked);
    standing.sign_in_as(&test, "operator").await;
    test.hand.forward_ms(10);
    // The other replica cannot know its name.
    assert_eq!(other.end_sessions(&test.actor("admin"), &test.people["operator"].id, Which::All).await.unwrap(), Ended::Everywhere(1));
    test.app.refresh().await.unwrap();
    test.app.sessions.write_unsaved().await;
    let cookie = session.id().unwrap().to_string();
    assert!(is_out(&mut with_cookie(&test, &cookie)).await);
    let mut there = Browser::on(&other);
    there.cookies.insert(COOKIE.to_owned(), cookie);
    assert!(is_out(&mut there).await);
}

on_both!(who_was_disabled_a_moment_ago_signs_nothing_though_memory_has_not_heard_of_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let hold = test.press("operator", andon::domain::Scope::Bot(bot.id.clone()), andon::domain::Level::Pause).await.hold;
    let act = test.app.prepare_release(&test.actor("operator"), &hold.id, "over").await.unwrap();
    let two = test.press("risk", andon::domain::Scope::Fleet, andon::domain::Level::Pause).await.hold;
    let both = test.app.prepare_release(&test.actor("lead"), &two.id, "over").await.unwrap();
    test.sign("lead", &both).await.unwrap();
    // As another replica writes it, before word of it comes.
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    for who in ["operator", "lead"] {
        storage::users::user_set_enabled(&mut tx, &test.people[who].id, false).await.unwrap();
    }
    storage::books::book_changed(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert!(test.app.actor_of(&test.people["operator"].id, false).is_some(), "memory has not heard of it");
    let error = test.sign("operator", &act).await.unwrap_err().to_string();
    assert!(error.contains("disabled"), "{error}");
    let error = test.sign("risk", &both).await.unwrap_err().to_string();
    assert!(error.contains("whoever signed first is disabled"), "{error}");
    assert_eq!(test.app.fleet.view().open_holds().count(), 2);
});

on_both!(what_was_committed_and_could_not_be_read_again_is_read_until_it_can, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let worker = tokio::spawn(andon::workers::sync::run(test.app.clone()));
    let id = test.people["operator"].id.clone();
    beside(&test.fresh.place, "ALTER TABLE first_run_away RENAME TO gone").await;
    test.app.disable(&test.actor("admin"), &id).await.unwrap();
    beside(&test.fresh.place, "ALTER TABLE gone RENAME TO first_run_away").await;
    let wait = async {
        while test.app.actor_of(&id, false).is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait).await.expect("memory never heard of it");
    worker.abort();
});
