//! Facts that were observed and stop a bot: a new boot, a lapse, a bot that stands, a start nobody took up. Many at once (a data centre that
//! restarts) become one transaction, one epoch and one entry (ruling H15).

use super::{App, AppError};
use crate::audit::Event;
use crate::domain::{AgentId, BootId, BotId, Epoch, StopFact, StopKind};
use crate::storage::{self, Lane};
use std::sync::{Arc, Weak};
use tokio::sync::{mpsc, oneshot};

/// At most this many facts in one transaction, so that it stays short.
const BATCH: usize = 200;

/// What was observed.
#[derive(Debug, Clone)]
pub enum Observed {
    /// A boot that was never seen before.
    Boot(AgentId, BootId),
    /// Anything else that stops.
    Stop(StopKind, String),
}

/// One fact, and who waits for it to be recorded. The answer is false when the boot turned out to be an older one.
pub struct Fact {
    /// The bot it stops.
    pub bot: BotId,
    /// What it is.
    pub observed: Observed,
    /// Told once it is recorded, or cannot be.
    pub done: oneshot::Sender<Result<bool, Arc<AppError>>>,
}

impl App {
    /// Records a fact and waits until it is recorded. The bot is stopped from then on.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn record_fact(&self, bot: &BotId, observed: Observed) -> Result<bool, Arc<AppError>> {
        let (done, told) = oneshot::channel();
        let fact = Fact { bot: bot.clone(), observed, done };
        let gone = || Arc::new(AppError::conflict("the server stops"));
        self.facts.send(fact).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }
}

/// Records facts until the application goes.
pub(crate) async fn run(app: Weak<App>, mut facts: mpsc::Receiver<Fact>) {
    let mut batch = Vec::with_capacity(BATCH);
    while facts.recv_many(&mut batch, BATCH).await > 0 {
        let Some(app) = app.upgrade() else { return };
        let outcome = app.record_batch(&batch).await.map_err(Arc::new);
        for (n, fact) in batch.drain(..).enumerate() {
            let answer = match &outcome {
                Ok(newest) => Ok(newest.get(n).copied().unwrap_or(false)),
                Err(error) => Err(error.clone()),
            };
            // Whoever asked may have gone; the fact stands all the same.
            let _ = fact.done.send(answer);
        }
    }
}

impl App {
    async fn record_batch(&self, batch: &[Fact]) -> Result<Vec<bool>, AppError> {
        let permit = self.server_permit()?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let mut newest = Vec::with_capacity(batch.len());
        let mut recorded = Vec::new();
        for fact in batch {
            let taken = self.record_one(&mut act, epoch, fact).await?;
            if taken {
                recorded.push(fact);
            }
            newest.push(taken);
        }
        let Some(event) = event_of(&recorded) else { return Ok(newest) };
        failpoint!("fact:before_commit");
        act.commit_stop(event).await?;
        failpoint!("fact:committed");
        for fact in recorded {
            if let Observed::Boot(agent, boot) = &fact.observed {
                self.book.set_newest_boot(&fact.bot, agent, boot, epoch);
            }
        }
        Ok(newest)
    }

    async fn record_one(&self, act: &mut super::tx::Act<'_>, epoch: Epoch, fact: &Fact) -> Result<bool, AppError> {
        let at = act.now();
        let stop = match &fact.observed {
            Observed::Boot(agent, boot) => {
                if storage::agents::boot_known(act.tx(), agent, boot).await? {
                    let last = storage::agents::boot_newest(act.tx(), agent).await?;
                    let is_newest = last.is_some_and(|(newest, _)| newest == boot.as_str());
                    if is_newest {
                        // The epoch of this transaction is its own; what committed before it is known.
                        self.book.set_newest_boot(&fact.bot, agent, boot, Epoch(epoch.0 - 1));
                    }
                    return Ok(false);
                }
                let n = storage::agents::boot_newest(act.tx(), agent).await?.map_or(1, |(_, n)| n + 1);
                storage::agents::boot_insert(act.tx(), agent, n, boot, at).await?;
                StopFact { epoch, kind: StopKind::Boot, why: "its agent started anew".into(), at }
            }
            Observed::Stop(kind, why) => StopFact { epoch, kind: *kind, why: why.clone(), at },
        };
        storage::bots::bot_stop(act.tx(), &fact.bot, &stop).await?;
        Ok(true)
    }
}

fn event_of(facts: &[&Fact]) -> Option<Event> {
    match facts {
        [] => None,
        [fact] => Some(match &fact.observed {
            Observed::Boot(agent, boot) => {
                Event::BootRecorded { bot: fact.bot.clone(), agent: agent.clone(), boot: boot.as_str().to_owned() }
            }
            Observed::Stop(kind, why) => Event::BotStopped { bot: fact.bot.clone(), stop: *kind, why: why.clone() },
        }),
        many => Some(Event::bots_stopped(many.iter().map(|fact| &fact.bot))),
    }
}
