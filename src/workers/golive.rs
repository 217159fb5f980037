//! Bots that trade live and are no longer what was approved, in ways that no agent tells of: an item whose time is over, a key that is gone, a stage
//! whose time is over; and what their reports showed is written down. Every replica looks, from memory: a hold that is placed twice is one.

use super::is_mine;
use crate::app::{App, golive::reminders::Reminded};
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);
/// What was reported is written once in so many rounds.
const RESULTS_EVERY: u64 = 5;

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    for n in 0_u64.. {
        tokio::time::sleep(EVERY).await;
        app.watch_all_drift().await;
        if n % RESULTS_EVERY == 0
            && let Err(error) = app.write_results().await
        {
            tracing::warn!(%error, "what bots showed could not be written down; trying again");
        }
    }
}

/// How often what ends soon is looked for.
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// Tells people of what ends soon. Runs until the server stops.
pub async fn remind(app: Arc<App>) {
    let mut before = Reminded::default();
    loop {
        tokio::time::sleep(REMIND_EVERY).await;
        if is_mine(&app, "golive-reminders", REMIND_EVERY).await
            && let Err(error) = app.remind_of_ends(&mut before).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "of what ends soon nobody could be told yet");
        }
    }
}
