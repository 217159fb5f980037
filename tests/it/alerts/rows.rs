//! Rows: one open alert for a kind and subject, whatever fails; who is told; who may take and close.

use super::about;
use crate::faults::until;
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
    tables::Tables,
};
use andon::{
    app::{AppError, holds::Kept},
    domain::{Alert, AlertKind, BotFacts, Level, Scope, State, Subject, alert::Standing},
    storage::{self, Lane},
};

async fn raised(test: &TestApp, kind: AlertKind, bot: &BotFacts) -> Alert {
    test.app.raise(kind, Subject::bot(&bot.id), "Something is the matter.");
    test.app.write_alerts().await.unwrap();
    about(test, kind, &bot.id).unwrap()
}

async fn stored(test: &TestApp, alert: &Alert) -> Alert {
    storage::alerts::alert_by_id(&mut test.fresh.db.read().await.unwrap(), &alert.id).await.unwrap().unwrap()
}

async fn told(test: &TestApp, who: &str) -> Vec<String> {
    test.app.notices_of(&test.actor(who), None).await.unwrap().0.into_iter().map(|notice| notice.title).collect()
}

on_both!(a_repeat_counts_and_never_doubles, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let alert = raised(&test, AlertKind::Behind, &bot).await;
    for _ in 0..3 {
        test.hand.forward_ms(10_000);
        assert_eq!(raised(&test, AlertKind::Behind, &bot).await.id, alert.id);
    }
    let row = stored(&test, &alert).await;
    assert_eq!((row.repeats, row.last_at.ms_since(row.opened_at), row.standing()), (3, 30_000, Standing::Open));
    assert_eq!(Tables::of(&test.fresh).await.rows("alert").await.len(), 1);
    // Another process raises the same: it counts there too, also before it knows of the first.
    let again = test.restarted().await;
    again.load_alerts().await.unwrap();
    assert_eq!(again.alerts.open().iter().map(|alert| &alert.id).collect::<Vec<_>>(), [&alert.id], "a process that starts anew shows it");
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    let twin = Alert::new(AlertKind::Behind, Subject::bot(&bot.id), "the same", test.app.clock.now());
    assert_eq!(storage::alerts::alert_raise(&mut tx, &twin).await.unwrap().id, alert.id);
    tx.commit().await.unwrap();
    assert_eq!(stored(&test, &alert).await.repeats, 4);
    let other = raised(&test, AlertKind::AgentAhead, &bot).await;
    assert_ne!(other.id, alert.id, "another kind is another alert");
});

on_both!(the_server_closes_what_is_over_and_says_so_and_the_next_is_another, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let subject = Subject::bot(&bot.id);
    let alert = raised(&test, AlertKind::Behind, &bot).await;
    test.app.settle(AlertKind::Behind, &subject, "its agent has caught up");
    assert!(test.app.alerts.open().is_empty());
    test.app.write_alerts().await.unwrap();
    let closed = stored(&test, &alert).await.closed.unwrap();
    assert!(closed.by.is_none() && closed.why == "its agent has caught up");
    let next = raised(&test, AlertKind::Behind, &bot).await;
    assert_ne!(next.id, alert.id);
    test.app.settle(AlertKind::LogFrozen, &Subject::installation(), "there is none");
    test.app.write_alerts().await.unwrap();
    assert_eq!(Tables::of(&test.fresh).await.rows("alert").await.len(), 2);
});

on_both!(what_is_raised_while_the_database_is_gone_is_shown_and_written_later, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    // Nobody else gets a turn at the one writer; PostgreSQL takes it at once.
    let held = test.fresh.db.write(Lane::Normal).await.unwrap();
    test.app.raise(AlertKind::Behind, Subject::bot(&bot.id), "Behind.");
    test.app.raise(AlertKind::AgentAhead, Subject::bot(&bot.id), "Ahead.");
    test.app.settle(AlertKind::AgentAhead, &Subject::bot(&bot.id), "no longer ahead");
    assert_eq!((test.app.alerts.open().len(), test.app.alerts.critical().0), (1, 1), "shown from memory");
    drop(held);
    let tables = Tables::of(&test.fresh).await;
    until("both are written", async || {
        let rows = tables.rows("alert").await;
        rows.len() == 2 && rows.iter().filter(|row| row.contains("no longer ahead")).count() == 1
    })
    .await;
});

