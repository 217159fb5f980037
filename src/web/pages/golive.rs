//! `/bots/{id}/golive`: the checklist of the stage that a bot goes up to next, looked at whenever it is shown; what is open first. Beside it what was
//! approved and what runs. Evidence is put down and items are answered for here; the step up is asked for here once nothing is open.

pub mod files;
mod items;
mod sides;
pub(super) mod stage;
mod track;

use super::bots::id_of;
use crate::app::{
    App, AppError,
    golive::{ListView, ask::AskGolive, files::FileRow, marks::Said, next_stage, stages_of},
};
use crate::authz::{self, Action};
use crate::domain::{
    BotFacts, BotId, RequestState, Stage, Timestamp,
    golive::{Mark, OnDrift, Standing},
};
use crate::fleet::worst_case_stop_ms;
use crate::web::{
    Answer, Shared,
    chip::Chip,
    extract::{ByTouch, MayCarryFiles, Person, Posted},
    format::{OutOf, duration},
    frame,
    page::Frame,
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
};
use items::{Group, Summary};
use sides::Side;
use stage::SoFar;
use track::{Next, Step};

/// Which list.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Which {
    #[serde(default)]
    stage: String,
}

/// A word for an item.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Word {
    #[serde(default)]
    stage: String,
    // Files were chosen, and a touch of the key was asked for first (`extract/parcel`).
    #[serde(default)]
    files_again: String,
    #[serde(flatten)]
    said: Said,
}

/// The step up.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Up {
    #[serde(default)]
    stage: String,
    #[serde(default)]
    on_drift: String,
    #[serde(default)]
    why: String,
}

/// A word that was said before.
struct Past {
    at: Timestamp,
    by: String,
    words: String,
    /// Where it can be looked at; empty: nowhere.
    link: String,
    files: Vec<files::Link>,
}

/// The way to the step up.
enum Way {
    /// This list is not asked for now: why.
    NotNow(String),
    /// Somebody has asked.
    Asked(Asked),
    /// Whoever looks may not ask.
    NotYours,
    /// It can be asked for once this is so: where it stands on the page, and what it is.
    Blocked(Vec<(String, String)>),
    /// Nothing stands in the way.
    Open,
}

/// A request for the step up that is open.
struct Asked {
    href: String,
    chip: Chip,
    by: String,
    seats: OutOf,
    until: Timestamp,
    /// It is approved, and whoever looks carries it out.
    is_mine: bool,
}

#[derive(Template)]
#[template(path = "golive.html")]
struct Page {
    frame: Frame,
    problems: Problems,
    bot: (String, String),
    id: String,
    stage: &'static str,
    at: Timestamp,
    track: Vec<Step>,
    next: Next,
    summary: Summary,
    groups: Vec<Group>,
    caps: String,
    history: Vec<Past>,
    may_mark: bool,
    way: Way,
    approval: (String, Vec<String>),
    up: Up,
    /// How fast it stops, at worst and when that was measured.
    stops: String,
    so_far: Option<SoFar>,
    /// What was approved, and what is in force.
    sides: Vec<Side>,
    /// In how much it is not what was approved.
    differs: usize,
    /// Until when an emergency change lets it run what it runs.
    emergency: Option<Timestamp>,
    request: String,
}

/// The request for a step to this stage that is open.
async fn asked(app: &App, person: &Person, bot: &BotFacts, to: Stage) -> Result<Option<Asked>, AppError> {
    let Some(view) = app.golive_request_of(&person.actor, bot, to).await? else { return Ok(None) };
    let company = app.company();
    let moment = company.moment(view.row.kind);
    let seats = view.case.quorum(&moment).seats;
    Ok(Some(Asked {
        href: format!("/requests/{}", view.row.id),
        chip: super::requests::chip(&view.row),
        by: app.people().who(&view.row.requester),
        seats: OutOf { n: seats.iter().filter(|seat| seat.taken_by.is_some()).count(), of: seats.len() },
        until: view.until(moment.rule),
        is_mine: view.row.state == RequestState::Approved && view.row.requester == person.user,
    }))
}

