//! Fills that agents report (ruling M4): taken whole or not at all, kept once each, listed, exported, summed as evidence. Observations, so they
//! carry no entry; a batch is one short transaction in the normal lane, which no stop waits for. What is answered is on disk.

pub mod csv;

pub use crate::storage::fills::Span;

use super::{App, AppError, Invalid, agent_book::LiveAgent};
use crate::authz::Actor;
use crate::domain::{
    BotId, Fill, FillSums, KeptFill, Timestamp,
    fill::{MOST, first_of_each},
    time::DAY_MS,
};
use crate::protocol::{FillFrame, FillsTaken};
use crate::storage::{self, Lane};
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

/// How many rows are read at once.
const PIECE: i64 = 1_000;
/// At most so many are summed, the newest.
pub const MOST_SUMMED: u64 = 100_000;

/// Any time.
pub const ALWAYS: Span = Span { from: Timestamp(i64::MIN), until: Timestamp(i64::MAX) };

/// The time that two texts tell: days, the second one included, or moments in RFC 3339, the second one not. What is empty bounds nothing.
///
/// # Errors
/// The field that tells no time.
pub fn span(from: &str, until: &str) -> Result<Span, Invalid> {
    let moment = |field: &'static str, text: &str, day_ms: i64| match text.trim() {
        "" => Ok(None),
        text => {
            let day = Timestamp::parse_day(text).map(|day| day.plus_ms(day_ms));
            let moment = day.or_else(|| Timestamp::parse(text)).map(Some);
            moment.ok_or_else(|| Invalid::one(field, format!("{field} must be a day as 2026-11-23 or a time as 2026-11-23T03:12:07Z")))
        }
    };
    Ok(Span { from: moment("from", from, 0)?.unwrap_or(ALWAYS.from), until: moment("until", until, DAY_MS)?.unwrap_or(ALWAYS.until) })
}

/// How many fills were told again with other words, by bot, since this process began.
#[derive(Debug, Default)]
pub struct FillWatch(Mutex<HashMap<BotId, u64>>);

impl FillWatch {
    /// Counts some; true when they are the first of that bot.
    fn count(&self, bot: &BotId, some: u64) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(bot.clone()).or_default();
        *count += some;
        *count == some
    }
    fn of(&self, bot: &BotId) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(bot).copied().unwrap_or(0)
    }
}

/// The last fill of a piece of a list; the next piece goes on after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    at: Timestamp,
    id: String,
}

impl Cursor {
    /// Of this fill.
    pub fn of(kept: &KeptFill) -> Self {
        Self { at: kept.fill.at, id: kept.fill.id.clone() }
    }
    /// Reads what it was written as. None for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('.')?;
        let fits = !id.is_empty() && !id.contains('\0');
        Some(Self { at: Timestamp(at.parse().ok()?), id: id.to_owned() }).filter(|_| fits)
    }
    fn after(&self) -> storage::fills::After<'_> {
        Some((self.at, &self.id))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.0, self.id)
    }
}

/// Checks what was told; nothing is taken of a batch in which anything does not fit.
fn read(frames: &[FillFrame], now: Timestamp) -> Result<Vec<Fill>, Invalid> {
    if frames.len() > MOST {
        return Err(Invalid::one("fills", format!("at most {MOST} fills may be sent at once")));
    }
    let one = |(n, frame): (usize, &FillFrame)| {
        Fill::read(&frame.told(), now).map_err(|(field, why)| {
            let which = if frames.len() > 1 { format!(" of fill {}", n + 1) } else { String::new() };
            Invalid::one(field, format!("{field}{which} {why}"))
        })
    };
    frames.iter().enumerate().map(one).collect()
}

impl App {
    /// Takes fills of an agent's own bot. Once this answers they are on disk. A repeated id is taken again without effect; what is told
    /// otherwise the second time is counted and changes nothing.
    ///
    /// # Errors
    /// `Invalid` with the field, and nothing is taken; when the database is gone: the agent sends them again.
    pub async fn take_fills(&self, agent: &LiveAgent, frames: &[FillFrame]) -> Result<FillsTaken, AppError> {
        let now = self.clock.now();
        let told = read(frames, now)?;
        let taken = FillsTaken { accepted: told.len(), ids: Vec::new() };
        let stage = self.fleet.view().bot(&agent.bot).map(|bot| bot.stage).ok_or(AppError::NotFound("bot"))?;
        let first = first_of_each(told.clone());
        let is_other = |fill: &&Fill| first.iter().any(|one| one.id == fill.id && one != *fill);
        let mut differ =
            if first.len() < told.len() { told.iter().filter(is_other).map(|fill| fill.id.clone()).collect() } else { Vec::new() };
        let rows: Vec<KeptFill> = first.into_iter().map(|fill| KeptFill { fill, heard_at: now, stage }).collect();
        if !rows.is_empty() {
            let mut tx = self.db.write(Lane::Normal).await?;
            let (_, others) = storage::fills::fill_save_all(&mut tx, &agent.bot, rows).await?;
            tx.commit().await?;
            differ.extend(others);
        }
        if let Some(id) = differ.first()
            && self.fills.count(&agent.bot, differ.len() as u64)
        {
            tracing::warn!(bot = %agent.bot, id, "a fill was told again in other words; the first stand, and more of them are counted in silence");
        }
        Ok(taken)
    }

