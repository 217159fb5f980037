//! What a hold can cover and how strict it can be: venues, subaccounts, strategies, one symbol, several at once; kills; a moment before which
//! nobody may release; limits that are tightened.

use crate::harness::{
    agent::{Agent, ready},
    app::TestApp,
    db::{Fresh, on_both},
};
use andon::{
    app::{
        AppError,
        bots::NewBot,
        holds::{Kept, Press, Terms},
    },
    authz::Actor,
    domain::{BotFacts, Epoch, Level, Orders, Scope, Stage, State, StopKind, Symbol, TokenId, TokenScope},
    workers,
};
use std::collections::BTreeSet;

/// Two bots that trade, each at a venue of its own.
struct Two {
    test: TestApp,
    bots: [BotFacts; 2],
    agents: [Agent; 2],
}

impl Two {
    async fn trading(fresh: Fresh) -> Self {
        let test = TestApp::new(fresh).await;
        let lead = test.actor("lead");
        let mut bots = Vec::new();
        let mut agents = Vec::new();
        for (name, venue) in [("arb-1", "binance testnet"), ("arb-2", "kraken demo")] {
            let bot = test.bot(name, "arb").await;
            test.app.create_venue(&lead, venue, "test").await.unwrap();
            let subaccount = test.app.create_subaccount(&lead, venue, "main").await.unwrap();
            test.app.seat_bot(&test.actor("operator"), &bot.id, Some(&subaccount.id)).await.unwrap();
            agents.push(ready(&test, &bot, "operator").await);
            bots.push(bot);
        }
        let ids: Vec<_> = bots.iter().map(|bot| bot.id.clone()).collect();
        test.start(&ids, &["operator", "lead"]).await.unwrap();
        let mut two = Self { test, bots: bots.try_into().unwrap(), agents: agents.try_into().ok().unwrap() };
        two.settle().await;
        assert_eq!(two.states(), [State::Active; 2]);
        two
    }

    async fn settle(&mut self) {
        for agent in &mut self.agents {
            agent.settle(&self.test.app).await;
        }
    }
    fn states(&self) -> [State; 2] {
        [self.agents[0].state, self.agents[1].state]
    }
    fn scope(&self, kind: &str, name: &str) -> Scope {
        self.test.app.scope_named(kind, name).unwrap()
    }
    fn facts(&self, n: usize) -> BotFacts {
        BotFacts::clone(self.test.app.fleet.view().bot(&self.bots[n].id).unwrap())
    }
}

fn conflict(refused: Result<impl std::fmt::Debug, AppError>) -> String {
    match refused {
        Err(AppError::Conflict(reasons)) => reasons.join("; "),
        other => panic!("{other:?}"),
    }
}

on_both!(a_hold_on_a_venue_a_subaccount_or_a_strategy_stops_the_bots_there_and_no_other, |fresh: Fresh| async move {
    let mut two = Two::trading(fresh).await;
    let scopes = [
        (two.scope("venue", "Binance Testnet"), [State::Halted, State::Active]),
        (two.scope("subaccount", "kraken demo/main"), [State::Halted, State::Halted]),
    ];
    for (scope, states) in scopes {
        two.test.press("operator", scope, Level::Pause).await;
        two.settle().await;
        assert_eq!(two.states(), states);
    }
    let strategy = two.scope("strategy", "GRID");
    let placed = two.test.press("operator", strategy, Level::Reduce).await;
    assert_eq!(two.test.app.fleet.view().under(&placed.hold).len(), 2);
    assert!(placed.beside.is_empty(), "none of the others covers all of it");
    two.test.log_is_good().await;
});

