//! One test for each trap of Freqtrade's API.

use super::fake::{Fake, PASSWORD, THROTTLE};
use andon::agent::{
    BootClock,
    adapters::{
        Adapter, STANDSTILL, Wanted,
        freqtrade::{FreqtradeAdapter, FreqtradeConfig},
    },
};
use andon::domain::{Exits, Orders, Secret, State};
use std::time::Duration;

const PAUSED: Wanted = Wanted { state: State::Halted, orders: Orders::CancelEntries, exits: Exits::Managed };
const REDUCING: Wanted = Wanted { state: State::Reducing, orders: Orders::CancelEntries, exits: Exits::Managed };
const STALE: Wanted = Wanted { state: State::Reducing, orders: Orders::Keep, exits: Exits::Managed };
pub(super) const ACTIVE: Wanted = Wanted { state: State::Active, orders: Orders::Keep, exits: Exits::Managed };
const KILLED: Wanted = Wanted { state: State::Halted, orders: Orders::CancelAll, exits: Exits::None };

fn with(fake: &Fake, password: &str, throttle_ms: i64, timeout_ms: i64) -> FreqtradeAdapter {
    let config = FreqtradeConfig {
        url: format!("http://{}/", fake.address).parse().unwrap(),
        username: "rig".into(),
        password: Secret::new(password.into()),
        throttle_ms,
        timeout_ms,
    };
    FreqtradeAdapter::new(config, BootClock::system()).unwrap()
}

pub(super) fn adapter(fake: &Fake) -> FreqtradeAdapter {
    // Longer than the fake's own: a proof may take its time on a busy machine.
    with(fake, PASSWORD, 3_000, 3_000)
}

/// A bot that runs and has placed what it can.
pub(super) async fn running() -> (Fake, FreqtradeAdapter) {
    let fake = Fake::new("running").await;
    super::until("it has entered", || fake.at().entered >= 2).await;
    let adapter = adapter(&fake);
    (fake, adapter)
}

#[tokio::test]
async fn it_pauses_cancels_entries_and_lets_exits_rest() {
    let (fake, bot) = running().await;
    let seen = bot.apply(&PAUSED).await.unwrap();
    assert_eq!((seen.state, seen.resting.entry), (State::Halted, Some(0)));
    let at = fake.at();
    assert_eq!((at.state, at.mode, at.resting_entries()), ("paused", Some("paused"), 0));
    assert!(at.trades[0].exit_rests, "the exit of a trade without entry orders is left alone");
    assert_eq!(at.calls.iter().filter(|call| *call == "stop").count(), 0);
}

#[tokio::test]
async fn halted_without_exits_is_paused_emptied_and_only_then_stopped() {
    let (fake, bot) = running().await;
    let seen = bot.apply(&STANDSTILL).await.unwrap();
    assert_eq!((seen.state, seen.resting.entry), (State::Halted, Some(0)));
    let at = fake.at();
    assert_eq!((at.state, at.mode), ("stopped", Some("stopped")));
    assert_eq!(at.calls, ["pause", "cancel 2", "cancel 3", "stop"], "a stopped bot could not cancel");
}

#[tokio::test]
async fn a_kill_cancels_exits_too() {
    let (fake, bot) = running().await;
    bot.apply(&KILLED).await.unwrap();
    assert_eq!(fake.at().mode, Some("stopped"));
    assert!(fake.at().trades.iter().all(|trade| !trade.entry_rests && !trade.exit_rests));
}

#[tokio::test]
async fn a_bot_that_is_to_stand_is_stopped_though_it_cannot_be_paused() {
    for wanted in [STANDSTILL, KILLED] {
        let (fake, bot) = running().await;
        fake.at().refuses = &["pause"];
        let seen = bot.apply(&wanted).await.unwrap();
        assert_eq!((seen.state, seen.resting.entry), (State::Halted, Some(2)), "its orders are counted, as a stopped bot cancels none");
        assert_eq!(fake.at().mode, Some("stopped"));
        assert_eq!(fake.at().calls, ["pause refused", "stop"]);
    }
    let (fake, bot) = running().await;
    fake.at().refuses = &["pause"];
    assert!(bot.apply(&PAUSED).await.unwrap_err().to_string().contains("does not work"));
    assert_eq!(fake.at().mode, Some("running"), "nobody wanted its exits to end");
}

