//! Runs the alert command for alerts that are due: at once when one was opened, and by the clock. A command that hangs holds up nothing but itself.

use super::is_mine;
use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(5);

/// Runs until the server stops; at once over where there is no command.
pub async fn run(app: Arc<App>) {
    if app.alert_command().is_none() {
        return;
    }
    loop {
        if is_mine(&app, "alert_command", EVERY).await {
            match app.run_alert_commands().await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::warn!(%error, "the alert command waits for the database"),
            }
        }
        // Elapsed or woken: the next round is the same.
        let _ = tokio::time::timeout(EVERY, app.alerts.command_due()).await;
    }
}
