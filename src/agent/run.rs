//! An agent as it is put together and run: beside a bot by `andon agent run`, or many in one process.

use super::{
    BootClock,
    adapters::Adapter,
    credential::{Credential, Keeper},
    keys::{KeyRing, Measurer, Measuring},
    link::{
        Link,
        wire::{Door, Wire, WireError},
    },
    memory::MemoryStore,
    runner::Runner,
    tether::Tether,
};
use crate::crypto::token;
use crate::domain::{BootId, Clock};
use std::{future::Future, pin::pin, sync::Arc};
use tokio::task::JoinSet;

/// Everything an agent is made of, the bot and the memory aside.
pub struct AgentConfig {
    /// Who it is and where it reports.
    pub credential: Credential,
    /// Where its token is changed; none: it never is, as in a demo, whose agents end with it.
    pub keeper: Option<Keeper>,
    /// Where exchange keys lie and how the bot gets them; none: it keeps none.
    pub keys: Option<KeyRing>,
    /// Who can ask a venue what a key is; none: the bot's keys are not measured from here.
    pub measurer: Option<Arc<dyn Measurer>>,
    /// The client, shared by every agent of a process.
    pub wire: Wire,
    /// The time of day; shown, never trusted.
    pub clock: Clock,
    /// What leases run on.
    pub boot_clock: BootClock,
    /// The pipe to its minder, when it has one.
    pub tether: Option<Tether>,
}

/// Why an agent's run ended. Its bot is then halted, or could not be halted in time and is left to the minder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was asked to.
    Asked,
    /// Its minder is gone or stands still.
    MinderLost,
}

/// An agent that has not started yet.
pub struct Agent {
    config: AgentConfig,
    adapter: Arc<dyn Adapter>,
    store: MemoryStore,
}

impl Agent {
    /// Puts an agent together.
    pub fn new(config: AgentConfig, adapter: Box<dyn Adapter>, store: MemoryStore) -> Self {
        Self { config, adapter: Arc::from(adapter), store }
    }

    /// Runs until `shutdown` is ready or its minder is gone, then halts the bot, tells the server and returns. Halts whatever bot survived an
    /// earlier agent before it says hello. Dropping the future leaves the bot as it is; whoever does that wants a crash.
    ///
    /// # Errors
    /// When it cannot even begin: no randomness for a boot id, or a token that is none.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<Outcome, WireError> {
        let boot = token::random::<16>().ok().and_then(|text| BootId::try_from(text).ok());
        let boot = boot.ok_or_else(|| WireError::Client(token::NoRandomness.to_string()))?;
        let AgentConfig { credential, keeper, keys, measurer, wire, clock, boot_clock, tether } = self.config;
        let door = Door::new(credential.server.clone(), &credential.token)?;
        let apply_within_ms = self.adapter.apply_within_ms();
        let measuring = keys.as_ref().zip(measurer).map(|(ring, measurer)| {
            let (store, wire, door) = (ring.store.clone(), wire.clone(), door.clone());
            Measuring { store, measurer, wire, door }
        });
        let (clocks, held) = ((clock.clone(), boot_clock.clone()), (self.store, keys));
        let (mut runner, ends) = Runner::new(&credential, self.adapter, held, clocks, tether);
        let mut tasks = JoinSet::new();
        tasks.spawn(ends.hands.run());
        tasks.spawn(ends.keys.run());
        measuring.map(|measuring| tasks.spawn(measuring.run()));
        let installation = credential.installation;
        let mut link =
            Some(Link { wire, door, installation, boot, clock, boot_clock, apply_within_ms, keeper, desk: ends.desk, news: ends.news });
        let mut shutdown = pin!(shutdown);
        loop {
            if let Some(outcome) = runner.settle() {
                return Ok(outcome);
            }
            if runner.may_say_hello()
                && let Some(link) = link.take()
            {
                tasks.spawn(link.run());
            }
            runner.step(shutdown.as_mut()).await;
        }
    }
}