    /// How many of a bot's fills were told again with other words since this process began.
    pub fn fills_that_differ(&self, bot: &BotId) -> u64 {
        self.fills.of(bot)
    }

    /// A piece of a bot's fills, newest first, and where to go on.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone.
    pub async fn fills_newest(
        &self,
        actor: &Actor,
        bot: &BotId,
        span: Span,
        after: Option<&Cursor>,
        most: i64,
    ) -> Result<(Vec<KeptFill>, Option<Cursor>), AppError> {
        self.bot(actor, bot)?;
        let after = after.and_then(Cursor::after);
        let mut rows = storage::fills::fill_newest(&mut *self.db.read().await?, bot, span, after, most + 1).await?;
        let most = usize::try_from(most).unwrap_or_default();
        let is_whole = rows.len() <= most;
        rows.truncate(most);
        let next = rows.last().filter(|_| !is_whole).map(Cursor::of);
        Ok((rows, next))
    }

    /// A piece of a bot's fills, oldest first, and where to go on: what a file of all of them is written from.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone.
    pub async fn fills_oldest(
        &self,
        actor: &Actor,
        bot: &BotId,
        span: Span,
        after: Option<&Cursor>,
    ) -> Result<(Vec<KeptFill>, Option<Cursor>), AppError> {
        self.bot(actor, bot)?;
        let after = after.and_then(Cursor::after);
        let rows = storage::fills::fill_oldest(&mut *self.db.read().await?, bot, span, after, PIECE).await?;
        let next = rows.last().filter(|_| rows.len() as i64 >= PIECE).map(Cursor::of);
        Ok((rows, next))
    }

    /// What a bot's fills from one moment until before another come to: of the newest 100,000 at most, and it says so when there are more.
    /// Whoever calls this has seen to it that the bot may be seen.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn fill_sums(&self, bot: &BotId, from: Timestamp, until: Timestamp) -> Result<FillSums, AppError> {
        let span = Span { from, until };
        let mut sums = FillSums::default();
        let mut after: Option<Cursor> = None;
        loop {
            let go_on = after.as_ref().and_then(Cursor::after);
            let rows = storage::fills::fill_newest(&mut *self.db.read().await?, bot, span, go_on, PIECE).await?;
            if !rows.is_empty() && sums.all.count >= MOST_SUMMED {
                sums.is_cut = true;
                return Ok(sums);
            }
            rows.iter().for_each(|kept| sums.add(kept));
            after = rows.last().map(Cursor::of);
            if (rows.len() as i64) < PIECE {
                return Ok(sums);
            }
            // Nobody else waits while a busy bot is summed.
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor { at: Timestamp(-5), id: "a.b c".into() };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for wrong in ["", ".", "5", "5.", "x.y", ".y", "99999999999999999999.y", "5.a\0b"] {
            assert_eq!(Cursor::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_span_is_told_by_days_or_moments() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        assert_eq!(span("", " "), Ok(ALWAYS));
        let days = span("2026-11-23", "2026-11-23").unwrap();
        assert_eq!(days, Span { from: at("2026-11-23T00:00:00Z"), until: at("2026-11-24T00:00:00Z") }, "the last day is in it");
        assert_eq!(span("", "2026-11-23T03:12:07Z").unwrap().until, at("2026-11-23T03:12:07Z"));
        assert_eq!(span("23 Nov", "").unwrap_err().0[0].0, "from");
        assert_eq!(span("", "tomorrow").unwrap_err().0[0].0, "until");
    }

    #[test]
    fn the_first_that_differ_of_a_bot_are_told_and_more_are_counted() {
        let watch = FillWatch::default();
        let bot = BotId::new();
        assert!(watch.count(&bot, 2));
        assert!(!watch.count(&bot, 1));
        assert_eq!((watch.of(&bot), watch.of(&BotId::new())), (3, 0));
    }
}
