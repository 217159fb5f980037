//! `/bots/{id}/reconciliation`: what its agent reports beside what its venue shows. Both sides of a difference, when it was seen and who closed
//! it; closing takes a reason and a touch of the key. And what a difference does to this bot.

use super::id_of;
use crate::app::{
    App,
    reconcile::{Standing, watch_typed},
};
use crate::authz::{self, Action};
use crate::domain::{
    BotId, ReconciliationId, Timestamp,
    reconciliation::{Difference, GuardCancels, Outcome, Reaction, Reconciliation, Watch},
};
use crate::web::{
    Answer, Shared, WebError,
    chip::{Chip, Tone},
    extract::{ByTouch, Person},
    format, frame,
    page::Frame,
    problems::Problems,
    query::Named,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};

/// How a bot stands beside its venue, on its own page.
pub(in crate::web) struct Card {
    /// In one word.
    pub(in crate::web) chip: Chip,
    /// In a sentence.
    pub(in crate::web) words: String,
}

/// A confirmed difference.
pub(super) struct One {
    pub(super) id: String,
    pub(super) differences: Vec<Difference>,
    pub(super) first_seen_at: Timestamp,
    pub(super) confirmed_at: Timestamp,
    pub(super) key: String,
    pub(super) did: &'static str,
    /// The receipt of its hold; empty: it placed none.
    pub(super) hold: String,
    /// When, who and why; none: it stands.
    pub(super) closed: Option<(Timestamp, String, String)>,
}

#[derive(Template)]
#[template(path = "bot_reconciliation.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) problems: Problems,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) card: Card,
    pub(super) open: Option<One>,
    pub(super) past: Vec<One>,
    pub(super) may_close: bool,
    pub(super) may_set: bool,
    pub(super) watch: Watch,
    pub(super) has_guard: bool,
    /// The reason as typed.
    pub(super) typed: String,
}

/// `agreed at …, read with key …`, or what is the matter.
pub(in crate::web) fn card(standing: &Standing) -> Option<Card> {
    let chip = |tone, word: &'static str| Chip::new(tone, word);
    if let Some(open) = standing.open() {
        let words = format!("They differ since {}, and nobody has closed that: nothing starts it.", open.first_seen_at.plain());
        return Some(Card { chip: chip(Tone::Critical, "Differs"), words });
    }
    let Some(last) = &standing.last else {
        return standing.has_monitor.then(|| Card {
            chip: chip(Tone::Plain, "Not compared yet"),
            words: "A monitor key is held; the first comparison has not ended.".to_owned(),
        });
    };
    let agreed = last.agreed_at.map_or_else(|| "never yet".to_owned(), |at| at.plain());
    let held = if standing.has_monitor { "" } else { " No monitor key is held any more: nothing is compared now." };
    let (chip, words) = match last.outcome {
        Outcome::Agrees => {
            let beside = if last.words.is_empty() { String::new() } else { format!("; {}", last.words) };
            (chip(Tone::Done, "Agrees"), format!("Agreed at {agreed}, read with key {}{beside}.", last.key))
        }
        Outcome::Differs => (chip(Tone::High, "Differs once"), format!("Seen at {}, not confirmed: {}.", last.at.plain(), last.words)),
        Outcome::Unknown => {
            let since = last.unknown_since.map_or_else(String::new, |at| format!(" since {}", at.plain()));
            let times = if last.unknowns == 1 { "one reading".to_owned() } else { format!("{} readings", format::count(last.unknowns)) };
            (chip(Tone::NoData, "Not known"), format!("Nothing learned{since}, {times}: {}. Agreed last: {agreed}.", last.words))
        }
    };
    Some(Card { chip, words: words + held })
}

fn one(row: &Reconciliation) -> One {
    One {
        id: row.id.to_string(),
        differences: row.differences.clone(),
        first_seen_at: row.first_seen_at,
        confirmed_at: row.confirmed_at,
        key: row.key.clone(),
        did: match row.reaction {
            Reaction::Off => "no hold, as its setting says",
            Reaction::Reduce => "a reduce",
            Reaction::Pause => "a pause",
        },
        hold: row.hold.as_ref().map(|hold| format!("/holds/{hold}")).unwrap_or_default(),
        closed: row.closed.as_ref().map(|end| (end.at, end.name.clone(), end.why.clone())),
    }
}

/// The page.
pub async fn show(State(app): Shared, person: Person, Named(id): Named) -> Answer {
    draw(&app, &person, &id_of(&id)?, String::new(), Problems::none()).await
}

