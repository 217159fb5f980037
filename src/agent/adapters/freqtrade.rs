//! A Freqtrade bot, told and read back through its REST API (ruling C1). `reducing`, and `halted` with managed exits, is Freqtrade's *paused*;
//! `halted` without is its *stopped*. Entry orders are cancelled on the way, since a stopped bot cannot. Its `200` and its `state` are wishes:
//! what is acknowledged is a loop that came round after it, and orders read back after that. A stopped bot is never paused: that would wake it.
//!
//! | file | for |
//! |---|---|
//! | `api` | one method per call |
//! | `facts` | what it says, and what that means |
//! | `steps` | pausing, cancelling, stopping, starting, each with its proof |
//! | `leave_out` | leaving out one symbol, with its proof |
//! | `report` | its facts as a report |
//! | `fills` | its orders that were carried out |
//! | `examine` | what `andon agent check` says |

mod api;
mod examine;
mod facts;
mod fills;
mod leave_out;
mod report;
mod steps;

use super::{Adapter, AdapterError, Finding, LeftOut, ReadBack, Resting, Runs, Told, Traits, Wanted};
use crate::agent::BootClock;
use crate::domain::{Exits, Orders, Secret, State};
use crate::protocol::{BlockedFrame, FillFrame, Report};
use api::{Api, ApiError};
use async_trait::async_trait;
use facts::{Config, Health, Mode};
use sha2::{Digest, Sha256};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use url::Url;

/// Wealth, the day's profit and the trades that ended are read this often: they cost Freqtrade more than the rest.
const SLOW_EVERY_MS: i64 = 15_000;
/// How long a look waits for the orders.
const STATUS: Duration = Duration::from_secs(1);

/// Where a bot's API is, and how fast the bot is.
#[derive(Debug, Clone)]
pub struct FreqtradeConfig {
    /// The API's address, without `api/v1`; ends in a slash.
    pub url: Url,
    /// `api_server.username`.
    pub username: String,
    /// `api_server.password`.
    pub password: Secret<String>,
    /// `internals.process_throttle_secs`, in milliseconds: how often its loop comes round. Stops are proved within three of it.
    pub throttle_ms: i64,
    /// How long it may take to answer. Milliseconds.
    pub timeout_ms: i64,
}

impl FreqtradeConfig {
    /// How long a stop and its proof may take. Milliseconds.
    fn apply_within_ms(&self) -> i64 {
        self.throttle_ms.saturating_mul(3).max(1_000)
    }
}

impl From<ApiError> for AdapterError {
    fn from(error: ApiError) -> Self {
        Self::new(error)
    }
}

/// The adapter.
pub struct FreqtradeAdapter {
    config: FreqtradeConfig,
    api: Api,
    boot_clock: BootClock,
    inside: Arc<Mutex<Inside>>,
    fills: Arc<Told>,
}

#[derive(Default)]
struct Inside {
    // What was wanted last: Freqtrade's *paused* is a halt or not, as it was wanted.
    wanted: Option<Wanted>,
    // `last_process` of a bot that was proved stopped: it must not move any more.
    stood_at: Option<Option<String>>,
    // Its loop had come round when it was read last, and how often that was not so any more: another process, or one that reloaded.
    came_round: bool,
    restarts: u64,
    // Orders that rest at a stopped bot and were to be cancelled, as last warned of.
    stays: u64,
    // The symbols that it leaves out have not changed since a round of its loop began and ended.
    left_out_a_round: bool,
    slow: report::Slow,
    slow_at_ms: Option<i64>,
    // They are being read.
    reads_slow: bool,
    runs: Runs,
}

impl Inside {
    /// True when the loop of a bot that was proved stopped came round since. One that has never come round is another process, and stands.
    fn moved_on(&self, health: &Health) -> bool {
        health.last_process.is_some() && self.stood_at.as_ref().is_some_and(|stood| *stood != health.last_process)
    }
}

