//! Drills: real holds whose reason says so, placed to measure how long a stop takes. What an agent acknowledged is what was measured; a bot
//! that did not trade at the press measured nothing.

use super::{App, AppError, receipts};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotFacts, BotId, Epoch, Hold};
use crate::fleet::{self, DrillSeen, View};
use crate::storage::{self, Lane, drills::Drill};
use std::sync::Arc;

/// How many measurements go to the database at a time: a drill of the whole fleet never keeps the writer from a stop.
const CHUNK: usize = 100;

/// What a drill has measured of a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its `idle`, or what it measured, is not written down yet.
    Open,
    /// A time.
    Measured,
    /// Nothing, and it never will: the bot did not trade at the press.
    Nothing,
}

impl App {
    /// What a drill has measured of a bot. A measurement is written soon after the `idle` that ends it, or never.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn drill_outcome(&self, actor: &Actor, bot: &Arc<BotFacts>, hold: &Hold) -> Result<Outcome, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut conn = self.db.read().await?;
        let acks = storage::acks::ack_of_bots(&mut conn, &[&bot.id], hold.epoch).await?.into_iter().map(receipts::seen).collect();
        if fleet::of_bot(bot.clone(), hold, self.clock.now(), acks, None).idle_ms.is_none() {
            return Ok(Outcome::Open);
        }
        // Looked at first: what is no longer to be measured afterwards was written before.
        let view = self.fleet.view();
        if let Some(one) = self.measured(&view, &bot.id).filter(|one| one.drill.hold_id == hold.id) {
            let others = storage::holds::hold_since(&mut conn, one.facts.start_epoch).await?;
            return Ok(if traded_at_press(&view, &one, &others) { Outcome::Open } else { Outcome::Nothing });
        }
        let is_saved = storage::drills::drill_is_saved(&mut conn, &bot.id, &hold.id).await?;
        Ok(if is_saved { Outcome::Measured } else { Outcome::Nothing })
    }

    /// The last measured stop of a bot.
    pub fn last_drill(&self, bot: &BotId) -> Option<Arc<DrillSeen>> {
        self.book.drill(bot)
    }

    /// Reads what was measured before, or by other replicas.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn load_drills(&self) -> Result<(), AppError> {
        for drill in storage::drills::drill_latest(&mut *self.db.read().await?).await? {
            self.book.set_drill(&drill.bot_id.clone(), seen(drill));
        }
        Ok(())
    }

    /// Measures what bots that have just said `idle` took to stop in the drills that cover them, and writes it. Comes after what they said is
    /// on disk and in transactions of its own: a measurement that fails costs nothing but itself.
    pub(crate) async fn measure_drills(&self, bots: &[BotId]) {
        if let Err(error) = self.try_measure(bots).await {
            tracing::warn!(%error, "what a drill measured could not be written");
        }
    }

    async fn try_measure(&self, bots: &[BotId]) -> storage::Result<()> {
        let view = self.fleet.view();
        let measured: Vec<Measured<'_>> = bots.iter().filter_map(|bot| self.measured(&view, bot)).collect();
        let Some(first) = measured.iter().map(|one| one.facts.start_epoch).min() else { return Ok(()) };
        let others = storage::holds::hold_since(&mut *self.db.read().await?, first).await?;
        let traded: Vec<Drill> = measured.into_iter().filter(|one| traded_at_press(&view, one, &others)).map(|one| one.drill).collect();
        for some in traded.chunks(CHUNK) {
            let mut tx = self.db.write(Lane::Normal).await?;
            for drill in some {
                storage::drills::drill_save(&mut tx, drill).await?;
            }
            tx.commit().await?;
            for drill in some {
                self.book.set_drill(&drill.bot_id, seen(drill.clone()));
            }
        }
        Ok(())
    }

    /// What memory knows of a bot's stop in the newest drill that covers it; none when that was measured, or is not over.
    fn measured<'a>(&self, view: &'a View, bot: &BotId) -> Option<Measured<'a>> {
        let facts = view.bot(bot)?;
        let hold = view.open_holds().filter(|hold| hold.is_drill() && view.covers(hold, facts)).max_by_key(|hold| hold.epoch)?;
        let start = facts.start_epoch;
        let known = self.book.drill(bot).is_some_and(|known| known.epoch >= hold.epoch);
        if known || start == Epoch(0) || start >= hold.epoch || self.book.traded_under(bot) != start {
            return None;
        }
        let acks = self.book.acks_since(bot, hold.epoch);
        let line = fleet::of_bot(facts.clone(), hold, self.clock.now(), acks, None);
        let (received_ms, applied_ms, idle_ms) = (line.received_ms?, line.applied_ms?, line.idle_ms?);
        let (bot_id, hold_id) = (bot.clone(), hold.id.clone());
        Some(Measured { facts, drill: Drill { bot_id, hold_id, epoch: hold.epoch, at: hold.at, received_ms, applied_ms, idle_ms } })
    }
}

/// A bot, and how fast it stopped.
struct Measured<'a> {
    facts: &'a BotFacts,
    drill: Drill,
}

/// True when nothing had stopped the bot between its start, which it was seen to trade under, and the drill.
fn traded_at_press(view: &View, Measured { facts, drill }: &Measured<'_>, others: &[Hold]) -> bool {
    let between = |epoch: Epoch| facts.start_epoch < epoch && epoch < drill.epoch;
    let stopped = facts.stop.as_ref().is_some_and(|stop| between(stop.epoch));
    let held = |hold: &Hold| {
        let ended = hold.released.as_ref().is_some_and(|release| between(release.epoch));
        hold.id != drill.hold_id && view.covers(hold, facts) && (ended || between(hold.epoch))
    };
    !stopped && !others.iter().any(held)
}

fn seen(drill: Drill) -> DrillSeen {
    DrillSeen {
        hold: drill.hold_id,
        epoch: drill.epoch,
        at: drill.at,
        received_ms: drill.received_ms,
        applied_ms: drill.applied_ms,
        idle_ms: drill.idle_ms,
    }
}
