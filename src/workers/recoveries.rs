//! What time does to recoveries of accounts: those whose time is over end, and people are told once a link may be made. Deadlines are rows;
//! what a round misses the next one finds.

use super::is_mine;
use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(20);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if is_mine(&app, "recoveries", EVERY).await
            && let Err(error) = app.tend_recoveries().await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "recoveries could not be looked at yet");
        }
    }
}
