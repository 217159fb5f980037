//! Fills the frame of a page from whoever asks and from what is known in memory. A dead database makes a frame poorer, never late.

use super::{
    Answer, WebError,
    extract::Visitor,
    format::OutOf,
    page::{AlertStrip, FirstRunStrip, Frame, HeldStrip, PauseControl, PeopleStrip, Person},
};
use crate::app::{App, AppError, first_run::TASKS, first_run::Task};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotId, Grant, Hold, Role, Scope, Step, UserId, quorum::is_small};
use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::{collections::HashSet, sync::Arc, time::Duration};

/// How long a page waits to learn how many acts and requests wait.
const PATIENCE: Duration = Duration::from_millis(100);
/// The strip is counted over at most so many holds, the newest.
const COUNTED: usize = 20;

/// The frame of a page for this visitor. Handlers change `scripts`, `pause` and the like on it afterwards.
pub async fn of(app: &App, visitor: &Visitor, title: impl Into<String>) -> Frame {
    let mut frame = without_first_run(app, visitor, title).await;
    frame.first_run = visitor.actor.as_ref().and_then(|actor| first_run(app, actor));
    frame
}

/// The same for the list itself and for the page that only pauses: how far the list has come is not computed there.
pub async fn without_first_run(app: &App, visitor: &Visitor, title: impl Into<String>) -> Frame {
    let mut frame = bare(app, title, visitor.path.clone());
    frame.csrf = visitor.csrf();
    let Some(actor) = &visitor.actor else {
        if visitor.is_stop_device {
            frame.pause = PauseControl::Device;
        }
        return frame;
    };
    frame.person = person(app, actor, visitor.asleep.is_some());
    frame.frozen_why = app.log.gate().frozen().map(|frozen| frozen.why.clone()).unwrap_or_default();
    frame.held = held(app, actor);
    frame.alerts = alerts(app, actor);
    if visitor.asleep.is_none() {
        frame.people = people(app, actor);
    }
    if actor.has_few_keys() {
        frame.keys_missing = actor.user().and_then(|user| super::pages::own_keys::missing(app, user)).unwrap_or_default();
    }
    if visitor.asleep.is_none() {
        frame.alerts_untaken = app.alerts.untaken();
    }
    frame.notices_unread = actor.user().map_or(0, |user| app.notices.unread(user));
    if authz::check(actor, Action::PlaceHold, &Resource::Installation).is_ok() {
        frame.pause = PauseControl::Link;
    }
    frame.may_audit = authz::check(actor, Action::SeeAudit, &Resource::Installation).is_ok();
    let acts = tokio::time::timeout(PATIENCE, app.acts_waiting(actor));
    let (acts, requests) = tokio::join!(acts, tokio::time::timeout(PATIENCE, app.requests_waiting(actor)));
    // What takes two people stands among the requests as well.
    let (acts, of_two) = acts.ok().and_then(Result::ok).unwrap_or_default();
    frame.acts_waiting = acts;
    frame.requests_waiting = requests.ok().and_then(Result::ok).unwrap_or_default() + of_two + app.recoveries_waiting(actor);
    frame
}

/// The frame of a page for nobody in particular.
pub fn bare(app: &App, title: impl Into<String>, path: impl Into<String>) -> Frame {
    let mut frame = Frame::new(title, path, app.clock.now());
    frame.installation.clone_from(&app.installation.name);
    frame.is_demo = app.is_demo();
    frame.is_log_frozen = app.log.gate().frozen().is_some();
    frame.is_foreign = app.site.is_foreign();
    frame
}

/// A page with status 200.
///
/// # Errors
/// When the template fails.
pub fn page<T: Template>(page: &T) -> Answer {
    page_with(StatusCode::OK, page)
}

/// A page with another status: 422 when a form needs a change.
///
/// # Errors
/// When the template fails.
pub fn page_with<T: Template>(status: StatusCode, page: &T) -> Answer {
    let html = page.render().map_err(AppError::internal)?;
    Ok((status, [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], html).into_response())
}

/// 303: a form was taken, look there.
pub fn see(path: &str) -> Response {
    axum::response::Redirect::to(path).into_response()
}

/// A role in words: `lead of trend`, `risk`.
pub fn role_words(app: &App, grant: &Grant) -> String {
    match &grant.team {
        Some(team) => format!("{} of {}", grant.role, app.people().team_name(team).unwrap_or_else(|| "a team that is gone".to_owned())),
        None => grant.role.to_string(),
    }
}

/// A scope in words: `the whole fleet`, `team trend`, `venue binance`, `bot grid-btc`, `BTC/USDT everywhere`.
pub fn scope_words(app: &App, scope: &Scope) -> String {
    app.scope_words(scope)
}

fn person(app: &App, actor: &Actor, stop_only: bool) -> Option<Person> {
    let Actor::User { name, grants, .. } = actor else { return None };
    Some(Person { name: name.clone(), roles: grants.iter().map(|grant| role_words(app, grant)).collect(), stop_only })
}

