//! Reads what drills measured on other replicas, for the pages of this one. Nothing waits for it.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(5);

/// Runs until the server stops. On the embedded database every drill is measured here, so that what could not be read at the start is all
/// there is to read.
pub async fn run(app: Arc<App>) {
    loop {
        let read = app.load_drills().await;
        match read {
            Ok(()) if app.db.is_embedded() => return,
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "what drills measured could not be read"),
        }
        tokio::time::sleep(EVERY).await;
    }
}
