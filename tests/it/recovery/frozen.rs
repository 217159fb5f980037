//! Doors while the log takes no entry: the host still lets somebody in who then stops, and a server starts that leaves its keys behind.

use super::{HOUR_MS, why};
use crate::harness::{
    app::{TestApp, chosen},
    db::{Fresh, Kind, fresh, on_both},
    tables::Tables,
};
use crate::log::copy::Raw;
use andon::{
    app::{App, AppError, holds::Press, sign_in::Whence},
    authn::SoftKey,
    cli::site::{self, Wanted},
    config::{Origin, serve::Database},
    domain::{Grant, Level, Role, Scope, Secret, UserId},
    storage::{self, Lane},
};
use std::{path::Path, sync::Arc, time::Duration};

/// Follows a link to a password and two keys.
async fn follow(app: &Arc<App>, link: &Secret<String>) -> Result<SoftKey, AppError> {
    let welcomed = app.welcome(link.expose().rsplit('/').next().unwrap()).await?;
    app.welcome_password(&welcomed.link, chosen("Back Again", "copper-lantern-42-walrus")).await?;
    let mut last = None;
    for nickname in ["new", "new spare"] {
        let key = SoftKey::new(app.origin.clone());
        let ceremony = app.welcome_key_options(&welcomed.link).await?;
        let answer = key.register(&ceremony.options).unwrap();
        app.welcome_key(&welcomed.link, &ceremony.state, &answer, nickname).await?;
        last = Some(key);
    }
    Ok(last.unwrap())
}

async fn stops(app: &Arc<App>, user: &UserId) {
    let press =
        Press { scope: Scope::Fleet, level: Level::Pause, why: String::new(), idempotency_key: String::new(), terms: Default::default() };
    app.place(app.actor_of(user, false).unwrap(), press).await.unwrap();
}

on_both!(the_host_lets_somebody_in_while_the_log_is_frozen_and_nobody_else_comes_in, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    let invited = test.link("guest", vec![Grant { role: Role::Operator, team: Some(test.team("arb")) }]).await;
    let mut raw = Raw::open(&test.fresh.place).await;
    raw.run("ALTER TABLE audit_checkpoint RENAME TO away", &[]).await;
    let app = test.restarted().await;
    assert!(app.open_log(test.log_settings()).await.is_err() && app.log.gate().frozen().is_some());

    assert!(matches!(follow(&app, &invited).await, Err(AppError::Frozen(_))), "an invitation waits");
    let made = app.recover_on_host("root", "operator", Some("the log is frozen and both keys are gone")).await.unwrap();
    let key = follow(&app, &made.link).await.unwrap();
    let user = test.people["operator"].id.clone();
    let ceremony = app.sign_in_key_options(&user).await.unwrap();
    let touched = app.sign_in_key(&user, &ceremony.state, &key.sign(&ceremony.options).unwrap(), &Whence::default()).await.unwrap();
    assert!(!touched.recorded && app.actor_of(&user, false).unwrap().is_frozen(), "they may stop, nothing else");
    stops(&app, &user).await;

    raw.run("ALTER TABLE away RENAME TO audit_checkpoint", &[]).await;
    app.publish(true).await.unwrap();
    assert!(app.append_late_entries().await.unwrap() >= 6);
    let log = Tables::of(&test.fresh).await.rows("audit_record").await;
    for kind in ["recovery.by_host", "recovery.keys_removed", "user.password_set", "credential.added", "recovery.done"] {
        assert!(log.iter().any(|row| row.contains(kind) && row.contains(user.as_str())), "{kind} was not appended");
    }
    test.hand.forward_ms(25 * HOUR_MS);
    test.log_is_good().await;
});

/// An installation whose keys were made for `localhost`, and whose database this leaves to somebody else.
async fn left_behind(prepare: &str) -> TestApp {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    storage::installation::installation_set_rp_id(&mut tx, "localhost").await.unwrap();
    if prepare.is_empty() {
        storage::checkpoints::log_freeze(&mut tx, "mismatch", "a test", "test:1", test.app.clock.now()).await.unwrap();
    }
    tx.commit().await.unwrap();
    test.app.db.close().await;
    if !prepare.is_empty() {
        Raw::open(&test.fresh.place).await.run(prepare, &[]).await;
    }
    test
}

async fn open(data: &Path) -> site::Site {
    let (database, origin) = (Database::Embedded(data.to_owned()), Origin::parse("https://andon.example.org").unwrap());
    let wanted = Wanted {
        database: &database,
        state_dir: &data.join("state"),
        origin: &origin,
        name: "Test",
        log_sink: None,
        kind: "live",
        leaves_rp_id: Some("localhost"),
    };
    site::open(wanted).await.map_err(|error| error.to_string()).expect("a server that does not start cannot stop anything")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_frozen_log_leaves_its_keys_behind_and_starts() {
    let test = left_behind("").await;
    let admin = test.people["admin"].id.clone();
    let site = open(test.fresh.dir.path()).await;
    assert!(site.app.log.gate().frozen().is_some());
    assert!(site.app.sign_in_key_options(&admin).await.is_err(), "no key of before is asked for");
    stops(&site.app, &admin).await;
    let made = site.app.recover_on_host("root", "admin", None).await.unwrap();
    let key = follow(&site.app, &made.link).await.unwrap();
    let ceremony = site.app.sign_in_key_options(&admin).await.unwrap();
    assert!(key.sign(&ceremony.options).is_ok());
    site.app.db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_cannot_be_left_behind_yet_are_closed_and_it_is_tried_again() {
    let blocked = "CREATE TRIGGER blocked BEFORE UPDATE OF rp_id ON installation BEGIN SELECT RAISE(ABORT, 'not yet'); END";
    let test = left_behind(blocked).await;
    let admin = test.people["admin"].id.clone();
    let site = open(test.fresh.dir.path()).await;
    assert!(why(site.app.sign_in_key_options(&admin).await).contains("being left behind"));
    stops(&site.app, &admin).await;
    // Opening it so takes every trigger away: the next try gets through.
    drop(Raw::open(&test.fresh.place).await);
    let done = async {
        while !site.app.people().keys(&admin).eq(&andon::domain::KeyCount::default()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done).await.expect("it was not tried again");
    site.app.recover_on_host("root", "admin", None).await.unwrap();
    site.app.db.close().await;
}
