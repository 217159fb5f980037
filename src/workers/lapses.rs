//! Latches the lapse of bots whose agent fell silent: silence is a stop, on this side too. Counted by the boot clock alone: a wall clock that
//! jumps makes nobody silent and delays nobody's lapse.

use super::is_mine;
use crate::app::{App, facts::Observed};
use crate::domain::{State, StopKind};
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if is_mine(&app, "lapses", EVERY).await {
            round(&app).await;
        }
    }
}

/// One round: every bot that may trade and was not heard for `lapse_after`. A server that has not listened for that long judges nobody.
pub async fn round(app: &Arc<App>) {
    // What other replicas heard, read now: a database that did not answer for a while has kept it from this process.
    if !app.db.is_embedded() && app.load_seen().await.is_err() {
        return;
    }
    let view = app.fleet.view();
    let silent: Vec<_> = view
        .bots()
        .filter(|bot| view.directive(bot).state != State::Halted)
        .filter(|bot| app.unheard_ms(&bot.id) > bot.timings.lapse_after_ms)
        .map(|bot| bot.id.clone())
        .collect();
    let lapses = silent.iter().map(|bot| app.record_fact(bot, Observed::Stop(StopKind::Lapse, "its agent fell silent".into())));
    for outcome in futures_util::future::join_all(lapses).await {
        if let Err(error) = outcome {
            tracing::warn!(%error, "a lapse could not be recorded yet");
        }
    }
}
