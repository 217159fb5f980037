//! A stop is never lost, refused or delayed: placing, repeating, failing databases and logs, restarts, and what agents carry back.

use crate::harness::{
    agent::{Agent, ready},
    app::TestApp,
    db::{Fresh, on_both},
};
use andon::{
    app::{AppError, acts::Outcome, holds::Kept, holds::Press},
    authz::Actor,
    domain::{Epoch, Grant, HoldId, Level, Role, Scope, Stage, State, Step},
    protocol::HoldFrame,
    storage::Lane,
};

/// A bot that trades.
async fn trading(test: &TestApp) -> (andon::domain::BotFacts, Agent) {
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    (bot, agent)
}

on_both!(a_press_stops_and_only_release_and_start_let_it_trade_again, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = trading(&test).await;
    let placed = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await;
    assert_eq!(placed.kept, Kept::Recorded);
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted);
    let receipt = test.app.receipt(&test.actor("operator"), &placed.hold.id).await.unwrap();
    assert!(receipt.is_complete());
    let refused = test.start(std::slice::from_ref(&bot.id), &["operator"]).await;
    assert!(matches!(refused, Err(AppError::Conflict(_))), "a covered bot cannot be started");
    test.release(&placed.hold.id, &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted, "a release starts nothing");
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    let report = test.log_is_good().await;
    assert!(report.signatures > 10, "{} signatures were verified", report.signatures);
});

on_both!(a_hundred_equal_presses_are_one_hold, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let press =
        Press { scope: Scope::Fleet, level: Level::Pause, why: "twice".into(), idempotency_key: "k-1".into(), terms: Default::default() };
    let presses = (0..100).map(|_| test.app.place(test.actor("risk"), press.clone()));
    let placed = futures_util::future::join_all(presses).await;
    let first = placed[0].as_ref().unwrap().hold.id.clone();
    assert!(placed.iter().all(|p| p.as_ref().unwrap().hold.id == first));
    assert_eq!(placed.iter().filter(|p| !p.as_ref().unwrap().repeated).count(), 1);
    assert_eq!(test.app.fleet.view().open_holds().count(), 1);
    test.log_is_good().await;
});

on_both!(a_second_persons_press_stands_beside_the_first, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = trading(&test).await;
    let scope = Scope::Bot(bot.id.clone());
    let one = test.press("operator", scope.clone(), Level::Pause).await;
    let two = test.press("lead", scope.clone(), Level::Pause).await;
    assert_ne!(one.hold.id, two.hold.id);
    assert_eq!(two.beside.len(), 1, "the second is told of the first");
    assert!(test.press("operator", scope, Level::Pause).await.repeated, "the same person's same press is the same hold");
    agent.settle(&test.app).await;
    test.release(&one.hold.id, &["operator"]).await.unwrap();
    let refused = test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap_err();
    assert!(refused.to_string().contains("covers it"), "{refused}");
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted);
});

on_both!(a_database_that_hangs_does_not_keep_a_stop_from_the_agents, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = trading(&test).await;
    // Somebody sits on the writer (SQLite) or on the counter's row (PostgreSQL).
    let mut sitting = test.fresh.db.write(Lane::Normal).await.unwrap();
    andon::storage::epoch::epoch_take(&mut sitting).await.unwrap();
    let placed = test.press("operator", Scope::Fleet, Level::Pause).await;
    assert_eq!(placed.kept, Kept::Spooled);
    let view = test.app.fleet.view();
    let facts = view.bot(&bot.id).unwrap();
    let told = test.app.stop_frame(&view, facts, &view.directive(facts), &Default::default());
    assert_eq!(told.state, State::Halted);
    assert_eq!(told.unrecorded.len(), 1, "the agent carries what no database has");
    agent.obey_quietly(&told);
    drop(sitting);
    let merged = loop {
        match test.app.merge_unrecorded().await {
            Ok(merged) => break merged,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(merged, 1);
    assert!(test.app.fleet.view().unrecorded().is_empty());
    let hold = test.app.hold(&test.actor("operator"), &placed.hold.id).await.unwrap();
    assert!(hold.is_open() && hold.entry.is_some(), "the same hold, under the same id, with its entry");
    assert!(hold.late, "it was answered without the database, and says so whenever that took it");
    agent.settle(&test.app).await;
    assert!(agent.carried.is_empty(), "the agent lets go of what is recorded");
    assert_eq!(agent.state, State::Halted);
    test.log_is_good().await;
});

on_both!(a_database_that_is_gone_does_not_either_and_a_restart_finds_the_spool, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (_, mut agent) = trading(&test).await;
    let url_or_file = &test.fresh.place;
    test.fresh.db.close().await;
    let placed = test.press("operator", Scope::Fleet, Level::Pause).await;
    assert_eq!(placed.kept, Kept::Spooled);
    assert!(test.app.health().await.degraded.contains(&"database"));
    assert!(test.app.can_take_a_stop(), "and the next stop can be taken too");
    // A process that starts anew, with its database back.
    let db = crate::harness::db::reopen(url_or_file).await;
    let app = crate::harness::app::assemble(db, &test.hand, &test.fresh.dir.path().join("spool")).await;
    assert_eq!(app.fleet.view().unrecorded().len(), 1, "the stop is there before anything is served");
    let heard = agent.check_in(&app).await.unwrap();
    assert_eq!(heard.directive.state, State::Halted);
    app.merge_unrecorded().await.unwrap();
    let hold = app.fleet.view().open_hold(&placed.hold.id).cloned().unwrap();
    assert!(hold.late, "recorded late");
    agent.settle(&app).await;
    assert_eq!(agent.state, State::Halted);
});

