//! Symbols that are held alone: left out with proof, or the whole bot is reduced.

use super::fake::{Fake, Puppet, Symbols, frame, stays, until, work};
use super::{agent_of, trading};
use crate::agent::{AgentDir, Credential};
use crate::domain::{State, Step};
use crate::protocol::{BlockedFrame, DirectiveFrame};
use axum::http::StatusCode;

const BTC: &str = "BTC/USDT";

fn blocking(epoch: i64) -> DirectiveFrame {
    DirectiveFrame { blocked: vec![BlockedFrame { venue: None, symbol: BTC.into() }], ..frame(epoch, State::Active, Some(12)) }
}

fn leaves_out(bot: &Puppet) -> bool {
    bot.at().left_out == [BTC]
}

fn was_told(bot: &Puppet, state: State) -> bool {
    bot.at().told.iter().skip_while(|wanted| wanted.state != State::Active).any(|wanted| wanted.state == state)
}

/// A bot that trades and can leave out symbols, its agent and server.
async fn able(streams: bool) -> (Fake, Puppet, super::AtWork, tempfile::TempDir) {
    let (fake, bot, agent, dir) = trading(streams).await;
    drop(agent);
    bot.at().symbols = Some(Symbols::AtOnce);
    bot.at().told.clear();
    let credential = Credential { agent: agent_of(&dir), ..fake.credential() };
    let agent = work(&credential, &bot, &AgentDir::new(dir.path()));
    until("the survivor is halted", || bot.is(State::Halted)).await;
    fake.says(frame(12, State::Active, Some(12)));
    until("its agent has heard", || fake.has_ack(12, Step::Idle, State::Halted)).await;
    fake.says(frame(13, State::Active, Some(13)));
    until("it trades", || bot.is(State::Active)).await;
    until("and the server knows", || fake.has_ack(13, Step::Applied, State::Active)).await;
    (fake, bot, agent, dir)
}

async fn is_left_out_with_proof(streams: bool) {
    let (fake, bot, _agent, _dir) = able(streams).await;
    bot.at().symbols = Some(Symbols::NotYet);
    fake.says(blocking(14));
    until("it was heard", || fake.has_ack(14, Step::Received, State::Active)).await;
    stays("nothing is claimed", 300, || !fake.has_ack(14, Step::Applied, State::Active) && bot.is(State::Active)).await;
    bot.at().symbols = Some(Symbols::AtOnce);
    until("it is left out and idle there", || fake.has_ack(14, Step::Idle, State::Active)).await;
    assert!(leaves_out(&bot) && fake.has_ack(14, Step::Applied, State::Active));
    assert!(!was_told(&bot, State::Reducing), "it went on elsewhere the whole time");
    fake.says(frame(15, State::Active, Some(13)));
    until("its release gives it back", || bot.at().left_out.is_empty()).await;
}

#[tokio::test]
async fn a_held_symbol_is_left_out_with_proof_and_the_bot_goes_on() {
    is_left_out_with_proof(true).await;
}

#[tokio::test]
async fn so_it_is_on_the_poll_path() {
    is_left_out_with_proof(false).await;
}

#[tokio::test]
async fn what_is_not_proved_reduces_the_whole_bot_until_it_is() {
    let (fake, bot, _agent, _dir) = able(true).await;
    bot.at().symbols = Some(Symbols::Refuses);
    fake.says(blocking(14));
    until("it adds nothing at all", || fake.has_ack(14, Step::Applied, State::Reducing)).await;
    assert!(bot.is(State::Reducing));
    until("and says why", || super::events(&fake, "symbol_not_left_out") == 1).await;
    bot.at().symbols = Some(Symbols::NotYet);
    bot.at().symbols = Some(Symbols::AtOnce);
    until("it goes on once it is proved", || bot.is(State::Active) && leaves_out(&bot)).await;
    until("and the server knows", || fake.has_ack(14, Step::Applied, State::Active)).await;
}

#[tokio::test]
async fn a_restart_of_the_agent_takes_nothing_back_that_no_server_has_released() {
    let (fake, bot, agent, dir) = able(true).await;
    fake.says(blocking(14));
    until("it is left out", || fake.has_ack(14, Step::Idle, State::Active)).await;
    drop(agent);
    fake.now(|script| {
        script.stream_refused = Some(StatusCode::BAD_GATEWAY);
        script.poll_refused = Some(StatusCode::BAD_GATEWAY);
    });
    let credential = Credential { agent: agent_of(&dir), ..fake.credential() };
    let _agent = work(&credential, &bot, &AgentDir::new(dir.path()));
    until("the survivor is halted", || bot.is(State::Halted)).await;
    stays("what was left out stays so", 1_500, || leaves_out(&bot)).await;
    bot.at().left_out.clear();
    fake.now(|script| {
        script.stream_refused = None;
        script.poll_refused = None;
    });
    until("a server that still holds it has it left out anew", || leaves_out(&bot)).await;
    fake.says(DirectiveFrame { blocked: Vec::new(), ..frame(15, State::Active, Some(15)) });
    until("its release gives it back", || bot.at().left_out.is_empty()).await;
}
