//! The guard: what the server itself does at a venue for a bot whose agent does not answer a stop (rulings C6 and H14), with the guard key that it
//! holds. Rung 2 cancels entry orders and reads back, again and again; under a kill everything, conditional orders too. Rung 3 cuts the bot's own
//! key where the venue lets anybody, and goes on cancelling where not. It closes no position, and no stop waits for it: every pass is a task of
//! its own, begun by the ladder (`app/ladder.rs`), which asks for bots of this site alone.

mod pass;
mod verify;

pub use pass::GuardDid;

use super::{App, AppError, ladder::Rung};
use crate::audit::Event;
use crate::domain::{
    AlertKind, BotFacts, BotId, Epoch, KeyPurpose, Level, State, Subject,
    ladder::{CANCEL_EVERY_MS, EMPTY_READS, Step},
    reconciliation::Verified,
};
use crate::storage::Lane;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

/// What was done for one stop of one bot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    stop: Epoch,
    level: Level,
    // A pass is under way.
    is_running: bool,
    // How many readings in a row found nothing that should not be there.
    empty_reads: u8,
    // The venue's switch was armed.
    is_armed: bool,
    // Nothing could cut the key: it goes on whatever was read (ruling C6).
    goes_on: bool,
    // What the log says already of each step: the same again is no news.
    said: HashMap<&'static str, String>,
}

impl Run {
    fn new(stop: Epoch, level: Level) -> Self {
        Self { stop, level, is_running: false, empty_reads: 0, is_armed: false, goes_on: false, said: HashMap::new() }
    }
    fn is_done(&self) -> bool {
        self.empty_reads >= EMPTY_READS && !self.goes_on
    }
}

/// What the guard does and has read. Memory only; what it read back is written down besides.
#[derive(Debug, Default)]
pub struct GuardBook {
    runs: Mutex<HashMap<BotId, Run>>,
    verified: Mutex<HashMap<BotId, Vec<Verified>>>,
    // When a bot's venue was last asked whether a stop has come to its end.
    asked: Mutex<HashMap<BotId, (Epoch, crate::domain::Timestamp, u8)>>,
}

/// How many of a bot's stops that were read back are kept in memory.
const KEPT: usize = 16;

impl GuardBook {
    fn with<T>(&self, bot: &BotId, change: impl FnOnce(&mut Run) -> T) -> Option<T> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).get_mut(bot).map(change)
    }
    /// Begins a pass for a stop; false while one is under way, or when nothing is left to do.
    fn begin(&self, bot: &BotId, stop: Epoch, level: Level) -> bool {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let run = runs.entry(bot.clone()).or_insert_with(|| Run::new(stop, level));
        // A newer stop, or a stricter one, begins anew; it takes a pass that is under way along.
        if run.stop < stop || run.level < level {
            *run = Run { is_running: run.is_running, goes_on: run.goes_on, ..Run::new(stop.max(run.stop), level) };
        }
        let begins = !run.is_running && !run.is_done();
        run.is_running |= begins;
        begins
    }
    fn end(&self, bot: &BotId) {
        self.with(bot, |run| run.is_running = false);
    }
    /// True while a pass for a bot is under way.
    pub fn is_running(&self, bot: &BotId) -> bool {
        self.with(bot, |run| run.is_running).unwrap_or(false)
    }
    /// How many readings in a row found nothing that should not be there, since a stop of the bot; 0 while its key works and nobody can cut it.
    pub fn empty_reads(&self, bot: &BotId, stop: Epoch) -> u8 {
        self.with(bot, |run| if run.stop >= stop && !run.goes_on { run.empty_reads } else { 0 }).unwrap_or(0)
    }
    /// Forgets what was done for stops of bots that are over.
    fn keep(&self, stands: impl Fn(&BotId) -> bool) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).retain(|bot, run| run.is_running || stands(bot));
    }
    /// Takes in that a stop was read back; the first reading of an epoch stands.
    pub fn note_verified(&self, verified: Verified) {
        let mut all = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let of_bot = all.entry(verified.bot.clone()).or_default();
        if of_bot.iter().all(|known| known.epoch != verified.epoch) {
            if of_bot.len() >= KEPT {
                of_bot.remove(0);
            }
            of_bot.push(verified);
        }
    }
    /// Stops of a bot that were read back.
    pub fn verified(&self, bot: &BotId) -> Vec<Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(bot).cloned().unwrap_or_default()
    }
}

