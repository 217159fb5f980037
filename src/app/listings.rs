//! What the pages of bots and agents show: facts, directive and what the agent said last, side by side, each with its age.

use super::{App, AppError, agent_book::LiveAgent};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{AgentId, BotFacts, BotId, Decimal, Directive, Exits, Freshness, Stage, State, StopKind, TeamId, Timestamp};
use crate::fleet::{
    AgentSeen,
    exposure::{self, Money, Purse},
};
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
    /// How bad: 1 critical, 2 high, 3 low; 9 is normal.
    pub rank: u8,
}

/// What a bot is doing, as far as anybody knows. Every bot is in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may trade, or its agent says that it does.
    Running,
    /// It may not, and its agent does not say otherwise.
    Halted,
    /// It has an agent, and what that said is too old to go by.
    NoData,
}

impl BotRow {
    /// What it is doing, as far as anybody knows.
    pub fn standing(&self) -> Standing {
        let says_active = self.seen.as_ref().and_then(|seen| seen.state).is_some_and(|state| state != State::Halted);
        match self.freshness {
            _ if self.agent.is_none() => Standing::Halted,
            Freshness::Stale | Freshness::Lapsed | Freshness::Unknown => Standing::NoData,
            Freshness::Fresh | Freshness::Late if says_active || self.directive.state != State::Halted => Standing::Running,
            Freshness::Fresh | Freshness::Late => Standing::Halted,
        }
    }
    /// What it has at stake by its last report; none when that is not known or too old.
    pub fn exposure(&self, now: Timestamp) -> Option<Money> {
        let (report, at) = self.seen.as_ref()?.report.as_ref()?;
        let is_recent = self.bot.timings.freshness(Some(now.ms_since(*at))) <= Freshness::Late;
        exposure::gross(report).filter(|_| is_recent)
    }
}

/// Counts and sums over bots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Every bot, retired ones aside.
    pub bots: usize,
    /// May trade, or say that they do.
    pub running: usize,
    /// Held or halted.
    pub halted: usize,
    /// With an agent that is not heard.
    pub no_data: usize,
    /// Those that may send not one new order while halted, closing ones included.
    pub without_exits: usize,
    /// What the running and the halted have at stake.
    pub exposure: Purse,
}

/// Counts bots and adds up what they have at stake. Bots without an agent have nothing at stake that anybody could know of.
pub fn census<'a>(rows: impl IntoIterator<Item = &'a BotRow>, now: Timestamp) -> Census {
    let mut census = Census::default();
    for row in rows.into_iter().filter(|row| row.bot.stage != Stage::Retired) {
        census.bots += 1;
        census.without_exits += usize::from(row.bot.exits == Exits::None);
        match row.standing() {
            Standing::Running => census.running += 1,
            Standing::Halted => census.halted += 1,
            Standing::NoData => census.no_data += 1,
        }
        if row.agent.is_some() {
            census.exposure.add(row.exposure(now).as_ref());
        }
    }
    census
}

/// How fresh a word of an agent is.
pub fn freshness(bot: &BotFacts, seen: Option<&AgentSeen>, now: Timestamp) -> Freshness {
    bot.timings.freshness(seen.map(|seen| now.ms_since(seen.at)))
}

/// What is not urgent and still not as it should be.
fn smaller_trouble(bot: &BotFacts, directive: &Directive, agent: &LiveAgent, fresh: Freshness) -> (u8, Option<String>) {
    if matches!(bot.stage, Stage::Draft | Stage::Retired) {
        return (9, None);
    }
    if fresh == Freshness::Unknown {
        return (3, Some("Never heard".to_owned()));
    }
    if !agent.confirmed {
        return (3, Some("Agent not confirmed".to_owned()));
    }
    let by_itself = bot.stop.as_ref().filter(|stop| bot.start_epoch.0 > 0 && stop.epoch >= bot.start_epoch && stop.kind != StopKind::Stage);
    match by_itself {
        Some(stop) if directive.holds.is_empty() => (3, Some(format!("Stopped: {}", stop.why))),
        _ => (9, None),
    }
}

/// What a bot's last report says to be over a limit that its agent has taken over, in words: the first that is.
fn over_limit(bot: &BotFacts, seen: &AgentSeen) -> Option<String> {
    let (report, _) = seen.report.as_ref().filter(|_| seen.limits_version == Some(bot.limits.version))?;
    let number = |text: &str| Decimal::parse(text);
    let limit = |values: &serde_json::Map<String, serde_json::Value>, name: &str| match values.get(name)? {
        serde_json::Value::String(text) => number(text),
        other => number(&other.to_string()),
    };
    let values = &bot.limits.values;
    let over = |words: &str, is: Decimal, most: Decimal| {
        let shown = |amount: Decimal| amount.abs().shortest();
        (is.abs() > most.abs()).then(|| format!("Over its limit: {words}, {} of {}", shown(is), shown(most)))
    };
    let position = report.positions.iter().flatten().find_map(|position| {
        let own = values.get("symbols").and_then(|symbols| symbols.get(&position.symbol)).and_then(serde_json::Value::as_object);
        let most = own.and_then(|own| limit(own, "max_position_notional")).or_else(|| limit(values, "max_position_notional"))?;
        over(&format!("position in {}", position.symbol), number(position.notional.as_deref()?)?, most)
    });
    let loss = || {
        let (pnl, most) = (number(report.realized_pnl_day.as_deref()?)?, limit(values, "max_daily_loss")?);
        if pnl < Decimal::default() { over("loss in a day", pnl, most) } else { None }
    };
    let orders = || over("open orders", number(&report.open_orders?.to_string())?, limit(values, "max_open_orders")?);
    position.or_else(loss).or_else(orders)
}

