//! Drills: real holds whose reason says so, placed to measure how long a stop takes. What an agent acknowledged is what was measured; a bot
//! that did not trade at the press measured nothing.

use super::{App, AppError, receipts};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotFacts, BotId, Epoch, Hold};
use crate::fleet::{self, DrillSeen};
use crate::storage::{self, WriteTx, drills::Drill};
use std::sync::Arc;

/// What a drill has measured of a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its `idle` is not written down yet.
    Open,
    /// A time.
    Measured,
    /// Nothing, and it never will: the bot did not trade at the press.
    Nothing,
}

impl App {
    /// What a drill has measured of a bot. A measurement is written together with the `idle` that ends it, or never.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn drill_outcome(&self, actor: &Actor, bot: &Arc<BotFacts>, hold: &Hold) -> Result<Outcome, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut conn = self.db.read().await?;
        let acks = storage::acks::ack_of_bot(&mut conn, &bot.id, hold.epoch).await?.into_iter().map(receipts::seen).collect();
        if fleet::of_bot(bot.clone(), hold, self.clock.now(), acks, None).idle_ms.is_none() {
            return Ok(Outcome::Open);
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

    /// Writes what a bot that has just said `idle` measured of the drills that cover it. `seen` must go to the book once it is committed.
    pub(crate) async fn measure_drills(&self, tx: &mut WriteTx, bot: &BotId) -> storage::Result<Option<DrillSeen>> {
        let view = self.fleet.view();
        let Some(facts) = view.bot(bot) else { return Ok(None) };
        let drill = view.open_holds().filter(|hold| hold.is_drill() && view.covers(hold, facts)).max_by_key(|hold| hold.epoch);
        let Some(hold) = drill else { return Ok(None) };
        if self.book.drill(bot).is_some_and(|known| known.epoch >= hold.epoch) {
            return Ok(None);
        }
        let acks = self.book.acks_since(bot, hold.epoch);
        let measured = fleet::of_bot(facts.clone(), hold, self.clock.now(), acks, None);
        let (Some(received_ms), Some(applied_ms), Some(idle_ms)) = (measured.received_ms, measured.applied_ms, measured.idle_ms) else {
            return Ok(None);
        };
        if !self.traded_at_press(tx, bot, hold).await? {
            return Ok(None);
        }
        let (bot_id, hold_id) = (bot.clone(), hold.id.clone());
        let drill = Drill { bot_id, hold_id, epoch: hold.epoch, at: hold.at, received_ms, applied_ms, idle_ms };
        storage::drills::drill_save(tx, &drill).await?;
        Ok(Some(seen(drill)))
    }

    /// True when nothing had stopped the bot between its start, which it was seen to trade under, and this hold.
    async fn traded_at_press(&self, tx: &mut WriteTx, bot: &BotId, drill: &Hold) -> storage::Result<bool> {
        let view = self.fleet.view();
        let Some(facts) = view.bot(bot) else { return Ok(false) };
        let start = facts.start_epoch;
        let between = |epoch: Epoch| start < epoch && epoch < drill.epoch;
        let stopped = facts.stop.as_ref().is_some_and(|stop| between(stop.epoch));
        if start == Epoch(0) || start >= drill.epoch || stopped || self.book.traded_under(bot) != start {
            return Ok(false);
        }
        let others = storage::holds::hold_since(tx, start).await?;
        let held = |hold: &Hold| {
            let ended = hold.released.as_ref().is_some_and(|release| between(release.epoch));
            hold.id != drill.id && view.covers(hold, facts) && (ended || between(hold.epoch))
        };
        Ok(!others.iter().any(held))
    }
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
