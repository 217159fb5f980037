//! After a restore, or a freeze that nothing mends, two people let the site go on: under a new incarnation, above every report, with the fleet
//! paused; the whole chain of incarnations verifies (rulings C4, C8, H13, H14).

use super::copy::{Raw, copy, copy_dir, copy_of, opened};
use crate::faults::until;
use crate::harness::{
    agent::{self, Agent},
    app::{ORIGIN, TestApp, assemble},
    browser::{Browser, PASSWORD},
    db::{Fresh, Kind, Place, fresh, on_both},
};
use andon::{
    app::{
        App, AppError,
        log::{
            FrozenKind, LogSettings,
            examine::{Examination, Given, examine},
            files, join,
            recover::{ByLink, EPOCH_AHEAD, Signed},
            sink,
        },
        sign_in::Whence,
    },
    audit::{Event, Note, number},
    authn::Keys,
    domain::{BotId, Level, PlacerKind, Scope, Secret, State, UserId},
    storage,
};
use std::sync::Arc;

fn frozen(app: &App) -> Option<FrozenKind> {
    app.log.gate().frozen().map(|frozen| frozen.kind)
}

/// An installation whose newest database is gone: an older one beside the state folder and the sink of the newest.
struct Restored {
    test: TestApp,
    agent: Agent,
    bot: BotId,
    settings: LogSettings,
    place: Place,
}

/// What was in the backup.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backup {
    /// The database; what lies outside of it is of today.
    Database,
    /// The whole data folder: only agents have seen more.
    Everything,
}

async fn restored(fresh: Fresh) -> Restored {
    restored_from(fresh, Backup::Database).await
}

/// A bot that ran, a press after the backup, and the backup beside what lies outside of the database.
async fn restored_from(fresh: Fresh, backup: Backup) -> Restored {
    let mut test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = agent::ready(&test, &bot, "operator").await;
    test.open_log().await;
    let state = test.log_settings().state_dir;
    test.app.open_site(&state).await.unwrap();
    assert!(!test.app.site.is_foreign(), "the first server of an installation is its site");
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    test.app.publish(true).await.unwrap();
    test.app.feed_sink().await.unwrap();
    let place = copy(&test.fresh, "backup").await;
    let dir = test.fresh.dir.path();
    let settings = LogSettings { state_dir: dir.join("kept-state"), sink: Some(dir.join("kept-log")), is_one_volume: false };
    let keep = |test: &TestApp| {
        copy_dir(&test.log_settings().state_dir, &settings.state_dir);
        copy_dir(test.log_settings().sink.as_ref().unwrap(), settings.sink.as_ref().unwrap());
    };
    if backup == Backup::Everything {
        keep(&test);
    }
    // What the backup does not have: a press, and the agent that obeyed it.
    for (who, level) in [("operator", Level::Pause), ("lead", Level::Pause), ("risk", Level::Reduce)] {
        test.press(who, Scope::Bot(bot.id.clone()), level).await;
    }
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted);
    // What follows a press by itself is an entry too.
    until("evidence of the presses", async || test.app.evidence.pending() == 0).await;
    test.app.publish(true).await.unwrap();
    test.app.feed_sink().await.unwrap();
    if backup == Backup::Database {
        keep(&test);
    }
    test.app = started(&test, &place, &settings).await;
    Restored { test, agent, bot: bot.id, settings, place }
}

/// A server on a database, with what lies outside of it.
async fn started(test: &TestApp, place: &Place, settings: &LogSettings) -> Arc<App> {
    let app = assemble(opened(place).await, &test.hand, &test.fresh.dir.path().join("kept-spool")).await;
    app.open_log(settings.clone()).await.unwrap();
    app.open_site(&settings.state_dir).await.unwrap();
    app
}

fn secret(link: &Secret<String>) -> &str {
    link.expose().rsplit('/').next().unwrap()
}

