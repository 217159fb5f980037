//! Latches the lapse of bots whose agent fell silent: silence is a stop, on this side too. When it was heard is told by the wall clock, which may
//! jump: then nobody is judged until whoever is alive has been heard again.

use super::is_mine;
use crate::app::{App, facts::Observed};
use crate::domain::{State, StopKind};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const EVERY: Duration = Duration::from_secs(1);
/// A wall clock that is off by more than this against the steady one has jumped. Milliseconds.
const JUMPED_MS: i64 = 2_000;
/// How long after a jump nobody is judged: some check-ins.
const SETTLES: Duration = Duration::from_secs(10);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    let (mut wall, mut steady, mut judges_from) = (app.clock.now(), Instant::now(), Instant::now());
    loop {
        tokio::time::sleep(EVERY).await;
        let passed_ms = i64::try_from(steady.elapsed().as_millis()).unwrap_or(i64::MAX);
        let jumped_ms = app.clock.now().ms_since(wall).saturating_sub(passed_ms);
        (wall, steady) = (app.clock.now(), Instant::now());
        if jumped_ms.abs() > JUMPED_MS {
            tracing::warn!(jumped_ms, "the machine's clock jumped; for some seconds no agent counts as silent");
            judges_from = steady + SETTLES;
        }
        if steady < judges_from {
            continue;
        }
        if is_mine(&app, "lapses", EVERY).await {
            round(&app).await;
        }
    }
}

/// One round: every bot that may trade and was not heard for `lapse_after`. A server that has not listened for that long judges nobody.
pub async fn round(app: &Arc<App>) {
    if !app.db.is_embedded() && app.load_seen().await.is_err() {
        return;
    }
    let now = app.clock.now();
    let view = app.fleet.view();
    let silent: Vec<_> = view
        .bots()
        .filter(|bot| view.directive(bot).state != State::Halted)
        .filter(|bot| {
            let heard = app.book.seen(&bot.id).map_or(app.started_at, |seen| seen.at);
            now.ms_since(heard.max(app.started_at)) > bot.timings.lapse_after_ms
        })
        .map(|bot| bot.id.clone())
        .collect();
    let lapses = silent.iter().map(|bot| app.record_fact(bot, Observed::Stop(StopKind::Lapse, "its agent fell silent".into())));
    for outcome in futures_util::future::join_all(lapses).await {
        if let Err(error) = outcome {
            tracing::warn!(%error, "a lapse could not be recorded yet");
        }
    }
}
