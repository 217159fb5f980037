//! The host's own command, over the control socket and on the database itself; and the relying party that keys are made for.

use super::{HOUR_MS, use_link, was_told, why};
use crate::faults::server;
use crate::harness::{
    app::TestApp,
    browser::Browser,
    db::{Fresh, Kind, Place, fresh, on_both},
    tables::Tables,
};
use andon::{cli::control, domain::UserId};
use std::path::Path;

on_both!(the_host_goes_past_approvals_only_where_nobody_could_give_them_or_with_a_reason, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let said = why(test.app.recover_on_host("root", "operator", None).await);
    assert!(said.contains("can approve a recovery of operator") && said.contains("--force-with-reason"), "{said}");
    assert!(why(test.app.recover_on_host("root", "nobody", None).await).contains("no such person"));
    assert!(why(test.app.recover_on_host("root", "operator", Some("  ")).await).contains("Say why"));
    assert!(why(test.app.recover_on_host("root", "operator", Some(&"x".repeat(501))).await).contains("500"));
    // An admin is recovered by people who stand as high, and here is one: the host needs no reason.
    let made = test.app.recover_on_host("uid 1000", "ADMIN", None).await.unwrap();
    assert_eq!(made.whose, "N. Adebayo");
    for who in ["admin", "operator", "grid lead", "auditor"] {
        assert!(was_told(&test, who, "Recovered on the server's host").await, "everybody is told: {who}");
    }
    let forced = test.app.recover_on_host("root", "operator", Some("the building is on fire")).await.unwrap();
    let mut risk = Browser::signed_in(&test, "risk").await;
    for page in ["/fleet", "/people", "/holds"] {
        risk.get(page).await;
        assert!(risk.page.contains("Recovered on the server") && risk.page.contains("the building is on fire"), "{page}");
    }
    use_link(&test, &forced.link).await;
    test.hand.forward_ms(7 * 24 * HOUR_MS + 1_000);
    let mut risk = Browser::signed_in(&test, "risk").await;
    risk.get("/people").await;
    assert!(!risk.page.contains("the building is on fire"), "a week is enough");
    let log = Tables::of(&test.fresh).await.rows("audit_record").await;
    assert_eq!(log.iter().filter(|row| row.contains("recovery.by_host")).count(), 2);
    test.log_is_good().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_asks_the_server_that_runs() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let state = test.fresh.dir.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    let listening = control::listen(test.app.clone(), &state.join("control")).unwrap();
    let (good, said) = recover(test.fresh.dir.path(), &["operator"]).await;
    assert!(!good && said.contains("--force-with-reason"), "{said}");
    let (good, said) = recover(test.fresh.dir.path(), &["operator", "--force-with-reason", "nobody else is here"]).await;
    assert!(good && said.contains("/welcome/andon_recovery_"), "{said}");
    assert!(test.app.recovery_book().open_of(&test.people["operator"].id).is_some());
    listening.abort();
}

