//! `/alerts`: what somebody must look at, what somebody does look after, and what is over. Open and taken ones are shown from memory, database or
//! not.

use super::{sign_in::Nothing, system::Part};
use crate::app::{App, AppError, alerts::PAGE};
use crate::authz::{self, Action, Resource};
use crate::domain::{
    Alert, AlertId, Severity, Timestamp,
    alert::{CommandState, Standing},
};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::{ByTouch, MayNeedTouch, Person, Posted},
    format, frame,
    page::{Frame, Scripts},
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
};

/// Alerts of one piece of a list, and the last piece that can be asked for.
const PIECE: usize = PAGE as usize;
const MOST_PAGES: usize = 10_000;
/// Other alerts of the same bot, at most.
const OF_BOT: i64 = 10;

/// One alert of a list.
pub(super) struct Row {
    id: String,
    chip: Chip,
    title: String,
    bot: String,
    words: String,
    opened_at: Timestamp,
    last_at: Timestamp,
    repeats: i64,
    taken_by: String,
    closed: Option<(Timestamp, String, String)>,
    may_take: bool,
}

#[derive(Template)]
#[template(path = "alerts.html")]
pub(super) struct Alerts {
    frame: Frame,
    show: &'static str,
    open: usize,
    taken: usize,
    rows: Vec<Row>,
    is_unknown: bool,
    newer: String,
    older: String,
    words: String,
    may_test: bool,
}

/// A moment of an alert's history.
struct Moment {
    at: Timestamp,
    // The day, beside the time of day.
    day: String,
    what: String,
}

impl Moment {
    fn new(at: Timestamp, what: impl Into<String>) -> Self {
        let day = at.plain().split(' ').next().unwrap_or_default().to_owned();
        Self { at, day, what: what.into() }
    }
}

#[derive(Template)]
#[template(path = "alert.html")]
pub(super) struct One {
    frame: Frame,
    problems: Problems,
    row: Row,
    severity: &'static str,
    standing: &'static str,
    bot_href: String,
    hold_href: String,
    history: Vec<Moment>,
    others: Vec<Row>,
    may_tend: bool,
    is_taken: bool,
    /// Whoever looks has it.
    is_mine: bool,
    typed: String,
}

/// Which list, and where a page of it begins.
#[derive(Debug, serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    show: String,
    #[serde(default)]
    before: String,
    /// Of open and taken ones: which piece, from 1.
    #[serde(default)]
    page: String,
}

fn chip(alert: &Alert) -> Chip {
    match (alert.severity, alert.is_open()) {
        (_, false) => Chip::new(Tone::Done, "Closed"),
        (Severity::Critical, true) => Chip::new(Tone::Critical, "Critical"),
        (Severity::Warning, true) => Chip::new(Tone::Low, "Warning"),
    }
}

fn row(app: &App, person: &Person, alert: &Alert) -> Row {
    Row {
        id: alert.id.to_string(),
        chip: chip(alert),
        title: alert.kind.title().to_owned(),
        bot: app.alert_bot_name(alert).unwrap_or_default(),
        words: alert.words.clone(),
        opened_at: alert.opened_at,
        last_at: alert.last_at,
        repeats: alert.repeats,
        taken_by: alert.taken.as_ref().map(|(by, _)| by.name.clone()).unwrap_or_default(),
        closed: alert.closed.as_ref().map(|closed| {
            let by = closed.by.as_ref().map_or("the server", |by| by.name.as_str());
            (closed.at, by.to_owned(), closed.why.clone())
        }),
        may_take: alert.standing() == Standing::Open && app.may_tend(&person.actor, alert),
    }
}

fn id_of(text: &str) -> Result<AlertId, WebError> {
    AlertId::parse(text).map_err(|_| AppError::NotFound("alert").into())
}

