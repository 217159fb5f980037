//! `/recoveries`: accounts whose security keys are lost. Who asked, who approved, until when it can be vetoed. Whatever is dear is prepared here
//! and signed as an act; taking back what one asked for is a press.

use super::{acts::words, sign_in::Nothing};
use crate::app::{
    App, AppError,
    recoveries::{Freeze, RecoveryView},
};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{
    RecoveryId, Timestamp, UserId,
    recovery::{APPROVALS_NEEDED, RecoveryState, delay_ms},
};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::{ByTouch, Person, Posted},
    format::{self, OutOf},
    frame,
    page::Frame,
    problems::Problems,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};

struct Row {
    href: String,
    whose: String,
    asked_by: String,
    asked_at: Timestamp,
    approvals: OutOf,
    chip: Chip,
}

#[derive(Template)]
#[template(path = "recoveries.html")]
struct Recoveries {
    frame: Frame,
    rows: Vec<Row>,
}

struct Seat {
    by: String,
    at: Timestamp,
}

#[derive(Template)]
#[template(path = "recovery.html")]
struct One {
    frame: Frame,
    problems: Problems,
    id: RecoveryId,
    view: RecoveryView,
    chip: Chip,
    whose: String,
    person: UserId,
    roles: String,
    asked_by: String,
    seats: Vec<Seat>,
    open_seats: usize,
    /// Why this person does not approve; empty: they may.
    obstacle: String,
    may_approve: bool,
    may_link: bool,
    may_veto: bool,
    may_withdraw: bool,
    waits_a_day: bool,
    freeze: Option<Freeze>,
}

/// How a recovery stands, in a word or two.
fn chip(view: &RecoveryView, now: Timestamp) -> Chip {
    let row = &view.row;
    match row.state {
        state if state.is_open() && now > row.expires_at => Chip::new(Tone::Plain, "Expired"),
        RecoveryState::Asked => Chip::new(Tone::Open, "Waits for approval"),
        RecoveryState::Approved if view.takes_link(now) => Chip::new(Tone::Open, "Link can be made"),
        RecoveryState::Approved => Chip::new(Tone::Open, "Can be vetoed for a day"),
        RecoveryState::Linked if row.began_at.is_some() => Chip::new(Tone::Open, "Keys are being made"),
        RecoveryState::Linked if row.link_until.is_some_and(|until| until <= now) => Chip::new(Tone::Low, "Link is over"),
        RecoveryState::Linked => Chip::new(Tone::Open, "Link waits to be used"),
        RecoveryState::Done => Chip::new(Tone::Done, "Recovered"),
        RecoveryState::Vetoed => Chip::new(Tone::Plain, "Vetoed"),
        RecoveryState::Withdrawn => Chip::new(Tone::Plain, "Withdrawn"),
        RecoveryState::Expired => Chip::new(Tone::Plain, "Expired"),
    }
}

fn name(app: &App, user: &UserId) -> String {
    app.people().who(user)
}

fn asked_by(app: &App, view: &RecoveryView) -> String {
    match &view.row.asked_by {
        None => "the server's host, without approvals".to_owned(),
        Some(user) if *user == view.row.user_id => "themselves, with their password".to_owned(),
        Some(user) => name(app, user),
    }
}

/// All of them.
pub async fn index(State(app): Shared, person: Person) -> Answer {
    let now = app.clock.now();
    let row = |view: RecoveryView| Row {
        href: format!("/recoveries/{}", view.row.id),
        whose: name(&app, &view.row.user_id),
        asked_by: asked_by(&app, &view),
        asked_at: view.row.asked_at,
        approvals: OutOf { n: view.approvals.len(), of: if view.is_by_host() { 0 } else { APPROVALS_NEEDED } },
        chip: chip(&view, now),
    };
    let rows = app.recoveries(&person.actor).await?.into_iter().map(row).collect();
    frame::page(&Recoveries { frame: frame::of(&app, &person.visitor, "Recoveries").await, rows })
}

fn id_of(text: &str) -> Result<RecoveryId, WebError> {
    RecoveryId::parse(text).map_err(|_| AppError::NotFound("recovery").into())
}