/// Signs by a link as somebody.
async fn sign(test: &TestApp, link: &Secret<String>, who: &str, left_out: &[BotId]) -> Result<Signed, AppError> {
    let name = &test.app.people().user(&test.people[who].id).unwrap().name;
    let given = (name.as_str(), Secret::new(PASSWORD.to_owned()));
    let (user, ceremony, _) = test.app.begin_site_signature(secret(link), given, left_out, &Whence::default()).await?;
    let answer = test.people[who].key.sign(&ceremony.options).unwrap();
    test.app.sign_site_recovery(ByLink { link: secret(link), user: &user }, &ceremony.state, &answer).await
}

async fn ask(test: &TestApp) -> Vec<Secret<String>> {
    test.app.ask_site_recovery("root", "the disk died; the backup of 03:00 is the newest", false).await.unwrap()
}

fn why<T: std::fmt::Debug>(refused: Result<T, AppError>) -> String {
    refused.unwrap_err().to_string()
}

async fn verified(app: &App, settings: &LogSettings, with_database: bool) -> Examination {
    let webauthn = Keys::new(&app.origin, "andon").unwrap();
    let given = Given {
        db: with_database.then_some(&app.db),
        state_dir: with_database.then_some(settings.state_dir.as_path()),
        sink: settings.sink.as_deref(),
        keys: vec![],
        checkpoint: None,
        webauthn: &webauthn,
    };
    examine(&given).await.unwrap()
}

fn options(browser: &Browser) -> String {
    browser.between("data-options=\"", "\"").unwrap_or_else(|| panic!("no ceremony on {}", browser.page))
}

async fn first_entry(app: &App) -> Event {
    let rows = storage::audit::audit_from(&mut app.db.read().await.unwrap(), 0, 1).await.unwrap();
    andon::audit::Canonical::from_stored(rows[0].body.clone()).unwrap().event().unwrap()
}

