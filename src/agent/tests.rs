//! A whole agent over real sockets, against a server and a bot on strings. Timings are a tenth of the usual ones.

mod fake;
mod fills;
mod keys;
mod symbols;

use super::AgentDir;
use super::adapters::Wanted;
use crate::domain::{Epoch, Exits, HoldId, InstallationId, Level, Orders, State, Step, Timestamp};
use crate::protocol::{DirectiveFrame, UnrecordedHold, close};
use axum::http::StatusCode;
use fake::{AtWork, Fake, Puppet, frame, now_ms, stays, until, work};
use std::time::Duration;

/// Some agent's credential.
pub fn credential() -> super::Credential {
    super::Credential {
        server: super::credential::check_server("http://127.0.0.1").unwrap(),
        token: crate::domain::Secret::new("andon_agent_test".into()),
        agent: crate::domain::AgentId::new(),
        bot: crate::domain::BotId::new(),
        bot_name: "grid-1".into(),
        installation: InstallationId::new(),
        check_in_ms: 100,
        stale_after_ms: 1_000,
        lapse_after_ms: 3_000,
        fingerprint: String::new(),
    }
}

/// A server, a bot that trades under a start at epoch 12, and its agent.
async fn trading(streams: bool) -> (Fake, Puppet, AtWork, tempfile::TempDir) {
    let fake = Fake::new().await;
    if !streams {
        fake.now(|script| script.stream_refused = Some(StatusCode::NOT_FOUND));
    }
    let bot = Puppet::new(State::Halted);
    let dir = tempfile::tempdir().unwrap();
    let agent = work(&fake.credential(), &bot, &AgentDir::new(dir.path()));
    until("the agent has heard that it is halted", || fake.has_ack(10, Step::Idle, State::Halted)).await;
    if streams {
        until("a stream is welcomed", || fake.heard_on("stream") > 0).await;
    }
    fake.says(frame(12, State::Active, Some(12)));
    until("the bot trades", || bot.is(State::Active)).await;
    until("and the server knows", || fake.has_ack(12, Step::Applied, State::Active)).await;
    (fake, bot, agent, dir)
}

#[tokio::test]
async fn it_halts_what_survived_before_it_says_hello() {
    let fake = Fake::new().await;
    let bot = Puppet::new(State::Active);
    bot.at().deaf = true;
    let dir = tempfile::tempdir().unwrap();
    let _agent = work(&fake.credential(), &bot, &AgentDir::new(dir.path()));
    stays("it is silent until it knows", 500, || fake.script().heard.is_empty()).await;
    bot.at().deaf = false;
    until("it says hello", || !fake.script().heard.is_empty()).await;
    assert!(bot.is(State::Halted));
    assert_eq!(fake.script().heard[0].1.state, Some(State::Halted));
}

#[tokio::test]
async fn it_polls_first_and_then_streams_alone() {
    let (fake, _bot, _agent, _dir) = trading(true).await;
    assert_eq!(fake.script().heard[0].0, "poll");
    let polled = fake.heard_on("poll");
    let streamed = fake.heard_on("stream");
    until("it goes on", || fake.heard_on("stream") > streamed + 5).await;
    assert_eq!(fake.heard_on("poll"), polled);
    assert_eq!(fake.script().hellos, 1);
}

#[tokio::test]
async fn a_stop_on_the_stream_is_obeyed_and_proved_step_by_step() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    bot.at().entry_orders = Some(2);
    let pressed = now_ms();
    fake.says(frame(13, State::Halted, None));
    until("it stands", || bot.is(State::Halted)).await;
    assert!(now_ms() - pressed < 500);
    until("applied", || fake.has_ack(13, Step::Applied, State::Halted)).await;
    stays("not idle with entry orders", 500, || !fake.has_ack(13, Step::Idle, State::Halted)).await;
    bot.at().entry_orders = Some(0);
    until("idle", || fake.has_ack(13, Step::Idle, State::Halted)).await;
    let steps: Vec<Step> = fake.script().acks.iter().filter(|ack| ack.epoch == Epoch(13)).map(|ack| ack.step).collect();
    assert_eq!(steps[..3], [Step::Received, Step::Applied, Step::Idle]);
    assert_eq!(fake.script().acks.last().unwrap().entry_orders, Some(0));
}

