//! Voids starts that no agent took up within 60 s: nobody's press takes effect hours later (ruling H2).

use super::is_mine;
use crate::app::{App, facts::Observed};
use crate::domain::StopKind;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(5);
/// How long a start waits to be taken up.
const TAKEN_UP_WITHIN_MS: i64 = 60_000;

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if is_mine(&app, "starts", EVERY).await {
            round(&app).await;
        }
    }
}

/// One round.
pub async fn round(app: &Arc<App>) {
    let before = app.clock.now().plus_ms(-TAKEN_UP_WITHIN_MS);
    let stale = match app.starts_not_taken_up(before).await {
        Ok(stale) => stale,
        Err(error) => return tracing::warn!(%error, "starts could not be looked at"),
    };
    for bot in stale {
        let why = "its start was not taken up within 60 s".to_owned();
        if let Err(error) = app.record_fact(&bot, Observed::Stop(StopKind::StartVoid, why)).await {
            tracing::warn!(%error, "a void start could not be recorded yet");
        }
    }
}