/// Rung 2.
struct CancelEntries(Weak<App>);
/// Rung 3.
struct Cut(Weak<App>);

/// The rungs that a server with guard keys takes: for `App::open_rungs`.
pub fn rungs(app: &Arc<App>) -> Vec<Box<dyn Rung>> {
    vec![Box::new(CancelEntries(Arc::downgrade(app))), Box::new(Cut(Arc::downgrade(app)))]
}

/// True when this server may act for a bot at its venue: a guard key is held here, and this is no copy (ruling H14).
fn can_act(app: &App, bot: &BotId) -> bool {
    !app.site.is_foreign() && app.has_hand(bot, KeyPurpose::Guard)
}

impl Rung for CancelEntries {
    fn step(&self) -> Step {
        Step::CancelEntries
    }
    fn climb(&self, bot: &Arc<BotFacts>, stop: Epoch) -> bool {
        let Some(app) = self.0.upgrade().filter(|app| can_act(app, &bot.id)) else { return false };
        let level = app.level_over(bot);
        if app.guard.begin(&bot.id, stop, level) {
            let bot = bot.clone();
            tokio::spawn(async move {
                app.guard_pass(&bot, stop).await;
                app.guard.end(&bot.id);
            });
        }
        true
    }
}

impl Rung for Cut {
    fn step(&self) -> Step {
        Step::Cut
    }
    fn climb(&self, bot: &Arc<BotFacts>, stop: Epoch) -> bool {
        let Some(app) = self.0.upgrade().filter(|app| can_act(app, &bot.id)) else { return false };
        tokio::spawn(cut(Arc::downgrade(&app), bot.clone(), stop));
        true
    }
}

/// Cuts first, as far as anybody can; then cancels and reads back until the venue is empty, the bot idle, or its stop over.
async fn cut(app: Weak<App>, bot: Arc<BotFacts>, stop: Epoch) {
    let mut is_first = true;
    while let Some(app) = app.upgrade() {
        let level = app.level_over(&bot);
        let is_over = !app.is_stopped(&bot.id) || app.book.proof(&bot.id).idle >= stop;
        if is_over || !can_act(&app, &bot.id) {
            return;
        }
        let begins = app.guard.begin(&bot.id, stop, level);
        if std::mem::take(&mut is_first) {
            app.cannot_cut(&bot, stop).await;
        }
        if begins {
            app.guard_pass(&bot, stop).await;
            app.guard.end(&bot.id);
        }
        drop(app);
        tokio::time::sleep(Duration::from_millis(CANCEL_EVERY_MS as u64)).await;
    }
}

impl App {
    /// The strictest hold over a bot; a stop without one asks what a pause does.
    fn level_over(&self, bot: &BotFacts) -> Level {
        let view = self.fleet.view();
        let facts = view.bot(&bot.id).map_or(bot, AsRef::as_ref);
        view.cover(facts).open.iter().filter(|hold| hold.latches()).map(|hold| hold.level).max().unwrap_or(Level::Pause)
    }

    /// True while a bot may not trade.
    fn is_stopped(&self, bot: &BotId) -> bool {
        let view = self.fleet.view();
        view.bot(bot).is_some_and(|facts| view.directive(facts).state == State::Halted)
    }

