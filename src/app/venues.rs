//! Venues, their accounts and subaccounts, and bots that are stopped together. In memory as every press needs them: a dead database takes no
//! scope away. What is written down of a bot beside its facts is here as well, for pages and for whoever may start it.

use super::{App, AppError, Invalid, kills::is_killed, scopes, tx::Act};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{AccountId, BotFacts, BotId, Environment, Hold, Scope, State, SubaccountId, UserId, VenueId, text};
use crate::fleet::View;
pub use crate::storage::venues::{Account, Link, Subaccount, Venue};
use crate::storage::{self, Conn, Lane};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

/// What is written down of a bot beside its facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// What it is for.
    pub objective: String,
    /// Who stands in for its owner.
    pub deputy: Option<UserId>,
    /// Who may start it; nobody: whoever its team's roles allow.
    pub operators: Vec<UserId>,
}

/// What the book holds.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) venues: Vec<Venue>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) subaccounts: Vec<Subaccount>,
    pub(crate) links: Vec<Link>,
    pub(crate) sheets: HashMap<BotId, Sheet>,
    // Places in `subaccounts`.
    at: HashMap<SubaccountId, usize>,
}

/// Reads it.
pub(crate) async fn read(conn: &mut Conn) -> storage::Result<Rows> {
    let subaccounts = storage::venues::subaccount_all(conn).await?;
    let at = subaccounts.iter().enumerate().map(|(n, one)| (one.id.clone(), n)).collect();
    let mut sheets = HashMap::<BotId, Sheet>::new();
    for row in storage::register::sheet_all(conn).await? {
        sheets.insert(row.bot_id, Sheet { objective: row.objective, deputy: row.deputy_id, operators: Vec::new() });
    }
    for (bot, user) in storage::register::operator_all(conn).await? {
        sheets.entry(bot).or_default().operators.push(user);
    }
    Ok(Rows {
        venues: storage::venues::venue_all(conn).await?,
        accounts: storage::venues::account_all(conn).await?,
        links: storage::venues::link_all(conn).await?,
        subaccounts,
        sheets,
        at,
    })
}

impl Rows {
    /// One venue.
    pub(crate) fn venue(&self, id: &VenueId) -> Option<&Venue> {
        self.venues.iter().find(|venue| venue.id == *id)
    }
    /// One account.
    pub(crate) fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == *id)
    }
    /// One subaccount.
    pub(crate) fn subaccount(&self, id: &SubaccountId) -> Option<&Subaccount> {
        self.subaccounts.get(*self.at.get(id)?)
    }
    /// `binance/grid-1`.
    pub(crate) fn label(&self, subaccount: &Subaccount) -> String {
        let venue = self.venue(&subaccount.venue_id).map_or_else(|| subaccount.venue_id.to_string(), |venue| venue.name.clone());
        format!("{venue}/{}", subaccount.name)
    }
}

/// Every venue, subaccount and link.
#[derive(Default)]
pub struct VenueBook(RwLock<Arc<Rows>>);

