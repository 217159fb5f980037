//! The register out to a file, and a file into the register: looked at first, then taken in whole or not at all, in one transaction with one entry.
//! What it changes is worked out before the transaction begins, and everything that needs no number is written before the counter's row is taken,
//! so that a stop does not wait for it (ruling H15).

use super::{
    difference::{Difference, Step, World, difference, rows_of},
    file::{self, Format, Kind},
};
use crate::app::{App, AppError, Invalid, bots::draft, tx::Act};
use crate::audit::{self, Event};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    AccountId, AssignmentId, Audience, BotFacts, BotId, Environment, Epoch, ImportId, Notice, NoticeKind, Seat, SubaccountId, TeamId,
    Timestamp, UserId, VenueId,
};
pub use crate::storage::imports::ImportRow;
use crate::storage::{
    self, Lane,
    assignments::Assignment,
    register::SheetRow,
    venues::{Account, Link, Subaccount, Venue},
};
use sha2::{Digest, Sha256};

/// The number of bots that were written and have none yet. No other transaction sees it.
const UNNUMBERED: Epoch = Epoch(-2);
/// How often it begins anew when the register moved under it.
const TRIES: usize = 4;
/// How long a draft is kept.
const DRAFT_MS: i64 = crate::domain::time::DAY_MS;
/// Imports that a page lists.
const LISTED: i64 = 20;

/// A file with its place among others.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// How it is written.
    pub format: Format,
    /// What it holds.
    pub text: &'a str,
}

/// What is worked out before the transaction, and over which moment.
struct Plan {
    difference: Difference,
    steps: Vec<Step>,
    world: World,
    books: i64,
}

