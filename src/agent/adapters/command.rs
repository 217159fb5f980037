//! A bot that is told by commands of its owner's: one each to halt, to start and to report, and one to reduce where it can. Each is a program
//! with arguments, never a line for a shell, and answers with one JSON object on standard output. What does not end with status 0, in time and
//! with such an object proves nothing, and a halt is then tried again. What `halt` and `reduce` say of their own work is no proof either: `report`
//! is asked after them, and counts.
//!
//! In its environment every command finds `ANDON_BOT` (the bot's name), `ANDON_STATE` (`active`, `reducing`, `halted`), `ANDON_EXITS`
//! (`managed`, `none`) and `ANDON_ORDERS` (`keep`, `cancel_entries`, `cancel_all`): what is wanted now. On standard output:
//!
//! ```json
//! {"state":"halted","instance":"4711","entry_orders":0}
//! ```
//!
//! * `state`, always: what the bot does, read back from it. After `halt` both have to say `halted`, after `reduce` at most `reducing`.
//! * `instance`, where the bot has one (a pid, a start time): changes whenever it started anew, which is a stop.
//! * `entry_orders`, where it is known: orders that rest and would open or add. Without it no stop is ever shown as idle.
//! * From `report` also every field of the protocol's report (`equity`, `open_orders`, `positions`, …), and `fills`, as the protocol has them: the
//!   last ones, again and again, since each counts once.
//!
//! `block`, where there is one, is for symbols that are held alone. On standard input it gets all of them as one JSON array, each time, and none as
//! `[]`; `venue` stands only where the symbol is held at one venue. What it prints is not read: status 0 says that the bot adds nothing in any of
//! them, has no entry order there, and is kept from no other symbol by this command any more.
//!
//! ```json
//! [{"symbol":"BTC/USDT"},{"venue":"binance","symbol":"ETH/USDT"}]
//! ```

mod run;

use super::{Adapter, AdapterError, Finding, LeftOut, Printed, ReadBack, Runs, Told, Traits, Wanted, digest::Digests};
use crate::agent::BootClock;
use crate::domain::{Orders, State};
use crate::protocol::{BlockedFrame, FillFrame, Report};
use async_trait::async_trait;
use run::{Call, Cancel, GONE_MS};
use serde::Deserialize;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Between two looks at the bot: a bot that restarts by itself is halted again within moments (ruling H20).
const LOOK_EVERY: Duration = Duration::from_millis(1_500);

/// The command that changes nothing, and may run beside the others.
const REPORT: &str = "report";
/// The command that runs beside the others, and never with itself.
const BLOCK: &str = "block";
/// While symbols are blocked the block command is called again after this long: what it did may have been undone.
const BLOCK_AGAIN_MS: i64 = 15_000;

/// One command and how long it may take.
#[derive(Debug, Clone)]
pub struct Order {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Milliseconds.
    pub timeout_ms: i64,
}

/// A bot's commands.
#[derive(Debug, Clone)]
pub struct CommandConfig {
    /// The bot's name, as enrolled.
    pub bot: String,
    /// Where the commands run.
    pub working_dir: Option<PathBuf>,
    /// Halts it.
    pub halt: Order,
    /// Lets it reduce without adding; without it every order to reduce is a halt.
    pub reduce: Option<Order>,
    /// Has it add nothing in the symbols that it reads; without it every held symbol reduces the whole bot.
    pub block: Option<Order>,
    /// Starts it, or lets a reducing one go on.
    pub start: Order,
    /// Says what it does.
    pub report: Order,
    /// `halt` heeds `ANDON_EXITS=managed`: the bot goes on closing and protecting.
    pub manages_exits: bool,
    /// Files whose digest is the build.
    pub build: Vec<PathBuf>,
    /// Files whose digest is the configuration.
    pub config: Vec<PathBuf>,
    /// The strategy's name.
    pub strategy: Option<String>,
    /// Where it trades: `VENUE/SUBACCOUNT`.
    pub subaccount: Option<String>,
}

/// What a command prints.
#[derive(Debug, Deserialize)]
struct Answer {
    state: State,
    #[serde(default)]
    instance: Option<String>,
    #[serde(flatten)]
    printed: Printed,
}

