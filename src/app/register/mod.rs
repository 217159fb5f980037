//! The register: what exists and who is accountable. Venues, accounts and subaccounts are edited and retired here; bots in `bots`, what a page lists
//! in `board`, files in `file`, `difference` and `import`. Nothing is deleted: what is retired refuses new use and keeps its history.

pub mod board;
pub mod bots;
pub mod difference;
pub mod file;
pub mod import;

use super::{
    App, AppError, Invalid,
    tx::Act,
    venues::{Account, Subaccount, Venue, is_alike, plain_name},
};
use crate::audit::{Event, event::FieldChange};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{AccountId, BotFacts, Notice, NoticeKind, Scope, Stage, SubaccountId, Timestamp, VenueId, text};
use crate::fleet::View;
use crate::storage::{self, Lane};
use std::sync::Arc;

/// Something of a venue's that can be renamed and retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A venue.
    Venue(VenueId),
    /// An account.
    Account(AccountId),
    /// A subaccount.
    Subaccount(SubaccountId),
}

/// The same with what is written down of it.
enum Found {
    Venue(Venue),
    Account(Account),
    Subaccount(Subaccount),
}

impl Thing {
    /// What kind of thing it is.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Venue(_) => "venue",
            Self::Account(_) => "account",
            Self::Subaccount(_) => "subaccount",
        }
    }
    fn id(&self) -> &str {
        match self {
            Self::Venue(id) => id.as_str(),
            Self::Account(id) => id.as_str(),
            Self::Subaccount(id) => id.as_str(),
        }
    }
}

impl Found {
    fn name(&mut self) -> &mut String {
        match self {
            Self::Venue(one) => &mut one.name,
            Self::Account(one) => &mut one.name,
            Self::Subaccount(one) => &mut one.name,
        }
    }
    fn retired_at(&mut self) -> &mut Option<Timestamp> {
        match self {
            Self::Venue(one) => &mut one.retired_at,
            Self::Account(one) => &mut one.retired_at,
            Self::Subaccount(one) => &mut one.retired_at,
        }
    }
    async fn write(&self, act: &mut Act<'_>) -> Result<(), AppError> {
        let written = match self {
            Self::Venue(one) => storage::venues::venue_edit(act.tx(), one).await,
            Self::Account(one) => storage::venues::account_edit(act.tx(), one).await,
            Self::Subaccount(one) => storage::venues::subaccount_edit(act.tx(), one).await,
        };
        match written {
            Err(storage::Error::Duplicate(_)) => Err(Invalid::one("name", "There is one of that name").into()),
            other => Ok(other?),
        }
    }
}

/// What is to be written down otherwise; none: stays.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Another name.
    pub name: Option<String>,
    /// Of a venue: another exchange.
    pub exchange: Option<String>,
    /// Of a subaccount: another account of its venue, by id or name.
    pub account: Option<String>,
}