on_both!(a_bot_that_leaves_a_venue_takes_its_holds_along_and_none_gets_out_by_a_new_seat, |fresh: Fresh| async move {
    let mut two = Two::trading(fresh).await;
    let hold = two.test.press("operator", two.scope("venue", "binance testnet"), Level::Pause).await.hold;
    two.settle().await;
    let operator = two.test.actor("operator");
    two.test.app.seat_bot(&operator, &two.bots[0].id, None).await.unwrap();
    assert!(two.test.app.fleet.view().covers(&hold, &two.facts(0)), "moving sheds nothing");
    let refused = two.test.start(std::slice::from_ref(&two.bots[0].id), &["operator"]).await;
    assert!(conflict(refused).contains("covers it"));
    let taken = two.test.app.venues().subaccount_named("kraken demo/main").unwrap();
    let refused = two.test.app.seat_bot(&operator, &two.bots[0].id, Some(&taken.id)).await;
    assert!(conflict(refused).contains("arb-2 has this subaccount"), "one subaccount, one bot");
    let live = two.test.app.create_venue(&two.test.actor("risk"), "binance", "live").await.unwrap();
    let real = two.test.app.create_subaccount(&two.test.actor("risk"), live.id.as_str(), "main").await.unwrap();
    let refused = two.test.app.seat_bot(&operator, &two.bots[0].id, Some(&real.id)).await;
    assert!(conflict(refused).contains("live venue"), "a bot in sandbox never meets a live venue");
    let of_one = two.scope("subaccount", "binance testnet/main");
    assert_eq!(two.test.app.fleet.view().in_scope(&of_one).len(), 0, "the seat is free again");
    two.test.log_is_good().await;
});

on_both!(one_symbol_is_held_and_the_bots_go_on_elsewhere, |fresh: Fresh| async move {
    let mut two = Two::trading(fresh).await;
    let there = two.scope("symbol", "eth/usdt@kraken demo");
    // Whatever level is pressed: there is one meaning for a symbol.
    let placed = two.test.press("operator", there, Level::Pause).await;
    assert_eq!(placed.hold.level, Level::Reduce);
    let view = two.test.app.fleet.view();
    let [first, second] = [0, 1].map(|n| view.directive(&two.facts(n)));
    assert!(first.blocked.is_empty() && second.state == State::Active && second.reasons.is_empty());
    assert_eq!(second.blocked.iter().map(|one| one.symbol.as_str()).collect::<Vec<_>>(), ["ETH/USDT"]);
    assert_eq!(second.holds, std::slice::from_ref(&placed.hold.id));
    let heard = two.agents[1].check_in(&two.test.app).await.unwrap();
    let blocked: Vec<_> = heard.directive.blocked.iter().map(|one| (one.venue.as_deref(), one.symbol.as_str())).collect();
    assert_eq!(blocked, [(Some("kraken demo"), "ETH/USDT")]);
    two.settle().await;
    assert_eq!(two.states(), [State::Active; 2]);
    let everywhere = Scope::Symbol(Symbol::parse("BTC/USDT").unwrap(), None);
    two.test.press("lead", everywhere, Level::Reduce).await;
    let view = two.test.app.fleet.view();
    assert_eq!([0, 1].map(|n| view.directive(&two.facts(n)).blocked.len()), [1, 2]);
    two.settle().await;
    let receipt = two.test.app.receipt(&two.test.actor("operator"), &placed.hold.id).await.unwrap();
    assert_eq!((receipt.total(), receipt.is_complete()), (1, true), "one bot is under it and has applied it");
    two.test.release(&placed.hold.id, &["lead", "risk"]).await.unwrap();
    let view = two.test.app.fleet.view();
    assert_eq!(view.directive(&two.facts(1)).blocked.len(), 1, "its release ends it; the other stands");
    assert_eq!(view.directive(&two.facts(1)).state, State::Active, "and nothing needs a start");
    two.test.log_is_good().await;
});

on_both!(a_symbol_is_no_kill_and_hides_no_other_stop, |fresh: Fresh| async move {
    let mut two = Two::trading(fresh).await;
    let symbol = Scope::Symbol(Symbol::parse("BTC/USDT").unwrap(), None);
    two.test.press("operator", symbol, Level::Reduce).await;
    let placed = two.test.press("operator", Scope::Fleet, Level::Pause).await;
    assert!(!placed.repeated && placed.beside.is_empty(), "whoever holds one symbol holds nothing else");
    two.settle().await;
    assert_eq!(two.states(), [State::Halted; 2]);
});

