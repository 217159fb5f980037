//! Recovery of accounts whose security keys are lost: who may approve, what time does, what the link leads to, and the host's own command.

mod attacks;
mod flow;
mod frozen;
mod host;
mod quorum;
mod small;

use crate::harness::app::{Somebody, TestApp, chosen};
use andon::{
    app::{AppError, acts::Outcome, recoveries::RecoveryView},
    authn::SoftKey,
    domain::{ActKind, RecoveryId, Secret, UserId},
};
use std::sync::Arc;

pub const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Prepares and signs an act of a recovery as somebody.
pub async fn act(test: &TestApp, by: &str, kind: ActKind) -> Result<Outcome, AppError> {
    let act = test.app.prepare_single(&test.actor(by), kind).await?;
    test.sign(by, &act).await
}

pub async fn approve(test: &TestApp, by: &str, recovery: &RecoveryId, user: &UserId) -> Result<Outcome, AppError> {
    act(test, by, ActKind::RecoveryApprove { recovery: recovery.clone(), user: user.clone() }).await
}

pub async fn link(test: &TestApp, by: &str, recovery: &RecoveryId, user: &UserId) -> Result<Secret<String>, AppError> {
    match act(test, by, ActKind::RecoveryLink { recovery: recovery.clone(), user: user.clone() }).await? {
        Outcome::Secret { secret, .. } => Ok(secret),
        other => panic!("{other:?} instead of a link"),
    }
}

pub async fn view(test: &TestApp, id: &RecoveryId) -> RecoveryView {
    test.app.recovery(&test.actor("auditor"), id).await.unwrap()
}

/// What somebody was told, newest first: titles.
pub async fn told(test: &TestApp, name: &str) -> Vec<String> {
    let actor = test.app.actor_of(&test.people[name].id, false).unwrap();
    let (notices, _) = test.app.notices_of(&actor, None).await.unwrap();
    notices.into_iter().map(|one| one.title).collect()
}

/// True when somebody was told something with these words in its title.
pub async fn was_told(test: &TestApp, name: &str, words: &str) -> bool {
    told(test, name).await.iter().any(|title| title.contains(words))
}

/// The reason in words.
pub fn why<T: std::fmt::Debug>(outcome: Result<T, AppError>) -> String {
    outcome.unwrap_err().to_string()
}

/// Follows a recovery's link to a new password and two new keys.
pub async fn use_link(test: &TestApp, link: &Secret<String>) -> Somebody {
    let app = &test.app;
    let welcomed = app.welcome(link.expose().rsplit('/').next().unwrap()).await.unwrap();
    assert!(welcomed.recovery.is_some() && !welcomed.has_password && welcomed.keys == 0);
    app.welcome_password(&welcomed.link, chosen("Back Again", "copper-lantern-42-walrus")).await.unwrap();
    let mut keys = Vec::new();
    for nickname in ["new", "new spare"] {
        let key = Arc::new(SoftKey::new(app.origin.clone()));
        let ceremony = app.welcome_key_options(&welcomed.link).await.unwrap();
        let answer = key.register(&ceremony.options).unwrap();
        app.welcome_key(&welcomed.link, &ceremony.state, &answer, nickname).await.unwrap();
        keys.push(key);
    }
    let spare = keys.swap_remove(1);
    Somebody { id: welcomed.user.id, key: keys.swap_remove(0), spare }
}
