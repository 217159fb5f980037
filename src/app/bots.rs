//! Teams and bots: made, edited, moved between stages. Moving a bot is a stop, and takes the holds it was under along.

use super::{
    App, AppError, Invalid,
    venues::{check_not_killed, is_alike, keep_holds},
};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    BootId, BotFacts, BotId, Environment, Epoch, Exits, Limits, Stage, StopFact, StopKind, TeamId, Timestamp, Timings, UserId, text,
};
use crate::storage::{self, Lane, register::SheetRow, teams::Team};

/// What is asked for a new bot.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub struct NewBot {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its team's id.
    #[serde(default)]
    pub team: String,
    /// Its strategy.
    #[serde(default)]
    pub strategy: String,
    /// The accountable person's id; for a person's own request they themselves when empty.
    #[serde(default)]
    pub owner: String,
    /// `managed` or `none`; empty: `managed`.
    #[serde(default)]
    pub exits: String,
    /// What it is for; may be empty.
    #[serde(default)]
    pub objective: String,
    /// Who stands in for its owner: an id, or a sign-in name; empty: nobody.
    #[serde(default)]
    pub deputy: String,
}

/// A bot that was just written down: a draft, which may do nothing.
pub(crate) fn draft((name, team, strategy, owner): (String, TeamId, String, UserId), epoch: Epoch) -> BotFacts {
    BotFacts {
        id: BotId::new(),
        name,
        team,
        strategy,
        owner,
        stage: Stage::Draft,
        exits: Exits::Managed,
        timings: Timings::default(),
        limits: Limits::default(),
        limits_waiting: false,
        limits_at: Timestamp(0),
        seat: None,
        start_epoch: Epoch(0),
        run: None,
        stop: None,
        fact_epoch: epoch,
    }
}

impl App {
    /// Makes a team.
    ///
    /// # Errors
    /// `Denied`, `Invalid`; `Conflict` when the name is taken.
    pub async fn create_team(&self, actor: &Actor, name: &str) -> Result<Team, AppError> {
        let permit = authz::check(actor, Action::CreateTeam, &Resource::Installation)?;
        let mut invalid = Invalid::default();
        let Some(name) = invalid.check("name", "The name", text::name(name)) else { return Err(invalid.into()) };
        let mut act = self.begin(permit, Lane::Normal).await?;
        if let Some(other) = self.people_book.teams().into_iter().find(|other| is_alike(&other.name, &name)) {
            return Err(Invalid::one("name", format!("There is a team of that name: {}", other.name)).into());
        }
        let team = Team { id: TeamId::new(), name, created_at: act.now() };
        match storage::teams::team_insert(act.tx(), &team).await {
            Err(storage::Error::Duplicate(_)) => return Err(Invalid::one("name", "There is a team of that name").into()),
            other => other?,
        }
        act.changes_books();
        act.commit(Event::TeamCreated { team: team.id.clone(), name: team.name.clone() }).await?;
        Ok(team)
    }