fn sha256(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

impl App {
    /// One moment of the register, read from the database.
    async fn register_now(&self) -> Result<(World, i64), AppError> {
        self.refresh().await?;
        let mut tx = self.db.read().await?;
        self.books_in(&mut tx).await?;
        let books = self.refreshing.version();
        let world =
            World { book: self.venues().rows(), view: self.fleet.view(), teams: self.people().teams(), users: self.people().users() };
        Ok((world, books))
    }

    /// The whole register as a file.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn export_register(&self, actor: &Actor, format: Format) -> Result<String, AppError> {
        if !matches!(actor, Actor::Host { .. }) {
            authz::check(actor, Action::See, &Resource::Installation)?;
            if matches!(actor, Actor::Token { team: Some(_), .. }) {
                return Err(AppError::NotYours("a token of one team does not see the whole register".to_owned()));
            }
        }
        let (world, _) = self.register_now().await?;
        file::write(format, &rows_of(&world)).map_err(|why| AppError::internal(std::io::Error::other(why)))
    }

    /// What a file would change; nothing is changed.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn look_at_import(&self, actor: &Actor, source: Source<'_>) -> Result<Difference, AppError> {
        authz::check(actor, Action::ImportRegister, &Resource::Installation)?;
        Ok(self.plan_import(actor, source).await?.difference)
    }

    async fn plan_import(&self, actor: &Actor, source: Source<'_>) -> Result<Plan, AppError> {
        let (world, books) = self.register_now().await?;
        let is_host = matches!(actor, Actor::Host { .. });
        // Whoever runs the host could write the database itself.
        let may = |action: Action, resource: &Resource| is_host || authz::check(actor, action, resource).is_ok();
        let (difference, steps) = match file::read(source.format, source.text) {
            Ok(rows) => difference(&world, &rows, &may),
            Err(refused) => (Difference { refused, ..Difference::default() }, Vec::new()),
        };
        Ok(Plan { difference, steps, world, books })
    }

    /// Takes a file in, whole or not at all. `seen`: the digest of the difference that was looked at.
    ///
    /// # Errors
    /// `Denied`; `Invalid` with every line that stands in the way; `Conflict` when nothing would change, or something else than was looked at.
    pub async fn import_register(&self, actor: &Actor, source: Source<'_>, seen: Option<&str>) -> Result<Difference, AppError> {
        let row = self.draft_row(actor, source);
        self.take_in(actor, (&row, true), source, seen).await
    }

    fn draft_row(&self, actor: &Actor, source: Source<'_>) -> ImportRow {
        ImportRow {
            id: ImportId::new(),
            made_by: audit::Actor::from(actor).text(),
            made_at: self.clock.now(),
            format: source.format.to_string(),
            sha256: sha256(source.text),
            body: source.text.to_owned(),
            difference: None,
            done_at: None,
        }
    }

    /// Puts a file by, so that somebody can look at what it would change and then take it in.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for what is too large.
    pub async fn draft_import(&self, actor: &Actor, source: Source<'_>) -> Result<ImportId, AppError> {
        authz::check(actor, Action::ImportRegister, &Resource::Installation)?;
        if source.text.trim().is_empty() {
            return Err(Invalid::one("text", "Choose a file, or paste one").into());
        }
        if source.text.contains('\0') {
            return Err(Invalid::one("text", "The file holds a NUL: it is no text").into());
        }
        if source.text.len() > file::BYTES {
            return Err(Invalid::one("text", format!("A file holds at most {} MiB", file::BYTES / 1024 / 1024)).into());
        }
        let row = self.draft_row(actor, source);
        let mut tx = self.db.write(Lane::Normal).await?;
        storage::imports::import_insert(&mut tx, &row).await?;
        tx.commit().await?;
        Ok(row.id)
    }

    /// A file that was brought, with the difference that it made, or would make now.
    ///
    /// # Errors
    /// `Denied`; `NotFound`, also for somebody else's draft; when the database is gone.
    pub async fn import(&self, actor: &Actor, id: &ImportId) -> Result<(ImportRow, Difference), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        let row = storage::imports::import_by_id(&mut *self.db.read().await?, id).await?.ok_or(AppError::NotFound("import"))?;
        if let Some(difference) = &row.difference {
            let difference = serde_json::from_str(difference).map_err(AppError::internal)?;
            return Ok((row, difference));
        }
        if row.made_by != audit::Actor::from(actor).text() {
            return Err(AppError::NotFound("import"));
        }
        let difference = self.look_at_import(actor, source_of(&row)?).await?;
        Ok((row, difference))
    }

    /// Takes a draft of one's own in.
    ///
    /// # Errors
    /// As taking a file in; `NotFound`.
    pub async fn confirm_import(&self, actor: &Actor, id: &ImportId, seen: &str) -> Result<Difference, AppError> {
        authz::check(actor, Action::ImportRegister, &Resource::Installation)?;
        let row = storage::imports::import_by_id(&mut *self.db.read().await?, id).await?.ok_or(AppError::NotFound("import"))?;
        if row.done_at.is_some() || row.made_by != audit::Actor::from(actor).text() {
            return Err(AppError::NotFound("import"));
        }
        self.take_in(actor, (&row, false), source_of(&row)?, Some(seen)).await
    }

    /// The last files that were taken in.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn imports(&self, actor: &Actor) -> Result<Vec<ImportRow>, AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        Ok(storage::imports::import_newest(&mut *self.db.read().await?, LISTED).await?)
    }

    /// Forgets drafts of long ago.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn forget_drafts(&self) -> Result<(), AppError> {
        let mut tx = self.db.write(Lane::Normal).await?;
        storage::imports::import_forget(&mut tx, self.clock.now().plus_ms(-DRAFT_MS)).await?;
        Ok(tx.commit().await?)
    }

    async fn take_in(
        &self,
        actor: &Actor,
        (row, is_new): (&ImportRow, bool),
        source: Source<'_>,
        seen: Option<&str>,
    ) -> Result<Difference, AppError> {
        let permit = authz::check(actor, Action::ImportRegister, &Resource::Installation)?;
        for _ in 0..TRIES {
            let plan = self.plan_import(actor, source).await?;
            check_plan(&plan.difference, seen)?;
            let act = self.begin(permit.clone(), Lane::Normal).await?;
            if self.apply(act, (row, is_new), &plan).await? {
                return Ok(plan.difference);
            }
        }
        Err(AppError::conflict("the register is being changed by others right now; nothing was taken in. Try again in a moment"))
    }

    /// Writes a plan. False: the register has moved since it was made, and nothing was written.
    async fn apply(&self, mut act: Act<'_>, (row, is_new): (&ImportRow, bool), plan: &Plan) -> Result<bool, AppError> {
        let mut edited = Vec::new();
        for step in &plan.steps {
            match (step.kind, step.is_new) {
                (Kind::Bot, false) => edited.push(step),
                _ => write_step(&mut act, &plan.world, step).await?,
            }
        }
        // From here on the counter's row is held: nothing but what needs a number.
        let epoch = act.epoch().await?;
        let is_as_planned = epoch == plan.world.view.read_epoch.next() && storage::books::book_version(act.tx()).await? == plan.books;
        if !is_as_planned {
            return Ok(false);
        }
        storage::register::bots_numbered(act.tx(), UNNUMBERED, epoch).await?;
        for step in edited {
            edit_bot(&mut act, &plan.world, step, epoch).await?;
        }
        let difference = serde_json::to_string(&plan.difference).map_err(AppError::internal)?;
        if is_new {
            storage::imports::import_insert(act.tx(), row).await?;
        }
        let now = act.now();
        if !storage::imports::import_done(act.tx(), &row.id, &difference, now).await? {
            return Err(AppError::conflict("this file was taken in a moment ago"));
        }
        act.changes_books();
        self.tell_imported(&mut act, row, &plan.difference).await?;
        let event = Event::RegisterImported {
            import: row.id.clone(),
            file_sha256: row.sha256.clone(),
            added: plan.difference.count("added") as u64,
            changed: plan.difference.count("changed") as u64,
            difference_sha256: sha256(&difference),
        };
        failpoint!("import:before_commit");
        act.commit(event).await?;
        failpoint!("import:committed");
        Ok(true)
    }

    async fn tell_imported(&self, act: &mut Act<'_>, row: &ImportRow, difference: &Difference) -> Result<(), AppError> {
        let own = act.actor().user().cloned();
        let mut people = storage::notices::notice_admins(act.tx()).await?;
        let view = self.fleet.view();
        for line in difference.lines.iter().filter(|line| line.kind == Kind::Bot.as_str() && line.what == "changed") {
            people.extend(view.bots().filter(|bot| bot.name == line.name).flat_map(|bot| self.accountable(bot)));
        }
        people.sort();
        people.dedup();
        people.retain(|one| Some(one) != own.as_ref());
        let said =
            format!("A file was taken into the register: {} added, {} changed.", difference.count("added"), difference.count("changed"));
        let notice = Notice::new(NoticeKind::RegisterChanged, &row.id, "Register: a file was taken in", said);
        act.tell(&Audience { people, admins: false }, &notice.at(format!("/register/imports/{}", row.id))).await.map(drop)
    }
}