on_both!(presses_while_the_database_is_gone_are_merged_in_order_behind_a_marker, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    let (bot, _) = trading(&test).await;
    test.fresh.db.close().await;
    let from = test.app.clock.now();
    let mut pressed = Vec::new();
    for (who, scope) in [("operator", Scope::Bot(bot.id.clone())), ("lead", Scope::Fleet), ("risk", Scope::Fleet)] {
        let placed = test.press(who, scope, Level::Pause).await;
        assert_eq!(placed.kept, Kept::Spooled);
        pressed.push(placed.hold.id.to_string());
        test.hand.forward_ms(1_000);
    }
    let db = crate::harness::db::reopen(&test.fresh.place).await;
    test.app = crate::harness::app::assemble(db, &test.hand, &test.fresh.dir.path().join("spool")).await;
    assert_eq!(test.app.merge_unrecorded().await.unwrap(), 3);
    let (rows, _) = test.app.entries(&test.actor("auditor"), &andon::app::audit::Query::default()).await.unwrap();
    let newest: Vec<_> = rows.iter().take(4).rev().collect();
    let events: Vec<_> =
        newest.iter().map(|row| andon::audit::Canonical::from_stored(row.body.clone()).unwrap().event().unwrap()).collect();
    let andon::audit::Event::LogGap { from_us, to_us, late } = &events[0] else { panic!("{:?}", events[0]) };
    assert_eq!((*from_us, *to_us, *late), (from.0, test.app.clock.now().0, 3), "from the first press until now");
    let ids: Vec<String> = newest.iter().skip(1).map(|row| row.obj.clone().unwrap().replace("hold:", "")).collect();
    assert_eq!(ids, pressed, "in the order of the presses");
    let mut browser = crate::harness::browser::Browser::signed_in(&test, "auditor").await;
    browser.get("/audit").await;
    assert_eq!(browser.page.matches("recorded late").count(), 3, "{}", browser.page);
    browser.get(&format!("/holds/{}", pressed[1])).await;
    assert!(browser.page.contains("Recorded late"), "{}", browser.page);
    assert_eq!(test.app.merge_unrecorded().await.unwrap(), 0, "once");
});

on_both!(a_key_that_was_used_before_the_database_was_gone_loses_no_stop, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    let (bot, _) = trading(&test).await;
    let press = || Press {
        scope: Scope::Bot(bot.id.clone()),
        level: Level::Pause,
        why: String::new(),
        idempotency_key: "fixed".into(),
        terms: Default::default(),
    };
    let first = test.app.place(test.actor("operator"), press()).await.unwrap();
    test.release(&first.hold.id, &["operator"]).await.unwrap();
    // Another process, which remembers no press, and its database goes.
    test.app = crate::harness::app::assemble(
        crate::harness::db::reopen(&test.fresh.place).await,
        &test.hand,
        &test.fresh.dir.path().join("spool"),
    )
    .await;
    test.app.db.close().await;
    let second = test.app.place(test.actor("operator"), press()).await.unwrap();
    assert_eq!((second.kept, second.hold.id == first.hold.id), (Kept::Spooled, false));
    let db = crate::harness::db::reopen(&test.fresh.place).await;
    test.app = crate::harness::app::assemble(db, &test.hand, &test.fresh.dir.path().join("spool")).await;
    assert_eq!(test.app.merge_unrecorded().await.unwrap(), 1);
    let hold = test.app.fleet.view().open_hold(&second.hold.id).cloned().expect("it still stands");
    assert!(hold.late && hold.entry.is_some());
    let facts = test.app.fleet.view().bot(&bot.id).cloned().unwrap();
    assert_eq!(test.app.fleet.view().directive(&facts).state, State::Halted);
});