/// One of them.
pub async fn show(State(app): Shared, person: Person, Path(id): Path<String>) -> Answer {
    draw(&app, &person, &id_of(&id)?, Problems::none()).await
}

fn may(actor: &Actor, action: Action, resource: &Resource) -> bool {
    authz::check(actor, action, resource).is_ok()
}

async fn draw(app: &App, person: &Person, id: &RecoveryId, problems: Problems) -> Answer {
    let view = app.recovery(&person.actor, id).await?;
    let now = app.clock.now();
    let user = app.people().user(&view.row.user_id).ok_or(AppError::NotFound("person"))?;
    let resource = app.recovery_resource(&view);
    let is_open = view.row.state.is_open() && now <= view.row.expires_at;
    let waits_for_approval = is_open && view.row.state == RecoveryState::Asked;
    let obstacle = match app.check_approval(&person.actor, id) {
        Err(error) if waits_for_approval => WebError::from(error).reasons.join(" "),
        _ => String::new(),
    };
    let has_begun = view.row.began_at.is_some();
    let mut frame = frame::of(app, &person.visitor, format!("Recovery of {}", user.display_name)).await;
    frame.path = format!("/recoveries/{id}");
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = One {
        frame,
        problems,
        id: id.clone(),
        chip: chip(&view, now),
        whose: user.display_name.clone(),
        person: user.id.clone(),
        roles: words::roles(app, &user.grants),
        asked_by: asked_by(app, &view),
        seats: view.approvals.iter().map(|one| Seat { by: name(app, &one.user_id), at: one.at }).collect(),
        open_seats: if view.is_by_host() { 0 } else { APPROVALS_NEEDED.saturating_sub(view.approvals.len()) },
        may_approve: waits_for_approval && obstacle.is_empty() && may(&person.actor, Action::ApproveRecovery, &resource),
        obstacle,
        may_link: view.takes_link(now) && may(&person.actor, Action::LinkRecovery, &resource),
        may_veto: is_open && !has_begun && person.user == user.id,
        may_withdraw: is_open && !has_begun && !view.is_by_host() && may(&person.actor, Action::StopRecovery, &resource),
        waits_a_day: delay_ms(&user.grants) > 0,
        freeze: view.freeze().filter(|freeze| !freeze.is_over(now)),
        view,
    };
    frame::page_with(status, &page)
}

async fn prepared(app: &App, person: &Person, id: &RecoveryId, kind: crate::domain::ActKind) -> Answer {
    match app.prepare_single(&person.actor, kind).await {
        Ok(act) => Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Err(error) => draw(app, person, id, Problems::of_error(error)?).await,
    }
}

async fn of(app: &App, person: &Person, id: &str) -> Result<(RecoveryId, UserId), WebError> {
    let id = id_of(id)?;
    let view = app.recovery(&person.actor, &id).await?;
    Ok((id, view.row.user_id))
}

/// Prepares an approval.
pub async fn approve(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<Nothing>) -> Answer {
    let (recovery, user) = of(&app, &person, &id).await?;
    prepared(&app, &person, &recovery, crate::domain::ActKind::RecoveryApprove { recovery: recovery.clone(), user }).await
}

/// Prepares the link.
pub async fn link(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<Nothing>) -> Answer {
    let (recovery, user) = of(&app, &person, &id).await?;
    prepared(&app, &person, &recovery, crate::domain::ActKind::RecoveryLink { recovery: recovery.clone(), user }).await
}

/// Prepares a veto.
pub async fn veto(State(app): Shared, person: Person, Path(id): Path<String>, _: Posted<Nothing>) -> Answer {
    let (recovery, user) = of(&app, &person, &id).await?;
    prepared(&app, &person, &recovery, crate::domain::ActKind::RecoveryVeto { recovery: recovery.clone(), user }).await
}

/// Takes back what one asked for.
pub async fn withdraw(State(app): Shared, Path(id): Path<String>, ByTouch(person, _): ByTouch<Nothing>) -> Answer {
    let id = id_of(&id)?;
    match app.withdraw_recovery(&person.actor, &id).await {
        Ok(()) => Ok(frame::see(&format!("/recoveries/{id}"))),
        Err(error) => draw(&app, &person, &id, Problems::of_error(error)?).await,
    }
}
