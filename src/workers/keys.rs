//! What time does to exchange keys: they drain, end with their bot or agent, are measured again, and are asked after.

use super::is_mine;
use crate::app::{
    App,
    keys::{measure::Tried, tend::Tending},
};
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(5);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    let mut before = Tending::default();
    loop {
        tokio::time::sleep(EVERY).await;
        if is_mine(&app, "keys", EVERY).await
            && let Err(error) = app.tend_keys(&mut before).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "keys could not be looked after yet");
        }
    }
}

/// How often what is due to be measured is looked for.
const MEASURE_EVERY: Duration = Duration::from_secs(60);

/// Measures, apart from the rest: a venue that takes its time keeps no key from ending. Runs until the server stops.
pub async fn measure(app: Arc<App>) {
    let mut before = Tried::default();
    loop {
        tokio::time::sleep(MEASURE_EVERY).await;
        if is_mine(&app, "key-measures", MEASURE_EVERY).await {
            app.measure_daily(&mut before).await;
        }
    }
}
