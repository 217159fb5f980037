//! Keeps the snapshot up to date with what other replicas commit: by notice, and every 500 ms in case one was lost. What this process itself
//! committed and could not read again is read until it can.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_millis(500);
/// Unread notices are read again every so many rounds, in case word of one was lost.
const UNREAD_EVERY: u32 = 20;

/// Runs until the server stops. On the embedded database this process is the only writer: it follows nobody but itself.
pub async fn run(app: Arc<App>) {
    while app.db.is_embedded() {
        tokio::time::sleep(EVERY).await;
        mend(&app).await;
    }
    loop {
        let mut listener = app.db.listener().await.ok().flatten();
        // Whoever has no listener rereads by the clock alone, and tries for one again after a minute.
        for round in 0..120 {
            let notice = async {
                match &mut listener {
                    Some(listener) => listener.wait().await,
                    None => std::future::pending().await,
                }
            };
            let is_told = tokio::time::timeout(EVERY, notice).await.is_ok();
            if let Err(error) = app.refresh().await {
                tracing::warn!(%error, "the database could not be read; leases shorten");
                tokio::time::sleep(EVERY).await;
            } else if is_told || round % UNREAD_EVERY == 0 {
                // How many notices are unread is only shown: what could not be read now is read with the next.
                let _ = app.refresh_unread().await;
            }
            if let Err(error) = app.refresh_keys().await {
                tracing::warn!(%error, "what other replicas changed of keys could not be read yet");
            }
            mend(&app).await;
        }
    }
}

async fn mend(app: &App) {
    if let Err(error) = app.mend().await {
        tracing::error!(%error, "what was committed here cannot be read again; it is tried every half second");
    }
}