on_both!(a_log_that_refuses_keeps_no_hold_from_the_other_replicas, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, _) = trading(&test).await;
    test.execute("UPDATE audit_log SET state = 'frozen'").await;
    let placed = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await;
    assert_eq!(placed.kept, Kept::Recorded, "the row is committed at once");
    assert_eq!(placed.hold.entry, None, "its entry waits");
    let other = test.restarted().await;
    assert!(other.fleet.view().open_hold(&placed.hold.id).is_some(), "every replica has it");
    let refused = test.release(&placed.hold.id, &["operator"]).await.unwrap_err();
    assert!(matches!(refused, AppError::Frozen(_) | AppError::Unavailable(_)), "nothing loosens meanwhile: {refused}");
    test.execute("UPDATE audit_log SET state = 'open'").await;
    assert_eq!(test.app.append_missing_entries().await.unwrap(), 1);
    test.log_is_good().await;
});

on_both!(a_hold_that_agents_carry_survives_the_loss_of_database_and_spool, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, agent) = trading(&test).await;
    let other = test.bot("arb-2", "arb").await;
    let second = ready(&test, &other, "operator").await;
    let lost = HoldId::new();
    let mut both = [(bot, agent), (other, second)];
    for (bot, agent) in &mut both {
        let view = test.app.fleet.view();
        let facts = view.bot(&bot.id).unwrap();
        let mut told = test.app.stop_frame(&view, facts, &view.directive(facts), &Default::default());
        told.epoch = Epoch(told.epoch.0 + 1);
        told.state = State::Halted;
        told.unrecorded = vec![andon::protocol::UnrecordedHold {
            id: lost.clone(),
            level: Level::Kill,
            scope: "fleet".into(),
            by: "M. Okafor".into(),
            why: "lost".into(),
            at: test.app.clock.now(),
        }];
        agent.obey_quietly(&told);
    }
    for (bot, agent) in &mut both {
        agent.check_in(&test.app).await.unwrap();
        let view = test.app.fleet.view();
        let mut imported = view.open_holds().filter(|hold| hold.scope == Scope::Bot(bot.id.clone()));
        let hold = imported.next().expect("each bot keeps its stop");
        assert_eq!(hold.origin.as_deref(), Some(lost.as_str()));
        assert_eq!(hold.level, Level::Pause, "at most a pause");
        assert!(imported.next().is_none(), "once");
    }
    for (bot, agent) in &mut both {
        agent.settle(&test.app).await;
        let view = test.app.fleet.view();
        let hold = view.open_holds().find(|hold| hold.scope == Scope::Bot(bot.id.clone())).unwrap().id.clone();
        assert!(matches!(test.release(&hold, &["operator"]).await.unwrap(), Outcome::Waits), "an imported hold needs a second person");
        test.release(&hold, &["lead", "risk"]).await.unwrap();
        agent.settle(&test.app).await;
        test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
        agent.settle(&test.app).await;
        assert_eq!(agent.state, State::Active, "and the bot is not stuck");
    }
    test.log_is_good().await;
});

on_both!(a_reduce_gives_back_what_was_there_and_a_wide_hold_needs_two, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (_, mut agent) = trading(&test).await;
    let placed = test.press("operator", Scope::Team(test.team("arb")), Level::Reduce).await;
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Reducing);
    assert!(matches!(test.release(&placed.hold.id, &["operator"]).await, Err(AppError::Denied(_))), "an operator releases no team");
    let act = test.app.prepare_release(&test.actor("lead"), &placed.hold.id, "over").await.unwrap();
    assert!(matches!(test.sign("lead", &act).await.unwrap(), Outcome::Waits));
    assert!(test.sign("lead", &act).await.is_err(), "one person is not two");
    assert!(test.sign("admin", &act).await.is_err());
    assert!(test.sign("operator", &act).await.is_err());
    assert!(matches!(test.sign("grid lead", &act).await.unwrap(), Outcome::Done(_)));
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active, "a reduce needs no start");
    assert!(test.sign("risk", &act).await.is_err(), "an act is carried out once");
});

