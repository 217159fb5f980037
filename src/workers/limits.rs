//! Stops bots whose agent is heard and does not take a tightening of its limits over (ruling C10), and holds what all bots of a team, or of the
//! installation, have at stake together against the limits of those levels.

use super::is_mine;
use crate::app::{App, facts::Observed};
use crate::domain::{Freshness, State, StopKind};
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);
/// How long an agent that is heard may take. Milliseconds.
const PATIENCE_MS: i64 = 5_000;

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = app.hear_counts().await {
            tracing::warn!(%error, "what other replicas counted could not be read; sums are of what was counted before");
        }
        if is_mine(&app, "limits", EVERY).await {
            round(&app).await;
        } else {
            // Shown here as well; whoever has the lease places what follows.
            drop(app.sum_totals());
        }
    }
}

/// One round. An agent that is not heard lapses soon enough by its silence.
pub async fn round(app: &Arc<App>) {
    let (now, now_ms, view) = (app.clock.now(), app.boot_clock.now_ms(), app.fleet.view());
    let is_late = |bot: &&Arc<crate::domain::BotFacts>| {
        let Some(contact) = app.book.contact(&bot.id) else { return false };
        let silent_ms = now_ms - contact.heard_ms;
        let is_heard = bot.timings.freshness(Some(silent_ms)) <= Freshness::Late;
        // From the later of the change and the first word after a gap: the answer to that word is the first that can have told it. And it must
        // have spoken since.
        let told_ms = now.ms_since(bot.limits_at).min(now_ms - contact.since_ms);
        let has_it = app.book.seen(&bot.id).and_then(|seen| seen.limits_version) == Some(bot.limits.version);
        is_heard && told_ms > PATIENCE_MS && silent_ms < told_ms && !has_it
    };
    let waiting = view.bots().filter(|bot| bot.limits_waiting && view.directive(bot).state != State::Halted);
    // Together: none waits for another.
    let stops = waiting.filter(is_late).map(|bot| async move {
        let why = format!("its agent did not take over limits version {} within 5 s", bot.limits.version);
        if let Err(error) = app.record_fact(&bot.id, Observed::Stop(StopKind::LimitsNotAcknowledged, why)).await {
            tracing::warn!(bot = %bot.id, %error, "limits that nobody took over could not be recorded as a stop yet");
        }
    });
    futures_util::future::join_all(stops).await;
    if let Err(error) = app.end_overrides_due().await {
        tracing::warn!(%error, "exceptions whose time is over could not be ended yet; it is tried again");
    }
    app.judge_totals().await;
}
