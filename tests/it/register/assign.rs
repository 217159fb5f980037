//! Subaccounts given to bots: one press at a test venue, a request at a live one, never to two; what was had at any moment.

use super::{now, subaccount, why};
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
};
use crate::requests;
use andon::{
    app::{App, venues::Subaccount},
    authz::Actor,
    domain::{BotFacts, RequestState, Stage},
};
use std::sync::Arc;

/// Races per database.
const RACES: usize = 15;

async fn ask(test: &TestApp, bot: &BotFacts, to: &Subaccount) -> Result<andon::domain::RequestId, andon::app::AppError> {
    test.app.ask_assign(&test.actor("operator"), &bot.id, &to.id, "it is proven on the testnet").await
}

fn seat(test: &TestApp, bot: &BotFacts) -> Option<andon::domain::SubaccountId> {
    now(test, bot).seat.map(|seat| seat.subaccount)
}

/// A bot in draft, which may have either.
async fn draft(test: &TestApp, name: &str) -> BotFacts {
    let bot = test.bot(name, "arb").await;
    test.app.set_stage(&test.actor("operator"), &bot.id, Stage::Draft).await.unwrap();
    bot
}

on_both!(a_live_subaccount_takes_a_request_and_a_test_one_does_not, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (tried, real) = (subaccount(&test, "testnet", "test", "a").await, subaccount(&test, "binance", "live", "a").await);
    let bot = draft(&test, "arb-1").await;
    let operator = test.actor("operator");
    assert!(why(test.app.seat_bot(&operator, &bot.id, Some(&real.id)).await).contains("by a request"));
    assert!(why(ask(&test, &bot, &tried).await).contains("needs no approval"));
    test.app.seat_bot(&operator, &bot.id, Some(&tried.id)).await.unwrap();
    let id = ask(&test, &bot, &real).await.unwrap();
    assert!(why(requests::approve(&test, "operator", &id).await).contains("own request"), "nobody approves their own");
    assert_eq!(seat(&test, &bot), Some(tried.id.clone()), "nothing changes before it is approved");
    requests::approve(&test, "lead", &id).await.unwrap();
    assert_eq!(requests::state(&test, &id).await, RequestState::Executed);
    assert_eq!(seat(&test, &bot), Some(real.id.clone()));
    assert!(now(&test, &bot).stop.unwrap().why.contains("its subaccount changed"), "moving is a stop");
    // What it is in draft it cannot be in sandbox: the venue is live.
    let up = test.app.set_stage(&operator, &bot.id, Stage::Sandbox).await;
    assert!(why(up).contains("live venue"));
    let history = test.app.assignments_of_bot(&operator, &bot.id).await.unwrap();
    let had: Vec<_> = history.iter().map(|one| (one.subaccount_id.clone(), one.request_id.clone(), one.until_at.is_some())).collect();
    assert_eq!(had, [(real.id, Some(id), false), (tried.id, None, true)]);
    test.log_is_good().await;
});

on_both!(a_request_over_what_has_changed_does_nothing, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (real, other) = (subaccount(&test, "binance", "live", "a").await, subaccount(&test, "testnet", "test", "a").await);
    let (one, two) = (draft(&test, "arb-1").await, draft(&test, "arb-2").await);
    // Its seat has moved since.
    let id = ask(&test, &one, &real).await.unwrap();
    test.app.seat_bot(&test.actor("operator"), &one.id, Some(&other.id)).await.unwrap();
    assert!(why(requests::approve(&test, "lead", &id).await).contains("has changed since"));
    test.app.tend_requests().await.unwrap();
    assert_eq!(requests::state(&test, &id).await, RequestState::Stale);
    // Somebody else has got it meanwhile: nobody is asked to sign for the second any more, and it ends.
    let (first, second) = (ask(&test, &one, &real).await.unwrap(), ask(&test, &two, &real).await.unwrap());
    requests::approve(&test, "lead", &first).await.unwrap();
    assert!(why(requests::approve(&test, "lead", &second).await).contains("arb-1 has binance/a by now"));
    test.app.tend_requests().await.unwrap();
    assert_eq!(
        (requests::state(&test, &first).await, requests::state(&test, &second).await),
        (RequestState::Executed, RequestState::Stale)
    );
    assert_eq!((seat(&test, &one), seat(&test, &two)), (Some(real.id), None));
    test.log_is_good().await;
});

