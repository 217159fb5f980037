//! Takes the evidence of presses that whoever took them did not write: after a restart, and when a queue was full.

use super::is_mine;
use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(30);

/// Runs until the server stops. At once after the start: the sooner, the less has been overwritten by what agents say now.
pub async fn run(app: Arc<App>) {
    loop {
        if is_mine(&app, "evidence", EVERY).await {
            match app.take_missing_evidence().await {
                Ok(0) => {}
                Ok(taken) => tracing::warn!(taken, "evidence of presses was taken late"),
                Err(error) => tracing::warn!(%error, "presses without evidence could not be looked for"),
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
