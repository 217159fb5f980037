//! What a person sees before they prepare a start: the stopped bots of their teams, each with everything that stands in its way.

use super::{App, AppError, listings::BotRow, starts::Obstacle};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotId, Stage, State};

/// Looked at in one go, at most.
pub const AT_MOST: usize = 100;

/// One bot that could be started, or not yet.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The bot.
    pub row: BotRow,
    /// What stands in its way; empty: nothing.
    pub obstacles: Vec<Obstacle>,
}

impl Candidate {
    /// True when nothing stands in its way, or only what the signer can look up at the venue.
    pub fn can_start(&self) -> bool {
        self.obstacles.iter().all(|obstacle| obstacle.venue_can_tell)
    }
    /// True when the signer must look at the venue first.
    pub fn needs_a_look(&self) -> bool {
        self.obstacles.iter().any(|obstacle| obstacle.venue_can_tell)
    }
}

impl App {
    /// The named bots, or without names every stopped one that this person may start; those that can start first. At most [`AT_MOST`], and
    /// how many more there were.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn start_outlook(&self, actor: &Actor, named: &[BotId]) -> Result<(Vec<Candidate>, usize), AppError> {
        let mut rows = self.bot_rows(actor)?;
        rows.retain(|row| {
            let is_asked = if named.is_empty() { is_stopped(row) } else { named.contains(&row.bot.id) };
            is_asked && authz::check(actor, Action::StartBot, &Self::bot_resource(&row.bot)).is_ok()
        });
        let more = rows.len().saturating_sub(AT_MOST);
        rows.truncate(AT_MOST);
        let mut tx = self.db.read().await?;
        let view = self.view_in(&mut tx).await?;
        let told = self.acks_of(&mut tx, &view, rows.iter().filter_map(|row| view.bot(&row.bot.id)).map(AsRef::as_ref)).await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let bot = view.bot(&row.bot.id).cloned().ok_or(AppError::NotFound("bot"))?;
            let leaf = self.start_leaf(&view, &bot, false);
            let mut obstacles = self.obstacles_with(&view, &bot, &leaf, &told);
            obstacles.extend(self.frozen_obstacle());
            all.push(Candidate { row, obstacles });
        }
        all.sort_by_key(|candidate| !candidate.can_start());
        Ok((all, more))
    }

    /// What stands in the way of starting one bot, whoever asks.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone.
    pub async fn obstacles_of(&self, actor: &Actor, id: &BotId) -> Result<Vec<Obstacle>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut tx = self.db.read().await?;
        let view = self.view_in(&mut tx).await?;
        let bot = view.bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let leaf = self.start_leaf(&view, &bot, false);
        let mut obstacles = self.start_obstacles(&mut tx, &view, &bot, &leaf).await?;
        obstacles.extend(self.frozen_obstacle());
        Ok(obstacles)
    }

    /// That the log takes nothing: a start is answered 503 then, and here it is one reason among the others.
    fn frozen_obstacle(&self) -> Option<Obstacle> {
        self.log.gate().frozen().map(|frozen| Obstacle {
            what: format!("the audit log is frozen: {}", frozen.why),
            who: "whoever runs the server's host, as the page System says",
            venue_can_tell: false,
        })
    }
}

fn is_stopped(row: &BotRow) -> bool {
    row.directive.state == State::Halted && row.agent.is_some() && !matches!(row.bot.stage, Stage::Draft | Stage::Retired)
}
