//! Reads once a second what agents said to other replicas, on every replica: whichever of them holds a lease judges all agents. Apart from
//! `sync`, whose reads leases hang on.

use crate::app::App;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(1);

/// Runs until the server stops; at once over on the embedded database, where every agent speaks to this process.
pub async fn run(app: Arc<App>) {
    while !app.db.is_embedded() {
        tokio::time::sleep(EVERY).await;
        let read = async {
            app.load_seen().await?;
            app.load_acks().await
        };
        if let Err(error) = read.await {
            tracing::warn!(%error, "what agents said to other replicas could not be read");
        }
    }
}
