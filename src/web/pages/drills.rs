//! `/drills`: real pauses of chosen bots, measured, beside one that must go on. A list, a form, and a page for each.

use crate::app::{
    App, AppError,
    drill_runs::{DrillBot, DrillRun, PAGE, Standing},
};
use crate::authz::Actor;
use crate::domain::{BotId, DrillId, Stage, Timestamp};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::{Person, Posted},
    format, frame,
    frame::HeldPart,
    live::{self, Door, Feed, Sent},
    page::{Frame, Scripts},
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::sse::Event,
};
use std::sync::Arc;

/// One drill of the list.
struct Row {
    id: String,
    began_at: Timestamp,
    by: String,
    chip: Chip,
    control: String,
    expires: String,
}

/// A bot that can be chosen.
struct Choice {
    id: String,
    name: String,
    stage: &'static str,
    may: bool,
    is_chosen: bool,
    is_control: bool,
}

#[derive(Template)]
#[template(path = "drills.html")]
struct Drills {
    frame: Frame,
    problems: Problems,
    rows: Vec<Row>,
    is_unknown: bool,
    older: String,
    choices: Vec<Choice>,
    may_any: bool,
    /// Whoever looks trades in some team.
    may_ever: bool,
}

/// One bot of a drill.
struct Line {
    name: String,
    bot_href: String,
    receipt_href: String,
    received: String,
    applied: String,
    idle: String,
}

/// How far a drill has come: what of its page is live.
#[derive(Template)]
#[template(path = "live/drill.html")]
struct Part {
    row: Row,
    control_href: String,
    ended_at: Option<Timestamp>,
    ends_at: Timestamp,
    control_at: Option<Timestamp>,
    reasons: Vec<String>,
    lines: Vec<Line>,
}

impl Part {
    fn of(app: &App, run: &DrillRun, bots: &[DrillBot], now: Timestamp) -> Self {
        Self {
            row: row(app, run, now),
            control_href: format!("/bots/{}", run.control_bot),
            ended_at: run.ended_at,
            ends_at: run.ends_at,
            control_at: run.control_at,
            reasons: run.reasons.lines().map(str::to_owned).collect(),
            lines: bots.iter().map(|bot| line(app, bot)).collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "drill.html")]
struct Drill {
    frame: Frame,
    id: String,
    part: Part,
}

/// Where a page of the list begins.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    before: String,
}

/// What the form sends.
#[derive(Debug, Default, serde::Deserialize)]
pub struct NewDrill {
    /// The bots to pause.
    #[serde(default)]
    bot: Vec<String>,
    /// The one that must go on.
    #[serde(default)]
    control: String,
}

fn name(app: &App, id: &BotId) -> String {
    app.fleet.view().bot(id).map_or_else(|| "a bot that is gone".to_owned(), |bot| bot.name.clone())
}

fn chip(run: &DrillRun, now: Timestamp) -> Chip {
    match (run.passed, run.expires_at) {
        (None, _) => Chip::new(Tone::Open, "Running"),
        (Some(false), _) => Chip::new(Tone::High, "Failed"),
        (Some(true), Some(at)) if at <= now => Chip::new(Tone::Low, "Expired"),
        (Some(true), _) => Chip::new(Tone::Done, "Passed"),
    }
}

fn row(app: &App, run: &DrillRun, now: Timestamp) -> Row {
    let expires = match run.expires_at {
        Some(at) if at > now => format!("expires {}", at.plain()),
        Some(at) => format!("expired {}", at.plain()),
        None => String::new(),
    };
    Row {
        id: run.id.to_string(),
        began_at: run.began_at,
        by: run.by_name.clone(),
        chip: chip(run, now),
        control: name(app, &run.control_bot),
        expires,
    }
}

fn choices(app: &App, actor: &Actor, typed: &NewDrill) -> Result<Vec<Choice>, AppError> {
    let candidates = app.drill_candidates(actor)?;
    Ok(candidates
        .into_iter()
        .map(|(bot, may)| Choice {
            is_chosen: typed.bot.iter().any(|id| id == bot.id.as_str()),
            is_control: typed.control == bot.id.as_str(),
            id: bot.id.to_string(),
            name: bot.name.clone(),
            stage: bot.stage.as_str(),
            may,
        })
        .collect())
}

async fn draw(app: &App, person: &Person, before: Option<DrillId>, typed: NewDrill, problems: Problems) -> Answer {
    let found = app.drill_runs(&person.actor, before.as_ref(), PAGE).await;
    let is_unknown = matches!(found, Err(AppError::Unavailable(_)));
    let (runs, next) = if is_unknown { (Vec::new(), None) } else { found? };
    let mut frame = frame::of(app, &person.visitor, "Drills").await;
    frame.scripts = Scripts::Plain;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let choices = choices(app, &person.actor, &typed)?;
    let page = Drills {
        rows: runs.iter().map(|run| row(app, run, frame.now)).collect(),
        older: next.map(|next| format!("/drills?before={next}")).unwrap_or_default(),
        may_any: choices.iter().any(|choice| choice.may),
        may_ever: super::fleet::trades(&person.actor),
        choices,
        is_unknown,
        problems,
        frame,
    };
    frame::page_with(status, &page)
}

