//! The register: what is written down, who may change it, what is retired; subaccounts given to bots; files in and out; keys of programs.

mod assign;
mod bots;
mod files;
mod keys;
pub mod kill;
mod lists;
mod things;

use crate::harness::app::TestApp;
use andon::{
    app::{AppError, venues::Subaccount},
    domain::BotFacts,
};

/// A subaccount at a venue that is made when it is not there.
pub async fn subaccount(test: &TestApp, venue: &str, environment: &str, name: &str) -> Subaccount {
    let lead = test.actor("lead");
    if test.app.venues().named(venue).is_err() {
        test.app.create_venue(&lead, venue, environment).await.unwrap();
    }
    test.app.create_subaccount(&lead, venue, name).await.unwrap()
}

/// Why something was refused.
pub fn why<T: std::fmt::Debug>(refused: Result<T, AppError>) -> String {
    refused.unwrap_err().to_string()
}

/// A bot as it is now.
pub fn now(test: &TestApp, bot: &BotFacts) -> BotFacts {
    BotFacts::clone(test.app.fleet.view().bot(&bot.id).unwrap())
}
