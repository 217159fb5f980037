//! What the register's lists show: subaccounts with the bot, the limits and the claims that belong to each, and bots by what is written down of
//! them. From memory, so that they are there without the database; a page takes its part of what is found here.

use crate::app::{App, AppError, listings::BotRow, listings::Standing, venues::Subaccount};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotFacts, Environment, Freshness, Stage, SubaccountId};
use std::{collections::HashMap, sync::Arc};

/// What subaccounts are narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct SubaccountFilter {
    /// Part of its name with its venue, of its account's, or of the bot's that has it.
    pub q: String,
    /// A venue's id.
    pub venue: String,
    /// An account's id.
    pub account: String,
    /// `free`, `assigned`, `double` or `retired`.
    pub state: String,
    /// The page, from 1.
    pub page: usize,
}

/// Whose a subaccount is.
#[derive(Debug, Clone)]
pub enum Held {
    /// Nobody's.
    Free,
    /// A bot's.
    By(Arc<BotFacts>),
    /// A bot's of another team than whoever looks may see.
    Elsewhere,
}

/// What agents say of where their bots trade, beside what the register says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// No agent says anything.
    Unknown,
    /// The bot that has it says so, and nobody else does.
    Agrees,
    /// Two bots say so, or another one than has it, or the one that has it says otherwise: a sentence each.
    Double(Vec<String>),
}

/// One line of the board.
#[derive(Debug, Clone)]
pub struct SubaccountRow {
    /// What is written down.
    pub subaccount: Subaccount,
    /// `binance/grid-1`.
    pub label: String,
    /// Whether money is real there.
    pub environment: Environment,
    /// The account's name.
    pub account: String,
    /// It, its account or its venue is retired.
    pub is_retired: bool,
    /// Whose it is.
    pub held: Held,
    /// What agents say.
    pub claim: Claim,
}

impl SubaccountRow {
    /// Its word: `double`, `free`, `assigned` or `retired`.
    pub fn state(&self) -> &'static str {
        match (&self.claim, &self.held) {
            (Claim::Double(_), _) => "double",
            (_, Held::By(_) | Held::Elsewhere) => "assigned",
            (_, Held::Free) if self.is_retired => "retired",
            (_, Held::Free) => "free",
        }
    }
    fn rank(&self) -> u8 {
        match self.state() {
            "double" => 0,
            "free" => 1,
            "assigned" => 2,
            _ => 3,
        }
    }
}

/// What bots are narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct BotFilter {
    /// Part of its name, its strategy or its objective.
    pub q: String,
    /// A team's id.
    pub team: String,
    /// A venue's id.
    pub venue: String,
    /// A stage.
    pub stage: String,
    /// `attention`, `running`, `halted` or `no-data`.
    pub state: String,
    /// The owner's, or deputy's, id.
    pub owner: String,
    /// A strategy.
    pub strategy: String,
    /// The page, from 1.
    pub page: usize,
}

impl BotFilter {
    fn takes(&self, row: &BotRow, objective: &str, deputy: Option<&str>) -> bool {
        let bot = &row.bot;
        let part = self.q.trim().to_lowercase();
        let holds = |text: &str| text.to_lowercase().contains(&part);
        let is = |wanted: &str, own: &str| wanted.is_empty() || wanted == own;
        let venue = bot.seat.as_ref().map_or("", |seat| seat.venue.as_str());
        (part.is_empty() || holds(&bot.name) || holds(&bot.strategy) || holds(objective))
            && is(&self.team, bot.team.as_str())
            && is(&self.venue, venue)
            && is(&self.stage, bot.stage.as_str())
            && (is(&self.owner, bot.owner.as_str()) || deputy == Some(self.owner.as_str()))
            && (self.strategy.trim().is_empty() || self.strategy.trim().eq_ignore_ascii_case(&bot.strategy))
            && match self.state.as_str() {
                "attention" => row.rank < 9,
                "running" => row.standing() == Standing::Running,
                "halted" => row.standing() == Standing::Halted,
                "no-data" => row.standing() == Standing::NoData,
                _ => true,
            }
    }
}

impl App {
    /// Bots by name, narrowed.
    ///
    /// # Errors
    /// `Denied`.
    pub fn registered_bots(&self, actor: &Actor, filter: &BotFilter) -> Result<Vec<BotRow>, AppError> {
        let book = self.venues().rows();
        let mut rows = self.bot_rows(actor)?;
        rows.retain(|row| {
            let sheet = book.sheets.get(&row.bot.id);
            let deputy = sheet.and_then(|sheet| sheet.deputy.as_ref()).map(|deputy| deputy.as_str());
            filter.takes(row, sheet.map_or("", |sheet| sheet.objective.as_str()), deputy)
        });
        rows.sort_by(|a, b| a.bot.name.cmp(&b.bot.name));
        Ok(rows)
    }