/// What stands in the way of asking, by the items that are not so.
fn missing(view: &ListView) -> Vec<(String, String)> {
    let open = view.checked.iter().filter_map(|one| {
        let why = match &one.standing {
            Standing::Done(_) => return None,
            Standing::Open(why) => why.as_str(),
            Standing::Expired(_) => "its time is over",
        };
        Some((format!("#item-{}", one.item.name), format!("{}: {why}", one.item.words)))
    });
    let incidents = view.incidents.iter().map(|words| ("/alerts".to_owned(), words.clone()));
    let mut all: Vec<_> = incidents.chain(open).collect();
    if all.is_empty() && !view.is_whole() {
        all.push((String::new(), "Its agent does not say what it runs, or it has no subaccount".to_owned()));
    }
    all
}

async fn way(app: &App, person: &Person, bot: &BotFacts, view: &ListView) -> Result<Way, AppError> {
    let to = view.list.stage;
    if !stages_of(bot).contains(&to) {
        let at = bot.stage;
        let words = format!("It is in stage {at}, and this step leads from another one. The list shows what will be asked for.");
        return Ok(Way::NotNow(words));
    }
    if let Some(asked) = asked(app, person, bot, to).await? {
        return Ok(Way::Asked(asked));
    }
    if authz::check(&person.actor, Action::AskRequest, &App::bot_resource(bot)).is_err() {
        return Ok(Way::NotYours);
    }
    let missing = missing(view);
    Ok(if missing.is_empty() { Way::Open } else { Way::Blocked(missing) })
}

fn past(app: &App, (view, files): (&ListView, &[FileRow]), mark: &Mark) -> Past {
    let item = view.list.item(&mark.item).map_or_else(|| mark.item.clone(), |item| item.words.clone());
    Past {
        at: mark.at,
        by: app.people().who(&mark.by),
        words: format!("{item}: {}", mark.said),
        link: mark.link.clone().unwrap_or_default(),
        files: files::links(files, Some(&mark.id)),
    }
}

fn stops(app: &App, bot: &BotFacts) -> String {
    let worst = duration(worst_case_stop_ms(bot.timings, app.book.seen(&bot.id).as_deref()));
    let drill = app.last_drill(&bot.id).map_or_else(|| "none yet".to_owned(), |drill| super::bots::drill_words(&drill));
    format!("At worst it stops {worst} after a press, with its agent or that agent's machine alive. Last drill: {drill}.")
}

fn stage_of(bot: &BotFacts, asked: &str) -> Result<Stage, AppError> {
    if asked.is_empty() {
        let next = next_stage(bot.stage).or_else(|| (bot.stage == Stage::Live).then_some(Stage::Live));
        return Ok(next.unwrap_or(Stage::Limited));
    }
    asked.parse().map_err(|_| AppError::NotFound("checklist"))
}

struct Typed {
    said: Said,
    up: Up,
    problems: Problems,
}

impl Typed {
    fn none() -> Self {
        Self { said: Said::default(), up: Up::default(), problems: Problems::none() }
    }
}

