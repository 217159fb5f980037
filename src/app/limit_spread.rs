//! Makes what levels say true of every bot below them: a task of its own, so that a change of a team's limits depends on nobody's request. It
//! compares what holds for each bot with what its levels say, so that a process that was killed on the way, or another one, goes on where it was.

use super::{App, AppError};
use crate::audit::Event;
use crate::domain::{BotFacts, BotId, Epoch, Stage, limits::tree};
use crate::storage::{self, Lane};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// At most this many bots in one transaction, so that it stays short.
const BATCH: usize = 25;
/// How often bots are looked at that were made or moved since.
const EVERY: Duration = Duration::from_secs(1);
/// After so many looked at somebody else has a turn.
const TURN: usize = 200;

/// Up to where everything was made true.
#[derive(Default)]
struct Done {
    tree: Option<Epoch>,
    view: Epoch,
}

/// Runs until the application goes.
pub(crate) async fn run(app: Weak<App>) {
    let Some(mut moves) = app.upgrade().map(|app| app.limit_book.moves()) else { return };
    let mut done = Done::default();
    loop {
        let Some(here) = app.upgrade() else { return };
        if let Err(error) = here.spread_limits(&mut done).await {
            tracing::warn!(%error, "limits of a level could not be made true of every bot below it yet; it is tried again");
        }
        drop(here);
        let moved = tokio::time::timeout(EVERY, moves.changed()).await;
        if matches!(moved, Ok(Err(_))) {
            return;
        }
    }
}

impl App {
    async fn spread_limits(&self, done: &mut Done) -> Result<(), AppError> {
        let (tree, view) = (self.limit_book.tree(), self.fleet.view());
        let is_moved = done.tree != Some(tree.epoch);
        if !is_moved && done.view == view.read_epoch {
            return Ok(());
        }
        let (mut tighter, mut looser) = (Vec::new(), Vec::new());
        for (n, bot) in view.bots().enumerate() {
            let is_asked = (is_moved || bot.fact_epoch > done.view) && bot.stage != Stage::Retired;
            if is_asked {
                let after = tree.path(bot, |path| path.effective());
                if after != bot.limits.values {
                    let loosens = tree::is_tighter(&after, &bot.limits.values);
                    if loosens { &mut looser } else { &mut tighter }.push(bot.id.clone());
                }
            }
            if n % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
        // What tightens first, and none of it waits for what does not go.
        let mut failed = None;
        for mut bots in [tighter, looser] {
            bots.sort();
            for bots in bots.chunks(BATCH) {
                failed = self.spread_to(bots).await.err().or(failed);
                failpoint!("limits:spread");
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        (done.tree, done.view) = (Some(tree.epoch), view.read_epoch);
        Ok(())
    }

    /// Some bots, in one transaction. What a tightening stops does not wait for the log.
    async fn spread_to(&self, bots: &[BotId]) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let (mut spread, mut loosens) = (Vec::new(), false);
        for id in bots {
            let bot: Option<BotFacts> = storage::bots::bot_by_id(act.tx(), id).await?;
            let Some(bot) = bot.filter(|bot| bot.stage != Stage::Retired) else { continue };
            if let Some(version) = self.settle_limits(&mut act, epoch, &bot, None).await? {
                let after = storage::bots::bot_by_id(act.tx(), id).await?.ok_or(AppError::NotFound("bot"))?;
                loosens |= tree::is_tighter(&after.limits.values, &bot.limits.values);
                spread.push((bot.id, version));
            }
        }
        if spread.is_empty() {
            return Ok(());
        }
        let event = Event::LimitsSpread { bots: spread };
        // What frees anything waits for its entry.
        if loosens {
            act.commit(event).await?;
        } else {
            act.commit_stop(event).await?;
        }
        Ok(())
    }

    /// Makes every level true of every bot now: for whoever cannot wait for the task that does it.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn settle_all_limits(self: &Arc<Self>) -> Result<(), AppError> {
        self.spread_limits(&mut Done::default()).await
    }
}