fn source_of(row: &ImportRow) -> Result<Source<'_>, AppError> {
    let format = row.format.parse().map_err(AppError::internal)?;
    Ok(Source { format, text: &row.body })
}

fn check_plan(difference: &Difference, seen: Option<&str>) -> Result<(), AppError> {
    if !difference.refused.is_empty() {
        let lines = difference.refused.iter().take(20).map(|one| ("text", format!("Line {}: {}", one.line, one.why)));
        return Err(Invalid(lines.collect()).into());
    }
    if difference.is_empty() {
        return Err(AppError::conflict("the register says all of that already; nothing would change"));
    }
    let digest = difference.digest().map_err(AppError::internal)?;
    match seen {
        Some(seen) if seen != digest => {
            Err(AppError::conflict("the register has changed since you looked: what the file would change is another now. Look again"))
        }
        _ => Ok(()),
    }
}

fn retired_at(step: &Step, before: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    (step.after("retired") == "yes").then(|| before.unwrap_or(now))
}

/// Writes what needs no number: everything but changes of bots that are there.
async fn write_step(act: &mut Act<'_>, world: &World, step: &Step) -> Result<(), AppError> {
    let now = act.now();
    let text = |column: &str| step.after(column).to_owned();
    match step.kind {
        Kind::Venue => {
            let id = VenueId::from_stored(step.id.clone());
            let before = world.book.venue(&id);
            let environment: Environment = text("environment").parse().map_err(AppError::internal)?;
            let (created_at, was) = before.map_or((now, None), |one| (one.created_at, one.retired_at));
            let one = Venue {
                id,
                name: text("name"),
                exchange: text("exchange"),
                environment,
                created_at,
                retired_at: retired_at(step, was, now),
            };
            match before {
                Some(_) => storage::venues::venue_edit(act.tx(), &one).await?,
                None => storage::venues::venue_insert(act.tx(), &one).await?,
            }
        }
        Kind::Account => {
            let id = AccountId::from_stored(step.id.clone());
            let before = world.book.account(&id);
            let (created_at, was) = before.map_or((now, None), |one| (one.created_at, one.retired_at));
            let venue_id = VenueId::from_stored(text("venue"));
            let one = Account { id, venue_id, name: text("name"), created_at, retired_at: retired_at(step, was, now) };
            match before {
                Some(_) => storage::venues::account_edit(act.tx(), &one).await?,
                None => storage::venues::account_insert(act.tx(), &one).await?,
            }
        }
        Kind::Subaccount => {
            let id = SubaccountId::from_stored(step.id.clone());
            let before = world.book.subaccount(&id);
            let (created_at, was) = before.map_or((now, None), |one| (one.created_at, one.retired_at));
            let (venue_id, account_id) = (VenueId::from_stored(text("venue")), AccountId::from_stored(text("account")));
            let one = Subaccount { id, venue_id, account_id, name: text("name"), created_at, retired_at: retired_at(step, was, now) };
            match before {
                Some(_) => storage::venues::subaccount_edit(act.tx(), &one).await?,
                None => storage::venues::subaccount_insert(act.tx(), &one).await?,
            }
        }
        Kind::Bot => new_bot(act, step).await?,
        Kind::Link => {
            let (bot_id, other_id) = (BotId::from_stored(text("name")), BotId::from_stored(text("linked")));
            storage::venues::link_insert(act.tx(), &Link { bot_id, other_id, why: text("why"), made_at: now }).await?;
        }
    }
    Ok(())
}