#[tokio::test]
async fn a_stop_reaches_the_poll_path_at_once() {
    let fake = Fake::new().await;
    fake.now(|script| {
        script.stream_refused = Some(StatusCode::NOT_FOUND);
        script.timings = (3_000, 10_000, 30_000);
    });
    let bot = Puppet::new(State::Halted);
    let dir = tempfile::tempdir().unwrap();
    let _agent = work(&fake.credential(), &bot, &AgentDir::new(dir.path()));
    until("it is known", || fake.has_ack(10, Step::Idle, State::Halted)).await;
    fake.says(frame(12, State::Active, Some(12)));
    until("it trades", || fake.has_ack(12, Step::Applied, State::Active)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let pressed = now_ms();
    fake.says(frame(13, State::Halted, None));
    until("it stands", || fake.has_ack(13, Step::Applied, State::Halted)).await;
    assert!(now_ms() - pressed < 1_000, "{} ms", now_ms() - pressed);
}

#[tokio::test]
async fn a_half_open_stream_is_left_before_the_bot_notices() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    fake.now(|script| {
        script.timings = (100, 4_000, 8_000);
        script.close_with = Some(close::RESTART);
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let hellos = fake.script().hellos;
    fake.now(|script| script.close_with = None);
    until("it streams under the new timings", || fake.script().hellos > hellos).await;
    let (polled, told) = (fake.heard_on("poll"), bot.at().told.len());
    fake.now(|script| script.half_open = true);
    until("it polls", || fake.heard_on("poll") > polled + 3).await;
    fake.now(|script| script.half_open = false);
    let streamed = fake.heard_on("stream");
    until("it streams again", || fake.heard_on("stream") > streamed + 3).await;
    assert!(bot.is(State::Active));
    assert_eq!(bot.at().told.len(), told, "the bot was told nothing at all");
}

#[tokio::test]
async fn it_falls_back_both_ways() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    for _ in 0..2 {
        let polled = fake.heard_on("poll");
        fake.now(|script| {
            script.stream_refused = Some(StatusCode::BAD_GATEWAY);
            script.close_with = Some(close::RESTART);
        });
        until("it polls", || fake.heard_on("poll") > polled + 3).await;
        let streamed = fake.heard_on("stream");
        fake.now(|script| {
            script.stream_refused = None;
            script.close_with = None;
        });
        until("it streams", || fake.heard_on("stream") > streamed + 3).await;
    }
    assert!(bot.is(State::Active), "a reconnect costs nobody a start");
}

#[tokio::test]
async fn an_ended_credential_halts_the_bot_for_good() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    fake.now(|script| script.close_with = Some(close::CREDENTIAL_ENDED));
    until("it stands", || bot.is(State::Halted)).await;
    fake.now(|script| script.close_with = None);
    let heard = fake.script().heard.len();
    stays("it asks again only after 30 s", 1_500, || fake.script().heard.len() == heard && bot.is(State::Halted)).await;

    let (fake, bot, _agent, _dir) = trading(false).await;
    fake.now(|script| script.poll_refused = Some(StatusCode::UNAUTHORIZED));
    until("it stands", || bot.is(State::Halted)).await;
}

#[tokio::test]
async fn a_replaced_agent_halts_its_bot_and_is_silent() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    fake.now(|script| script.close_with = Some(close::REPLACED));
    until("it stands", || bot.is(State::Halted)).await;
    fake.now(|script| script.close_with = None);
    let heard = fake.script().heard.len();
    stays("it asks no more", 1_500, || fake.script().heard.len() == heard && bot.is(State::Halted)).await;

    let (fake, bot, _agent, _dir) = trading(false).await;
    fake.now(|script| script.poll_refused = Some(StatusCode::CONFLICT));
    until("it stands", || bot.is(State::Halted)).await;
}

