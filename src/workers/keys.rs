//! What time does to exchange keys: they drain, end with their bot or agent, are measured again, and are asked after.

use super::is_mine;
use crate::app::{App, keys::tend::Tending};
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(5);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    let mut before = Tending::default();
    loop {
        tokio::time::sleep(EVERY).await;
        if is_mine(&app, "keys", EVERY).await
            && let Err(error) = app.tend_keys(&mut before).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "keys could not be looked after yet");
        }
    }
}
