//! Looks at drills that run, and ends those that are over: every second, at once cheap when there are none.

use super::is_mine;
use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if is_mine(&app, "drill_runs", EVERY).await
            && let Err(error) = app.tend_drills().await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "drills could not be looked at yet");
        }
    }
}
