//! `/venues/{id}` and `/subaccounts/{id}`: one venue with its accounts, one subaccount with who had it; renamed, retired and taken back into use.

use super::{
    assignments::{self, Line},
    subaccounts::limits_words,
};
use crate::app::{
    App, AppError,
    register::{
        Edit, Thing,
        board::{Claim, Held, SubaccountFilter},
    },
    safety::Safety,
};
use crate::authz::{self, Action, Resource};
use crate::domain::{AccountId, SubaccountId, Timestamp, VenueId};
use crate::web::{
    Answer, Shared, WebError,
    extract::{ByTouch, Person},
    frame,
    page::Frame,
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

/// An account on the page of its venue.
struct AccountLine {
    id: String,
    name: String,
    is_retired: bool,
    subaccounts: usize,
    /// How it is kept safe, in a word or two.
    safety: String,
}

#[derive(Template)]
#[template(path = "venue.html")]
struct OneVenue {
    frame: Frame,
    problems: Problems,
    id: String,
    called: String,
    exchange: String,
    environment: &'static str,
    is_retired: bool,
    accounts: Vec<AccountLine>,
    bots: Vec<(String, String)>,
    /// What changed there, the newest first; none: the database does not answer.
    changes: Option<Vec<Change>>,
    /// Bots whose tests are due again since the last change: where, who, how many items.
    due: Vec<(String, String, usize)>,
    may_edit: bool,
}

/// A change at a venue.
struct Change {
    at: Timestamp,
    what: String,
    by: String,
}

#[derive(Template)]
#[template(path = "subaccount.html")]
struct OneSubaccount {
    frame: Frame,
    problems: Problems,
    id: String,
    label: String,
    called: String,
    environment: &'static str,
    account: String,
    venue: (String, String),
    is_retired: bool,
    bot: Option<(String, String)>,
    limits: String,
    /// Its bot's keys at a glance; empty: it has none.
    keys: String,
    claims: Vec<String>,
    is_claim_known: bool,
    /// None: the database does not answer.
    history: Option<Vec<Line>>,
    may_edit: bool,
}

/// What was typed; a field that was not sent stays.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Typed {
    name: Option<String>,
    exchange: Option<String>,
    account: Option<String>,
}

/// What changed at a venue.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Changed {
    #[serde(default)]
    what: String,
}

/// Whether something is retired.
#[derive(Debug, serde::Deserialize)]
pub struct Retired {
    #[serde(default)]
    retired: String,
}

fn venue_of(text: &str) -> Result<VenueId, WebError> {
    VenueId::parse(text).map_err(|_| AppError::NotFound("venue").into())
}

fn account_of(app: &App, text: &str) -> Result<crate::app::venues::Account, WebError> {
    let found = AccountId::parse(text).ok().and_then(|id| app.venues().account(&id));
    found.ok_or_else(|| AppError::NotFound("account").into())
}

fn subaccount_of(text: &str) -> Result<SubaccountId, WebError> {
    SubaccountId::parse(text).map_err(|_| AppError::NotFound("subaccount").into())
}

/// One venue.
pub async fn venue(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw_venue(&app, &person, &venue_of(&id)?, Problems::none()).await
}

async fn draw_venue(app: &App, person: &Person, id: &VenueId, problems: Problems) -> Answer {
    authz::check(&person.actor, Action::See, &Resource::Installation).map_err(AppError::from)?;
    let venue = app.venues().venue(id).ok_or(AppError::NotFound("venue"))?;
    let subaccounts = app.venues().subaccounts();
    // A database that does not answer keeps nobody from the rest.
    let (safety, now) = (app.safety_all(&person.actor).await.ok(), app.clock.now());
    let accounts = app.venues().accounts_of(id).into_iter().take(super::ROWS).map(|one| AccountLine {
        subaccounts: subaccounts.iter().filter(|other| other.account_id == one.id).count(),
        safety: safety.as_ref().map_or_else(|| "not known now".to_owned(), |all| safety_words(all.get(&one.id), now)),
        id: one.id.to_string(),
        name: one.name,
        is_retired: one.retired_at.is_some(),
    });
    let bots = app.users_of(&app.fleet.view(), &Thing::Venue(id.clone()));
    // Beside the rest as well.
    let changes = app.venue_changes(&person.actor, id).await.ok();
    let due = if changes.is_some() { app.tests_due_at(&person.actor, id).await.unwrap_or_default() } else { Vec::new() };
    let due = due.into_iter().take(super::ROWS);
    let mut frame = frame::of(app, &person.visitor, format!("Venue {}", venue.name)).await;
    frame.is_error = !problems.is_empty();
    frame.path = format!("/venues/{id}");
    let status = status_of(&problems);
    let page = OneVenue {
        frame,
        problems,
        id: id.to_string(),
        exchange: venue.exchange,
        environment: venue.environment.as_str(),
        is_retired: venue.retired_at.is_some(),
        accounts: accounts.collect(),
        bots: bots.iter().take(super::ROWS).map(|bot| (format!("/bots/{}", bot.id), bot.name.clone())).collect(),
        changes: changes.map(|all| all.into_iter().map(|one| Change { at: one.noted_at, what: one.what, by: one.noted_by }).collect()),
        due: due.map(|(bot, due)| (format!("/bots/{}/golive?stage={}", bot.id, bot.stage), bot.name.clone(), due.items.len())).collect(),
        may_edit: authz::check(&person.actor, Action::EditVenues, &Resource::Installation).is_ok(),
        called: venue.name,
    };
    frame::page_with(status, &page)
}