on_both!(a_kill_takes_bots_back_to_draft_and_two_people_end_it, |fresh: Fresh| async move {
    let mut two = Two::trading(fresh).await;
    let own = Scope::Bot(two.bots[0].id.clone());
    let grid = two.test.actor("grid operator");
    let press =
        |scope: Scope| Press { scope, level: Level::Kill, why: String::new(), idempotency_key: String::new(), terms: Terms::default() };
    assert!(matches!(two.test.app.place(grid, press(own.clone())).await, Err(AppError::Denied(_))), "another team's");
    let operator = two.test.actor("operator");
    assert!(matches!(two.test.app.place(operator.clone(), press(Scope::Team(two.bots[0].team.clone()))).await, Err(AppError::Denied(_))));
    let token = Actor::Token { id: TokenId::new(), name: "t".into(), scope: TokenScope::Operate, team: None };
    assert!(matches!(two.test.app.place(token, press(own.clone())).await, Err(AppError::Denied(_))), "never a token");
    let placed = two.test.app.place(operator, press(own)).await.unwrap();
    let told = two.test.app.fleet.view().directive(&two.facts(0));
    assert_eq!((told.state, told.orders, told.drop_keys), (State::Halted, Orders::CancelAll, true));
    two.settle().await;
    assert_eq!(two.states(), [State::Halted, State::Active]);
    let refused = two.test.release(&placed.hold.id, &["lead", "risk"]).await;
    assert!(conflict(refused).contains("taken back to draft"), "nothing is released before its bots are in draft");
    assert_eq!(two.test.app.settle_kills().await.unwrap(), 1);
    assert_eq!((two.facts(0).stage, two.facts(1).stage), (Stage::Draft, Stage::Sandbox));
    assert_eq!(two.test.app.settle_kills().await.unwrap(), 0);
    let up = two.test.app.set_stage(&two.test.actor("lead"), &two.bots[0].id, Stage::Sandbox).await;
    assert!(conflict(up).contains("kill covers it"));
    let alone = two.test.app.prepare_release(&two.test.actor("operator"), &placed.hold.id, "over").await;
    assert!(matches!(alone, Err(AppError::Denied(_))), "an operator releases no kill, of one bot either");
    two.test.release(&placed.hold.id, &["lead", "risk"]).await.unwrap();
    two.settle().await;
    let draft = two.test.start(std::slice::from_ref(&two.bots[0].id), &["operator"]).await;
    assert!(conflict(draft).contains("stage is draft"));
    two.test.log_is_good().await;
});

on_both!(a_kill_of_the_fleet_reaches_bots_whose_database_row_comes_later, |fresh: Fresh| async move {
    let mut two = Two::trading(fresh).await;
    let press =
        Press { scope: Scope::Fleet, level: Level::Kill, why: "theft".into(), idempotency_key: String::new(), terms: Terms::default() };
    let placed = two.test.app.place(Actor::Host { user: "root".into() }, press).await.unwrap();
    let asked = NewBot { name: "late".into(), team: two.bots[0].team.to_string(), strategy: "grid".into(), ..NewBot::default() };
    let late = two.test.app.create_bot(&two.test.actor("operator"), &asked).await.unwrap();
    let up = two.test.app.set_stage(&two.test.actor("operator"), &late.id, Stage::Sandbox).await;
    assert!(conflict(up).contains("kill covers it"), "a bot of tomorrow is covered too");
    two.settle().await;
    assert_eq!(two.test.app.settle_kills().await.unwrap(), 2);
    two.test.release(&placed.hold.id, &["risk", "lead"]).await.unwrap();
    two.test.log_is_good().await;
});

on_both!(nobody_releases_before_the_moment_that_the_press_named, |fresh: Fresh| async move {
    let two = Two::trading(fresh).await;
    let now = two.test.hand.clock().now();
    let press = |hours: i64, key: &str| Press {
        scope: Scope::Bot(two.bots[0].id.clone()),
        level: Level::Pause,
        why: String::new(),
        idempotency_key: key.into(),
        terms: Terms { not_before: Some(now.plus_ms(hours * 3_600_000)), with: None },
    };
    let placed = two.test.app.place(two.test.actor("operator"), press(4, "a")).await.unwrap();
    let stored = two.test.app.hold(&two.test.actor("operator"), &placed.hold.id).await.unwrap();
    assert_eq!(stored.not_before, Some(now.plus_ms(4 * 3_600_000)));
    assert!(conflict(two.test.release(&placed.hold.id, &["operator"]).await).contains("may not end before"));
    two.test.hand.forward_ms(4 * 3_600_000 + 1);
    two.test.release(&placed.hold.id, &["operator"]).await.unwrap();
    // A slip of the hand holds nothing for ever, and what lies behind is no condition: neither refuses the stop.
    let far = two.test.app.place(two.test.actor("lead"), press(24 * 365, "b")).await.unwrap();
    assert!(far.hold.not_before.unwrap().ms_since(two.test.hand.clock().now()) <= 7 * 24 * 3_600_000);
    let past = two.test.app.place(two.test.actor("risk"), press(-1, "c")).await.unwrap();
    assert_eq!(past.hold.not_before, None);
    // Whoever presses again and names a moment is not answered with the hold that has none, whatever key came with it.
    for key in ["c", "d"] {
        let later = two.test.app.place(two.test.actor("risk"), press(24, key)).await.unwrap();
        assert!(later.hold.id != past.hold.id && later.hold.not_before.is_some(), "{key}");
        assert_eq!(later.repeated, key == "d", "and asked for once more it is the same");
    }
    two.test.log_is_good().await;
});