#[tokio::test]
async fn a_blip_pauses_and_leaves_the_book() {
    let (fake, bot) = running().await;
    let seen = bot.apply(&STALE).await.unwrap();
    assert_eq!(seen.state, State::Reducing);
    assert_eq!(fake.works(), (Some("paused"), 2));
    assert_eq!(bot.apply(&REDUCING).await.unwrap().resting.entry, Some(0));
}

#[tokio::test]
async fn a_stopped_bot_is_never_paused() {
    let fake = Fake::new("stopped").await;
    let bot = adapter(&fake);
    for wanted in [PAUSED, STANDSTILL, REDUCING] {
        assert_eq!(bot.apply(&wanted).await.unwrap().state, State::Halted);
    }
    tokio::time::sleep(THROTTLE * 3).await;
    assert_eq!(fake.at().mode, Some("stopped"));
    assert!(fake.at().calls.is_empty(), "{:?}", fake.at().calls);
}

#[tokio::test]
async fn a_pause_during_a_reload_is_said_again_until_it_shows() {
    let (fake, bot) = running().await;
    fake.at().state = "reload_config";
    // While its API refuses connections the order fails and is given again, as an agent does.
    let mut tries = 0;
    let seen = loop {
        tries += 1;
        assert!(tries < 50);
        match bot.apply(&PAUSED).await {
            Ok(seen) => break seen,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    assert_eq!(seen.state, State::Halted);
    assert_eq!(fake.works(), (Some("paused"), 0), "the reload had brought it back running");
}

#[tokio::test]
async fn orders_placed_after_it_had_answered_are_seen_and_cancelled() {
    let fake = Fake::new("stopped").await;
    fake.until_in("stopped").await;
    fake.at().exchange = Duration::from_secs(1);
    fake.at().state = "running";
    // It has seen that it may enter, and its exchange is slow.
    super::until("a round is under way", || fake.at().looks > 0).await;
    let before = fake.at().entered;
    let bot = adapter(&fake);
    let seen = bot.apply(&STANDSTILL).await.unwrap();
    let at = fake.at();
    assert!(at.entered > before, "the round that was under way went on entering after the answer");
    assert_eq!((seen.state, seen.resting.entry, at.resting_entries()), (State::Halted, Some(0), 0));
}

#[tokio::test]
async fn orders_left_at_a_stopped_bot_are_counted_and_not_called_none() {
    let fake = Fake::new("running").await;
    super::until("it has entered", || fake.at().entered >= 2).await;
    // Somebody else stops it, and its orders stay.
    fake.at().state = "stopped";
    fake.until_in("stopped").await;
    let bot = adapter(&fake);
    let seen = bot.apply(&STANDSTILL).await.unwrap();
    assert_eq!((seen.state, seen.resting.entry), (State::Halted, Some(2)));
    assert_eq!(bot.look().await.unwrap().resting.entry, Some(2));
    assert_eq!(bot.report().await.unwrap().unwrap().entry_orders, Some(2));
    // A kill aims at its exits too.
    let seen = bot.apply(&KILLED).await.unwrap();
    assert_eq!(seen.resting.against(KILLED.orders), Some(3));
    assert_eq!(bot.look().await.unwrap().resting.against(KILLED.orders), Some(3));
    assert_eq!(fake.at().mode, Some("stopped"), "and it was not woken for it");
}

#[tokio::test]
async fn a_paused_bot_that_places_entries_anew_is_told_until_none_is_left() {
    let (fake, bot) = running().await;
    fake.at().replaces = 3;
    for _ in 0..50 {
        let seen = bot.apply(&PAUSED).await.unwrap();
        if fake.at().replaces == 0 && seen.resting.entry == Some(0) {
            break;
        }
        let rounds = fake.at().rounds;
        super::until("its next round", || fake.at().rounds > rounds).await;
    }
    assert_eq!(fake.at().replaces, 0);
    assert_eq!(fake.works(), (Some("paused"), 0));
    assert_eq!(bot.look().await.unwrap().resting.entry, Some(0));
}

#[tokio::test]
async fn a_cancel_that_was_answered_is_no_cancel() {
    let (fake, bot) = running().await;
    fake.at().cancels_lost = 3;
    let seen = bot.apply(&PAUSED).await.unwrap();
    assert_eq!((seen.resting.entry, fake.at().resting_entries()), (Some(0), 0));
    assert!(fake.at().calls.iter().filter(|call| call.starts_with("cancel")).count() >= 5);
}

#[tokio::test]
async fn a_restart_that_forgot_the_pause_is_seen_as_one() {
    let (fake, bot) = running().await;
    let paused = bot.apply(&PAUSED).await.unwrap();
    assert_eq!(bot.look().await.unwrap(), paused);
    fake.restart();
    fake.until_in("running").await;
    let seen = bot.look().await.unwrap();
    assert_eq!(seen.state, State::Active);
    assert_ne!(seen.instance, paused.instance, "it began anew");
    assert_eq!(bot.apply(&PAUSED).await.unwrap().state, State::Halted);
}

#[tokio::test]
async fn a_reload_that_ended_the_pause_is_seen() {
    let (fake, bot) = running().await;
    let paused = bot.apply(&PAUSED).await.unwrap();
    fake.at().state = "reload_config";
    fake.until_in("running").await;
    let seen = bot.look().await.unwrap();
    assert_eq!(seen.state, State::Active);
    assert_ne!(seen.instance, paused.instance);
}

#[tokio::test]
async fn a_restart_that_brings_it_back_stopped_is_another_instance_without_exits_and_no_move() {
    for (wanted, exits) in [(PAUSED, Exits::Managed), (STANDSTILL, Exits::None)] {
        let (fake, bot) = running().await;
        fake.at().initial_state = "stopped";
        let before = bot.apply(&wanted).await.unwrap();
        assert_eq!((before.state, before.exits), (State::Halted, Some(exits)));
        fake.restart();
        fake.until_in("stopped").await;
        let seen = bot.look().await.unwrap();
        assert_eq!((seen.state, seen.exits), (State::Halted, Some(Exits::None)));
        assert_ne!(seen.instance, before.instance, "it began anew");
        assert_eq!(bot.apply(&wanted).await.unwrap().instance, seen.instance);
        assert_eq!(bot.look().await.unwrap().instance, seen.instance);
    }
}

#[tokio::test]
async fn it_starts_from_both_and_says_so_only_once_its_loop_runs() {
    for state in ["paused", "stopped"] {
        let fake = Fake::new(state).await;
        fake.until_in(state).await;
        let bot = adapter(&fake);
        let started = bot.apply(&ACTIVE).await.unwrap();
        assert_eq!(started.state, State::Active);
        assert_eq!(fake.at().mode, Some("running"));
        assert_eq!(bot.apply(&ACTIVE).await.unwrap().instance, started.instance, "told again, it goes on as it is");
        assert_eq!(fake.at().calls, ["start"]);
    }
}

#[tokio::test]
async fn a_bot_that_says_paused_and_runs_on_is_not_believed() {
    let (fake, _) = running().await;
    fake.at().lies = true;
    let bot = with(&fake, PASSWORD, 400, 3_000);
    let error = bot.apply(&PAUSED).await.unwrap_err().to_string();
    assert!(error.contains("nothing proves"), "{error}");
    let error = bot.apply(&STANDSTILL).await.unwrap_err().to_string();
    assert!(error.contains("nothing proves"), "{error}");
    fake.at().lies = false;
    assert_eq!(adapter(&fake).apply(&STANDSTILL).await.unwrap().state, State::Halted);
}

#[tokio::test]
async fn a_stopped_bot_whose_loop_comes_round_is_called_active() {
    let (fake, bot) = running().await;
    bot.apply(&STANDSTILL).await.unwrap();
    assert_eq!(bot.look().await.unwrap().state, State::Halted);
    // Started by somebody, and stopped again between two looks.
    fake.at().state = "running";
    let rounds = fake.at().rounds;
    super::until("a round", || fake.at().rounds > rounds).await;
    fake.at().state = "stopped";
    assert_eq!(bot.look().await.unwrap().state, State::Active, "what it did meanwhile is proved by nobody");
    assert_eq!(bot.apply(&STANDSTILL).await.unwrap().state, State::Halted);
}

#[tokio::test]
async fn the_round_that_a_stop_ended_is_no_round_after_it() {
    let (fake, bot) = running().await;
    // Its round ends, and with it its work, while it puts its log together.
    fake.at().exchange = Duration::from_millis(400);
    fake.at().logs_take = Duration::from_millis(900);
    assert_eq!(bot.apply(&STANDSTILL).await.unwrap().state, State::Halted);
    assert_eq!(bot.look().await.unwrap().state, State::Halted);
}

#[tokio::test]
async fn nothing_is_claimed_of_a_bot_that_is_down_or_slow() {
    let (fake, _) = running().await;
    let bot = with(&fake, PASSWORD, 3_000, 300);
    fake.at().is_down = true;
    assert!(bot.apply(&PAUSED).await.unwrap_err().to_string().contains("cannot be reached"));
    assert!(bot.look().await.is_err() && bot.report().await.is_err());
    fake.at().is_down = false;
    fake.at().hangs = true;
    let error = bot.apply(&PAUSED).await.unwrap_err().to_string();
    assert!(error.contains("within 300 ms"), "{error}");
    fake.at().hangs = false;
    assert_eq!(adapter(&fake).apply(&PAUSED).await.unwrap().state, State::Halted);
}

#[tokio::test]
async fn a_report_does_not_wait_for_its_wealth() {
    let (fake, bot) = running().await;
    fake.at().balance_hangs = true;
    let report = bot.report().await.unwrap().unwrap();
    assert_eq!((report.entry_orders, report.equity), (Some(2), None), "what is not known yet is unknown");
    fake.at().balance_hangs = false;
    while bot.report().await.unwrap().unwrap().equity.is_none() {
        tokio::time::sleep(THROTTLE).await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_named_and_never_shown() {
    let (fake, _) = running().await;
    let error = with(&fake, "wr0ng-pass", 3_000, 3_000).apply(&PAUSED).await.unwrap_err().to_string();
    assert!(error.contains("password_file") && !error.contains("wr0ng"), "{error}");
    assert_eq!(fake.at().state, "running");
}

#[tokio::test]
async fn a_minder_halts_it_without_a_runtime() {
    let (fake, bot) = running().await;
    tokio::task::spawn_blocking(move || bot.halt_now(&PAUSED)).await.unwrap().unwrap();
    assert_eq!(fake.works(), (Some("paused"), 0));
}

#[tokio::test]
async fn a_check_says_what_is_wrong_and_measures_the_initial_state() {
    let (fake, bot) = running().await;
    let bad = |found: &[andon::agent::adapters::Finding]| {
        found.iter().filter(|finding| !finding.is_good).map(|finding| finding.text.clone()).collect::<Vec<_>>()
    };
    let found = bad(&bot.examine(false).await);
    assert!(found.len() == 1 && found[0].contains("\"initial_state\": \"stopped\""), "{found:?}");
    // It runs, or manages its exits: nothing is reloaded.
    assert!(bad(&bot.examine(true).await)[0].contains("the bot is running"));
    bot.apply(&PAUSED).await.unwrap();
    assert!(bad(&bot.examine(true).await)[0].contains("the bot is paused"));
    assert_eq!(fake.works(), (Some("paused"), 0));
    bot.apply(&STANDSTILL).await.unwrap();
    assert!(bad(&bot.examine(true).await)[0].contains("running"));
    assert_eq!(fake.at().mode, Some("stopped"), "it came back running and was halted at once");
    fake.at().initial_state = "stopped";
    let found = bot.examine(true).await;
    assert!(bad(&found).is_empty(), "{found:?}");
    assert!(found.iter().any(|finding| finding.text.contains("2026.9")));
}

#[tokio::test]
async fn a_reload_that_is_answered_with_an_error_and_heard_all_the_same_leaves_nothing_running() {
    let fake = Fake::new("stopped").await;
    fake.until_in("stopped").await;
    let bot = with(&fake, PASSWORD, 400, 3_000);
    fake.at().initial_state = "running";
    fake.at().refuses = &["reload_config answers an error"];
    let found = bot.examine(true).await;
    assert!(found.iter().any(|finding| !finding.is_good && finding.text.contains("running")), "{found:?}");
    assert_eq!(fake.at().mode, Some("stopped"), "it came back running and was halted");
}

#[tokio::test]
async fn a_check_that_cannot_halt_the_bot_again_says_that_it_runs() {
    let fake = Fake::new("stopped").await;
    fake.until_in("stopped").await;
    let bot = with(&fake, PASSWORD, 400, 3_000);
    fake.at().initial_state = "running";
    fake.at().refuses = &["pause", "stop"];
    let found = bot.examine(true).await;
    assert!(
        found.iter().any(|finding| !finding.is_good && finding.text.contains("RUNS") && finding.text.contains("/api/v1/stop")),
        "{found:?}"
    );
    assert_eq!(fake.at().mode, Some("running"));
}
