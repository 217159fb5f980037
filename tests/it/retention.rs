//! What is forgotten in time and what is not: what is open and the newest of each bot stay, whatever their age.

use crate::faults::until;
use crate::harness::{
    agent::ready,
    app::TestApp,
    db::{Fresh, on_both},
    tables::Tables,
};
use andon::domain::{AlertKind, Level, Scope, Subject, time::DAY_MS};

on_both!(old_observations_go_and_what_is_open_or_newest_stays, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, other) = (test.bot("arb-1", "arb").await, test.bot("arb-2", "arb").await);
    let mut agent = ready(&test, &bot, "operator").await;
    let of = async |table: &str| Tables::of(&test.fresh).await.rows(table).await.len();
    // Two presses that are over, one that stands, all of long ago; an alert that is over, and its next one.
    let mut holds = Vec::new();
    for _ in 0..3 {
        let hold = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await.hold;
        agent.settle(&test.app).await;
        until("the evidence", async || test.app.evidence(&test.actor("auditor"), &hold.id, "", 50).await.is_ok()).await;
        if holds.len() < 2 {
            test.release(&hold.id, &["operator"]).await.unwrap();
        }
        holds.push(hold.id);
        test.hand.forward_ms(1_000);
    }
    for subject in [&bot, &bot, &other] {
        test.app.raise(AlertKind::ClockOff, Subject::bot(&subject.id), "off");
        test.app.write_alerts().await.unwrap();
        test.app.settle(AlertKind::ClockOff, &Subject::bot(&subject.id), "right again");
        test.app.write_alerts().await.unwrap();
        test.hand.forward_ms(1_000);
    }
    let (acks, alerts) = (of("ack").await, of("alert").await);
    assert_eq!((test.app.forget_old_observations().await.unwrap(), of("evidence").await), (0, 3), "nothing is old");
    test.hand.forward_ms(401 * DAY_MS);
    assert!(test.app.forget_old_observations().await.unwrap() > 0);
    let seen = async |hold| test.app.evidence(&test.actor("auditor"), hold, "", 50).await.is_ok();
    assert_eq!((seen(&holds[0]).await, seen(&holds[1]).await, seen(&holds[2]).await), (false, false, true), "the open one's stays");
    assert_eq!(of("alert").await, alerts - 1, "the newest about each bot stays");
    let left = of("ack").await;
    assert!(left < acks && left > 0, "{left} of {acks}");
    let again = test.restarted().await;
    andon::app::ladder::read_proofs(&again, &again.fleet.view()).await.unwrap();
    assert!(again.book.proof(&bot.id).idle >= test.app.fleet.view().open_hold(&holds[2]).unwrap().epoch, "what stands is proved still");
    assert_eq!(test.app.forget_old_observations().await.unwrap(), 0);
    test.log_is_good().await;
});
