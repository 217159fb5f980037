//! What a file would change: every row is laid beside what is written down, and answered as added, changed field by field, left out or refused. Pure:
//! it reads one moment of the register and writes nothing. What a bot may do is never changed by a file: its stage, team, strategy, limits, keys
//! and where it trades have acts of their own.

mod bots;
mod rows;

pub(crate) use rows::rows_of;

use super::file::{Kind, Refusal, Row};
use crate::app::venues::{MAIN, Rows, account_of};
use crate::audit::event::FieldChange;
use crate::authz::{Action, Resource};
use crate::domain::{BotId, Environment, Stage, SubaccountId, UserId, text};
use crate::fleet::View;
use crate::storage::{teams::Team, users::User};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// One moment of the register.
pub struct World {
    /// Venues and what belongs to them; sheets.
    pub(crate) book: Arc<Rows>,
    /// Bots.
    pub(crate) view: Arc<View>,
    /// Teams.
    pub(crate) teams: Vec<Team>,
    /// People.
    pub(crate) users: Vec<Arc<User>>,
}

/// Something that a row does.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Line {
    /// Where it stands in the file.
    pub line: u64,
    /// `added` or `changed`.
    pub what: String,
    /// What it is about.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Each field as it was and as it is to be.
    pub changes: Vec<FieldChange>,
}

/// What a file would change.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// What is done.
    pub lines: Vec<Line>,
    /// What is left out of a row that is done.
    pub left_out: Vec<Refusal>,
    /// What stands in the way of all of it.
    pub refused: Vec<Refusal>,
}

impl Difference {
    /// True when nothing would change.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.refused.is_empty()
    }
    /// How many rows are of this word.
    pub fn count(&self, what: &str) -> usize {
        self.lines.iter().filter(|line| line.what == what).count()
    }
    /// SHA-256 of it, hex: whoever confirms names what they saw.
    ///
    /// # Errors
    /// Does not happen with these types.
    pub fn digest(&self) -> Result<String, serde_json::Error> {
        use sha2::{Digest, Sha256};
        Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(serde_json::to_vec(self)?)))
    }
}

/// A row that does something: what it is about, and every field of it as it is to be, names by ids where they name something.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) is_new: bool,
    pub(crate) after: BTreeMap<&'static str, String>,
    pub(crate) operators: Option<Vec<UserId>>,
}

impl Step {
    pub(crate) fn after(&self, column: &str) -> &str {
        self.after.get(column).map_or("", String::as_str)
    }
}

type May<'a> = &'a (dyn Fn(Action, &Resource) -> bool + Sync);

/// Lays a file beside the register. `may`: what whoever brings it may change.
pub(crate) fn difference(world: &World, rows: &[Row], may: May<'_>) -> (Difference, Vec<Step>) {
    let mut work = Work {
        world,
        may,
        out: Difference::default(),
        steps: Vec::new(),
        names: Names::of(world),
        seen: HashSet::new(),
        seats: HashSet::new(),
    };
    for kind in Kind::ALL {
        if *kind == Kind::Subaccount {
            work.main_accounts();
        }
        for row in rows.iter().filter(|row| row.kind == *kind) {
            if let Err(why) = work.row(row) {
                work.out.refused.push(Refusal::new(row.line, why));
            }
        }
    }
    work.check_names();
    work.check_retired();
    work.out.lines.sort_by_key(|line| line.line);
    work.out.refused.sort();
    work.out.left_out.sort();
    (work.out, work.steps)
}

/// What things are called, before and after, by what tells them apart: ids by lower-case name.
struct Names {
    venues: HashMap<String, String>,
    accounts: HashMap<(String, String), String>,
    subaccounts: HashMap<(String, String), String>,
    bots: HashMap<String, String>,
    // Names as they are shown, by id.
    shown: HashMap<String, String>,
}

