//! Exchange keys: asked for and approved, handed in, measured, given to agents, replaced, ended, compromised; and what never comes out again.

mod admin;
mod command;
mod deliver;
mod end;
mod install;
mod life;
mod measure;
mod request;
mod strange;
mod told;

use crate::{
    harness::{app::TestApp, db::Fresh, exchange_keys::usual},
    venues::{
        but,
        fake::{Fake, Seen},
        sample,
    },
};
use andon::{
    app::{AppError, keys::ask::Wanted, vault::Given},
    config::MasterKeySource,
    domain::KeyPurpose,
};
use std::sync::Arc;

/// Why something was refused.
pub fn why<T: std::fmt::Debug>(refused: Result<T, AppError>) -> String {
    refused.unwrap_err().to_string()
}

/// Where Bybit says what the key is that asks.
const OWN: &str = "GET /v5/user/query-api";
/// Whose key it is there.
const ACCOUNT: &str = "24617703";

/// A server that reaches Bybit, which takes any key, and whose vault is open. Until it is told otherwise, every key there may trade.
async fn beside(fresh: Fresh) -> (TestApp, Fake) {
    let venue = Fake::start(|_: &Seen| Ok(())).await;
    let test = TestApp::beside(fresh, &venue.url).await;
    let master = MasterKeySource::Own(test.log_settings().state_dir.join("master.key"));
    test.app.open_vault(Given { key: Arc::new(master), old: None, lost: None }).await.unwrap();
    venue.on(OWN, trades());
    (test, venue)
}

/// What Bybit says of a key that trades from one address and never ends.
fn trades() -> String {
    but(&but(sample::BYBIT_OWN, "\"deadlineDay\":83", "\"deadlineDay\":-1"), "2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z")
}

/// The same of one that only reads.
fn reads() -> String {
    but(&trades(), "\"readOnly\":0", "\"readOnly\":1")
}

/// What is usually asked for, of this account.
fn named(purpose: KeyPurpose) -> Wanted<'static> {
    Wanted { account: ACCOUNT, ..usual(purpose) }
}
