//! Takes bots under a kill back to `draft`.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);

/// Runs until the server stops. A change of the fleet wakes it.
pub async fn run(app: Arc<App>) {
    let mut changes = app.fleet.subscribe();
    loop {
        match app.settle_kills().await {
            Ok(0) => {}
            Ok(bots) => tracing::warn!(bots, "killed bots are back in draft"),
            Err(error) => tracing::warn!(%error, "killed bots could not be taken back to draft yet"),
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