async fn new_bot(act: &mut Act<'_>, step: &Step) -> Result<(), AppError> {
    let text = |column: &str| step.after(column).to_owned();
    let named = (text("name"), TeamId::from_stored(text("team")), text("strategy"), UserId::from_stored(text("owner")));
    let subaccount = Some(text("subaccount")).filter(|id| !id.is_empty());
    let seat = subaccount.map(|id| Seat { subaccount: SubaccountId::from_stored(id), venue: VenueId::from_stored(text("venue")) });
    let exits = text("exits").parse().map_err(AppError::internal)?;
    let bot = BotFacts { id: BotId::from_stored(step.id.clone()), exits, seat, ..draft(named, UNNUMBERED) };
    let now = act.now();
    storage::bots::bot_insert(act.tx(), &bot, now).await?;
    if let Some(seat) = &bot.seat {
        let one = Assignment {
            id: AssignmentId::new(),
            bot_id: bot.id.clone(),
            subaccount_id: seat.subaccount.clone(),
            from_at: now,
            from_by: audit::Actor::from(act.actor()).text(),
            request_id: None,
            until_at: None,
            until_by: None,
        };
        storage::assignments::assignment_insert(act.tx(), &one).await?;
    }
    write_sheet(act, step).await
}

async fn write_sheet(act: &mut Act<'_>, step: &Step) -> Result<(), AppError> {
    let id = BotId::from_stored(step.id.clone());
    let deputy = Some(step.after("deputy")).filter(|id| !id.is_empty()).map(|id| UserId::from_stored(id.to_owned()));
    let sheet = SheetRow { bot_id: id.clone(), objective: step.after("objective").to_owned(), deputy_id: deputy };
    storage::register::sheet_put(act.tx(), &sheet).await?;
    if let Some(operators) = &step.operators {
        let now = act.now();
        storage::register::operators_set(act.tx(), &id, operators, now).await?;
    }
    Ok(())
}

/// Writes a bot that is there: its name and owner, and its sheet.
async fn edit_bot(act: &mut Act<'_>, world: &World, step: &Step, epoch: Epoch) -> Result<(), AppError> {
    let bot = world.view.bot(&BotId::from_stored(step.id.clone())).ok_or(AppError::NotFound("bot"))?;
    let (name, owner) = (step.after("name").to_owned(), UserId::from_stored(step.after("owner").to_owned()));
    if name != bot.name || owner != bot.owner || step.operators.is_some() {
        storage::bots::bot_edit(act.tx(), &BotFacts { name, owner, fact_epoch: epoch, ..BotFacts::clone(bot) }).await?;
    }
    write_sheet(act, step).await
}
