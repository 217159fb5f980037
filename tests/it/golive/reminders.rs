//! Who answers for a bot hears before something ends that its approval rests on: two days and one day before, once each.

use super::trading;
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
    golive::{DAY, answered, now},
};
use andon::{
    app::golive::reminders::{Ending, Reminded},
    domain::{AlertKind, NoticeKind, Stage},
};

const HOUR: i64 = 60 * 60 * 1_000;

/// The titles of what somebody was told of ends, oldest first.
async fn told(test: &TestApp, who: &str) -> Vec<String> {
    let (notices, _) = test.app.notices_of(&test.actor(who), None).await.unwrap();
    let mut titles: Vec<_> =
        notices.into_iter().filter(|stored| stored.kind == NoticeKind::GoLiveEnds).map(|stored| stored.title).collect();
    titles.reverse();
    titles
}

on_both!(an_end_is_told_two_days_and_one_day_before_once_each, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = trading(&test, "arb-1").await;
    let mut before = Reminded::default();
    let ends = test.app.ends_of(&ready.bot).await.unwrap();
    assert_eq!(ends[0].of, Ending::Item("alert_test".into()), "{ends:?}");
    assert!(ends.iter().any(|end| end.of == Ending::Stage) && ends.iter().any(|end| end.of == Ending::Key), "{ends:?}");
    test.app.remind_of_ends(&mut before).await.unwrap();
    assert_eq!(told(&test, "lead").await, [""; 0]);

    // The alert was taken at the beginning: it proves something for seven days.
    test.hand.forward_ms(5 * DAY + HOUR);
    test.app.remind_of_ends(&mut before).await.unwrap();
    test.app.remind_of_ends(&mut before).await.unwrap();
    let first = told(&test, "lead").await;
    assert!(first.len() == 1 && first[0].starts_with("Bot arb-1: ends within 48 h: A person answered an alert"), "{first:?}");
    assert_eq!(told(&test, "operator").await, first, "its owner");
    for other in ["grid lead", "risk", "auditor", "admin"] {
        assert_eq!(told(&test, other).await, [""; 0], "{other}");
    }
    // Neither another replica nor a restart tells it again.
    test.restarted().await.remind_of_ends(&mut Reminded::default()).await.unwrap();
    assert_eq!(told(&test, "lead").await, first);

    test.hand.forward_ms(DAY);
    test.app.remind_of_ends(&mut before).await.unwrap();
    test.restarted().await.remind_of_ends(&mut Reminded::default()).await.unwrap();
    let both = told(&test, "lead").await;
    assert!(both.len() == 2 && both[1].contains("within 24 h"), "{both:?}");
});

on_both!(what_was_looked_at_again_ends_later_and_what_was_never_approved_ends_never, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let ready = trading(&test, "arb-1").await;
    test.hand.forward_ms(5 * DAY + HOUR);
    let open = test.app.alerts.open();
    for alert in open.iter().filter(|alert| alert.kind == AlertKind::Test) {
        test.app.close_alert(&test.actor("lead"), &alert.id, "it was answered").await.unwrap();
    }
    answered(&test).await;
    let next = test.app.ends_next(&ready.bot).await.unwrap().unwrap();
    assert!(next.1.ms_since(test.hand.clock().now()) >= 7 * DAY - HOUR, "{next:?}");
    test.app.remind_of_ends(&mut Reminded::default()).await.unwrap();
    assert_eq!(told(&test, "lead").await, [""; 0]);
    test.app.set_stage(&test.actor("operator"), &ready.bot.id, Stage::Sandbox).await.unwrap();
    assert_eq!(test.app.ends_of(&now(&test, &ready.bot.id)).await.unwrap(), []);
});
