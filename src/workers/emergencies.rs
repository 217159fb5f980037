//! Emergency changes: their end is written down, and what somebody must look at is raised: one that was made, and one that was not reviewed in time.
//! What holds a bot whose time is over is `golive`, which looks on its own.

use super::is_mine;
use crate::app::{App, golive::emergency::Raised};
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(2);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    let mut before = Raised::default();
    loop {
        tokio::time::sleep(EVERY).await;
        if is_mine(&app, "emergencies", EVERY).await
            && let Err(error) = app.tend_emergencies(&mut before).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "emergency changes could not be looked after yet");
        }
    }
}