on_both!(risk_placed_it_and_risk_must_sign, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, _) = trading(&test).await;
    let placed = test.press("risk", Scope::Bot(bot.id.clone()), Level::Pause).await;
    let act = test.app.prepare_release(&test.actor("operator"), &placed.hold.id, "over").await.unwrap();
    assert!(matches!(test.sign("operator", &act).await.unwrap(), Outcome::Waits));
    let refused = test.sign("lead", &act).await.unwrap_err();
    assert!(refused.to_string().contains("risk"), "{refused}");
    assert!(matches!(test.sign("risk", &act).await.unwrap(), Outcome::Done(_)));
});

on_both!(what_risk_placed_on_one_bot_takes_risk_and_somebody_of_its_team, |fresh: Fresh| async move {
    let mut test = TestApp::new(fresh).await;
    let other = test.invite("second risk", vec![Grant { role: Role::Risk, team: None }]).await;
    test.people.insert("second risk", other);
    let (bot, _) = trading(&test).await;
    for (first, second, is_pair) in [
        ("operator", "risk", true),
        ("lead", "second risk", true),
        ("risk", "lead", true),
        ("risk", "grid lead", false),
        ("risk", "second risk", false),
        ("risk", "operator", false),
        ("operator", "lead", false),
        ("lead", "grid lead", false),
    ] {
        let placed = test.press("risk", Scope::Bot(bot.id.clone()), Level::Pause).await;
        let act = test.app.prepare_release(&test.actor(first), &placed.hold.id, "over").await.unwrap();
        assert!(matches!(test.sign(first, &act).await.unwrap(), Outcome::Waits), "{first}");
        assert_eq!(test.sign(second, &act).await.is_ok(), is_pair, "{first} and {second}");
    }
    for first in ["grid lead", "grid operator", "admin"] {
        let placed = test.press("risk", Scope::Bot(bot.id.clone()), Level::Pause).await;
        assert!(test.app.prepare_release(&test.actor(first), &placed.hold.id, "over").await.is_err(), "{first}");
    }
});

on_both!(an_agent_stops_its_own_bot_once_and_nothing_else, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, agent) = trading(&test).await;
    let live = agent.live(&test.app);
    let frame = HoldFrame { id: HoldId::new(), level: Level::Pause, why: "daily loss".into() };
    let one = test.app.agent_hold(&live, &frame).await.unwrap();
    let two = test.app.agent_hold(&live, &frame).await.unwrap();
    let three = test.app.agent_hold(&live, &HoldFrame { id: HoldId::new(), ..frame.clone() }).await.unwrap();
    assert_eq!((one.hold.id.clone(), one.hold.id.clone()), (two.hold.id, three.hold.id));
    assert_eq!(one.hold.scope, Scope::Bot(bot.id));
    let kill = HoldFrame { id: HoldId::new(), level: Level::Kill, why: String::new() };
    assert!(matches!(test.app.agent_hold(&live, &kill).await, Err(AppError::Invalid(_))));
});

on_both!(who_may_not_stop_is_told_who_may_and_nothing_changes, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.bot("arb-1", "arb").await;
    let press =
        Press { scope: Scope::Fleet, level: Level::Pause, why: String::new(), idempotency_key: String::new(), terms: Default::default() };
    let refused = test.app.place(test.actor("auditor"), press.clone()).await.unwrap_err();
    assert!(matches!(&refused, AppError::Denied(denied) if denied.who.contains("operator")), "{refused}");
    let unknown = Press { scope: Scope::Bot(andon::domain::BotId::new()), ..press.clone() };
    assert!(matches!(test.app.place(test.actor("risk"), unknown).await, Err(AppError::NotFound("bot"))));
    assert_eq!(test.app.fleet.view().open_holds().count(), 0);
    let host = test.app.place(Actor::Host { user: "root".into() }, press).await.unwrap();
    assert_eq!(host.kept, Kept::Recorded, "the host's own command line always may");
});