/// How an account is kept safe, at a glance.
fn safety_words(safety: Option<&Safety>, now: Timestamp) -> String {
    let Some(safety) = safety else { return "never looked over".to_owned() };
    let gaps = match safety.sheet.gaps().len() {
        0 => "in order".to_owned(),
        1 => "1 gap".to_owned(),
        n => format!("{n} gaps"),
    };
    if safety.is_due(now) { format!("{gaps}, to be looked over again") } else { gaps }
}

fn status_of(problems: &Problems) -> StatusCode {
    if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
}

/// One subaccount.
pub async fn subaccount(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw_subaccount(&app, &person, &subaccount_of(&id)?, Problems::none()).await
}

async fn draw_subaccount(app: &App, person: &Person, id: &SubaccountId, problems: Problems) -> Answer {
    let one = app.venues().subaccount(id).ok_or(AppError::NotFound("subaccount"))?;
    let filter = SubaccountFilter { venue: one.venue_id.to_string(), account: one.account_id.to_string(), ..SubaccountFilter::default() };
    let rows = app.subaccount_rows(&person.actor, &filter)?;
    let row = rows.into_iter().find(|row| row.subaccount.id == *id).ok_or(AppError::NotFound("subaccount"))?;
    let history = app.assignments_of_subaccount(&person.actor, id).await.ok();
    let bot = if let Held::By(bot) = &row.held { Some(bot) } else { None };
    let mut frame = frame::of(app, &person.visitor, format!("Subaccount {}", row.label)).await;
    frame.is_error = !problems.is_empty();
    frame.path = format!("/subaccounts/{id}");
    let status = status_of(&problems);
    let page = OneSubaccount {
        frame,
        problems,
        id: id.to_string(),
        called: one.name.clone(),
        environment: row.environment.as_str(),
        account: row.account.clone(),
        venue: (format!("/venues/{}", one.venue_id), app.venues().venue(&one.venue_id).map(|venue| venue.name).unwrap_or_default()),
        is_retired: one.retired_at.is_some(),
        bot: bot.map(|bot| (format!("/bots/{}", bot.id), bot.name.clone())),
        limits: bot.map(|bot| limits_words(bot)).unwrap_or_default(),
        keys: bot.map(|bot| app.key_words(&bot.id)).unwrap_or_default(),
        is_claim_known: row.claim != Claim::Unknown,
        claims: if let Claim::Double(said) = row.claim { said } else { Vec::new() },
        history: match history {
            Some(rows) => Some(assignments::lines(app, person, &rows).await),
            None => None,
        },
        may_edit: authz::check(&person.actor, Action::EditVenues, &Resource::Installation).is_ok(),
        label: row.label,
    };
    frame::page_with(status, &page)
}

fn edit_of(typed: Typed) -> Edit {
    Edit { name: typed.name, exchange: typed.exchange, account: typed.account }
}

/// Writes a venue down otherwise.
pub async fn edit_venue(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    let id = venue_of(&id)?;
    match app.edit_thing(&person.actor, &Thing::Venue(id.clone()), &edit_of(typed)).await {
        Ok(()) => Ok(frame::see(&format!("/venues/{id}"))),
        Err(error) => draw_venue(&app, &person, &id, Problems::of_error(error)?).await,
    }
}

/// Retires a venue, or takes it back into use.
pub async fn retire_venue(State(app): Shared, Named(id): Named, ByTouch(person, wanted): ByTouch<Retired>) -> Answer {
    let id = venue_of(&id)?;
    match retire(&app, &person, &Thing::Venue(id.clone()), &wanted).await {
        Ok(()) => Ok(frame::see(&format!("/venues/{id}"))),
        Err(problems) => draw_venue(&app, &person, &id, problems?).await,
    }
}

/// Writes down that something changed at a venue.
pub async fn note_change(State(app): Shared, Named(id): Named, ByTouch(person, said): ByTouch<Changed>) -> Answer {
    let id = venue_of(&id)?;
    match app.note_venue_change(&person.actor, &id, &said.what).await {
        Ok(()) => Ok(frame::see(&format!("/venues/{id}#changes"))),
        Err(error) => draw_venue(&app, &person, &id, Problems::of_error(error)?).await,
    }
}

