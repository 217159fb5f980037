//! Bots that run another build than was approved, emergency changes that let them, and reviews.

use super::{
    agent::{Agent, ready},
    app::TestApp,
    golive::{BUILD, CONFIG, Crew, approved_as_it_is, now},
};
use andon::{
    app::{AppError, acts::Outcome, golive::emergency::EmergencyRow},
    domain::{BotFacts, BotId, EmergencyId, Stage, emergency::Verdict},
};

/// A build that nobody approved.
pub const HOTFIX: &str = "sha256:f1f1f1f1f1f1f1f1";
/// An hour in milliseconds.
pub const HOUR: i64 = 3_600_000;

/// A bot of which everything was approved in stage limited, and which runs another build since.
pub async fn departs(test: &TestApp, name: &str, crew: Crew) -> (BotFacts, Agent) {
    let bot = test.bot(name, crew.team).await;
    let mut agent = ready(test, &bot, crew.operator).await;
    (agent.build, agent.config) = (Some(BUILD.into()), Some(CONFIG.into()));
    agent.settle(&test.app).await;
    approved_as_it_is(test, &bot.id, Stage::Limited).await;
    agent.build = Some(HOTFIX.into());
    agent.settle(&test.app).await;
    (now(test, &bot.id), agent)
}

/// Lets what a bot runs run for some hours, signed by these in order.
pub async fn let_run(test: &TestApp, signers: &[&str], bot: &BotId, hours: u32) -> Result<Outcome, AppError> {
    let act = test.app.prepare_emergency(&test.actor(signers[0]), bot, hours, "the venue changed its tick size").await?;
    let mut outcome = Outcome::Waits;
    for name in signers {
        outcome = test.sign(name, &act).await?;
    }
    Ok(outcome)
}

/// Reviews an emergency change.
pub async fn review(test: &TestApp, by: &str, change: &EmergencyId, verdict: Verdict) -> Result<Outcome, AppError> {
    let words = "the tests of the release were run on it since";
    let act = test.app.prepare_emergency_review(&test.actor(by), change, verdict, words).await?;
    test.sign(by, &act).await
}

/// Those of a bot, the newest first.
pub async fn all_of(test: &TestApp, bot: &BotId) -> Vec<EmergencyRow> {
    test.app.emergencies_of(&test.actor("auditor"), bot).await.unwrap()
}

/// The newest of a bot.
pub async fn newest(test: &TestApp, bot: &BotId) -> EmergencyRow {
    all_of(test, bot).await.swap_remove(0)
}
