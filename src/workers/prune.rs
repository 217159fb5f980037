//! Forgets browser sessions that have ended, and old notices.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(600);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        app.sessions.prune().await;
        if let Err(error) = app.forget_old_notices().await {
            tracing::warn!(%error, "old notices were not forgotten yet");
        }
    }
}
