//! Making a Freqtrade bot quiet and letting it trade, each step proved before the next. Pause, proof, cancel, read back, and for a bot that is to
//! stand: stop, proof, read back again. Whatever goes wrong is an error, and the order is carried out anew from what is true by then.

use super::{
    FreqtradeAdapter,
    facts::{Health, Mode, Trade, Worker},
    report::resting,
};
use crate::agent::adapters::{AdapterError, ReadBack, Wanted};
use crate::domain::{Exits, Orders, State};
use std::time::Duration;

/// How often a proof is looked for.
pub(super) const STEP: Duration = Duration::from_millis(200);
/// A bot that reloads its configuration obeys nothing until it has.
const RELOAD_MS: i64 = 10_000;
/// What a bot may take to begin beyond what a stop may take: it looks at every open trade first.
const START_MS: i64 = 30_000;

/// True for a bot that is to stand: not one new order.
pub(super) fn is_to_stand(wanted: &Wanted) -> bool {
    wanted.state == State::Halted && (wanted.exits == Exits::None || wanted.orders == Orders::CancelAll)
}

/// What is to be shown by more than an answer.
enum Proof {
    /// The round of its loop that was under way when it was told has ended, entries and all, and the worker does not say that it runs.
    Paused(Mark),
    /// The worker says that it stands. From here on its loop must not come round any more.
    Stopped,
    /// Its loop came round. One that stood looks at its trades before its loop begins, and is another instance only then: its startup before.
    Running(Mark, Option<Option<String>>),
}

impl Proof {
    fn mode(&self) -> Mode {
        match self {
            Self::Paused(_) => Mode::Paused,
            Self::Stopped => Mode::Stopped,
            Self::Running(..) => Mode::Running,
        }
    }
    fn words(&self) -> &'static str {
        match self {
            Self::Paused(_) => "its loop has come round paused",
            Self::Stopped => "its worker stands",
            Self::Running(..) => "its loop runs",
        }
    }
}

/// Where its loop was, read after it was told something.
pub(super) struct Mark {
    last_process: Option<String>,
    spoke_ms: f64,
}

impl FreqtradeAdapter {
    /// Makes it add nothing, or stand, and reads back.
    pub(super) async fn quiet(&self, wanted: &Wanted) -> Result<ReadBack, AdapterError> {
        // One deadline for all of it: what it declares. A stop is sent all the same, and what is not proved by then is begun anew from what is true.
        let end = self.boot_clock.now_ms().saturating_add(self.config.apply_within_ms());
        match self.pause_and_cancel(wanted, end).await {
            Ok(Mode::Stopped) => {}
            Ok(_) if is_to_stand(wanted) => self.api.stop().await?,
            Ok(_) => {}
            Err(why) if is_to_stand(wanted) => {
                // Whatever could not be paused, proved or cancelled is no reason to let it go on.
                tracing::warn!("the bot is stopped all the same: {why}");
                self.api.stop().await?;
            }
            Err(why) => return Err(why),
        }
        if self.settled_by(end).await? == Mode::Stopped {
            self.prove(Proof::Stopped, end).await?;
        }
        self.read_back(wanted).await
    }

    /// Pauses it with proof and cancels, and answers what it is then. A stopped one is left as it is, as a pause would wake it.
    async fn pause_and_cancel(&self, wanted: &Wanted, end: i64) -> Result<Mode, AdapterError> {
        if self.settled_by(end).await? == Mode::Running {
            self.pause(end).await?;
        }
        let mode = self.settled_by(end).await?;
        if mode == Mode::Paused {
            self.prove(Proof::Paused(self.mark().await?), end).await?;
            if wanted.orders != Orders::Keep {
                self.cancel(wanted, end).await?;
            }
        }
        Ok(mode)
    }

    /// Lets it trade, and reads back that its loop runs.
    pub(super) async fn start(&self) -> Result<ReadBack, AdapterError> {
        let before = self.settled().await?;
        let health = self.api.health().await?;
        if before != Mode::Running {
            self.api.start().await?;
            let began = (before == Mode::Stopped).then_some(health.bot_startup);
            let mark = self.mark().await?;
            let end = self.boot_clock.now_ms().saturating_add(self.config.apply_within_ms()).saturating_add(START_MS);
            self.prove(Proof::Running(mark, began), end).await?;
        }
        let (config, health) = tokio::try_join!(self.api.config(), self.api.health())?;
        self.note_runs(&config);
        self.reading(&config, &health)
    }

    /// Its state once it does not reload any more.
    pub(super) async fn settled(&self) -> Result<Mode, AdapterError> {
        self.settled_by(self.boot_clock.now_ms().saturating_add(RELOAD_MS)).await
    }

    async fn settled_by(&self, end: i64) -> Result<Mode, AdapterError> {
        loop {
            let config = self.api.config().await?;
            match config.mode() {
                Mode::Reloading if self.boot_clock.now_ms() < end => tokio::time::sleep(STEP).await,
                Mode::Reloading => return Err(AdapterError::new("Freqtrade does not end reloading its configuration")),
                Mode::Unknown => return Err(AdapterError(format!("Freqtrade trades nothing: its state is {:?}", config.text("state")))),
                known => return Ok(known),
            }
        }
    }