on_both!(a_receipt_claims_only_what_was_acknowledged, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, agent) = trading(&test).await;
    let placed = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await;
    let look = async || test.app.receipt(&test.actor("operator"), &placed.hold.id).await;
    let step = |receipt: andon::fleet::Receipt| receipt.bots[0].step();
    assert_eq!(step(look().await.unwrap()), Step::Requested);
    agent.ack(&test.app, placed.hold.epoch, Step::Received).await;
    assert_eq!(step(look().await.unwrap()), Step::Received);
    // Still trading: an `applied` of an active bot proves nothing.
    agent.ack(&test.app, placed.hold.epoch, Step::Applied).await;
    assert_eq!(step(look().await.unwrap()), Step::Received);
    test.hand.forward_ms(6_000);
    assert!(look().await.unwrap().bots[0].unconfirmed, "overdue and said so");
    let restarted = test.restarted().await;
    let again = restarted.receipt(&test.actor("operator"), &placed.hold.id).await.unwrap();
    assert_eq!(again.bots[0].step(), Step::Received, "acknowledgements survive a restart");
});

on_both!(a_bot_in_draft_is_covered_and_halted, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (bot, mut agent) = trading(&test).await;
    test.app.set_stage(&test.actor("operator"), &bot.id, Stage::Draft).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted, "down is immediate and a stop");
    let refused = test.app.set_stage(&test.actor("operator"), &bot.id, Stage::Live).await.unwrap_err();
    assert!(refused.to_string().contains("go-live"), "{refused}");
});

on_both!(holds_of_one_press_are_released_together_each_under_its_own_rule, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (one, two) = (test.bot("arb-1", "arb").await, test.bot("arb-2", "arb").await);
    let press = |key: &str| Press {
        scope: Scope::Fleet,
        level: Level::Pause,
        why: String::new(),
        idempotency_key: key.to_owned(),
        terms: andon::app::holds::Terms::default(),
    };
    let (operator, risk) = (test.actor("operator"), test.actor("risk"));
    let ids = |placed: Vec<(Scope, Result<andon::app::holds::Placed, AppError>)>| -> Vec<HoldId> {
        placed.into_iter().map(|(_, placed)| placed.unwrap().hold.id).collect()
    };
    let bots = vec![Scope::Bot(one.id.clone()), Scope::Bot(two.id.clone())];
    let held = ids(test.app.place_several(&operator, bots.clone(), &press("a")).await);
    let open = || test.app.fleet.view().open_holds().count();
    assert!(test.app.prepare_releases(&operator, &held[0], "").await.is_err(), "a reason is asked for");
    let act = test.app.prepare_releases(&operator, &held[0], "it is over").await.unwrap();
    assert_eq!((act.act.kind.word(), act.stored.signers_needed), ("releases", 1), "each of them takes one");
    assert!(matches!(test.sign("operator", &act).await.unwrap(), Outcome::Done(_)));
    assert_eq!(open(), 0, "both, with one signature");
    // One that takes two people makes the act take two, and whoever may not release one of them releases none.
    let wide = vec![bots[0].clone(), Scope::Fleet];
    let held = ids(test.app.place_several(&risk, wide, &press("b")).await);
    let refused = test.app.prepare_releases(&operator, &held[0], "it is over").await;
    assert!(matches!(&refused, Err(AppError::Conflict(why)) if why.iter().any(|why| why.contains("the whole fleet"))), "{refused:?}");
    let act = test.app.prepare_releases(&risk, &held[0], "it is over").await.unwrap();
    assert_eq!(act.stored.signers_needed, 2);
    assert!(matches!(test.sign("risk", &act).await.unwrap(), Outcome::Waits));
    assert!(test.sign("grid operator", &act).await.is_err(), "no second signer of a fleet's hold");
    assert_eq!(open(), 2, "none before the second");
    assert!(matches!(test.sign("lead", &act).await.unwrap(), Outcome::Done(_)));
    assert_eq!(open(), 0);
    let over = test.app.hold(&risk, &held[0]).await.unwrap();
    let signers = test.app.signers_of_release(&over).await.unwrap();
    assert_eq!(signers, [test.people["risk"].id.clone(), test.people["lead"].id.clone()], "both are named");
    test.log_is_good().await;
});
