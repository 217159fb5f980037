//! No path from halted to active without a signed start that is newer than every stop.

use crate::harness::{
    agent::{Agent, ready},
    app::TestApp,
    db::{Fresh, Kind, fresh, on_both},
};
use crate::log::copy::Raw;
use andon::{
    app::{AppError, acts::Outcome, check_in::Unheard},
    domain::{BotFacts, BotId, Epoch, Level, Scope, State, Step, StopKind},
    storage::Lane,
    workers,
};

async fn bots(test: &TestApp, how_many: usize) -> Vec<(BotFacts, Agent)> {
    let mut all = Vec::new();
    for n in 0..how_many {
        let bot = test.bot(&format!("arb-{n}"), "arb").await;
        let agent = ready(test, &bot, "operator").await;
        all.push((bot, agent));
    }
    all
}

fn reasons(refused: AppError) -> String {
    match refused {
        AppError::Conflict(reasons) => reasons.join("; "),
        other => panic!("{other:?}"),
    }
}

on_both!(one_person_starts_one_bot_and_two_start_several, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 3).await;
    let ids: Vec<BotId> = all.iter().map(|(bot, _)| bot.id.clone()).collect();
    assert!(matches!(test.start(&ids[..1], &["operator"]).await.unwrap(), Outcome::Done(_)));
    let act = test.app.prepare_start(&test.actor("operator"), &ids[1..], &[]).await.unwrap();
    assert!(matches!(test.sign("operator", &act).await.unwrap(), Outcome::Waits));
    all[1].1.settle(&test.app).await;
    assert_eq!(all[1].1.state, State::Halted, "one signature of two starts nothing");
    assert!(test.sign("grid operator", &act).await.is_err(), "an operator is no second signer of a start");
    assert!(matches!(test.sign("risk", &act).await.unwrap(), Outcome::Done(_)));
    for (_, agent) in &mut all {
        agent.settle(&test.app).await;
        assert_eq!(agent.state, State::Active);
    }
    assert!(matches!(test.start(&ids[..1], &["operator"]).await, Err(AppError::Conflict(_))), "a running bot is not started");
    test.log_is_good().await;
});

on_both!(a_start_proves_what_it_starts_to_the_agent, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 3).await;
    let ids: Vec<BotId> = all.iter().map(|(bot, _)| bot.id.clone()).collect();
    test.start(&ids, &["operator", "lead"]).await.unwrap();
    for (bot, agent) in &mut all {
        let heard = agent.check_in(&test.app).await.unwrap();
        let heard = if heard.directive.start.is_some() { heard } else { agent.check_in(&test.app).await.unwrap() };
        let start = heard.directive.start.expect("an active directive carries its start");
        let act = data_encoding::BASE64URL_NOPAD.decode(start.act.as_bytes()).unwrap();
        let act: serde_json::Value = serde_json::from_slice(&act).unwrap();
        assert_eq!(act["count"], 3);
        assert_eq!(start.leaf["bot"], bot.id.as_str());
        assert_eq!(start.assertions.len(), 2);
        let decode = |text: &str| -> [u8; 32] { data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).unwrap().try_into().unwrap() };
        let proof: Vec<[u8; 32]> = start.proof.iter().map(|hash| decode(hash)).collect();
        let leaf = andon::audit::record::leaf_hash(&serde_json_canonicalizer::to_vec(&start.leaf).unwrap());
        assert!(andon::audit::tree::verify_inclusion(&leaf, start.leaf_index, 3, &proof, &decode(act["root"].as_str().unwrap())));
    }
});

on_both!(a_stop_that_nobody_proved_cannot_be_passed, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 1).await;
    let (bot, agent) = &mut all[0];
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    let placed = test.press("operator", Scope::Bot(bot.id.clone()), Level::Pause).await;
    test.release(&placed.hold.id, &["operator"]).await.unwrap();
    // The agent was told nothing of either: it still trades.
    let refused = reasons(test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap_err());
    assert!(refused.contains("not acknowledged"), "{refused}");
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted, "the press reached it although it was released meanwhile");
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
});

on_both!(a_stop_between_the_signatures_wins, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 2).await;
    let ids: Vec<BotId> = all.iter().map(|(bot, _)| bot.id.clone()).collect();
    let act = test.app.prepare_start(&test.actor("operator"), &ids, &[]).await.unwrap();
    test.sign("operator", &act).await.unwrap();
    let placed = test.press("lead", Scope::Bot(ids[0].clone()), Level::Pause).await;
    let refused = reasons(test.sign("lead", &act).await.unwrap_err());
    assert!(refused.contains("covers it"), "{refused}");
    for (_, agent) in &mut all {
        agent.settle(&test.app).await;
        assert_eq!(agent.state, State::Halted, "whole or not at all");
    }
    test.release(&placed.hold.id, &["lead"]).await.unwrap();
    all[0].1.settle(&test.app).await;
    let refused = reasons(test.sign("lead", &act).await.unwrap_err());
    assert!(refused.contains("stopped again since"), "an old signature starts nothing: {refused}");
});

