//! Looks after the master key: asks again while it cannot be had, notices that another replica changed it, and goes on with a change. Every process
//! looks for itself; among replicas one wraps anew.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(5);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        if let Err(error) = app.vault_round().await {
            tracing::warn!(%error, "the master key could not be looked after");
        }
        tokio::time::sleep(EVERY).await;
    }
}