on_both!(people_of_the_team_and_risk_take_and_close_and_both_are_entries, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let alert = raised(&test, AlertKind::EndKeyByHand, &bot).await;
    let tables = Tables::of(&test.fresh).await;
    let entries = tables.entries().await;
    for stranger in ["auditor", "grid operator", "grid lead"] {
        assert!(matches!(test.app.take_alert(&test.actor(stranger), &alert.id).await, Err(AppError::Denied(_))), "{stranger}");
        assert!(matches!(test.app.close_alert(&test.actor(stranger), &alert.id, "x").await, Err(AppError::Denied(_))), "{stranger}");
        assert!(test.app.alert(&test.actor(stranger), &alert.id).await.is_ok(), "{stranger} sees it");
    }
    assert_eq!(tables.entries().await, entries);
    for who in ["operator", "lead", "risk", "admin"] {
        test.app.take_alert(&test.actor(who), &alert.id).await.unwrap();
    }
    let row = stored(&test, &alert).await;
    assert_eq!((row.standing(), row.taken.unwrap().0.name.as_str()), (Standing::Taken, "N. Adebayo"), "whoever took it last has it");
    assert_eq!(test.app.open_alerts(&test.actor("risk"), true).unwrap().len(), 1);
    for nothing in ["", "  ", "x\u{7}"] {
        assert!(matches!(test.app.close_alert(&test.actor("operator"), &alert.id, nothing).await, Err(AppError::Invalid(_))));
    }
    test.app.close_alert(&test.actor("operator"), &alert.id, "the key was deleted at the venue").await.unwrap();
    let closed = stored(&test, &alert).await.closed.unwrap();
    assert_eq!((closed.by.unwrap().name.as_str(), closed.why.as_str()), ("operator", "the key was deleted at the venue"));
    assert!(test.app.alerts.open().is_empty());
    assert!(matches!(test.app.take_alert(&test.actor("operator"), &alert.id).await, Err(AppError::Conflict(_))));
    assert!(matches!(test.app.close_alert(&test.actor("operator"), &alert.id, "again").await, Err(AppError::Conflict(_))));
    assert_eq!(tables.entries().await, entries + 5);
    test.log_is_good().await;
});

on_both!(critical_ones_are_told_at_once_and_a_flood_is_one_notice, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.give_address("operator", "op@people.example").await;
    let mut bots = Vec::new();
    for n in 0..4 {
        bots.push(test.bot(&format!("arb-{n}"), "arb").await);
    }
    raised(&test, AlertKind::ClockOff, &bots[0]).await;
    test.app.tell_alerts().await.unwrap();
    assert!(told(&test, "operator").await.is_empty(), "a warning wakes nobody");
    raised(&test, AlertKind::Unconfirmed, &bots[0]).await;
    test.app.tell_alerts().await.unwrap();
    for who in ["operator", "lead", "risk"] {
        assert_eq!(told(&test, who).await, ["Stop not confirmed: arb-0"], "{who}");
    }
    for who in ["grid operator", "grid lead", "auditor", "admin"] {
        assert!(told(&test, who).await.is_empty(), "{who}");
    }
    assert_eq!(test.app.outbox(&test.actor("admin")).await.unwrap().waiting, 1, "by mail as well");
    for bot in &bots[1..] {
        raised(&test, AlertKind::Unconfirmed, bot).await;
    }
    test.app.tell_alerts().await.unwrap();
    assert_eq!(told(&test, "risk").await.len(), 1, "within a minute of the first");
    test.hand.forward_ms(60_000);
    test.app.tell_alerts().await.unwrap();
    test.app.tell_alerts().await.unwrap();
    assert_eq!(told(&test, "risk").await, ["Stop not confirmed: 3 at once", "Stop not confirmed: arb-0"]);
    // A process that starts anew tells nobody twice.
    let again = test.restarted().await;
    test.hand.forward_ms(120_000);
    again.tell_alerts().await.unwrap();
    assert_eq!(told(&test, "risk").await.len(), 2);
    test.app.raise(AlertKind::LogFrozen, Subject::installation(), "Frozen.");
    test.app.write_alerts().await.unwrap();
    test.app.tell_alerts().await.unwrap();
    assert_eq!(told(&test, "admin").await, ["Audit log frozen"], "what concerns the installation is told to those who run it");
});

on_both!(a_server_that_cannot_read_its_alerts_takes_stops_and_shows_them_once_it_can, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let alert = raised(&test, AlertKind::Behind, &bot).await;
    test.execute("ALTER TABLE alert RENAME TO alert_away").await;
    // What `andon serve` waits for before it listens.
    test.app = test.restarted().await;
    assert!(test.app.alerts.open().is_empty());
    let placed = test.press("operator", Scope::Fleet, Level::Pause).await;
    assert_eq!(placed.kept, Kept::Recorded);
    let facts = test.app.fleet.view().bot(&bot.id).cloned().unwrap();
    assert_eq!(test.app.fleet.view().directive(&facts).state, State::Halted);
    test.execute("ALTER TABLE alert_away RENAME TO alert").await;
    until("it shows what was open", async || test.app.alerts.open().iter().any(|open| open.id == alert.id)).await;
});
