//! What the register says of a bot: its name, strategy and objective, who answers for it, who stands in, and who may start it. Another strategy is
//! a stop; everything else leaves the bot as it is.

use super::{note, words};
use crate::app::{
    App, AppError, Invalid,
    tx::Act,
    venues::{is_alike, keep_holds},
};
use crate::audit::{Event, event::FieldChange};
use crate::authz::{self, Action, Actor};
use crate::domain::{Audience, BotFacts, BotId, Notice, NoticeKind, Role, StopFact, StopKind, UserId, text};
use crate::storage::{self, Lane, register::SheetRow};

/// The most that are listed for one bot.
const LISTED: usize = 50;

/// What is to be written down otherwise; none: stays.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct BotEdit {
    /// Another name.
    pub name: Option<String>,
    /// Another strategy, which is a stop.
    pub strategy: Option<String>,
    /// What it is for.
    pub objective: Option<String>,
    /// Who answers for it, by id or sign-in name.
    pub owner: Option<String>,
    /// Who stands in, by id or sign-in name; empty: nobody.
    pub deputy: Option<String>,
}

impl App {
    /// An enabled person by id or sign-in name.
    pub(crate) fn person_named(&self, named: &str) -> Option<UserId> {
        let named = named.trim();
        let users = self.people().users();
        let found = users.iter().find(|user| user.id.as_str() == named || user.name.eq_ignore_ascii_case(named));
        found.filter(|user| user.enabled).map(|user| user.id.clone())
    }

    /// Reads who stands in for an owner: nobody when it is empty. None: it cannot be.
    pub(crate) fn deputy_named(&self, invalid: &mut Invalid, named: &str, owner: Option<&UserId>) -> Option<Option<UserId>> {
        if named.trim().is_empty() {
            return Some(None);
        }
        match self.person_named(named) {
            None => invalid.0.push(("deputy", "Choose a deputy among the people here, or nobody".into())),
            Some(user) if Some(&user) == owner => invalid.0.push(("deputy", "The deputy is another person than the owner".into())),
            Some(user) => return Some(Some(user)),
        }
        None
    }

    /// Who answers for a bot: owner and deputy.
    pub(crate) fn accountable(&self, bot: &BotFacts) -> Vec<UserId> {
        [Some(bot.owner.clone()), self.venues().sheet(&bot.id).deputy].into_iter().flatten().collect()
    }

    /// Refuses whoever is not among those who may start a bot, where somebody is listed (ruling C7).
    ///
    /// # Errors
    /// `NotYours`, naming who is.
    pub fn is_listed(&self, actor: &Actor, id: &BotId) -> Result<(), AppError> {
        let operators = self.venues().sheet(id).operators;
        if operators.is_empty() || actor.user().is_some_and(|user| operators.contains(user)) {
            return Ok(());
        }
        let name = self.fleet.view().bot(id).map_or_else(|| id.to_string(), |bot| bot.name.clone());
        let who: Vec<String> = operators.iter().map(|user| self.people().who(user)).collect();
        Err(AppError::NotYours(format!("bot {name} is started only by who is listed for it: {}", who.join(", "))))
    }

