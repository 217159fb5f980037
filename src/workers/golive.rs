//! Bots that trade live and are no longer what was approved, in ways that no agent tells of: an item whose time is over, a key that is gone, a stage
//! whose time is over. Every replica looks, from memory: a hold that is placed twice is one.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        app.watch_all_drift().await;
    }
}