    /// Makes a bot, in stage `draft`.
    ///
    /// # Errors
    /// `Denied`, `Invalid`.
    pub async fn create_bot(&self, actor: &Actor, asked: &NewBot) -> Result<BotFacts, AppError> {
        let mut invalid = Invalid::default();
        let name = invalid.check("name", "The name", text::name(&asked.name));
        let strategy = invalid.check("strategy", "The strategy", text::name(&asked.strategy));
        let team = TeamId::parse(&asked.team).ok().filter(|team| self.people_book.team_name(team).is_some());
        if team.is_none() {
            invalid.0.push(("team", "Choose a team".into()));
        }
        let owner = match (asked.owner.as_str(), actor.user()) {
            ("", Some(user)) => Some(user.clone()),
            (given, _) => UserId::parse(given).ok().filter(|user| self.people_book.name(user).is_some()),
        };
        if owner.is_none() {
            invalid.0.push(("owner", "Choose the accountable owner".into()));
        }
        let objective = invalid.check("objective", "The objective", text::why(&asked.objective));
        let deputy = self.deputy_named(&mut invalid, &asked.deputy, owner.as_ref());
        let exits = if asked.exits.is_empty() { Ok(Exits::Managed) } else { asked.exits.parse::<Exits>() };
        let exits = invalid.check("exits", "Exits:", exits);
        if !invalid.0.is_empty() {
            return Err(invalid.into());
        }
        let (Some(name), Some(strategy), Some(team), Some(owner), Some(exits)) = (name, strategy, team, owner, exits) else {
            return Err(invalid.into());
        };
        let permit = authz::check(actor, Action::EditBot, &Resource::Team(team.clone()))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let view = self.view_in(act.tx()).await?;
        if let Some(other) = view.bots().find(|other| is_alike(&other.name, &name)) {
            return Err(Invalid::one("name", format!("There is a bot of that name: {}", other.name)).into());
        }
        let bot = BotFacts { exits, ..draft((name, team, strategy, owner), epoch) };
        let now = act.now();
        match storage::bots::bot_insert(act.tx(), &bot, now).await {
            Err(storage::Error::Duplicate(_)) => return Err(Invalid::one("name", "There is a bot of that name").into()),
            other => other?,
        }
        let sheet = SheetRow { bot_id: bot.id.clone(), objective: objective.unwrap_or_default(), deputy_id: deputy.flatten() };
        if sheet.deputy_id.is_some() || !sheet.objective.is_empty() {
            storage::register::sheet_put(act.tx(), &sheet).await?;
            act.changes_books();
        }
        let event = Event::BotCreated {
            bot: bot.id.clone(),
            name: bot.name.clone(),
            team: bot.team.clone(),
            strategy: bot.strategy.clone(),
            owner: bot.owner.clone(),
        };
        act.commit(event).await?;
        Ok(bot)
    }