/// What every page says of people: a recovery on the server's host, one's own recovery, and who is both admin and lead (ruling C8).
fn people(app: &App, actor: &Actor) -> Vec<PeopleStrip> {
    let (now, book) = (app.clock.now(), app.recovery_book());
    let mut strips = Vec::new();
    for view in book.by_host(now) {
        strips.push(PeopleStrip {
            is_urgent: true,
            bold: "Recovered on the server's host.".to_owned(),
            text: format!("{} at {}, without approvals: {}", app.people().who(&view.row.user_id), view.row.asked_at.plain(), view.row.why),
            href: format!("/recoveries/{}", view.row.id),
            link: "Look at it",
        });
    }
    if let Some(user) = actor.user() {
        strips.extend(own_recovery(app, user));
    }
    let enabled: Vec<_> = app.people().users().into_iter().filter(|user| user.enabled).collect();
    let holds = |grants: &[Grant], role: Role| grants.iter().any(|grant| grant.role == role);
    for user in enabled.iter().filter(|user| holds(&user.grants, Role::Admin) && holds(&user.grants, Role::Lead)) {
        let is_over = !is_small(enabled.len());
        let text = match is_over {
            true => format!(
                "There are {} people now, so the two must be parted: an admin signs new roles. Nothing ends by itself.",
                enabled.len()
            ),
            false => "Allowed while fewer than four people are here; parted by request, not by itself.".to_owned(),
        };
        strips.push(PeopleStrip {
            is_urgent: is_over,
            bold: format!("{} is admin and lead.", user.display_name),
            text,
            href: format!("/people/{}", user.id),
            link: "Their roles",
        });
    }
    strips
}

/// That somebody's own account is being recovered, or was.
fn own_recovery(app: &App, user: &UserId) -> Option<PeopleStrip> {
    let (now, book) = (app.clock.now(), app.recovery_book());
    if let Some(view) = book.open_of(user) {
        return Some(PeopleStrip {
            is_urgent: true,
            bold: "Somebody asked to recover your account.".to_owned(),
            text: "If you did not lose your keys, veto it.".to_owned(),
            href: format!("/recoveries/{}", view.row.id),
            link: "Look at it",
        });
    }
    let freeze = book.freeze_of(user, now)?;
    Some(PeopleStrip {
        is_urgent: false,
        bold: "Your account was recovered.".to_owned(),
        text: format!("Until {} you may see and stop, nothing else.", freeze.words()),
        href: "/me".to_owned(),
        link: "My account",
    })
}

/// The strip of the first run: for those who can bring it on, until it is finished or they have put it away.
fn first_run(app: &App, actor: &Actor) -> Option<FirstRunStrip> {
    let brings_on = [Role::Admin, Role::Risk, Role::Lead, Role::Operator].into_iter().any(|role| actor.holds(role));
    if app.is_demo() || actor.is_stop_only() || !brings_on || app.has_put_first_run_away(actor.user()?) {
        return None;
    }
    let run = app.first_run_ahead(actor)?;
    let next = match run.next()? {
        Task::Keys => "make a second security key",
        Task::SecondPerson => "invite a second person",
        Task::Bot => "write a first bot down",
        Task::Agent => "put an agent beside it",
        Task::Start => "start it",
        Task::Drill => "measure a pause drill",
    };
    Some(FirstRunStrip { done: OutOf { n: run.count(), of: TASKS }, next })
}

/// The strips of alerts and of what is held alone, for live updates.
#[derive(Template)]
#[template(path = "live/held.html")]
pub struct HeldPart {
    held: Option<HeldStrip>,
    alerts: Option<AlertStrip>,
}

impl HeldPart {
    /// As it is now.
    pub fn of(app: &App, actor: &Actor) -> Self {
        Self { held: held(app, actor), alerts: alerts(app, actor) }
    }
}

/// Open critical alerts, from memory alone. Whose session may only stop sees how many there are and of what kind.
pub fn alerts(app: &App, actor: &Actor) -> Option<AlertStrip> {
    authz::check(actor, Action::SeeCounts, &Resource::Installation).ok()?;
    let (critical, newest) = app.alerts.critical();
    let newest = newest?;
    let bot = if actor.is_stop_only() { None } else { app.alert_bot_name(&newest) };
    let words = bot.map_or_else(|| newest.kind.title().to_owned(), |bot| format!("{}: {bot}", newest.kind.title()));
    let href = if critical == 1 { format!("/alerts/{}", newest.id) } else { "/alerts".to_owned() };
    Some(AlertStrip { critical, newest: words, href })
}

/// The strip, from memory alone.
pub fn held(app: &App, actor: &Actor) -> Option<HeldStrip> {
    let view = app.fleet.view();
    let mut holds: Vec<&Arc<Hold>> = view.open_holds().collect();
    holds.sort_by_key(|hold| hold.at);
    let (oldest, others) = holds.split_first()?;
    let mut covered = HashSet::<BotId>::new();
    let mut outstanding = HashSet::<BotId>::new();
    for hold in holds.iter().rev().take(COUNTED) {
        for bot in app.receipt_from_memory(actor, hold).ok()?.bots {
            if bot.step() < Step::Idle {
                outstanding.insert(bot.bot.id.clone());
            }
            covered.insert(bot.bot.id.clone());
        }
    }
    let is_one = others.is_empty();
    let drills = holds.iter().filter(|hold| hold.is_drill()).count();
    let of_drills = match drills {
        0 => String::new(),
        n if n == holds.len() => ", a drill".to_owned(),
        n => format!(", {n} of a drill"),
    };
    Some(HeldStrip {
        what: if is_one { format!("{}{of_drills}", scope_words(app, &oldest.scope)) } else { format!("{} holds{of_drills}", holds.len()) },
        idle: OutOf { n: covered.len() - outstanding.len(), of: covered.len() },
        since: oldest.at,
        is_old: app.clock.now().ms_since(oldest.at) > crate::domain::time::DAY_MS,
        by: oldest.placed_by.name.clone(),
        href: if is_one { format!("/holds/{}", oldest.id) } else { "/holds".to_owned() },
    })
}

impl From<askama::Error> for WebError {
    fn from(error: askama::Error) -> Self {
        AppError::internal(error).into()
    }
}