impl VenueBook {
    pub(crate) fn reload(&self, rows: Rows) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rows);
    }
    pub(crate) fn rows(&self) -> Arc<Rows> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Every venue by name.
    pub fn venues(&self) -> Vec<Venue> {
        self.rows().venues.clone()
    }
    /// One venue.
    pub fn venue(&self, id: &VenueId) -> Option<Venue> {
        self.rows().venue(id).cloned()
    }
    /// A venue by its id or name, in whatever case where only one has it.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when several differ in case alone.
    pub fn named(&self, name: &str) -> Result<Venue, AppError> {
        let rows = self.rows();
        scopes::named("venue", rows.venues.iter().map(|venue| (venue.id.as_str(), venue.name.as_str(), venue)), name).cloned()
    }
    /// One account.
    pub fn account(&self, id: &AccountId) -> Option<Account> {
        self.rows().account(id).cloned()
    }
    /// The accounts of a venue, by name.
    pub fn accounts_of(&self, venue: &VenueId) -> Vec<Account> {
        self.rows().accounts.iter().filter(|account| account.venue_id == *venue).cloned().collect()
    }
    /// What is written down of a bot.
    pub fn sheet(&self, bot: &BotId) -> Sheet {
        self.rows().sheets.get(bot).cloned().unwrap_or_default()
    }
    /// Every subaccount, those of one venue together.
    pub fn subaccounts(&self) -> Vec<Subaccount> {
        self.rows().subaccounts.clone()
    }
    /// One subaccount.
    pub fn subaccount(&self, id: &SubaccountId) -> Option<Subaccount> {
        self.rows().subaccount(id).cloned()
    }
    /// A subaccount by its id, as `VENUE/NAME`, or by its name where only one venue has it.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` with every one that could be meant.
    pub fn subaccount_named(&self, name: &str) -> Result<Subaccount, AppError> {
        let rows = self.rows();
        let labels: Vec<String> = rows.subaccounts.iter().map(|one| rows.label(one)).collect();
        let all = || rows.subaccounts.iter().zip(&labels);
        match scopes::named("subaccount", all().map(|(one, label)| (one.id.as_str(), label.as_str(), one)), name) {
            Err(AppError::NotFound(_)) => {}
            found => return found.cloned(),
        }
        let found: Vec<_> = all().filter(|(one, _)| one.name.to_lowercase() == name.trim().to_lowercase()).collect();
        match found.as_slice() {
            [] => Err(AppError::NotFound("subaccount")),
            [(one, _)] => Ok((*one).clone()),
            several => {
                let labels: Vec<&str> = several.iter().map(|(_, label)| label.as_str()).collect();
                Err(Invalid::one("subaccount", format!("several venues have {name}: {}; write VENUE/NAME", labels.join(", "))).into())
            }
        }
    }
    /// `binance/grid-1`.
    pub fn label(&self, subaccount: &Subaccount) -> String {
        self.rows().label(subaccount)
    }
    /// The bots bound to this one, directly or by way of others, each once, and why the first of them is.
    pub fn linked(&self, bot: &BotId) -> Vec<BotId> {
        let rows = self.rows();
        let mut found = vec![bot.clone()];
        let mut next = 0;
        while let Some(one) = found.get(next).cloned() {
            for link in &rows.links {
                let other = if link.bot_id == one { &link.other_id } else { &link.bot_id };
                if (link.bot_id == one || link.other_id == one) && !found.contains(other) {
                    found.push(other.clone());
                }
            }
            next += 1;
        }
        found.split_off(1)
    }
    /// What binds this bot to its neighbours.
    pub fn links_of(&self, bot: &BotId) -> Vec<(BotId, String)> {
        let other = |link: &Link| {
            let other = if link.bot_id == *bot { &link.other_id } else { &link.bot_id };
            (other.clone(), link.why.clone())
        };
        self.rows().links.iter().filter(|link| link.bot_id == *bot || link.other_id == *bot).map(other).collect()
    }
}

impl App {
    /// Venues, subaccounts and links.
    pub fn venues(&self) -> &VenueBook {
        &self.venue_book
    }

    /// Bots that a hold leaves going although they are bound to one that it stops: one without the other is dangerous.
    pub fn bound_beyond(&self, hold: &Hold) -> Vec<Arc<BotFacts>> {
        let (view, rows) = (self.fleet.view(), self.venue_book.rows());
        if rows.links.is_empty() || hold.scope == Scope::Fleet || hold.scope.is_symbol() {
            return Vec::new();
        }
        let covers = |id: &BotId| view.bot(id).is_some_and(|bot| view.covers(hold, bot));
        let ends = rows.links.iter().flat_map(|link| [&link.bot_id, &link.other_id]);
        let mut bound: HashSet<&BotId> = ends.filter(|id| covers(id)).collect();
        loop {
            let before = bound.len();
            for link in &rows.links {
                if bound.contains(&link.bot_id) || bound.contains(&link.other_id) {
                    bound.extend([&link.bot_id, &link.other_id]);
                }
            }
            if bound.len() == before {
                break;
            }
        }
        let beyond = bound.into_iter().filter(|id| !covers(id)).filter_map(|id| view.bot(id));
        let mut goes_on: Vec<_> = beyond.filter(|bot| view.directive(bot).state != State::Halted).cloned().collect();
        goes_on.sort_by(|a, b| a.name.cmp(&b.name));
        goes_on
    }

