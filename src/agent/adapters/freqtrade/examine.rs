//! What a person who sets a Freqtrade bot up should know: is it there, is it the right one, how fast does it answer, and in which state does a
//! restart bring it back. Only `reload` changes something.

use super::{FreqtradeAdapter, FreqtradeConfig, api::Api, facts::Mode, report::resting};
use crate::agent::{
    BootClock,
    adapters::{Adapter, AdapterError, Finding, STANDSTILL},
};
use crate::domain::State;
use std::time::Duration;

/// How many answers the latency is measured over.
const CALLS: usize = 10;
/// A reload takes a moment, in which nobody answers.
const RELOAD_MS: i64 = 60_000;
const STEP: Duration = Duration::from_millis(200);

impl FreqtradeAdapter {
    /// Lets a bot that stands reload its configuration, which brings it back in its initial state as a restart does, and halts it at once if
    /// that is not `stopped`. One that is paused manages its exits: a reload would end that, or free it.
    pub(super) async fn reload(&self) -> Vec<Finding> {
        // An error here means that nothing was asked of the bot yet.
        let came_back = match self.try_reload().await {
            Ok(mode) => mode,
            Err(error) => return vec![Finding::bad(format!("initial_state could not be found out: {error}"))],
        };
        let mut found = vec![initial_state(Some(came_back))];
        if came_back != Mode::Stopped
            && let Err(error) = self.stop_again().await
        {
            found.push(Finding::bad(format!(
                "IT RUNS, OR MAY RUN, AFTER THE RELOAD and could not be halted: {error}; stop it now (POST /api/v1/stop, FreqUI, or its process)"
            )));
        }
        found
    }

    /// Tried more than once, as it may not answer yet; then somebody is told rather than kept waiting.
    async fn stop_again(&self) -> Result<(), AdapterError> {
        let end = self.boot_clock.now_ms().saturating_add(self.config.apply_within_ms());
        loop {
            let why = match self.apply(&STANDSTILL).await {
                Ok(seen) if seen.state == State::Halted => return Ok(()),
                Ok(seen) => AdapterError(format!("told to be halted, the bot is {}", seen.state)),
                Err(error) => error,
            };
            if self.boot_clock.now_ms() >= end {
                return Err(why);
            }
            tokio::time::sleep(STEP).await;
        }
    }

    async fn try_reload(&self) -> Result<Mode, AdapterError> {
        let mode = self.settled().await?;
        if mode != Mode::Stopped {
            return Err(AdapterError(format!("the bot is {}; only one that is stopped is let reload, so stop it first", mode.word())));
        }
        let before = self.api.logs().await?.worker();
        if let Err(error) = self.api.reload().await {
            // It may have been heard all the same: then the bot comes back as it begins.
            tracing::warn!("the reload was answered: {error}");
        }
        let end = self.boot_clock.now_ms().saturating_add(RELOAD_MS);
        loop {
            let now = self.api.logs().await.map(|logs| logs.worker());
            if let Ok(worker) = now
                && worker.spoke_ms > before.spoke_ms
                && !matches!(worker.mode, Some(Mode::Reloading) | None)
                && self.settled().await.is_ok()
            {
                return Ok(worker.initial.unwrap_or(Mode::Unknown));
            }
            if self.boot_clock.now_ms() >= end {
                return Ok(Mode::Unknown);
            }
            tokio::time::sleep(STEP).await;
        }
    }
}

pub(super) async fn examine(api: &Api, settings: &FreqtradeConfig, clock: &BootClock) -> Vec<Finding> {
    let config = match api.config().await {
        Ok(config) => config,
        Err(error) => return vec![Finding::bad(error.to_string())],
    };
    let mode = config.mode();
    let is_dry = config.0.get("dry_run").and_then(serde_json::Value::as_bool);
    let mut found = vec![
        Finding::good(format!("Freqtrade {} answers at {}", config.text("version"), api.place())),
        Finding::good(format!(
            "bot {:?}, strategy {}, exchange {}",
            config.text("bot_name"),
            config.text("strategy"),
            config.text("exchange")
        )),
        Finding::good(if is_dry == Some(true) { "it trades on paper (dry_run)" } else { "it trades for real (dry_run is off)" }),
        Finding { is_good: mode != Mode::Unknown, text: format!("its state is {}", mode.word()) },
        latency(api, settings, clock).await,
    ];
    if config.adds_to_trades() {
        found.push(Finding::good(
            "position_adjustment_enable is on: while a trade is open in a symbol that is held, the whole bot is reduced, since no blacklist keeps \
             its strategy from adding to that trade",
        ));
    }
    found.push(match api.status().await {
        Ok(trades) => Finding::good(format!("{} open trades, {} resting entry orders", trades.len(), resting(&trades).entry.unwrap_or(0))),
        Err(error) => Finding::bad(format!("its open trades cannot be read: {error}")),
    });
    match (api.health().await, api.logs().await) {
        (Ok(health), Ok(logs)) => {
            let worker = logs.worker();
            found.push(Finding::good(format!("its loop last came round {}", health.last_process.as_deref().unwrap_or("never"))));
            found.push(initial_state(worker.initial));
        }
        (Err(error), _) | (_, Err(error)) => found.push(Finding::bad(format!("its loop cannot be read: {error}"))),
    }
    found
}

fn initial_state(seen: Option<Mode>) -> Finding {
    match seen {
        Some(Mode::Stopped) => Finding::good("initial_state: it last came out of a start or reload stopped"),
        Some(mode) => Finding::bad(format!(
            "initial_state: it last came out of a start or reload {}; write \"initial_state\": \"stopped\" into its config.json, or it trades \
             after a restart until this agent has seen it",
            mode.word()
        )),
        None => Finding::bad(
            "initial_state: its log does not go back to its start, so nobody knows in which state a restart brings it back; \
             `andon agent check --reload` finds out",
        ),
    }
}

async fn latency(api: &Api, settings: &FreqtradeConfig, clock: &BootClock) -> Finding {
    let mut all_ms = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begun = clock.now_ms();
        if let Err(error) = api.config().await {
            return Finding::bad(error.to_string());
        }
        all_ms.push(clock.now_ms().saturating_sub(begun));
    }
    all_ms.sort_unstable();
    let (median, worst) = (all_ms.get(CALLS / 2).copied().unwrap_or(0), all_ms.last().copied().unwrap_or(0));
    let text = format!(
        "{CALLS} calls took {median} ms in the middle, {worst} ms at most; a stop is to be proved within {} ms (three rounds of its loop)",
        settings.apply_within_ms()
    );
    Finding { is_good: worst * 2 < settings.timeout_ms, text }
}