impl Answer {
    fn read_back(&self) -> ReadBack {
        ReadBack { state: self.state, instance: self.instance.clone(), resting: (&self.printed.report).into(), exits: None }
    }
}

/// The adapter.
pub struct CommandAdapter {
    config: CommandConfig,
    wanted: Mutex<Option<Wanted>>,
    turn: Arc<Mutex<()>>,
    // Of the block command alone: a stop does not wait for it.
    block_turn: Arc<Mutex<()>>,
    // The bot as last looked at.
    instance: Mutex<Option<String>>,
    // Fills that the report command printed.
    fills: Told,
    digests: Digests,
    // What it took last, and when, by the boot clock.
    blocked: Mutex<Option<(Vec<BlockedFrame>, i64)>>,
}

impl CommandAdapter {
    /// An adapter for one bot; runs nothing.
    pub fn new(config: CommandConfig) -> Self {
        let digests = Digests::new(config.build.clone(), config.config.clone());
        Self {
            config,
            digests,
            wanted: Mutex::default(),
            turn: Arc::default(),
            block_turn: Arc::default(),
            instance: Mutex::default(),
            fills: Told::default(),
            blocked: Mutex::default(),
        }
    }

    fn order_for(&self, wanted: &Wanted) -> (&'static str, &Order) {
        match (wanted.state, &self.config.reduce) {
            (State::Active, _) => ("start", &self.config.start),
            (State::Reducing, Some(reduce)) => ("reduce", reduce),
            (State::Reducing, None) | (State::Halted, _) => ("halt", &self.config.halt),
        }
    }

    fn call(&self, name: &'static str, order: &Order, wanted: Option<Wanted>) -> Call {
        let mut env = vec![("ANDON_BOT", self.config.bot.clone())];
        if let Some(wanted) = wanted {
            env.push(("ANDON_STATE", wanted.state.to_string()));
            env.push(("ANDON_EXITS", wanted.exits.to_string()));
            env.push(("ANDON_ORDERS", wanted.orders.to_string()));
        }
        let turn = match name {
            REPORT => None,
            BLOCK => Some(self.block_turn.clone()),
            _ => Some(self.turn.clone()),
        };
        let (command, dir) = (order.command.clone(), self.config.working_dir.clone());
        Call { name, command, dir, env, input: Vec::new(), timeout_ms: order.timeout_ms, turn }
    }

    async fn ask(&self, name: &'static str, order: &Order, wanted: Option<Wanted>) -> Result<Answer, AdapterError> {
        answer(name, &self.run(self.call(name, order, wanted)).await?)
    }

    async fn run(&self, call: Call) -> Result<Vec<u8>, AdapterError> {
        let cancel = Cancel::default();
        let told = cancel.clone();
        // Dropped, this future ends the command and whatever it started: a stop waits for no start.
        let _guard = cancel.guard();
        tokio::task::spawn_blocking(move || call.run(&told)).await.map_err(AdapterError::new)?
    }

    /// True when the block command took the very same a moment ago.
    fn took(&self, symbols: &[BlockedFrame]) -> bool {
        let blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = BootClock::system().now_ms();
        blocked.as_ref().is_some_and(|(taken, at)| taken == symbols && now.saturating_sub(*at) < BLOCK_AGAIN_MS)
    }

    async fn now(&self) -> Result<Answer, AdapterError> {
        let wanted = *self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = self.ask(REPORT, &self.config.report, wanted).await?;
        self.fills.add(now.printed.take_fills());
        Ok(now)
    }
}

fn answer(name: &str, printed: &[u8]) -> Result<Answer, AdapterError> {
    serde_json::from_slice(printed).map_err(|error| {
        AdapterError(format!("the {name} command did not print an object such as {{\"state\":\"halted\",\"entry_orders\":0}}: {error}"))
    })
}