    /// Writes down a venue whose exchange is called like it.
    ///
    /// # Errors
    /// `Denied`; `Invalid`, also when the name is taken.
    pub async fn create_venue(&self, actor: &Actor, name: &str, environment: &str) -> Result<Venue, AppError> {
        self.create_venue_of(actor, ("", name), environment).await
    }

    /// Writes down a venue, an exchange in one environment, with its main account. Without an exchange it is called like the venue.
    ///
    /// # Errors
    /// `Denied`; `Invalid`, also when the name is taken.
    pub async fn create_venue_of(&self, actor: &Actor, (exchange, name): (&str, &str), environment: &str) -> Result<Venue, AppError> {
        let permit = authz::check(actor, Action::EditVenues, &Resource::Installation)?;
        let mut invalid = Invalid::default();
        let name = plain_name(&mut invalid, name);
        let exchange =
            if exchange.trim().is_empty() { name.clone() } else { invalid.check("exchange", "The exchange", text::name(exchange)) };
        let environment = invalid.check("environment", "The environment:", environment.parse::<Environment>());
        let (Some(name), Some(exchange), Some(environment)) = (name, exchange, environment) else { return Err(invalid.into()) };
        let mut act = self.begin(permit, Lane::Normal).await?;
        if let Some(other) = storage::venues::venue_all(act.tx()).await?.into_iter().find(|other| is_alike(&other.name, &name)) {
            return Err(Invalid::one("name", format!("There is a venue of that name: {}", other.name)).into());
        }
        let venue = Venue { id: VenueId::new(), name, exchange, environment, created_at: act.now(), retired_at: None };
        match storage::venues::venue_insert(act.tx(), &venue).await {
            Err(storage::Error::Duplicate(_)) => return Err(Invalid::one("name", "There is a venue of that name").into()),
            other => other?,
        }
        let main =
            Account { id: AccountId::new(), venue_id: venue.id.clone(), name: MAIN.to_owned(), created_at: act.now(), retired_at: None };
        storage::venues::account_insert(act.tx(), &main).await?;
        act.changes_books();
        act.record(Event::VenueCreated { venue: venue.id.clone(), name: venue.name.clone(), environment }).await?;
        act.commit(Event::AccountCreated { account: main.id, venue: venue.id.clone(), name: main.name }).await?;
        Ok(venue)
    }

    /// Writes down another main account at a venue.
    ///
    /// # Errors
    /// `Denied`; `Invalid`, also when the venue has one of that name, or is retired.
    pub async fn create_account(&self, actor: &Actor, venue: &str, name: &str) -> Result<Account, AppError> {
        let permit = authz::check(actor, Action::EditVenues, &Resource::Installation)?;
        let mut invalid = Invalid::default();
        let name = plain_name(&mut invalid, name);
        let venue = self.usable_venue(&mut invalid, venue);
        let (Some(name), Some(venue)) = (name, venue) else { return Err(invalid.into()) };
        let mut act = self.begin(permit, Lane::Normal).await?;
        let mut others = storage::venues::account_all(act.tx()).await?.into_iter().filter(|other| other.venue_id == venue.id);
        if let Some(other) = others.find(|other| is_alike(&other.name, &name)) {
            return Err(Invalid::one("name", format!("This venue has an account of that name: {}", other.name)).into());
        }
        let made = Account { id: AccountId::new(), venue_id: venue.id.clone(), name, created_at: act.now(), retired_at: None };
        match storage::venues::account_insert(act.tx(), &made).await {
            Err(storage::Error::Duplicate(_)) => return Err(Invalid::one("name", "This venue has an account of that name").into()),
            other => other?,
        }
        act.changes_books();
        act.commit(Event::AccountCreated { account: made.id.clone(), venue: venue.id, name: made.name.clone() }).await?;
        Ok(made)
    }

