//! The alert command: each alert once, killed with all it started when it takes too long, gone on with after a restart, shown when it fails.

use crate::faults::until;
use crate::harness::{
    app::TestApp,
    browser::Browser,
    db::{Fresh, Kind, fresh, on_both},
};
use andon::domain::{AlertKind, Subject, alert::CommandState};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

/// A program with this text, in the test's own folder.
fn program(test: &TestApp, text: &str) -> PathBuf {
    let file = test.fresh.dir.path().join("page.sh");
    fs::write(&file, format!("#!/bin/sh\ncd '{}'\n{text}\n", test.fresh.dir.path().display())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

fn open(test: &TestApp, text: &str) {
    test.app.open_alert_command(vec![program(test, text).to_str().unwrap().to_owned(), "arb".to_owned()]);
}

fn lines(test: &TestApp, name: &str) -> Vec<String> {
    fs::read_to_string(test.fresh.dir.path().join(name)).unwrap_or_default().lines().map(str::to_owned).collect()
}

on_both!(each_alert_is_handed_over_once_as_json, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    test.app.raise(AlertKind::ClockOff, Subject::installation(), "From before there was a command.");
    test.app.write_alerts().await.unwrap();
    open(&test, r#"cat >> out; echo "$1" >> args"#);
    test.app.raise(AlertKind::Unconfirmed, Subject::bot(&bot.id), "It \"says\" nothing.");
    test.app.write_alerts().await.unwrap();
    assert_eq!(test.app.run_alert_commands().await.unwrap(), 1);
    test.hand.forward_ms(3_600_000);
    test.app.raise(AlertKind::Unconfirmed, Subject::bot(&bot.id), "again");
    test.app.write_alerts().await.unwrap();
    assert_eq!(test.app.run_alert_commands().await.unwrap(), 0, "a repeat is the same alert");
    let out = lines(&test, "out");
    let json: serde_json::Value = serde_json::from_str(&out[0]).unwrap();
    assert_eq!((out.len(), lines(&test, "args")), (1, vec!["arb".to_owned()]));
    for (key, value) in
        [("kind", "unconfirmed"), ("severity", "critical"), ("title", "Stop not confirmed"), ("words", "It \"says\" nothing.")]
    {
        assert_eq!(json[key], value);
    }
    assert_eq!((json["bot"]["name"].as_str(), json["bot"]["team"].as_str()), (Some("arb-1"), Some("arb")));
    assert!(json["link"].as_str().unwrap().starts_with("http://localhost:8787/alerts/"), "{json}");
});

on_both!(a_run_that_a_process_left_behind_is_gone_on_with, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    open(&test, "cat >> out");
    test.app.raise(AlertKind::LogFrozen, Subject::installation(), "Frozen.");
    test.app.write_alerts().await.unwrap();
    // As a process leaves it that dies while the command runs.
    let now = test.app.clock.now().0;
    test.execute(&format!("UPDATE alert SET command = 'running', command_at = {now}")).await;
    assert_eq!(test.app.run_alert_commands().await.unwrap(), 0, "it may still be running");
    test.hand.forward_ms(30_000);
    let again = test.restarted().await;
    again.open_alert_command(vec![program(&test, "cat >> out").to_str().unwrap().to_owned()]);
    assert_eq!((again.run_alert_commands().await.unwrap(), again.run_alert_commands().await.unwrap()), (1, 0));
    assert_eq!(lines(&test, "out").len(), 1);
});

on_both!(a_command_that_fails_is_shown_and_run_again_with_pauses_that_double_until_it_works, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.app.open_alert_command(vec![test.fresh.dir.path().join("page.sh").to_str().unwrap().to_owned()]);
    test.app.raise(AlertKind::LogFrozen, Subject::installation(), "Frozen.");
    test.app.write_alerts().await.unwrap();
    test.app.run_alert_commands().await.unwrap();
    assert_eq!(test.app.run_alert_commands().await.unwrap(), 0, "not at once");
    program(&test, "echo 'no such pager <x>' >&2; echo run >> runs; exit 3");
    for pause_ms in [30_000, 30_000, 60_000, 120_000] {
        test.hand.forward_ms(pause_ms - 1);
        assert_eq!(test.app.run_alert_commands().await.unwrap(), 0, "before {pause_ms} ms");
        test.hand.forward_ms(1);
        assert_eq!(test.app.run_alert_commands().await.unwrap(), 1, "after {pause_ms} ms");
    }
    assert_eq!(lines(&test, "runs").len(), 4);
    let alert = test.app.alerts.find(AlertKind::LogFrozen, &Subject::installation()).unwrap();
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get("/system").await;
    assert!(admin.page.contains("failed for 1 alert") && admin.page.contains("no such pager &#60;x&#62;"), "{}", admin.page);
    admin.get(&format!("/alerts/{}", alert.id)).await;
    assert!(admin.page.contains("failed and is run again: it ended with exit status: 3: no such pager"), "{}", admin.page);
    program(&test, "cat >> out");
    test.hand.forward_ms(240_000);
    assert_eq!((test.app.run_alert_commands().await.unwrap(), lines(&test, "out").len()), (1, 1));
    admin.get(&format!("/alerts/{}", alert.id)).await;
    assert!(admin.page.contains("The alert command took it"), "{}", admin.page);
    test.hand.forward_ms(3_600_000);
    assert_eq!(test.app.run_alert_commands().await.unwrap(), 0, "it was taken");
});

on_both!(a_command_that_fails_for_a_day_is_given_up_and_an_alert_that_is_over_at_once, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    open(&test, "exit 3");
    test.app.raise(AlertKind::LogFrozen, Subject::installation(), "Frozen.");
    test.app.raise(AlertKind::HoldNotRecorded, Subject::installation(), "Behind.");
    test.app.write_alerts().await.unwrap();
    assert_eq!(test.app.run_alert_commands().await.unwrap(), 2);
    test.app.settle(AlertKind::HoldNotRecorded, &Subject::installation(), "It is not any more.");
    test.app.write_alerts().await.unwrap();
    test.hand.forward_ms(3_600_000);
    assert_eq!((test.app.run_alert_commands().await.unwrap(), test.app.run_alert_commands().await.unwrap()), (2, 0));
    test.hand.forward_ms(3_600_000);
    assert_eq!(test.app.run_alert_commands().await.unwrap(), 1, "nobody needs to hear of what is over");
    test.hand.forward_ms(24 * 3_600_000);
    assert_eq!(test.app.run_alert_commands().await.unwrap(), 1);
    test.hand.forward_ms(24 * 3_600_000);
    assert_eq!(test.app.run_alert_commands().await.unwrap(), 0, "given up");
    let alert = test.app.alerts.find(AlertKind::LogFrozen, &Subject::installation()).unwrap();
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get(&format!("/alerts/{}", alert.id)).await;
    assert!(admin.page.contains("failed and is not run again: it ended with exit status: 3"), "{}", admin.page);
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    open(&test, "sh -c 'echo $$ > child; exec sleep 600' &\necho $$ > own\nsleep 600");
    test.app.raise(AlertKind::LogFrozen, Subject::installation(), "Frozen.");
    test.app.write_alerts().await.unwrap();
    test.app.run_alert_commands().await.unwrap();
    for file in ["child", "own"] {
        let pid = lines(&test, file)[0].clone();
        until("the process is gone", async || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        })
        .await;
    }
    let mut tx = test.fresh.db.read().await.unwrap();
    let all = andon::storage::alerts::alert_open(&mut tx).await.unwrap();
    assert!(all[0].command == CommandState::Due && all[0].command_said.contains("longer than 10 s"), "{:?}", all[0]);
}