on_both!(two_people_recover_a_restored_site_and_nothing_runs_by_itself, |fresh: Fresh| async move {
    let Restored { test, mut agent, bot, settings, place } = restored(fresh).await;
    let app = test.app.clone();
    assert_eq!(frozen(&app), Some(FrozenKind::Rollback));
    // The agent has seen more than this database: it stays stopped and says so; nothing starts here.
    let heard = agent.check_in(&app).await.unwrap();
    assert!(agent.behind && agent.state == State::Halted && heard.directive.epoch < agent.seen);
    agent.check_in(&app).await.unwrap();
    assert!(app.book.seen(&bot).unwrap().ahead, "the server knows that the agent is ahead");
    assert!(test.start(std::slice::from_ref(&bot), &["operator"]).await.is_err());

    let known = app.site_outlook("root").await.unwrap();
    assert_eq!((known.reason(), known.ahead().count()), (Some("rollback"), 1));
    let (size, lost) = (known.size(), known.only_in_sink().unwrap());
    assert_eq!(lost.0, size, "the sink has what the database lost");
    let lines = known.lines().join("\n");
    assert!(lines.contains("known only from it") && lines.contains("holds lost          3"), "{lines}");
    for part in ["pause of bot arb-1 by ", "reduce of bot arb-1 by "] {
        assert!(lines.contains(part), "{part}: {lines}");
    }

    // Links that are made anew end those before; two leads, or one person twice, do not do.
    let dead = ask(&test).await;
    let links = ask(&test).await;
    assert!(why(sign(&test, &dead[0], "admin", &[]).await).contains("may have been used or be over"));
    assert!(why(sign(&test, &links[0], "operator", &[]).await).contains("a lead, risk or admin"));
    assert_eq!(sign(&test, &links[0], "lead", &[]).await.unwrap(), Signed::Waits);
    assert!(why(sign(&test, &links[0], "risk", &[]).await).contains("may have been used"), "a link signs once");
    assert!(why(sign(&test, &links[1], "lead", &[]).await).contains("a second person must"));
    assert!(why(sign(&test, &links[1], "grid lead", &[]).await).contains("two leads do not do"));
    assert_eq!(frozen(&app), Some(FrozenKind::Rollback), "nothing was changed yet");
    let (epoch, seen) = (known.epoch, agent.seen);
    assert_eq!(sign(&test, &links[1], "risk", &[]).await.unwrap(), Signed::Done);
    assert!(why(sign(&test, &links[1], "risk", &[]).await).contains("may have been used"), "once");

    // The log is open, under a new name, and says what it follows.
    assert_eq!(frozen(&app), None);
    let head = storage::audit::audit_head(&mut app.db.read().await.unwrap()).await.unwrap();
    assert!(head.origin.ends_with("/2") && head.is_open && head.log == 2);
    let Event::LogRecovered { from, database_size, last_checkpoint, sink_from, sink_to, alone, signed, reason, .. } =
        first_entry(&app).await
    else {
        panic!("another first entry")
    };
    assert!(from.ends_with("/1") && reason == "rollback" && !alone && signed.assertions.len() == 2);
    assert_eq!((database_size, sink_from, sink_to), (size, Some(lost.0), Some(lost.1)));
    assert_eq!(Note::parse(&last_checkpoint).unwrap().checkpoint.size, lost.1 + 1);
    let now = storage::epoch::epoch_now(&mut app.db.read().await.unwrap()).await.unwrap();
    assert!(now.0 > seen.0 + EPOCH_AHEAD && seen > epoch);

    // The fleet is paused, the old mark lies beside the new one, and everything verifies: with the database, and the sink alone.
    let paused: Vec<_> = app.fleet.view().open_holds().map(|hold| (hold.id.clone(), hold.placed_by.id.clone())).collect();
    assert!(paused.iter().any(|(_, by)| by == "recover") && paused.iter().any(|(_, by)| by == "rollback"), "{paused:?}");
    let marks = [1, 2].map(|n| files::read_mark_of(&settings.state_dir, n).unwrap().unwrap().0.checkpoint);
    assert!(marks[0].size == lost.1 + 1 && marks[1].size >= 2 && marks[1].origin == head.origin);
    app.append_late_entries().await.unwrap();
    app.append_missing_entries().await.unwrap();
    app.publish(true).await.unwrap();
    app.feed_sink().await.unwrap();
    app.rehash().await.unwrap();
    assert_eq!(frozen(&app), None);
    for with_database in [true, false] {
        let found = verified(&app, &settings, with_database).await;
        assert!(found.is_good(), "{with_database}: {found:#?}");
        assert!(found.checked.iter().any(|line| line.contains("closed by a recovery (rollback)")), "{found:#?}");
    }

    // Software that shares nothing with ours reads both incarnations, given the sink or the newest of them.
    let sink = settings.sink.as_ref().unwrap();
    for folder in [sink.clone(), andon::app::log::sink::find(sink).unwrap()] {
        let (code, said) = crate::log::verify::python("verify_acts.py", &folder, ORIGIN);
        let good: u64 =
            said.split_once(": ").unwrap().1.split_once(" signatures good, 0 wrong").unwrap_or_else(|| panic!("{said}")).0.parse().unwrap();
        assert!(code == Some(0) && good > 4 && said.contains("-1, ") && said.contains("-2: "), "those of the recovery too: {said}");
    }

    // A restart finds it as it is. The agent hears a higher epoch, stays halted, and only a release and a signed start let it go on.
    let mut test = test;
    test.app = started(&test, &place, &settings).await;
    assert_eq!(frozen(&test.app), None);
    agent.settle(&test.app).await;
    assert!(!agent.behind && agent.state == State::Halted && agent.seen.0 > EPOCH_AHEAD);
    assert!(test.start(std::slice::from_ref(&bot), &["operator"]).await.is_err());
    for (hold, _) in &paused {
        test.release(hold, &["lead", "risk"]).await.unwrap();
    }
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted, "a release starts nothing");
    test.start(std::slice::from_ref(&bot), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    let report = andon::app::audit::verify_log(&mut test.app.db.read().await.unwrap(), &test.app.keys).await.unwrap();
    assert!(report.is_good() && report.earlier.len() == 1, "{report:#?}");

    // Entries of both incarnations are found by their numbers, and a bot's history goes through.
    let auditor = test.actor("auditor");
    let about = andon::app::audit::Query { about: format!("bot:{bot}"), ..Default::default() };
    let (rows, _) = test.app.entries(&auditor, &about).await.unwrap();
    let logs: Vec<i64> = rows.iter().map(|row| number::parts(row.seq as i64).0).collect();
    assert!(logs.is_sorted_by(|a, b| a >= b) && logs.contains(&1) && logs.contains(&2), "{logs:?}");
    for row in [&rows[0], rows.last().unwrap()] {
        assert!(test.app.entry(&auditor, row.seq as i64).await.unwrap().included);
    }
});

