//! `/system`: how this server is, and how long a stop takes at worst. `/card`: the sheet to print and hang up, for when it is not.

use crate::app::{AppError, first_run::TASKS, health::Health};
use crate::authz::{self, Action, Resource};
use crate::domain::{BotFacts, Timestamp, Timings};
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::{Person, Visitor},
    format, frame,
    page::{Frame, Scripts},
};
use askama::Template;
use axum::extract::State;
use std::sync::Arc;

struct Part {
    part: &'static str,
    chip: Chip,
    said: String,
}

/// The usual timings in words.
struct Times {
    apply: String,
    stale: String,
    lapse: String,
    worst: String,
}

impl Times {
    fn usual() -> Self {
        let usual = Timings::default();
        Self {
            apply: format::duration(usual.apply_within_ms),
            stale: format::duration(usual.stale_after_ms),
            lapse: format::duration(usual.lapse_after_ms),
            worst: format::duration(usual.worst_case_stop_ms()),
        }
    }
}

struct Slow {
    bot: String,
    href: String,
    worst: String,
}

#[derive(Template)]
#[template(path = "system.html")]
struct System {
    frame: Frame,
    health: Health,
    parts: Vec<Part>,
    since: Timestamp,
    node: String,
    is_embedded: bool,
    times: Times,
    slowest: Vec<Slow>,
    // How far the first run has come; none in a demo.
    first_run: Option<format::OutOf>,
}

#[derive(Template)]
#[template(path = "card.html")]
struct Card {
    frame: Frame,
    origin: String,
    times: Times,
}

/// How the server is.
pub async fn show(State(app): Shared, person: Person) -> Answer {
    authz::check(&person.actor, Action::See, &Resource::Installation).map_err(AppError::from)?;
    let health = app.health().await;
    let view = app.fleet.view();
    let unrecorded = view.unrecorded().len();
    let mut bots: Vec<_> = view.bots().collect();
    bots.sort_by(|a, b| b.timings.worst_case_stop_ms().cmp(&a.timings.worst_case_stop_ms()).then_with(|| a.name.cmp(&b.name)));
    let slow = |bot: &Arc<BotFacts>| Slow {
        bot: bot.name.clone(),
        href: format!("/bots/{}", bot.id),
        worst: format::duration(bot.timings.worst_case_stop_ms()),
    };
    let slowest = bots.into_iter().take(5).map(slow).collect();
    let first_run = if app.is_demo() { None } else { app.first_run(&person.actor).ok() };
    let page = System {
        frame: frame::of(&app, &person.visitor, "System").await,
        parts: parts(&health, unrecorded, app.db.is_embedded()),
        health,
        since: app.started_at,
        node: app.node.clone(),
        is_embedded: app.db.is_embedded(),
        times: Times::usual(),
        slowest,
        first_run: first_run.map(|run| format::OutOf { n: run.count(), of: TASKS }),
    };
    frame::page(&page)
}

fn parts(health: &Health, unrecorded: usize, is_embedded: bool) -> Vec<Part> {
    let is_well = |name: &str| !health.degraded.contains(&name);
    let part = |part, is_well: bool, tone, bad: &str, said: &str| Part {
        part,
        chip: if is_well { Chip::new(Tone::Plain, "Well") } else { Chip::new(tone, bad) },
        said: said.to_owned(),
    };
    let spool = part(
        "Taking a stop",
        health.can_stop,
        Tone::Critical,
        "Cannot stop",
        "A press is kept on this machine and pushed to agents, database or not.",
    );
    let database =
        if is_embedded { "Embedded SQLite; this process is its only writer." } else { "PostgreSQL, shared with other replicas." };
    let database = part("Database", is_well("database"), Tone::Critical, "Not answering", database);
    let log = part(
        "Audit log",
        is_well("audit_log"),
        Tone::Critical,
        "Takes no entry",
        "Without it nothing may start or be loosened. Stopping works.",
    );
    let mut late = part("Holds not recorded yet", is_well("unrecorded_holds"), Tone::High, "Waiting", "");
    late.said = match unrecorded {
        0 => "None. A hold pressed without the database waits here and holds all the same.".to_owned(),
        n => format!("{n} in the spool of this machine. They hold; the database gets them when it is back."),
    };
    let mut view = part("View of the fleet", is_well("view"), Tone::High, "Too old", "");
    view.said = format!("Read {} ago. Too old, it ends leases: bots then stop by themselves.", format::duration(health.view_age_ms));
    vec![spool, database, log, late, view]
}

/// The sheet. Public: whoever stands before a server that does not answer has no session.
pub async fn card(State(app): Shared, visitor: Visitor) -> Answer {
    let mut frame = frame::of(&app, &visitor, "Emergency card").await;
    frame.scripts = Scripts::Plain;
    frame::page(&Card { frame, origin: app.origin.origin().ascii_serialization(), times: Times::usual() })
}
