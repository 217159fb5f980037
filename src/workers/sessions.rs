//! Writes browser sessions, and ends of them, that the database could not take at once: every second, since no other replica knows them before.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        app.write_late_ends().await;
        app.sessions.write_unsaved().await;
    }
}