on_both!(an_old_or_foreign_signature_starts_nothing, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let all = bots(&test, 2).await;
    let one = test.app.prepare_start(&test.actor("operator"), std::slice::from_ref(&all[0].0.id), &[]).await.unwrap();
    let two = test.app.prepare_start(&test.actor("operator"), std::slice::from_ref(&all[1].0.id), &[]).await.unwrap();
    // A signature over one act, handed in for another.
    let actor = test.actor("operator");
    let ceremony = test.app.signing_options(&actor, &one.stored.id).await.unwrap();
    let answer = test.people["operator"].key.sign(&ceremony.options).unwrap();
    let refused = test.app.sign(&actor, &two.stored.id, &ceremony.state, &answer).await.unwrap_err();
    assert!(refused.to_string().contains("another act"), "{refused}");
    // Somebody else's key.
    let ceremony = test.app.signing_options(&actor, &one.stored.id).await.unwrap();
    assert!(test.people["lead"].key.sign(&ceremony.options).is_err(), "another key does not even answer");
    // Too late.
    let ceremony = test.app.signing_options(&actor, &one.stored.id).await.unwrap();
    let answer = test.people["operator"].key.sign(&ceremony.options).unwrap();
    test.hand.forward_ms(11 * 60 * 1_000);
    let refused = test.app.sign(&actor, &one.stored.id, &ceremony.state, &answer).await.unwrap_err();
    assert!(refused.to_string().contains("expired"), "{refused}");
});

on_both!(a_wall_clock_that_jumps_makes_nobody_silent_and_delays_no_lapse, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 1).await;
    let (bot, agent) = &mut all[0];
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    for jump_ms in [3 * 3_600_000, -48 * 3_600_000, 45 * 3_600_000] {
        test.hand.forward_ms(20_000);
        test.hand.jump_ms(jump_ms);
        workers::lapses::round(&test.app).await;
        agent.settle(&test.app).await;
        assert_eq!(agent.state, State::Active, "20 s of silence and a jump of {jump_ms} ms are no lapse");
    }
    test.hand.jump_ms(-48 * 3_600_000);
    test.hand.forward_ms(31_000);
    workers::lapses::round(&test.app).await;
    let view = test.app.fleet.view();
    assert_eq!(view.bot(&bot.id).unwrap().stop.as_ref().unwrap().kind, StopKind::Lapse, "31 s are, whatever the wall says");
});

#[tokio::test]
async fn an_agent_of_another_replica_is_heard_by_what_it_writes_whatever_its_clock_says() {
    let test = TestApp::new(fresh(Kind::Postgres).await).await;
    let mut all = bots(&test, 1).await;
    let (bot, agent) = &mut all[0];
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    let other = test.restarted().await;
    other.load_seen().await.unwrap();
    let stands = || other.fleet.view().bot(&bot.id).is_some_and(|bot| bot.stop.as_ref().is_some_and(|stop| stop.kind == StopKind::Lapse));
    for jump_ms in [-3_600_000, 3_600_000] {
        test.hand.forward_ms(25_000);
        test.hand.jump_ms(jump_ms);
        agent.settle(&test.app).await;
        test.said_is_stored().await;
        workers::lapses::round(&other).await;
        assert!(!stands());
        assert_eq!(other.silent_ms(&bot.id), Some(0), "heard when the row was seen to change");
    }
    test.hand.forward_ms(31_000);
    workers::lapses::round(&other).await;
    assert!(stands(), "nothing changed for 31 s");
}

on_both!(a_new_boot_and_a_lapse_are_stops, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 1).await;
    let (bot, agent) = &mut all[0];
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    agent.reboot();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted);
    let stop = |kind| {
        let view = test.app.fleet.view();
        let found = view.bot(&bot.id).unwrap().stop.clone().unwrap();
        assert_eq!(found.kind, kind);
    };
    stop(StopKind::Boot);
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    // Silence: the server latches it too, once it has listened long enough.
    test.hand.forward_ms(29_000);
    workers::lapses::round(&test.app).await;
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active, "29 s of silence are no lapse");
    test.hand.forward_ms(31_000);
    // Whatever becomes of the measurements of drills.
    Raw::open(&test.fresh.place).await.run("DROP TABLE drill", &[]).await;
    workers::lapses::round(&test.app).await;
    stop(StopKind::Lapse);
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted, "and coming back does not undo it");
    agent.lapsed = true;
    agent.settle(&test.app).await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
});

