//! Records what was pushed while the database or the log would not take it.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_millis(500);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if !app.fleet.view().unrecorded().is_empty() {
            match app.merge_unrecorded().await {
                // What waits for its own turn at the database is no news.
                Ok(0) => {}
                Ok(merged) => {
                    tracing::warn!(merged, "holds were recorded late");
                    // Those of a stop device could not be told of before.
                    if let Err(error) = app.trace_presses(false).await {
                        tracing::warn!(%error, "the trace of a stop device's press is written later");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "holds still wait for the database");
                    continue;
                }
            }
        }
        if let Err(error) = app.tidy_spool().await {
            tracing::warn!(%error, "what the spool holds could not be compared with the database");
        }
        match app.append_late_entries().await {
            Ok(0) => {}
            Ok(appended) => tracing::warn!(appended, "entries of stops were appended late"),
            Err(error) => tracing::warn!(%error, "entries of stops still wait for the log"),
        }
        if let Err(error) = app.append_missing_entries().await {
            tracing::warn!(%error, "entries of holds still wait for the log");
        }
    }
}
