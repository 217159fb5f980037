//! Forgets browser sessions that have ended, browsers that nobody has signed in from for as long as they keep a cookie, old notices and
//! observations, keys of programs that count no more, and files that nobody took into the register or put down as evidence.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(600);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        app.sessions.prune().await;
        app.forget_browsers().await;
        if let Err(error) = app.forget_old_notices().await {
            tracing::warn!(%error, "old notices were not forgotten yet");
        }
        for forgotten in [app.forget_keys().await, app.forget_drafts().await, app.forget_files().await] {
            if let Err(error) = forgotten {
                tracing::warn!(%error, "what counts no more was not forgotten yet");
            }
        }
        if super::is_mine(&app, "prune", EVERY).await
            && let Err(error) = app.forget_old_observations().await
        {
            tracing::warn!(%error, "old observations were not forgotten yet");
        }
    }
}