impl App {
    /// What this transaction sees of a thing, and the names of its like.
    async fn thing_in(&self, act: &mut Act<'_>, thing: &Thing) -> Result<(Found, Vec<String>), AppError> {
        let missing = AppError::NotFound(thing.noun());
        match thing {
            Thing::Venue(id) => {
                let (own, others): (Vec<_>, Vec<_>) =
                    storage::venues::venue_all(act.tx()).await?.into_iter().partition(|one| one.id == *id);
                let own = own.into_iter().next().ok_or(missing)?;
                Ok((Found::Venue(own), others.into_iter().map(|one| one.name).collect()))
            }
            Thing::Account(id) => {
                let (own, others): (Vec<_>, Vec<_>) =
                    storage::venues::account_all(act.tx()).await?.into_iter().partition(|one| one.id == *id);
                let own = own.into_iter().next().ok_or(missing)?;
                let others = others.into_iter().filter(|one| one.venue_id == own.venue_id).map(|one| one.name).collect();
                Ok((Found::Account(own), others))
            }
            Thing::Subaccount(id) => {
                let all = storage::venues::subaccount_all(act.tx()).await?;
                let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.id == *id);
                let own = own.into_iter().next().ok_or(missing)?;
                let others = others.into_iter().filter(|one| one.venue_id == own.venue_id).map(|one| one.name).collect();
                Ok((Found::Subaccount(own), others))
            }
        }
    }

    /// Writes something of a venue's down otherwise. Bots go on: what a thing is called decides nothing.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Invalid` for what cannot be, or is taken; `Conflict` when nothing would change.
    pub async fn edit_thing(&self, actor: &Actor, thing: &Thing, edit: &Edit) -> Result<(), AppError> {
        let permit = authz::check(actor, Action::EditVenues, &Resource::Installation)?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let (mut found, others) = self.thing_in(&mut act, thing).await?;
        let mut invalid = Invalid::default();
        let mut changes = Vec::new();
        if let Some(name) = edit.name.as_deref().and_then(|name| plain_name(&mut invalid, name)) {
            if let Some(other) = others.iter().find(|other| is_alike(other, &name)) {
                invalid.0.push(("name", format!("There is a {} of that name: {other}", thing.noun())));
            }
            note(&mut changes, "name", found.name(), name);
        }
        if let (Found::Venue(venue), Some(exchange)) = (&mut found, &edit.exchange)
            && let Some(exchange) = invalid.check("exchange", "The exchange", text::name(exchange))
        {
            if exchange != venue.exchange && self.has_keys_at(&venue.id) {
                let why =
                    "bots have keys here, which were approved and measured at this exchange: end those first, or write down another venue";
                return Err(AppError::conflict(why));
            }
            note(&mut changes, "exchange", &mut venue.exchange, exchange);
        }
        if let (Found::Subaccount(one), Some(account)) = (&mut found, &edit.account) {
            let accounts = self.venues().accounts_of(&one.venue_id);
            let meant = invalid.check("account", "The account:", super::venues::account_of(&accounts, account));
            if let Some(meant) = meant.filter(|meant| meant.id != one.account_id) {
                let from = accounts.iter().find(|other| other.id == one.account_id).map(|other| other.name.clone());
                changes.push(FieldChange { field: "account".into(), from: from.unwrap_or_default(), to: meant.name });
                one.account_id = meant.id;
            }
        }
        if !invalid.0.is_empty() {
            return Err(invalid.into());
        }
        if changes.is_empty() {
            return Err(AppError::conflict("that is written down already; nothing would change"));
        }
        found.write(&mut act).await?;
        act.changes_books();
        let name = found.name().clone();
        self.tell_of_thing(&mut act, thing, &format!("{} {name}", thing.noun()), &words(&changes)).await?;
        act.commit(Event::RegisterEdited { what: thing.noun().into(), id: thing.id().into(), name, bot: None, changes }).await?;
        Ok(())
    }

    /// Retires something of a venue's, or takes it back into use.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Conflict` with the bots that use it, or when it is so already.
    pub async fn retire_thing(&self, actor: &Actor, thing: &Thing, retired: bool) -> Result<(), AppError> {
        let permit = authz::check(actor, Action::EditVenues, &Resource::Installation)?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        // Under the counter's lock nobody is given a subaccount meanwhile.
        act.epoch().await?;
        let view = self.view_in(act.tx()).await?;
        let (mut found, _) = self.thing_in(&mut act, thing).await?;
        if found.retired_at().is_some() == retired {
            let how = if retired { "retired" } else { "in use" };
            return Err(AppError::conflict(format!("it is {how} already")));
        }
        let users = self.users_of(&view, thing);
        if retired && !users.is_empty() {
            let names = users.iter().map(|bot| format!("bot {} uses it: take its subaccount away or retire the bot first", bot.name));
            return Err(AppError::Conflict(names.take(USERS_NAMED).collect()));
        }
        *found.retired_at() = retired.then(|| act.now());
        found.write(&mut act).await?;
        act.changes_books();
        let name = found.name().clone();
        let what = format!("{} {name}", thing.noun());
        self.tell_of_thing(&mut act, thing, &what, if retired { "it was retired: no bot may have it anew" } else { "it is in use again" })
            .await?;
        act.commit(Event::RegisterRetired { what: thing.noun().into(), id: thing.id().into(), name, retired }).await?;
        Ok(())
    }

    /// Bots that trade there, retired ones aside, by name.
    pub fn users_of(&self, view: &View, thing: &Thing) -> Vec<Arc<BotFacts>> {
        match thing {
            Thing::Venue(id) => view.in_scope(&Scope::Venue(id.clone())),
            Thing::Subaccount(id) => view.in_scope(&Scope::Subaccount(id.clone())),
            Thing::Account(id) => {
                let rows = self.venues().rows();
                let is_there = |bot: &&Arc<BotFacts>| {
                    let one = bot.seat.as_ref().and_then(|seat| rows.subaccount(&seat.subaccount));
                    bot.stage != Stage::Retired && one.is_some_and(|one| one.account_id == *id)
                };
                let mut bots: Vec<_> = view.bots().filter(is_there).cloned().collect();
                bots.sort_by(|a, b| a.name.cmp(&b.name));
                bots
            }
        }
    }

    /// Tells admins, and owners and deputies of bots that trade there, that something of a venue's is written down otherwise.
    async fn tell_of_thing(&self, act: &mut Act<'_>, thing: &Thing, what: &str, how: &str) -> Result<(), AppError> {
        let mut people = storage::notices::notice_admins(act.tx()).await?;
        for bot in self.users_of(&self.fleet.view(), thing) {
            people.extend(self.accountable(&bot));
        }
        let own = act.actor().user().cloned();
        people.retain(|one| Some(one) != own.as_ref());
        let notice = Notice::new(
            NoticeKind::RegisterChanged,
            format!("{}:{}", thing.id(), act.now().0),
            format!("Register: {what}"),
            format!("In the register, of {what}: {how}."),
        );
        act.tell(&crate::domain::Audience { people, admins: false }, &notice.at("/venues")).await.map(drop)
    }
}

/// Bots that a refusal names.
const USERS_NAMED: usize = 20;

/// Changes of fields in words: `name was a, is b`.
pub(crate) fn words(changes: &[FieldChange]) -> String {
    let shown = |text: &str| if text.is_empty() { "nothing".to_owned() } else { format!("\u{201c}{text}\u{201d}") };
    let all: Vec<String> = changes.iter().map(|one| format!("{} was {}, is {}", one.field, shown(&one.from), shown(&one.to))).collect();
    all.join("; ")
}

/// Takes over another value of a field and notes that it changed.
fn note(changes: &mut Vec<FieldChange>, field: &str, now: &mut String, after: String) {
    if *now != after {
        let from = std::mem::replace(now, after.clone());
        changes.push(FieldChange { field: field.to_owned(), from, to: after });
    }
}
