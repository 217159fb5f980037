//! What a kill leaves behind: every bot under one goes back to stage `draft`, so that it needs new keys and a new go-live approval. It follows
//! the stop in transactions of its own, so that the stop waits for nothing; no kill is released before it is done.

use super::{App, AppError};
use crate::audit::Event;
use crate::domain::{BotFacts, BotId, Level, Stage, StopFact, StopKind};
use crate::fleet::View;
use crate::storage::{self, Lane};

/// How many bots one transaction takes back, so that it stays short.
const CHUNK: usize = 25;

/// True for a bot that a kill covers and that is not taken back yet.
fn is_due(view: &View, bot: &BotFacts) -> bool {
    !matches!(bot.stage, Stage::Draft | Stage::Retired) && is_killed(view, bot)
}

/// True while an unreleased kill covers the bot.
pub(crate) fn is_killed(view: &View, bot: &BotFacts) -> bool {
    view.open_holds().any(|hold| hold.level == Level::Kill && view.covers(hold, bot))
}

impl App {
    /// Takes every bot under an unreleased kill back to `draft`. Says how many.
    ///
    /// # Errors
    /// When the database does not take it; to be called again.
    pub async fn settle_kills(&self) -> Result<usize, AppError> {
        let view = self.fleet.view();
        if !view.open_holds().any(|hold| hold.level == Level::Kill) {
            return Ok(0);
        }
        let due: Vec<BotId> = view.bots().filter(|bot| is_due(&view, bot)).map(|bot| bot.id.clone()).collect();
        let mut taken = 0;
        for some in due.chunks(CHUNK) {
            taken += self.take_back(some).await?;
        }
        Ok(taken)
    }

    async fn take_back(&self, bots: &[BotId]) -> Result<usize, AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let view = self.view_in(act.tx()).await?;
        let due: Vec<&BotFacts> = bots.iter().filter_map(|id| view.bot(id)).map(AsRef::as_ref).filter(|bot| is_due(&view, bot)).collect();
        if due.is_empty() {
            return Ok(0);
        }
        let at = act.now();
        for bot in &due {
            let back = BotFacts { stage: Stage::Draft, fact_epoch: epoch, ..BotFacts::clone(bot) };
            storage::bots::bot_edit(act.tx(), &back).await?;
            let why = format!("killed: back from {} to draft", bot.stage);
            storage::bots::bot_stop(act.tx(), &bot.id, &StopFact { epoch, kind: StopKind::Stage, why, at }).await?;
        }
        let count = due.len();
        act.commit_stop(Event::bots_killed(due.iter().map(|bot| &bot.id))).await?;
        Ok(count)
    }

    /// Refuses the end of a kill while a bot under it is not back in `draft`: it could else be started under its old stage.
    pub(crate) fn kill_is_settled(view: &View, hold: &crate::domain::Hold) -> Result<(), AppError> {
        let open = hold.level == Level::Kill && view.under(hold).iter().any(|bot| !matches!(bot.stage, Stage::Draft | Stage::Retired));
        if open {
            Err(AppError::conflict("bots under this kill are still being taken back to draft; try again in a moment"))
        } else {
            Ok(())
        }
    }
}