on_both!(several_scopes_are_stopped_by_one_press_each_by_its_own_hold, |fresh: Fresh| async move {
    let mut two = Two::trading(fresh).await;
    let scopes = vec![two.scope("venue", "binance testnet"), two.scope("bot", "arb-2"), Scope::Bot(andon::domain::BotId::new())];
    let press =
        Press { scope: Scope::Fleet, level: Level::Pause, why: "both".into(), idempotency_key: "one".into(), terms: Terms::default() };
    let outcomes = two.test.app.place_several(&two.test.actor("operator"), scopes.clone(), &press).await;
    let [Ok(first), Ok(second), Err(AppError::NotFound(_))] = [&outcomes[0].1, &outcomes[1].1, &outcomes[2].1] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(first.hold.press, second.hold.press);
    assert_eq!(two.test.app.holds_with(&first.hold).await.unwrap().iter().map(|hold| &hold.id).collect::<Vec<_>>(), [&second.hold.id]);
    two.settle().await;
    assert_eq!(two.states(), [State::Halted; 2]);
    let again = two.test.app.place_several(&two.test.actor("operator"), scopes, &press).await;
    assert!(again[..2].iter().all(|(_, placed)| placed.as_ref().unwrap().repeated), "the same press again is the same holds");
    assert_eq!(two.test.app.fleet.view().open_holds().count(), 2);
    two.test.log_is_good().await;
});

on_both!(a_press_of_three_hundred_scopes_is_recorded_whole_and_in_a_few_transactions, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let scopes: Vec<Scope> = (0..300).map(|n| test.app.scope_named("symbol", &format!("S{n}/USDT")).unwrap()).collect();
    let press = Press {
        scope: Scope::Fleet,
        level: Level::Pause,
        why: "all of them".into(),
        idempotency_key: String::new(),
        terms: Terms::default(),
    };
    let placed = test.app.place_several(&test.actor("risk"), scopes.clone(), &press).await;
    let holds: Vec<_> = placed.into_iter().map(|(_, placed)| placed.unwrap()).collect();
    assert_eq!(holds.len(), 300);
    assert!(holds.iter().all(|placed| placed.kept != Kept::NotRecorded));
    // On a machine that is slow enough some come late.
    test.app.merge_unrecorded().await.unwrap();
    let view = test.app.fleet.view();
    assert_eq!((view.open_holds().count(), view.unrecorded().len()), (300, 0));
    let epochs: BTreeSet<Epoch> = view.open_holds().map(|hold| hold.epoch).collect();
    assert!(epochs.len() < 300, "{} transactions", epochs.len());
    let entries: BTreeSet<_> = view.open_holds().filter_map(|hold| hold.entry).collect();
    assert_eq!(entries.len(), 300, "each has an entry of its own");
    // The same again is no other hold, on a server that has just read them as well.
    let again = test.app.place_several(&test.actor("risk"), scopes, &press).await;
    let same = again.iter().zip(&holds).filter(|((_, again), first)| again.as_ref().unwrap().hold.id == first.hold.id);
    assert_eq!(same.count(), 300);
    test.log_is_good().await;
});

fn invalid(refused: Result<impl std::fmt::Debug, AppError>) -> String {
    match refused {
        Err(AppError::Invalid(invalid)) => invalid.0.iter().map(|(_, said)| said.as_str()).collect::<Vec<_>>().join("; "),
        other => panic!("{other:?}"),
    }
}

