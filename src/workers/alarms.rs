//! Looks twice a second for what somebody should know. Every process looks at its own agents, so there is no lease.

use crate::app::{App, alarms::Alarms};
use std::{sync::Arc, time::Duration};

/// With the time after which an agent counts as behind this makes less than five seconds.
const EVERY: Duration = Duration::from_millis(500);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    let mut alarms = Alarms::default();
    loop {
        tokio::time::sleep(EVERY).await;
        alarms.round(&app);
    }
}