/// Writes an account down otherwise.
pub async fn edit_account(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    let account = account_of(&app, &id)?;
    match app.edit_thing(&person.actor, &Thing::Account(account.id), &edit_of(typed)).await {
        Ok(()) => Ok(frame::see(&format!("/venues/{}", account.venue_id))),
        Err(error) => draw_venue(&app, &person, &account.venue_id, Problems::of_error(error)?).await,
    }
}

/// Retires an account, or takes it back into use.
pub async fn retire_account(State(app): Shared, Named(id): Named, ByTouch(person, wanted): ByTouch<Retired>) -> Answer {
    let account = account_of(&app, &id)?;
    match retire(&app, &person, &Thing::Account(account.id), &wanted).await {
        Ok(()) => Ok(frame::see(&format!("/venues/{}", account.venue_id))),
        Err(problems) => draw_venue(&app, &person, &account.venue_id, problems?).await,
    }
}

/// Writes a subaccount down otherwise.
pub async fn edit_subaccount(State(app): Shared, Named(id): Named, ByTouch(person, typed): ByTouch<Typed>) -> Answer {
    let id = subaccount_of(&id)?;
    match app.edit_thing(&person.actor, &Thing::Subaccount(id.clone()), &edit_of(typed)).await {
        Ok(()) => Ok(frame::see(&format!("/subaccounts/{id}"))),
        Err(error) => draw_subaccount(&app, &person, &id, Problems::of_error(error)?).await,
    }
}

/// Retires a subaccount, or takes it back into use.
pub async fn retire_subaccount(State(app): Shared, Named(id): Named, ByTouch(person, wanted): ByTouch<Retired>) -> Answer {
    let id = subaccount_of(&id)?;
    match retire(&app, &person, &Thing::Subaccount(id.clone()), &wanted).await {
        Ok(()) => Ok(frame::see(&format!("/subaccounts/{id}"))),
        Err(problems) => draw_subaccount(&app, &person, &id, problems?).await,
    }
}

async fn retire(app: &App, person: &Person, thing: &Thing, wanted: &Retired) -> Result<(), Result<Problems, WebError>> {
    let retired = match wanted.retired.as_str() {
        "yes" => true,
        "no" => false,
        _ => return Err(Ok(Problems::one("retired", "Say whether it is retired: yes or no."))),
    };
    app.retire_thing(&person.actor, thing, retired).await.map_err(Problems::of_error)
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let venue = |is_retired, may_edit, problems| {
        let account = |n: usize, name: &str, is_retired| AccountLine {
            id: samples::id(n),
            name: name.to_owned(),
            is_retired,
            subaccounts: n,
            safety: "3 gaps".to_owned(),
        };
        OneVenue {
            frame: Frame::sample("Venue binance", "/venues/7"),
            problems,
            id: samples::id(60),
            called: "binance".to_owned(),
            exchange: "binance".to_owned(),
            environment: "live",
            is_retired,
            accounts: vec![account(3, "main", false), account(4, "fund <2>", true)],
            bots: if is_retired { Vec::new() } else { vec![("/bots/7".to_owned(), "grid-07".to_owned())] },
            changes: (!is_retired)
                .then(|| vec![Change { at: samples::now(), what: "tick sizes of <all> pairs".to_owned(), by: "L. Sato".to_owned() }]),
            due: if is_retired { Vec::new() } else { vec![("/bots/7/golive?stage=live".to_owned(), "grid-07".to_owned(), 7)] },
            may_edit,
        }
        .render()
        .unwrap()
    };
    let subaccount = |bot: bool, may_edit, problems| {
        let line = Line {
            bot: ("/bots/7".to_owned(), "grid-07".to_owned()),
            subaccount: ("/subaccounts/7".to_owned(), "binance/grid-7".to_owned()),
            from: samples::now(),
            by: "L. Sato".to_owned(),
            request: "/requests/7".to_owned(),
            until: None,
        };
        OneSubaccount {
            frame: Frame::sample("Subaccount binance/grid-7", "/subaccounts/7"),
            problems,
            id: samples::id(7),
            label: "binance/grid-7".to_owned(),
            called: "grid-7".to_owned(),
            environment: "live",
            account: "main".to_owned(),
            venue: ("/venues/60".to_owned(), "binance".to_owned()),
            is_retired: !bot,
            bot: bot.then(|| ("/bots/7".to_owned(), "grid-07".to_owned())),
            limits: "order 2000".to_owned(),
            keys: "execution, guard (to be replaced)".to_owned(),
            claims: if bot { vec!["the agent of arb-<01> says that it trades here".to_owned()] } else { Vec::new() },
            is_claim_known: bot,
            history: bot.then(|| vec![line]),
            may_edit,
        }
        .render()
        .unwrap()
    };
    vec![
        ("venue".to_owned(), venue(false, true, Problems::one("", "Bot grid-07 uses it."))),
        ("venue-read".to_owned(), venue(true, false, Problems::none())),
        ("subaccount".to_owned(), subaccount(true, true, Problems::one("name", "There is one of that name."))),
        ("subaccount-read".to_owned(), subaccount(false, false, Problems::none())),
    ]
}
