//! Reads the whole log again, after the start and once a day: what was changed below the tide mark is found without anybody asking.

use crate::app::App;
use std::{sync::Arc, time::Duration};

/// Requests of the first seconds go first.
const AFTER_START: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// When the database could not be read.
const AGAIN: Duration = Duration::from_secs(60);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    let mut wait = AFTER_START;
    loop {
        tokio::time::sleep(wait).await;
        wait = match app.rehash().await {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "the log could not be read again yet");
                AGAIN
            }
        };
    }
}
