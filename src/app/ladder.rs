//! The ladder at work: what every unanswered stop has come to, found in memory in one pass over the fleet. Raises and settles alerts, and hands the
//! rungs that act at a venue to whoever can take them. Writes nothing itself and waits for nothing.

use super::{App, AppError};
use crate::domain::{
    AlertKind, BotFacts, BotId, Epoch, Hold, HoldId, Level, Scope, Stage, StopFact, Subject, Timestamp, directive,
    ladder::{Case, Step},
};
use crate::fleet::{Proof, View};
use crate::storage;
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

/// A hold that was pressed so shortly before this process began was pressed here: a process that starts anew goes on with it.
const RESTART_MS: i64 = 600_000;
/// An alert that somebody closed is raised again when its cause goes on for so long after that.
pub(super) const AGAIN_MS: i64 = 600_000;

/// What the server itself can do at a venue for a bot whose agent does not answer.
pub trait Rung: Send + Sync {
    /// Which rung it is.
    fn step(&self) -> Step;
    /// Begins it for a bot that has not answered the stop of this epoch, and returns at once: what it takes goes on in a task of its own. Called
    /// again every five seconds for `CancelEntries`, once for `Cut`. False: there is nothing that it could do for this bot.
    fn climb(&self, bot: &Arc<BotFacts>, stop: Epoch) -> bool;
}

impl App {
    /// Says who takes the rungs that act at a venue. Once, before the workers start; a second call changes nothing.
    pub fn open_rungs(&self, rungs: Vec<Box<dyn Rung>>) {
        let _ = self.rungs.set(rungs);
    }

    /// Takes a rung; false when nobody could do anything.
    fn take_rung(&self, step: Step, bot: &Arc<BotFacts>, stop: Epoch) -> bool {
        let rungs = self.rungs.get().map(Vec::as_slice).unwrap_or_default();
        // Each of them is asked: several may be able to do a part.
        rungs.iter().filter(|rung| rung.step() == step).fold(false, |done, rung| rung.climb(bot, stop) | done)
    }
}

/// Which stop of a bot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Of {
    /// A hold.
    Hold(HoldId),
    /// What latched without one: a lapse, an ended credential, a new boot.
    Fact(Epoch),
}

/// A stop that is to be answered.
#[derive(Clone, Copy)]
enum Stop<'a> {
    Hold(&'a Arc<Hold>),
    Fact(&'a StopFact),
}

impl Stop<'_> {
    fn of(self) -> Of {
        match self {
            Self::Hold(hold) => Of::Hold(hold.id.clone()),
            Self::Fact(fact) => Of::Fact(fact.epoch),
        }
    }
    fn epoch(self) -> Epoch {
        match self {
            Self::Hold(hold) => hold.epoch,
            Self::Fact(fact) => fact.epoch,
        }
    }
    fn at(self) -> Timestamp {
        match self {
            Self::Hold(hold) => hold.at,
            Self::Fact(fact) => fact.at,
        }
    }
    fn level(self) -> Level {
        match self {
            Self::Hold(hold) => hold.level,
            Self::Fact(_) => Level::Pause,
        }
    }
    fn words(self) -> String {
        match self {
            Self::Hold(hold) => {
                let what = match &hold.scope {
                    Scope::Symbol(symbol, _) => format!("reduce in {symbol}"),
                    _ => hold.level.to_string(),
                };
                format!("{what} that {} pressed at {}", hold.placed_by.name, hold.at.plain())
            }
            Self::Fact(fact) => format!("stop of {} ({})", fact.at.plain(), fact.why),
        }
    }
    /// Which alert says that it was not confirmed.
    fn kind(self) -> AlertKind {
        if self.level().latches() { AlertKind::Unconfirmed } else { AlertKind::NotReduced }
    }
    /// The highest epoch of which a bot has proved what this stop asks.
    fn proved(self, proof: Proof) -> Epoch {
        match self {
            Self::Hold(hold) => proved(hold, proof),
            Self::Fact(_) => proof.applied,
        }
    }
    fn subject(self, bot: &BotId) -> Subject {
        match self {
            Self::Hold(hold) => Subject::bot_under(bot, &hold.id),
            Self::Fact(_) => Subject::bot(bot),
        }
    }
}

