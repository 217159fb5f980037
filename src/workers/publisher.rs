//! Publishes checkpoints: every five seconds when the log has grown, and at once after a signed act. Compares with the tide mark each time.

use super::is_mine;
use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(5);
/// The least time between two rounds, however many acts ask for one.
const PAUSE: Duration = Duration::from_millis(200);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        let signs = is_mine(&app, "publisher", EVERY).await;
        if let Err(error) = app.publish(signs).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "no checkpoint could be published yet");
        }
        tokio::time::sleep(PAUSE).await;
        // Elapsed or woken: the next round is the same.
        let _ = tokio::time::timeout(EVERY, app.log.woken()).await;
    }
}
