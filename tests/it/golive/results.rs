//! What a bot shows in its stage is summed over reports and servers, and stands on its page for whoever judges it.

use super::trading;
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
    golive::now,
};
use andon::protocol::{Report, Totals};

on_both!(reports_are_summed_under_the_approval_that_they_came_under, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    let report = |orders: u64, rejects: u64, latency: i64, slippage: &str| Report {
        currency: Some("USDT".into()),
        open_orders: Some(0),
        venue_latency_ms: Some(latency),
        slippage_bps: Some(slippage.into()),
        totals: Some(Totals { orders: Some(orders), rejects: Some(rejects), errors: Some(0), ..Totals::default() }),
        ..Report::default()
    };
    test.app.write_results().await.unwrap();
    let before = test.app.shown_by(&now(&test, &ready.bot.id)).await.unwrap().unwrap();
    // The second begins its counters anew: the bot was started again. What it had counted before anybody listened is nobody's.
    for (orders, rejects, latency, slippage) in [(100, 5, 40, "1.5"), (110, 6, 60, "-0.5"), (3, 1, 20, "5")] {
        test.hand.forward_ms(1_000);
        ready.agent.seq += 1;
        let mut said = ready.agent.says();
        said.report = Some(report(orders, rejects, latency, slippage));
        test.app.check_in(&ready.agent.live(&test.app), &said, "poll").await.unwrap();
        test.app.write_results().await.unwrap();
    }
    test.app.write_results().await.unwrap();
    let view = test.app.shown_by(&now(&test, &ready.bot.id)).await.unwrap().unwrap();
    let results = view.results;
    assert_eq!((results.reports - before.results.reports, results.counted.orders, results.counted.rejects), (3, 13, 2));
    assert_eq!((results.latency.n, results.latency.mean(), results.latency.most), (3, Some(40), 60));
    assert_eq!((results.slippage.mean(), results.slippage.most), (Some(2_000), 5_000), "in thousandths");
    assert_eq!((view.stops, view.holds), (before.stops, before.holds));
    // What goes wrong is counted beside it.
    ready.agent.config = Some("sha256:d1ffe4e4d1ffe4e4".into());
    ready.agent.check_in(&test.app).await.unwrap();
    let view = test.app.shown_by(&now(&test, &ready.bot.id)).await.unwrap().unwrap();
    assert_eq!(view.holds, before.holds + 1);
    // A bot that goes down has no approval, and so no results of it.
    test.app.set_stage(&test.actor("operator"), &ready.bot.id, andon::domain::Stage::Sandbox).await.unwrap();
    assert_eq!(now(&test, &ready.bot.id).run, None);
    assert!(test.app.shown_by(&now(&test, &ready.bot.id)).await.unwrap().is_none());
});

on_both!(what_could_not_be_written_is_written_later, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut ready = trading(&test, "arb-1").await;
    test.app.write_results().await.unwrap();
    let before = test.app.shown_by(&now(&test, &ready.bot.id)).await.unwrap().unwrap();
    ready.agent.seq += 1;
    let mut said = ready.agent.says();
    said.report = Some(Report { currency: Some("USDT".into()), venue_latency_ms: Some(7), ..Report::default() });
    test.app.check_in(&ready.agent.live(&test.app), &said, "poll").await.unwrap();
    test.execute("ALTER TABLE stage_result RENAME TO stage_result_away").await;
    assert!(test.app.write_results().await.is_err());
    test.execute("ALTER TABLE stage_result_away RENAME TO stage_result").await;
    test.app.write_results().await.unwrap();
    let view = test.app.shown_by(&now(&test, &ready.bot.id)).await.unwrap().unwrap();
    assert_eq!((view.results.reports - before.results.reports, view.results.latency.most), (1, 7));
});