#[tokio::test]
async fn a_late_answer_does_not_stretch_the_lease() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    fake.now(|script| {
        script.timings = (500, 2_500, 2_500);
        script.renew_delay = Duration::from_millis(450);
        script.close_with = Some(close::RESTART);
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let streamed = fake.heard_on("stream");
    fake.now(|script| script.close_with = None);
    until("it streams under the new timings", || fake.heard_on("stream") > streamed + 4).await;
    assert!(bot.is(State::Active));
    fake.now(|script| {
        script.renews = false;
        script.stream_refused = Some(StatusCode::BAD_GATEWAY);
    });
    until("it stands", || bot.is(State::Halted)).await;
    let last = *fake.script().answered.last().unwrap();
    let lived = now_ms() - last;
    assert!((2_000..2_900).contains(&lived), "{lived} ms after its last renewed check-in was heard");
}

#[tokio::test]
async fn silence_makes_it_reduce_and_then_halts_it_until_a_new_start() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    fake.now(|script| {
        script.half_open = true;
        script.poll_refused = Some(StatusCode::SERVICE_UNAVAILABLE);
        script.stream_refused = Some(StatusCode::SERVICE_UNAVAILABLE);
    });
    until("it is stale", || bot.is(State::Reducing)).await;
    assert_eq!(bot.at().orders, Orders::Keep, "resting entries stay until the lapse");
    until("it lapses", || bot.is(State::Halted)).await;
    assert_eq!(bot.at().orders, Orders::CancelEntries);
    let heard = fake.script().heard.len();
    fake.now(|script| {
        script.half_open = false;
        script.poll_refused = None;
        script.stream_refused = None;
    });
    until("it says that it lapsed", || fake.script().heard.iter().skip(heard).any(|(_, said, _)| said.lapsed)).await;
    until("and no longer once that is answered", || !fake.last().lapsed).await;
    stays("it stays halted", 300, || bot.is(State::Halted)).await;
    assert_eq!(fake.last().start_after, Some(Epoch(12)));
    fake.says(frame(14, State::Active, Some(14)));
    until("a new start frees it", || bot.is(State::Active)).await;
}

#[tokio::test]
async fn a_server_that_went_back_in_time_frees_nothing() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    fake.says(frame(11, State::Active, Some(11)));
    until("it reduces", || bot.is(State::Reducing)).await;
    until("it says so", || fake.last().server_behind).await;
    fake.says(frame(12, State::Active, Some(12)));
    until("it trades again", || bot.is(State::Active)).await;
    fake.says(frame(11, State::Halted, None));
    until("it stands", || bot.is(State::Halted)).await;
    fake.says(frame(12, State::Active, Some(12)));
    stays("it stays halted", 500, || bot.is(State::Halted)).await;
}