/// The highest epoch of which a bot has proved what a hold asks: that it is halted; of a reduce that it adds nothing; of a symbol's that it was told,
/// since what it does elsewhere says nothing of one symbol.
fn proved(hold: &Hold, proof: Proof) -> Epoch {
    match hold.level.latches() {
        _ if hold.scope.is_symbol() => proof.told,
        true => proof.applied,
        false => proof.reduced,
    }
}

/// What was done before, so that it is not done again with every pass.
#[derive(Default)]
pub struct Ladder {
    // When an alert was last seen open, or raised.
    raised: HashMap<(AlertKind, BotId, Of), Timestamp>,
    taken: HashMap<(Step, BotId, Of), i64>,
    // The epoch of each hold as it was seen first, and from when its times run: those of one that was recorded late begin anew with its new epoch.
    since: HashMap<HoldId, (Epoch, Timestamp)>,
}

/// One pass.
struct Pass<'a> {
    app: &'a App,
    view: &'a View,
    now: Timestamp,
    // Holds that stand, the oldest first.
    holds: Vec<&'a Arc<Hold>>,
    highest: Epoch,
    // Bots that have not proved every stop that stands, and those that have not proved every reduce.
    unproved: HashSet<BotId>,
    unreduced: HashSet<BotId>,
}

