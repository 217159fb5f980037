//! The ladder at work: what every unanswered stop has come to, found in memory in one pass over the fleet. Raises and settles alerts, and hands the
//! rungs that act at a venue to whoever can take them. Writes nothing itself and waits for nothing.

use super::{App, AppError, receipts};
use crate::domain::{
    AlertKind, BotFacts, BotId, Epoch, Hold, HoldId, Level, Stage, Subject, Timestamp, directive,
    ladder::{Case, Step},
};
use crate::fleet::{Proof, View};
use crate::storage;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// A hold that was pressed so shortly before this process began was pressed here: a process that starts anew goes on with it.
const RESTART_MS: i64 = 600_000;

/// What the server itself can do at a venue for a bot whose agent does not answer.
pub trait Rung: Send + Sync {
    /// Which rung it is.
    fn step(&self) -> Step;
    /// Begins it for a bot and returns at once: what it takes goes on in a task of its own. Called again every five seconds for
    /// `CancelEntries`, once for `Cut`. False: there is nothing that it could do for this bot.
    fn climb(&self, bot: &Arc<BotFacts>, hold: &Arc<Hold>) -> bool;
}

impl App {
    /// Says who takes the rungs that act at a venue. Once, before the workers start; a second call changes nothing.
    pub fn open_rungs(&self, rungs: Vec<Box<dyn Rung>>) {
        let _ = self.rungs.set(rungs);
    }

    /// Takes a rung; false when nobody could do anything.
    fn take_rung(&self, step: Step, bot: &Arc<BotFacts>, hold: &Arc<Hold>) -> bool {
        let rungs = self.rungs.get().map(Vec::as_slice).unwrap_or_default();
        // Each of them is asked: several may be able to do a part.
        rungs.iter().filter(|rung| rung.step() == step).fold(false, |done, rung| rung.climb(bot, hold) | done)
    }
}

/// What was done before, so that it is not done again with every pass.
#[derive(Default)]
pub struct Ladder {
    raised: HashSet<(AlertKind, BotId, HoldId)>,
    taken: HashMap<(Step, BotId, HoldId), i64>,
    // The epoch of each hold as it was seen first, and from when its times run: those of one that was recorded late begin anew with its new epoch.
    since: HashMap<HoldId, (Epoch, Timestamp)>,
}

/// One pass.
struct Pass<'a> {
    app: &'a App,
    view: &'a View,
    now: Timestamp,
    // Latching holds that stand, the oldest first.
    holds: Vec<&'a Arc<Hold>>,
    highest: Epoch,
    // Bots that have not proved every stop that stands.
    unproved: HashSet<BotId>,
}

impl Ladder {
    /// What an earlier process, or another replica, has come to.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn load(app: &App) -> Result<Self, AppError> {
        let view = app.fleet.view();
        let mut ladder = Self::default();
        read_acks(app, &view).await?;
        app.load_alerts().await?;
        let Some(first) = view.open_holds().map(|hold| hold.at).min() else { return Ok(ladder) };
        let closed = storage::alerts::alert_closed_by_people(&mut *app.db.read().await?, first).await?;
        for alert in app.alerts.open().into_iter().chain(closed) {
            if let (Some(bot), Some(hold)) = (alert.subject.bot, alert.subject.hold) {
                ladder.raised.insert((alert.kind, bot, hold));
            }
        }
        Ok(ladder)
    }

    /// One pass over every bot under a latching hold.
    pub fn round(&mut self, app: &App) {
        let view = app.fleet.view();
        let now = app.clock.now();
        let mut holds: Vec<&Arc<Hold>> = view.open_holds().filter(|hold| hold.level.latches()).collect();
        holds.sort_by_key(|hold| hold.at);
        self.keep_to(&holds, now);
        let highest = holds.iter().map(|hold| hold.epoch).max().unwrap_or_default();
        let mut pass = Pass { app, view: &view, now, holds, highest, unproved: HashSet::new() };
        if !pass.holds.is_empty() {
            let agents = app.agents().all();
            for bot in view.bots() {
                let was_started = bot.start_epoch.0 > 0 && bot.stage != Stage::Retired;
                if was_started || agents.contains_key(&bot.id) {
                    self.look(&mut pass, bot);
                }
            }
        }
        pass.settle();
    }

    /// Forgets holds that are over; begins anew with one that was recorded under another epoch.
    fn keep_to(&mut self, holds: &[&Arc<Hold>], now: Timestamp) {
        let stands: HashSet<&HoldId> = holds.iter().map(|hold| &hold.id).collect();
        self.since.retain(|id, _| stands.contains(id));
        self.raised.retain(|(_, _, id)| stands.contains(id));
        self.taken.retain(|(_, _, id), _| stands.contains(id));
        for hold in holds {
            let since = self.since.entry(hold.id.clone()).or_insert((hold.epoch, hold.at));
            if since.0 != hold.epoch {
                *since = (hold.epoch, now);
            }
        }
    }

    fn look(&mut self, pass: &mut Pass<'_>, bot: &Arc<BotFacts>) {
        let proof = pass.app.book.proof(&bot.id);
        // An `idle` at the newest stop proves everything before it.
        if proof.idle >= pass.highest {
            return;
        }
        let open = |hold: &&&Arc<Hold>| hold.epoch > proof.idle && pass.view.covers(hold, bot);
        let holds: Vec<&Arc<Hold>> = pass.holds.iter().filter(open).copied().collect();
        if holds.iter().any(|hold| hold.epoch > proof.applied) {
            pass.unproved.insert(bot.id.clone());
        }
        for hold in holds {
            if pass.is_ours(bot, hold) {
                self.climb(pass, bot, hold, proof);
            }
        }
    }

    fn climb(&mut self, pass: &Pass<'_>, bot: &Arc<BotFacts>, hold: &Arc<Hold>, proof: Proof) {
        let case = Case {
            pressed_at: self.since.get(&hold.id).map_or(hold.at, |(_, at)| *at),
            level: hold.level,
            timings: bot.timings,
            applied: proof.applied >= hold.epoch,
            idle: proof.idle >= hold.epoch,
            // Nobody reads a venue back yet; whoever takes rung 2 ends it by itself.
            empty_reads: 0,
            // As long as no team can say otherwise, people are told for every bot.
            cuts_unconfirmed: true,
        };
        let due = case.due(pass.now);
        let key = |step| (step, bot.id.clone(), hold.id.clone());
        if due.unconfirmed {
            self.raise_once(pass, AlertKind::Unconfirmed, bot, hold, || unconfirmed_words(bot, hold));
        }
        if due.cancels > self.taken.get(&key(Step::CancelEntries)).copied().unwrap_or_default() {
            pass.app.take_rung(Step::CancelEntries, bot, hold);
            self.taken.insert(key(Step::CancelEntries), due.cancels);
        }
        if due.cut && self.taken.insert(key(Step::Cut), 1).is_none() && !pass.app.take_rung(Step::Cut, bot, hold) {
            self.raise_once(pass, AlertKind::EndKeyByHand, bot, hold, || by_hand_words(bot, hold));
        }
    }

    fn raise_once(&mut self, pass: &Pass<'_>, kind: AlertKind, bot: &BotFacts, hold: &Hold, words: impl FnOnce() -> String) {
        if self.raised.insert((kind, bot.id.clone(), hold.id.clone())) {
            pass.app.raise(kind, Subject::bot_under(&bot.id, &hold.id), words());
        }
    }
}