impl App {
    /// Every bot that this actor may see, worst first, then by name.
    ///
    /// # Errors
    /// `Denied`.
    pub fn bot_rows(&self, actor: &Actor) -> Result<Vec<BotRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut rows = self.every_row();
        rows.retain(|row| authz::sees_team(actor, &row.bot.team));
        Ok(rows)
    }

    /// The bots of each team, in the order of the teams' names: what the pause page counts, also for a session that may only stop.
    ///
    /// # Errors
    /// `Denied`.
    pub fn census_by_team(&self, actor: &Actor) -> Result<Vec<(TeamId, String, Census)>, AppError> {
        authz::check(actor, Action::SeeCounts, &Resource::Installation)?;
        let (rows, now) = (self.every_row(), self.clock.now());
        let of = |id: &TeamId| census(rows.iter().filter(|row| row.bot.team == *id), now);
        Ok(self.people().teams().into_iter().map(|team| (team.id.clone(), team.name, of(&team.id))).collect())
    }

    fn every_row(&self) -> Vec<BotRow> {
        let view = self.fleet.view();
        let agents = self.agents().all();
        let now = self.clock.now();
        let mut rows: Vec<BotRow> =
            view.bots().map(|bot| self.bot_row(bot.clone(), view.directive(bot), agents.get(&bot.id).cloned(), now)).collect();
        rows.sort_by(|a, b| a.rank.cmp(&b.rank).then_with(|| a.bot.name.cmp(&b.bot.name)));
        rows
    }

    /// One bot.
    ///
    /// # Errors
    /// `Denied`, `NotFound`.
    pub fn bot(&self, actor: &Actor, id: &BotId) -> Result<BotRow, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let view = self.fleet.view();
        let bot = view.bot(id).filter(|bot| authz::sees_team(actor, &bot.team)).cloned().ok_or(AppError::NotFound("bot"))?;
        let directive = view.directive(&bot);
        Ok(self.bot_row(bot, directive, self.agents().of_bot(id), self.clock.now()))
    }

    fn bot_row(&self, bot: Arc<BotFacts>, directive: Directive, agent: Option<Arc<LiveAgent>>, now: Timestamp) -> BotRow {
        let seen = self.book.seen(&bot.id).filter(|seen| agent.as_ref().is_some_and(|agent| agent.id == seen.agent));
        let freshness = freshness(&bot, seen.as_deref(), now);
        let mut found = self.trouble(&bot, &directive, seen.as_deref(), freshness, now);
        if let (9, Some(agent)) = (found.0, &agent) {
            let over = seen.as_deref().filter(|_| freshness <= Freshness::Late).and_then(|seen| over_limit(&bot, seen));
            found = over.map_or_else(|| smaller_trouble(&bot, &directive, agent, freshness), |over| (2, Some(over)));
        }
        let (rank, trouble) = found;
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
        // What stands since before (a hold that was released, a bot that was never started) has no moment any more, and its time is over.
        let is_old = directive.state == State::Halted && since.is_none();
        let disobeys = said.is_some_and(|said| said > directive.state);
        let applied = || {
            self.book
                .acks_since(&bot.id, directive.epoch)
                .iter()
                .any(|ack| ack.step >= crate::domain::Step::Applied && ack.state == Some(State::Halted))
        };
        let age_s = seen.map_or(0, |seen| now.ms_since(seen.at) / 1_000);
        match fresh {
            Freshness::Fresh | Freshness::Late if stops && disobeys && (is_old || (overdue && directive.holds.is_empty())) => {
                (1, Some("Runs although halted".to_owned()))
            }
            Freshness::Fresh | Freshness::Late if disobeys && overdue && directive.state == State::Reducing => {
                (1, Some("Reduce unconfirmed".to_owned()))
            }
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

    /// Every agent that this actor may see, ended ones included, newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn agent_rows(&self, actor: &Actor) -> Result<Vec<Agent>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut agents = storage::agents::agent_all(&mut *self.db.read().await?).await?;
        let view = self.fleet.view();
        agents.retain(|agent| view.bot(&agent.bot_id).is_none_or(|bot| authz::sees_team(actor, &bot.team)));
        Ok(agents)
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