on_both!(a_start_that_nobody_takes_up_is_void, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 1).await;
    let (bot, agent) = &mut all[0];
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    test.hand.forward_ms(61_000);
    workers::starts::round(&test.app).await;
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted, "nobody's press takes effect hours later");
    let view = test.app.fleet.view();
    assert_eq!(view.bot(&bot.id).unwrap().stop.as_ref().unwrap().kind, StopKind::StartVoid);
});

on_both!(a_bot_that_stops_by_itself_is_recorded_as_stopped, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 1).await;
    let (bot, agent) = &mut all[0];
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    agent.check_in(&test.app).await.unwrap();
    let live = agent.live(&test.app);
    for _ in 0..2 {
        agent.seq += 1;
        let said = andon::protocol::CheckIn { state: Some(State::Halted), ..agent.says() };
        test.app.check_in(&live, &said, "poll").await.unwrap();
    }
    let stop = test.app.fleet.view().bot(&bot.id).unwrap().stop.clone().unwrap();
    assert!(stop.why.contains("agent says so"), "{}", stop.why);
    agent.state = State::Halted;
    agent.settle(&test.app).await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active, "and it can be started again");
});

on_both!(going_up_is_never_answered_from_memory, |fresh: Fresh| async move {
    let kind = fresh.kind;
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 1).await;
    let (bot, agent) = &mut all[0];
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    // Another replica commits a stop that this one has not heard of: its memory says active.
    let other = test.restarted().await;
    let press = andon::app::holds::Press {
        scope: Scope::Fleet,
        level: Level::Pause,
        why: String::new(),
        idempotency_key: String::new(),
        terms: Default::default(),
    };
    other.place(other.actor_of(&test.people["risk"].id, false).unwrap(), press).await.unwrap();
    let view = test.app.fleet.view();
    assert_eq!(view.directive(view.bot(&bot.id).unwrap()).state, State::Active, "the lagging replica's memory");
    let heard = agent.check_in(&test.app).await.unwrap();
    assert_eq!(heard.directive.state, State::Halted);
    assert_eq!(agent.state, State::Halted);
    // With the database gone, what would go up is not answered at all.
    if kind == Kind::Postgres {
        test.fresh.db.close().await;
        assert!(agent.check_in(&test.app).await.is_ok_and(|heard| heard.directive.state == State::Halted));
    }
});

on_both!(what_is_not_confirmed_connected_or_acknowledged_cannot_be_started, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let start = async || reasons(test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap_err());
    assert!(start().await.contains("has no agent"));
    let mut agent = crate::harness::agent::enrol(&test, &bot, "operator").await;
    let open = start().await;
    assert!(open.contains("fingerprint is not confirmed") && open.contains("not connected"), "{open}");
    agent.confirm(&test, "operator").await;
    agent.settle(&test.app).await;
    test.hand.forward_ms(11_000);
    assert!(start().await.contains("not connected"));
    agent.settle(&test.app).await;
    agent.start_after = Epoch(agent.seen.0 + 5);
    agent.check_in(&test.app).await.unwrap();
    assert!(start().await.contains("remembers a later stop"));
    assert!(matches!(
        test.app.prepare_start(&test.actor("grid operator"), std::slice::from_ref(&bot.id), &[]).await,
        Err(AppError::Conflict(_) | AppError::Denied(_))
    ));
    let nobody = test.app.prepare_start(&test.actor("operator"), &[], &[]).await.unwrap_err();
    assert!(reasons(nobody).contains("at least one"));
});

on_both!(a_bot_whose_orders_nobody_can_tell_is_started_by_whoever_looked, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = crate::harness::agent::enrol(&test, &bot, "operator").await;
    agent.confirm(&test, "operator").await;
    // It acknowledges received and applied, never idle: its adapter cannot tell orders.
    for _ in 0..2 {
        agent.seq += 1;
        let heard = test.app.check_in(&agent.live(&test.app), &agent.says(), "poll").await.unwrap();
        agent.seen = heard.directive.epoch;
        agent.start_after = agent.seen;
        agent.ack(&test.app, agent.seen, Step::Applied).await;
    }
    agent.seq += 1;
    test.app.check_in(&agent.live(&test.app), &agent.says(), "poll").await.unwrap();
    let ids = [bot.id.clone()];
    let refused = reasons(test.app.prepare_start(&test.actor("operator"), &ids, &[]).await.unwrap_err());
    assert!(refused.contains("cannot tell whether entry orders rest"), "{refused}");
    let act = test.app.prepare_start(&test.actor("operator"), &ids, &ids).await.unwrap();
    assert_eq!(act.detail.leaves[0].orders_checked.as_deref(), Some("venue"), "the act says that a person looked");
    test.sign("operator", &act).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
});

