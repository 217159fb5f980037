//! Writes down when tokens and stop devices were used and which holds a phone placed, ends those whose people lost the right to them, and tells of ends that are near.

use super::is_mine;
use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(30);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        // What this process saw, only this process can write.
        if let Err(error) = app.write_uses().await {
            tracing::warn!(%error, "last uses are not written down yet");
        }
        let is_mine = is_mine(&app, "endings", EVERY).await;
        if let Err(error) = app.trace_presses(is_mine).await {
            tracing::warn!(%error, "the presses of stop devices are not written down yet");
        }
        if !is_mine {
            continue;
        }
        match app.end_and_warn().await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "tokens or stop devices ended with the rights of their people"),
            Err(error) => tracing::warn!(%error, "tokens and stop devices could not be looked through"),
        }
    }
}