impl Names {
    fn of(world: &World) -> Self {
        let lower = |name: &str| name.to_lowercase();
        let book = &world.book;
        Self {
            venues: book.venues.iter().map(|one| (lower(&one.name), one.id.to_string())).collect(),
            accounts: book.accounts.iter().map(|one| ((one.venue_id.to_string(), lower(&one.name)), one.id.to_string())).collect(),
            subaccounts: book.subaccounts.iter().map(|one| ((one.venue_id.to_string(), lower(&one.name)), one.id.to_string())).collect(),
            bots: world.view.bots().map(|one| (lower(&one.name), one.id.to_string())).collect(),
            shown: (book.venues.iter().map(|one| (one.id.to_string(), one.name.clone())))
                .chain(book.accounts.iter().map(|one| (one.id.to_string(), one.name.clone())))
                .collect(),
        }
    }
}

struct Work<'a> {
    world: &'a World,
    may: May<'a>,
    out: Difference,
    steps: Vec<Step>,
    names: Names,
    seen: HashSet<String>,
    seats: HashSet<String>,
}

/// Why a row cannot be taken.
type Why = String;

/// A row being worked out.
struct Draft {
    line: u64,
    is_new: bool,
    step: Step,
    changes: Vec<FieldChange>,
}

impl Draft {
    fn new(row: &Row, found: Option<String>) -> Self {
        let is_new = found.is_none();
        let id = found.unwrap_or_else(|| BotId::new().to_string());
        Self {
            line: row.line,
            is_new,
            step: Step { kind: row.kind, id, is_new, after: BTreeMap::new(), operators: None },
            changes: Vec::new(),
        }
    }
    /// Sets a field: `kept` is what is stored, `shown` what people read; both as they were before.
    fn set(&mut self, column: &'static str, (before, shown_before): (&str, &str), (after, shown): (&str, &str)) {
        self.step.after.insert(column, after.to_owned());
        if before != after || (self.is_new && !after.is_empty()) {
            let from = if self.is_new { String::new() } else { shown_before.to_owned() };
            self.changes.push(FieldChange { field: column.to_owned(), from, to: shown.to_owned() });
        }
    }
    /// The same of a text that is shown as it is stored.
    fn text(&mut self, column: &'static str, before: &str, after: Option<&str>) {
        let after = after.unwrap_or(before);
        self.set(column, (before, before), (after, after));
    }
}

fn yes(text: &str) -> Result<bool, Why> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err("retired must be yes or no".to_owned()),
    }
}

fn name_of(row: &Row, is_plain: bool) -> Result<Option<String>, Why> {
    let Some(name) = row.given("name") else { return Ok(None) };
    if is_plain && name.contains('/') {
        return Err("the name cannot hold a slash".to_owned());
    }
    text::name(name).map(Some).map_err(|error| format!("the name {error}"))
}