on_both!(a_log_that_refuses_lets_nothing_start, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 1).await;
    let (bot, agent) = &mut all[0];
    let act = test.app.prepare_start(&test.actor("operator"), std::slice::from_ref(&bot.id), &[]).await.unwrap();
    let actor = test.actor("operator");
    let ceremony = test.app.signing_options(&actor, &act.stored.id).await.unwrap();
    let answer = test.people["operator"].key.sign(&ceremony.options).unwrap();
    let freeze = "UPDATE audit_log SET state = 'frozen'";
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    match &mut *tx {
        andon::storage::Conn::Sqlite(tx) => sqlx::query(freeze).execute(&mut **tx).await.map(drop).unwrap(),
        andon::storage::Conn::Postgres(tx) => sqlx::query(freeze).execute(&mut **tx).await.map(drop).unwrap(),
    }
    tx.commit().await.unwrap();
    assert!(test.app.sign(&actor, &act.stored.id, &ceremony.state, &answer).await.is_err());
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted);
    assert_eq!(test.app.fleet.view().bot(&bot.id).unwrap().start_epoch, Epoch(0), "no entry, no start");
});

on_both!(a_fact_that_is_no_stop_leaves_no_bot_stuck, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 1).await;
    let (bot, agent) = &mut all[0];
    test.app.note_apply_within(&bot.id, &agent.boot, 6_000).await.unwrap();
    agent.settle(&test.app).await;
    assert!(agent.start_after > test.app.fleet.view().bot(&bot.id).unwrap().stop.as_ref().unwrap().epoch, "the agent took it for a stop");
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
});

on_both!(an_agent_that_changes_its_mind_about_how_long_it_needs_is_heard_once_a_boot, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 1).await;
    let (bot, agent) = &mut all[0];
    let needs = || test.app.fleet.view().bot(&bot.id).unwrap().timings.apply_within_ms;
    let entries = async || crate::harness::tables::Tables::of(&test.fresh).await.entries().await;
    let before = entries().await;
    for n in 0..20 {
        test.app.note_apply_within(&bot.id, &agent.boot, 6_000 + n % 2 * 500_000).await.unwrap();
    }
    assert_eq!((needs(), entries().await), (6_000, before + 1), "what a boot says first stands");
    agent.reboot();
    agent.settle(&test.app).await;
    test.app.note_apply_within(&bot.id, &agent.boot, 7_000).await.unwrap();
    assert_eq!(needs(), 7_000, "a new boot is a stop, and may say another");
});

on_both!(an_ack_of_another_state_counts_also_on_disk, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 1).await;
    let (bot, agent) = &mut all[0];
    let epoch = test.app.fleet.view().directive(test.app.fleet.view().bot(&bot.id).unwrap()).epoch;
    let live = agent.live(&test.app);
    let ack = |state| andon::protocol::AckFrame {
        epoch,
        step: andon::domain::Step::Applied,
        at: None,
        state: Some(state),
        entry_orders: None,
        open_orders: None,
    };
    for state in [State::Active, State::Halted] {
        test.hand.forward_ms(5);
        assert!(test.app.acknowledge(&live, &ack(state)).unwrap().wait().await);
    }
    let stored = andon::storage::acks::ack_of_bots(&mut test.fresh.db.read().await.unwrap(), &[&bot.id], epoch).await.unwrap();
    let applied: Vec<_> =
        stored.iter().filter(|ack| ack.epoch == epoch && ack.step == andon::domain::Step::Applied).map(|ack| ack.state).collect();
    assert_eq!(applied, [Some(State::Halted)]);
});

on_both!(a_boot_that_another_replica_has_seen_replaced_is_freed_by_nobody, |fresh: Fresh| async move {
    let kind = fresh.kind;
    let test = TestApp::new(fresh).await;
    let mut all = bots(&test, 1).await;
    // The embedded database has one server; there it is the same one that both boots speak to.
    let other = if kind == Kind::Postgres { test.restarted().await } else { test.app.clone() };
    let (bot, old) = &mut all[0];
    old.settle(&other).await;
    // A copy of the machine runs, and speaks to the first replica alone.
    let mut copy = crate::harness::agent::of(old.enrolled.clone());
    (copy.seen, copy.start_after) = (old.seen, old.seen);
    copy.settle(&test.app).await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    copy.settle(&test.app).await;
    assert_eq!(copy.state, State::Active);
    let (live, carries) = (old.live(&other), andon::app::check_in::Carries::default());
    let risen = other.risen(&live, Some(&old.boot), &carries).await;
    assert!(matches!(risen, Err(Unheard::Replaced)), "its stream is told nothing freer");
    assert!(matches!(old.check_in(&other).await, Err(Unheard::Replaced)), "and its check-in renews nothing");
    assert_eq!(old.state, State::Halted);
    // Where the replicas have heard nothing of each other yet, the same.
    assert!(matches!(old.check_in(&test.app).await, Err(Unheard::Replaced)));
});