on_both!(a_whole_folder_that_was_restored_is_recovered_though_nothing_froze, |fresh: Fresh| async move {
    let mut site = restored_from(fresh, Backup::Everything).await;
    assert_eq!(frozen(&site.test.app), None, "mark and database are of one time");
    for _ in 0..2 {
        site.agent.check_in(&site.test.app).await.unwrap();
    }
    let known = site.test.app.site_outlook("root").await.unwrap();
    assert_eq!((known.reason(), known.ahead().count()), (Some("rollback"), 1), "only an agent knows better");
    let links = ask(&site.test).await;
    assert_eq!(sign(&site.test, &links[0], "lead", &[]).await.unwrap(), Signed::Waits);
    assert_eq!(sign(&site.test, &links[1], "admin", &[]).await.unwrap(), Signed::Done);
    let pause = site.test.app.fleet.view().open_holds().any(|hold| hold.scope == Scope::Fleet && hold.level == Level::Pause);
    assert!(pause, "the fleet is paused");
    site.agent.check_in(&site.test.app).await.unwrap();
    assert_eq!((site.agent.behind, site.agent.state), (false, State::Halted), "the counter is above what it has seen, and it stands");
    let found = verified(&site.test.app, &site.settings, true).await;
    assert!(found.is_good(), "{found:#?}");
});

on_both!(a_database_of_before_a_recovery_freezes_and_the_next_one_takes_a_name_that_nobody_has_seen, |fresh: Fresh| async move {
    let Restored { mut test, settings, place, .. } = restored(fresh).await;
    let backup = copy_of(&place, test.fresh.dir.path(), "again").await;
    let links = ask(&test).await;
    sign(&test, &links[0], "risk", &[]).await.unwrap();
    sign(&test, &links[1], "admin", &[]).await.unwrap();
    test.app.publish(true).await.unwrap();
    // The database that knows nothing of the recovery, beside the state folder that does.
    test.app = started(&test, &backup, &settings).await;
    let frozen_for = test.app.log.gate().frozen().unwrap();
    assert!(frozen_for.kind == FrozenKind::Rollback && frozen_for.why.contains("incarnation 2"), "{}", frozen_for.why);
    let links = ask(&test).await;
    sign(&test, &links[0], "risk", &[]).await.unwrap();
    sign(&test, &links[1], "admin", &[]).await.unwrap();
    let head = storage::audit::audit_head(&mut test.app.db.read().await.unwrap()).await.unwrap();
    assert!(head.origin.ends_with("/3") && head.is_open && frozen(&test.app).is_none(), "{}", head.origin);
    let found = verified(&test.app, &settings, true).await;
    assert!(found.is_good() && found.not_checked.iter().any(|line| line.contains("/2 was lost")), "{found:#?}");
});

