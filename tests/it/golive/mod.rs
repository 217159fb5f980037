//! Going live: nothing goes up with anything open, nobody approves what they answered for, whoever asked carries it out, and what is no longer
//! approved does not trade.

mod browser;
mod build_token;
mod changes;
mod drift;
mod emergency;
mod files;
mod pages;
mod readers;
mod reminders;
mod results;
mod up;
mod venue_changes;
mod walks;

use crate::harness::{app::TestApp, golive::Ready};
use andon::domain::{BotFacts, State};

/// A bot of which everything is so is let up to limited and started; its agent with it.
async fn trading(test: &TestApp, name: &str) -> Ready {
    use crate::harness::golive::{ask, execute, now, whole};
    let mut ready = whole(test, name).await;
    let request = ask(test, "operator", &ready.bot.id).await.unwrap();
    crate::requests::approve(test, "lead", &request).await.unwrap();
    execute(test, "operator", &request).await.unwrap();
    ready.agent.settle(&test.app).await;
    test.start(std::slice::from_ref(&ready.bot.id), &["operator"]).await.unwrap();
    ready.agent.settle(&test.app).await;
    assert_eq!(ready.agent.state, State::Active);
    ready.bot = now(test, &ready.bot.id);
    ready
}

/// The holds over a bot: who placed each, at which level, and why.
fn holds(test: &TestApp, bot: &BotFacts) -> Vec<(String, &'static str, String)> {
    let view = test.app.fleet.view();
    let facts = view.bot(&bot.id).unwrap();
    view.cover(facts).open.iter().map(|hold| (hold.placed_by.name.clone(), hold.level.as_str(), hold.why.clone())).collect()
}