    /// Writes down otherwise what the register says of a bot.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for what cannot be, or is taken; `Conflict` when nothing would change.
    pub async fn edit_bot(&self, actor: &Actor, id: &BotId, edit: &BotEdit) -> Result<(), AppError> {
        let seen = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::EditBot, &Self::bot_resource(&seen))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let view = self.view_in(act.tx()).await?;
        self.books_in(act.tx()).await?;
        let before = view.bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let (mut bot, mut changes) = (BotFacts::clone(&before), Vec::new());
        let mut invalid = Invalid::default();
        if let Some(name) = edit.name.as_deref().and_then(|name| invalid.check("name", "The name", text::name(name))) {
            if let Some(other) = view.bots().find(|other| other.id != *id && is_alike(&other.name, &name)) {
                invalid.0.push(("name", format!("There is a bot of that name: {}", other.name)));
            }
            note(&mut changes, "name", &mut bot.name, name);
        }
        if let Some(one) = edit.strategy.as_deref().and_then(|one| invalid.check("strategy", "The strategy", text::name(one))) {
            note(&mut changes, "strategy", &mut bot.strategy, one);
        }
        let sheet = self.edit_people(&mut bot, edit, (&mut invalid, &mut changes));
        if !invalid.0.is_empty() {
            return Err(invalid.into());
        }
        if changes.is_empty() {
            return Err(AppError::conflict("that is written down already; nothing would change"));
        }
        let concerned: Vec<UserId> = [Some(bot.owner.clone()), sheet.deputy_id.clone()].into_iter().flatten().collect();
        self.write_bot(&mut act, (&view, &before), &BotFacts { fact_epoch: epoch, ..bot }, sheet).await?;
        self.tell_of_bot(&mut act, &before, &concerned, &format!("Of {}: {}.", before.name, words(&changes))).await?;
        let event =
            Event::RegisterEdited { what: "bot".into(), id: id.to_string(), name: before.name.clone(), bot: Some(id.clone()), changes };
        act.commit(event).await?;
        Ok(())
    }

    /// Owner, deputy and objective after an edit.
    fn edit_people(&self, bot: &mut BotFacts, edit: &BotEdit, (invalid, changes): (&mut Invalid, &mut Vec<FieldChange>)) -> SheetRow {
        let own = self.venues().sheet(&bot.id);
        let mut sheet = SheetRow { bot_id: bot.id.clone(), objective: own.objective, deputy_id: own.deputy };
        if let Some(one) = edit.objective.as_deref().and_then(|one| invalid.check("objective", "The objective", text::why(one))) {
            note(changes, "objective", &mut sheet.objective, one);
        }
        if let Some(named) = &edit.owner {
            match self.person_named(named) {
                Some(owner) if owner != bot.owner => {
                    changes.push(self.of_people("owner", Some(&bot.owner), Some(&owner)));
                    bot.owner = owner;
                }
                Some(_) => {}
                None if bot.owner.as_str() == named.trim() => {}
                None => invalid.0.push(("owner", "Choose the accountable owner".into())),
            }
        }
        let named = edit.deputy.clone().unwrap_or_else(|| sheet.deputy_id.as_ref().map(ToString::to_string).unwrap_or_default());
        let is_kept = sheet.deputy_id.as_ref().is_some_and(|id| id.as_str() == named.trim() && *id != bot.owner);
        if !is_kept && let Some(deputy) = self.deputy_named(invalid, &named, Some(&bot.owner)).filter(|deputy| *deputy != sheet.deputy_id) {
            changes.push(self.of_people("deputy", sheet.deputy_id.as_ref(), deputy.as_ref()));
            sheet.deputy_id = deputy;
        }
        sheet
    }

    fn of_people(&self, field: &str, from: Option<&UserId>, to: Option<&UserId>) -> FieldChange {
        let who = |user: Option<&UserId>| user.map(|user| self.people().who(user)).unwrap_or_default();
        FieldChange { field: field.to_owned(), from: who(from), to: who(to) }
    }

    async fn write_bot(
        &self,
        act: &mut Act<'_>,
        (view, before): (&crate::fleet::View, &BotFacts),
        bot: &BotFacts,
        sheet: SheetRow,
    ) -> Result<(), AppError> {
        let is_another = before.strategy != bot.strategy;
        if is_another {
            keep_holds(act, view, before).await?;
        }
        match storage::bots::bot_edit(act.tx(), bot).await {
            Err(storage::Error::Duplicate(_)) => return Err(Invalid::one("name", "There is a bot of that name").into()),
            other => other?,
        }
        storage::register::sheet_put(act.tx(), &sheet).await?;
        if is_another {
            let why = format!("its strategy changed from {} to {}", before.strategy, bot.strategy);
            let stop = StopFact { epoch: bot.fact_epoch, kind: StopKind::Stage, why, at: act.now() };
            storage::bots::bot_stop(act.tx(), &bot.id, &stop).await?;
        }
        act.changes_books();
        Ok(())
    }

    /// Lists who may start a bot, by ids or sign-in names; nobody: whoever its team's roles allow.
    ///
    /// # Errors
    /// `Denied` unless they lead the bot's team; `Invalid` for somebody who is no operator or lead of it; `Conflict` when nothing would change.
    pub async fn list_operators(&self, actor: &Actor, id: &BotId, named: &[String]) -> Result<(), AppError> {
        let seen = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::ListOperators, &Self::bot_resource(&seen))?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        // Under the counter's lock no start slips past it.
        let epoch = act.epoch().await?;
        let view = self.view_in(act.tx()).await?;
        self.books_in(act.tx()).await?;
        let bot = view.bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let mut operators = self.operators_named(&bot, named)?;
        operators.sort();
        operators.dedup();
        let mut before = storage::register::operator_of(act.tx(), id).await?;
        before.sort();
        if before == operators {
            return Err(AppError::conflict("they are listed already; nothing would change"));
        }
        let now = act.now();
        storage::register::operators_set(act.tx(), id, &operators, now).await?;
        // Other replicas look again as soon as a fact moves.
        storage::bots::bot_edit(act.tx(), &BotFacts { fact_epoch: epoch, ..BotFacts::clone(&bot) }).await?;
        act.changes_books();
        let who: Vec<String> = operators.iter().map(|user| self.people().who(user)).collect();
        let said = match who.as_slice() {
            [] => format!("{} is started by any operator or lead of its team: nobody is listed any more.", bot.name),
            who => format!("{} is started only by {}.", bot.name, who.join(", ")),
        };
        let concerned: Vec<UserId> = before.into_iter().chain(operators.iter().cloned()).collect();
        self.tell_of_bot(&mut act, &bot, &concerned, &said).await?;
        act.commit(Event::OperatorsListed { bot: id.clone(), operators }).await?;
        Ok(())
    }

    /// People who can be listed for a bot, by what was given.
    pub(crate) fn operators_named(&self, bot: &BotFacts, named: &[String]) -> Result<Vec<UserId>, AppError> {
        if named.len() > LISTED {
            return Err(Invalid::one("operators", format!("List at most {LISTED} people")).into());
        }
        let mut operators = Vec::new();
        for name in named.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
            let user = self.person_named(name).filter(|user| self.may_be_listed(user, bot));
            let Some(user) = user else {
                return Err(Invalid::one("operators", format!("{name}: only an operator or lead of the bot's team can be listed")).into());
            };
            operators.push(user);
        }
        Ok(operators)
    }

    /// True for an enabled operator or lead of the bot's team.
    pub fn may_be_listed(&self, user: &UserId, bot: &BotFacts) -> bool {
        let fits =
            |grant: &crate::domain::Grant| matches!(grant.role, Role::Operator | Role::Lead) && grant.team.as_ref() == Some(&bot.team);
        self.people().user(user).is_some_and(|user| user.enabled && user.grants.iter().any(fits))
    }

    /// Tells who answers for a bot, and others whom it concerns, but never whoever did it.
    pub(crate) async fn tell_of_bot(&self, act: &mut Act<'_>, bot: &BotFacts, others: &[UserId], said: &str) -> Result<(), AppError> {
        let own = act.actor().user().cloned();
        let people = self.accountable(bot).into_iter().chain(others.iter().cloned()).filter(|one| Some(one) != own.as_ref());
        let audience = Audience { people: people.collect(), admins: false };
        let once = format!("{}:{}", bot.id, act.now().0);
        let notice = Notice::new(NoticeKind::RegisterChanged, once, format!("Register: bot {}", bot.name), said);
        act.tell(&audience, &notice.at(format!("/bots/{}", bot.id))).await.map(drop)
    }
}