on_both!(an_absurd_report_is_left_out_and_the_second_signs_the_same_bytes, |fresh: Fresh| async move {
    let Restored { test, mut agent, bot, .. } = restored(fresh).await;
    agent.check_in(&test.app).await.unwrap();
    agent.seen = andon::domain::Epoch(90_000_000_000_000);
    agent.check_in(&test.app).await.unwrap();
    let links = ask(&test).await;
    // A choice that nobody signed is replaced; what was signed is not.
    let given = |name: &str| (name.to_owned(), Secret::new(PASSWORD.to_owned()));
    let (name, password) = given("risk");
    let (_, _, first) = test.app.begin_site_signature(secret(&links[0]), (&name, password), &[], &Whence::default()).await.unwrap();
    assert_eq!(sign(&test, &links[0], "risk", std::slice::from_ref(&bot)).await.unwrap(), Signed::Waits);
    let (name, password) = given("lead");
    let (_, _, second) = test.app.begin_site_signature(secret(&links[1]), (&name, password), &[], &Whence::default()).await.unwrap();
    assert!(second.stored.id != first.stored.id && second.signatures.len() == 1);
    assert_eq!(sign(&test, &links[1], "lead", &[]).await.unwrap(), Signed::Done);
    let now = storage::epoch::epoch_now(&mut test.app.db.read().await.unwrap()).await.unwrap();
    assert!(now.0 < 2 * EPOCH_AHEAD, "{now:?}");
    agent.check_in(&test.app).await.unwrap();
    assert!(agent.behind && agent.state == State::Halted, "whoever is not believed stays stopped");
});

on_both!(a_changed_log_goes_on_and_what_was_wrong_stays_known, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    test.open_log().await;
    let settings = test.log_settings();
    test.app.open_site(&settings.state_dir).await.unwrap();
    test.app.publish(true).await.unwrap();
    test.app.feed_sink().await.unwrap();
    let size = storage::audit::audit_head(&mut test.app.db.read().await.unwrap()).await.unwrap().size;
    Raw::open(&test.fresh.place).await.run(&format!("UPDATE audit_leaf SET leaf_hash = {{0}} WHERE seq = {}", size - 2), &[&[7; 32]]).await;
    test.app.publish(true).await.unwrap();
    assert_eq!(frozen(&test.app), Some(FrozenKind::Mismatch));
    let links = ask(&test).await;
    assert_eq!(sign(&test, &links[0], "admin", &[]).await.unwrap(), Signed::Waits);
    assert_eq!(sign(&test, &links[1], "lead", &[]).await.unwrap(), Signed::Done);
    assert_eq!(frozen(&test.app), None);
    test.app.publish(true).await.unwrap();
    test.app.feed_sink().await.unwrap();
    let found = verified(&test.app, &settings, true).await;
    assert!(found.is_good() && !found.known.is_empty(), "{found:#?}");
    // Whoever changes the closed incarnation after that is found.
    Raw::open(&test.fresh.place).await.run("UPDATE audit_record SET body = {0} WHERE log_id = 1 AND seq = 3", &[b"{}"]).await;
    let found = verified(&test.app, &settings, true).await;
    assert!(found.findings.iter().any(|finding| finding.what.contains("it was changed after that")), "{found:#?}");
    test.app = test.restarted().await;
});