/// One list: open, taken or closed ones.
pub async fn index(State(app): Shared, person: Person, Query(asked): Query<Asked>) -> Answer {
    let show = ["taken", "closed"].into_iter().find(|show| *show == asked.show).unwrap_or("open");
    let before = if asked.before.is_empty() { None } else { Some(id_of(&asked.before)?) };
    let (mut is_unknown, mut newer, mut older, mut words) = (false, String::new(), String::new(), "Newest first".to_owned());
    let alerts = if show == "closed" {
        match app.closed_alerts(&person.actor, before.as_ref(), PAGE).await {
            Ok((alerts, next)) => {
                older = next.map(|next| format!("/alerts?show=closed&before={next}")).unwrap_or_default();
                alerts
            }
            Err(AppError::Unavailable(_)) => {
                is_unknown = true;
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        let mut alerts = app.open_alerts(&person.actor, show == "taken")?;
        // The worst first, and of equals the newest.
        alerts.sort_by(|a, b| a.severity.cmp(&b.severity).then_with(|| b.id.cmp(&a.id)));
        let (all, page) = (alerts.len(), asked.page.parse::<usize>().unwrap_or(1).clamp(1, MOST_PAGES));
        let first = (page - 1).saturating_mul(PIECE).min(all);
        let piece: Vec<Alert> = alerts.into_iter().skip(first).take(PIECE).collect();
        let to = |page: usize| format!("/alerts?show={show}&page={page}");
        newer = if page > 1 { to(page - 1) } else { String::new() };
        older = if first + piece.len() < all { to(page + 1) } else { String::new() };
        words = format!("{} to {} of {}, the worst first", (first + 1).min(all), first + piece.len(), format::count(all as i128));
        piece
    };
    let all = app.alerts.open();
    let taken = all.iter().filter(|alert| alert.taken.is_some()).count();
    let mut frame = frame::of(&app, &person.visitor, "Alerts").await;
    frame.scripts = Scripts::Plain;
    let rows = alerts.iter().map(|alert| row(&app, &person, alert)).collect();
    let may_test = authz::check(&person.actor, Action::TendAlert, &Resource::Installation).is_ok();
    frame::page(&Alerts { frame, show, open: all.len() - taken, taken, rows, is_unknown, newer, older, words, may_test })
}

fn history(alert: &Alert) -> Vec<Moment> {
    let mut all = vec![Moment::new(alert.opened_at, "Opened by the server")];
    if alert.repeats > 0 {
        let times = if alert.repeats == 1 { "once more".to_owned() } else { format!("{} times more", alert.repeats) };
        all.push(Moment::new(alert.last_at, format!("Seen {times}, here for the last time")));
    }
    all.extend(alert.told_at.map(|at| Moment::new(at, "People of the team and risk were told")));
    if let Some(at) = alert.command_at {
        let what = match alert.command {
            CommandState::Done => "The alert command took it".to_owned(),
            CommandState::Failed => format!("The alert command failed and is not run again: {}", alert.command_said),
            CommandState::Running => "The alert command was begun".to_owned(),
            CommandState::Due | CommandState::Off => format!("The alert command failed and is run again: {}", alert.command_said),
        };
        all.push(Moment::new(at, what));
    }
    all.extend(alert.taken.as_ref().map(|(by, at)| Moment::new(*at, format!("Taken by {}", by.name))));
    all.extend(alert.closed.as_ref().map(|closed| {
        let by = closed.by.as_ref().map_or("the server", |by| by.name.as_str());
        Moment::new(closed.at, format!("Closed by {by}: {}", closed.why))
    }));
    all.sort_by_key(|moment| moment.at);
    all
}

async fn draw(app: &App, person: &Person, id: &AlertId, typed: String, problems: Problems) -> Answer {
    let alert = app.alert(&person.actor, id).await?;
    let others = match &alert.subject.bot {
        // Beside the alert itself: a database that does not answer leaves them out.
        Some(bot) => app.alerts_of_bot(&person.actor, bot, OF_BOT + 1).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let others = others.iter().filter(|other| other.id != alert.id).map(|other| row(app, person, other)).collect();
    let mut frame = frame::of(app, &person.visitor, alert.kind.title()).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = One {
        frame,
        problems,
        row: row(app, person, &alert),
        severity: alert.severity.as_str(),
        standing: alert.standing().as_str(),
        bot_href: alert.subject.bot.as_ref().map(|bot| format!("/bots/{bot}")).unwrap_or_default(),
        hold_href: alert.subject.hold.as_ref().map(|hold| format!("/holds/{hold}")).unwrap_or_default(),
        history: history(&alert),
        others,
        may_tend: alert.is_open() && app.may_tend(&person.actor, &alert),
        is_taken: alert.taken.is_some(),
        is_mine: alert.taken.as_ref().is_some_and(|(by, _)| person.actor.user().is_some_and(|user| by.id == user.as_str())),
        typed,
    };
    frame::page_with(status, &page)
}

/// One alert with its history.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw(&app, &person, &id_of(&id)?, String::new(), Problems::none()).await
}

/// Sends one that says it is a test.
pub async fn test(State(app): Shared, person: Person, _: Posted<Nothing>) -> Answer {
    app.send_test_alert(&person.actor).await?;
    Ok(frame::see("/alerts"))
}

/// Says that whoever presses looks after it.
pub async fn take(State(app): Shared, person: Person, Named(id): Named, _: Posted<Nothing>) -> Answer {
    let id = id_of(&id)?;
    app.take_alert(&person.actor, &id).await?;
    Ok(frame::see(&format!("/alerts/{id}")))
}

/// The reason.
#[derive(Debug, serde::Deserialize)]
pub struct Why {
    #[serde(default)]
    why: String,
}

/// Closes it. Of a critical one that silences what may go on: a touch of the key is asked for, as for every other change.
pub async fn close(State(app): Shared, Named(id): Named, asked: MayNeedTouch<Why>) -> Answer {
    let id = id_of(&id)?;
    let alert = app.alert(&asked.person.actor, &id).await?;
    let (person, form) = match alert.severity {
        Severity::Warning => (asked.person, asked.fields),
        Severity::Critical => match asked.touched(&app).await {
            Ok(ByTouch(person, form)) => (person, form),
            Err(page) => return Ok(page),
        },
    };
    match app.close_alert(&person.actor, &id, &form.why).await {
        Ok(()) => Ok(frame::see(&format!("/alerts/{id}"))),
        Err(error) => draw(&app, &person, &id, form.why, Problems::of_error(error)?).await,
    }
}

/// How the alert command is, as a row of the table of parts.
pub async fn command_part(app: &App) -> Part {
    const NAME: &str = "Alert command";
    let Some(command) = app.alert_command() else {
        return Part {
            part: NAME,
            chip: Chip::new(Tone::Plain, "Not set up"),
            said: "--alert-command gives each alert to a program of yours.".to_owned(),
        };
    };
    let program = command.first().map_or("", String::as_str);
    match app.alert_command_failures().await {
        Ok((0, _)) => Part::new(NAME, true, (Tone::High, ""), format!("{program} gets each alert; no run failed in 7 days.")),
        Ok((n, said)) => {
            let alerts = if n == 1 { "alert" } else { "alerts" };
            let said = format!("{program} failed for {n} {alerts} in 7 days. The last: {said}");
            Part::new(NAME, false, (Tone::High, "Failing"), said)
        }
        Err(_) => Part {
            part: NAME,
            chip: Chip::new(Tone::Plain, "Not known"),
            said: "How it went is in the database, which does not answer.".to_owned(),
        },
    }
}