impl FreqtradeAdapter {
    /// An adapter for one bot; calls nobody.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(config: FreqtradeConfig, boot_clock: BootClock) -> Result<Self, AdapterError> {
        let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(1));
        let long = ms(config.timeout_ms.max(config.apply_within_ms()));
        let api = Api::new(config.url.clone(), config.username.clone(), config.password.clone(), ms(config.timeout_ms), long);
        Ok(Self { api: api.map_err(AdapterError)?, config, boot_clock, inside: Arc::default(), fills: Arc::default() })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the bot does, from its state, its loop and what is wanted of it.
    fn reading(&self, config: &Config, health: &Health) -> Result<ReadBack, AdapterError> {
        let mode = config.mode();
        let mut inside = self.inside();
        // One that comes back stopped says nothing of when it began: its loop came round, and now has never come round.
        if std::mem::replace(&mut inside.came_round, health.last_process.is_some()) && health.last_process.is_none() {
            inside.restarts += 1;
        }
        let state = match mode {
            Mode::Running => State::Active,
            Mode::Paused => match inside.wanted {
                Some(wanted) if wanted.state == State::Halted && !steps::is_to_stand(&wanted) => State::Halted,
                _ => State::Reducing,
            },
            // It says that it stands, and its loop comes round all the same.
            Mode::Stopped if inside.moved_on(health) => State::Active,
            Mode::Stopped => State::Halted,
            Mode::Reloading | Mode::Unknown => return Err(AdapterError(format!("Freqtrade's state is {:?}", config.text("state")))),
        };
        let instance = Some(format!("{} {}", health.instance(), inside.restarts));
        let exits = Some(if mode == Mode::Stopped { Exits::None } else { Exits::Managed });
        Ok(ReadBack { state, instance, resting: Resting::default(), exits })
    }

    fn note_runs(&self, config: &Config) {
        let strategy = config.text("strategy");
        let build = format!("freqtrade {} strategy {strategy} {}", config.text("version"), config.text("strategy_version"));
        let mut fields = config.0.clone();
        // What changes while it runs is no configuration.
        for name in ["state", "version", "strategy_version", "available_capital"] {
            fields.remove(name);
        }
        let canonical = serde_json_canonicalizer::to_vec(&fields).unwrap_or_default();
        let digest = |bytes: &[u8]| Some(format!("sha256:{}", data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))));
        let runs = Runs {
            build: digest(build.as_bytes()),
            config: digest(&canonical),
            strategy: (!strategy.is_empty()).then(|| strategy.to_owned()),
            subaccount: None,
        };
        self.inside().runs = runs;
    }

    /// Has what costs more read anew when that is due, for the reports to come: that a bot is idle does not wait for its wealth.
    fn read_slow(&self) {
        let now = self.boot_clock.now_ms();
        {
            let mut inside = self.inside();
            if inside.reads_slow || inside.slow_at_ms.is_some_and(|at| now.saturating_sub(at) < SLOW_EVERY_MS) {
                return;
            }
            (inside.reads_slow, inside.slow_at_ms) = (true, Some(now));
        }
        let (api, inside, told) = (self.api.clone(), self.inside.clone(), self.fills.clone());
        tokio::spawn(async move {
            // Not kept waiting by an exchange that is slow to tell prices.
            let past = async {
                match api.past().await {
                    Ok(past) => told.add(fills::of(&past.trades)),
                    Err(error) => tracing::debug!("trades that ended could not be read; they are read again: {error}"),
                }
            };
            let (wealth, daily, ()) = tokio::join!(api.wealth(), api.daily(), past);
            let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
            inside.slow = report::Slow { wealth: wealth.ok(), daily: daily.ok() };
            inside.reads_slow = false;
        });
    }
}

#[async_trait]
impl Adapter for FreqtradeAdapter {
    fn name(&self) -> &'static str {
        "freqtrade"
    }
    fn traits(&self) -> Traits {
        Traits {
            can_reduce: true,
            can_tell_orders: true,
            can_cancel: true,
            can_manage_exits: true,
            dies_with_agent: false,
            leaves_out_within_ms: Some(self.apply_within_ms()),
        }
    }
    fn apply_within_ms(&self) -> i64 {
        self.config.apply_within_ms()
    }

    async fn apply(&self, wanted: &Wanted) -> Result<ReadBack, AdapterError> {
        {
            let mut inside = self.inside();
            inside.wanted = Some(*wanted);
            inside.stood_at = None;
        }
        match wanted.state {
            State::Active => self.start().await,
            State::Reducing | State::Halted => self.quiet(wanted).await,
        }
    }

    async fn leave_out(&self, symbols: &[BlockedFrame]) -> Result<LeftOut, AdapterError> {
        self.keep_out(symbols).await
    }

    async fn look(&self) -> Result<ReadBack, AdapterError> {
        let (config, health) = tokio::try_join!(self.api.config(), self.api.health())?;
        self.note_runs(&config);
        let mut seen = self.reading(&config, &health)?;
        let Some(wanted) = self.inside().wanted else { return Ok(seen) };
        // That it does more than it was told is news by itself.
        if seen.state > wanted.state || wanted.orders == Orders::Keep {
            return Ok(seen);
        }
        // Its state is not kept waiting by an exchange that is slow to tell prices; a report waits longer, and counts as well.
        if let Ok(Ok(trades)) = tokio::time::timeout(STATUS, self.api.status()).await {
            seen.resting = report::resting(&trades);
        }
        Ok(seen)
    }

    async fn report(&self) -> Result<Option<Report>, AdapterError> {
        let trades = self.api.status().await?;
        self.fills.add(fills::of(&trades));
        self.read_slow();
        Ok(Some(report::report(&trades, &self.inside().slow)))
    }

    async fn fills(&self) -> Vec<FillFrame> {
        self.fills.take()
    }

    async fn runs(&self) -> Runs {
        if let Ok(config) = self.api.config().await {
            self.note_runs(&config);
        }
        self.inside().runs.clone()
    }

    fn halt_now(&self, wanted: &Wanted) -> Result<(), AdapterError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(AdapterError::new)?;
        let seen = runtime.block_on(self.apply(wanted))?;
        if seen.state == State::Halted { Ok(()) } else { Err(AdapterError(format!("told to be halted, the bot is {}", seen.state))) }
    }

    async fn examine(&self, restart: bool) -> Vec<Finding> {
        let mut found = Vec::new();
        if restart {
            found.extend(self.reload().await);
        }
        found.extend(examine::examine(&self.api, &self.config, &self.boot_clock).await);
        found
    }
}