on_both!(a_second_replica_joins_the_new_incarnation, |fresh: Fresh| async move {
    let Restored { test, place, .. } = restored(fresh).await;
    let dir = test.fresh.dir.path().join("state-2");
    copy_dir(&test.log_settings().state_dir, &dir);
    let second = LogSettings { state_dir: dir.clone(), sink: None, is_one_volume: false };
    let links = ask(&test).await;
    sign(&test, &links[0], "risk", &[]).await.unwrap();
    sign(&test, &links[1], "admin", &[]).await.unwrap();
    let app = assemble(opened(&place).await, &test.hand, &test.fresh.dir.path().join("spool-2")).await;
    app.open_log(second.clone()).await.unwrap();
    assert_eq!(frozen(&app), Some(FrozenKind::MarkLost), "another state folder does not follow by itself");
    let (webauthn, clock) = (Keys::new(&app.origin, "andon").unwrap(), test.hand.clock());
    let joining = |state_dir| join::Joining {
        db: &app.db,
        state_dir,
        webauthn: &webauthn,
        clock: &clock,
        user: "u",
        node: "n",
        keys: &[],
        listens_ms: 500,
    };
    join::join(&joining(dir.as_path())).await.unwrap();
    let app2 = assemble(opened(&place).await, &test.hand, &test.fresh.dir.path().join("spool-2")).await;
    app2.open_log(second).await.unwrap();
    assert_eq!(frozen(&app2), None);
    // The mark of another log is refused, whatever else fits.
    let foreign = test.fresh.dir.path().join("state-3");
    std::fs::create_dir_all(&foreign).unwrap();
    let key = files::make_key(&foreign, "elsewhere.example/audit/control/1").unwrap();
    files::write_mark(&foreign, &key, &andon::app::log::Mark { size: 3, root: [1; 32] }).unwrap();
    let refused = why(join::join(&joining(foreign.as_path())).await);
    assert!(refused.contains("of another log, elsewhere.example/audit/control/1"), "{refused}");
});

