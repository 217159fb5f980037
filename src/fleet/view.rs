//! The snapshot from which every directive is computed, and the `watch` that wakes every stream when it changes.
//! Going down is answered from here at once; going up only after a fresh read (see `app::refresh`).

use super::marks::{Marks, ScopeMarks};
use crate::domain::{
    BotFacts, BotId, Clock, Directive, Epoch, Hold, HoldId, Scope, Timestamp, directive,
    directive::{Cover, Posture},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// What is known at one moment. Immutable; a change makes a new one that shares what stayed.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Everything the database recorded up to this epoch is in here.
    pub read_epoch: Epoch,
    /// When the database was last read, by the server's clock.
    pub read_at: Timestamp,
    bots: Arc<HashMap<BotId, Arc<BotFacts>>>,
    open: Arc<Vec<Arc<Hold>>>,
    unrecorded: Arc<Vec<Arc<Hold>>>,
    scope_marks: Arc<ScopeMarks>,
    hold_marks: Arc<HashMap<HoldId, Marks>>,
    kept: Arc<HashMap<BotId, Vec<HoldId>>>,
}

/// Rows read since an earlier view.
#[derive(Debug, Default)]
pub struct Changes {
    /// The counter at the read.
    pub epoch: Epoch,
    /// Bots with a newer fact.
    pub bots: Vec<BotFacts>,
    /// Holds placed or released since.
    pub holds: Vec<Hold>,
    /// Every pair of a hold and a bot that left its scope.
    pub kept: Vec<(HoldId, BotId)>,
}

impl View {
    /// This view with what was read since.
    #[must_use]
    pub fn with(&self, changes: Changes, at: Timestamp) -> Self {
        let mut next = self.clone();
        next.read_epoch = next.read_epoch.max(changes.epoch);
        next.read_at = at;
        if !changes.bots.is_empty() {
            let bots = Arc::make_mut(&mut next.bots);
            for bot in changes.bots {
                bots.insert(bot.id.clone(), Arc::new(bot));
            }
        }
        for hold in changes.holds {
            next.take_hold(Arc::new(hold));
        }
        let known: usize = next.kept.values().map(Vec::len).sum();
        if known != changes.kept.len() {
            let mut kept = HashMap::<BotId, Vec<HoldId>>::new();
            for (hold, bot) in changes.kept {
                kept.entry(bot).or_default().push(hold);
            }
            next.kept = Arc::new(kept);
        }
        next
    }

    /// This view with one recorded hold, placed or released.
    #[must_use]
    pub fn with_hold(&self, hold: Hold) -> Self {
        let mut next = self.clone();
        next.take_hold(Arc::new(hold));
        next
    }

    fn take_hold(&mut self, hold: Arc<Hold>) {
        // Agents know it by a higher number than it was recorded under after all: until the merge has raised the counter to that, that one stands.
        let is_ahead = |twin: &Arc<Hold>| twin.id == hold.id && twin.late && !hold.late && twin.epoch > hold.epoch;
        if hold.is_open() && self.unrecorded.iter().any(is_ahead) {
            return;
        }
        Arc::make_mut(&mut self.scope_marks).add(&hold);
        Arc::make_mut(&mut self.hold_marks).entry(hold.id.clone()).or_default().add(&hold);
        let open = Arc::make_mut(&mut self.open);
        open.retain(|h| h.id != hold.id);
        if self.unrecorded.iter().any(|h| h.id == hold.id) {
            Arc::make_mut(&mut self.unrecorded).retain(|h| h.id != hold.id);
        }
        if hold.is_open() {
            open.push(hold);
        }
    }

