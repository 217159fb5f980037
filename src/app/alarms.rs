//! What this process sees with its own eyes and somebody should know: agents that are connected and behind, ahead of the server, or whose clock is
//! off; a log that is frozen; holds that no database has. One pass over memory, twice a second: it reads no database and stops nobody.

use super::{App, alerts::Key, holds::Kept, ladder::AGAIN_MS, log::FrozenKind};
use crate::domain::{AlertKind, BotFacts, BotId, Epoch, Hold, HoldId, Subject, Timestamp, behind::Watch};
use crate::fleet::{View, Word};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// A clock that is off by more raises an alert; it ends a little below, so that one at the edge does not come and go.
const CLOCK_OFF_MS: i64 = 2_000;
const CLOCK_WELL_MS: i64 = 1_500;
/// A log that was not compared with its marks for so long after the start is as good as frozen.
const NOT_COMPARED_MS: i64 = 60_000;

/// What was seen before.
#[derive(Default)]
pub struct Alarms {
    watches: HashMap<BotId, Watch>,
    // The epoch of every bot, as of the view it was computed from.
    epochs: HashMap<BotId, Epoch>,
    of: Option<Arc<View>>,
    // What goes on, and when its alert was last seen open: the same cause is one alert until it has gone, or until somebody closed it long ago.
    sounding: HashMap<Key, Timestamp>,
    // Open alerts that this process judges, an earlier one's too, as the round began.
    ours: HashSet<Key>,
}

impl Alarms {
    /// One pass.
    pub fn round(&mut self, app: &App) {
        let (view, now) = (app.fleet.view(), app.clock.now());
        self.compute_epochs(&view);
        self.ours = app.alerts.our_keys();
        let lines: HashSet<BotId> = app.lines.bots().into_iter().collect();
        self.watches.retain(|bot, _| lines.contains(bot));
        for bot in view.bots() {
            let Some(word) = app.book.word(&bot.id) else { continue };
            let is_open = lines.contains(&bot.id);
            self.behind(app, bot, word, is_open, now);
            if is_open || app.silent_ms(&bot.id).is_some_and(|ms| ms <= bot.timings.lapse_after_ms) {
                self.ahead_and_clock(app, bot, word);
            }
        }
        self.log(app, now);
        self.holds(app, &view);
    }

    // Only when the view changed: it does rarely, and every bot's epoch is looked at twice a second.
    fn compute_epochs(&mut self, view: &Arc<View>) {
        if self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, view)) {
            return;
        }
        self.epochs = view.bots().map(|bot| (bot.id.clone(), view.epoch(bot))).collect();
        self.of = Some(view.clone());
    }

    fn behind(&mut self, app: &App, bot: &BotFacts, word: Word, is_open: bool, now: Timestamp) {
        let epoch = self.epochs.get(&bot.id).copied().unwrap_or_default();
        let is_behind = is_open && self.watches.entry(bot.id.clone()).or_default().look(epoch, word.knows, now);
        let words = || {
            format!(
                "The agent of {} is connected and has not said for 5 s that it has what it was told: it is at epoch {}, its bot at {epoch}. Until \
                 it does, no stop is proved. Look at its host; restart the agent if it hangs.",
                bot.name, word.knows
            )
        };
        let gone = if is_open { "its agent has caught up" } else { "its stream ended; its silence is shown on the bot's page" };
        // A stream that is open and not yet over its time is neither: what sounded goes on until the agent has caught up.
        if is_behind || !is_open || word.knows >= epoch {
            self.sound(app, AlertKind::Behind, &Subject::bot(&bot.id), is_behind.then(words), gone);
        }
    }

    fn ahead_and_clock(&mut self, app: &App, bot: &BotFacts, word: Word) {
        let ahead = word.ahead.then(|| {
            format!(
                "The agent of {} has seen a higher epoch than this server knows: this server's database is older than what it told agents, as \
                 after a restore. The bot stays stopped.",
                bot.name
            )
        });
        self.sound(app, AlertKind::AgentAhead, &Subject::bot(&bot.id), ahead, "its agent is no longer ahead");
        let Some(off) = word.clock_off_ms else { return };
        if off.abs() > CLOCK_OFF_MS || off.abs() <= CLOCK_WELL_MS {
            let words = (off.abs() > CLOCK_OFF_MS).then(|| {
                format!(
                    "The clock on the host of {} is off by {} ms. This server orders everything by its own clock, but the bot's times and the \
                     check of signed starts are wrong. Set it by NTP.",
                    bot.name, off
                )
            });
            self.sound(app, AlertKind::ClockOff, &Subject::bot(&bot.id), words, "its clock is right again");
        }
    }

    fn log(&mut self, app: &App, now: Timestamp) {
        let frozen = app.log.gate().frozen();
        let frozen = frozen.filter(|frozen| frozen.kind != FrozenKind::NotCompared || now.ms_since(frozen.since) > NOT_COMPARED_MS);
        let words =
            frozen.map(|frozen| format!("{}. Nothing may start, be released or be loosened; stops work. See the system page.", frozen.why));
        self.sound(app, AlertKind::LogFrozen, &Subject::installation(), words, "the log takes entries again");
    }

    fn holds(&mut self, app: &App, view: &View) {
        // One that is not late was told to agents while its press still waits for the database.
        for hold in view.unrecorded().iter().filter(|hold| hold.late) {
            self.sound(app, AlertKind::HoldNotRecorded, &Subject::hold(&hold.id), Some(not_recorded_words(app, hold)), "");
        }
        let waits = |id: &HoldId| view.unrecorded().iter().any(|hold| hold.id == *id);
        for subject in app.alerts.ours(AlertKind::HoldNotRecorded) {
            if subject.hold.as_ref().is_some_and(|id| !waits(id)) {
                self.sound(app, AlertKind::HoldNotRecorded, &subject, None, "the database has the hold; it says that it was recorded late");
            }
        }
    }

    /// Raises what begins and settles what ends; nothing while it goes on.
    fn sound(&mut self, app: &App, kind: AlertKind, subject: &Subject, words: Option<String>, gone: &str) {
        // Asked for every bot twice a second: what is well and was well costs nothing.
        if words.is_none() && self.sounding.is_empty() && self.ours.is_empty() {
            return;
        }
        let key = (kind, subject.key());
        let Some(words) = words else {
            // What an earlier process raised ends as well.
            if self.sounding.remove(&key).is_some() || self.ours.contains(&key) {
                app.settle(kind, subject, gone);
            }
            return;
        };
        let (now, is_open) = (app.clock.now(), app.alerts.is_open(kind, subject));
        let since = self.sounding.get(&key).copied();
        let is_due = since.is_none_or(|since| now.ms_since(since) >= AGAIN_MS);
        if is_due || is_open {
            self.sounding.insert(key, now);
        }
        if is_due && !is_open {
            app.raise(kind, subject.clone(), words);
        }
    }
}

fn not_recorded_words(app: &App, hold: &Hold) -> String {
    let kept = match app.kept(hold) {
        Kept::NotRecorded => "Neither the database nor this server's disk took it: agents hold it. Keep this server running.",
        Kept::Spooled | Kept::Recorded => "It is kept on this server's disk and recorded as soon as the database answers.",
    };
    format!(
        "The {} that {} pressed at {} was delivered and is not in the database. {kept}",
        hold.level,
        hold.placed_by.name,
        hold.at.plain()
    )
}
