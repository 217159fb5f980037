//! Agents that have taken a version of their limits over: from then on their bots may do again what they did before. A change of a team's limits
//! is taken over by all its bots at once: whatever waits becomes one transaction and one epoch.

use super::{App, AppError};
use crate::audit::Event;
use crate::domain::{BotFacts, BotId};
use crate::storage::{self, Lane};
use std::sync::Weak;
use tokio::sync::{mpsc, oneshot};

/// At most this many in one transaction, so that it stays short: a stop may wait for it.
const BATCH: usize = 64;

/// A bot, the version that its agent holds, and who waits until that is recorded.
pub(crate) type Taken = (BotId, i64, oneshot::Sender<()>);

impl App {
    /// Takes in that an agent has taken over the version that counts. Comes back once that is recorded, or could not be: then it is said again with
    /// the next check-in.
    pub(crate) async fn note_limits_taken(&self, bot: &BotId, version: Option<i64>) {
        let waits = |bot: &BotFacts| bot.limits_waiting && version == Some(bot.limits.version);
        let (Some(version), true) = (version, self.fleet.view().bot(bot).is_some_and(|bot| waits(bot))) else { return };
        let (done, recorded) = oneshot::channel();
        if self.limits_taken.send((bot.clone(), version, done)).await.is_ok() {
            let _ = recorded.await;
        }
    }

    async fn record_limits_taken(&self, batch: &[Taken]) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let said: Vec<(&BotId, i64)> = batch.iter().map(|(bot, version, _)| (bot, *version)).collect();
        let taken = storage::bots::bot_limits_taken(act.tx(), &said, epoch).await?;
        let version = |bot: &BotId| said.iter().find(|(one, _)| *one == bot).map_or(0, |(_, version)| *version);
        let events: Vec<Event> = taken.into_iter().map(|bot| Event::LimitsTaken { version: version(&bot), bot }).collect();
        act.commit_several(events).await
    }
}

/// Records what was taken over until the application goes.
pub(crate) async fn run(app: Weak<App>, mut taken: mpsc::Receiver<Taken>) {
    let mut batch = Vec::with_capacity(BATCH);
    while taken.recv_many(&mut batch, BATCH).await > 0 {
        let Some(app) = app.upgrade() else { return };
        if let Err(error) = app.record_limits_taken(&batch).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "limits that agents took over could not be recorded yet");
        }
        for (_, _, done) in batch.drain(..) {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }
}
