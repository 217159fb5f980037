//! Stops that were read back at the venue: the last line of a receipt, *verified at the venue*. For every bot of which the server holds a monitor or
//! guard key: of one whose agent says idle one reading does, of one that is silent the guard's two in a row.

use super::App;
use crate::app::AppError;
use crate::domain::{BotFacts, BotId, Epoch, Hold, KeyPurpose, Level, Timestamp, reconciliation::Verified};
use crate::storage::{self, Lane};
use crate::venues::OpenOrder;
use futures_util::{StreamExt, stream};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

/// Stops are read back when they were pressed not longer ago.
const LATELY_MS: i64 = 600_000;
/// A venue that showed an order, or nothing at all, is asked again after so long; so many times.
const AGAIN_MS: i64 = 5_000;
const TRIES: u8 = 24;
/// Venues that are read at once, and how long each may take.
const TOGETHER: usize = 8;
const DEADLINE: Duration = Duration::from_secs(10);

/// What a reading that counts found.
pub(super) struct Found {
    pub(super) open_orders: i64,
    pub(super) key: String,
}

/// A stop that is to be read back.
struct Asked {
    bot: Arc<BotFacts>,
    epoch: Epoch,
    level: Level,
}

impl App {
    /// Takes in that a stop of a bot was read back now.
    pub(super) async fn note_read_back(&self, bot: &BotFacts, epoch: Epoch, Found { open_orders, key }: Found) {
        let verified = Verified { bot: bot.id.clone(), epoch, at: self.clock.now(), open_orders, key };
        if self.guard.verified(&bot.id).iter().any(|known| known.epoch == epoch) {
            return;
        }
        let ms = self.fleet.view().open_holds().filter(|hold| hold.epoch == epoch).map(|hold| verified.at.ms_since(hold.at)).max();
        self.guard.note_verified(verified.clone());
        let write = async {
            let mut tx = self.db.write(Lane::Normal).await?;
            storage::reconciliations::verified_save(&mut tx, &verified).await?;
            tx.commit().await
        };
        if let Err(error) = write.await {
            tracing::warn!(bot = %bot.id, %error, "that a stop was read back at the venue could not be written down");
        }
        let after = ms.map_or_else(String::new, |ms| format!(" {ms} ms after the press"));
        let said = format!("read back at the venue{after} with key {}: {open_orders} orders rest, none of them an entry", verified.key);
        self.guard_says(bot, epoch, "verified", &said).await;
    }

    /// Takes in what was read back before this process began, or by other replicas, of stops that stand.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn load_verified(&self) -> Result<(), AppError> {
        let Some(first) = self.fleet.view().open_holds().map(|hold| hold.epoch).min() else { return Ok(()) };
        let all = storage::reconciliations::verified_since(&mut *self.db.read().await?, first).await?;
        all.into_iter().for_each(|verified| self.guard.note_verified(verified));
        Ok(())
    }

    /// How long after the press of a hold a bot was read back at the venue, milliseconds; none: it was not.
    pub fn verified_ms(&self, hold: &Hold, bot: &BotId) -> Option<i64> {
        verified_ms(hold, &self.guard.verified(bot))
    }

    /// Reads back the stops whose bots say that they are idle, once each; forgets stops that are over.
    pub async fn verify_stops(self: &Arc<Self>) {
        if self.site.is_foreign() {
            return;
        }
        self.guard.keep(|bot| self.is_stopped(bot));
        let asked = self.to_verify();
        let reads = stream::iter(asked).map(|asked| self.read_back(asked)).buffer_unordered(TOGETHER);
        reads.collect::<Vec<()>>().await;
    }

    /// Which stops are to be read back now.
    fn to_verify(&self) -> Vec<Asked> {
        let (view, now) = (self.fleet.view(), self.clock.now());
        let mut bots = self.bots_with_hand(KeyPurpose::Monitor);
        bots.extend(self.bots_with_hand(KeyPurpose::Guard));
        bots.sort();
        bots.dedup();
        let mut tried = self.guard.asked.lock().unwrap_or_else(PoisonError::into_inner);
        tried.retain(|bot, _| bots.contains(bot));
        let mut asked = Vec::new();
        for id in bots {
            let Some(bot) = view.bot(&id) else { continue };
            let cover = view.cover(bot);
            let holds = || cover.open.iter().filter(|hold| hold.latches() && now.ms_since(hold.at) < LATELY_MS);
            let Some(epoch) = holds().map(|hold| hold.epoch).max() else { continue };
            let level = holds().map(|hold| hold.level).max().unwrap_or(Level::Pause);
            let is_read = self.guard.verified(&id).iter().any(|one| one.proves(level, epoch));
            let is_idle = self.book.proof(&id).idle >= epoch;
            if is_idle && !is_read && is_due(&mut tried, &id, epoch, now) {
                asked.push(Asked { bot: bot.clone(), epoch, level });
            }
        }
        asked
    }

    async fn read_back(self: &Arc<Self>, Asked { bot, epoch, level }: Asked) {
        let mut hand = self.hand_at_venue(&bot.id, KeyPurpose::Monitor).await;
        if !matches!(hand, Ok(Some(_))) {
            hand = self.hand_at_venue(&bot.id, KeyPurpose::Guard).await;
        }
        let Ok(Some(hand)) = hand else { return };
        let read = tokio::time::timeout(DEADLINE, hand.venue.open_orders(&hand.credential)).await;
        if let Ok(Ok(orders)) = read
            && is_still(&orders, level)
        {
            let found = Found { open_orders: orders.len() as i64, key: hand.key.to_string() };
            self.note_read_back(&bot, epoch, found).await;
        }
    }
}

/// True once for each pause between two tries, so many times for each stop.
fn is_due(tried: &mut HashMap<BotId, (Epoch, Timestamp, u8)>, bot: &BotId, epoch: Epoch, now: Timestamp) -> bool {
    let before = tried.get(bot).filter(|(of, ..)| *of == epoch).copied();
    let (is_due, n) = match before {
        Some((_, at, n)) => (n < TRIES && now.ms_since(at) >= AGAIN_MS, n),
        None => (true, 0),
    };
    if is_due {
        tried.insert(bot.clone(), (epoch, now, n + 1));
    }
    is_due
}

/// True when no order rests that a stop of this level does away with; what cannot be told may be one.
fn is_still(orders: &[OpenOrder], level: Level) -> bool {
    match level {
        Level::Kill => orders.is_empty(),
        Level::Reduce | Level::Pause => orders.iter().all(|order| order.is_entry == Some(false)),
    }
}

/// How long after the press of a hold one of these readings proves it.
pub(in crate::app) fn verified_ms(hold: &Hold, all: &[Verified]) -> Option<i64> {
    let proves = all.iter().filter(|one| one.proves(hold.level, hold.epoch));
    proves.map(|one| one.at.ms_since(hold.at).max(0)).min()
}
