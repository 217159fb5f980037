//! Reads back at the venue what agents say they have stopped, by the keys that the server holds: once a second what was pressed lately. Across
//! replicas one does it. Bots that do not answer are the ladder's, whose rungs run in tasks of their own.

use super::is_mine;
use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);
/// A pass may wait for venues.
const LEASE: Duration = Duration::from_secs(20);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    let mut is_loaded = false;
    loop {
        tokio::time::sleep(EVERY).await;
        // Receipts of every replica show what was read back by any.
        if !is_loaded || !app.db.is_embedded() {
            match app.load_verified().await {
                Ok(()) => is_loaded = true,
                Err(error) => tracing::warn!(%error, "what was read back at venues could not be read"),
            }
        }
        if is_mine(&app, "guard", LEASE).await {
            app.verify_stops().await;
        }
    }
}
