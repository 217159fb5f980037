//! Requests: asked for, approved, carried out; how they end; what nobody can do; two replicas at once; the pages.

mod alone;
pub mod api;
mod asked;
mod command;
mod ends;
mod flow;
mod pages;
mod policies;
mod races;
mod raise;
mod rights;
mod two;

use crate::harness::app::TestApp;
use andon::{
    app::{AppError, acts::ActView, acts::Outcome, requests::RequestView},
    domain::{BotFacts, BotId, RequestId, RequestState},
};

pub const HOUR_MS: i64 = 60 * 60 * 1_000;

/// A bot of arb whose largest order is 2000.
pub async fn limited(test: &TestApp, name: &str) -> BotFacts {
    let bot = test.bot(name, "arb").await;
    test.app.tighten_limits(&test.actor("operator"), &bot.id, &order("2000"), "").await.unwrap();
    bot
}

/// The largest order, as it is typed.
pub fn order(text: &str) -> [(String, String); 1] {
    [("max_order_notional".to_owned(), text.to_owned())]
}

/// Asks for another largest order.
pub async fn ask(test: &TestApp, by: &str, bot: &BotId, text: &str) -> Result<RequestId, AppError> {
    test.app.ask_limits(&test.actor(by), bot, &order(text), "the book is deeper now").await
}

pub async fn view(test: &TestApp, id: &RequestId) -> RequestView {
    test.app.request(&test.actor("auditor"), id).await.unwrap()
}

pub async fn state(test: &TestApp, id: &RequestId) -> RequestState {
    view(test, id).await.row.state
}

/// Prepares an approval of what the request asks for now.
pub async fn prepare(test: &TestApp, by: &str, id: &RequestId) -> Result<ActView, AppError> {
    let digest = view(test, id).await.case.request.digest;
    test.app.prepare_approval(&test.actor(by), id, &digest).await
}

/// Approves what the request asks for now.
pub async fn approve(test: &TestApp, by: &str, id: &RequestId) -> Result<Outcome, AppError> {
    let act = prepare(test, by, id).await?;
    test.sign(by, &act).await
}

/// Why something was refused.
pub fn why<T: std::fmt::Debug>(refused: Result<T, AppError>) -> String {
    refused.unwrap_err().to_string()
}

/// The largest order that holds for a bot, with the version of its limits.
pub fn holds(test: &TestApp, bot: &BotId) -> (String, i64) {
    let view = test.app.fleet.view();
    let limits = &view.bot(bot).unwrap().limits;
    (limits.values["max_order_notional"].as_str().unwrap().to_owned(), limits.version)
}

/// Titles of what somebody was told.
pub async fn told(test: &TestApp, name: &str) -> Vec<String> {
    let (all, _) = test.app.notices_of(&test.actor(name), None).await.unwrap();
    all.into_iter().map(|notice| notice.title).collect()
}

pub async fn was_told(test: &TestApp, name: &str, words: &str) -> bool {
    told(test, name).await.iter().any(|title| title.contains(words))
}