async fn draw(app: &App, person: &Person, id: &BotId, typed: String, problems: Problems) -> Answer {
    let row = app.bot(&person.actor, id)?;
    let standing = app.reconciliation_of(&person.actor, id).await?;
    let mut frame = frame::of(app, &person.visitor, format!("{} beside its venue", row.bot.name)).await;
    frame.is_error = !problems.is_empty();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let none = || Card {
        chip: Chip::new(Tone::Plain, "Not compared"),
        words: "The server holds no monitor key for it: its orders, positions and balances are not compared with its venue.".to_owned(),
    };
    let page = Page {
        id: id.to_string(),
        name: row.bot.name.clone(),
        card: card(&standing).unwrap_or_else(none),
        open: standing.open().map(one),
        past: standing.past.iter().filter(|row| row.closed.is_some()).map(one).collect(),
        may_close: app.may_close_difference(&person.actor, id),
        may_set: authz::check(&person.actor, Action::SetWatch, &App::bot_resource(&row.bot)).is_ok(),
        watch: standing.watch,
        has_guard: standing.has_guard,
        typed,
        problems,
        frame,
    };
    frame::page_with(status, &page)
}

/// Which difference is closed, and why.
#[derive(Debug, serde::Deserialize)]
pub struct Closing {
    #[serde(default)]
    reconciliation: String,
    #[serde(default)]
    why: String,
}

/// Closes it: from then on the bot can be started again.
pub async fn close(State(app): Shared, Named(id): Named, ByTouch(person, form): ByTouch<Closing>) -> Answer {
    let id = id_of(&id)?;
    let which = ReconciliationId::parse(&form.reconciliation).map_err(|_| WebError::not_found())?;
    match app.close_difference(&person.actor, &id, &which, &form.why).await {
        Ok(()) => Ok(frame::see(&format!("/bots/{id}/reconciliation"))),
        Err(error) => draw(&app, &person, &id, form.why, Problems::of_error(error)?).await,
    }
}

/// How the bot is to be watched.
#[derive(Debug, serde::Deserialize)]
pub struct Setting {
    #[serde(default)]
    reaction: String,
    #[serde(default)]
    guard_cancels: String,
}

/// Sets it.
pub async fn set(State(app): Shared, Named(id): Named, ByTouch(person, form): ByTouch<Setting>) -> Answer {
    let id = id_of(&id)?;
    let done = match watch_typed(&form.reaction, &form.guard_cancels) {
        Ok(watch) => app.set_watch(&person.actor, &id, watch).await,
        Err(invalid) => Err(invalid.into()),
    };
    match done {
        Ok(()) => Ok(frame::see(&format!("/bots/{id}/reconciliation"))),
        Err(error) => draw(&app, &person, &id, String::new(), Problems::of_error(error)?).await,
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let now = samples::now();
    let row = |closed: bool| One {
        id: samples::id(900),
        differences: vec![Difference {
            subject: "open orders".to_owned(),
            venue: "the venue has an open order 123 BUY 0.5 BTCUSDT".to_owned(),
            agent: "the agent reports <none>".to_owned(),
        }],
        first_seen_at: now,
        confirmed_at: now.plus_ms(15_000),
        key: samples::id(901),
        did: "a pause",
        hold: "/holds/0193".to_owned(),
        closed: closed.then(|| (now, "L. Sato".to_owned(), "placed by hand <at the venue>".to_owned())),
    };
    let page = |open: Option<One>, past, problems| {
        let frame = Frame::sample("grid-07 beside its venue", "/bots/7/reconciliation");
        let tone = if open.is_some() { Tone::Critical } else { Tone::Done };
        let card = Card { chip: Chip::new(tone, "Agrees"), words: "Agreed at 2026-11-26 17:04:05Z, read with key 7.".to_owned() };
        let (id, name, watch, typed) = (samples::id(7), "grid-07".to_owned(), Watch::default(), "by <hand>".to_owned());
        Page { frame, problems, id, name, card, open, past, may_close: true, may_set: true, watch, has_guard: true, typed }
            .render()
            .unwrap()
    };
    vec![
        ("bot-reconciliation".to_owned(), page(None, vec![row(true)], Problems::none())),
        ("bot-reconciliation-open".to_owned(), page(Some(row(false)), Vec::new(), Problems::one("why", "Say what it was."))),
    ]
}