fn id_of(text: &str) -> Result<DrillId, WebError> {
    DrillId::parse(text).map_err(|_| AppError::NotFound("drill").into())
}

/// The list and the form.
pub async fn index(State(app): Shared, person: Person, Query(asked): Query<Asked>) -> Answer {
    let before = if asked.before.is_empty() { None } else { Some(id_of(&asked.before)?) };
    draw(&app, &person, before, NewDrill::default(), Problems::none()).await
}

/// Begins a drill; one above sandbox is prepared and waits for two signatures.
pub async fn create(State(app): Shared, person: Person, Posted(form): Posted<NewDrill>) -> Answer {
    let bots: Result<Vec<BotId>, _> = form.bot.iter().map(|id| BotId::parse(id)).collect();
    let bots = bots.map_err(|_| AppError::NotFound("bot"))?;
    let mut problems = Problems::none();
    if bots.is_empty() {
        problems.add("bot", "Choose at least one bot to pause.");
    }
    let Ok(control) = BotId::parse(&form.control) else {
        problems.add("control", "Choose one bot that must go on.");
        return draw(&app, &person, None, form, problems).await;
    };
    if !problems.is_empty() {
        return draw(&app, &person, None, form, problems).await;
    }
    let begun = match bots.as_slice() {
        [one] if app.drill_needs_approval(&bots) => {
            app.prepare_drill(&person.actor, one, &control).await.map(|act| format!("/acts/{}", act.stored.id))
        }
        _ => app.begin_drill(&person.actor, &bots, &control).await.map(|id| format!("/drills/{id}")),
    };
    match begun {
        Ok(path) => Ok(frame::see(&path)),
        Err(error) => draw(&app, &person, None, form, Problems::of_error(error)?).await,
    }
}

fn ms(ms: Option<i64>) -> String {
    ms.map_or_else(|| "not yet".to_owned(), |ms| format!("{} ms", format::count(ms)))
}

fn line(app: &App, bot: &DrillBot) -> Line {
    Line {
        name: name(app, &bot.bot_id),
        bot_href: format!("/bots/{}", bot.bot_id),
        receipt_href: format!("/holds/{}", bot.hold_id),
        received: ms(bot.received_ms),
        applied: ms(bot.applied_ms),
        idle: ms(bot.idle_ms),
    }
}

/// One drill.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    let (run, bots) = app.drill_run(&person.actor, &id_of(&id)?).await?;
    let mut frame = frame::of(&app, &person.visitor, "Drill").await;
    // What is over does not change any more.
    frame.scripts = if run.ended_at.is_some() { Scripts::Plain } else { Scripts::Live };
    frame::page(&Drill { id: run.id.to_string(), part: Part::of(&app, &run, &bots, frame.now), frame })
}

/// Streams how far it has come.
pub async fn stream(State(app): Shared, person: Person, Named(id): Named, door: Door) -> Answer {
    let id = id_of(&id)?;
    app.drill_run(&person.actor, &id).await?;
    Ok(door.open(&app, &person.visitor, DrillFeed { id, sent: Sent::default() }))
}

struct DrillFeed {
    id: DrillId,
    sent: Sent,
}

impl Feed for DrillFeed {
    async fn news(&mut self, app: &Arc<App>, actor: &Actor) -> Result<Vec<Event>, AppError> {
        let (run, bots) = app.drill_run(actor, &self.id).await?;
        let mut text = String::new();
        let inside = Part::of(app, &run, &bots, app.clock.now()).render().map_err(AppError::internal)?;
        if self.sent.is_news("drill", &inside) {
            text.push_str(&inside);
        }
        let held = HeldPart::of(app, actor).render().map_err(AppError::internal)?;
        if self.sent.is_news("held", &held) {
            text.push_str(&live::part("held", held));
        }
        Ok(if text.is_empty() { Vec::new() } else { vec![live::swap(&text)] })
    }
}

/// Where a bot stands with drills, for its page: a chip, a sentence, and the drill.
pub(super) async fn of_bot(app: &App, actor: &Actor, bot: &BotId, stage: Stage) -> Option<(Chip, String, String)> {
    if matches!(stage, Stage::Draft | Stage::Retired) {
        return None;
    }
    let href = |run: &DrillRun| format!("/drills/{}", run.id);
    Some(match app.drill_standing(actor, bot).await {
        Err(_) => (Chip::new(Tone::NoData, "Not known"), "the database does not answer".to_owned(), "/drills".to_owned()),
        Ok(Standing::None) => {
            (Chip::new(Tone::Low, "Missing"), "no drill with a bot that must go on was ever made of it".to_owned(), "/drills".to_owned())
        }
        Ok(Standing::Failed(run)) => {
            (Chip::new(Tone::High, "Failed"), run.reasons.lines().next().unwrap_or_default().to_owned(), href(&run))
        }
        Ok(Standing::Good(run, at)) => (Chip::new(Tone::Done, "Passed"), format!("expires {}", at.plain()), href(&run)),
        Ok(Standing::Expired(run, at)) => (Chip::new(Tone::Low, "Expired"), format!("expired {}; drill it again", at.plain()), href(&run)),
    })
}
