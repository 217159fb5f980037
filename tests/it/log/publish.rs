//! What goes out: a signed checkpoint over what was read again, the mark first, and the sink byte for byte.

use super::copy::Raw;
use crate::harness::{
    app::TestApp,
    browser::Browser,
    db::{Fresh, Kind, fresh, on_both},
};
use andon::{
    app::log::{FrozenKind, Rehash, files, sink},
    audit::{Note, VerifierKey},
    domain::{Level, Scope},
    storage,
};
use axum::http::StatusCode;

on_both!(a_checkpoint_covers_what_there_is_and_is_on_every_page_that_shows_it, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut browser = Browser::signed_in(&test, "auditor").await;
    browser.get("/audit").await;
    assert!(browser.page.contains("None has been signed yet"));
    browser.get("/audit/checkpoint").await;
    assert_eq!(browser.status, StatusCode::NOT_FOUND);
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    let vkey = VerifierKey::parse(&test.app.log.status().vkey).unwrap();
    assert_eq!(vkey.name(), "localhost/audit/control/1");
    let head = storage::audit::audit_head(&mut test.fresh.db.read().await.unwrap()).await.unwrap();
    browser.get("/audit/checkpoint").await;
    let note = browser.page.clone();
    let covered = Note::parse(&note).unwrap().verify(&vkey).unwrap().clone();
    assert_eq!((covered.size as i64, covered.origin.as_str()), (head.size, "localhost/audit/control/1"));
    assert_eq!(data_encoding::HEXLOWER.encode(&covered.root), test.log_is_good().await.root);
    browser.get("/audit").await;
    assert!(browser.page.contains(note.lines().nth(2).unwrap()), "it can be copied from the page: {}", browser.page);
    browser.get("/system").await;
    assert!(browser.page.contains(&vkey.to_string().replace('+', "&#43;")) || browser.page.contains(&vkey.to_string()), "{}", browser.page);
    // The same mark lies outside of the database, signed by the same key, and nothing new makes no new one.
    let mark = files::read_mark(&test.log_settings().state_dir).unwrap().unwrap();
    assert_eq!(mark.verify(&vkey).unwrap(), &covered);
    test.app.publish(true).await.unwrap();
    let all = storage::checkpoints::checkpoint_after(&mut test.fresh.db.read().await.unwrap(), -1, 10).await.unwrap();
    assert_eq!(all.len(), 1);
    test.log_is_good().await;
});

on_both!(the_sink_holds_every_entry_and_checkpoint_and_goes_on_where_it_ended, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    test.open_log().await;
    for _ in 0..3 {
        test.press("risk", Scope::Fleet, Level::Reduce).await;
        test.app.publish(true).await.unwrap();
        test.app.feed_sink().await.unwrap();
        test.bot(&format!("arb-{}", fastrand::u32(..)), "arb").await;
    }
    test.app.feed_sink().await.unwrap();
    let folder = sink::folder(test.log_settings().sink.as_ref().unwrap(), "localhost/audit/control/1");
    let rows = storage::audit::audit_from(&mut test.fresh.db.read().await.unwrap(), 0, 10_000).await.unwrap();
    let expected: Vec<Vec<u8>> = rows.into_iter().map(|row| [row.body, b"\n".to_vec()].concat()).collect();
    assert_eq!(std::fs::read(folder.join(sink::ENTRIES)).unwrap(), expected.concat());
    assert_eq!(sink::checkpoints(&folder).unwrap().0.len(), 3);
    // A new process goes on behind a torn line.
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).open(folder.join(sink::ENTRIES)).unwrap();
    file.write_all(b"{\"actor\":{\"id\":\"torn").unwrap();
    let again = test.restarted().await;
    again.open_log(test.log_settings()).await.unwrap();
    assert!(again.feed_sink().await.is_err(), "two processes do not share a sink");
    test.app = again.clone();
    test.bot("arb-last", "arb").await;
    again.feed_sink().await.unwrap();
    let rows = storage::audit::audit_from(&mut test.fresh.db.read().await.unwrap(), 0, 10_000).await.unwrap();
    let expected: Vec<Vec<u8>> = rows.into_iter().map(|row| [row.body, b"\n".to_vec()].concat()).collect();
    assert_eq!(std::fs::read(folder.join(sink::ENTRIES)).unwrap(), expected.concat());
    assert!(again.log.gate().frozen().is_none());
});

