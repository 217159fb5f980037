//! `/acts/{id}`: exactly what is signed, in sentences and in bytes, who has signed, and the ceremony. A secret that comes of the last
//! signature is shown in the answer to it and nowhere else.

use super::{name, obstacle, seats, state, words};
use crate::app::{
    App, AppError,
    acts::{ALONE_WAITS_MS, ActView, Outcome},
};
use crate::domain::{ActId, ActKind, Secret, StartLeaf, Timestamp};
use crate::web::pages::{bots::enrol, stop_devices};
use crate::web::{
    Answer, Shared, WebError,
    chip::Chip,
    extract::{ByTouch, Person, Posted},
    format, frame,
    page::{Frame, Scripts},
    problems::Problems,
    session,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use std::sync::Arc;

struct Seat {
    // Who sits there; empty: open.
    taken_by: String,
    at: Option<Timestamp>,
    key: String,
    is_alone: bool,
    may: String,
}

struct Leaf {
    bot: String,
    href: String,
    leaf: StartLeaf,
}

struct AboutRequest {
    href: String,
    title: String,
    asked_by: String,
    why: String,
}

#[derive(Template)]
#[template(path = "act.html")]
struct Show {
    frame: Frame,
    problems: Problems,
    act: ActView,
    sentence: String,
    effect: &'static str,
    facts: Vec<(&'static str, String)>,
    leaves: Vec<Leaf>,
    chip: Chip,
    asked_by: String,
    // What an approval is of.
    request: Option<AboutRequest>,
    seats: Vec<Seat>,
    body: String,
    button: String,
    // Empty: this person does not sign now.
    options: String,
    // Why not; empty when they may.
    obstacle: String,
    is_open: bool,
    may_deny: bool,
    may_withdraw: bool,
    is_alone: bool,
    alone_min: i64,
    has_demo_key: bool,
}

#[derive(Template)]
#[template(path = "act_secret.html")]
struct Shown {
    frame: Frame,
    heading: &'static str,
    secret: Secret<String>,
    next: String,
    // Of an enrolment code.
    bot: Option<String>,
    command: String,
    dir: String,
    origin: String,
    // Of an API token: its scope's word.
    token: Option<String>,
    is_link: bool,
}

/// The act.
pub async fn show(State(app): Shared, person: Person, Path(id): Path<String>) -> Answer {
    let act = app.act(&person.actor, &id_of(&id)?).await?;
    draw(&app, &person, act, Problems::none(), StatusCode::OK).await
}

fn id_of(text: &str) -> Result<ActId, WebError> {
    ActId::parse(text).map_err(|_| AppError::NotFound("act").into())
}

/// What the session keeps this act's ceremony under.
fn purpose(act: &ActView) -> String {
    format!("act {}", act.stored.id)
}

async fn draw(app: &Arc<App>, person: &Person, act: ActView, mut problems: Problems, status: StatusCode) -> Answer {
    let is_open = act.stored.state == "open" && app.clock.now() <= act.waits_until();
    let mut obstacle = if is_open { obstacle(app, &person.actor, &act).unwrap_or_default() } else { String::new() };
    let (request, in_vain) = about_request(app, person, &act).await;
    if is_open && !in_vain.is_empty() {
        obstacle = in_vain;
    }
    let mut options = String::new();
    let has_demo_key = app.demo_can_sign(&person.user);
    if is_open && obstacle.is_empty() {
        match app.signing_options(&person.actor, &act.stored.id).await {
            Ok(ceremony) => {
                session::keep_ceremony(&person.visitor.session, &purpose(&act), ceremony.state, app.clock.now()).await?;
                options = ceremony.options;
            }
            Err(AppError::Key(error)) => obstacle = WebError::from(AppError::Key(error)).reasons.join(" "),
            Err(AppError::Unavailable(_)) => problems.add("", "The database cannot be read, so nothing can be signed now. Pausing works."),
            Err(error) => return Err(error.into()),
        }
    }
    let mut frame = frame::of(app, &person.visitor, words::sentence(app, &act)).await;
    frame.path = format!("/acts/{}", act.stored.id);
    frame.is_error = !problems.is_empty();
    frame.scripts = if options.is_empty() { Scripts::Plain } else { Scripts::Keys };
    let mut facts = words::facts(app, &act);
    if let Some(opening) = act.detail.opening.as_ref().filter(|_| act.stored.made_by == person.user) {
        facts.insert(0, ("New address", opening.address.clone()));
    }
    let page = Show {
        frame,
        problems,
        sentence: words::sentence(app, &act),
        effect: words::effect(&act),
        facts,
        leaves: leaves(app, &act),
        chip: state(app, &act),
        asked_by: name(app, &act.stored.made_by),
        request,
        seats: seated(app, person, &act).await,
        body: String::from_utf8_lossy(&act.stored.body).into_owned(),
        button: words::button(&act),
        options,
        obstacle,
        is_open,
        may_deny: app.may_deny(&person.actor, &act).is_ok(),
        may_withdraw: app.may_withdraw(&person.actor, &act).is_ok(),
        is_alone: seats(&act) > 1 && app.people().is_alone(),
        alone_min: ALONE_WAITS_MS / 60_000,
        has_demo_key,
        act,
    };
    frame::page_with(status, &page)
}

/// The request that an approval is of, and why it can approve it no more; empty: it can.
async fn about_request(app: &App, person: &Person, act: &ActView) -> (Option<AboutRequest>, String) {
    let ActKind::RequestApprove { request, digest, .. } = &act.act.kind else { return (None, String::new()) };
    let Ok(view) = app.request(&person.actor, request).await else { return (None, String::new()) };
    let about = AboutRequest {
        href: format!("/requests/{request}"),
        title: app.request_title(view.row.kind, &view.row.target),
        asked_by: app.people().who(&view.row.requester),
        why: view.why().to_owned(),
    };
    let in_vain = match () {
        () if !view.row.state.is_open() => format!("The request is over: {}.", view.row.state),
        () if view.case.request.digest != *digest => {
            "The request was changed since this was prepared. Read what it asks for now and approve that.".to_owned()
        }
        () => String::new(),
    };
    (Some(about), in_vain)
}

fn leaves(app: &App, act: &ActView) -> Vec<Leaf> {
    let view = app.fleet.view();
    let leaf = |leaf: &StartLeaf| Leaf {
        bot: view.bot(&leaf.bot).map_or_else(|| leaf.bot.to_string(), |bot| bot.name.clone()),
        href: format!("/bots/{}", leaf.bot),
        leaf: leaf.clone(),
    };
    act.detail.leaves.iter().map(leaf).collect()
}

async fn seated(app: &App, person: &Person, act: &ActView) -> Vec<Seat> {
    let mut all = Vec::new();
    for signature in &act.signatures {
        let keys = app.keys_of(&person.actor, &signature.user_id).await.unwrap_or_default();
        let key = keys
            .into_iter()
            .find(|key| key.id == signature.credential_id)
            .map_or_else(|| "a key since removed".to_owned(), |key| key.nickname);
        let taken_by = name(app, &signature.user_id);
        all.push(Seat { taken_by, at: Some(signature.at), key, is_alone: signature.alone, may: String::new() });
    }
    for seat in all.len() + 1..=seats(act) {
        all.push(Seat { taken_by: String::new(), at: None, key: String::new(), is_alone: false, may: words::who(app, act, seat) });
    }
    all
}

/// The key's answer.
#[derive(Debug, serde::Deserialize)]
pub struct Signed {
    response: String,
}

/// Takes a signature.
pub async fn sign(State(app): Shared, person: Person, Path(id): Path<String>, Posted(signed): Posted<Signed>) -> Answer {
    let act = app.act(&person.actor, &id_of(&id)?).await?;
    let done = async {
        let state = session::take_ceremony(&person.visitor.session, &purpose(&act), app.clock.now()).await?;
        app.sign(&person.actor, &act.stored.id, &state, &signed.response).await
    };
    let done = done.await;
    answer(&app, &person, act, done).await
}

/// A reason.
#[derive(Debug, serde::Deserialize)]
pub struct Why {
    why: String,
}

/// Denies what waits for a second person.
pub async fn deny(State(app): Shared, Path(id): Path<String>, ByTouch(person, typed): ByTouch<Why>) -> Answer {
    let id = id_of(&id)?;
    let ended = app.deny_act(&person.actor, &id, &typed.why).await;
    ended_or_why(&app, &person, &id, ended).await
}

/// Takes back what one asked for or signed.
pub async fn withdraw(
    State(app): Shared,
    person: Person,
    Path(id): Path<String>,
    _: Posted<crate::web::pages::sign_in::Nothing>,
) -> Answer {
    let id = id_of(&id)?;
    let ended = app.withdraw_act(&person.actor, &id).await;
    ended_or_why(&app, &person, &id, ended).await
}

async fn ended_or_why(app: &Arc<App>, person: &Person, id: &ActId, ended: Result<(), AppError>) -> Answer {
    let error = match ended {
        Ok(()) => return Ok(frame::see(&format!("/acts/{id}"))),
        Err(error @ (AppError::Conflict(_) | AppError::Invalid(_))) => error,
        Err(error) => return Err(error.into()),
    };
    let status = if matches!(error, AppError::Conflict(_)) { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
    let act = app.act(&person.actor, id).await?;
    draw(app, person, act, Problems::of_error(error)?, status).await
}

/// Signs with the key that a demo keeps for its people. The same verification follows.
pub async fn sign_demo(
    State(app): Shared,
    person: Person,
    Path(id): Path<String>,
    _: Posted<crate::web::pages::sign_in::Nothing>,
) -> Answer {
    let act = app.act(&person.actor, &id_of(&id)?).await?;
    let done = app.demo_sign(&person.actor, &act.stored.id).await;
    answer(&app, &person, act, done).await
}

async fn answer(app: &Arc<App>, person: &Person, act: ActView, done: Result<Outcome, AppError>) -> Answer {
    if done.is_ok() {
        let visitor = &person.visitor;
        session::touched(&app.sessions, &visitor.session, &visitor.held, app.clock.now()).await?;
    }
    let error = match done {
        Ok(Outcome::Waits) => return Ok(frame::see(&format!("/acts/{}", act.stored.id))),
        Ok(Outcome::Done(path)) => return Ok(frame::see(&path)),
        Ok(Outcome::Secret { secret, .. }) if let ActKind::StopDeviceLink { name, .. } = &act.act.kind => {
            return stop_devices::show_link(app, person, name, secret).await;
        }
        Ok(Outcome::Secret { title, secret, next }) => return once(app, person, &act, (title, secret, next)).await,
        Err(error) => error,
    };
    let status = if matches!(error, AppError::Conflict(_)) { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
    let mut problems = Problems::of_error(error)?;
    let again = app.act(&person.actor, &act.stored.id).await?;
    if again.stored.state == "done" {
        let said = "It was carried out already, and nothing was done twice. A link or code is shown once: where it is lost, make another.";
        problems = Problems::one("", said);
    }
    draw(app, person, again, problems, status).await
}

/// The one page on which a secret stands.
async fn once(app: &App, person: &Person, act: &ActView, (heading, secret, next): (&'static str, Secret<String>, String)) -> Answer {
    let bot = match &act.act.kind {
        ActKind::EnrolmentCode { bot } => Some(app.fleet.view().bot(bot).map_or_else(|| bot.to_string(), |bot| bot.name.clone())),
        _ => None,
    };
    let mut frame = frame::of(app, &person.visitor, heading).await;
    frame.path = format!("/acts/{}", act.stored.id);
    if bot.is_some() {
        frame.scripts = Scripts::Live;
    }
    let command = bot.as_ref().map(|name| enrol::command(app, name)).unwrap_or_default();
    let page = Shown {
        dir: command.rsplit(' ').next().unwrap_or_default().to_owned(),
        command,
        frame,
        heading,
        secret,
        next,
        bot,
        origin: app.origin.origin().ascii_serialization(),
        token: match &act.act.kind {
            ActKind::TokenCreate { scope, .. } => Some(scope.clone()),
            _ => None,
        },
        is_link: matches!(
            act.act.kind,
            ActKind::Invite { .. } | ActKind::InviteAgain { .. } | ActKind::RecoveryApprove { .. } | ActKind::RecoveryLink { .. }
        ),
    };
    frame::page(&page)
}