#[tokio::test]
async fn a_hold_that_no_database_has_is_carried_over_a_restart() {
    let (fake, bot, agent, dir) = trading(true).await;
    let id = HoldId::new();
    let mut pressed = frame(13, State::Halted, None);
    pressed.unrecorded = vec![UnrecordedHold {
        id: id.clone(),
        level: Level::Pause,
        scope: "fleet".into(),
        by: "M".into(),
        why: String::new(),
        at: Timestamp(0),
    }];
    fake.says(pressed);
    until("it is carried", || fake.last().holds.len() == 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(agent);
    let credential = super::Credential { agent: agent_of(&dir), ..fake.credential() };
    let _agent = work(&credential, &bot, &AgentDir::new(dir.path()));
    let heard = fake.script().heard.len();
    fake.says(frame(14, State::Active, Some(14)));
    until("it is carried still", || fake.script().heard.len() > heard + 3).await;
    assert_eq!(fake.last().holds[0].id, id);
    stays("and obeyed", 300, || bot.is(State::Halted)).await;
    let mut released = frame(16, State::Active, Some(16));
    released.released = vec![id];
    fake.says(released);
    until("until it is released", || bot.is(State::Active)).await;
}

fn agent_of(dir: &tempfile::TempDir) -> crate::domain::AgentId {
    let text = std::fs::read_to_string(dir.path().join("memory")).unwrap();
    let page: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    crate::domain::AgentId::parse(page["agent"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_new_boot_needs_a_new_start() {
    let (fake, bot, agent, dir) = trading(true).await;
    drop(agent);
    let credential = super::Credential { agent: agent_of(&dir), ..fake.credential() };
    let _agent = work(&credential, &bot, &AgentDir::new(dir.path()));
    until("the survivor is halted", || bot.is(State::Halted)).await;
    stays("it stays so under the old start", 800, || bot.is(State::Halted)).await;
    fake.says(frame(14, State::Active, Some(14)));
    until("it trades", || bot.is(State::Active)).await;
}

#[tokio::test]
async fn nothing_starts_that_could_not_be_remembered_and_stops_need_no_disk() {
    let (fake, bot, _agent, dir) = trading(true).await;
    std::fs::remove_dir_all(dir.path()).unwrap();
    fake.says(frame(13, State::Halted, None));
    until("it stands all the same", || fake.has_ack(13, Step::Idle, State::Halted)).await;
    fake.says(frame(14, State::Active, Some(14)));
    stays("it does not start", 1_000, || bot.is(State::Halted)).await;
    until("and says why", || fake.script().events.iter().any(|event| event.kind == "memory_not_written")).await;
    std::fs::create_dir(dir.path()).unwrap();
    until("it starts once it can remember", || bot.is(State::Active)).await;
}

#[tokio::test]
async fn another_installation_is_not_obeyed() {
    let fake = Fake::new().await;
    fake.says(frame(12, State::Active, Some(12)));
    let bot = Puppet::new(State::Halted);
    let dir = tempfile::tempdir().unwrap();
    let credential = super::Credential { installation: InstallationId::new(), ..fake.credential() };
    let _agent = work(&credential, &bot, &AgentDir::new(dir.path()));
    until("it has asked", || !fake.script().heard.is_empty()).await;
    stays("it stays halted", 800, || bot.is(State::Halted)).await;
    assert!(!fake.has_ack(12, Step::Received, State::Halted));
}

#[tokio::test]
async fn a_bot_that_stops_or_restarts_by_itself_needs_a_start() {
    for restart in [false, true] {
        let (fake, bot, _agent, _dir) = trading(true).await;
        if restart {
            bot.at().runs += 1;
        } else {
            bot.at().doing = State::Halted;
        }
        until("the server hears of it", || fake.last().state == Some(State::Halted)).await;
        until("and of why", || fake.script().events.iter().any(|event| event.severity == "critical")).await;
        until("it stands", || bot.is(State::Halted)).await;
        stays("it is not restarted", 300, || bot.is(State::Halted)).await;
        until("and told to stand", || bot.at().told.last().is_some_and(|wanted| wanted.state == State::Halted)).await;
    }
}

#[tokio::test]
async fn a_bot_that_somebody_else_starts_is_halted_again() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    fake.says(frame(13, State::Halted, None));
    until("it stands", || fake.has_ack(13, Step::Applied, State::Halted)).await;
    bot.at().doing = State::Active;
    until("it is halted again", || bot.is(State::Halted)).await;
    until("and the server hears of it", || fake.script().events.iter().any(|event| event.kind == "bot_moved")).await;
}

#[tokio::test]
async fn a_halt_is_tried_until_it_succeeds_and_never_claimed_before() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    bot.at().deaf = true;
    fake.says(frame(13, State::Halted, None));
    until("it was heard", || fake.has_ack(13, Step::Received, State::Active)).await;
    stays("nothing is claimed", 1_200, || !fake.script().acks.iter().any(|ack| ack.epoch == Epoch(13) && ack.step != Step::Received)).await;
    assert_eq!(fake.last().state, Some(State::Active), "what it does is what was read back");
    bot.at().deaf = false;
    until("it stands", || fake.has_ack(13, Step::Idle, State::Halted)).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_start() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    fake.says(frame(13, State::Halted, None));
    until("it stands", || fake.has_ack(13, Step::Applied, State::Halted)).await;
    bot.at().start_takes = Duration::from_secs(30);
    fake.says(frame(14, State::Active, Some(14)));
    until("it is being started", || bot.at().told.last().is_some_and(|wanted| wanted.state == State::Active)).await;
    fake.says(frame(15, State::Halted, None));
    until("it stands", || fake.has_ack(15, Step::Applied, State::Halted)).await;
}

#[tokio::test]
async fn a_kill_does_not_wait_for_a_pause() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    bot.at().pause_takes = Duration::from_secs(30);
    fake.says(frame(13, State::Halted, None));
    until("it is being paused", || bot.at().told.last().is_some_and(|wanted| wanted.state == State::Halted)).await;
    fake.says(DirectiveFrame { orders: Orders::CancelAll, exits: Exits::None, ..frame(14, State::Halted, None) });
    until("it is killed", || fake.has_ack(14, Step::Applied, State::Halted)).await;
    assert_eq!(bot.at().orders, Orders::CancelAll);
}

#[tokio::test]
async fn a_kill_is_idle_only_once_no_order_rests_at_all() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    fake.says(DirectiveFrame { orders: Orders::CancelAll, exits: Exits::None, ..frame(13, State::Halted, None) });
    until("it is killed", || fake.has_ack(13, Step::Applied, State::Halted)).await;
    until("somebody hears of the exits that rest", || events(&fake, "orders_left") == 1).await;
    stays("and nobody claims that none does", 500, || !fake.has_ack(13, Step::Idle, State::Halted)).await;
    bot.at().open_orders = 0;
    until("idle", || fake.has_ack(13, Step::Idle, State::Halted)).await;
}

