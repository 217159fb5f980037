//! Limits on levels, and what breaks them: a level above bots reaches each of them, a report that breaks one places a hold, and counters go on
//! over every restart.

use crate::faults::{until, within};
use crate::harness::{
    agent::{Agent, ready},
    app::TestApp,
    db::{Fresh, on_both},
    golive,
};
use andon::{
    app::{
        App, AppError,
        limit_overrides::{Asked, Lasts},
    },
    domain::{
        BotFacts, BotId, Hold, Level, Scope, Stage, State, StopKind, Symbol, Timestamp,
        limits::{Check, Node},
        time::DAY_MS,
    },
    fleet::View,
    protocol::{Position, Report, Totals},
    storage, workers,
};
use std::{sync::Arc, time::Duration};

/// Settings, as they are typed.
fn typed(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// Bots of arb that trade, with these limits of their own.
async fn trading(fresh: Fresh, names: &[&str], limits: &[(&str, &str)]) -> (TestApp, Vec<BotFacts>, Vec<Agent>) {
    let test = TestApp::new(fresh).await;
    let (mut bots, mut agents) = (Vec::new(), Vec::new());
    for name in names {
        let bot = test.bot(name, "arb").await;
        if !limits.is_empty() {
            test.app.tighten_limits(&test.actor("operator"), &bot.id, &typed(limits), "as tested").await.unwrap();
        }
        agents.push(ready(&test, &bot, "operator").await);
        bots.push(bot);
    }
    let ids: Vec<BotId> = bots.iter().map(|bot| bot.id.clone()).collect();
    let signers: &[&str] = if ids.len() > 1 { &["operator", "lead"] } else { &["operator"] };
    test.start(&ids, signers).await.unwrap();
    for agent in &mut agents {
        agent.settle(&test.app).await;
        assert_eq!(agent.state, State::Active);
    }
    (test, bots, agents)
}

/// A check-in with a report, obeyed.
async fn reports(app: &Arc<App>, agent: &mut Agent, report: Report) {
    agent.seq += 1;
    let mut said = agent.says();
    said.report = Some(report);
    let heard = app.check_in(&agent.live(app), &said, "poll").await.unwrap();
    agent.obey(app, &heard.directive, heard.renew.is_some()).await;
}

fn orders(open: u64, sent: u64) -> Report {
    let totals = Totals { orders: Some(sent), cancels: Some(0), ..Totals::default() };
    Report { open_orders: Some(open), totals: Some(totals), ..Report::default() }
}

fn exposed(notional: &str, currency: &str) -> Report {
    let position =
        Position { symbol: "BTC/USDT".into(), quantity: Some("1".into()), notional: Some(notional.into()), ..Position::default() };
    Report { positions: Some(vec![position]), currency: Some(currency.into()), entry_orders: Some(0), ..Report::default() }
}

/// The unreleased holds of a trigger.
fn held_by(view: &View, check: Check) -> Vec<Arc<Hold>> {
    let trigger = andon::app::breaches::trigger(check);
    view.open_holds().filter(|hold| hold.placed_by.id == trigger).cloned().collect()
}

async fn hold_of(app: &App, check: Check) -> Hold {
    until("the hold of a trigger", async || !held_by(&app.fleet.view(), check).is_empty()).await;
    Hold::clone(&held_by(&app.fleet.view(), check)[0])
}

fn facts(app: &App, bot: &BotFacts) -> BotFacts {
    BotFacts::clone(app.fleet.view().bot(&bot.id).unwrap())
}

on_both!(a_report_that_breaks_a_limit_places_one_hold_that_a_person_releases, |fresh: Fresh| async move {
    let (test, bots, mut agents) = trading(fresh, &["arb-1"], &[("max_open_orders", "10"), ("max_daily_loss", "500")]).await;
    let agent = &mut agents[0];
    reports(&test.app, agent, orders(10, 0)).await;
    reports(&test.app, agent, Report::default()).await;
    assert_eq!(test.app.fleet.view().open_holds().count(), 0, "at the limit is within it, and what is not reported breaks nothing");
    let (uses, _) = test.app.limit_uses(&facts(&test.app, &bots[0]));
    assert!(uses.iter().all(|one| one.value.is_none()), "the last report measures none: {uses:?}");
    reports(&test.app, agent, orders(11, 0)).await;
    let hold = hold_of(&test.app, Check::OpenOrders).await;
    assert_eq!((hold.level, &hold.scope), (Level::Reduce, &Scope::Bot(bots[0].id.clone())));
    assert!(hold.why.starts_with("Open orders: 11, limit 10, at 20") && hold.why.ends_with("limits version 1"), "{}", hold.why);
    for _ in 0..5 {
        reports(&test.app, agent, orders(12, 0)).await;
    }
    assert!(!within(Duration::from_millis(300), async || held_by(&test.app.fleet.view(), Check::OpenOrders).len() > 1).await, "one stands");
    assert_eq!(agent.state, State::Reducing);
    reports(&test.app, agent, orders(3, 0)).await;
    assert_eq!(agent.state, State::Reducing, "what broke it has passed; the hold has not");
    let alone = test.release(&hold.id, &["operator"]).await.unwrap();
    assert!(matches!(alone, andon::app::acts::Outcome::Waits), "a trigger's hold takes two people");
    test.release(&hold.id, &["operator", "lead"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    let lost =
        Report { realized_pnl_day: Some("-480".into()), unrealized_pnl: Some("-21".into()), currency: Some("USDT".into()), ..orders(3, 0) };
    reports(&test.app, agent, lost.clone()).await;
    let hold = hold_of(&test.app, Check::DailyLoss).await;
    assert_eq!(hold.level, Level::Pause);
    assert!(hold.why.contains("501 USDT, limit 500 USDT"), "{}", hold.why);
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted);
    test.release(&hold.id, &["operator", "lead"]).await.unwrap();
    reports(&test.app, agent, lost.clone()).await;
    assert!(held_by(&test.app.fleet.view(), Check::DailyLoss).is_empty(), "a halted bot is measured and not judged");
    test.start(std::slice::from_ref(&bots[0].id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    reports(&test.app, agent, lost).await;
    hold_of(&test.app, Check::DailyLoss).await;
    test.log_is_good().await;
});

on_both!(counters_go_on_when_the_server_starts_anew, |fresh: Fresh| async move {
    let (test, bots, mut agents) = trading(fresh, &["arb-1"], &[("max_orders_per_minute", "30"), ("max_drawdown", "100")]).await;
    let agent = &mut agents[0];
    let with = |equity: &str, sent: u64| Report { equity: Some(equity.into()), ..orders(1, sent) };
    reports(&test.app, agent, with("1000", 500)).await;
    test.hand.forward_ms(2_500);
    reports(&test.app, agent, with("900", 525)).await;
    let rows = async || storage::gauges::gauge_since(&mut test.fresh.db.read().await.unwrap(), Timestamp(0)).await.unwrap();
    let now = test.app.clock.now();
    until("what was counted is stored", async || rows().await.iter().any(|row| row.at == now)).await;
    let second = test.restarted().await;
    until("it is read again", async || {
        second.gauges.look(&bots[0].id, |gauge| gauge.reported().is_some_and(|said| said.counted.at == now)) == Some(true)
    })
    .await;
    test.hand.forward_ms(2_000);
    agent.settle(&second).await;
    reports(&second, agent, with("900", 6)).await;
    let hold = hold_of(&second, Check::OrdersPerMinute).await;
    assert!(hold.why.starts_with("Orders a minute: 31, limit 30"), "25 before, and 6 by a bot that was started anew: {}", hold.why);
    assert!(held_by(&second.fleet.view(), Check::Drawdown).is_empty());
    let uses = second.limit_uses(&facts(&second, &bots[0])).0;
    let drawdown = uses.iter().find(|one| one.check == Check::Drawdown).unwrap();
    assert_eq!(drawdown.value.map(|value| value.shortest()).as_deref(), Some("100"), "the highest equity is remembered");
});

on_both!(a_team_limit_reaches_its_bots_and_stops_whoever_does_not_take_it_over, |fresh: Fresh| async move {
    let (test, bots, mut agents) = trading(fresh, &["arb-1", "arb-2"], &[("max_order_notional", "2000")]).await;
    let grid = test.bot("grid-1", "grid").await;
    let (risk, team) = (test.actor("risk"), Node::Team(test.team("arb")));
    agents[1].limits_version = Some(1);
    test.app.tighten(&risk, &team, &typed(&[("max_order_notional", "500"), ("max_leverage", "3")]), "storm ahead").await.unwrap();
    until("it reaches both", async || bots.iter().all(|bot| facts(&test.app, bot).limits.version == 2)).await;
    for bot in &bots {
        let facts = facts(&test.app, bot);
        assert_eq!((facts.limits.values["max_order_notional"].as_str(), facts.limits_waiting), (Some("500"), true));
        assert_eq!(test.app.fleet.view().directive(&facts).state, State::Reducing);
    }
    assert_eq!(facts(&test.app, &grid).limits.version, 0, "another team's is untouched");
    agents[0].settle(&test.app).await;
    assert_eq!((agents[0].state, agents[0].limits), (State::Active, 2));
    for _ in 0..6 {
        test.hand.forward_ms(1_000);
        agents[1].check_in(&test.app).await.unwrap();
    }
    workers::limits::round(&test.app).await;
    assert_eq!(facts(&test.app, &bots[1]).stop.map(|stop| stop.kind), Some(StopKind::LimitsNotAcknowledged));
    assert_ne!(facts(&test.app, &bots[0]).stop.map(|stop| stop.kind), Some(StopKind::LimitsNotAcknowledged));
    let history = test.app.limits_history(&test.actor("operator"), &bots[0].id).await.unwrap();
    assert_eq!(history[0].why, "by team arb: storm ahead");
    // A bot's own looser limit does not undo what stands above it.
    let bot = facts(&test.app, &bots[0]);
    assert_eq!(test.app.limit_tree().path(&bot, |path| path.decided_by(&andon::domain::limits::NUMBERS[0])), Some("team"));
    let loosens = test.app.tighten(&risk, &team, &typed(&[("max_leverage", "none")]), "").await;
    assert!(matches!(loosens, Err(AppError::Invalid(_))), "{loosens:?}");
    assert!(matches!(
        test.app.tighten(&test.actor("grid operator"), &team, &typed(&[("max_leverage", "1")]), "").await,
        Err(AppError::Denied(_))
    ));
    let installation = test.app.tighten(&test.actor("operator"), &Node::Installation, &typed(&[("max_leverage", "1")]), "").await;
    assert!(matches!(installation, Err(AppError::Denied(_))), "the installation's are for risk");
    test.log_is_good().await;
});

on_both!(looser_limits_of_a_team_take_a_request_and_nobody_waits_for_them, |fresh: Fresh| async move {
    let (test, bots, mut agents) = trading(fresh, &["arb-1"], &[]).await;
    let team = Node::Team(test.team("arb"));
    test.app.tighten(&test.actor("lead"), &team, &typed(&[("max_leverage", "2"), ("lapse_after_ms", "20000")]), "").await.unwrap();
    until("it reaches the bot", async || facts(&test.app, &bots[0]).limits.version == 1).await;
    assert_eq!(facts(&test.app, &bots[0]).timings.lapse_after_ms, 20_000, "the lease is among its limits");
    agents[0].settle(&test.app).await;
    let asked = typed(&[("max_leverage", "4"), ("lapse_after_ms", "none")]);
    let id = test.app.ask_level(&test.actor("operator"), &team, &asked, "the hedge is in place").await.unwrap();
    let digest = test.app.request(&test.actor("auditor"), &id).await.unwrap().case.request.digest;
    let act = test.app.prepare_approval(&test.actor("risk"), &id, &digest).await.unwrap();
    test.sign("risk", &act).await.unwrap();
    until("it reaches the bot", async || facts(&test.app, &bots[0]).limits.version == 2).await;
    let bot = facts(&test.app, &bots[0]);
    assert_eq!((bot.limits.values["max_leverage"].as_str(), bot.limits_waiting, bot.timings.lapse_after_ms), (Some("4"), false, 30_000));
    let newest = test.app.level_history(&test.actor("auditor"), &team).await.unwrap().remove(0);
    assert_eq!((newest.version, newest.request_id), (2, Some(id)));
    test.log_is_good().await;
});

on_both!(what_all_bots_have_together_breaks_the_limit_of_their_team, |fresh: Fresh| async move {
    let (test, bots, mut agents) = trading(fresh, &["arb-1", "arb-2", "arb-3"], &[]).await;
    let team = Node::Team(test.team("arb"));
    let limits = typed(&[("max_total_exposure", "1000"), ("currency", "USDT"), ("breach:max_total_exposure", "pause")]);
    test.app.tighten(&test.actor("risk"), &team, &limits, "what the desk can bear").await.unwrap();
    until("it reaches every bot", async || bots.iter().all(|bot| facts(&test.app, bot).limits.version == 1)).await;
    for (agent, (amount, currency)) in agents.iter_mut().zip([("600", "USDT"), ("400", "USDT"), ("9000", "EUR")]) {
        agent.settle(&test.app).await;
        reports(&test.app, agent, exposed(amount, currency)).await;
    }
    workers::limits::round(&test.app).await;
    assert!(held_by(&test.app.fleet.view(), Check::TotalExposure).is_empty(), "at the limit is within it");
    let total = test.app.totals_of(&team).remove(0);
    assert_eq!((total.value.shortest().as_str(), total.counted), ("1000", 2));
    assert_eq!(total.not_counted, [("arb-3".to_owned(), "it reports in EUR".to_owned())], "another currency is shown and not added");
    reports(&test.app, &mut agents[0], exposed("600.01", "USDT")).await;
    workers::limits::round(&test.app).await;
    let hold = hold_of(&test.app, Check::TotalExposure).await;
    assert_eq!((hold.level, &hold.scope), (Level::Pause, &Scope::Team(test.team("arb"))));
    assert!(hold.why.contains("1000.01 USDT, limit 1000 USDT") && hold.why.contains("over 2 bots; 1 bot not counted"), "{}", hold.why);
    workers::limits::round(&test.app).await;
    assert_eq!(held_by(&test.app.fleet.view(), Check::TotalExposure).len(), 1);
    test.log_is_good().await;
});

on_both!(limits_are_known_as_of_any_time, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let (operator, own) = (test.actor("operator"), Node::Bot(bot.id.clone()));
    let began = test.app.clock.now();
    test.hand.forward_ms(1_000);
    test.app.tighten(&operator, &own, &typed(&[("max_leverage", "5")]), "first").await.unwrap();
    let first = test.app.clock.now();
    test.hand.forward_ms(DAY_MS);
    let team = Node::Team(bot.team.clone());
    test.app.tighten(&operator, &team, &typed(&[("max_leverage", "2"), ("review_by", "2030-01-31")]), "second").await.unwrap();
    until("it reaches the bot", async || facts(&test.app, &bot).limits.version == 2).await;
    let at = async |moment| test.app.limits_as_of(&operator, &own, moment).await.unwrap();
    assert_eq!(at(began).await, (Vec::new(), None));
    let (levels, held) = at(first).await;
    assert_eq!((levels.len(), levels[0].version, held.unwrap().version), (1, 1, 1));
    let (levels, held) = at(Timestamp(i64::MAX)).await;
    assert_eq!(levels.iter().map(|row| row.node.kind()).collect::<Vec<_>>(), ["team", "bot"]);
    assert_eq!(held.unwrap().limits, r#"{"max_leverage":"2"}"#);
    let row = test.app.limit_tree().node(&team).cloned().unwrap();
    assert!(!test.app.is_review_due(&row, test.app.clock.now()) && test.app.is_review_due(&row, Timestamp(i64::MAX)));
});

on_both!(above_sandbox_what_is_missing_is_no_report_and_no_symbol, |fresh: Fresh| async move {
    let (test, bots, mut agents) = trading(fresh, &["arb-1"], &[("max_open_orders", "10")]).await;
    let agent = &mut agents[0];
    reports(&test.app, agent, exposed("5", "USDT")).await;
    assert_eq!(test.app.fleet.view().open_holds().count(), 0, "in sandbox nobody is judged by a list that is not there");
    (agent.build, agent.config) = (Some(golive::BUILD.into()), Some(golive::CONFIG.into()));
    agent.settle(&test.app).await;
    golive::approved_as_it_is(&test, &bots[0].id, Stage::Limited).await;
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    for _ in 0..4 {
        test.hand.forward_ms(2_000);
        agent.check_in(&test.app).await.unwrap();
    }
    let hold = hold_of(&test.app, Check::NoReport).await;
    assert_eq!(hold.level, Level::Reduce, "the default of ruling H19");
    reports(&test.app, agent, exposed("5", "USDT")).await;
    let hold = hold_of(&test.app, Check::Symbols).await;
    assert!(hold.why.contains("a position in BTC/USDT, limit none, since nobody listed any"), "{}", hold.why);
    let first = test.app.tighten_limits(&test.actor("operator"), &bots[0].id, &typed(&[("allowed_symbols", "BTC/USDT")]), "").await;
    assert!(matches!(first, Err(AppError::Invalid(_))), "above sandbox the first list loosens: {first:?}");
    let symbol = Node::Symbol(bots[0].id.clone(), Symbol::parse("BTC/USDT").unwrap());
    test.app.tighten(&test.actor("operator"), &symbol, &typed(&[("max_position_notional", "4")]), "thin book").await.unwrap();
    assert_eq!(facts(&test.app, &bots[0]).limits.values["symbols"]["BTC/USDT"]["max_position_notional"], "4");
    agent.settle(&test.app).await;
    reports(&test.app, agent, exposed("5", "USDT")).await;
    assert!(hold_of(&test.app, Check::PositionNotional).await.why.starts_with("Largest position in BTC/USDT: 5 USDT, limit 4 USDT"));
    test.log_is_good().await;
});

on_both!(an_exception_takes_two_people_and_ends_by_itself_or_by_one_press, |fresh: Fresh| async move {
    let (test, bots, mut agents) = trading(fresh, &["arb-1"], &[("max_position_notional", "1000")]).await;
    let (operator, bot) = (test.actor("operator"), bots[0].id.clone());
    let team = Node::Team(test.team("arb"));
    test.app.tighten(&operator, &team, &typed(&[("max_position_notional", "2500")]), "").await.unwrap();
    let asked =
        |most: &'static str, hours: &'static str| Asked { symbol: "btc/usdt", most, lasts: Lasts::Hours(hours), why: "a large hedge" };
    for (most, hours) in [("900", "2"), ("none", "2"), ("2000", "0"), ("2000", "73")] {
        assert!(test.app.ask_override(&operator, &bot, asked(most, hours)).await.is_err(), "{most} for {hours} h");
    }
    let largest = || {
        let facts = facts(&test.app, &bots[0]);
        let own = facts.limits.values.get("symbols").map(|all| all["BTC/USDT"]["max_position_notional"].as_str().unwrap().to_owned());
        (own, facts.limits.version, facts.limits_waiting)
    };
    let approved = async |most| {
        let id = test.app.ask_override(&operator, &bot, asked(most, "2")).await.unwrap();
        let digest = test.app.request(&test.actor("auditor"), &id).await.unwrap().case.request.digest;
        let own = test.app.prepare_approval(&operator, &id, &digest).await;
        assert!(matches!(own, Err(AppError::NotYours(_))), "nobody approves their own");
        assert_eq!(test.app.limit_tree().overrides(&bot).len(), 0, "nothing holds before that");
        let act = test.app.prepare_approval(&test.actor("lead"), &id, &digest).await.unwrap();
        test.sign("lead", &act).await.unwrap();
        id
    };
    approved("3000").await;
    assert_eq!(largest(), (Some("2500".to_owned()), 2, false), "never past what its team allows, and nobody waits for it");
    agents[0].settle(&test.app).await;
    reports(&test.app, &mut agents[0], exposed("2400", "USDT")).await;
    assert!(!within(Duration::from_millis(200), async || test.app.fleet.view().open_holds().count() > 0).await);
    test.hand.forward_ms(2 * 60 * 60 * 1_000);
    workers::limits::round(&test.app).await;
    assert_eq!(largest(), (None, 3, true), "it ended by itself, which tightens");
    let second = approved("2000").await;
    let grid = test.app.end_override(&test.actor("grid operator"), &second).await;
    assert!(matches!(grid, Err(AppError::Denied(_))), "{grid:?}");
    test.app.end_override(&operator, &second).await.unwrap();
    assert_eq!(largest().0, None);
    assert!(matches!(test.app.end_override(&operator, &second).await, Err(AppError::NotFound(_))), "once");
    assert_eq!(test.app.overrides_lately(&bot).await.unwrap(), 2);
    test.log_is_good().await;
});