    /// Says that the bot's own key cannot be ended from here: this takes a key of its main account, and none is held. The task stays until
    /// everything that the bot traded with is known to be gone at the venue, or somebody says what they did.
    async fn cannot_cut(&self, bot: &BotFacts, stop: Epoch) {
        self.guard.with(&bot.id, |run| run.goes_on = true);
        if self.exchange_keys().cannot_trade(&bot.id) {
            return self.guard_says(bot, stop, "cut", "no key of the bot works at the venue any more: nothing is left to be cut").await;
        }
        let words = format!(
            "{} has not confirmed its stop, and its own key still works: this server holds no key of the main account that could demote or \
             delete it. It goes on cancelling with its guard key. Delete the bot's key at the venue by hand now and say so on the key's page: \
             then this closes by itself.",
            bot.name,
        );
        let subject = Subject::bot(&bot.id);
        if !self.alerts.is_open(AlertKind::KeyToRevoke, &subject) {
            self.raise(AlertKind::KeyToRevoke, subject, words);
        }
        self.guard_says(bot, stop, "cut", "no key of the main account is held here: the bot's key was not demoted, a person ends it").await;
    }

    /// Writes an outcome into the log, once for as long as it stays the same. A log that takes nothing has it later.
    async fn guard_says(&self, bot: &BotFacts, stop: Epoch, step: &'static str, said: &str) {
        let is_news = self.guard.with(&bot.id, |run| run.said.insert(step, said.to_owned()).as_deref() != Some(said));
        if is_news == Some(false) {
            return;
        }
        if let Err(error) = self.write_guard(bot, stop, step, said).await {
            tracing::warn!(bot = %bot.id, step, said, %error, "what the guard did could not be written into the log");
            self.guard.with(&bot.id, |run| run.said.remove(step));
        }
    }

    async fn write_guard(&self, bot: &BotFacts, stop: Epoch, step: &str, said: &str) -> Result<(), AppError> {
        let act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let said = crate::domain::text::why_lenient(said);
        act.commit_stop(Event::GuardActed { bot: bot.id.clone(), epoch: stop.0, step: step.to_owned(), said }).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_until_two_readings_in_a_row_are_empty() {
        let (book, bot) = (GuardBook::default(), BotId::new());
        let stop = Epoch(7);
        assert!(book.begin(&bot, stop, Level::Pause));
        assert!(!book.begin(&bot, stop, Level::Pause), "one pass at a time");
        book.end(&bot);
        book.with(&bot, |run| run.empty_reads = 1);
        assert!(book.begin(&bot, stop, Level::Pause), "one empty reading is none");
        book.end(&bot);
        book.with(&bot, |run| run.empty_reads = 2);
        assert_eq!((book.begin(&bot, stop, Level::Pause), book.empty_reads(&bot, stop)), (false, 2));
        assert!(book.begin(&bot, stop, Level::Kill), "a kill asks for more");
        assert_eq!(book.empty_reads(&bot, stop), 0);
        book.end(&bot);
        book.with(&bot, |run| (run.empty_reads, run.goes_on) = (9, true));
        assert!(book.begin(&bot, stop, Level::Kill), "whose key could not be cut is watched on");
        book.end(&bot);
        assert!(book.begin(&bot, Epoch(9), Level::Kill), "a newer stop");
        assert_eq!(book.empty_reads(&bot, Epoch(10)), 0);
    }

    #[test]
    fn of_a_stop_the_first_reading_stands() {
        let (book, bot) = (GuardBook::default(), BotId::new());
        let read = |epoch, ms, open_orders| Verified {
            bot: bot.clone(),
            epoch: Epoch(epoch),
            at: crate::domain::Timestamp(0).plus_ms(ms),
            open_orders,
            key: "key-1".to_owned(),
        };
        book.note_verified(read(7, 100, 1));
        book.note_verified(read(7, 900, 0));
        assert_eq!(book.verified(&bot), [read(7, 100, 1)]);
        let one = read(7, 100, 1);
        assert!(one.proves(Level::Pause, Epoch(6)) && !one.proves(Level::Pause, Epoch(8)));
        assert!(!one.proves(Level::Kill, Epoch(6)), "an order rests");
        (8..40).for_each(|epoch| book.note_verified(read(epoch, 1, 0)));
        assert_eq!(book.verified(&bot).len(), KEPT);
    }
}