#[async_trait]
impl Adapter for CommandAdapter {
    fn name(&self) -> &'static str {
        "command"
    }
    fn traits(&self) -> Traits {
        Traits {
            can_reduce: self.config.reduce.is_some(),
            can_tell_orders: true,
            can_cancel: true,
            can_manage_exits: self.config.manages_exits,
            dies_with_agent: false,
            leaves_out_within_ms: self.config.block.as_ref().map(|block| block.timeout_ms.saturating_add(GONE_MS).saturating_add(1_000)),
        }
    }
    fn apply_within_ms(&self) -> i64 {
        let reduce_ms = self.config.reduce.as_ref().map_or(0, |reduce| reduce.timeout_ms);
        let told_ms = self.config.halt.timeout_ms.max(reduce_ms);
        told_ms.saturating_add(self.config.report.timeout_ms).saturating_add(GONE_MS).saturating_add(1_000)
    }

    async fn apply(&self, wanted: &Wanted) -> Result<ReadBack, AdapterError> {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(*wanted);
        let (name, order) = self.order_for(wanted);
        let told = self.ask(name, order, Some(*wanted)).await?;
        // One that says itself that it did not do it is not asked further, and a start is looked at soon enough.
        if told.state > wanted.state || wanted.state == State::Active {
            return Ok(told.read_back());
        }
        Ok(self.now().await?.read_back())
    }

    async fn leave_out(&self, symbols: &[BlockedFrame]) -> Result<LeftOut, AdapterError> {
        let block = self.config.block.as_ref().ok_or_else(|| AdapterError::new("there is no block command"))?;
        if !self.took(symbols) {
            let wanted = *self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            let input = serde_json::to_vec(symbols).map_err(AdapterError::new)?;
            *self.blocked.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.run(Call { input, ..self.call(BLOCK, block, wanted) }).await?;
            *self.blocked.lock().unwrap_or_else(PoisonError::into_inner) = Some((symbols.to_vec(), BootClock::system().now_ms()));
        }
        Ok(LeftOut { entry_orders: Some(0) })
    }

    async fn look(&self) -> Result<ReadBack, AdapterError> {
        let seen = self.now().await?.read_back();
        let mut instance = self.instance.lock().unwrap_or_else(PoisonError::into_inner);
        if *instance != seen.instance {
            // Another process of it knows of no symbol.
            instance.clone_from(&seen.instance);
            *self.blocked.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(seen)
    }

    async fn changed(&self) {
        tokio::time::sleep(LOOK_EVERY).await;
    }

    async fn report(&self) -> Result<Option<Report>, AdapterError> {
        Ok(Some(self.now().await?.printed.report))
    }

    async fn fills(&self) -> Vec<FillFrame> {
        self.fills.take()
    }

    async fn runs(&self) -> Runs {
        // What lies there while it stands is what the next start runs.
        let is_running = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|wanted| wanted.state != State::Halted);
        let (build, config) = self.digests.read(is_running).await;
        Runs { build, config, strategy: self.config.strategy.clone(), subaccount: self.config.subaccount.clone() }
    }

    fn halt_now(&self, wanted: &Wanted) -> Result<(), AdapterError> {
        let wanted = Wanted { state: State::Halted, orders: wanted.orders.max(Orders::CancelEntries), ..*wanted };
        for (name, order) in [("halt", &self.config.halt), (REPORT, &self.config.report)] {
            let printed = self.call(name, order, Some(wanted)).run(&Cancel::default())?;
            let state = answer(name, &printed)?.state;
            if state != State::Halted {
                return Err(AdapterError(format!("told to be halted, the bot says {state} to the {name} command")));
            }
        }
        Ok(())
    }

    async fn examine(&self, _restart: bool) -> Vec<Finding> {
        let mut found = vec![match self.now().await {
            Ok(now) if now.printed.report.entry_orders.is_some() => {
                Finding::good(format!("the report command says that the bot is {}", now.state))
            }
            Ok(now) => Finding::bad(format!(
                "the report command says that the bot is {}, and nothing of entry_orders: no stop will ever be shown as idle",
                now.state
            )),
            Err(error) => Finding::bad(error.to_string()),
        }];
        if self.config.reduce.is_none() {
            found.push(Finding::good("there is no reduce command: every order to reduce halts the bot"));
        }
        if self.config.block.is_none() {
            found.push(Finding::good("there is no block command: a hold on one symbol reduces the whole bot"));
        }
        found
    }
}

#[cfg(test)]
mod tests;