    /// A venue that takes new use.
    fn usable_venue(&self, invalid: &mut Invalid, venue: &str) -> Option<Venue> {
        let found = self.venues().named(venue).ok();
        match &found {
            None => invalid.0.push(("venue", "Choose a venue".into())),
            Some(venue) if venue.retired_at.is_some() => invalid.0.push(("venue", format!("Venue {} is retired", venue.name))),
            Some(_) => {}
        }
        found.filter(|venue| venue.retired_at.is_none())
    }

    /// Writes down a subaccount of the main account of a venue.
    ///
    /// # Errors
    /// As `create_subaccount_of`.
    pub async fn create_subaccount(&self, actor: &Actor, venue: &str, name: &str) -> Result<Subaccount, AppError> {
        self.create_subaccount_of(actor, (venue, ""), name).await
    }

    /// Writes down a subaccount of an account at a venue. No account is named: the only one there is, or that called `main`.
    ///
    /// # Errors
    /// `Denied`; `Invalid`, also when the venue has one of that name, or venue or account are retired.
    pub async fn create_subaccount_of(&self, actor: &Actor, (venue, account): (&str, &str), name: &str) -> Result<Subaccount, AppError> {
        let permit = authz::check(actor, Action::EditVenues, &Resource::Installation)?;
        let mut invalid = Invalid::default();
        let name = plain_name(&mut invalid, name);
        let venue = self.usable_venue(&mut invalid, venue);
        let account = venue.as_ref().and_then(|venue| {
            let found = invalid.check("account", "The account:", account_of(&self.venues().accounts_of(&venue.id), account));
            found.map(|account| account.id)
        });
        let (Some(name), Some(venue), Some(account_id)) = (name, venue, account) else { return Err(invalid.into()) };
        let mut act = self.begin(permit, Lane::Normal).await?;
        let mut others = storage::venues::subaccount_all(act.tx()).await?.into_iter().filter(|other| other.venue_id == venue.id);
        if let Some(other) = others.find(|other| is_alike(&other.name, &name)) {
            return Err(Invalid::one("name", format!("This venue has a subaccount of that name: {}", other.name)).into());
        }
        let made =
            Subaccount { id: SubaccountId::new(), venue_id: venue.id.clone(), account_id, name, created_at: act.now(), retired_at: None };
        match storage::venues::subaccount_insert(act.tx(), &made).await {
            Err(storage::Error::Duplicate(_)) => return Err(Invalid::one("name", "This venue has a subaccount of that name").into()),
            other => other?,
        }
        act.changes_books();
        act.commit(Event::SubaccountCreated { subaccount: made.id.clone(), venue: venue.id, name: made.name.clone() }).await?;
        Ok(made)
    }

