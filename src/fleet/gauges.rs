//! What is counted of every bot, and the limits by which it is judged, ready for its next check-in. Memory only; `app` persists it.

use super::gauge::{Breach, Counted, Standing};
use crate::domain::{
    BotId, Epoch, Timestamp,
    limits::{Check, Compiled, compiled::Numbers},
};
use crate::protocol::Report;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

/// How often the counts of one bot are written at most. What a server that is killed takes with it is counted again: totals go on from those stored.
const WRITTEN_EVERY_MS: i64 = 2_000;

/// What reports said of a bot.
#[derive(Debug, Default)]
pub struct Reported {
    /// What is counted.
    pub counted: Counted,
    /// What was measured of the last one.
    pub measured: Numbers,
}

/// What is known of one bot.
#[derive(Debug, Default)]
pub struct Gauge {
    // Boxed: an agent that never reports costs little.
    reported: Option<Box<Reported>>,
    /// Since when it is heard without a report; none: the last check-in had one.
    pub without_since: Option<Timestamp>,
    rules: Option<Arc<Compiled>>,
    // From which version of its limits and which moment of the levels the rules were made.
    rules_of: Option<(i64, Epoch)>,
    // Checks whose hold is being placed, one bit each.
    placing: u32,
    is_unwritten: bool,
    written_at: Timestamp,
}

impl Gauge {
    /// The rules, made anew when limits have changed.
    pub fn rules(&mut self, of: (i64, Epoch), make: impl FnOnce() -> Compiled) -> Arc<Compiled> {
        match &self.rules {
            Some(rules) if self.rules_of == Some(of) => rules.clone(),
            _ => {
                self.rules_of = Some(of);
                self.rules.insert(Arc::new(make())).clone()
            }
        }
    }

    /// What its reports said; none: it never reported.
    pub fn reported(&self) -> Option<&Reported> {
        self.reported.as_deref()
    }

    /// Takes a report in: what of it breaks a limit.
    pub fn take(&mut self, report: &Report, standing: &Standing<'_>, now: Timestamp) -> Vec<Breach> {
        let Reported { counted, measured } = &mut **self.reported.get_or_insert_default();
        counted.trades_at(standing.account, report);
        *measured = counted.measure(report, standing.rules, now);
        self.without_since = None;
        self.is_unwritten = true;
        // A hold that is on its way stands.
        let placing = self.placing;
        let is_held = |check: Check| placing & (1 << check.place()) != 0 || (standing.is_held)(check);
        counted.judge(report, measured, &Standing { is_held: &is_held, ..*standing })
    }

    /// True when nobody is placing the hold of this check yet; whoever asks does from now on.
    pub fn may_place(&mut self, check: Check) -> bool {
        let bit = 1 << check.place();
        let is_first = self.placing & bit == 0;
        self.placing |= bit;
        is_first
    }
    /// The hold of this check was placed.
    pub fn placed(&mut self, check: Check) {
        self.placing &= !(1 << check.place());
    }
}

/// Every bot's gauge.
#[derive(Default)]
pub struct Gauges(RwLock<HashMap<BotId, Arc<Mutex<Gauge>>>>);

fn open(gauge: &Mutex<Gauge>) -> MutexGuard<'_, Gauge> {
    gauge.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gauges {
    /// Does something with a bot's gauge; nobody else has that one meanwhile.
    pub fn with<T>(&self, bot: &BotId, then: impl FnOnce(&mut Gauge) -> T) -> T {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(bot).cloned();
        let gauge = known.unwrap_or_else(|| self.0.write().unwrap_or_else(PoisonError::into_inner).entry(bot.clone()).or_default().clone());
        then(&mut open(&gauge))
    }

    /// Looks at a bot's gauge; none: nothing was ever counted.
    pub fn look<T>(&self, bot: &BotId, then: impl FnOnce(&Gauge) -> T) -> Option<T> {
        let gauge = self.0.read().unwrap_or_else(PoisonError::into_inner).get(bot).cloned()?;
        Some(then(&open(&gauge)))
    }

    /// What was counted and is to be written by now.
    pub fn take_unwritten(&self, now: Timestamp) -> Vec<(BotId, Counted)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let due = all.iter().filter_map(|(bot, gauge)| {
            let mut gauge = open(gauge);
            if !gauge.is_unwritten || now.ms_since(gauge.written_at).abs() < WRITTEN_EVERY_MS {
                return None;
            }
            (gauge.is_unwritten, gauge.written_at) = (false, now);
            Some((bot.clone(), gauge.reported()?.counted.clone()))
        });
        due.collect()
    }

    /// Takes in what was counted before this process began, or by another replica, unless something newer was counted here.
    pub fn note_stored(&self, bot: &BotId, counted: Counted) {
        self.with(bot, |gauge| {
            let kept = &mut gauge.reported.get_or_insert_default().counted;
            if kept.at < counted.at {
                *kept = counted;
            }
        });
    }
}
