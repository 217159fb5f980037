//! `/acts`: what waits for my signature, what waits for others', what is over.

mod changed;
pub mod show;
pub mod words;

use crate::app::{App, acts::ActView};
use crate::authz::Actor;
use crate::domain::Timestamp;
use crate::web::{
    Answer, Shared,
    chip::{Chip, Tone},
    extract::Person,
    format::{self, OutOf},
    frame,
    page::Frame,
};
use askama::Template;
use axum::extract::State;

/// A line of a list.
struct Row {
    href: String,
    sentence: String,
    asked_by: String,
    asked_at: Timestamp,
    seats: OutOf,
    // Of an act that waits: when it expires.
    until: Timestamp,
    // Of an act that is over: what came of it.
    chip: Chip,
}

#[derive(Template)]
#[template(path = "acts.html")]
struct Acts {
    frame: Frame,
    mine: Vec<Row>,
    others: Vec<Row>,
    over: Vec<Row>,
}

/// The three lists.
pub async fn index(State(app): Shared, person: Person) -> Answer {
    let (open, over) = app.acts(&person.actor).await?;
    let (mine, others): (Vec<ActView>, Vec<ActView>) = open.into_iter().partition(|act| app.may_sign(&person.actor, act).is_ok());
    let rows = |acts: Vec<ActView>| acts.iter().map(|act| row(&app, act)).collect();
    let page = Acts { frame: frame::of(&app, &person.visitor, "Acts").await, mine: rows(mine), others: rows(others), over: rows(over) };
    frame::page(&page)
}

fn row(app: &App, act: &ActView) -> Row {
    Row {
        href: format!("/acts/{}", act.stored.id),
        sentence: words::sentence(app, act),
        asked_by: name(app, &act.stored.made_by),
        asked_at: act.stored.made_at,
        seats: OutOf { n: act.signatures.len(), of: seats(act) },
        until: act.waits_until(),
        chip: state(app, act),
    }
}

/// How many signatures it needs.
pub(super) fn seats(act: &ActView) -> usize {
    usize::try_from(act.stored.signers_needed).unwrap_or(1)
}

/// How an act stands.
fn state(app: &App, act: &ActView) -> Chip {
    match act.stored.state.as_str() {
        "open" if app.clock.now() > act.waits_until() => Chip::new(Tone::Plain, "Expired, nothing was done"),
        "open" => Chip::new(Tone::Open, "Waits for a signature"),
        "done" => Chip::new(Tone::Done, "Carried out"),
        "withdrawn" => Chip::new(Tone::Plain, "Withdrawn"),
        // What ended it stands in its outcome, in the words of `app::acts::decide`.
        _ => match act.stored.outcome.as_deref().unwrap_or_default() {
            how if how.starts_with("denied") => Chip::new(Tone::Plain, "Denied"),
            how if how.starts_with("nobody signed") => Chip::new(Tone::Plain, "Expired, nothing was done"),
            _ => Chip::new(Tone::Plain, "In vain, nothing was done"),
        },
    }
}

fn name(app: &App, user: &crate::domain::UserId) -> String {
    app.people().who(user)
}

/// Why this person may not sign, as a sentence; none: they may.
fn obstacle(app: &App, actor: &Actor, act: &ActView) -> Option<String> {
    let error = app.may_sign(actor, act).err()?;
    Some(crate::web::WebError::from(error).reasons.join(" "))
}
