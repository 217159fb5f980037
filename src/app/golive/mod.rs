//! Going live: checklists that are looked at whenever they are shown (`looks`), what people answer for on them (`marks`), a step up that is asked
//! for over the whole of it and carried out by whoever asked (`ask`), what runs compared with what was approved (`drift`), what two people let run
//! otherwise for some hours (`emergency`), what a bot shows of itself in its stage (`results`), what is to be tested again since an exchange changed
//! (`venue_changes`), what bars every step (`incidents`), and who has read of one (`readers`).

pub mod ask;
pub mod builds;
pub mod drift;
pub mod emergency;
pub mod files;
mod incidents;
pub mod lists;
mod looks;
pub mod marks;
pub mod readers;
pub mod reminders;
pub mod results;
pub mod standing;
pub mod venue_changes;

use super::{App, AppError};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    BotFacts, BotId, KeyPurpose, Stage, Timestamp,
    checklist::Template,
    golive::OnDrift,
    golive::{Checked, Conduct, HeldKey, InForce, Mark, Ran, Standing, dossier},
};
use crate::fleet::{AgentSeen, Instance};
use crate::storage::{self, Conn};
use std::{collections::BTreeMap, sync::Arc};

/// What is kept in memory.
#[derive(Default)]
pub struct Books {
    pub(crate) lists: lists::ListBook,
    pub(crate) drift: drift::DriftBook,
    pub(crate) results: results::ResultBook,
    pub(crate) door: files::Door,
}

/// Marks of a list that are shown.
const HISTORY: i64 = 100;

/// Over what a list is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Over<'a> {
    /// What runs now, for an approval that is to come: what was tested before its exchange changed is to be tested again.
    Now(Option<&'a Ran>),
    /// What was approved: it holds for as long as it was to hold, and a change at its exchange ends nothing of it.
    Approved(&'a Ran),
}

/// A bot's checklist as it stands at one moment.
#[derive(Debug, Clone)]
pub struct ListView {
    /// The list.
    pub list: Template,
    /// Its items, in order, as they stand.
    pub checked: Vec<Checked>,
    /// What is in force of the bot.
    pub force: InForce,
    /// Everything that was ever answered for, the newest first.
    pub history: Vec<Mark>,
    /// What somebody must see to first, whatever the list says.
    pub incidents: Vec<String>,
    /// When it was looked at.
    pub at: Timestamp,
}

impl ListView {
    /// How many items are so.
    pub fn done(&self) -> usize {
        self.checked.iter().filter(|one| matches!(one.standing, Standing::Done(_))).count()
    }
    /// How many were so, and their time is over.
    pub fn expired(&self) -> usize {
        self.checked.iter().filter(|one| matches!(one.standing, Standing::Expired(_))).count()
    }
    /// True when nothing stands in the way of asking.
    pub fn is_whole(&self) -> bool {
        self.incidents.is_empty() && dossier(&self.list, &self.checked, &self.force, OnDrift::Pause).is_ok()
    }
}

/// The stages that can be asked for of a bot, the next one first: its own again, should it be something else by now than what was approved.
pub fn stages_of(bot: &BotFacts) -> Vec<Stage> {
    let own = drift::is_bound(bot.stage).then_some(bot.stage);
    next_stage(bot.stage).into_iter().chain(own).collect()
}

/// The stage that a bot of this one goes up to next, where that takes an approval.
pub fn next_stage(stage: Stage) -> Option<Stage> {
    match stage {
        Stage::Sandbox => Some(Stage::Limited),
        Stage::Limited => Some(Stage::Live),
        Stage::Draft | Stage::Live | Stage::Retired => None,
    }
}

impl App {
    /// A bot's checklist, looked at now.
    ///
    /// # Errors
    /// `Denied`; `NotFound`; when the database is gone.
    pub async fn checklist(&self, actor: &Actor, id: &BotId, stage: Stage) -> Result<ListView, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let list = self.list_of(stage)?;
        let mut tx = self.db.read().await?;
        let checked = self.checked(&mut tx, &bot, &list, Over::Now(self.ran(id).as_ref())).await?;
        let history = storage::checklists::mark_history(&mut tx, id, stage, HISTORY).await?;
        let incidents = self.incidents_of(&mut tx, id).await?;
        let force = self.in_force(&bot);
        Ok(ListView { list, checked, force, history, incidents, at: self.clock.now() })
    }

    /// What is in force of a bot, from memory.
    pub fn in_force(&self, bot: &BotFacts) -> InForce {
        let keys = self.exchange_keys();
        let held = |purpose: KeyPurpose| {
            let key = keys.of_purpose(&bot.id, purpose).filter(|key| key.is_open() && key.active().is_some())?;
            Some((purpose, HeldKey { key: key.row.id.clone(), approved_at: key.row.approved_at }))
        };
        InForce {
            runs: self.ran(&bot.id),
            place: self.place_of(bot).ok(),
            keys: KeyPurpose::ALL.iter().copied().filter_map(held).collect::<BTreeMap<_, _>>(),
            conduct: Conduct::of(bot),
            limits_version: bot.limits.version,
            limits: bot.limits.values.clone(),
            adapter: self.seen_of(&bot.id).and_then(|seen| seen.adapter.as_ref().map(|adapter| adapter.name.clone())),
            withdraws: keys
                .of_bot(&bot.id)
                .iter()
                .filter(|key| key.is_open() && key.sheet.withdraws())
                .map(|key| key.row.purpose)
                .collect(),
        }
    }

    /// What a bot's agent said last.
    fn seen_of(&self, bot: &BotId) -> Option<Arc<AgentSeen>> {
        let agent = self.agents().of_bot(bot)?;
        self.book.seen(bot).filter(|seen| seen.agent == agent.id)
    }

    /// What each process of a bot that is several runs, by the word of its agent.
    fn instances_of(&self, bot: &BotId) -> Arc<Vec<Instance>> {
        self.seen_of(bot).map(|seen| seen.instances.clone()).unwrap_or_default()
    }

    /// What a bot runs, by the word of its agent.
    pub(crate) fn ran(&self, bot: &BotId) -> Option<Ran> {
        let seen = self.seen_of(bot)?;
        Some(Ran { build: seen.build.clone()?, config: seen.config.clone()? })
    }

    /// Every item of a list, looked at.
    pub(crate) async fn checked(&self, conn: &mut Conn, bot: &BotFacts, list: &Template, over: Over<'_>) -> Result<Vec<Checked>, AppError> {
        let looked = self.looked_of(conn, bot, list, over).await?;
        let checked = list.items.iter().map(|item| Checked { item: item.clone(), standing: self.standing_of(bot, item, &looked) });
        Ok(checked.collect())
    }
}