    /// Pauses a running bot. A pause that is answered during a reload changes nothing, so it is said until it shows.
    async fn pause(&self, end: i64) -> Result<(), AdapterError> {
        loop {
            self.api.pause().await?;
            if self.settled_by(end).await? != Mode::Running {
                return Ok(());
            }
            if self.boot_clock.now_ms() >= end {
                return Err(AdapterError::new("Freqtrade answers that it pauses, and goes on running"));
            }
            tokio::time::sleep(STEP).await;
        }
    }

    async fn prove(&self, proof: Proof, end: i64) -> Result<(), AdapterError> {
        while !self.is_proved(&proof, end).await? {
            if self.boot_clock.now_ms() >= end {
                let what = proof.words();
                return Err(AdapterError(format!("Freqtrade was told, and in the time that it has nothing proves that {what}")));
            }
            tokio::time::sleep(STEP).await;
        }
        Ok(())
    }

    async fn is_proved(&self, proof: &Proof, end: i64) -> Result<bool, AdapterError> {
        let mode = self.settled_by(end).await?;
        if mode != proof.mode() {
            let (told, now) = (proof.mode().word(), mode.word());
            return Err(AdapterError(format!("Freqtrade was told to be {told} and then by somebody else to be {now}")));
        }
        let (health, worker) = self.loop_now().await?;
        Ok(match proof {
            Proof::Paused(mark) => came_round(mark, &health, worker) && worker.mode.is_none_or(|mode| mode == Mode::Paused),
            Proof::Stopped => {
                let stands = worker.mode == Some(Mode::Stopped);
                if stands {
                    self.inside().stood_at = Some(health.last_process);
                }
                stands
            }
            Proof::Running(mark, stood) => {
                stood.as_ref().is_none_or(|before| *before != health.bot_startup) && came_round(mark, &health, worker)
            }
        })
    }

    /// The log first: when it says that the worker stands, the round that it ended is in what is read after it.
    pub(super) async fn loop_now(&self) -> Result<(Health, Worker), AdapterError> {
        let worker = self.api.logs().await?.worker();
        Ok((self.api.health().await?, worker))
    }

    pub(super) async fn mark(&self) -> Result<Mark, AdapterError> {
        let (health, worker) = self.loop_now().await?;
        Ok(Mark { last_process: health.last_process, spoke_ms: worker.spoke_ms })
    }

    /// Cancels what is to be cancelled for as long as that gets on, and returns when nothing is left of it or no more can be done for now.
    async fn cancel(&self, wanted: &Wanted, end: i64) -> Result<(), AdapterError> {
        let aimed_at = |trade: &Trade| if wanted.orders == Orders::CancelAll { trade.cancellable() } else { trade.entry_orders() };
        let patience_ms = self.config.throttle_ms.max(1_000);
        let mut fewest = u64::MAX;
        let mut got_on_ms = self.boot_clock.now_ms();
        loop {
            let trades = self.api.status().await?;
            let left: u64 = trades.iter().map(aimed_at).sum();
            if left < fewest {
                (fewest, got_on_ms) = (left, self.boot_clock.now_ms());
            }
            let is_late = || self.boot_clock.now_ms().saturating_sub(got_on_ms) > patience_ms || self.boot_clock.now_ms() >= end;
            if left == 0 || is_late() {
                return Ok(());
            }
            for trade in trades.iter().filter(|trade| aimed_at(trade) > 0) {
                // What it answers proves nothing; the orders are read back.
                if let Err(error) = self.api.cancel(trade.trade_id).await {
                    tracing::debug!(pair = %trade.pair, "a cancel was answered: {error}");
                }
                if is_late() {
                    break;
                }
            }
            tokio::time::sleep(STEP / 2).await;
        }
    }

    /// Reads everything again: state and loop first, then the orders, so that none placed on the way is missed.
    async fn read_back(&self, wanted: &Wanted) -> Result<ReadBack, AdapterError> {
        let (config, health) = tokio::try_join!(self.api.config(), self.api.health())?;
        self.note_runs(&config);
        let mut seen = self.reading(&config, &health)?;
        seen.resting = resting(&self.api.status().await?);
        let left = seen.resting.against(wanted.orders).unwrap_or(0);
        let stays = if config.mode() == Mode::Stopped { left } else { 0 };
        // Once per number: it is told again every second.
        if std::mem::replace(&mut self.inside().stays, stays) != stays && stays > 0 {
            tracing::warn!(
                "{left} orders rest at a stopped Freqtrade, which cannot cancel them: cancel them at the venue, or pause it by hand \
                 (POST /api/v1/pause) and this agent cancels them, stop-losses aside, and stops it again"
            );
        }
        Ok(seen)
    }
}

/// True when a round of its loop has ended since the mark.
pub(super) fn came_round(mark: &Mark, health: &Health, worker: Worker) -> bool {
    health.last_process != mark.last_process || worker.spoke_ms > mark.spoke_ms
}