on_both!(a_copy_beside_another_state_folder_stops_and_starts_nothing_until_it_is_taken_over, |fresh: Fresh| async move {
    let Restored { test, mut agent, bot, settings, place } = restored(fresh).await;
    let dir = test.fresh.dir.path().join("other-site");
    std::fs::create_dir_all(&dir).unwrap();
    let other = LogSettings { state_dir: dir.clone(), sink: None, is_one_volume: false };
    let mut test = test;
    let own = test.app.clone();
    test.app = started(&test, &place, &other).await;
    let app = test.app.clone();
    assert!(app.site.is_foreign() && app.health().await.degraded.contains(&"site"));
    // The agent is told nothing that lets it go on; a stop works.
    agent.reboot();
    let heard = agent.check_in(&app).await;
    assert!(heard.is_err() || heard.is_ok_and(|heard| heard.renew.is_none() && heard.directive.state == State::Halted));
    let placed = test.press("risk", Scope::Fleet, Level::Pause).await;
    let heard = agent.check_in(&app).await.unwrap();
    assert!(heard.renew.is_none() && heard.unsure == Some("another site's copy") && heard.directive.state == State::Halted);
    assert!(placed.hold.is_open());
    let obstacles = app.obstacles_of(&test.actor("operator"), &bot).await.unwrap();
    assert!(obstacles.iter().any(|obstacle| obstacle.what.contains("another site's copy") && obstacle.who.contains("--take-over")));
    let mut page = Browser::on(&app);
    page.get("/sign-in").await;
    assert!(page.page.contains("another site's copy") || page.page.contains("another site&#39;s copy"), "{}", page.page);
    // Only with the word for it.
    let refused = why(app.ask_site_recovery("root", "we move", false).await);
    assert!(refused.contains("--take-over"), "{refused}");
    let links = app.ask_site_recovery("root", "we move", true).await.unwrap();
    sign(&test, &links[0], "risk", &[]).await.unwrap();
    sign(&test, &links[1], "admin", &[]).await.unwrap();
    assert!(!app.site.is_foreign() && frozen(&app).is_none());
    agent.settle(&app).await;
    // The site before is one no longer, at its next round and after every restart.
    own.look_at_site().await.unwrap();
    assert!(own.site.is_foreign());
    let again = started(&test, &place, &settings).await;
    assert!(again.site.is_foreign());
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_signs_twice_five_minutes_apart() {
    let mut test = TestApp::new(fresh(Kind::Sqlite).await).await;
    test.open_log().await;
    let settings = test.log_settings();
    test.app.open_site(&settings.state_dir).await.unwrap();
    test.app.publish(true).await.unwrap();
    test.execute("UPDATE user_account SET enabled = 0 WHERE name <> 'admin'").await;
    test.execute("DELETE FROM setting WHERE name = 'second_person'").await;
    std::fs::remove_file(files::mark_path(&settings.state_dir)).unwrap();
    test.app = test.restarted().await;
    test.app.open_log(settings.clone()).await.unwrap();
    test.app.open_site(&settings.state_dir).await.unwrap();
    assert_eq!(frozen(&test.app), Some(FrozenKind::MarkLost));
    assert!(test.app.people().is_alone());
    let links = ask(&test).await;
    assert_eq!(sign(&test, &links[0], "admin", &[]).await.unwrap(), Signed::Waits);
    assert!(why(sign(&test, &links[1], "admin", &[]).await).contains("sign again in"));
    test.hand.forward_ms(5 * 60 * 1_000);
    assert_eq!(sign(&test, &links[1], "admin", &[]).await.unwrap(), Signed::Done);
    let Event::LogRecovered { alone, reason, .. } = first_entry(&test.app).await else { panic!("another first entry") };
    assert!(alone && reason == "mark_lost");
    let paused = test.app.fleet.view().open_holds().any(|hold| hold.placed_by.kind == PlacerKind::Trigger && hold.scope == Scope::Fleet);
    assert!(paused);
    test.log_is_good().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_a_link_signs_one_act_and_nobody_in() {
    let Restored { test, mut agent, .. } = restored(fresh(Kind::Sqlite).await).await;
    agent.check_in(&test.app).await.unwrap();
    let links = ask(&test).await;
    let mut risk = Browser::on(&test.app);
    let path = |link: &Secret<String>| format!("/recover/{}", secret(link));
    risk.get(&path(&links[0])).await;
    for words in ["Known only from the sink", "Highest epoch of the database", "ahead of the server", "The audit log is frozen", "arb-1"] {
        assert!(risk.page.contains(words), "{words}: {}", risk.page);
    }
    risk.post(&path(&links[0]), &[("name", "risk"), ("password", "wrong")]).await;
    assert!(risk.page.contains("do not belong together"), "{}", risk.page);
    risk.post(&path(&links[0]), &[("name", "risk"), ("password", PASSWORD)]).await;
    assert!(risk.page.contains("this is what your key signs") && risk.page.contains("SHA-256"), "{}", risk.page);
    let id = test.people["risk"].id.to_string();
    let answer = test.people["risk"].key.sign(&options(&risk)).unwrap();
    // Whoever did not give the password signs nothing.
    let mut other = Browser::on(&test.app);
    other.get(&path(&links[0])).await;
    other.post(&format!("{}/sign", path(&links[0])), &[("user", &id), ("response", &answer)]).await;
    assert!(other.status.is_client_error(), "{}", other.page);
    risk.post(&format!("{}/sign", path(&links[0])), &[("user", &id), ("response", &answer)]).await;
    assert!(risk.page.contains("Signatures: 1 of 2"), "{}", risk.page);
    risk.get("/fleet").await;
    assert!(!risk.page.contains("arb-1"), "nobody is signed in by it");
    let mut lead = Browser::on(&test.app);
    lead.get(&path(&links[0])).await;
    assert!(lead.page.contains("by the other link"), "{}", lead.page);
    lead.get(&path(&links[1])).await;
    lead.post(&path(&links[1]), &[("name", "lead"), ("password", PASSWORD)]).await;
    let (id, answer) = (test.people["lead"].id.to_string(), test.people["lead"].key.sign(&options(&lead)).unwrap());
    lead.post(&format!("{}/sign", path(&links[1])), &[("user", &id), ("response", &answer)]).await;
    assert!(lead.page.contains("The site is recovered"), "{}", lead.page);
    assert_eq!(frozen(&test.app), None);
    assert!(UserId::parse(&id).is_ok() && sink::find(test.log_settings().sink.as_ref().unwrap()).is_ok());
}
