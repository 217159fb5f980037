//! What time does to requests: they expire, go stale, wait again, or are carried out once their delay is over. And to acts that a second person
//! did not sign.

use super::is_mine;
use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(10);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if is_mine(&app, "requests", EVERY).await {
            for tended in [app.tend_requests().await, app.tend_acts().await] {
                if let Err(error) = tended {
                    tracing::warn!(error = &error as &dyn std::error::Error, "requests could not be looked at yet");
                }
            }
        }
    }
}