    /// Subaccounts, narrowed: those that two bots claim first, then free ones, then the rest, each by name.
    ///
    /// # Errors
    /// `Denied`.
    pub fn subaccount_rows(&self, actor: &Actor, filter: &SubaccountFilter) -> Result<Vec<SubaccountRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let (book, view) = (self.venues().rows(), self.fleet.view());
        let seated = |bot: &&Arc<BotFacts>| bot.stage != Stage::Retired;
        let holders: HashMap<&SubaccountId, &Arc<BotFacts>> =
            view.bots().filter(seated).filter_map(|bot| Some((&bot.seat.as_ref()?.subaccount, bot))).collect();
        let venues: HashMap<_, _> = book.venues.iter().map(|venue| (&venue.id, venue)).collect();
        let accounts: HashMap<_, _> = book.accounts.iter().map(|account| (&account.id, account)).collect();
        let claims = self.claims();
        let part = filter.q.trim().to_lowercase();
        let mut rows = Vec::new();
        for one in &book.subaccounts {
            let (Some(venue), Some(account)) = (venues.get(&one.venue_id), accounts.get(&one.account_id)) else { continue };
            let is_wanted = |wanted: &str, own: &str| wanted.is_empty() || wanted == own;
            if !is_wanted(&filter.venue, venue.id.as_str()) || !is_wanted(&filter.account, account.id.as_str()) {
                continue;
            }
            let label = format!("{}/{}", venue.name, one.name);
            let holder = holders.get(&one.id).copied();
            let seen = holder.filter(|bot| authz::sees_team(actor, &bot.team));
            let texts = [Some(label.as_str()), Some(account.name.as_str()), seen.map(|bot| bot.name.as_str())];
            if !part.is_empty() && !texts.iter().flatten().any(|text| text.to_lowercase().contains(&part)) {
                continue;
            }
            let claim = claim(&label, holder, &claims);
            let is_retired = one.retired_at.is_some() || venue.retired_at.is_some() || account.retired_at.is_some();
            let held = match (holder, seen) {
                (None, _) => Held::Free,
                (_, Some(bot)) => Held::By(bot.clone()),
                (Some(_), None) => Held::Elsewhere,
            };
            let (environment, account) = (venue.environment, account.name.clone());
            let row = SubaccountRow { subaccount: one.clone(), label, environment, account, is_retired, held, claim };
            if filter.state.is_empty() || filter.state == row.state() {
                rows.push(row);
            }
        }
        rows.sort_by(|a, b| a.rank().cmp(&b.rank()).then_with(|| a.label.cmp(&b.label)));
        Ok(rows)
    }

    /// Where agents that are heard say that their bots trade, by that in lower case.
    fn claims(&self) -> Claims {
        let (view, now) = (self.fleet.view(), self.clock.now());
        let mut claims = Claims::default();
        for bot in view.bots() {
            let Some(seen) = self.book.seen(&bot.id) else { continue };
            let Some(said) = seen.subaccount.as_deref() else { continue };
            if bot.timings.freshness(Some(now.ms_since(seen.at))) > Freshness::Stale {
                continue;
            }
            claims.of.insert(bot.id.to_string(), said.to_owned());
            claims.at.entry(said.to_lowercase()).or_default().push(bot.clone());
        }
        claims
    }
}

/// What agents say: where each bot trades, and which bots say so of a place.
#[derive(Default)]
struct Claims {
    of: HashMap<String, String>,
    at: HashMap<String, Vec<Arc<BotFacts>>>,
}

fn claim(label: &str, holder: Option<&Arc<BotFacts>>, claims: &Claims) -> Claim {
    let at = claims.at.get(&label.to_lowercase()).map(Vec::as_slice).unwrap_or_default();
    let own = holder.and_then(|bot| claims.of.get(bot.id.as_str()));
    if at.is_empty() && own.is_none() {
        return Claim::Unknown;
    }
    let is_holder = |bot: &Arc<BotFacts>| holder.is_some_and(|holder| holder.id == bot.id);
    let mut said: Vec<String> =
        at.iter().filter(|bot| !is_holder(bot)).map(|bot| format!("the agent of {} says that it trades here", bot.name)).collect();
    if let (Some(bot), Some(own)) = (holder, own.filter(|own| !own.eq_ignore_ascii_case(label))) {
        said.push(format!("the agent of {} says that it trades at {own}", bot.name));
    }
    said.sort();
    if said.is_empty() { Claim::Agrees } else { Claim::Double(said) }
}