    /// This view with a hold that no database has yet. Its number is one more than the highest known.
    #[must_use]
    pub fn with_unrecorded(&self, mut hold: Hold) -> (Self, Hold) {
        let mut next = self.clone();
        if let Some(known) = self.open.iter().chain(self.unrecorded.iter()).find(|h| h.id == hold.id) {
            let mut known = Hold::clone(known);
            if hold.late && !known.late && self.unrecorded.iter().any(|h| h.id == hold.id) {
                known.late = true;
                let unrecorded = Arc::make_mut(&mut next.unrecorded);
                unrecorded.retain(|h| h.id != known.id);
                unrecorded.push(Arc::new(known.clone()));
            }
            return (next, known);
        }
        hold.epoch = self.highest().next().max(hold.epoch);
        Arc::make_mut(&mut next.scope_marks).add(&hold);
        Arc::make_mut(&mut next.unrecorded).push(Arc::new(hold.clone()));
        (next, hold)
    }

    /// The highest epoch known here.
    pub fn highest(&self) -> Epoch {
        self.read_epoch.max(self.scope_marks.highest())
    }

    /// Every bot.
    pub fn bots(&self) -> impl Iterator<Item = &Arc<BotFacts>> {
        self.bots.values()
    }
    /// How many bots there are.
    pub fn bot_count(&self) -> usize {
        self.bots.len()
    }
    /// One bot.
    pub fn bot(&self, id: &BotId) -> Option<&Arc<BotFacts>> {
        self.bots.get(id)
    }
    /// Every unreleased hold, those that no database has yet included, oldest first.
    pub fn open_holds(&self) -> impl Iterator<Item = &Arc<Hold>> {
        self.open.iter().chain(self.unrecorded.iter())
    }
    /// Holds that no database has yet.
    pub fn unrecorded(&self) -> &[Arc<Hold>] {
        &self.unrecorded
    }
    /// One unreleased hold.
    pub fn open_hold(&self, id: &HoldId) -> Option<&Arc<Hold>> {
        self.open_holds().find(|hold| hold.id == *id)
    }

    // True when exactly this is known of a recorded hold already.
    fn has(&self, hold: &Hold) -> bool {
        if self.unrecorded.iter().any(|other| other.id == hold.id) {
            return false;
        }
        match self.open.iter().find(|other| other.id == hold.id) {
            Some(known) => **known == *hold,
            None => !hold.is_open() && self.hold_marks.get(&hold.id).is_some_and(|marks| marks.touched >= hold.touched()),
        }
    }

    /// True when the hold covers the bot: by its scope, or because the bot left the scope under it.
    pub fn covers(&self, hold: &Hold, bot: &BotFacts) -> bool {
        hold.scope.covers(bot) || self.kept.get(&bot.id).is_some_and(|holds| holds.contains(&hold.id))
    }

    /// What holds mean for a bot.
    pub fn cover<'a>(&'a self, bot: &BotFacts) -> Cover<'a> {
        let mut marks = self.scope_marks.around(bot);
        for hold in self.kept.get(&bot.id).into_iter().flatten() {
            marks.join(self.hold_marks.get(hold).copied().unwrap_or_default());
        }
        let open = self.open_holds().filter(|hold| self.covers(hold, bot)).map(AsRef::as_ref).collect();
        Cover { open, latched: marks.latched, touched: marks.touched }
    }

    /// The directive of a bot.
    pub fn directive(&self, bot: &BotFacts) -> Directive {
        directive::directive(bot, &self.cover(bot))
    }

    /// What the directive of a bot depends on.
    pub fn posture<'a>(&'a self, bot: &'a BotFacts) -> Posture<'a> {
        Posture::of(bot, &self.cover(bot))
    }

    /// The bot's epoch, without the rest of its directive.
    pub fn epoch(&self, bot: &BotFacts) -> Epoch {
        directive::epoch(bot, &self.cover(bot))
    }

    /// The bots that a scope covers now, retired ones aside.
    pub fn in_scope(&self, scope: &Scope) -> Vec<Arc<BotFacts>> {
        let mut bots: Vec<_> = self.bots.values().filter(|bot| scope.covers(bot)).cloned().collect();
        bots.sort_by(|a, b| a.name.cmp(&b.name));
        bots
    }

    /// The bots that a hold covers, those that left its scope under it included.
    pub fn under(&self, hold: &Hold) -> Vec<Arc<BotFacts>> {
        let mut bots: Vec<_> = self.bots.values().filter(|bot| self.covers(hold, bot)).cloned().collect();
        bots.sort_by(|a, b| a.name.cmp(&b.name));
        bots
    }

    /// The teams of the bots that a hold covers; for a team hold its team even when it has no bots.
    pub fn teams_under(&self, hold: &Hold) -> Vec<crate::domain::TeamId> {
        let mut teams: HashSet<_> = self.under(hold).iter().map(|bot| bot.team.clone()).collect();
        if let Scope::Team(team) = &hold.scope {
            teams.insert(team.clone());
        }
        teams.into_iter().collect()
    }
}