#[tokio::test]
async fn a_sink_that_takes_nothing_delays_no_press_and_no_checkpoint_and_catches_up() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let blocked = test.fresh.dir.path().join("log");
    std::fs::write(&blocked, "a file where the folder should be").unwrap();
    test.open_log().await;
    assert!(test.app.feed_sink().await.is_err());
    let placed = test.press("risk", Scope::Fleet, Level::Pause).await;
    assert!(placed.hold.entry.is_some());
    test.app.publish(true).await.unwrap();
    assert!(test.app.log.status().uncovered_since.is_none());
    assert!(!test.app.health().await.degraded.contains(&"log_sink"));
    test.hand.forward_ms(6 * 60 * 1_000);
    assert!(test.app.health().await.degraded.contains(&"log_sink"));
    let mut browser = Browser::signed_in(&test, "auditor").await;
    browser.get("/system").await;
    assert!(browser.page.contains("behind for"), "{}", browser.page);
    std::fs::remove_file(&blocked).unwrap();
    test.app.feed_sink().await.unwrap();
    let head = storage::audit::audit_head(&mut test.fresh.db.read().await.unwrap()).await.unwrap();
    assert_eq!(test.app.log.status().sink.entries as i64, head.size);
    assert!(test.app.health().await.degraded.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_whose_disk_hangs_delays_nothing() {
    let mut test = TestApp::new(fresh(Kind::Sqlite).await).await;
    test.open_log().await;
    test.app.feed_sink().await.unwrap();
    // A pipe that nobody writes to: whoever opens it to read waits until somebody does.
    let folder = sink::find(test.log_settings().sink.as_ref().unwrap()).unwrap();
    let pipe = folder.join(sink::ENTRIES);
    std::fs::remove_file(&pipe).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR, 0).unwrap();
    let again = test.restarted().await;
    again.open_log(test.log_settings()).await.unwrap();
    test.app = again.clone();
    let feeding = tokio::spawn({
        let again = again.clone();
        async move { again.feed_sink().await }
    });
    while again.log.status().sink.behind_since.is_none() {
        tokio::task::yield_now().await;
    }
    let press = andon::app::holds::Press {
        scope: Scope::Fleet,
        level: Level::Pause,
        why: String::new(),
        idempotency_key: String::new(),
        terms: Default::default(),
    };
    let placed = again.place(test.actor("risk"), press).await.unwrap();
    assert!(placed.hold.entry.is_some());
    again.publish(true).await.unwrap();
    assert!(again.log.status().uncovered_since.is_none());
    assert!(!feeding.is_finished(), "it hangs still");
    test.hand.forward_ms(6 * 60 * 1_000);
    assert!(again.health().await.degraded.contains(&"log_sink"), "and is told of");
    let writer = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    std::fs::remove_file(&pipe).unwrap();
    drop(writer);
    feeding.await.unwrap().unwrap();
    let head = storage::audit::audit_head(&mut again.db.read().await.unwrap()).await.unwrap();
    assert_eq!(again.log.status().sink.entries as i64, head.size, "it caught up");
}

on_both!(a_log_whose_hashes_are_gone_is_frozen_when_the_sink_is_compared_with_it, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.feed_sink().await.unwrap();
    let again = test.restarted().await;
    again.open_log(test.log_settings()).await.unwrap();
    test.app = again;
    Raw::open(&test.fresh.place).await.run("DELETE FROM audit_leaf WHERE seq = 1", &[]).await;
    test.app.feed_sink().await.unwrap();
    assert_eq!(test.app.log.gate().frozen().map(|frozen| frozen.kind), Some(FrozenKind::Mismatch));
});

on_both!(a_sink_that_was_changed_is_found_behind_its_checkpoint_at_once_and_before_it_when_all_is_read_again, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    test.app.feed_sink().await.unwrap();
    test.bot("arb-1", "arb").await;
    test.app.feed_sink().await.unwrap();
    let entries = sink::find(test.log_settings().sink.as_ref().unwrap()).unwrap().join(sink::ENTRIES);
    let good = std::fs::read_to_string(&entries).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let another = lines[0].replacen("setup", "putup", 1).replacen("installation", "destallation", 1);
    assert!(another != lines[0] && another.len() == lines[0].len());
    let last = format!("{}{}\n", good.trim_end().strip_suffix(lines[lines.len() - 1]).unwrap(), lines[0]);
    // A new process each time, and the one before is gone.
    for (found_at_once, text) in [(false, good.replacen(lines[0], &another, 1)), (true, last)] {
        test.app = test.restarted().await;
        test.app.open_log(test.log_settings()).await.unwrap();
        std::fs::write(&entries, text).unwrap();
        test.app.feed_sink().await.unwrap();
        assert_eq!(test.app.log.gate().frozen().is_some(), found_at_once);
        test.app.rehash().await.unwrap();
        assert_eq!(test.app.log.gate().frozen().map(|frozen| frozen.kind), Some(FrozenKind::Mismatch));
        std::fs::write(&entries, &good).unwrap();
        Raw::open(&test.fresh.place).await.run("UPDATE audit_log SET state = 'open'", &[]).await;
    }
});

on_both!(the_whole_log_is_read_again_after_a_start, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.open_log().await;
    test.app.publish(true).await.unwrap();
    test.bot("arb-1", "arb").await;
    test.app.rehash().await.unwrap();
    let Rehash::Good(read, _) = test.app.log.status().rehash else { panic!("{:?}", test.app.log.status()) };
    let head = storage::audit::audit_head(&mut test.fresh.db.read().await.unwrap()).await.unwrap();
    assert_eq!(read as i64, head.size);
});
