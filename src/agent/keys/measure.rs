//! Measuring the bot's keys on its own host, from the address that they work from: the server says which are due, whoever runs the agent knows how a
//! venue is asked, and the server compares what it said with what was approved. Nothing here decides anything, and no stop waits for it.

use super::KeyStore;
use crate::agent::link::wire::{Door, Wire};
use crate::domain::{ApiSecret, Environment};
use crate::protocol::{DueKey, KeyTold, MeasuredKey};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};

/// How soon after the agent's start the server is asked what is due.
const FIRST: Duration = Duration::from_secs(60);
/// How often it is asked.
const EVERY: Duration = Duration::from_secs(15 * 60);

/// Who can ask a venue what a key is.
#[async_trait]
pub trait Measurer: Send + Sync {
    /// Asks it, with the key itself.
    async fn measure(&self, venue: &str, environment: Environment, secret: &ApiSecret) -> KeyTold;
}

/// Measures what is due, for as long as the agent runs.
pub struct Measuring {
    /// Where the keys lie.
    pub store: KeyStore,
    /// Who asks venues.
    pub measurer: Arc<dyn Measurer>,
    /// The client.
    pub wire: Wire,
    /// Where to.
    pub door: Door,
}

impl Measuring {
    /// Runs until it is dropped.
    pub async fn run(self) {
        tokio::time::sleep(FIRST).await;
        loop {
            self.round().await;
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Measures what is due once.
    pub async fn round(&self) {
        let due = match self.wire.keys(&self.door).await {
            Ok(answer) => answer.due,
            Err(error) => {
                tracing::debug!("which keys are to be measured is not known: {error}");
                return;
            }
        };
        for key in due {
            let Some(told) = self.measure(&key).await else { continue };
            let measured = MeasuredKey { key_id: key.key_id.clone(), version: key.version, told };
            if let Err(error) = self.wire.tell_measured(&self.door, &measured).await {
                tracing::warn!(key = %key.key_id, "what a venue says of a key could not be told: {error}");
            }
        }
    }

    /// None: this agent does not hold it, or cannot open it.
    async fn measure(&self, due: &DueKey) -> Option<KeyTold> {
        let (store, wanted) = (self.store.clone(), due.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let found = store.find().ok()?;
            let key = found.keys.into_iter().find(|key| key.key_id == wanted.key_id && key.version == wanted.version)?;
            store.open(&key).ok()
        });
        let secret = opened.await.ok().flatten()?;
        Some(self.measurer.measure(&due.venue, due.environment, &secret).await)
    }
}