/// Runs `andon user recover` on an embedded installation.
async fn recover(data: &Path, more: &[&str]) -> (bool, String) {
    let mut command = server::command(server::andon());
    command.args(["user", "recover"]).args(more).arg("--data").arg(data).arg("--state-dir").arg(data.join("state"));
    let output = tokio::process::Command::from(command).output().await.unwrap();
    (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_the_command_changes_the_database_itself() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    test.app.db.close().await;
    let data = test.fresh.dir.path().to_owned();
    let (good, said) = recover(&data, &["operator"]).await;
    assert!(!good && said.contains("--force-with-reason"), "{said}");
    let (good, said) = recover(&data, &["admin"]).await;
    assert!(good, "{said}");
    let link = said.split_whitespace().find(|word| word.contains("/welcome/andon_recovery_")).unwrap().to_owned();
    let Place::File(file) = &test.fresh.place else { panic!("not embedded") };
    let db = andon::storage::Db::open_sqlite(file).await.unwrap();
    let app = crate::harness::app::assemble(db, &crate::harness::app::Hand::running(), &data.join("spool")).await;
    let welcomed = app.welcome(link.rsplit('/').next().unwrap()).await.unwrap();
    assert_eq!(welcomed.user.name, "admin");
    assert!(welcomed.recovery.is_some());
}

/// Starts a server that is expected to refuse.
async fn refused(data: &Path, origin: &str, more: &[&str]) -> String {
    let mut command = server::command(server::andon());
    command.arg("serve").arg("--data").arg(data).arg("--state-dir").arg(data.join("state"));
    command.args(["--listen", "127.0.0.1:0", "--trust-proxy", "127.0.0.1", "--origin", origin]).args(more);
    let output = tokio::process::Command::from(command).output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), output).await.expect("it was to refuse, and it serves").unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_of_another_relying_party_is_refused_until_all_keys_are_left_behind() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let admin: UserId = test.people["admin"].id.clone();
    let mut tx = test.fresh.db.write(andon::storage::Lane::Normal).await.unwrap();
    andon::storage::installation::installation_set_rp_id(&mut tx, "localhost").await.unwrap();
    tx.commit().await.unwrap();
    test.app.db.close().await;
    let data = test.fresh.dir.path().to_owned();
    let other = "https://andon.example.org";
    let said = refused(&data, other, &[]).await;
    assert!(said.contains("made for localhost") && said.contains("--migrate-rp-id localhost"), "{said}");
    let said = refused(&data, other, &["--migrate-rp-id", "andon.example.org"]).await;
    assert!(said.contains("made for localhost"), "the flag names what is left behind: {said}");
    let mut command = server::command(server::andon());
    command.arg("doctor").arg("--data").arg(&data).args(["--listen", "127.0.0.1:1", "--trust-proxy", "127.0.0.1", "--origin", other]);
    let doctor = tokio::process::Command::from(command).output().await.unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("bad   security keys") && said.contains("localhost"), "{said}");

    let Place::File(file) = &test.fresh.place else { panic!("not embedded") };
    let db = andon::storage::Db::open_sqlite(file).await.unwrap();
    let app = crate::harness::app::assemble(db, &crate::harness::app::Hand::running(), &data.join("spool")).await;
    let keys = app.leave_rp_id("root", "localhost", "andon.example.org").await.unwrap();
    assert_eq!(keys as usize, 2 * test.people.len());
    assert!(app.sign_in_key_options(&admin).await.is_err(), "no key of before is asked for");
    assert!(app.setup_link().await.unwrap().is_none(), "an installation with people is not set up anew");
    let made = app.recover_on_host("root", "admin", None).await.unwrap();
    assert!(app.welcome(made.link.expose().rsplit('/').next().unwrap()).await.is_ok(), "the host makes new keys, and nobody else");
    let mut tx = app.db.read().await.unwrap();
    assert_eq!(andon::storage::installation::installation_rp_id(&mut tx).await.unwrap().as_deref(), Some("andon.example.org"));
    // The log verifies at the host name before, and at the new one, which knows from the log what was before.
    let elsewhere = andon::authn::Keys::new(&other.parse().unwrap(), "andon").unwrap();
    for keys in [&app.keys, &elsewhere] {
        let report = andon::app::audit::verify_log(&mut tx, keys).await.unwrap();
        assert!(report.is_good() && report.signatures > 5, "{:#?}", report.findings);
    }
}

on_both!(the_host_enables_whom_nobody_is_left_to_approve_and_says_why, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let lead = test.people["lead"].id.clone();
    test.app.disable(&test.actor("admin"), &lead).await.unwrap();
    assert!(why(test.app.recover_on_host("root", "lead", None).await).contains("--force-with-reason"));
    assert!(!test.app.people().user(&lead).unwrap().enabled, "what was refused changed nothing");
    test.app.recover_on_host("root", "lead", Some("the only one who could approve was disabled")).await.unwrap();
    test.app.refresh().await.unwrap();
    assert!(test.app.people().user(&lead).unwrap().enabled);
    test.log_is_good().await;
});
