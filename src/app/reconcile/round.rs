//! The reading itself: venues by the server's monitor keys, a few at a time, each with a deadline; then the report that comes after. One pass
//! each second; what is due and what can be judged is found in memory.

use super::{
    Confirmed,
    course::{Course, REPORT_WITHIN_MS, Reading},
    sides::Listed,
};
use crate::app::{App, AppError, ladder::AGAIN_MS};
use crate::domain::{AlertKind, BotFacts, BotId, Epoch, KeyPurpose, State, Subject, Timestamp, reconciliation::LastRead};
use crate::protocol::Report;
use crate::storage::{self, Lane};
use crate::venues::VenueError;
use futures_util::{StreamExt, stream};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// Venues that are read at once.
const TOGETHER: usize = 16;
/// How long the readings of one bot may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// A report that is so many check-ins old says nothing of now; and at least so many milliseconds.
const FRESH_CHECK_INS: i64 = 3;
const FRESH_MS: i64 = 10_000;
/// Rows in one transaction.
const CHUNK: usize = 50;

/// A reading that brought nothing.
struct Missed {
    // As far as known.
    key: String,
    why: String,
    // Its agent says nothing, which has alerts of its own.
    is_silent: bool,
}

/// What one reading came to.
type Read = Result<Reading, Missed>;

/// What was read of each bot so far.
#[derive(Default)]
pub struct Reconciler {
    bots: HashMap<BotId, Followed>,
    // What an earlier process wrote down.
    before: HashMap<BotId, LastRead>,
}

struct Followed {
    course: Course,
    // Read, and no later report has come yet.
    reading: Option<Reading>,
    // The start that it was last read under.
    start: Epoch,
    // What was missing last was the agent's word.
    is_silent: bool,
    // When people were told that nothing is learned.
    told_at: Option<Timestamp>,
}

impl Reconciler {
    /// What an earlier process, or another replica, has come to.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn load(app: &App) -> Result<Self, AppError> {
        app.load_watches().await?;
        let all = storage::reconciliations::reconcile_seen_all(&mut *app.db.read().await?).await?;
        Ok(Self { bots: HashMap::new(), before: all.into_iter().map(|seen| (seen.bot.clone(), seen)).collect() })
    }

    /// One pass: reads what is due, compares what can be compared, acts on what is confirmed, and writes down how it went.
    pub async fn round(&mut self, app: &Arc<App>) {
        // Ruling H14: a copy of the database acts on no venue.
        if app.site.is_foreign() {
            return;
        }
        let due = self.due(app);
        let reads: Vec<(BotId, Read)> =
            stream::iter(due).map(|bot| async move { (bot.id.clone(), read(app, &bot).await) }).buffer_unordered(TOGETHER).collect().await;
        let now = app.clock.now();
        let mut changed = HashSet::new();
        for (bot, read) in reads {
            let Some(followed) = self.bots.get_mut(&bot) else { continue };
            match read {
                Ok(reading) => followed.reading = Some(reading),
                Err(Missed { key, why, is_silent }) => {
                    followed.course.unknown(now, &key, why);
                    followed.is_silent = is_silent;
                    changed.insert(bot);
                }
            }
        }
        for (bot, confirmed) in self.judge(app, &mut changed) {
            app.confirm_difference(&bot, confirmed).await;
        }
        self.tell(app, now);
        let rows: Vec<&LastRead> = changed.iter().filter_map(|bot| self.bots.get(bot)).map(|followed| &followed.course.last).collect();
        if let Err(error) = write(app, &rows).await {
            tracing::warn!(%error, "how reconciliation went could not be written down");
        }
    }

    /// Bots that are to be read now: every minute, soon after a suspicion, and when they were started.
    fn due(&mut self, app: &App) -> Vec<Arc<BotFacts>> {
        let (view, now) = (app.fleet.view(), app.clock.now());
        let watched: Vec<Arc<BotFacts>> = app.bots_with_hand(KeyPurpose::Monitor).iter().filter_map(|bot| view.bot(bot)).cloned().collect();
        let ids: HashSet<&BotId> = watched.iter().map(|bot| &bot.id).collect();
        self.bots.retain(|bot, _| ids.contains(bot));
        let mut due = Vec::new();
        for bot in &watched {
            let followed = self.bots.entry(bot.id.clone()).or_insert_with(|| {
                let mut course = Course::new(bot.id.clone(), now);
                if let Some(before) = self.before.remove(&bot.id) {
                    course.last = before;
                }
                Followed { course, reading: None, start: bot.start_epoch, is_silent: false, told_at: None }
            });
            let is_started = followed.start != bot.start_epoch;
            followed.start = bot.start_epoch;
            if followed.reading.is_none() && (is_started || followed.course.due <= now) {
                due.push(bot.clone());
            }
        }
        due
    }

    /// Compares readings whose bots have reported since.
    fn judge(&mut self, app: &App, changed: &mut HashSet<BotId>) -> Vec<(BotId, Confirmed)> {
        let (view, now) = (app.fleet.view(), app.clock.now());
        let mut all = Vec::new();
        for (id, followed) in &mut self.bots {
            let (Some(reading), Some(bot)) = (&followed.reading, view.bot(id)) else { continue };
            // One check-in later at least: what came at once was put together before.
            let from = reading.ended.plus_ms(bot.timings.check_in_ms);
            match report(app, id).filter(|(_, at)| *at >= from) {
                Some((after, _)) => {
                    let (found, beside, is_compared) = reading.judge(&after);
                    if is_compared {
                        let confirmed = followed.course.compared(now, &reading.key, (found, beside));
                        all.extend(confirmed.map(|confirmed| (id.clone(), confirmed)));
                    } else {
                        followed.course.unknown(now, &reading.key, beside);
                    }
                }
                None if now.ms_since(reading.ended) > REPORT_WITHIN_MS => {
                    let why = "the venue was read, and its agent has reported nothing since".to_owned();
                    followed.course.unknown(now, &reading.key, why);
                    followed.is_silent = true;
                }
                None => continue,
            }
            followed.reading = None;
            changed.insert(id.clone());
        }
        all
    }

    /// Tells people of bots of which nothing was learned for long, once and again when that was closed and goes on; and takes it back.
    fn tell(&mut self, app: &App, now: Timestamp) {
        let view = app.fleet.view();
        for (id, followed) in &mut self.bots {
            let subject = Subject::bot(id);
            let is_open = app.alerts.is_open(AlertKind::VenueUnread, &subject);
            // A bot that stands, and whose agent is switched off, is no news.
            let is_off = followed.is_silent && view.bot(id).is_none_or(|bot| view.directive(bot).state == State::Halted);
            if !followed.course.is_blind(now) || is_off {
                if is_open && followed.course.last.unknown_since.is_none() {
                    app.settle(AlertKind::VenueUnread, &subject, "bot and venue can be compared again");
                }
                continue;
            }
            if !is_open && followed.told_at.is_none_or(|at| now.ms_since(at) >= AGAIN_MS) {
                let name = view.bot(id).map_or_else(|| id.to_string(), |bot| bot.name.clone());
                let LastRead { unknowns, words, key, unknown_since, .. } = &followed.course.last;
                let since = unknown_since.map_or_else(String::new, |at| at.plain());
                let words = format!(
                    "Since {since} nobody knows whether {name} and its venue say the same: {unknowns} readings with key {key} brought nothing. \
                     The last: {words}. The bot goes on; differences are not noticed until this works again.",
                );
                app.raise(AlertKind::VenueUnread, subject, words);
                followed.told_at = Some(now);
            }
        }
        for subject in app.alerts.ours(AlertKind::VenueUnread) {
            if subject.bot.as_ref().is_some_and(|bot| !self.bots.contains_key(bot)) {
                app.settle(AlertKind::VenueUnread, &subject, "the server holds no monitor key for the bot any more");
            }
        }
    }
}

