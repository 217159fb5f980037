//! Brings starts in waves on: the next wave once its conditions hold, and the end as soon as something ends one.

use super::is_mine;
use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if !app.site.is_foreign()
            && is_mine(&app, "staged", EVERY).await
            && let Err(error) = app.staged_round().await
        {
            tracing::warn!(%error, "starts in waves could not be looked at");
        }
    }
}