    /// Binds two bots, so that whoever stops one is offered the other.
    ///
    /// # Errors
    /// `Denied` unless the person trades in the first one's team; `Invalid` for a bot that is not there or the same; `Conflict` when they are bound.
    pub async fn link_bots(&self, actor: &Actor, id: &BotId, other: &str, why: &str) -> Result<(), AppError> {
        let view = self.fleet.view();
        let bot = view.bot(id).ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::EditBot, &Self::bot_resource(bot))?;
        let mut invalid = Invalid::default();
        let why = invalid.check("why", "What binds them", text::why(why)).filter(|why| !why.is_empty());
        if why.is_none() && invalid.0.is_empty() {
            invalid.0.push(("why", "Say what binds them, for example: two legs of one hedge".into()));
        }
        let other = view.bots().find(|bot| bot.id.as_str() == other || bot.name.eq_ignore_ascii_case(other.trim()));
        let other = other.filter(|other| other.id != *id);
        if other.is_none() {
            invalid.0.push(("other", "Name another bot".into()));
        }
        let (Some(why), Some(other), true) = (why, other, invalid.0.is_empty()) else { return Err(invalid.into()) };
        let (first, second) = in_order(id, &other.id);
        let mut act = self.begin(permit, Lane::Normal).await?;
        let link = Link { bot_id: first, other_id: second, why: why.clone(), made_at: act.now() };
        match storage::venues::link_insert(act.tx(), &link).await {
            Err(storage::Error::Duplicate(_)) => return Err(AppError::conflict("they are bound already")),
            done => done?,
        }
        act.changes_books();
        act.commit(Event::BotsLinked { bot: link.bot_id, other: link.other_id, why }).await?;
        Ok(())
    }

    /// Ends such a bond.
    ///
    /// # Errors
    /// `Denied`; `Conflict` when there is none.
    pub async fn unlink_bots(&self, actor: &Actor, id: &BotId, other: &BotId) -> Result<(), AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::EditBot, &Self::bot_resource(&bot))?;
        let (first, second) = in_order(id, other);
        let mut act = self.begin(permit, Lane::Normal).await?;
        if !storage::venues::link_delete(act.tx(), &first, &second).await? {
            return Err(AppError::conflict("they are not bound"));
        }
        act.changes_books();
        act.commit(Event::BotsUnlinked { bot: first, other: second }).await?;
        Ok(())
    }
}

/// What the first account of a venue is called.
pub(super) const MAIN: &str = "main";

/// The account that is meant: by id or name, or with neither the only one, or that called `main`.
pub(super) fn account_of(accounts: &[Account], named: &str) -> Result<Account, &'static str> {
    let named = named.trim();
    let mut usable = accounts.iter().filter(|account| account.retired_at.is_none());
    let found = match named {
        "" if usable.clone().count() == 1 => usable.next(),
        "" => usable.find(|account| account.name == MAIN),
        named => accounts.iter().find(|account| account.id.as_str() == named || is_alike(&account.name, named)),
    };
    match found {
        None if named.is_empty() => Err("choose one: the venue has several"),
        None => Err("this venue has none of that name"),
        Some(account) if account.retired_at.is_some() => Err("it is retired"),
        Some(account) => Ok(account.clone()),
    }
}

/// Names that differ in case alone are one name to whoever stops in haste.
pub(super) fn is_alike(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// A name without a slash, which parts a venue from its subaccount.
pub(super) fn plain_name(invalid: &mut Invalid, name: &str) -> Option<String> {
    if name.contains('/') {
        invalid.0.push(("name", "The name cannot hold a slash, which parts a venue from its subaccount; write a dash instead".into()));
        return None;
    }
    invalid.check("name", "The name", text::name(name))
}

fn in_order(one: &BotId, other: &BotId) -> (BotId, BotId) {
    if one < other { (one.clone(), other.clone()) } else { (other.clone(), one.clone()) }
}

/// Keeps a bot that is about to leave a scope under every unreleased hold that covers it (ruling H21).
pub(crate) async fn keep_holds(act: &mut Act<'_>, view: &View, bot: &BotFacts) -> Result<(), AppError> {
    for hold in view.open_holds().filter(|hold| view.covers(hold, bot)) {
        storage::holds::hold_keep(act.tx(), &hold.id, &bot.id).await?;
    }
    Ok(())
}

/// Refuses what would take a killed bot up again.
pub(crate) fn check_not_killed(view: &View, bot: &BotFacts) -> Result<(), AppError> {
    if is_killed(view, bot) { Err(AppError::conflict("a kill covers it: that must be released first, by two people")) } else { Ok(()) }
}