impl Ladder {
    /// What an earlier process, or another replica, has come to.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn load(app: &App) -> Result<Self, AppError> {
        let view = app.fleet.view();
        let mut ladder = Self::default();
        read_proofs(app, &view).await?;
        app.load_alerts().await?;
        let Some(first) = view.open_holds().map(|hold| hold.at).min() else { return Ok(ladder) };
        let closed = storage::alerts::alert_closed_by_people(&mut *app.db.read().await?, first).await?;
        let now = app.clock.now();
        for alert in app.alerts.open().into_iter().chain(closed) {
            if let (Some(bot), Some(hold)) = (alert.subject.bot, alert.subject.hold) {
                ladder.raised.insert((alert.kind, bot, Of::Hold(hold)), now);
            }
        }
        Ok(ladder)
    }

    /// One pass over every bot.
    pub fn round(&mut self, app: &App) {
        let view = app.fleet.view();
        let now = app.clock.now();
        let mut holds: Vec<&Arc<Hold>> = view.open_holds().collect();
        holds.sort_by_key(|hold| hold.at);
        self.keep_to(&view, &holds, now);
        let highest = holds.iter().map(|hold| hold.epoch).max().unwrap_or_default();
        let mut pass = Pass { app, view: &view, now, holds, highest, unproved: HashSet::new(), unreduced: HashSet::new() };
        let agents = app.agents().all();
        for bot in view.bots() {
            let was_started = bot.start_epoch.0 > 0 && bot.stage != Stage::Retired;
            if was_started || agents.contains_key(&bot.id) {
                self.look(&mut pass, bot, was_started);
            }
        }
        pass.settle();
    }

    /// Forgets stops that are over; begins anew with a hold that was recorded under another epoch.
    fn keep_to(&mut self, view: &View, holds: &[&Arc<Hold>], now: Timestamp) {
        let open: HashSet<&HoldId> = holds.iter().map(|hold| &hold.id).collect();
        let stands = |bot: &BotId, of: &Of| match of {
            Of::Hold(id) => open.contains(id),
            Of::Fact(epoch) => view.bot(bot).and_then(|bot| bot.stop.as_ref()).is_some_and(|stop| stop.epoch == *epoch),
        };
        self.since.retain(|id, _| open.contains(id));
        self.raised.retain(|(_, bot, of), _| stands(bot, of));
        self.taken.retain(|(_, bot, of), _| stands(bot, of));
        for hold in holds {
            let since = self.since.entry(hold.id.clone()).or_insert((hold.epoch, hold.at));
            if since.0 != hold.epoch {
                *since = (hold.epoch, now);
            }
        }
    }

    fn look(&mut self, pass: &mut Pass<'_>, bot: &Arc<BotFacts>, was_started: bool) {
        let proof = pass.app.book.proof(&bot.id);
        if was_started && let Some(fact) = unproved_fact(bot, proof) {
            pass.unproved.insert(bot.id.clone());
            if pass.is_ours(bot, fact.at) {
                self.climb(pass, bot, Stop::Fact(fact), proof);
            }
        }
        // An `idle` at the newest stop proves everything before it.
        if proof.idle >= pass.highest {
            return;
        }
        let asks = |hold: &Hold| hold.epoch > if hold.level.latches() { proof.idle } else { proved(hold, proof) };
        let open = |hold: &&&Arc<Hold>| asks(hold) && pass.view.covers(hold, bot);
        let holds: Vec<&Arc<Hold>> = pass.holds.iter().filter(open).copied().collect();
        for hold in holds.iter().filter(|hold| hold.epoch > proved(hold, proof)) {
            if hold.level.latches() { &mut pass.unproved } else { &mut pass.unreduced }.insert(bot.id.clone());
        }
        for hold in holds {
            if pass.is_ours(bot, hold.at) {
                self.climb(pass, bot, Stop::Hold(hold), proof);
            }
        }
    }

    fn climb(&mut self, pass: &Pass<'_>, bot: &Arc<BotFacts>, stop: Stop<'_>, proof: Proof) {
        let of = stop.of();
        let since = match &of {
            Of::Hold(id) => self.since.get(id).map(|(_, at)| *at),
            Of::Fact(_) => None,
        };
        let case = Case {
            pressed_at: since.unwrap_or_else(|| stop.at()),
            level: stop.level(),
            timings: bot.timings,
            applied: stop.proved(proof) >= stop.epoch(),
            idle: proof.idle >= stop.epoch(),
            empty_reads: pass.app.guard.empty_reads(&bot.id, stop.epoch()),
            // As long as no team can say otherwise, people are told for every bot.
            cuts_unconfirmed: true,
        };
        let due = case.due(pass.now);
        let key = |step| (step, bot.id.clone(), of.clone());
        if due.unconfirmed {
            self.sound(pass, stop.kind(), bot, stop, || unconfirmed_words(bot, stop));
        }
        if due.cancels > self.taken.get(&key(Step::CancelEntries)).copied().unwrap_or_default() {
            pass.app.take_rung(Step::CancelEntries, bot, stop.epoch());
            self.taken.insert(key(Step::CancelEntries), due.cancels);
        }
        if due.cut {
            let is_first = self.taken.insert(key(Step::Cut), 1).is_none();
            let is_by_hand = || self.raised.contains_key(&(AlertKind::EndKeyByHand, bot.id.clone(), of.clone()));
            if if is_first { !pass.app.take_rung(Step::Cut, bot, stop.epoch()) } else { is_by_hand() } {
                self.sound(pass, AlertKind::EndKeyByHand, bot, stop, || by_hand_words(bot, stop));
            }
        }
    }

    /// Raises an alert once, and once more when somebody closed it long ago and the agent is heard and has still not answered. Of one that is
    /// silent nothing new is known: whoever closed its alert said what they did.
    fn sound(&mut self, pass: &Pass<'_>, kind: AlertKind, bot: &BotFacts, stop: Stop<'_>, words: impl FnOnce() -> String) {
        let subject = stop.subject(&bot.id);
        let is_due = match self.raised.entry((kind, bot.id.clone(), stop.of())) {
            Entry::Vacant(vacant) => {
                vacant.insert(pass.now);
                true
            }
            Entry::Occupied(mut raised) => {
                let is_heard = || pass.app.silent_ms(&bot.id).is_some_and(|ms| ms < bot.timings.lapse_after_ms);
                let is_old = pass.now.ms_since(*raised.get()) >= AGAIN_MS && is_heard();
                let is_open = pass.app.alerts.is_open(kind, &subject);
                if is_old || is_open {
                    raised.insert(pass.now);
                }
                is_old && !is_open
            }
        };
        if is_due {
            pass.app.raise(kind, subject, words());
        }
    }
}

/// The latest stop of a bot that is no hold, while nothing started it since and its agent has not proved it.
fn unproved_fact(bot: &BotFacts, proof: Proof) -> Option<&StopFact> {
    bot.stop.as_ref().filter(|stop| stop.epoch >= bot.start_epoch && stop.epoch > proof.applied)
}

