//! Rows of bots and of bonds between them: what a file may write down of a bot, and what has acts of its own.

use super::{Draft, Why, Work, name_of};
use crate::app::{
    assignments::{holder, unfit},
    register::file::{Refusal, Row},
    venues::is_alike,
};
use crate::audit::event::FieldChange;
use crate::authz::{Action, Resource};
use crate::domain::{BotFacts, BotId, Environment, Stage, SubaccountId, TeamId, UserId, text};
use crate::storage::users::User;
use std::sync::Arc;

impl Work<'_> {
    fn person(&self, named: &str) -> Option<&Arc<User>> {
        self.world.users.iter().find(|user| user.id.as_str() == named || user.name.eq_ignore_ascii_case(named))
    }

    fn person_field(&self, draft: &mut Draft, (column, row): (&'static str, &Row), before: Option<&UserId>) -> Result<(), Why> {
        let shown = |id: Option<&UserId>| {
            id.map(|id| self.person(id.as_str()).map_or_else(|| id.to_string(), |user| user.name.clone())).unwrap_or_default()
        };
        let after = match row.get(column).map(str::trim) {
            None => before.cloned(),
            Some("") if column == "deputy" => None,
            Some("") => before.cloned(),
            Some(named) => {
                let user = self.person(named).ok_or_else(|| format!("{column}: there is nobody of that name"))?;
                if !user.enabled && before != Some(&user.id) {
                    return Err(format!("{column}: {} is disabled", user.name));
                }
                Some(user.id.clone())
            }
        };
        let text = |id: Option<&UserId>| id.map(ToString::to_string).unwrap_or_default();
        draft.set(column, (&text(before), &shown(before)), (&text(after.as_ref()), &shown(after.as_ref())));
        Ok(())
    }

    pub(super) fn bot(&mut self, row: &Row) -> Result<(), Why> {
        let view = self.world.view.clone();
        let found = self.find(row, |id| view.bot(&BotId::from_stored(id.to_owned())).is_some(), |name| self.names.bots.get(name).cloned());
        let before = found.and_then(|id| view.bot(&BotId::from_stored(id)).cloned());
        let sheet = before.as_ref().and_then(|bot| self.world.book.sheets.get(&bot.id)).cloned().unwrap_or_default();
        let mut draft = Draft::new(row, before.as_ref().map(|bot| bot.id.to_string()));
        let name = name_of(row, false)?.or_else(|| before.as_ref().map(|bot| bot.name.clone())).ok_or("name it")?;
        draft.text("name", before.as_ref().map_or("", |bot| &bot.name), Some(&name));
        let team = match &before {
            Some(bot) => self.unmoved(bot, row)?,
            None => self.new_bot(&mut draft, row, &name)?,
        };
        let objective = row.get("objective").map(|text| text::why(text).map_err(|error| format!("the objective {error}"))).transpose()?;
        draft.text("objective", &sheet.objective, objective.as_deref());
        self.person_field(&mut draft, ("owner", row), before.as_ref().map(|bot| &bot.owner))?;
        self.person_field(&mut draft, ("deputy", row), sheet.deputy.as_ref())?;
        if draft.step.after("owner").is_empty() {
            return Err("name its owner".to_owned());
        }
        if draft.step.after("deputy") == draft.step.after("owner") {
            return Err("the deputy is another person than the owner".to_owned());
        }
        let own = Resource::Team(team.clone());
        self.allowed(&draft, Action::EditBot, &own, "an operator or lead of the bot's team")?;
        self.operators(&mut draft, row, (&team, &sheet.operators))?;
        self.names.bots.insert(name.to_lowercase(), draft.step.id.clone());
        self.finish(draft, &name)
    }

    /// A bot that is there keeps what has acts of its own; its team.
    fn unmoved(&self, bot: &BotFacts, row: &Row) -> Result<TeamId, Why> {
        let team = self.world.teams.iter().find(|team| team.id == bot.team).map_or("", |team| &team.name);
        let book = &self.world.book;
        let seat = bot.seat.as_ref().and_then(|seat| book.subaccount(&seat.subaccount)).map(|one| book.label(one)).unwrap_or_default();
        let is = |column: &str, own: &str, other: &str| row.given(column).is_none_or(|given| is_alike(given, own) || given == other);
        if !is("team", team, bot.team.as_str()) {
            return Err("its team is another: move it on its page, which stops it".to_owned());
        }
        if !is("strategy", &bot.strategy, "") {
            return Err("its strategy is another: change it on its page, which stops it".to_owned());
        }
        if !is("stage", bot.stage.as_str(), "") {
            return Err(format!("its stage is {}: a file changes no stage", bot.stage));
        }
        if !is("exits", bot.exits.as_str(), "") {
            return Err(format!("its exits are {}: a file does not change what it may do", bot.exits));
        }
        let is_elsewhere = match row.get("subaccount").map(str::trim) {
            None => false,
            Some(given) => !is_alike(given, &seat),
        };
        if is_elsewhere && bot.stage != Stage::Retired {
            return Err("it has another subaccount: change that on its page, which stops it".to_owned());
        }
        Ok(bot.team.clone())
    }

    /// What a new bot needs beside its name; its team.
    fn new_bot(&mut self, draft: &mut Draft, row: &Row, name: &str) -> Result<TeamId, Why> {
        let named = row.given("team").ok_or("name its team")?;
        let team = self.world.teams.iter().find(|team| team.id.as_str() == named || is_alike(&team.name, named));
        let team = team.ok_or("there is no team of that name")?;
        draft.set("team", ("", ""), (team.id.as_str(), &team.name));
        let strategy = text::name(row.given("strategy").unwrap_or_default()).map_err(|error| format!("the strategy {error}"))?;
        draft.text("strategy", "", Some(&strategy));
        let exits = row.given("exits").unwrap_or("managed").parse::<crate::domain::Exits>().map_err(|error| format!("exits: {error}"))?;
        draft.text("exits", "", Some(exits.as_str()));
        if let Some(stage) = row.given("stage") {
            let stage: Stage = stage.parse().map_err(|error| format!("stage: {error}"))?;
            if stage != Stage::Draft {
                self.out.left_out.push(Refusal::new(
                    row.line,
                    format!("{name} is made as a draft: a file sets no stage, and {stage} has an act of its own"),
                ));
            }
        }
        if let Some(label) = row.given("subaccount") {
            self.new_seat(draft, label, name)?;
        }
        Ok(team.id.clone())
    }

    fn new_seat(&mut self, draft: &mut Draft, label: &str, name: &str) -> Result<(), Why> {
        let missing = || "there is no such subaccount, here or above in the file: write VENUE/NAME".to_owned();
        let (venue, sub) = label.split_once('/').ok_or_else(missing)?;
        let venue = self.names.venues.get(&venue.to_lowercase()).cloned().ok_or_else(missing)?;
        let id = self.names.subaccounts.get(&(venue.clone(), sub.to_lowercase())).cloned().ok_or_else(missing)?;
        let of_file = self.steps.iter().find(|step| step.id == venue).and_then(|step| step.after("environment").parse().ok());
        let known = self.world.book.venues.iter().find(|one| one.id.as_str() == venue).map(|one| one.environment);
        let environment = known.or(of_file).ok_or_else(missing)?;
        if environment == Environment::Live {
            self.out
                .left_out
                .push(Refusal::new(draft.line, format!("{name} gets no subaccount: {label} is live, and takes a request of its own")));
            return Ok(());
        }
        if unfit(Stage::Draft, environment).is_some() || holder(&self.world.view, &SubaccountId::from_stored(id.clone())).is_some() {
            return Err(format!("{label} is another bot's"));
        }
        if !self.seats.insert(id.clone()) {
            return Err(format!("{label} is given to two bots of this file"));
        }
        draft.set("subaccount", ("", ""), (&id, label));
        draft.step.after.insert("venue", venue);
        Ok(())
    }

    fn operators(&self, draft: &mut Draft, row: &Row, (team, before): (&TeamId, &[UserId])) -> Result<(), Why> {
        let Some(text) = row.get("operators") else { return Ok(()) };
        let mut after = Vec::new();
        for named in text.split(';').map(str::trim).filter(|named| !named.is_empty()) {
            let user = self.person(named).ok_or_else(|| format!("operators: there is nobody called {named}"))?;
            let is_known = before.contains(&user.id);
            let holds = user.grants.iter().any(|grant| grant.role.is_of_team() && grant.team.as_ref() == Some(team));
            let may_be = is_known || (user.enabled && holds);
            if !may_be {
                return Err(format!("operators: {} is no operator or lead of the bot's team", user.name));
            }
            after.push(user.id.clone());
        }
        after.sort();
        after.dedup();
        let mut before = before.to_vec();
        before.sort();
        if before == after {
            return Ok(());
        }
        if !(self.may)(Action::ListOperators, &Resource::Team(team.clone())) {
            return Err("not allowed: a lead of the bot's team lists who may start it".to_owned());
        }
        let shown = |ids: &[UserId]| {
            let mut names: Vec<String> =
                ids.iter().map(|id| self.person(id.as_str()).map_or_else(|| id.to_string(), |user| user.name.clone())).collect();
            names.sort();
            names.join("; ")
        };
        draft.changes.push(FieldChange { field: "operators".into(), from: shown(&before), to: shown(&after) });
        draft.step.operators = Some(after);
        Ok(())
    }

    pub(super) fn link(&mut self, row: &Row) -> Result<(), Why> {
        let bot = |column: &str| {
            let named = row.given(column).ok_or("name both bots")?;
            self.names
                .bots
                .get(&named.to_lowercase())
                .cloned()
                .ok_or_else(|| format!("{column}: there is no bot of that name, here or above in the file"))
        };
        let (one, other) = (bot("name")?, bot("linked")?);
        if one == other {
            return Err("a bot is not bound to itself".to_owned());
        }
        let (first, second) = if one < other { (one, other) } else { (other, one) };
        let known = self.world.book.links.iter().find(|link| link.bot_id.as_str() == first && link.other_id.as_str() == second);
        let given = row.given("why").map(|why| text::why(why).map_err(|error| format!("why {error}"))).transpose()?;
        if let Some(known) = known {
            let is_same = given.is_none_or(|why| why == known.why);
            return if is_same { Ok(()) } else { Err("they are bound for another reason: end that bond first".to_owned()) };
        }
        let why = given.ok_or("say what binds them")?;
        let mut draft = Draft::new(row, None);
        draft.step.id = format!("{first}+{second}");
        let team = self.team_of(&first).ok_or("there is no such bot")?;
        draft.step.after.insert("name", first);
        draft.step.after.insert("linked", second);
        draft.text("why", "", Some(&why));
        self.allowed(&draft, Action::EditBot, &Resource::Team(team), "an operator or lead of the first bot's team")?;
        let name = format!("{} and {}", row.given("name").unwrap_or_default(), row.given("linked").unwrap_or_default());
        self.finish(draft, &name)
    }

    fn team_of(&self, bot: &str) -> Option<TeamId> {
        let known = self.world.view.bot(&BotId::from_stored(bot.to_owned())).map(|bot| bot.team.clone());
        let of_file =
            || self.steps.iter().find(|step| step.id == bot && step.is_new).map(|step| TeamId::from_stored(step.after("team").to_owned()));
        known.or_else(of_file)
    }
}
