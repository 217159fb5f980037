//! Venues, their subaccounts, which bot has which, and bots that are stopped together. In memory as every press needs them: a dead database
//! takes no scope away.

use super::{App, AppError, Invalid, kills::is_killed, scopes, tx::Act};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotFacts, BotId, Environment, Hold, Scope, Seat, Stage, State, StopFact, StopKind, SubaccountId, VenueId, text};
use crate::fleet::View;
pub use crate::storage::venues::{Link, Subaccount, Venue};
use crate::storage::{self, Conn, Lane};
use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

/// What the book holds.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    venues: Vec<Venue>,
    subaccounts: Vec<Subaccount>,
    links: Vec<Link>,
}

/// Reads it.
pub(crate) async fn read(conn: &mut Conn) -> storage::Result<Rows> {
    Ok(Rows {
        venues: storage::venues::venue_all(conn).await?,
        subaccounts: storage::venues::subaccount_all(conn).await?,
        links: storage::venues::link_all(conn).await?,
    })
}

/// Every venue, subaccount and link.
#[derive(Default)]
pub struct VenueBook(RwLock<Arc<Rows>>);

impl VenueBook {
    pub(crate) fn reload(&self, rows: Rows) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rows);
    }
    fn rows(&self) -> Arc<Rows> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Every venue by name.
    pub fn venues(&self) -> Vec<Venue> {
        self.rows().venues.clone()
    }
    /// One venue.
    pub fn venue(&self, id: &VenueId) -> Option<Venue> {
        self.rows().venues.iter().find(|venue| venue.id == *id).cloned()
    }
    /// A venue by its id or name, in whatever case where only one has it.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when several differ in case alone.
    pub fn named(&self, name: &str) -> Result<Venue, AppError> {
        let rows = self.rows();
        scopes::named("venue", rows.venues.iter().map(|venue| (venue.id.as_str(), venue.name.as_str(), venue)), name).cloned()
    }
    /// Every subaccount, those of one venue together.
    pub fn subaccounts(&self) -> Vec<Subaccount> {
        self.rows().subaccounts.clone()
    }
    /// One subaccount.
    pub fn subaccount(&self, id: &SubaccountId) -> Option<Subaccount> {
        self.rows().subaccounts.iter().find(|one| one.id == *id).cloned()
    }
    /// A subaccount by its id, as `VENUE/NAME`, or by its name where only one venue has it.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` with every one that could be meant.
    pub fn subaccount_named(&self, name: &str) -> Result<Subaccount, AppError> {
        let rows = self.rows();
        let labels: Vec<String> = rows.subaccounts.iter().map(|one| self.label(one)).collect();
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
        let venue = self.venue(&subaccount.venue_id).map_or_else(|| subaccount.venue_id.to_string(), |venue| venue.name);
        format!("{venue}/{}", subaccount.name)
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

    /// Writes down a venue.
    ///
    /// # Errors
    /// `Denied`; `Invalid`, also when the name is taken.
    pub async fn create_venue(&self, actor: &Actor, name: &str, environment: &str) -> Result<Venue, AppError> {
        let permit = authz::check(actor, Action::EditVenues, &Resource::Installation)?;
        let mut invalid = Invalid::default();
        let name = plain_name(&mut invalid, name);
        let environment = invalid.check("environment", "The environment:", environment.parse::<Environment>());
        let (Some(name), Some(environment)) = (name, environment) else { return Err(invalid.into()) };
        let mut act = self.begin(permit, Lane::Normal).await?;
        if let Some(other) = storage::venues::venue_all(act.tx()).await?.into_iter().find(|other| is_alike(&other.name, &name)) {
            return Err(Invalid::one("name", format!("There is a venue of that name: {}", other.name)).into());
        }
        let venue = Venue { id: VenueId::new(), name, environment, created_at: act.now() };
        match storage::venues::venue_insert(act.tx(), &venue).await {
            Err(storage::Error::Duplicate(_)) => return Err(Invalid::one("name", "There is a venue of that name").into()),
            other => other?,
        }
        act.changes_books();
        act.commit(Event::VenueCreated { venue: venue.id.clone(), name: venue.name.clone(), environment }).await?;
        Ok(venue)
    }

    /// Writes down a subaccount of a venue.
    ///
    /// # Errors
    /// `Denied`; `Invalid`, also when the venue has one of that name.
    pub async fn create_subaccount(&self, actor: &Actor, venue: &str, name: &str) -> Result<Subaccount, AppError> {
        let permit = authz::check(actor, Action::EditVenues, &Resource::Installation)?;
        let mut invalid = Invalid::default();
        let name = plain_name(&mut invalid, name);
        let venue = self.venues().named(venue).ok();
        if venue.is_none() {
            invalid.0.push(("venue", "Choose a venue".into()));
        }
        let (Some(name), Some(venue)) = (name, venue) else { return Err(invalid.into()) };
        let mut act = self.begin(permit, Lane::Normal).await?;
        let mut others = storage::venues::subaccount_all(act.tx()).await?.into_iter().filter(|other| other.venue_id == venue.id);
        if let Some(other) = others.find(|other| is_alike(&other.name, &name)) {
            return Err(Invalid::one("name", format!("This venue has a subaccount of that name: {}", other.name)).into());
        }
        let made = Subaccount { id: SubaccountId::new(), venue_id: venue.id.clone(), name, created_at: act.now() };
        match storage::venues::subaccount_insert(act.tx(), &made).await {
            Err(storage::Error::Duplicate(_)) => return Err(Invalid::one("name", "This venue has a subaccount of that name").into()),
            other => other?,
        }
        act.changes_books();
        act.commit(Event::SubaccountCreated { subaccount: made.id.clone(), venue: venue.id, name: made.name.clone() }).await?;
        Ok(made)
    }

    /// Gives a bot a subaccount, or takes its own away: a stop. Every unreleased hold that covers it now goes on covering it (ruling H21).
    ///
    /// # Errors
    /// `Denied`; `Invalid` for a subaccount that is not there; `Conflict` when another bot has it, or it is live and the bot is in sandbox.
    pub async fn seat_bot(&self, actor: &Actor, id: &BotId, to: Option<&SubaccountId>) -> Result<(), AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::EditBot, &Self::bot_resource(&bot))?;
        let seat = match to {
            None => None,
            Some(to) => {
                let found = self.venues().subaccount(to).ok_or_else(|| Invalid::one("subaccount", "Choose a subaccount"))?;
                Some(Seat { subaccount: found.id, venue: found.venue_id })
            }
        };
        let mut act = self.begin(permit, Lane::Normal).await?;
        let epoch = act.epoch().await?;
        let view = self.view_in(act.tx()).await?;
        let mut bot = BotFacts::clone(view.bot(id).ok_or(AppError::NotFound("bot"))?);
        if bot.seat == seat {
            return Err(AppError::conflict("that is where it trades already"));
        }
        self.check_environment(&seat, bot.stage)?;
        keep_holds(&mut act, &view, &bot).await?;
        let from = std::mem::replace(&mut bot.seat, seat.clone()).map(|seat| seat.subaccount);
        bot.fact_epoch = epoch;
        match storage::bots::bot_edit(act.tx(), &bot).await {
            Err(storage::Error::Duplicate(_)) => {
                let has = view.bots().find(|other| other.seat == seat && other.id != *id && other.stage != Stage::Retired);
                let who = has.map_or_else(|| "another bot".to_owned(), |bot| format!("bot {}", bot.name));
                return Err(AppError::conflict(format!("{who} has this subaccount; one subaccount serves one bot at a time")));
            }
            other => other?,
        }
        let stop = StopFact { epoch, kind: StopKind::Stage, why: "its subaccount changed".into(), at: act.now() };
        storage::bots::bot_stop(act.tx(), id, &stop).await?;
        act.commit(Event::BotSeated { bot: id.clone(), from, to: seat.map(|seat| seat.subaccount) }).await?;
        Ok(())
    }

    /// Invariant 7: what is in sandbox never meets a live venue.
    pub(crate) fn check_environment(&self, seat: &Option<Seat>, stage: Stage) -> Result<(), AppError> {
        let venue = seat.as_ref().and_then(|seat| self.venues().venue(&seat.venue));
        match venue {
            Some(venue) if venue.environment == Environment::Live && stage == Stage::Sandbox => {
                Err(AppError::conflict(format!("venue {} is a live venue; in sandbox a bot trades on test venues only", venue.name)))
            }
            _ => Ok(()),
        }
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

/// Names that differ in case alone are one name to whoever stops in haste.
pub(super) fn is_alike(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// A name without a slash, which parts a venue from its subaccount.
fn plain_name(invalid: &mut Invalid, name: &str) -> Option<String> {
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