async fn draw(app: &App, person: &Person, (id, stage): (&BotId, Stage), typed: Typed) -> Answer {
    let view = app.checklist(&person.actor, id, stage).await?;
    let bot = app.bot(&person.actor, id)?.bot;
    let files = app.files_of(&person.actor, id).await?;
    let Typed { said, up, problems } = typed;
    let mut frame = frame::of(app, &person.visitor, format!("{} to stage {stage}", bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let may = |action: Action| authz::check(&person.actor, action, &App::bot_resource(&bot)).is_ok();
    let differs = app.differences(&bot, view.at);
    let approvers = app.approvers_of(&person.actor, &bot, stage, &view.checked);
    let page = Page {
        frame,
        problems,
        bot: (format!("/bots/{id}"), bot.name.clone()),
        id: id.to_string(),
        stage: stage.as_str(),
        at: view.at,
        track: track::track(bot.stage),
        next: track::next(app, &bot),
        summary: Summary::of(&view),
        groups: items::groups(app, &bot, (&view, &files), &said),
        caps: view.list.caps.as_ref().map_or_else(String::new, |caps| format!("In this stage at most: {}.", caps.words())),
        history: view.history.iter().map(|mark| past(app, (&view, &files), mark)).collect(),
        may_mark: may(Action::MarkChecklist) && stages_of(&bot).contains(&stage),
        way: way(app, person, &bot, &view).await?,
        approval: (approvers.rule, approvers.able.iter().map(|id| app.people().who(id)).collect()),
        up,
        stops: stops(app, &bot),
        so_far: stage::so_far(app, &bot, view.at).await,
        sides: sides::sides(app, &bot, &differs, view.at),
        differs: differs.len(),
        emergency: bot.run.as_ref().and_then(|run| run.emergency_now(view.at)).map(|emergency| emergency.until),
        request: bot.run.as_ref().map_or_else(String::new, |run| format!("/requests/{}", run.request)),
    };
    frame::page_with(status, &page)
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named, Query(which): Query<Which>) -> Answer {
    let id = id_of(&id)?;
    let bot = app.bot(&person.actor, &id)?.bot;
    draw(&app, &person, (&id, stage_of(&bot, &which.stage)?), Typed::none()).await
}

/// Prepares that somebody answers for an item, which they sign.
pub async fn attest(State(app): Shared, person: Person, Named(id): Named, Posted(word): Posted<Word>) -> Answer {
    let id = id_of(&id)?;
    let stage = stage_of(&app.bot(&person.actor, &id)?.bot, &word.stage)?;
    match app.prepare_attest(&person.actor, &id, stage, &word.said).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => {
            let typed = Typed { said: word.said, problems: Problems::of_error(error)?, ..Typed::none() };
            draw(&app, &person, (&id, stage), typed).await
        }
    }
}

/// Puts evidence down for an item, with files or without.
pub async fn evidence(State(app): Shared, Named(id): Named, sent: MayCarryFiles<Word>) -> Answer {
    let id = id_of(&id)?;
    let (person, word) = match sent {
        MayCarryFiles::Plain(person, word) => (person, word),
        MayCarryFiles::Parcel(person, parcel) => return files::put(&app, &id, &person, parcel).await,
    };
    let stage = stage_of(&app.bot(&person.actor, &id)?.bot, &word.stage)?;
    if !word.files_again.is_empty() {
        let typed = Typed { said: word.said, problems: files::left_behind(), ..Typed::none() };
        return draw(&app, &person, (&id, stage), typed).await;
    }
    match app.put_evidence(&person.actor, &id, stage, &word.said).await {
        Ok(_) => Ok(frame::see(&format!("/bots/{id}/golive?stage={stage}"))),
        Err(error) => {
            let typed = Typed { said: word.said, problems: Problems::of_error(error)?, ..Typed::none() };
            draw(&app, &person, (&id, stage), typed).await
        }
    }
}

/// Asks for the step up.
pub async fn ask(State(app): Shared, Named(id): Named, ByTouch(person, up): ByTouch<Up>) -> Answer {
    let id = id_of(&id)?;
    let stage = stage_of(&app.bot(&person.actor, &id)?.bot, &up.stage)?;
    let asked = match up.on_drift.parse::<OnDrift>() {
        Ok(on_drift) => {
            let asked = AskGolive { on_drift, why: &up.why, provenance: None, expected: None };
            app.ask_golive(&person.actor, &id, stage, asked).await
        }
        Err(_) => Err(crate::app::Invalid::one("on_drift", "Choose what becomes of it when it is no longer so").into()),
    };
    match asked {
        Ok(request) => Ok(frame::see(&format!("/requests/{request}"))),
        Err(error) => draw(&app, &person, (&id, stage), Typed { up, problems: Problems::of_error(error)?, ..Typed::none() }).await,
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
pub(in crate::web) use samples::samples;
