//! Compares bots with their venues by the monitor keys that the server holds. Across replicas one does it: two would wait for each other's
//! nonces, and confirm by one reading each.

use super::is_mine;
use crate::app::{App, reconcile::Reconciler};
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);
/// A pass may wait for venues.
const LEASE: Duration = Duration::from_secs(30);

/// Runs until the server stops.
pub async fn run(app: Arc<App>) {
    let mut reconciler = None;
    loop {
        tokio::time::sleep(EVERY).await;
        if !is_mine(&app, "reconcile", LEASE).await {
            reconciler = None;
            continue;
        }
        if !app.db.is_embedded()
            && let Err(error) = app.load_watches().await
        {
            tracing::warn!(%error, "how bots are watched could not be read again");
        }
        round(&app, &mut reconciler).await;
    }
}

/// One round. Whoever takes over begins with what the database has.
pub async fn round(app: &Arc<App>, reconciler: &mut Option<Reconciler>) {
    let current = match reconciler {
        Some(current) => current,
        None => match Reconciler::load(app).await {
            Ok(loaded) => reconciler.insert(loaded),
            Err(error) => return tracing::warn!(%error, "what reconciliation has come to could not be read"),
        },
    };
    current.round(app).await;
}