#[tokio::test]
async fn a_reduce_hold_cancels_entries_and_gives_back_what_was() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    fake.says(frame(13, State::Reducing, None));
    until("it reduces", || fake.has_ack(13, Step::Idle, State::Reducing)).await;
    let reduces = Wanted { state: State::Reducing, orders: Orders::CancelEntries, exits: Exits::Managed };
    assert_eq!(bot.at().told.last(), Some(&reduces));
    fake.says(frame(14, State::Active, Some(12)));
    until("it trades", || bot.is(State::Active)).await;
}

#[tokio::test]
async fn an_agent_that_is_asked_to_end_halts_its_bot_and_says_so() {
    let (fake, bot, mut agent, _dir) = trading(true).await;
    agent.end.take().unwrap().send(()).unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(5), &mut agent.task).await.unwrap().unwrap().unwrap();
    assert_eq!(outcome, super::Outcome::Asked);
    assert!(bot.is(State::Halted));
    assert!(fake.has_ack(12, Step::Applied, State::Halted));
}

#[tokio::test]
async fn what_is_true_is_said_again_to_a_server_that_may_have_forgotten() {
    let (fake, _bot, _agent, _dir) = trading(true).await;
    fake.says(frame(13, State::Halted, None));
    until("it is proved", || fake.has_ack(13, Step::Idle, State::Halted)).await;
    until("and taken", || fake.last().state == Some(State::Halted)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    fake.now(|script| {
        script.acks.clear();
        script.close_with = Some(close::RESTART);
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    fake.now(|script| script.close_with = None);
    until("it is proved again", || fake.has_ack(13, Step::Idle, State::Halted)).await;
}

/// How many events of a kind were told.
fn events(fake: &Fake, kind: &str) -> usize {
    fake.script().events.iter().filter(|event| event.kind == kind).count()
}

/// The same, halted at epoch 13.
async fn halted() -> (Fake, Puppet, AtWork, tempfile::TempDir) {
    let (fake, bot, agent, dir) = trading(true).await;
    fake.says(frame(13, State::Halted, None));
    until("idle", || fake.has_ack(13, Step::Idle, State::Halted)).await;
    (fake, bot, agent, dir)
}

#[tokio::test]
async fn entry_orders_that_appear_at_a_halted_bot_are_cancelled_anew_until_none_is_left() {
    let (fake, bot, _agent, _dir) = halted().await;
    bot.at().entry_orders = Some(2);
    let told = bot.at().told.len();
    until("it is told again and again", || bot.at().told.len() > told + 3).await;
    until("and somebody hears of it", || events(&fake, "orders_left") > 0).await;
    bot.at().entry_orders = Some(0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let told = bot.at().told.len();
    stays("then it is left alone", 300, || bot.at().told.len() == told).await;
    assert_eq!(events(&fake, "orders_left"), 1, "told once");
}

#[tokio::test]
async fn entry_orders_that_only_a_report_tells_are_cancelled_anew_too() {
    let (fake, bot, _agent, _dir) = halted().await;
    {
        let mut at = bot.at();
        (at.hides_orders, at.entry_orders) = (true, Some(2));
    }
    let told = bot.at().told.len();
    until("it is told again and again", || bot.at().told.len() > told + 3).await;
    until("and somebody hears of it", || events(&fake, "orders_left") == 1).await;
    bot.at().entry_orders = Some(0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let told = bot.at().told.len();
    stays("then it is left alone", 300, || bot.at().told.len() == told).await;
}

#[tokio::test]
async fn reports_that_take_longer_than_looks_show_all_the_same_when_no_order_is_left() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    {
        let mut at = bot.at();
        (at.hides_orders, at.entry_orders, at.report_takes) = (true, Some(2), Duration::from_millis(200));
    }
    fake.says(frame(13, State::Halted, None));
    until("somebody hears of what is left", || events(&fake, "orders_left") == 1).await;
    let told = bot.at().told.len();
    until("it is told again and again", || bot.at().told.len() > told + 3).await;
    bot.at().entry_orders = Some(0);
    until("it is idle", || fake.has_ack(13, Step::Idle, State::Halted)).await;
    let told = bot.at().told.len();
    stays("then it is left alone", 300, || bot.at().told.len() == told).await;
}

#[tokio::test]
async fn a_bot_whose_orders_nobody_here_can_cancel_is_not_told_again_for_them() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    {
        let mut at = bot.at();
        (at.hides_orders, at.entry_orders, at.cancels) = (true, Some(2), false);
    }
    fake.says(frame(13, State::Halted, None));
    until("somebody hears of what is left", || events(&fake, "orders_left") == 1).await;
    let told = bot.at().told.len();
    stays("to tell it again would cancel nothing", 300, || bot.at().told.len() == told).await;
    bot.at().entry_orders = Some(0);
    until("it is idle", || fake.has_ack(13, Step::Idle, State::Halted)).await;
}

#[tokio::test]
async fn a_bot_that_cannot_be_looked_at_any_more_is_a_stop() {
    let (fake, bot, _agent, _dir) = trading(true).await;
    bot.at().hidden = true;
    until("it is halted", || bot.is(State::Halted)).await;
    until("and that is said", || events(&fake, "bot_not_seen") == 1).await;
}

#[tokio::test]
async fn of_a_halted_bot_out_of_sight_nothing_is_claimed_until_it_is_proved_anew() {
    let (fake, bot, _agent, _dir) = halted().await;
    bot.at().hidden = true;
    until("somebody hears of it", || events(&fake, "bot_not_seen") == 1).await;
    until("and that it may be trading", || fake.last().state == Some(State::Active)).await;
    let told = bot.at().told.len();
    bot.at().hidden = false;
    until("it is halted again", || fake.last().state == Some(State::Halted)).await;
    assert!(bot.at().told.len() > told, "not by looking alone");
}

#[tokio::test]
async fn a_restart_of_a_halted_bot_is_told_and_it_is_halted_anew() {
    let (fake, bot, _agent, _dir) = halted().await;
    let told = bot.at().told.len();
    bot.at().runs += 1;
    until("it is told", || events(&fake, "bot_restarted") == 1).await;
    until("and halted anew", || bot.at().told.len() > told).await;
}

#[tokio::test]
async fn a_halted_bot_that_does_not_manage_its_exits_any_more_is_told_of() {
    let (fake, bot, _agent, _dir) = halted().await;
    let (told, known) = (bot.at().told.len(), events(&fake, "exits_not_managed"));
    // It crashed, and its supervisor brought it back standing.
    {
        let mut at = bot.at();
        (at.runs, at.exits) = (at.runs + 1, Some(Exits::None));
    }
    until("somebody hears of it", || events(&fake, "exits_not_managed") == known + 1).await;
    until("and of the restart beside it", || events(&fake, "bot_restarted") == 1).await;
    until("and it is halted anew", || bot.at().told.len() > told).await;
    stays("that is told once", 300, || events(&fake, "exits_not_managed") == known + 1 && events(&fake, "bot_moved") == 0).await;
}

#[tokio::test]
async fn a_restart_of_a_halted_bot_that_is_being_told_again_is_told_too() {
    let (fake, bot, _agent, _dir) = halted().await;
    for epoch in 20..24 {
        // Whether a look or the order finds it first.
        bot.at().runs += 1;
        fake.says(frame(epoch, State::Halted, None));
        let restarts = usize::try_from(epoch - 19).unwrap();
        until("it is told", || events(&fake, "bot_restarted") == restarts).await;
    }
}

#[tokio::test]
async fn a_boot_that_leaves_a_bot_no_exits_for_want_of_a_memory_says_so() {
    let (fake, bot, agent, dir) = halted().await;
    let mut credential = fake.credential();
    credential.agent = memory_of(&dir);
    drop(agent);
    let file = AgentDir::new(dir.path()).memory();
    let memory = std::fs::read(&file).unwrap();
    std::fs::write(&file, &memory[..memory.len() / 2]).unwrap();
    fake.script().events.clear();
    let _agent = work(&credential, &bot, &AgentDir::new(dir.path()));
    until("somebody hears of it", || {
        fake.script().events.iter().any(|event| event.kind == "exits_not_managed" && event.severity == "critical")
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_starts_anew_leaves_a_bot_the_exits_it_had() {
    let (fake, bot, agent, dir) = halted().await;
    drop(agent);
    bot.at().told.clear();
    // Nobody tells the new one anything.
    fake.now(|script| (script.poll_refused, script.stream_refused) = (Some(StatusCode::BAD_GATEWAY), Some(StatusCode::BAD_GATEWAY)));
    let mut credential = fake.credential();
    credential.agent = memory_of(&dir);
    let _agent = work(&credential, &bot, &AgentDir::new(dir.path()));
    until("it is told", || !bot.at().told.is_empty()).await;
    assert_eq!(bot.at().told[0], Wanted { state: State::Halted, orders: Orders::CancelEntries, exits: Exits::Managed });
}

/// The agent whose memory lies there.
fn memory_of(dir: &tempfile::TempDir) -> crate::domain::AgentId {
    let text = std::fs::read_to_string(AgentDir::new(dir.path()).memory()).unwrap();
    let page: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    crate::domain::AgentId::parse(page["agent"].as_str().unwrap()).unwrap()
}
