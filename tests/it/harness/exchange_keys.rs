//! Exchange keys as tests need them: a bot on a subaccount, with an agent; a key that somebody else approved; its secret handed in.

use super::{agent, app::TestApp};
use crate::requests;
use andon::{
    app::{
        AppError,
        keys::{KeyRow, VersionRow, ask::Wanted, judge::seen_digest, list::KeyView},
    },
    domain::{
        ApiSecret, BotFacts, KeyId, KeyPurpose, KeySheet, Secret,
        key::{KeyState, KeyTerms, OnDrift},
    },
    storage::{self, Lane},
};
use futures_util::future::BoxFuture;

/// A bot in sandbox on a subaccount of a new test venue of this exchange.
pub async fn seated(test: &TestApp, name: &str, (team, exchange): (&str, &str)) -> BotFacts {
    let bot = test.bot(name, team).await;
    seat(test, &bot, (team, exchange)).await
}

/// The same of a bot that is there.
pub async fn seat(test: &TestApp, bot: &BotFacts, (team, exchange): (&str, &str)) -> BotFacts {
    let (by, admin) = (test.actor(if team == "arb" { "operator" } else { "grid operator" }), test.actor("admin"));
    let venue = test.app.create_venue_of(&admin, (exchange, &format!("{} venue", bot.name)), "test").await.unwrap();
    let one = test.app.create_subaccount(&admin, venue.id.as_str(), &bot.name).await.unwrap();
    test.app.seat_bot(&by, &bot.id, Some(&one.id)).await.unwrap();
    BotFacts::clone(test.app.fleet.view().bot(&bot.id).unwrap())
}

/// What is usually asked for.
pub fn usual(purpose: KeyPurpose) -> Wanted<'static> {
    Wanted { purpose: purpose.as_str(), ips: "203.0.113.7", ..Wanted::default() }
}

/// Asks for a key and has risk approve it.
pub async fn approved_as(test: &TestApp, bot: &BotFacts, wanted: Wanted<'_>, by: &str) -> KeyId {
    let request = test.app.ask_key(&test.actor(by), &bot.id, wanted, "it trades from there").await.unwrap();
    requests::approve(test, "risk", &request).await.unwrap();
    let purpose: KeyPurpose = wanted.purpose.parse().unwrap();
    let keys = test.app.exchange_keys();
    keys.of_purpose(&bot.id, purpose).expect("the key that was approved").row.id.clone()
}

/// A key to trade of a new bot that has a confirmed agent.
pub async fn approved(test: &TestApp, name: &str, place: (&str, &str), by: &str) -> KeyId {
    let bot = seated(test, name, place).await;
    agent::ready(test, &bot, by).await;
    approved_as(test, &bot, usual(KeyPurpose::Execution), by).await
}

pub fn secret((api_key, secret): (&str, &str)) -> ApiSecret {
    ApiSecret { api_key: Secret::new(api_key.to_owned()), secret: Secret::new(secret.to_owned()), passphrase: None }
}

/// Hands a secret in.
pub async fn install(test: &TestApp, by: &str, key: &KeyId, parts: (&str, &str)) -> Result<i64, AppError> {
    test.app.install_key(&test.actor(by), key, &secret(parts)).await
}

pub async fn view(test: &TestApp, key: &KeyId) -> KeyView {
    test.app.key(&test.actor("auditor"), key).await.unwrap()
}

/// The newest version.
pub async fn newest(test: &TestApp, key: &KeyId) -> VersionRow {
    view(test, key).await.key.versions.last().unwrap().clone()
}

pub async fn row(test: &TestApp, key: &KeyId) -> KeyRow {
    view(test, key).await.key.row
}

/// The server holds a key of the main account for a key's bot, as if it had been handed in and measured; its secret is nowhere.
pub fn lend_admin<'a>(test: &'a TestApp, beside: &'a KeyId) -> BoxFuture<'a, ()> {
    // Boxed, so that whoever awaits it carries none of its state.
    Box::pin(async move {
        let (of, now) = (row(test, beside).await, test.app.clock.now());
        let sheet = KeySheet::new(KeyPurpose::KeyAdmin, "203.0.113.7", None).unwrap().of_account(Some("grid-1".to_owned()));
        let terms = KeyTerms { sheet, rotate_days: 90, on_drift: OnDrift::Tell };
        let key = KeyRow::approved((of.bot_id, of.subaccount_id), &terms, (of.request_id, of.requester), now).unwrap();
        let print = (format!("main-{}", key.id), "venue".to_owned());
        let new = VersionRow::handed_in((key.id.clone(), 1), print, None, (now, "user:1".to_owned()));
        let mut version = VersionRow { state: KeyState::Active, active_at: Some(now), ..new };
        let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
        storage::exchange_keys::key_insert(&mut tx, &key).await.unwrap();
        storage::exchange_keys::version_insert(&mut tx, &version).await.unwrap();
        storage::exchange_keys::version_write(&mut tx, &mut version).await.unwrap();
        storage::exchange_keys::key_changed(&mut tx, [&key.id]).await.unwrap();
        tx.commit().await.unwrap();
        test.app.refresh_keys().await.unwrap();
    })
}

/// The digest of what was found of the newest version.
pub async fn seen(test: &TestApp, key: &KeyId) -> String {
    let key = view(test, key).await.key;
    seen_digest(&key, key.versions.last().unwrap())
}

/// Answers for what the venue does not say of the newest version.
pub async fn attest(test: &TestApp, by: &str, key: &KeyId) -> Result<(), AppError> {
    let (seen, version) = (seen(test, key).await, newest(test, key).await.version);
    // Whoever handed it in does not answer for it.
    let by = match by {
        "operator" => "lead",
        "grid operator" => "grid lead",
        other => other,
    };
    test.app.attest_key(&test.actor(by), key, (version, &seen), "looked at the venue's page").await
}