on_both!(names_that_differ_in_case_alone_are_one_name_and_none_is_stopped_for_another, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let lead = test.actor("lead");
    let app = &test.app;
    let binance = app.create_venue(&lead, "binance", "live").await.unwrap();
    assert!(invalid(app.create_venue(&lead, "BINANCE", "test").await).contains("There is a venue of that name: binance"));
    app.create_subaccount(&lead, "Binance", "main").await.unwrap();
    assert!(invalid(app.create_subaccount(&lead, "binance", "MAIN").await).contains("subaccount of that name: main"));
    for slashed in ["kraken/eu", "/"] {
        assert!(invalid(app.create_venue(&lead, slashed, "live").await).contains("slash"), "never another name than was typed");
        assert!(invalid(app.create_subaccount(&lead, "binance", slashed).await).contains("slash"));
    }
    let other = app.create_venue(&lead, "other", "test").await.unwrap();
    app.create_subaccount(&lead, "other", "main").await.unwrap();
    let said = invalid(app.scope_named("subaccount", "main"));
    assert!(said.contains("binance/main") && said.contains("other/main") && said.contains("write VENUE/NAME"), "{said}");
    assert_eq!(app.scope_named("venue", "BINANCE").unwrap(), Scope::Venue(binance.id.clone()), "one alone may be typed in any case");

    // An installation may have such names from before.
    test.execute("UPDATE venue SET name = 'BINANCE' WHERE name = 'other'").await;
    let app = test.restarted().await;
    let said = invalid(app.scope_named("venue", "Binance"));
    assert!(said.contains("binance") && said.contains("BINANCE"), "{said}");
    assert!(invalid(app.scope_named("symbol", "BTC/USDT@Binance")).contains("BINANCE"));
    assert_eq!(app.scope_named("venue", "binance").unwrap(), Scope::Venue(binance.id));
    assert_eq!(app.scope_named("venue", "BINANCE").unwrap(), Scope::Venue(other.id));
    assert!(matches!(app.scope_named("venue", "kraken"), Err(AppError::NotFound(_))));
});

on_both!(bots_that_are_bound_are_found_by_way_of_each_other, |fresh: Fresh| async move {
    let two = Two::trading(fresh).await;
    let third = two.test.bot("arb-3", "arb").await;
    let operator = two.test.actor("operator");
    two.test.app.link_bots(&operator, &two.bots[0].id, "arb-2", "two legs").await.unwrap();
    two.test.app.link_bots(&operator, &third.id, "ARB-2", "follower").await.unwrap();
    assert!(conflict(two.test.app.link_bots(&operator, &two.bots[1].id, "arb-1", "again").await).contains("already"));
    let none = two.test.app.link_bots(&operator, &two.bots[0].id, "arb-1", "itself").await;
    assert!(matches!(none, Err(AppError::Invalid(_))));
    let mut linked = two.test.app.venues().linked(&two.bots[0].id);
    linked.sort();
    let mut expected = vec![two.bots[1].id.clone(), third.id.clone()];
    expected.sort();
    assert_eq!(linked, expected);
    two.test.app.unlink_bots(&operator, &two.bots[1].id, &two.bots[0].id).await.unwrap();
    assert!(two.test.app.venues().linked(&two.bots[0].id).is_empty());
    assert_eq!(two.test.app.fleet.view().open_holds().count(), 0, "a bond stops nothing by itself");
    two.test.log_is_good().await;
});

