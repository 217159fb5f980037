//! The guard: what the server itself does at a venue for a bot whose agent does not answer a stop (rulings C6 and H14), with the guard key that it
//! holds. Rung 2 cancels entry orders and reads back, again and again; under a kill everything, conditional orders too. Rung 3 demotes the bot's own
//! key with the key of the main account, where one is held, and goes on cancelling where not (`cut`). It closes no position and deletes no key, and
//! no stop waits for it: every pass is a task of its own, begun by the ladder (`app/ladder.rs`), which asks for bots of this site alone.

mod cut;
mod pass;
mod verify;

pub use pass::GuardDid;

use super::{App, AppError, ladder::Rung};
use crate::audit::Event;
use crate::domain::{
    BotFacts, BotId, Epoch, KeyId, KeyPurpose, Level, State,
    ladder::{EMPTY_READS, Step},
    reconciliation::Verified,
};
use crate::storage::Lane;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, Weak},
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
    // The key is not known to be cut: it goes on whatever was read (ruling C6).
    goes_on: bool,
    // Keys are being demoted.
    is_cutting: bool,
    // Versions that were read back as reading only, or that the venue knows no more.
    cut: HashSet<(KeyId, i64)>,
    // What the log says already of each step: the same again is no news.
    said: HashMap<&'static str, String>,
}

impl Run {
    fn new(stop: Epoch, level: Level) -> Self {
        let (cut, said) = (HashSet::new(), HashMap::new());
        Self { stop, level, is_running: false, empty_reads: 0, is_armed: false, goes_on: false, is_cutting: false, cut, said }
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
    /// Takes a stop of a bot up, without beginning a pass.
    fn open(&self, bot: &BotId, stop: Epoch, level: Level) {
        run_for(&mut self.runs.lock().unwrap_or_else(PoisonError::into_inner), (bot, stop, level));
    }
    /// Begins a pass for a stop; false while one is under way, or when nothing is left to do.
    fn begin(&self, bot: &BotId, stop: Epoch, level: Level) -> bool {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let run = run_for(&mut runs, (bot, stop, level));
        let begins = !run.is_running && !run.is_done();
        run.is_running |= begins;
        begins
    }
    fn end(&self, bot: &BotId) {
        self.with(bot, |run| run.is_running = false);
    }
    /// True while a pass for a bot is under way.
    pub fn is_running(&self, bot: &BotId) -> bool {
        self.with(bot, |run| run.is_running || run.is_cutting).unwrap_or(false)
    }
    /// How many readings in a row found nothing that should not be there, since a stop of the bot; 0 while its key works and nobody can cut it.
    pub fn empty_reads(&self, bot: &BotId, stop: Epoch) -> u8 {
        self.with(bot, |run| if run.stop >= stop && !run.goes_on { run.empty_reads } else { 0 }).unwrap_or(0)
    }
    /// Forgets what was done for stops of bots that are over.
    fn keep(&self, stands: impl Fn(&BotId) -> bool) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).retain(|bot, run| run.is_running || run.is_cutting || stands(bot));
    }
    /// Begins to demote; answers with what is cut already. None while somebody is at it.
    fn begin_cut(&self, bot: &BotId) -> Option<HashSet<(KeyId, i64)>> {
        self.with(bot, |run| (!std::mem::replace(&mut run.is_cutting, true)).then(|| run.cut.clone())).flatten()
    }
    /// Takes in which versions are cut by now. Once nothing is left, what rests is read anew: what was placed before the cut does not count.
    fn end_cut(&self, bot: &BotId, cut: impl IntoIterator<Item = (KeyId, i64)>, is_all: bool) {
        self.with(bot, |run| {
            let before = run.cut.len();
            run.cut.extend(cut);
            (run.is_cutting, run.goes_on) = (false, !is_all);
            if is_all && run.cut.len() > before {
                run.empty_reads = 0;
            }
        });
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

/// The run of a stop. A newer stop, or a stricter one, begins anew; it takes what is under way along. A newer one also cuts anew: somebody may have
/// raised a key again.
fn run_for<'a>(runs: &'a mut HashMap<BotId, Run>, (bot, stop, level): (&BotId, Epoch, Level)) -> &'a mut Run {
    let run = runs.entry(bot.clone()).or_insert_with(|| Run::new(stop, level));
    if run.stop < stop || run.level < level {
        let cut = if run.stop < stop { HashSet::new() } else { std::mem::take(&mut run.cut) };
        let (is_running, is_cutting, goes_on) = (run.is_running, run.is_cutting, run.goes_on);
        *run = Run { is_running, is_cutting, goes_on, cut, ..Run::new(stop.max(run.stop), level) };
    }
    run
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

/// True when this server may demote what a bot trades with: a key of the main account is held here, and this is no copy (ruling H14).
fn can_cut(app: &App, bot: &BotId) -> bool {
    !app.site.is_foreign() && app.has_hand(bot, KeyPurpose::KeyAdmin)
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
        let Some(app) = self.0.upgrade() else { return false };
        let (cancels, cuts) = (can_act(&app, &bot.id), can_cut(&app, &bot.id));
        if cancels || cuts {
            tokio::spawn(cut::cut(self.0.clone(), bot.clone(), stop));
        }
        // Whoever can demote and not cancel leaves the orders to people.
        cancels
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
        book.end(&bot);
        assert_eq!(book.empty_reads(&bot, Epoch(10)), 0);
    }

    #[test]
    fn what_is_cut_is_cut_once_for_a_stop_and_read_back_after_it() {
        let (book, bot, version) = (GuardBook::default(), BotId::new(), (KeyId::new(), 3));
        book.open(&bot, Epoch(7), Level::Pause);
        book.with(&bot, |run| (run.empty_reads, run.goes_on) = (2, true));
        assert_eq!(book.begin_cut(&bot), Some(HashSet::new()));
        assert_eq!(book.begin_cut(&bot), None, "one at a time");
        assert!(book.is_running(&bot));
        book.end_cut(&bot, [], false);
        assert_eq!(book.empty_reads(&bot, Epoch(7)), 0, "it still works");
        assert!(book.begin(&bot, Epoch(7), Level::Pause), "and rung 2 goes on");
        book.end(&bot);
        book.begin_cut(&bot);
        book.end_cut(&bot, [version.clone()], true);
        assert_eq!(book.empty_reads(&bot, Epoch(7)), 0, "what was read before the cut does not count");
        book.with(&bot, |run| run.empty_reads = 2);
        book.open(&bot, Epoch(7), Level::Kill);
        assert_eq!(book.begin_cut(&bot), Some(HashSet::from([version])), "a stricter stop takes that along");
        book.end_cut(&bot, [], true);
        book.open(&bot, Epoch(9), Level::Pause);
        assert_eq!(book.begin_cut(&bot), Some(HashSet::new()), "a newer one cuts anew");
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