on_both!(what_does_not_fit_the_stage_is_refused, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (tried, real) = (subaccount(&test, "testnet", "test", "a").await, subaccount(&test, "binance", "live", "a").await);
    let bot = test.bot("arb-1", "arb").await;
    // It may be given its place before it goes live; it starts nowhere until then.
    let request = ask(&test, &bot, &real).await.unwrap();
    requests::approve(&test, "risk", &request).await.unwrap();
    let refused = test.app.prepare_start(&test.actor("operator"), std::slice::from_ref(&bot.id), &[]).await;
    assert!(why(refused).contains("in sandbox a bot trades on test venues only"));
    test.execute(&format!("UPDATE bot SET stage = 'live', fact_epoch = (SELECT value FROM epoch) WHERE id = '{}'", bot.id)).await;
    let app = test.restarted().await;
    let refused = app.seat_bot(&test.actor("operator"), &bot.id, Some(&tried.id)).await;
    assert!(why(refused).contains("it is a test venue"));
    // Down is a stop and never refused; what then does not fit starts nothing.
    test.execute(&format!("UPDATE bot SET subaccount_id = '{}' WHERE id = '{}'", real.id, bot.id)).await;
    let app = test.restarted().await;
    app.set_stage(&test.actor("operator"), &bot.id, Stage::Sandbox).await.unwrap();
    let refused = app.prepare_start(&test.actor("operator"), std::slice::from_ref(&bot.id), &[]).await;
    assert!(why(refused).contains("live venue"));
});

on_both!(two_replicas_that_give_the_same_subaccount_at_once_give_it_to_one_bot, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let other = test.restarted().await;
    let bots = [test.bot("arb-1", "arb").await, test.bot("arb-2", "arb").await];
    for race in 0..RACES {
        let one = subaccount(&test, "testnet", "test", &format!("s-{race}")).await;
        other.refresh().await.unwrap();
        let give = |app: &Arc<App>, actor: Actor, bot: &BotFacts| {
            let (app, bot, to) = (app.clone(), bot.id.clone(), one.id.clone());
            tokio::spawn(async move { app.seat_bot(&actor, &bot, Some(&to)).await })
        };
        let (first, second) = (give(&test.app, test.actor("operator"), &bots[0]), give(&other, test.actor("lead"), &bots[1]));
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
        let told = why(if first.is_ok() { second } else { first });
        assert!(told.contains("has this subaccount"), "{told}");
        test.app.refresh().await.unwrap();
        assert_eq!(bots.iter().filter(|bot| seat(&test, bot) == Some(one.id.clone())).count(), 1);
    }
    test.log_is_good().await;
});

on_both!(who_had_what_is_known_as_of_any_moment, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (a, b) = (subaccount(&test, "testnet", "test", "a").await, subaccount(&test, "testnet", "test", "b").await);
    let (one, two) = (test.bot("arb-1", "arb").await, test.bot("arb-2", "arb").await);
    let operator = test.actor("operator");
    let mut moments = vec![test.app.clock.now()];
    for (bot, to) in [(&one, Some(&a)), (&two, Some(&b)), (&one, None), (&two, Some(&a))] {
        test.hand.forward_ms(60_000);
        test.app.seat_bot(&operator, &bot.id, to.map(|to| &to.id)).await.unwrap();
        moments.push(test.app.clock.now());
    }
    test.hand.forward_ms(60_000);
    test.app.set_stage(&operator, &two.id, Stage::Retired).await.unwrap();
    moments.push(test.app.clock.now());
    let mut seen = Vec::new();
    for at in moments {
        let (rows, next) = test.app.assignments_as_of(&operator, at, (None, 100)).await.unwrap();
        assert!(next.is_none());
        let mut had: Vec<_> = rows.into_iter().map(|row| (row.bot_id, row.subaccount_id)).collect();
        had.sort();
        seen.push(had);
    }
    let pair = |bot: &BotFacts, to: &Subaccount| (bot.id.clone(), to.id.clone());
    let mut both = vec![pair(&one, &a), pair(&two, &b)];
    both.sort();
    assert_eq!(seen, [vec![], vec![pair(&one, &a)], both, vec![pair(&two, &b)], vec![pair(&two, &a)], vec![]]);
    // A retired bot that comes back gets what it had, while that is free.
    test.app.set_stage(&operator, &two.id, Stage::Draft).await.unwrap();
    let (first, next) = test.app.assignments_as_of(&operator, test.app.clock.now(), (None, 1)).await.unwrap();
    assert_eq!((first.len(), next), (1, None));
    test.app.set_stage(&operator, &two.id, Stage::Retired).await.unwrap();
    test.app.seat_bot(&operator, &one.id, Some(&a.id)).await.unwrap();
    assert!(why(test.app.set_stage(&operator, &two.id, Stage::Draft).await).contains("another bot has its subaccount"));
    test.log_is_good().await;
});