fn report(app: &App, bot: &BotId) -> Option<(Arc<Report>, Timestamp)> {
    app.book.seen(bot).and_then(|seen| seen.report.clone())
}

/// Reads the venue of a bot: the last report before, then orders, positions and balances.
async fn read(app: &Arc<App>, bot: &BotFacts) -> Read {
    let silent = |why: String| Missed { key: String::new(), why, is_silent: true };
    let missed = |key: String, why: String| Missed { key, why, is_silent: false };
    let Some((before, at)) = report(app, &bot.id) else { return Err(silent("its agent has reported nothing yet".to_owned())) };
    let age_ms = app.clock.now().ms_since(at);
    if age_ms > FRESH_MS.max(FRESH_CHECK_INS * bot.timings.check_in_ms) {
        return Err(silent(format!("its agent's last report is {} s old", age_ms / 1_000)));
    }
    let hand = match app.hand_at_venue(&bot.id, KeyPurpose::Monitor).await {
        Ok(Some(hand)) => hand,
        Ok(None) => return Err(missed(String::new(), "this server does not speak to its venue".to_owned())),
        Err(error) => return Err(missed(String::new(), format!("its monitor key cannot be used: {error}"))),
    };
    let key = hand.key.to_string();
    let lists = async {
        // One after the other: calls with one key come in the order of their nonces.
        let orders = hand.venue.open_orders(&hand.credential).await?;
        let positions = hand.venue.positions(&hand.credential).await?;
        let balances = hand.venue.balances(&hand.credential).await?;
        Ok::<Listed, VenueError>(Listed { kind: hand.venue.kind(), orders, positions, balances })
    };
    match tokio::time::timeout(DEADLINE, lists).await {
        Ok(Ok(listed)) => Ok(Reading { before, ended: app.clock.now(), listed, key }),
        Ok(Err(error)) => Err(missed(key, error.to_string())),
        Err(_) => Err(missed(key, format!("the venue did not answer within {} s", DEADLINE.as_secs()))),
    }
}

async fn write(app: &App, rows: &[&LastRead]) -> Result<(), AppError> {
    for some in rows.chunks(CHUNK) {
        let mut tx = app.db.write(Lane::Normal).await?;
        for row in some {
            storage::reconciliations::reconcile_seen_save(&mut tx, row).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}
