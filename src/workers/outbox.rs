//! Delivers mail: at once when something is written, and by the clock. A mail server that is down holds up nothing but mail.

use crate::app::{App, outbox::Round};
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(5);
/// A mail server that takes nothing is left alone for so long.
const DOWN: Duration = Duration::from_secs(30);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    loop {
        let wait = if super::is_mine(&app, "outbox", EVERY).await {
            match app.deliver_due().await {
                Ok(Round::More) => continue,
                Ok(Round::Quiet) => EVERY,
                Ok(Round::Down) => DOWN,
                Err(error) => {
                    tracing::warn!(%error, "the outbox waits for the database");
                    EVERY
                }
            }
        } else {
            EVERY
        };
        // Word of a new letter does not shorten the rest of a server that is down.
        if wait == DOWN {
            tokio::time::sleep(wait).await;
        } else {
            let _ = tokio::time::timeout(wait, app.notices.woken()).await;
        }
    }
}