on_both!(a_tightening_reduces_until_the_agent_has_taken_it_over, |fresh: Fresh| async move {
    let mut two = Two::trading(fresh).await;
    let (operator, bot) = (two.test.actor("operator"), two.bots[0].id.clone());
    assert!(conflict(two.test.app.halve_limits(&operator, &bot, 0).await).contains("no limits"));
    let asked = |text: &str| vec![("max_order_notional".to_owned(), text.to_owned()), ("strange".to_owned(), "1".to_owned())];
    two.test.app.tighten_limits(&operator, &bot, &asked("2000"), "first").await.unwrap();
    let view = two.test.app.fleet.view();
    assert_eq!(view.directive(&two.facts(0)).state, State::Reducing, "nobody has taken it over yet");
    two.settle().await;
    let facts = two.facts(0);
    assert_eq!((facts.limits.version, facts.limits_waiting), (1, false));
    assert_eq!(two.states(), [State::Active; 2], "and then it goes on, without a start");
    two.test.app.halve_limits(&operator, &bot, 1).await.unwrap();
    two.settle().await;
    assert_eq!(two.facts(0).limits.values["max_order_notional"], "1000");
    assert!(conflict(two.test.app.halve_limits(&operator, &bot, 1).await).contains("version 2 stands, 1 was shown"));
    assert_eq!(two.facts(0).limits.values["max_order_notional"], "1000", "the same press sent again halves nothing again");
    let loosens = two.test.app.tighten_limits(&operator, &bot, &asked("1500"), "").await;
    assert!(matches!(loosens, Err(AppError::Invalid(_))), "{loosens:?}");
    let grid = two.test.app.tighten_limits(&two.test.actor("grid operator"), &bot, &asked("1"), "").await;
    assert!(matches!(grid, Err(AppError::Denied(_))));
    let (risk, team, seen) = (two.test.actor("risk"), two.bots[0].team.clone(), [(bot.clone(), 2)]);
    let halved = two.test.app.halve_limits_of_team(&risk, &team, &seen).await.unwrap();
    assert_eq!((halved.bots, halved.meanwhile), (1, 0));
    assert!(conflict(two.test.app.halve_limits_of_team(&risk, &team, &seen).await).contains("nothing was halved again"));
    assert_eq!(two.facts(0).limits.values["max_order_notional"], "500", "pressed twice is halved once");
    assert!(conflict(two.test.app.halve_limits_of_team(&risk, &team, &[]).await).contains("no bot of this team"));
    let history = two.test.app.limits_history(&operator, &bot).await.unwrap();
    assert_eq!(
        history.iter().map(|row| (row.version, row.why.as_str())).collect::<Vec<_>>(),
        [(3, "tightened by half"), (2, "tightened by half"), (1, "first")]
    );
    two.test.log_is_good().await;
});

on_both!(an_agent_that_is_heard_and_takes_no_tightening_over_is_stopped, |fresh: Fresh| async move {
    let mut two = Two::trading(fresh).await;
    let (operator, bot) = (two.test.actor("operator"), two.bots[0].id.clone());
    two.test.app.tighten_limits(&operator, &bot, &[("max_leverage".to_owned(), "1".to_owned())], "").await.unwrap();
    two.agents[0].limits_version = Some(0);
    two.test.hand.forward_ms(4_000);
    two.agents[0].check_in(&two.test.app).await.unwrap();
    workers::limits::round(&two.test.app).await;
    assert_eq!(two.facts(0).stop.map(|stop| stop.kind), two.facts(1).stop.map(|stop| stop.kind), "5 s are not over");
    two.test.hand.forward_ms(1_500);
    two.agents[0].check_in(&two.test.app).await.unwrap();
    workers::limits::round(&two.test.app).await;
    let stop = two.facts(0).stop.unwrap();
    assert_eq!(stop.kind, StopKind::LimitsNotAcknowledged);
    workers::limits::round(&two.test.app).await;
    assert_eq!(two.facts(0).stop.unwrap().epoch, stop.epoch, "once");
    // Five seconds of contact: one that was away in between has been told with the answer to its first word.
    let bot = two.bots[1].id.clone();
    two.test.app.tighten_limits(&two.test.actor("operator"), &bot, &[("max_leverage".to_owned(), "1".to_owned())], "").await.unwrap();
    let before = two.facts(1).stop.map(|stop| stop.epoch);
    two.test.hand.forward_ms(8_000);
    two.agents[1].limits_version = Some(0);
    two.agents[1].check_in(&two.test.app).await.unwrap();
    workers::limits::round(&two.test.app).await;
    two.test.hand.forward_ms(4_000);
    two.agents[1].check_in(&two.test.app).await.unwrap();
    workers::limits::round(&two.test.app).await;
    assert_eq!(two.facts(1).stop.map(|stop| stop.epoch), before, "4 s of contact");
    two.test.hand.forward_ms(1_500);
    workers::limits::round(&two.test.app).await;
    assert_eq!(two.facts(1).stop.unwrap().kind, StopKind::LimitsNotAcknowledged, "5.5 s of contact, and it has spoken since");
    two.agents[0].limits_version = None;
    two.settle().await;
    assert_eq!(two.states()[0], State::Halted, "taking it over later starts nothing");
    assert!(stop.epoch > Epoch(0));
    two.test.log_is_good().await;
});