/// The current view, and whoever waits for the next.
pub struct Fleet {
    now: watch::Sender<Arc<View>>,
    // Writers take turns, so that two changes never overwrite each other; readers never wait.
    turn: Mutex<()>,
    clock: Clock,
}

impl Fleet {
    /// An empty fleet.
    pub fn new(clock: Clock) -> Self {
        Self { now: watch::Sender::new(Arc::new(View::default())), turn: Mutex::new(()), clock }
    }
    /// The view of this moment.
    pub fn view(&self) -> Arc<View> {
        self.now.borrow().clone()
    }
    /// Wakes at every change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.now.subscribe()
    }
    fn change<T>(&self, make: impl FnOnce(&View) -> (View, T)) -> T {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, out) = make(&self.view());
        self.now.send_replace(Arc::new(next));
        out
    }
    /// Takes in what was read from the database. Wakes nobody when nothing changed: an own act that is read back is no news.
    pub fn take(&self, mut changes: Changes) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.view();
        changes.bots.retain(|bot| known.bot(&bot.id).is_none_or(|known| **known != *bot));
        changes.holds.retain(|hold| !known.has(hold));
        let quiet = changes.bots.is_empty() && changes.holds.is_empty();
        let next = Arc::new(known.with(changes, self.clock.now()));
        self.now.send_if_modified(|view| {
            let kept_changed = !Arc::ptr_eq(&view.kept, &next.kept);
            *view = next;
            !quiet || kept_changed
        });
    }
    /// Takes in one recorded hold.
    pub fn take_hold(&self, hold: Hold) {
        self.change(|view| (view.with_hold(hold), ()));
    }
    /// Takes in several: one change, so that agents are looked at once.
    pub fn take_holds(&self, holds: impl Iterator<Item = Hold>) {
        self.change(|view| {
            let mut next = view.clone();
            holds.for_each(|hold| next.take_hold(Arc::new(hold)));
            (next, ())
        });
    }
    /// Notes where the entry of an unreleased hold stands, which came after the hold. Whether it is released by now is left as it is.
    pub fn note_entry(&self, id: &HoldId, seq: i64) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = View::clone(&self.view());
        let open = Arc::make_mut(&mut next.open);
        let Some(hold) = open.iter_mut().find(|hold| hold.id == *id) else { return };
        Arc::make_mut(hold).entry = Some(seq);
        // News to nobody: what bots may do does not change.
        self.now.send_if_modified(|view| {
            *view = Arc::new(next);
            false
        });
    }
    /// Takes back a hold that no database has, since another one stands for the same press. What agents were told of it goes on counting.
    pub fn drop_unrecorded(&self, id: &HoldId) {
        self.change(|view| {
            let mut next = view.clone();
            Arc::make_mut(&mut next.unrecorded).retain(|hold| hold.id != *id);
            (next, ())
        });
    }
    /// Takes in a hold that no database has yet; answers with it as pushed.
    pub fn push_unrecorded(&self, hold: Hold) -> Hold {
        self.change(|view| view.with_unrecorded(hold))
    }
}

#[cfg(test)]
mod tests;