impl Pass<'_> {
    /// Ruling H14: only a bot whose agent was heard since the start of this process, or whose stop was pressed here, climbs, and none at a site
    /// that is not the installation's. A copy of the database elsewhere sees no agents and does nothing.
    fn is_ours(&self, bot: &BotFacts, hold: &Hold) -> bool {
        if self.app.site.is_foreign() {
            return false;
        }
        let started = self.app.started_at;
        let was_heard = || self.app.book.word(&bot.id).is_some_and(|word| word.at >= started);
        hold.at >= started.plus_ms(-RESTART_MS) || was_heard()
    }

    /// Closes alerts whose bot has answered.
    fn settle(&self) {
        for subject in self.app.alerts.ours(AlertKind::Unconfirmed) {
            let Some(bot) = subject.bot.as_ref().filter(|bot| !self.unproved.contains(bot)) else { continue };
            if self.app.book.proof(bot).applied >= self.stop_of(bot, &subject) {
                self.app.settle(AlertKind::Unconfirmed, &subject, "its agent has confirmed that the bot is halted");
            }
        }
        for subject in self.app.alerts.ours(AlertKind::EndKeyByHand) {
            let Some(bot) = &subject.bot else { continue };
            if self.app.book.proof(bot).idle >= self.stop_of(bot, &subject) {
                self.app.settle(AlertKind::EndKeyByHand, &subject, "the bot has been proved idle: halted, and no entry orders");
            }
        }
    }

    /// The epoch that a bot has to prove: that of the alert's hold while it stands, and of the bot's latest stop when that was released.
    fn stop_of(&self, bot: &BotId, subject: &Subject) -> Epoch {
        let hold = subject.hold.as_ref().and_then(|id| self.view.open_hold(id)).map(|hold| hold.epoch);
        let latest = || self.view.bot(bot).map(|facts| directive::latest_stop(facts, &self.view.cover(facts)));
        hold.or_else(latest).unwrap_or_default()
    }
}

/// Reads what bots acknowledged of the stops that stand: before this process began, or to other replicas. One query.
///
/// # Errors
/// When the database is gone.
pub async fn read_acks(app: &App, view: &View) -> Result<(), AppError> {
    let Some(first) = view.open_holds().filter(|hold| hold.level.latches()).map(|hold| hold.epoch).min() else { return Ok(()) };
    for ack in storage::acks::ack_since(&mut *app.db.read().await?, first).await? {
        app.book.note_stored_ack(&ack.bot_id.clone(), receipts::seen(ack));
    }
    Ok(())
}

fn pressed(hold: &Hold) -> String {
    format!("{} that {} pressed at {}", hold.level, hold.placed_by.name, hold.at.plain())
}

fn unconfirmed_words(bot: &BotFacts, hold: &Hold) -> String {
    format!(
        "{} has not confirmed the {} within {} s. Look at its host: is its agent running, does the bot obey? If the agent has lost contact it halts \
         the bot by itself within {} s of its last word; until it says so that is presumed, not known.",
        bot.name,
        pressed(hold),
        bot.timings.apply_within_ms / 1_000,
        bot.timings.lapse_after_ms / 1_000,
    )
}

fn by_hand_words(bot: &BotFacts, hold: &Hold) -> String {
    let (orders, keeps) = match hold.level {
        Level::Kill => ("every open order", "Nothing may stay"),
        Level::Reduce | Level::Pause => ("its entry orders", "Leave protective orders where they are"),
    };
    format!(
        "{} has still not confirmed the {}, and this server cannot cut its key. Do it by hand. First on its host: stop the bot. Then at the venue, \
         in this order: disable or delete the bot's API key; cancel {orders}; look again until none is left. {keeps}. Close this alert with what \
         you did; it closes by itself once the bot is proved idle.",
        bot.name,
        pressed(hold),
    )
}
