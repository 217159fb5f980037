//! What the pages of bots and agents show: facts, directive and what the agent said last, side by side, each with its age.

use super::{App, AppError, agents::LiveAgent};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{AgentId, BotFacts, BotId, Directive, Freshness, State, Timestamp};
use crate::fleet::AgentSeen;
use crate::storage::{self, agents::Agent, events::BotEvent};
use std::sync::Arc;

/// One bot as listed.
#[derive(Debug, Clone)]
pub struct BotRow {
    /// Its facts.
    pub bot: Arc<BotFacts>,
    /// What it may do.
    pub directive: Directive,
    /// What its agent said last.
    pub seen: Option<Arc<AgentSeen>>,
    /// Its live agent.
    pub agent: Option<Arc<LiveAgent>>,
    /// How long ago that was.
    pub freshness: Freshness,
    /// Something is wrong, in words; none: normal.
    pub trouble: Option<String>,
    /// How bad: 1 is worst; 9 is normal.
    pub rank: u8,
}

/// How fresh a word of an agent is.
pub fn freshness(bot: &BotFacts, seen: Option<&AgentSeen>, now: Timestamp) -> Freshness {
    bot.timings.freshness(seen.map(|seen| now.ms_since(seen.at)))
}

impl App {
    /// Every bot, worst first, then by name.
    ///
    /// # Errors
    /// `Denied`.
    pub fn bot_rows(&self, actor: &Actor) -> Result<Vec<BotRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let view = self.fleet.view();
        let agents = self.agents().all();
        let now = self.clock.now();
        let mut rows: Vec<BotRow> =
            view.bots().map(|bot| self.bot_row(bot.clone(), view.directive(bot), agents.get(&bot.id).cloned(), now)).collect();
        rows.sort_by(|a, b| a.rank.cmp(&b.rank).then_with(|| a.bot.name.cmp(&b.bot.name)));
        Ok(rows)
    }

    /// One bot.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub fn bot(&self, actor: &Actor, id: &BotId) -> Result<BotRow, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let view = self.fleet.view();
        let bot = view.bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let directive = view.directive(&bot);
        Ok(self.bot_row(bot, directive, self.agents().of_bot(id), self.clock.now()))
    }

    fn bot_row(&self, bot: Arc<BotFacts>, directive: Directive, agent: Option<Arc<LiveAgent>>, now: Timestamp) -> BotRow {
        let seen = self.book.seen(&bot.id).filter(|seen| agent.as_ref().is_some_and(|agent| agent.id == seen.agent));
        let freshness = freshness(&bot, seen.as_deref(), now);
        let (rank, trouble) = self.trouble(&bot, &directive, seen.as_deref(), freshness, now);
        BotRow { bot, directive, seen, agent, freshness, trouble, rank }
    }

    fn trouble(
        &self,
        bot: &BotFacts,
        directive: &Directive,
        seen: Option<&AgentSeen>,
        fresh: Freshness,
        now: Timestamp,
    ) -> (u8, Option<String>) {
        let said = seen.and_then(|seen| seen.state);
        let since = directive.reasons.iter().filter_map(|reason| reason.at).max();
        let overdue = since.is_some_and(|at| now.ms_since(at) > bot.timings.apply_within_ms);
        let stops = directive.state == State::Halted && seen.is_some();
        let applied = || {
            self.book
                .acks_since(&bot.id, directive.epoch)
                .iter()
                .any(|ack| ack.step >= crate::domain::Step::Applied && ack.state == Some(State::Halted))
        };
        let age_s = seen.map_or(0, |seen| now.ms_since(seen.at) / 1_000);
        match fresh {
            Freshness::Fresh | Freshness::Late if stops && overdue && said != Some(State::Halted) => {
                (1, Some("Stop unconfirmed".to_owned()))
            }
            Freshness::Fresh | Freshness::Late if stops && overdue && !applied() && directive.reasons.iter().any(|r| r.kind == "hold") => {
                (1, Some("Stop unconfirmed".to_owned()))
            }
            Freshness::Lapsed => (2, Some(format!("No data {age_s} s; presumed halted, unconfirmed"))),
            Freshness::Stale => (2, Some(format!("No data {age_s} s"))),
            _ if seen.is_some_and(|seen| seen.ahead) => (2, Some("Agent ahead of the server".to_owned())),
            _ => (9, None),
        }
    }

    /// The last events of a bot.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn bot_events(&self, actor: &Actor, id: &BotId) -> Result<Vec<BotEvent>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::events::event_last(&mut *self.db.read().await?, id, 20).await?)
    }

    /// Every agent, ended ones included, newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn agent_rows(&self, actor: &Actor) -> Result<Vec<Agent>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::agents::agent_all(&mut *self.db.read().await?).await?)
    }

    /// One agent.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone.
    pub async fn agent(&self, actor: &Actor, id: &AgentId) -> Result<Agent, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let found = storage::agents::agent_by_id(&mut *self.db.read().await?, id).await?;
        found.ok_or(AppError::NotFound("agent"))
    }
}
