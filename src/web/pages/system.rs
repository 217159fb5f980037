//! `/system`: how this server is, and how long a stop takes at worst. `/card`: the sheet to print and hang up, for when it is not.

use super::{
    keeping::{self, Keeping},
    mail,
};
use crate::app::{AppError, first_run::TASKS, health::Health, vault::Vault};
use crate::authz::{self, Action, Resource};
use crate::domain::{BotFacts, Timestamp, Timings};
use crate::fleet::worst_case_stop_ms;
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::{Person, Visitor},
    format, frame,
    front::Arrival,
    page::{Frame, Scripts},
    tls::Shown,
};
use askama::Template;
use axum::{Extension, extract::State};
use std::sync::Arc;

/// A certificate with fewer days left is to be renewed by hand: whatever renews it by itself has failed.
const ENDS_SOON_DAYS: i64 = 14;

/// A row of the table of parts.
pub struct Part {
    /// Its name.
    pub part: &'static str,
    /// How it is.
    pub chip: Chip,
    /// What that means.
    pub said: String,
}

impl Part {
    /// A part that is well, or is not: then as urgent as this, in these words.
    pub fn new(part: &'static str, is_well: bool, (tone, bad): (Tone, &str), said: impl Into<String>) -> Self {
        let chip = if is_well { Chip::new(Tone::Plain, "Well") } else { Chip::new(tone, bad) };
        Self { part, chip, said: said.into() }
    }
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
    keeping: Keeping,
    // How far the first run has come; none in a demo.
    first_run: Option<format::OutOf>,
    may_see_devices: bool,
}

#[derive(Template)]
#[template(path = "card.html")]
struct Card {
    frame: Frame,
    origin: String,
    times: Times,
}

/// How the server is.
pub async fn show(State(app): Shared, arrival: Option<Extension<Arrival>>, person: Person) -> Answer {
    authz::check(&person.actor, Action::See, &Resource::Installation).map_err(AppError::from)?;
    let health = app.health().await;
    let view = app.fleet.view();
    let unrecorded = view.unrecorded().len();
    let mut bots: Vec<_> = view.bots().collect();
    let worst = |bot: &BotFacts| worst_case_stop_ms(bot.timings, app.book.seen(&bot.id).as_deref());
    bots.sort_by_cached_key(|bot| (std::cmp::Reverse(worst(bot)), bot.name.clone()));
    let slow = |bot: &Arc<BotFacts>| Slow { bot: bot.name.clone(), href: format!("/bots/{}", bot.id), worst: format::duration(worst(bot)) };
    let slowest = bots.into_iter().take(5).map(slow).collect();
    let keeping = Keeping::of(&app);
    let mut parts = parts(&health, unrecorded, app.db.is_embedded(), &keeping);
    if let Some(tls) = arrival.and_then(|Extension(arrival)| arrival.front.tls.clone()) {
        parts.push(certificate(&tls.shown(), app.clock.now()));
    }
    parts.push(vault(&app.vault));
    parts.push(mail::part(&app, &person.actor).await);
    parts.push(super::alerts::command_part(&app).await);
    let first_run = if app.is_demo() { None } else { app.first_run(&person.actor).ok() };
    let page = System {
        frame: frame::of(&app, &person.visitor, "System").await,
        parts,
        health,
        since: app.started_at,
        node: app.node.clone(),
        is_embedded: app.db.is_embedded(),
        times: Times::usual(),
        slowest,
        keeping,
        may_see_devices: authz::check(&person.actor, Action::SeeAccess, &Resource::Installation).is_ok(),
        first_run: first_run.map(|run| format::OutOf { n: run.count(), of: TASKS }),
    };
    frame::page(&page)
}

