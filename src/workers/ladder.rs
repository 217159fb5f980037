//! Climbs the ladder of every stop that is not answered: once a second, in memory. Across replicas one does it.

use super::is_mine;
use crate::app::{
    App,
    ladder::{Ladder, read_proofs},
};
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    let mut ladder = None;
    loop {
        tokio::time::sleep(EVERY).await;
        // Whoever takes over begins with what the database has.
        if !is_mine(&app, "ladder", EVERY).await {
            ladder = None;
            continue;
        }
        round(&app, &mut ladder).await;
    }
}

/// One round. A ladder whose past cannot be read climbs all the same: people are told once too often rather than not.
pub async fn round(app: &Arc<App>, ladder: &mut Option<Ladder>) {
    let current = match ladder {
        Some(current) => current,
        None => ladder.insert(match Ladder::load(app).await {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::warn!(%error, "what stops have come to could not be read");
                Ladder::default()
            }
        }),
    };
    if !app.db.is_embedded()
        && let Err(error) = read_proofs(app, &app.fleet.view()).await
    {
        tracing::warn!(%error, "what other replicas heard could not be read");
    }
    current.round(app);
}
