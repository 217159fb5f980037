//! Copies entries and checkpoints to the file sink. Apart from the publisher, so that a slow disk there delays no checkpoint.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);
/// How often a sink that does not go on is complained about.
const COMPLAINS_EVERY: u32 = 60;

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    let mut failures = 0;
    loop {
        match app.feed_sink().await {
            Ok(()) => failures = 0,
            Err(error) => {
                if failures % COMPLAINS_EVERY == 0 {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the log's sink does not take entries; they are caught up later"
                    );
                }
                failures += 1;
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