fn parts(health: &Health, unrecorded: usize, is_embedded: bool, keeping: &Keeping) -> Vec<Part> {
    let is_well = |name: &str| !health.degraded.contains(&name);
    let spool = Part::new(
        "Taking a stop",
        health.can_stop,
        (Tone::Critical, "Cannot stop"),
        "A press is kept on this machine and pushed to agents, database or not.",
    );
    let database =
        if is_embedded { "Embedded SQLite; this process is its only writer." } else { "PostgreSQL, shared with other replicas." };
    let database = Part::new("Database", is_well("database"), (Tone::Critical, "Not answering"), database);
    let late = match unrecorded {
        0 => "None. A hold pressed without the database waits here and holds all the same.".to_owned(),
        n => format!("{n} in the spool of this machine. They hold; the database gets them when it is back."),
    };
    let late = Part::new("Holds not recorded yet", is_well("unrecorded_holds"), (Tone::High, "Waiting"), late);
    let view = format!("Read {} ago. Too old, it ends leases: bots then stop by themselves.", format::duration(health.view_age_ms));
    let view = Part::new("View of the fleet", is_well("view"), (Tone::High, "Too old"), view);
    [spool, database].into_iter().chain(keeping::parts(&health.degraded, keeping)).chain([late, view]).collect()
}

/// The exchange keys that this server holds.
fn vault(vault: &Vault) -> Part {
    let (under, left) = (vault.master().map(|id| format!("Sealed under the master key {id}.")).unwrap_or_default(), vault.left());
    let said = match vault.trouble() {
        Some(why) => format!("{why}. {under} Until then no key that this server holds is used. Stopping works."),
        None if left > 0 => format!("{under} {left} are still under the one before it, and are carried over."),
        None if vault.is_old_over() => format!("{under} Nothing needs the old one any more: --master-key-old may be taken away."),
        None if under.is_empty() => "This server keeps none.".to_owned(),
        None => under,
    };
    Part::new("Kept exchange keys", vault.trouble().is_none(), (Tone::High, "Cannot be used"), said)
}

/// How the certificate is, and whether its files have become unusable since.
fn certificate(shown: &Shown, now: Timestamp) -> Part {
    let names = shown.facts.names.join(", ");
    let days = shown.facts.days_left(now);
    let (until, plural) = (shown.facts.not_after.plain(), if days == 1 { "" } else { "s" });
    let (chip, said) = match &shown.wrong {
        Some(why) => {
            let said = format!("Its files cannot be used: {why}. The one read before them is served, for {names} until {until}.");
            let chip =
                if shown.facts.is_current(now) { Chip::new(Tone::High, "Not renewed") } else { Chip::new(Tone::Critical, "Not valid now") };
            (chip, said)
        }
        None if !shown.facts.is_current(now) => {
            (Chip::new(Tone::Critical, "Not valid now"), format!("For {names} until {until}. Browsers and agents refuse it."))
        }
        None if days < ENDS_SOON_DAYS => {
            (Chip::new(Tone::High, "Ends soon"), format!("For {names} until {until}: {days} day{plural} left."))
        }
        None => (
            Chip::new(Tone::Plain, "Well"),
            format!("For {names} until {until}: {days} days left. Its files are read again when they change."),
        ),
    };
    Part { part: "Certificate", chip, said }
}

/// The sheet. Public: whoever stands before a server that does not answer has no session.
pub async fn card(State(app): Shared, visitor: Visitor) -> Answer {
    let mut frame = frame::of(&app, &visitor, "Emergency card").await;
    frame.scripts = Scripts::Plain;
    frame::page(&Card { frame, origin: app.origin.origin().ascii_serialization(), times: Times::usual() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::certificate::Facts;

    #[test]
    fn a_certificate_that_ends_or_cannot_be_renewed_is_told_in_time() {
        let now = Timestamp(1_795_000_000_000_000);
        let days = |n: i64| now.plus_ms(n * 24 * 60 * 60 * 1_000);
        let told = |left: i64, wrong: Option<&str>| {
            let facts = Facts { names: vec!["andon.example".into()], not_before: days(-90), not_after: days(left) };
            let part = certificate(&Shown { facts, wrong: wrong.map(str::to_owned) }, now);
            (part.chip.tone, part.said)
        };
        assert_eq!(told(60, None).0, Tone::Plain);
        assert_eq!(told(13, None).0, Tone::High);
        assert!(told(1, None).1.contains("1 day left"));
        assert_eq!(told(-1, None).0, Tone::Critical);
        let (tone, said) = told(60, Some("the private key does not belong to it"));
        assert_eq!(told(-1, Some("half a file")).0, Tone::Critical);
        assert!(tone == Tone::High && said.contains("does not belong") && said.contains("andon.example"), "{said}");
    }
}