impl Pass<'_> {
    /// Ruling H14: only a bot whose agent was heard since the start of this process, or whose stop was pressed here, climbs, and none at a site
    /// that is not the installation's. A copy of the database elsewhere sees no agents and does nothing.
    fn is_ours(&self, bot: &BotFacts, pressed_at: Timestamp) -> bool {
        if self.app.site.is_foreign() {
            return false;
        }
        let started = self.app.started_at;
        let was_heard = || self.app.book.word(&bot.id).is_some_and(|word| word.at >= started);
        pressed_at >= started.plus_ms(-RESTART_MS) || was_heard()
    }

    /// Closes alerts whose bot has answered, whoever raised them: of several servers one climbs, and not always the same.
    fn settle(&self) {
        for subject in self.app.alerts.open_of(AlertKind::Unconfirmed) {
            let Some(bot) = subject.bot.as_ref().filter(|bot| !self.unproved.contains(bot)) else { continue };
            if self.app.book.proof(bot).applied >= self.stop_of(bot, &subject) {
                self.app.settle(AlertKind::Unconfirmed, &subject, "its agent has confirmed that the bot is halted");
            }
        }
        for subject in self.app.alerts.open_of(AlertKind::NotReduced) {
            let Some(bot) = subject.bot.as_ref().filter(|bot| !self.unreduced.contains(bot)) else { continue };
            let proof = self.app.book.proof(bot);
            let hold = subject.hold.as_ref().and_then(|id| self.view.open_hold(id));
            // Of one that was released its agent has to have heard at least that.
            let is_answered = match hold {
                Some(hold) => proved(hold, proof) >= hold.epoch,
                None => self.view.bot(bot).is_none_or(|facts| proof.told >= self.view.epoch(facts)),
            };
            if is_answered {
                self.app.settle(AlertKind::NotReduced, &subject, "its agent has confirmed what the bot was told");
            }
        }
        for subject in self.app.alerts.open_of(AlertKind::EndKeyByHand) {
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

/// Reads what bots have proved of the stops that stand: before this process began, or to other replicas. One query, one row per bot.
///
/// # Errors
/// When the database is gone.
pub async fn read_proofs(app: &App, view: &View) -> Result<(), AppError> {
    let facts = view.bots().filter_map(|bot| unproved_fact(bot, app.book.proof(&bot.id))).map(|fact| fact.epoch);
    let Some(first) = view.open_holds().map(|hold| hold.epoch).chain(facts).min() else { return Ok(()) };
    for row in storage::acks::ack_proved(&mut *app.db.read().await?, first).await? {
        let proof = Proof { applied: row.applied, idle: row.idle, reduced: row.reduced, told: row.told };
        app.book.note_stored_proof(&row.bot_id, proof);
    }
    Ok(())
}

fn unconfirmed_words(bot: &BotFacts, stop: Stop<'_>) -> String {
    if !stop.level().latches() {
        return format!(
            "{} has not confirmed the {} within {} s: it may still add to its positions. Look at its host: is its agent running, does the bot \
             obey? If that is not acceptable, pause it.",
            bot.name,
            stop.words(),
            bot.timings.apply_within_ms / 1_000,
        );
    }
    format!(
        "{} has not confirmed the {} within {} s. Look at its host: is its agent running, does the bot obey? If the agent has lost contact it halts \
         the bot by itself within {} s of its last word; until it says so that is presumed, not known.",
        bot.name,
        stop.words(),
        bot.timings.apply_within_ms / 1_000,
        bot.timings.lapse_after_ms / 1_000,
    )
}

fn by_hand_words(bot: &BotFacts, stop: Stop<'_>) -> String {
    let (orders, keeps) = match stop.level() {
        Level::Kill => ("every open order", "Nothing may stay"),
        Level::Reduce | Level::Pause => ("its entry orders", "Leave protective orders where they are"),
    };
    format!(
        "{} has still not confirmed the {}, and this server cannot both cut its key and cancel its orders. Do it by hand. First on its host: stop the bot. Then at the venue, \
         in this order: disable or delete the bot's API key; cancel {orders}; look again until none is left. {keeps}. Close this alert with what \
         you did; it closes by itself once the bot is proved idle.",
        bot.name,
        stop.words(),
    )
}
