//! A change at an exchange that somebody writes down: another matching engine, other tick sizes, another version of its interface. What was tested
//! before it is to be tested again (RTS 6 article 5(5)). Nothing stops for it: whoever thinks that something should presses, and what has to be
//! tested again stands in the way of the next step up.

use super::drift::is_bound;
use crate::app::{App, AppError, Invalid, register::Thing};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    Audience, BotFacts, BotId, Notice, NoticeKind, Stage, Timestamp, VenueChangeId, VenueId,
    checklist::Item,
    golive::{Ran, VenueChange},
    text,
};
pub use crate::storage::venue_changes::VenueChangeRow;
use crate::storage::{self, Conn, Lane, venue_changes::Answered};
use std::{collections::HashSet, sync::Arc};

/// Changes that a page shows.
const SHOWN: i64 = 20;

/// What is to be tested again of a bot that trades live, since its exchange changed.
#[derive(Debug, Clone)]
pub struct TestsDue {
    /// The change.
    pub change: VenueChange,
    /// The items that nobody has answered for since, in words, in the order of its list.
    pub items: Vec<String>,
}

/// The bots' tests that were answered for since a moment.
type Since = HashSet<Answered>;

impl App {
    /// Writes down that something changed at an exchange, and tells admins and whoever is accountable for a bot there.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; `Invalid` without words; `Conflict` for a venue that is retired.
    pub async fn note_venue_change(&self, actor: &Actor, id: &VenueId, what: &str) -> Result<(), AppError> {
        let permit = authz::check(actor, Action::EditVenues, &Resource::Installation)?;
        let mut invalid = Invalid::default();
        let what = invalid.check("what", "What changed", text::why(what));
        if what.as_ref().is_some_and(String::is_empty) {
            invalid.0.push(("what", "Say what changed there: whoever tests again reads it".to_owned()));
        }
        let Some(what) = what.filter(|_| invalid.0.is_empty()) else { return Err(invalid.into()) };
        let mut act = self.begin(permit, Lane::Normal).await?;
        let venue = storage::venues::venue_all(act.tx()).await?.into_iter().find(|one| one.id == *id);
        let venue = venue.ok_or(AppError::NotFound("venue"))?;
        if venue.retired_at.is_some() {
            return Err(AppError::conflict("it is retired: nothing trades there"));
        }
        let (by, now) = (act.actor().as_placer().name, act.now());
        let row = VenueChangeRow { id: VenueChangeId::new(), venue_id: id.clone(), what: what.clone(), noted_by: by, noted_at: now };
        storage::venue_changes::venue_change_insert(act.tx(), &row).await?;
        let view = self.fleet.view();
        let bots = self.users_of(&view, &Thing::Venue(id.clone()));
        let mut people = storage::notices::notice_admins(act.tx()).await?;
        people.extend(bots.iter().flat_map(|bot| self.accountable(bot)));
        let text = format!(
            "{} wrote down of venue {}: {what}\n\nTests of builds that were answered for before this are due again, on the go-live page of each \
             bot that trades there. Bots go on meanwhile: pause what should not.",
            row.noted_by, venue.name
        );
        let title = format!("Venue {} changed: tests are due again", venue.name);
        let notice = Notice::new(NoticeKind::RegisterChanged, &row.id, title, text).at(format!("/venues/{id}"));
        act.tell(&Audience { people, admins: false }, &notice).await?;
        act.commit(Event::VenueChanged { venue: id.clone(), name: venue.name, what }).await?;
        Ok(())
    }

    /// What changed at a venue, the newest first.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn venue_changes(&self, actor: &Actor, id: &VenueId) -> Result<Vec<VenueChangeRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::venue_changes::venue_change_of(&mut *self.db.read().await?, id, SHOWN).await?)
    }

    /// What changed last where a bot trades.
    pub(super) async fn venue_changed(&self, conn: &mut Conn, bot: &BotFacts) -> Result<Option<VenueChange>, AppError> {
        let Some(seat) = &bot.seat else { return Ok(None) };
        let newest = storage::venue_changes::venue_change_of(conn, &seat.venue, 1).await?;
        Ok(newest.into_iter().next().map(|row| self.in_words(row)))
    }

    /// True when something changed where a bot trades, at this moment or after it.
    pub(super) async fn venue_changed_after(&self, conn: &mut Conn, bot: &BotId, moment: Timestamp) -> Result<bool, AppError> {
        let Some(bot) = storage::bots::bot_by_id(conn, bot).await? else { return Ok(false) };
        Ok(self.venue_changed(conn, &bot).await?.is_some_and(|change| change.at >= moment))
    }

    fn in_words(&self, row: VenueChangeRow) -> VenueChange {
        let venue = self.venues().venue(&row.venue_id).map_or_else(|| row.venue_id.to_string(), |venue| venue.name);
        VenueChange { venue, what: row.what, at: row.noted_at }
    }

    /// Every bot at a venue that trades live and was not tested again since that changed, by name.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn tests_due_at(&self, actor: &Actor, venue: &VenueId) -> Result<Vec<(Arc<BotFacts>, TestsDue)>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let mut conn = self.db.read().await?;
        let newest = storage::venue_changes::venue_change_of(&mut conn, venue, 1).await?;
        let Some(change) = newest.into_iter().next() else { return Ok(Vec::new()) };
        let since: Since = storage::venue_changes::answered_since(&mut conn, change.noted_at).await?.into_iter().collect();
        drop(conn);
        let change = self.in_words(change);
        let mut due = Vec::new();
        for bot in self.users_of(&self.fleet.view(), &Thing::Venue(venue.clone())) {
            due.extend(self.due(&bot, &change, &since)?.map(|found| (bot, found)));
        }
        Ok(due)
    }

    /// What is to be tested again of one bot; none: nothing.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn tests_due_of(&self, actor: &Actor, bot: &BotFacts) -> Result<Option<TestsDue>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        if !is_bound(bot.stage) {
            return Ok(None);
        }
        let mut conn = self.db.read().await?;
        let Some(change) = self.venue_changed(&mut conn, bot).await? else { return Ok(None) };
        let since: Since = storage::venue_changes::answered_of(&mut conn, &bot.id, change.at).await?.into_iter().collect();
        self.due(bot, &change, &since)
    }

    fn due(&self, bot: &BotFacts, change: &VenueChange, since: &Since) -> Result<Option<TestsDue>, AppError> {
        let Some(runs) = bot.run.as_ref().filter(|_| is_bound(bot.stage)).map(|run| &run.dossier.runs) else { return Ok(None) };
        let list = self.list_of(bot.stage)?;
        let is_untested =
            |item: &&Item| item.of_build && item.measure.is_none() && !since.contains(&answered(&bot.id, bot.stage, &item.name, runs));
        let items: Vec<String> = list.items.iter().filter(is_untested).map(|item| item.words.clone()).collect();
        Ok((!items.is_empty()).then(|| TestsDue { change: change.clone(), items }))
    }
}

fn answered(bot: &BotId, stage: Stage, item: &str, runs: &Ran) -> Answered {
    Answered { bot_id: bot.clone(), stage, item: item.to_owned(), build: runs.build.clone(), config: runs.config.clone() }
}