    /// Moves a bot to another stage: to `sandbox` from `draft`, or down. Down is immediate and a stop.
    ///
    /// # Errors
    /// `Denied`; `Conflict` for a step up that needs an approval.
    pub async fn set_stage(&self, actor: &Actor, id: &BotId, to: Stage) -> Result<(), AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::SetStage, &Self::bot_resource(&bot))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let mut bot = storage::bots::bot_by_id(act.tx(), id).await?.ok_or(AppError::NotFound("bot"))?;
        let from = bot.stage;
        if to == from {
            return Err(AppError::conflict(format!("it is in stage {to} already")));
        }
        // In sandbox it may trade, if only on test venues: up to there is for those who make and edit it (ruling C15).
        if to == Stage::Sandbox && to > from {
            authz::check(actor, Action::EditBot, &Self::bot_resource(&bot))?;
        }
        let allowed = match (from, to) {
            (_, Stage::Limited | Stage::Live) if to > from => false,
            (Stage::Retired, _) => to == Stage::Draft,
            _ => true,
        };
        if !allowed {
            return Err(AppError::conflict(format!("from {from} to {to} needs a go-live approval; a person cannot set it")));
        }
        if to > from && to != Stage::Retired {
            check_not_killed(&self.view_in(act.tx()).await?, &bot)?;
            self.check_environment(bot.seat.as_ref(), to)?;
        }
        if from == Stage::Retired {
            self.seat_again(&mut act, &mut bot).await?;
        }
        bot.stage = to;
        bot.fact_epoch = epoch;
        match storage::bots::bot_edit(act.tx(), &bot).await {
            Err(storage::Error::Duplicate(_)) => {
                return Err(AppError::conflict("another bot has its subaccount by now; take it away from one of them first"));
            }
            other => other?,
        }
        if to == Stage::Retired {
            self.unseat_retired(&mut act, &bot).await?;
        }
        let stop = StopFact { epoch, kind: StopKind::Stage, why: format!("stage changed from {from} to {to}"), at: act.now() };
        storage::bots::bot_stop(act.tx(), id, &stop).await?;
        let event = Event::StageChanged { bot: id.clone(), from, to };
        // Down is a stop and waits for no log.
        if to < from || to == Stage::Retired {
            act.commit_stop(event).await?;
        } else {
            act.commit(event).await?;
        }
        Ok(())
    }

    /// Moves a bot to another team: a stop; every unreleased hold that covers it now goes on covering it (ruling H21).
    ///
    /// # Errors
    /// `Denied` unless the person trades in both teams.
    pub async fn move_bot(&self, actor: &Actor, id: &BotId, to: &TeamId) -> Result<(), AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        if self.people_book.team_name(to).is_none() {
            return Err(Invalid::one("team", "Choose a team").into());
        }
        authz::check(actor, Action::EditBot, &Resource::Team(to.clone()))?;
        let permit = authz::check(actor, Action::EditBot, &Self::bot_resource(&bot))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let view = self.view_in(act.tx()).await?;
        let mut bot = BotFacts::clone(view.bot(id).ok_or(AppError::NotFound("bot"))?);
        if bot.team == *to {
            return Err(AppError::conflict("it is in that team already"));
        }
        self.has_no_live_seat(&bot)?;
        keep_holds(&mut act, &view, &bot).await?;
        let from = std::mem::replace(&mut bot.team, to.clone());
        bot.fact_epoch = epoch;
        storage::bots::bot_edit(act.tx(), &bot).await?;
        if let Some(kept) = self.keep_limits(&mut act, epoch, &bot).await? {
            act.record(kept).await?;
        }
        let stop = StopFact { epoch, kind: StopKind::Stage, why: "moved to another team".into(), at: act.now() };
        storage::bots::bot_stop(act.tx(), id, &stop).await?;
        act.commit(Event::BotMoved { bot: id.clone(), from, to: to.clone() }).await?;
        Ok(())
    }

    /// A subaccount of a live venue was approved by the people of one team, and does not go to another's with its bot.
    fn has_no_live_seat(&self, bot: &BotFacts) -> Result<(), AppError> {
        let venue = bot.seat.as_ref().and_then(|seat| self.venues().venue(&seat.venue));
        if venue.is_none_or(|venue| venue.environment == Environment::Test) {
            return Ok(());
        }
        let why =
            "it has a subaccount of a live venue, which its team's people approved: take that away first; the other team asks for one";
        Err(AppError::conflict(why))
    }

    /// Takes over how long an agent's adapter says that it needs to apply a stop. Nothing happens when it is known.
    ///
    /// A boot declares once: what it says first stands for as long as it runs, and another number in the same boot is not heard. So an agent
    /// cannot fill the log by changing its mind, nor put off the moment at which its silence counts as unconfirmed while its bot trades: a
    /// new boot is a stop, and the next start is signed with the new number on the page.
    ///
    /// # Errors
    /// When the database is gone; the boot may then say it again.
    pub async fn note_apply_within(&self, id: &BotId, boot: &BootId, apply_within_ms: i64) -> Result<(), AppError> {
        let known = self.fleet.view().bot(id).map(|bot| bot.timings.apply_within_ms);
        let apply_within_ms = apply_within_ms.clamp(100, 600_000);
        let Some(known) = known else { return Ok(()) };
        if !self.book.may_declare(id, boot) || known == apply_within_ms {
            return Ok(());
        }
        let noted = self.record_apply_within(id, apply_within_ms).await;
        if noted.is_err() {
            self.book.undeclare(id);
        }
        noted
    }

    async fn record_apply_within(&self, id: &BotId, apply_within_ms: i64) -> Result<(), AppError> {
        let permit = self.server_permit()?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        storage::bots::bot_set_apply_within(act.tx(), id, apply_within_ms, epoch).await?;
        act.commit(Event::ApplyWithinDeclared { bot: id.clone(), apply_within_ms }).await?;
        Ok(())
    }
}
