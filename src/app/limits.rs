//! Tightening limits: one person, at once. A tightening reaches the agent with the next directive; until it has taken the version over, the
//! bot only reduces, and one that is heard and does not take it over is stopped (ruling C10, `workers/limits.rs`).

use super::{App, AppError, Invalid};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{
    BotFacts, BotId, Limits, TeamId,
    limits::{NUMBERS, Named, NotTighter},
    text,
};
pub use crate::storage::bots::LimitsRow;
use crate::storage::{self, Lane};

/// The reason written down for a press of *Tighten by half*.
const BY_HALF: &str = "tightened by half";

/// What *Tighten by half* did to a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Halved {
    /// Bots whose limits are tighter now.
    pub bots: usize,
    /// Bots left as they are: their limits were changed since they were seen.
    pub meanwhile: usize,
}

impl App {
    /// Sets tighter limits, given as names and texts; an empty text leaves what stands.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for what is no number or would loosen; `Conflict` when nothing changes.
    pub async fn tighten_limits(&self, actor: &Actor, id: &BotId, asked: &[(String, String)], why: &str) -> Result<(), AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::TightenLimits, &Self::bot_resource(&bot))?;
        let mut invalid = Invalid::default();
        let why = invalid.check("why", "The reason", text::why(why));
        let Some(why) = why else { return Err(invalid.into()) };
        let named = |name: &str| NUMBERS.iter().find(|named| named.name == name);
        let asked: Vec<(&Named, &str)> = asked.iter().filter_map(|(name, text)| Some((named(name)?, text.as_str()))).collect();
        self.set_limits(permit, id, &why, |limits| {
            let wrong = |(name, why): (&'static str, NotTighter)| {
                let words = named(name).map_or(name, |named| named.words);
                (name, format!("{words} {why}"))
            };
            limits.tightened(asked.iter().copied()).map_err(|all| Invalid(all.into_iter().map(wrong).collect()).into())
        })
        .await
    }

    /// Halves whatever bounds a size. `seen` is the version that whoever pressed saw: what was tightened meanwhile is not tightened twice.
    ///
    /// # Errors
    /// `Denied`; `Conflict` when no such limit is set, or another version stands by now.
    pub async fn halve_limits(&self, actor: &Actor, id: &BotId, seen: i64) -> Result<(), AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::TightenLimits, &Self::bot_resource(&bot))?;
        self.set_limits(permit, id, BY_HALF, |limits| halved(limits, seen)).await
    }

    /// The same for the bots of a team that whoever pressed saw, each with the version of its limits then, and each in a transaction of its own:
    /// one that cannot be written keeps none of the others from it, and the same press sent again halves only what it has not halved.
    ///
    /// # Errors
    /// `Denied`; `Conflict` when no bot was halved; when the database is gone.
    pub async fn halve_limits_of_team(&self, actor: &Actor, team: &TeamId, seen: &[(BotId, i64)]) -> Result<Halved, AppError> {
        self.people_book.team_name(team).ok_or(AppError::NotFound("team"))?;
        let permit = authz::check(actor, Action::TightenLimits, &Resource::Team(team.clone()))?;
        let view = self.fleet.view();
        let (mut bots, mut meanwhile) = (0, 0);
        for (id, version) in seen {
            if view.bot(id).is_none_or(|bot| bot.team != *team) {
                meanwhile += 1;
                continue;
            }
            match self.set_limits(permit.clone(), id, BY_HALF, |limits| halved(limits, *version)).await {
                Err(AppError::Conflict(_)) => meanwhile += 1,
                done => {
                    done?;
                    bots += 1;
                }
            }
        }
        match (bots, meanwhile) {
            (0, 0) => Err(AppError::conflict("no bot of this team has limits that could be halved")),
            (0, _) => Err(AppError::conflict("the limits of its bots were changed since this page was drawn; nothing was halved again")),
            _ => Ok(Halved { bots, meanwhile }),
        }
    }

    async fn set_limits(
        &self,
        permit: Permit,
        id: &BotId,
        why: &str,
        change: impl FnOnce(&Limits) -> Result<Limits, AppError>,
    ) -> Result<(), AppError> {
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let bot = storage::bots::bot_by_id(act.tx(), id).await?.ok_or(AppError::NotFound("bot"))?;
        let limits = change(&bot.limits)?;
        if limits == bot.limits {
            return Err(AppError::conflict("these are its limits already; nothing was changed"));
        }
        let values = serde_json::Value::Object(limits.values.clone()).to_string();
        let row = LimitsRow {
            bot_id: id.clone(),
            version: limits.version,
            epoch,
            limits: values.clone(),
            why: why.to_owned(),
            set_by: crate::audit::Actor::from(act.actor()).text(),
            set_at: act.now(),
        };
        storage::bots::bot_set_limits(act.tx(), &row, true).await?;
        act.commit(Event::LimitsTightened { bot: id.clone(), version: limits.version, values, why: why.to_owned() }).await?;
        Ok(())
    }

    /// Takes in that an agent has taken over the version that counts: from then on the bot may do again what it did before.
    pub(crate) async fn note_limits_taken(&self, bot: &BotId, version: Option<i64>) {
        let waits = |bot: &BotFacts| bot.limits_waiting && version == Some(bot.limits.version);
        let (Some(version), true) = (version, self.fleet.view().bot(bot).is_some_and(|bot| waits(bot))) else { return };
        if let Err(error) = self.record_limits_taken(bot, version).await {
            tracing::warn!(%bot, %error, "limits that an agent took over could not be recorded yet");
        }
    }

    async fn record_limits_taken(&self, bot: &BotId, version: i64) -> Result<(), AppError> {
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let waits = storage::bots::bot_by_id(act.tx(), bot).await?.is_some_and(|bot| bot.limits_waiting);
        if !waits || !storage::bots::bot_limits_taken(act.tx(), bot, version, epoch).await? {
            return Ok(());
        }
        act.commit(Event::LimitsTaken { bot: bot.clone(), version }).await?;
        Ok(())
    }

    /// The versions of a bot's limits, newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn limits_history(&self, actor: &Actor, bot: &BotId) -> Result<Vec<LimitsRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::bots::bot_limits_of(&mut *self.db.read().await?, bot).await?)
    }
}

/// These limits halved, when they are still those that somebody saw.
fn halved(limits: &Limits, seen: i64) -> Result<Limits, AppError> {
    if limits.version != seen {
        let version = limits.version;
        return Err(AppError::conflict(format!(
            "its limits were changed meanwhile: version {version} stands, {seen} was shown. Nothing was halved again"
        )));
    }
    limits.halved().ok_or_else(|| AppError::conflict("it has no limits that could be halved; set some first"))
}