impl Work<'_> {
    fn row(&mut self, row: &Row) -> Result<(), Why> {
        match row.kind {
            Kind::Venue => self.venue(row),
            Kind::Account => self.account(row),
            Kind::Subaccount => self.subaccount(row),
            Kind::Bot => self.bot(row),
            Kind::Link => self.link(row),
        }
    }

    /// What a row is about: by its id where that is known here, else by its name.
    fn find(&self, row: &Row, is_known: impl Fn(&str) -> bool, by_name: impl FnOnce(&str) -> Option<String>) -> Option<String> {
        let by_id = row.given("id").filter(|id| is_known(id)).map(str::to_owned);
        by_id.or_else(|| by_name(&row.given("name")?.to_lowercase()))
    }

    fn finish(&mut self, draft: Draft, name: &str) -> Result<(), Why> {
        if !self.seen.insert(draft.step.id.clone()) {
            return Err(format!("{} {name} stands in the file twice", draft.step.kind));
        }
        if draft.changes.is_empty() {
            return Ok(());
        }
        let what = if draft.is_new { "added" } else { "changed" };
        let (kind, changes) = (draft.step.kind.to_string(), draft.changes);
        self.names.shown.insert(draft.step.id.clone(), name.to_owned());
        self.out.lines.push(Line { line: draft.line, what: what.to_owned(), kind, name: name.to_owned(), changes });
        self.steps.push(draft.step);
        Ok(())
    }

    fn allowed(&self, draft: &Draft, action: Action, resource: &Resource, who: &str) -> Result<(), Why> {
        if draft.changes.is_empty() || (self.may)(action, resource) { Ok(()) } else { Err(format!("not allowed: {who} changes this")) }
    }

    /// The venue that is meant, as it is called now or after this file.
    fn venue_named(&self, row: &Row) -> Result<String, Why> {
        let named = row.given("venue").ok_or("name its venue")?;
        self.names
            .venues
            .get(&named.to_lowercase())
            .cloned()
            .ok_or_else(|| "there is no venue of that name, here or above in the file".to_owned())
    }

    fn venue(&mut self, row: &Row) -> Result<(), Why> {
        let book = self.world.book.clone();
        let found = self.find(row, |id| book.venues.iter().any(|one| one.id.as_str() == id), |name| self.names.venues.get(name).cloned());
        let before = found.as_deref().and_then(|id| book.venues.iter().find(|one| one.id.as_str() == id));
        let mut draft = Draft::new(row, before.map(|one| one.id.to_string()));
        let name = name_of(row, true)?.or_else(|| before.map(|one| one.name.clone())).ok_or("name it")?;
        draft.text("name", before.map_or("", |one| &one.name), Some(&name));
        let environment: Option<Environment> =
            row.given("environment").map(str::parse).transpose().map_err(|error| format!("environment: {error}"))?;
        let environment = match (before, environment) {
            (Some(one), Some(wanted)) if one.environment != wanted => {
                return Err(format!("it is a {} venue and stays one: write down another venue", one.environment));
            }
            (Some(one), _) => one.environment,
            (None, wanted) => wanted.ok_or("say its environment: test or live")?,
        };
        draft.text("environment", before.map_or("", |one| one.environment.as_str()), Some(environment.as_str()));
        let exchange = row.given("exchange").map(|text| text::name(text).map_err(|error| format!("the exchange {error}"))).transpose()?;
        let exchange = exchange.or_else(|| before.map(|one| one.exchange.clone())).unwrap_or_else(|| name.clone());
        draft.text("exchange", before.map_or("", |one| &one.exchange), Some(&exchange));
        self.retired(&mut draft, row, before.is_some_and(|one| one.retired_at.is_some()))?;
        self.allowed(&draft, Action::EditVenues, &Resource::Installation, "a lead, risk or an admin")?;
        self.names.venues.insert(name.to_lowercase(), draft.step.id.clone());
        self.finish(draft, &name)
    }

    fn retired(&self, draft: &mut Draft, row: &Row, before: bool) -> Result<(), Why> {
        let word = |retired: bool| if retired { "yes" } else { "no" };
        let after = row.given("retired").map(yes).transpose()?.unwrap_or(before);
        draft.step.after.insert("retired", word(after).to_owned());
        if before != after {
            draft.changes.push(FieldChange { field: "retired".into(), from: word(before).into(), to: word(after).into() });
        }
        Ok(())
    }

    fn account(&mut self, row: &Row) -> Result<(), Why> {
        let book = self.world.book.clone();
        let by_id = row.given("id").and_then(|id| book.accounts.iter().find(|one| one.id.as_str() == id));
        let venue = match (by_id, row.given("venue")) {
            (Some(one), None) => one.venue_id.to_string(),
            _ => self.venue_named(row)?,
        };
        let found = self.find(row, |_| by_id.is_some(), |name| self.names.accounts.get(&(venue.clone(), name.to_owned())).cloned());
        let before = found.as_deref().and_then(|id| book.accounts.iter().find(|one| one.id.as_str() == id));
        if before.is_some_and(|one| one.venue_id.as_str() != venue) {
            return Err("an account stays at its venue: write down another one".to_owned());
        }
        let mut draft = Draft::new(row, before.map(|one| one.id.to_string()));
        let name = name_of(row, true)?.or_else(|| before.map(|one| one.name.clone())).ok_or("name it")?;
        draft.text("name", before.map_or("", |one| &one.name), Some(&name));
        self.of_venue(&mut draft, &venue);
        self.retired(&mut draft, row, before.is_some_and(|one| one.retired_at.is_some()))?;
        self.allowed(&draft, Action::EditVenues, &Resource::Installation, "a lead, risk or an admin")?;
        self.names.accounts.insert((venue, name.to_lowercase()), draft.step.id.clone());
        self.finish(draft, &name)
    }

    /// A new venue whose accounts the file does not name has one main account.
    fn main_accounts(&mut self) {
        let has = |venue: &str| self.names.accounts.keys().any(|(of, _)| of == venue);
        let new: Vec<String> =
            self.steps.iter().filter(|step| step.kind == Kind::Venue && !has(&step.id)).map(|step| step.id.clone()).collect();
        for venue in new {
            let line = self
                .out
                .lines
                .iter()
                .find(|line| line.kind == "venue" && Some(&line.name) == self.names.shown.get(&venue))
                .map_or(0, |line| line.line);
            let mut draft = Draft::new(&Row { line, kind: Kind::Account, fields: BTreeMap::new() }, None);
            draft.text("name", "", Some(MAIN));
            self.of_venue(&mut draft, &venue);
            draft.step.after.insert("retired", "no".to_owned());
            self.names.accounts.insert((venue, MAIN.to_owned()), draft.step.id.clone());
            // Its id is new: it cannot stand there twice.
            let _ = self.finish(draft, MAIN);
        }
    }

    fn of_venue(&self, draft: &mut Draft, venue: &str) {
        let shown = self.names.shown.get(venue).map_or(venue, String::as_str);
        let before = if draft.is_new { "" } else { venue };
        draft.set("venue", (before, shown), (venue, shown));
    }

    fn subaccount(&mut self, row: &Row) -> Result<(), Why> {
        let book = self.world.book.clone();
        let by_id = row.given("id").and_then(|id| book.subaccount(&SubaccountId::from_stored(id.to_owned())));
        let venue = match (by_id, row.given("venue")) {
            (Some(one), None) => one.venue_id.to_string(),
            _ => self.venue_named(row)?,
        };
        let found = self.find(row, |_| by_id.is_some(), |name| self.names.subaccounts.get(&(venue.clone(), name.to_owned())).cloned());
        let before = found.and_then(|id| book.subaccount(&SubaccountId::from_stored(id)));
        if before.is_some_and(|one| one.venue_id.as_str() != venue) {
            return Err("a subaccount stays at its venue: write down another one".to_owned());
        }
        let mut draft = Draft::new(row, before.map(|one| one.id.to_string()));
        let name = name_of(row, true)?.or_else(|| before.map(|one| one.name.clone())).ok_or("name it")?;
        draft.text("name", before.map_or("", |one| &one.name), Some(&name));
        self.of_venue(&mut draft, &venue);
        let account = match (row.given("account"), before) {
            (None, Some(one)) => one.account_id.to_string(),
            (named, _) => self.account_named(&venue, named)?,
        };
        let is_moved = before.is_some_and(|one| one.account_id.as_str() != account);
        let is_live = book.venues.iter().any(|one| one.id.as_str() == venue && one.environment == Environment::Live);
        if is_moved && is_live {
            return Err("it is live: give it another account on its page".to_owned());
        }
        let called = |id: &str| self.names.shown.get(id).cloned().unwrap_or_default();
        let from = before.map_or("", |one| one.account_id.as_str());
        draft.set("account", (from, &called(from)), (&account, &called(&account)));
        self.retired(&mut draft, row, before.is_some_and(|one| one.retired_at.is_some()))?;
        self.allowed(&draft, Action::EditVenues, &Resource::Installation, "a lead, risk or an admin")?;
        self.names.subaccounts.insert((venue, name.to_lowercase()), draft.step.id.clone());
        self.finish(draft, &name)
    }

    fn account_named(&self, venue: &str, named: Option<&str>) -> Result<String, Why> {
        if let Some(named) = named {
            let found = self.names.accounts.get(&(venue.to_owned(), named.to_lowercase())).cloned();
            return found.ok_or_else(|| "this venue has no account of that name, here or above in the file".to_owned());
        }
        let own: Vec<_> = self.world.book.accounts.iter().filter(|one| one.venue_id.as_str() == venue).cloned().collect();
        if let Ok(account) = account_of(&own, "") {
            return Ok(account.id.to_string());
        }
        let mut new = self.names.accounts.iter().filter(|((of, _), _)| of == venue);
        match (new.next(), new.next()) {
            (Some((_, id)), None) => Ok(id.clone()),
            _ => Err("name its account".to_owned()),
        }
    }

    /// Two things that would be called alike afterwards.
    fn check_names(&mut self) {
        let after: HashMap<&str, &Step> = self.steps.iter().map(|step| (step.id.as_str(), step)).collect();
        let called = |id: &str, own: &str| after.get(id).map_or_else(|| own.to_lowercase(), |step| step.after("name").to_lowercase());
        let book = &self.world.book;
        let mut all: Vec<(Kind, String, String, String)> = Vec::new();
        all.extend(book.venues.iter().map(|one| (Kind::Venue, String::new(), called(one.id.as_str(), &one.name), one.id.to_string())));
        all.extend(
            book.accounts
                .iter()
                .map(|one| (Kind::Account, one.venue_id.to_string(), called(one.id.as_str(), &one.name), one.id.to_string())),
        );
        all.extend(
            book.subaccounts
                .iter()
                .map(|one| (Kind::Subaccount, one.venue_id.to_string(), called(one.id.as_str(), &one.name), one.id.to_string())),
        );
        all.extend(self.world.view.bots().map(|one| (Kind::Bot, String::new(), called(one.id.as_str(), &one.name), one.id.to_string())));
        for step in self.steps.iter().filter(|step| step.is_new && step.kind != Kind::Link) {
            let of = if matches!(step.kind, Kind::Account | Kind::Subaccount) { step.after("venue").to_owned() } else { String::new() };
            all.push((step.kind, of, step.after("name").to_lowercase(), step.id.clone()));
        }
        let mut taken = HashMap::<(Kind, String, String), String>::new();
        for (kind, of, name, id) in all {
            let Some(other) = taken.insert((kind, of, name.clone()), id.clone()) else { continue };
            let is_of_file = |id: &str| {
                self.out.lines.iter().find(|line| line.kind == kind.as_str() && line.name.to_lowercase() == name && after.contains_key(id))
            };
            let line = is_of_file(&id).or_else(|| is_of_file(&other)).map_or(0, |line| line.line);
            self.out.refused.push(Refusal::new(line, format!("two of kind {kind} would be called {name}")));
        }
    }

    /// What is to be retired and is in use, now or by a bot of this file.
    fn check_retired(&mut self) {
        let book = &self.world.book;
        let is_retired = |step: &&Step| !step.is_new && step.after("retired") == "yes" && step.kind != Kind::Bot;
        let retired: HashMap<&str, Kind> = self.steps.iter().filter(is_retired).map(|step| (step.id.as_str(), step.kind)).collect();
        let line_of = |step: &Step| {
            self.out
                .lines
                .iter()
                .find(|line| line.kind == step.kind.as_str() && line.name == step.after("name"))
                .map_or(0, |line| line.line)
        };
        let mut refused = Vec::new();
        for bot in self.world.view.bots().filter(|bot| bot.stage != Stage::Retired) {
            let Some(one) = bot.seat.as_ref().and_then(|seat| book.subaccount(&seat.subaccount)) else { continue };
            for id in [one.id.as_str(), one.account_id.as_str(), one.venue_id.as_str()] {
                // What was retired before does not count: only what this file retires.
                let Some(step) = self.steps.iter().find(|step| step.id == id && retired.contains_key(id)) else { continue };
                refused.push(Refusal::new(
                    line_of(step),
                    format!("bot {} uses it: take its subaccount away or retire the bot first", bot.name),
                ));
            }
        }
        for step in self.steps.iter().filter(|step| step.kind == Kind::Bot && !step.after("subaccount").is_empty()) {
            let id = SubaccountId::from_stored(step.after("subaccount").to_owned());
            let old = book.subaccount(&id);
            let account = old.map(|one| one.account_id.to_string()).unwrap_or_default();
            let was = |id: &str| book.venues.iter().any(|one| one.id.as_str() == id && one.retired_at.is_some());
            let is_out = [id.as_str(), account.as_str(), step.after("venue")].iter().any(|id| retired.contains_key(id))
                || old.is_some_and(|one| one.retired_at.is_some())
                || was(step.after("venue"));
            if is_out {
                refused.push(Refusal::new(line_of(step), "its subaccount is retired, or its account or venue is"));
            }
        }
        self.out.refused.extend(refused);
    }
}
