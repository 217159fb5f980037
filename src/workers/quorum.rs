//! Looks every hour, and soon after a start, whether every policy can still be met by the people of today, and raises an alert when one cannot:
//! people leave, lose keys and are disabled, and nobody should learn of it from a request that nobody can approve.

use super::is_mine;
use crate::app::App;
use std::{sync::Arc, time::Duration};

const SOON: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    tokio::time::sleep(SOON).await;
    loop {
        if is_mine(&app, "quorum", EVERY).await {
            app.check_quorum();
        }
        tokio::time::sleep(EVERY).await;
    }
}
