//! Keeps the snapshot up to date with what other replicas commit: by notice, and every 500 ms in case one was lost.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_millis(500);

/// Runs until the server stops. On the embedded database this process is the only writer and there is nothing to follow.
pub async fn run(app: Arc<App>) {
    if app.db.is_embedded() {
        return;
    }
    loop {
        let mut listener = app.db.listener().await.ok().flatten();
        // Whoever has no listener rereads by the clock alone, and tries for one again after a minute.
        for _ in 0..120 {
            let notice = async {
                match &mut listener {
                    Some(listener) => listener.wait().await,
                    None => std::future::pending().await,
                }
            };
            let _ = tokio::time::timeout(EVERY, notice).await;
            if let Err(error) = app.refresh().await {
                tracing::warn!(%error, "the database could not be read; leases shorten");
                tokio::time::sleep(EVERY).await;
            }
        }
    }
}
