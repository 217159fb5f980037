//! Tightening limits: one person, at once. A tightening reaches the agent with the next directive; until it has taken the version over, the
//! bot only reduces, and one that is heard and does not take it over is stopped (ruling C10, `workers/limits.rs`).

use super::{App, AppError, Invalid, tx::Act};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{
    BotFacts, BotId, Epoch, Limits, TeamId,
    limits::{NUMBERS, Named, NotTighter},
    text,
};
pub use crate::storage::bots::LimitsRow;
use crate::storage::{self, Lane};
use std::sync::Arc;

/// How many bots one transaction halves, so that it stays short.
const CHUNK: usize = 25;
/// The reason written down for a press of *Tighten by half*.
const BY_HALF: &str = "tightened by half";

/// What *Tighten by half* did to a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halved {
    /// Bots whose limits are tighter now.
    pub bots: usize,
    /// Bots left as they are: their limits were changed since they were seen.
    pub meanwhile: usize,
    /// Bots that could not be written: they stay as they are until it is pressed again.
    pub failed: Vec<BotId>,
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

    /// The same for the bots of a team that whoever pressed saw, each with the version of its limits then. From here on it runs in a task of its own:
    /// a browser that goes away leaves no half of the team as it was. Some bots to a transaction, so that a stop waits for a short one at most; one
    /// that cannot be written keeps none of the others from it, and the same press sent again halves only what it has not halved.
    ///
    /// # Errors
    /// `Denied`; `Conflict` when no bot was to be halved; when the database took none of them.
    pub async fn halve_limits_of_team(self: &Arc<Self>, actor: &Actor, team: &TeamId, seen: &[(BotId, i64)]) -> Result<Halved, AppError> {
        self.people_book.team_name(team).ok_or(AppError::NotFound("team"))?;
        let permit = authz::check(actor, Action::TightenLimits, &Resource::Team(team.clone()))?;
        let (app, team, seen) = (self.clone(), team.clone(), seen.to_vec());
        tokio::spawn(async move { app.halve_all(&permit, &team, seen).await }).await.map_err(AppError::internal)?
    }

    async fn halve_all(&self, permit: &Permit, team: &TeamId, seen: Vec<(BotId, i64)>) -> Result<Halved, AppError> {
        let view = self.fleet.view();
        let asked = seen.len();
        let here: Vec<(BotId, i64)> = seen.into_iter().filter(|(id, _)| view.bot(id).is_some_and(|bot| bot.team == *team)).collect();
        let mut halved = Halved { bots: 0, meanwhile: asked - here.len(), failed: Vec::new() };
        let mut last = None;
        for some in here.chunks(CHUNK) {
            if self.halve_some(permit, some, &mut halved).await.is_ok() {
                continue;
            }
            // One of them, or the database: each alone, so that it is the only one that stays as it was.
            for one in some {
                if let Err(error) = self.halve_some(permit, std::slice::from_ref(one), &mut halved).await {
                    tracing::warn!(bot = %one.0, error = &error as &dyn std::error::Error, "limits could not be halved");
                    halved.failed.push(one.0.clone());
                    last = Some(error);
                }
            }
        }
        match (halved.bots, halved.meanwhile, last) {
            (0, _, Some(error)) => Err(error),
            (0, 0, None) => Err(AppError::conflict("no bot of this team has limits that could be halved")),
            (0, _, None) => {
                Err(AppError::conflict("the limits of its bots were changed since this page was drawn; nothing was halved again"))
            }
            _ => Ok(halved),
        }
    }

    /// One transaction: all of these or none.
    async fn halve_some(&self, permit: &Permit, some: &[(BotId, i64)], all: &mut Halved) -> Result<(), AppError> {
        let mut act = self.begin(permit.clone(), Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let (mut bots, mut meanwhile) = (0, 0);
        for (id, version) in some {
            match write_limits(&mut act, epoch, id, BY_HALF, |limits| halved(limits, *version)).await {
                Ok(event) => {
                    act.record(event).await?;
                    bots += 1;
                }
                Err(AppError::Conflict(_)) => meanwhile += 1,
                Err(error) => return Err(error),
            }
        }
        if bots > 0 {
            act.finish().await?;
        }
        (all.bots, all.meanwhile) = (all.bots + bots, all.meanwhile + meanwhile);
        Ok(())
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
        let event = write_limits(&mut act, epoch, id, why, change).await?;
        act.commit(event).await?;
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

/// Writes a bot's limits anew; answers with the entry.
async fn write_limits(
    act: &mut Act<'_>,
    epoch: Epoch,
    id: &BotId,
    why: &str,
    change: impl FnOnce(&Limits) -> Result<Limits, AppError>,
) -> Result<Event, AppError> {
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
    Ok(Event::LimitsTightened { bot: id.clone(), version: limits.version, values, why: why.to_owned() })
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
